//! Instants and durations, in whole microseconds: what both databases keep.

use chrono::{DateTime, Utc};

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;

/// A moment: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// This moment, later (or earlier, if negative) by whole seconds.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS)))
    }

    /// Whole seconds from this moment until a later one; 0 when that is past.
    pub const fn seconds_until(self, later: Self) -> i64 {
        let left = later.0.saturating_sub(self.0);
        if left > 0 { left / MICROS } else { 0 }
    }

    /// As RFC 3339 in whole seconds, e.g. `2030-01-01T00:00:00Z`.
    pub fn rfc3339(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// Reads RFC 3339, in any offset; what is finer than a microsecond is cut off.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_micros()))
    }

    /// By a pattern of chrono's `strftime`, in UTC.
    pub fn format(self, pattern: &str) -> String {
        DateTime::<Utc>::from_timestamp_micros(self.0)
            .map(|at| at.format(pattern).to_string())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_until_a_past_time_is_zero() {
        let now = Timestamp::from_micros(10 * MICROS);
        assert_eq!(now.seconds_until(now.plus_seconds(5)), 5);
        assert_eq!(now.plus_seconds(5).seconds_until(now), 0);
        assert_eq!(now.seconds_until(Timestamp::from_micros(11 * MICROS - 1)), 0);
    }

    #[test]
    fn timestamps_round_down_even_before_the_epoch() {
        for (micros, millis, seconds) in
            [(0, 0, 0), (1_999_999, 1_999, 1), (2_000_000, 2_000, 2), (-1, -1, -1), (-1_000_001, -1_001, -2)]
        {
            let moment = Timestamp::from_micros(micros);
            assert_eq!((moment.millis(), moment.seconds()), (millis, seconds), "{micros}");
        }
    }

    #[test]
    fn a_timestamp_formats_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_micros(1_893_456_000 * MICROS + 999_999).rfc3339(),
            "2030-01-01T00:00:00Z"
        );
    }

    #[test]
    fn rfc_3339_parses_with_any_offset() {
        let moment = Some(Timestamp::from_micros(1_893_456_000 * MICROS + 500_000));
        assert_eq!(Timestamp::from_rfc3339("2030-01-01T00:00:00.5Z"), moment);
        assert_eq!(Timestamp::from_rfc3339("2030-01-01T02:00:00.5000009+02:00"), moment);
        for text in ["", "2030-01-01", "2030-01-01T00:00:00", "2030-02-30T00:00:00Z", "tomorrow"] {
            assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
        }
    }
}
