//! Daily statistics of requests and mails. Loading them costs the same however many requests
//! there are.
//!
//! Request ids increase with time, so the first id of a period is found by binary search. If the
//! period has more rows than the budget, every n-th id is sampled and weighted by n. A small
//! server's numbers are exact, and a large one's approximate.

use diesel::prelude::*;

use super::schema::permission_requests::dsl;
use super::types::DbTimestamp;
use super::{Conn, outbox, with_backend};
use crate::domain::permission_request::{MAX_REQUEST_TTL_SECONDS, RequestOutcome};
use crate::domain::timestamp::Timestamp;

/// The highest number of requests that one query reads.
const READ_BATCH_SIZE: usize = 2_000;
/// The highest number of failed mails that are read.
const MAX_FAILED_MAILS: i64 = 20_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// One day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayStats {
    pub starts_at: Timestamp,
    pub created: i64,
    pub approved: i64,
    pub declined: i64,
    pub expired: i64,
    /// Failed mails that were created on this day.
    pub failed_mails: i64,
}

/// Statistics of consecutive days, oldest first. The last one is today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyStats {
    pub days: Vec<DayStats>,
    /// How many requests each sampled one represents. 1: the numbers are exact.
    pub sample_weight: i64,
}

/// The statistics of the last `day_count` days, from at most `max_rows` requests. Purged requests
/// are not counted.
pub fn load(conn: &mut Conn, day_count: i64, max_rows: i64, now: Timestamp) -> QueryResult<DailyStats> {
    let today = now.seconds().div_euclid(SECONDS_PER_DAY);
    let start_of = |day: i64| Timestamp::from_micros(0).plus_seconds(day * SECONDS_PER_DAY);
    let first = today - day_count + 1;
    let mut days: Vec<DayStats> = (first..=today)
        .map(|day| DayStats {
            starts_at: start_of(day),
            created: 0,
            approved: 0,
            declined: 0,
            expired: 0,
            failed_mails: 0,
        })
        .collect();
    let mut update_day = |at: Timestamp, update: &mut dyn FnMut(&mut DayStats)| {
        let index = usize::try_from(at.seconds().div_euclid(SECONDS_PER_DAY) - first).ok();
        if let Some(day) = index.and_then(|index| days.get_mut(index)) {
            update(day);
        }
    };
    let newest: Option<i64> = with_backend!(conn, c => dsl::permission_requests
        .order(dsl::id.desc())
        .select(dsl::id)
        .first(c)
        .optional())?;
    let mut sample_weight = 1;
    if let Some(newest) = newest {
        // The requests that can end in the period.
        let since = start_of(first).plus_seconds(-MAX_REQUEST_TTL_SECONDS);
        let oldest = first_id_since(conn, since, newest)?;
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
                update_day(created.0, &mut |day| day.created += sample_weight);
                let Some((closed, outcome)) = closed.zip(outcome) else { continue };
                update_day(closed.0, &mut |day| match outcome {
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
        update_day(created_at, &mut |day| day.failed_mails += 1);
    }
    Ok(DailyStats { days, sample_weight })
}

/// The id of the first request since a time, or `newest + 1`. The ids may have gaps.
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
