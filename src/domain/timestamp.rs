//! Timestamps in whole microseconds, the precision of both databases.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A day in UTC: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcDay(pub i32);

/// A point in time: microseconds since the Unix epoch, UTC.
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
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// This time plus whole seconds, which may be negative. Saturates.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND)))
    }

    /// Whole seconds from this time until `later`, rounded down; 0 if `later` is in the past.
    pub const fn seconds_until(self, later: Self) -> i64 {
        let left = later.0.saturating_sub(self.0);
        if left > 0 { left / MICROS_PER_SECOND } else { 0 }
    }

    /// The day in UTC.
    pub fn utc_day(self) -> UtcDay {
        UtcDay(i32::try_from(self.0.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX))
    }

    /// RFC 3339 in whole seconds, such as `2030-01-01T00:00:00Z`.
    pub fn rfc3339(self) -> String {
        let at = DateTime::<Utc>::from_timestamp_micros(self.0);
        at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
    }

    /// Parses RFC 3339 with any offset, truncated to microseconds. The year in UTC has four digits.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
        (0..=9_999).contains(&at.year()).then(|| Self(at.timestamp_micros()))
    }

    /// Formats with a `strftime` pattern of chrono, in UTC.
    pub fn format(self, pattern: &str) -> String {
        DateTime::<Utc>::from_timestamp_micros(self.0)
            .map(|at| at.format(pattern).to_string())
            .unwrap_or_default()
    }
}

impl UtcDay {
    /// The first moment of the day.
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 as i64 * MICROS_PER_DAY)
    }

    /// The day that is this many days later, or earlier if `days` is negative.
    #[must_use]
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_until_a_past_time_is_zero() {
        let now = Timestamp::from_micros(10 * MICROS_PER_SECOND);
        assert_eq!(now.seconds_until(now.plus_seconds(5)), 5);
        assert_eq!(now.plus_seconds(5).seconds_until(now), 0);
        assert_eq!(now.seconds_until(Timestamp::from_micros(11 * MICROS_PER_SECOND - 1)), 0);
    }

    #[test]
    fn timestamps_round_down_even_before_the_epoch() {
        for (micros, millis, seconds) in
            [(0, 0, 0), (1_999_999, 1_999, 1), (2_000_000, 2_000, 2), (-1, -1, -1), (-1_000_001, -1_001, -2)]
        {
            let timestamp = Timestamp::from_micros(micros);
            assert_eq!((timestamp.millis(), timestamp.seconds()), (millis, seconds), "{micros}");
        }
    }

    #[test]
    fn a_day_lasts_from_its_start_to_the_next() {
        let day = UtcDay(21_915);
        assert_eq!(day.start().rfc3339(), "2030-01-01T00:00:00Z");
        let last = Timestamp::from_micros(day.plus_days(1).start().micros() - 1);
        assert_eq!([day.start().utc_day(), last.utc_day()], [day, day]);
        assert_eq!(Timestamp::from_micros(-1).utc_day(), UtcDay(-1));
    }

    #[test]
    fn a_timestamp_formats_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_micros(1_893_456_000 * MICROS_PER_SECOND + 999_999).rfc3339(),
            "2030-01-01T00:00:00Z"
        );
    }

    #[test]
    fn rfc_3339_parses_with_any_offset() {
        let timestamp = Some(Timestamp::from_micros(1_893_456_000 * MICROS_PER_SECOND + 500_000));
        assert_eq!(Timestamp::from_rfc3339("2030-01-01T00:00:00.5Z"), timestamp);
        assert_eq!(Timestamp::from_rfc3339("2030-01-01T02:00:00.5000009+02:00"), timestamp);
        for text in ["", "2030-01-01", "2030-01-01T00:00:00", "2030-02-30T00:00:00Z", "tomorrow"] {
            assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
        }
    }
}
