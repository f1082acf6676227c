//! What became of requests, day by day: a picture for staff, which costs the same however
//! many there are.
//!
//! Requests are numbered as they come, so those of a time lie side by side, and where they
//! begin is found by halving. Of more of them than are to be read, one in so many is, by its
//! number, and counted for as many: what comes at once in a crowd is met as often as what
//! comes alone. So a small server's figures are exact, and a large one's are near.

use diesel::prelude::*;

use super::schema::permission_requests::dsl;
use super::types::At;
use super::{Conn, on, outbox};
use crate::domain::clock::Timestamp;
use crate::domain::request::Outcome;

/// How many are read with one query.
const AT_ONCE: usize = 2_000;
/// The most dead mails that are read, by their index.
const DEAD: i64 = 20_000;
/// Seconds in a day.
const DAY: i64 = 86_400;
/// For how many days a request may live, and still end on a day that is told.
const LONGEST_LIFE: i64 = 30;

/// One day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// When it began.
    pub begins: Timestamp,
    /// Requests that were made.
    pub asked: i64,
    /// Requests that were approved.
    pub redeemed: i64,
    /// Requests that were declined.
    pub declined: i64,
    /// Requests that nobody decided on in time.
    pub expired: i64,
    /// Mails that were owed since, and that the mail server refused for good.
    pub dead: i64,
}

/// The last days, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    /// Each of them; the last one is today.
    pub days: Vec<Day>,
    /// For how many requests each stood that was read: 1 if all were.
    pub each: i64,
}

/// So many days, today the last of them, by so many requests at the most, each of which is
/// read by its key. (Purged ones are not there to be counted.)
pub fn last(conn: &mut Conn, count: i64, most: i64, now: Timestamp) -> QueryResult<Days> {
    let today = now.seconds().div_euclid(DAY);
    let begin = |day: i64| Timestamp::from_micros(0).plus_seconds(day * DAY);
    let first = today - count + 1;
    let mut days: Vec<Day> = (first..=today)
        .map(|day| Day { begins: begin(day), asked: 0, redeemed: 0, declined: 0, expired: 0, dead: 0 })
        .collect();
    let mut on_day = |at: Timestamp, add: &mut dyn FnMut(&mut Day)| {
        let nth = usize::try_from(at.seconds().div_euclid(DAY) - first).ok();
        if let Some(day) = nth.and_then(|nth| days.get_mut(nth)) {
            add(day);
        }
    };
    let newest: Option<i64> = on!(conn, c => dsl::permission_requests
        .order(dsl::id.desc())
        .select(dsl::id)
        .first(c)
        .optional())?;
    let mut each = 1;
    if let Some(newest) = newest {
        let oldest = first_since(conn, begin(first - LONGEST_LIFE), newest)?;
        each = (newest - oldest) / most + 1;
        let ids: Vec<i64> = std::iter::successors(Some(newest), |id| Some(id - each))
            .take_while(|id| *id >= oldest)
            .collect();
        for ids in ids.chunks(AT_ONCE) {
            let rows: Vec<(At, Option<At>, Option<String>)> = on!(conn, c => dsl::permission_requests
                .filter(dsl::id.eq_any(ids))
                .select((dsl::created_at, dsl::closed_at, dsl::outcome))
                .load(c))?;
            for (created, closed, outcome) in rows {
                let outcome = outcome.map(|name| Outcome::from_store(&name));
                if outcome == Some(Outcome::Given) {
                    continue;
                }
                on_day(created.0, &mut |day| day.asked += each);
                let Some((closed, outcome)) = closed.zip(outcome) else { continue };
                on_day(closed.0, &mut |day| match outcome {
                    Outcome::Redeemed => day.redeemed += each,
                    Outcome::Declined => day.declined += each,
                    Outcome::Expired => day.expired += each,
                    Outcome::Given | Outcome::Withdrawn | Outcome::Replaced => {}
                });
            }
        }
    }
    for owed in outbox::newest_dead(conn, DEAD)? {
        on_day(owed, &mut |day| day.dead += 1);
    }
    Ok(Days { days, each })
}

/// The number from which on requests were made since then, or one more than the newest's.
/// Between two that are there, numbers may lack.
fn first_since(conn: &mut Conn, since: Timestamp, newest: i64) -> QueryResult<i64> {
    let (mut low, mut high) = (0, newest + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let (id, at): (i64, At) = on!(conn, c => dsl::permission_requests
            .filter(dsl::id.ge(middle))
            .order(dsl::id)
            .select((dsl::id, dsl::created_at))
            .first(c))?;
        if at.0 >= since { high = middle } else { low = id + 1 }
    }
    Ok(low)
}
