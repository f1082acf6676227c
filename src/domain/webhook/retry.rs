//! When a failed attempt is repeated.

use std::time::Duration;

use crate::domain::timestamp::Timestamp;

/// Seconds before each attempt but the first (Standard Webhooks 1.0). Together they are three days.
const DELAYS: [u64; MAX_ATTEMPTS - 1] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The number of attempts to deliver an event.
pub const MAX_ATTEMPTS: usize = 10;
/// The longest time for which a receiver can put off the next attempt.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// A webhook is disabled after this number of failures in a row, if the first was three days ago.
const MIN_FAILURES: i32 = 10;
const MIN_FAILING_SECONDS: i64 = 3 * 86_400;

/// The time until the next attempt, after `failed_attempts`. `None` if no attempt is left, or none has failed.
///
/// `jitter` is random and changes it by at most a tenth. The receiver's `retry_after` can only make it longer.
pub fn retry_delay(failed_attempts: usize, retry_after: Option<Duration>, jitter: u16) -> Option<Duration> {
    let delay = Duration::from_secs(*DELAYS.get(failed_attempts.checked_sub(1)?)?);
    let jittered = delay.mul_f64(0.9 + 0.2 * f64::from(jitter) / f64::from(u16::MAX));
    Some(jittered.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER)))
}

/// The time without any attempt to send to a webhook, after this number of failures in a row. A receiver that does
/// not respond is asked at most once a minute, however many events wait for it.
pub fn pause(failures: i32, retry_after: Option<Duration>) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or_default().min(6);
    let backoff = Duration::from_secs(1 << doublings).min(MAX_PAUSE);
    backoff.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
}

/// Whether a webhook is disabled that has failed this number of times in a row.
pub const fn is_given_up(failures: i32, failing_since: Timestamp, now: Timestamp) -> bool {
    failures >= MIN_FAILURES && failing_since.seconds_until(now) >= MIN_FAILING_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_webhook_is_paused_for_up_to_a_minute() {
        let pauses: Vec<u64> = (1..9).map(|failures| pause(failures, None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(i32::MAX, None), MAX_PAUSE);
        let asked = |seconds| pause(1, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([0, 90, 1_000_000].map(asked), [1, 90, 86_400]);
        // A single event is not delayed by the pause.
        for failures in 1..MAX_ATTEMPTS {
            assert!(pause(failures as i32, None) < retry_delay(failures, None, 0).unwrap());
        }
    }

    #[test]
    fn a_webhook_is_given_up_after_ten_failures_and_three_days() {
        let since = Timestamp::from_micros(0);
        for (failures, seconds, expected) in [
            (9, i64::MAX / 2_000_000, false),
            (10, 259_199, false),
            (10, 259_200, true),
            (4_000, 259_200, true),
        ] {
            assert_eq!(
                is_given_up(failures, since, since.plus_seconds(seconds)),
                expected,
                "{failures} {seconds}"
            );
        }
    }

    const MIDDLE: u16 = u16::MAX / 2;

    #[test]
    fn attempts_follow_the_schedule() {
        for (failed, expected) in (1..MAX_ATTEMPTS).zip(DELAYS) {
            let delay = retry_delay(failed, None, MIDDLE).unwrap();
            assert_eq!(delay.as_secs_f64().round(), Duration::from_secs(expected).as_secs_f64());
        }
        assert_eq!(DELAYS.iter().sum::<u64>() / 3_600, 75);
        assert_eq!(retry_delay(0, None, MIDDLE), None);
        for failed in [MAX_ATTEMPTS, MAX_ATTEMPTS + 1, usize::MAX] {
            assert_eq!(retry_delay(failed, Some(Duration::from_secs(1)), MIDDLE), None);
        }
    }

    #[test]
    fn jitter_changes_a_delay_by_at_most_a_tenth() {
        for failed in 1..MAX_ATTEMPTS {
            let [least, most] =
                [0, u16::MAX].map(|jitter| retry_delay(failed, None, jitter).unwrap().as_secs_f64());
            let middle = retry_delay(failed, None, MIDDLE).unwrap().as_secs_f64();
            assert!((least - 0.9 * middle).abs() < 1.0 && (most - 1.1 * middle).abs() < 1.0);
            assert!(least > 0.0);
        }
    }

    #[test]
    fn a_receiver_can_put_off_the_next_attempt_by_a_day() {
        let seconds = Duration::from_secs;
        let delay = |asked| retry_delay(1, Some(asked), MIDDLE).unwrap().as_secs_f64().round() as u64;
        assert_eq!(delay(seconds(0)), 5);
        assert_eq!(delay(seconds(3)), 5);
        assert_eq!(delay(seconds(60)), 60);
        assert_eq!(delay(seconds(1_000_000)), 86_400);
    }
}
