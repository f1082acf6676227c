//! What became of requests, day by day: a picture for staff, which costs the same however
//! many there are.
//!
//! Requests are numbered as they come, so those of a time lie side by side, and where they
//! begin is found by halving. Of more of them than are to be read, one in so many is, by its
//! number, and counted for as many: what comes at once in a crowd is met as often as what
//! comes alone. So a small server's figures are exact, and a large one's are near.

use diesel::prelude::*;

use super::schema::permission_requests::dsl;
use super::types::DbTimestamp;
use super::{Conn, outbox, with_backend};
use crate::domain::permission_request::RequestOutcome;
use crate::domain::timestamp::Timestamp;

/// How many are read with one query.
const READ_BATCH_SIZE: usize = 2_000;
/// The most dead mails that are read, by their index.
const MAX_FAILED_MAILS: i64 = 20_000;
/// Seconds in a day.
const SECONDS_PER_DAY: i64 = 86_400;
/// For how many days a request may live, and still end on a day that is told.
const MAX_REQUEST_LIFETIME_DAYS: i64 = 30;

/// One day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayStats {
    /// When it began.
    pub starts_at: Timestamp,
    /// Requests that were made.
    pub created: i64,
    /// Requests that were approved.
    pub approved: i64,
    /// Requests that were declined.
    pub declined: i64,
    /// Requests that nobody decided on in time.
    pub expired: i64,
    /// Mails that were owed since, and that the mail server refused for good.
    pub failed_mails: i64,
}

/// The last days, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyStats {
    /// Each of them; the last one is today.
    pub days: Vec<DayStats>,
    /// For how many requests each stood that was read: 1 if all were.
    pub sample_weight: i64,
}

/// So many days, today the last of them, by so many requests at the most, each of which is
/// read by its key. (Purged ones are not there to be counted.)
pub fn load(conn: &mut Conn, count: i64, max_rows: i64, now: Timestamp) -> QueryResult<DailyStats> {
    let today = now.seconds().div_euclid(SECONDS_PER_DAY);
    let begin = |day: i64| Timestamp::from_micros(0).plus_seconds(day * SECONDS_PER_DAY);
    let first = today - count + 1;
    let mut days: Vec<DayStats> = (first..=today)
        .map(|day| DayStats {
            starts_at: begin(day),
            created: 0,
            approved: 0,
            declined: 0,
            expired: 0,
            failed_mails: 0,
        })
        .collect();
    let mut on_day = |at: Timestamp, add: &mut dyn FnMut(&mut DayStats)| {
        let nth = usize::try_from(at.seconds().div_euclid(SECONDS_PER_DAY) - first).ok();
        if let Some(day) = nth.and_then(|nth| days.get_mut(nth)) {
            add(day);
        }
    };
    let newest: Option<i64> = with_backend!(conn, c => dsl::permission_requests
        .order(dsl::id.desc())
        .select(dsl::id)
        .first(c)
        .optional())?;
    let mut sample_weight = 1;
    if let Some(newest) = newest {
        let oldest = first_id_since(conn, begin(first - MAX_REQUEST_LIFETIME_DAYS), newest)?;
        sample_weight = (newest - oldest) / max_rows + 1;
        let ids: Vec<i64> = std::iter::successors(Some(newest), |id| Some(id - sample_weight))
            .take_while(|id| *id >= oldest)
            .collect();
        for ids in ids.chunks(READ_BATCH_SIZE) {
            let rows: Vec<(DbTimestamp, Option<DbTimestamp>, Option<String>)> = with_backend!(conn, c => dsl::permission_requests
                .filter(dsl::id.eq_any(ids))
                .select((dsl::created_at, dsl::closed_at, dsl::outcome))
                .load(c))?;
            for (created, closed, outcome) in rows {
                let outcome = outcome.map(|name| RequestOutcome::from_db(&name));
                if outcome == Some(RequestOutcome::GrantedDirectly) {
                    continue;
                }
                on_day(created.0, &mut |day| day.created += sample_weight);
                let Some((closed, outcome)) = closed.zip(outcome) else { continue };
                on_day(closed.0, &mut |day| match outcome {
                    RequestOutcome::Approved => day.approved += sample_weight,
                    RequestOutcome::Declined => day.declined += sample_weight,
                    RequestOutcome::Expired => day.expired += sample_weight,
                    RequestOutcome::GrantedDirectly
                    | RequestOutcome::Withdrawn
                    | RequestOutcome::Replaced => {}
                });
            }
        }
    }
    for created_at in outbox::newest_failed(conn, MAX_FAILED_MAILS)? {
        on_day(created_at, &mut |day| day.failed_mails += 1);
    }
    Ok(DailyStats { days, sample_weight })
}

/// The number from which on requests were made since then, or one more than the newest's.
/// Between two that are there, numbers may lack.
fn first_id_since(conn: &mut Conn, since: Timestamp, newest: i64) -> QueryResult<i64> {
    let (mut low, mut high) = (0, newest + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let (id, at): (i64, DbTimestamp) = with_backend!(conn, c => dsl::permission_requests
            .filter(dsl::id.ge(middle))
            .order(dsl::id)
            .select((dsl::id, dsl::created_at))
            .first(c))?;
        if at.0 >= since { high = middle } else { low = id + 1 }
    }
    Ok(low)
}
