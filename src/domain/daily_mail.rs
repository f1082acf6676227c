//! The daily mail: at most one mail per user and day (in UTC) about requests that wait for a decision,
//! permissions and export tokens that end soon, and requests that have expired.

use super::bundle::Bundle;
use super::hub::{HubId, NodeId};
use super::mail_kinds::{MailKind, MailKinds};
use super::permission_request::PermissionRequest;
use super::timestamp::{Timestamp, UtcDay};
use super::user::User;

/// Days before the end of a permission or an export token on which its users are mailed.
pub const ENDING_DAYS: [i32; 2] = [7, 1];
/// A request that lasts less long has no reminder.
const MIN_SECONDS_OF_REMINDED_REQUEST: i64 = 2 * 86_400;
/// How many days after a reminder's day a mail may still contain it.
pub const MAX_DELAY_DAYS: i32 = 7;

/// The day of the mail that is sent `days` days before the end of what lasts from `start` to `end`.
/// `None`: it does not last longer than that, and there is no mail.
///
/// If it starts on that day, it is the next day: the mail of the day may have been sent before the
/// start.
pub fn ending_day(start: Timestamp, end: Timestamp, days: i32) -> Option<UtcDay> {
    let at = end.plus_seconds(i64::from(-days) * 86_400);
    let day = at.utc_day();
    (at > start).then(|| if start.utc_day() == day { day.plus_days(1) } else { day })
}

/// The day of the mail that reminds the target of a request: one day before its end.
pub fn reminder_day(start: Timestamp, end: Timestamp) -> Option<UtcDay> {
    let is_long = start.plus_seconds(MIN_SECONDS_OF_REMINDED_REQUEST) <= end;
    is_long.then(|| ending_day(start, end, 1)).flatten()
}

/// The day of the mail about an expired request: the day after, which has all requests that expired on
/// one day.
pub fn expired_day(end: Timestamp) -> UtcDay {
    end.utc_day().plus_days(1)
}

/// The days whose subjects a mail contains: those since the user's previous daily mail, as long as that
/// is not too long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange {
    /// The day of the mail.
    pub last: UtcDay,
    /// The day of the previous mail.
    pub previous: Option<UtcDay>,
}

impl DayRange {
    /// The first day whose subjects the mail may contain.
    pub fn first(self) -> UtcDay {
        let oldest = self.last.plus_days(-MAX_DELAY_DAYS);
        self.previous.map_or(oldest, |day| day.plus_days(1).max(oldest))
    }

    /// Whether the mail contains the subjects of this day.
    pub fn contains(self, day: UtcDay) -> bool {
        self.first() <= day && day <= self.last
    }
}

/// A request in a daily mail.
#[derive(Clone, Debug)]
pub struct DailyRequest {
    pub request: PermissionRequest,
    /// The requester; for the requester, the target.
    pub other: User,
    pub bundle: Bundle,
}

/// A permission in a daily mail.
#[derive(Clone, Debug)]
pub struct EndingPermission {
    /// The other party.
    pub other: User,
    pub bundle: Bundle,
    pub ends_at: Timestamp,
}

/// An export token in a daily mail.
#[derive(Clone, Debug)]
pub struct EndingExport {
    pub hub: HubId,
    pub node: NodeId,
    pub ends_at: Timestamp,
}

/// The content of a daily mail.
#[derive(Clone, Debug, Default)]
pub struct DailyMail {
    /// Requests that wait for the recipient's decision.
    pub pending: Vec<DailyRequest>,
    /// Permissions that the recipient gave.
    pub granted: Vec<EndingPermission>,
    /// Permissions that the recipient has.
    pub received: Vec<EndingPermission>,
    pub exports: Vec<EndingExport>,
    /// Requests of the recipient that have expired.
    pub expired: Vec<DailyRequest>,
}

impl DailyMail {
    /// The mail without the kinds that its recipient has turned off.
    #[must_use]
    pub fn without(self, muted: MailKinds) -> Self {
        fn keep<T>(items: Vec<T>, kind: MailKind, muted: MailKinds) -> Vec<T> {
            if muted.contains(kind) { Vec::new() } else { items }
        }
        Self {
            pending: keep(self.pending, MailKind::Reminders, muted),
            granted: keep(self.granted, MailKind::Endings, muted),
            received: keep(self.received, MailKind::Endings, muted),
            exports: keep(self.exports, MailKind::Endings, muted),
            expired: keep(self.expired, MailKind::Expired, muted),
        }
    }

    /// The kinds that the mail has. Without any, it is empty.
    pub fn kinds(&self) -> MailKinds {
        let kinds = [
            (MailKind::Reminders, self.pending.is_empty()),
            (MailKind::Endings, self.granted.is_empty()),
            (MailKind::Endings, self.received.is_empty()),
            (MailKind::Endings, self.exports.is_empty()),
            (MailKind::Expired, self.expired.is_empty()),
        ];
        kinds.into_iter().filter(|(_, is_empty)| !is_empty).map(|(kind, _)| kind).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(day: i32, seconds: i64) -> Timestamp {
        UtcDay(day).start().plus_seconds(seconds)
    }

    #[test]
    fn a_mail_is_sent_only_before_the_end_of_what_lasts_longer() {
        let start = at(100, 50_000);
        for (lasts, week, day) in [
            (DAY, None, None),
            // It starts on the day of the mail.
            (DAY + 1, None, Some(101)),
            (2 * DAY, None, Some(101)),
            (7 * DAY, None, Some(106)),
            (7 * DAY + 1, Some(101), Some(106)),
            (8 * DAY, Some(101), Some(107)),
            (30 * DAY, Some(123), Some(129)),
        ] {
            let end = start.plus_seconds(lasts);
            let days = ENDING_DAYS.map(|days| ending_day(start, end, days).map(|day| day.0));
            assert_eq!(days, [week, day], "{lasts}");
        }
    }

    #[test]
    fn a_request_of_two_days_has_a_reminder_one_day_before_its_end() {
        let start = at(100, 0);
        assert_eq!(reminder_day(start, start.plus_seconds(2 * DAY - 1)), None);
        assert_eq!(reminder_day(start, start.plus_seconds(2 * DAY)), Some(UtcDay(101)));
        assert_eq!(expired_day(start.plus_seconds(2 * DAY)), UtcDay(103));
    }

    #[test]
    fn a_mail_has_the_days_since_the_previous_one() {
        let range = |previous| DayRange { last: UtcDay(100), previous: Option::map(previous, UtcDay) };
        for (previous, first) in [(None, 93), (Some(99), 100), (Some(97), 98), (Some(50), 93)] {
            let range = range(previous);
            assert_eq!(range.first(), UtcDay(first));
            assert!(range.contains(UtcDay(first)) && range.contains(UtcDay(100)));
            assert!(!range.contains(UtcDay(first - 1)) && !range.contains(UtcDay(101)));
        }
    }
}
