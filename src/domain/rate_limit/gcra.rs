//! The generic cell rate algorithm (GCRA): a limit of `count` per period admits a burst of
//! `count`, and then one more per emission interval (the period divided by `count`). The only
//! state is a timestamp, the theoretical arrival time.

use std::str::FromStr;

use crate::domain::timestamp::Timestamp;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A limit of `count` per period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    count: i64,
    period_seconds: i64,
}

/// The text or the numbers are not a valid rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `off` or a rate such as `10/h` or `5/15m`: 1 to {} times in at most {} days (units: s, m, h, d)",
    RateLimit::MAX_COUNT,
    RateLimit::MAX_PERIOD_SECONDS / 86_400
)]
pub struct InvalidRateLimit;

/// The theoretical arrival time of a key: when its whole burst is available again. A time in
/// the past means that nothing is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TheoreticalArrival(pub Timestamp);

impl TheoreticalArrival {
    /// The state of a key that was never used.
    pub const IDLE: Self = Self(Timestamp::from_micros(0));
}

impl RateLimit {
    const MAX_COUNT: i64 = 1_000_000;
    /// 31 days.
    const MAX_PERIOD_SECONDS: i64 = 2_678_400;

    /// A limit of 1 to 1,000,000 in 1 to 2,678,400 seconds.
    pub const fn new(count: i64, period_seconds: i64) -> Result<Self, InvalidRateLimit> {
        if 1 <= count
            && count <= Self::MAX_COUNT
            && 1 <= period_seconds
            && period_seconds <= Self::MAX_PERIOD_SECONDS
        {
            Ok(Self { count, period_seconds })
        } else {
            Err(InvalidRateLimit)
        }
    }

    /// `factor` times as many in the same period, as far as a limit can be.
    #[must_use]
    pub const fn times(self, factor: i64) -> Self {
        let count = self.count.saturating_mul(factor);
        Self { count: if count < Self::MAX_COUNT { count } else { Self::MAX_COUNT }, ..self }
    }

    /// One in the same period.
    #[must_use]
    pub const fn one_per_period(self) -> Self {
        Self { count: 1, ..self }
    }

    /// The burst, which is also the number admitted per period after it.
    pub const fn count(self) -> i64 {
        self.count
    }

    /// The length of the period in seconds.
    pub const fn period_seconds(self) -> i64 {
        self.period_seconds
    }

    /// Microseconds after which one more is admitted, rounded up in favor of the limit.
    const fn emission_interval(self) -> i64 {
        (self.period_seconds * MICROS_PER_SECOND + self.count - 1) / self.count
    }

    /// The latest arrival time, in microseconds, that the limit admits at `now`.
    const fn burst_ceiling(self, now: Timestamp) -> i64 {
        now.micros() + self.emission_interval() * self.count
    }

    /// Consumes one: the new arrival time, or the seconds (at least 1) until one is available.
    pub fn consume(self, arrival: TheoreticalArrival, now: Timestamp) -> Result<TheoreticalArrival, i64> {
        let next_arrival = arrival.0.max(now).micros() + self.emission_interval();
        let excess = next_arrival - self.burst_ceiling(now);
        if excess <= 0 {
            Ok(TheoreticalArrival(Timestamp::from_micros(next_arrival)))
        } else {
            Err(ceil_seconds(excess))
        }
    }

    /// Reverts one [`RateLimit::consume`].
    pub const fn refund(self, arrival: TheoreticalArrival) -> TheoreticalArrival {
        TheoreticalArrival(Timestamp::from_micros(arrival.0.micros() - self.emission_interval()))
    }

    /// How many are available, and the seconds until one more is; 0 seconds if all are.
    pub fn remaining(self, arrival: TheoreticalArrival, now: Timestamp) -> (i64, i64) {
        let backlog = (arrival.0.micros() - now.micros()).max(0);
        let consumed = (backlog + self.emission_interval() - 1) / self.emission_interval();
        let next = if consumed == 0 { 0 } else { backlog - (consumed - 1) * self.emission_interval() };
        ((self.count - consumed).max(0), ceil_seconds(next))
    }
}

const fn ceil_seconds(micros: i64) -> i64 {
    (micros + MICROS_PER_SECOND - 1) / MICROS_PER_SECOND
}

/// Parses `<count>/[<n>]<unit>`, such as `10/h` or `5/15m`.
impl FromStr for RateLimit {
    type Err = InvalidRateLimit;

    fn from_str(text: &str) -> Result<Self, InvalidRateLimit> {
        let (count, period) = text.split_once('/').ok_or(InvalidRateLimit)?;
        let unit = match period.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(InvalidRateLimit),
        };
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<i64>().ok())?
        };
        let units = match period.trim_end_matches(char::is_alphabetic) {
            "" if period.len() == 1 => Some(1),
            digits if digits.len() + 1 == period.len() => number(digits),
            _ => None,
        };
        let seconds = units.and_then(|units| units.checked_mul(unit)).ok_or(InvalidRateLimit)?;
        Self::new(number(count).ok_or(InvalidRateLimit)?, seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn any_limit() -> impl Strategy<Value = RateLimit> {
        (1_i64..200, 1_i64..100_000).prop_map(|(count, seconds)| RateLimit::new(count, seconds).unwrap())
    }

    fn after(now: Timestamp, micros: i64) -> Timestamp {
        Timestamp::from_micros(now.micros() + micros)
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_a_burst_plus_the_refill(
            limit in any_limit(),
            waits in proptest::collection::vec(0_i64..2_000_000_000, 1..400),
        ) {
            let (mut arrival, mut now) = (TheoreticalArrival::IDLE, START);
            let mut admitted = Vec::new();
            for wait in waits {
                now = after(now, wait);
                match limit.consume(arrival, now) {
                    Ok(next_arrival) => {
                        prop_assert!(next_arrival > arrival);
                        arrival = next_arrival;
                        admitted.push(now.micros());
                    }
                    Err(seconds) => prop_assert!(seconds >= 1),
                }
            }
            for (nth, first) in admitted.iter().enumerate() {
                let period = limit.period_seconds() * MICROS_PER_SECOND;
                let in_period = admitted[nth..].iter().filter(|at| **at - first < period).count();
                prop_assert!(in_period as i64 <= 2 * limit.count());
                let last = admitted.get(nth + limit.count() as usize);
                prop_assert!(
                    last.is_none_or(|last| last - first >= limit.emission_interval()),
                    "a burst is followed by at most one per interval"
                );
            }
        }

        #[test]
        fn a_full_burst_is_admitted_and_one_more_is_not(limit in any_limit()) {
            let mut arrival = TheoreticalArrival::IDLE;
            for nth in 1..=limit.count() {
                arrival = limit.consume(arrival, START).unwrap();
                prop_assert_eq!(limit.remaining(arrival, START).0, limit.count() - nth);
            }
            prop_assert!(limit.consume(arrival, START).is_err());
        }

        #[test]
        fn retry_after_is_exact_to_the_second(
            limit in any_limit(),
            attempts in 0_i64..400,
            wait in 0_i64..3_000_000_000,
        ) {
            let mut arrival = TheoreticalArrival::IDLE;
            for _ in 0..attempts {
                arrival = limit.consume(arrival, START).unwrap_or(arrival);
            }
            let now = after(START, wait);
            if let Err(seconds) = limit.consume(arrival, now) {
                prop_assert!(limit.consume(arrival, now.plus_seconds(seconds)).is_ok());
                prop_assert!(limit.consume(arrival, now.plus_seconds(seconds - 1)).is_err());
                prop_assert_eq!(limit.remaining(arrival, now), (0, seconds));
            }
            let (remaining, reset_after) = limit.remaining(arrival, now);
            prop_assert_eq!(remaining > 0, limit.consume(arrival, now).is_ok());
            prop_assert_eq!(remaining == limit.count(), reset_after == 0);
            if reset_after > 0 {
                prop_assert!(limit.remaining(arrival, now.plus_seconds(reset_after)).0 > remaining);
            }
        }

        #[test]
        fn a_refund_undoes_a_consume(limit in any_limit(), wait in 0_i64..10_000_000) {
            let arrival = limit.consume(TheoreticalArrival::IDLE, START).unwrap();
            let now = after(START, wait);
            if let Ok(next_arrival) = limit.consume(arrival, now) {
                let back = limit.refund(next_arrival);
                prop_assert_eq!(limit.remaining(back, now), limit.remaining(arrival, now));
            }
        }

        #[test]
        fn parsing_any_text_does_not_panic(text in "\\PC{0,12}") {
            let _ = text.parse::<RateLimit>();
        }
    }

    #[test]
    fn limits_parse_from_count_per_period() {
        for (text, count, seconds) in [
            ("10/h", 10, 3_600),
            ("1/s", 1, 1),
            ("5/15m", 5, 900),
            ("1000/d", 1_000, 86_400),
            ("1000000/31d", 1_000_000, 2_678_400),
        ] {
            assert_eq!(text.parse(), RateLimit::new(count, seconds), "{text}");
        }
        for text in [
            "",
            "/",
            "10",
            "10/",
            "/h",
            "h/10",
            "0/h",
            "10/0h",
            "-1/h",
            "+1/h",
            "1.5/h",
            "10/hour",
            "10/h ",
            " 10/h",
            "10 /h",
            "1000001/h",
            "1/32d",
            "10/ h",
            "10/9223372036854775807d",
            "10/hd",
            "10/5hd",
            "10/1",
            "١/h",
        ] {
            assert_eq!(text.parse::<RateLimit>(), Err(InvalidRateLimit), "{text}");
        }
    }

    #[test]
    fn the_emission_interval_is_rounded_up() {
        for (count, seconds, micros) in [(3, 1, 333_334), (10, 3_600, 360_000_000), (1, 60, 60_000_000)] {
            let limit = RateLimit::new(count, seconds).unwrap();
            assert_eq!((limit.count(), limit.period_seconds()), (count, seconds));
            let full = (0..count)
                .fold(TheoreticalArrival::IDLE, |arrival, _| limit.consume(arrival, START).unwrap());
            assert!(limit.consume(full, after(START, micros - 1)).is_err());
            assert!(limit.consume(full, after(START, micros)).is_ok());
        }
    }
}
