//! Sweeps find what becomes due at some time: export tokens that expire, and subjects of daily mails.
//!
//! Each sweep moves a cursor over an index that is ordered by time. A step reads the next rows, moves
//! the cursor, and acts, in one transaction. The cursor moves only if no other replica has moved it, so
//! that each row is handled by one replica, once. If there is nothing to do, nothing is written.

use std::collections::BTreeSet;

use diesel::prelude::*;
use uuid::Uuid;

use super::audit_log::{self, NewAuditEntry};
use super::connection::{Conn, with_backend};
use super::schema::{export_tokens, permission_requests, sweep_cursors};
use super::types::{DbTimestamp, DbUuid};
use super::{daily_mails, rate_limits};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::daily_mail::{ending_day, reminder_day};
use crate::domain::rate_limit::{RateLimitKey, RequestLimits};
use crate::domain::timestamp::{Timestamp, UtcDay};
use crate::domain::token::ExportId;
use crate::domain::user::UserId;

/// Rows that one step reads.
const STEP_SIZE: usize = 500;
/// How far a cursor stays behind the clock, so that rows of transactions that commit late are not
/// skipped.
pub const LAG_SECONDS: i64 = 60;
const SECONDS_PER_DAY: i64 = 86_400;

/// A sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Records the expiry of export tokens in the audit log.
    ExpiredExports,
    /// Mails the creators of export tokens this many days before the end.
    EndingExports(i32),
    /// Mails both parties of permissions this many days before the end.
    EndingPermissions(i32),
    /// Mails the targets of requests one day before the end.
    PendingRequests,
}

impl Sweep {
    /// All sweeps.
    pub const ALL: [Self; 6] = [
        Self::ExpiredExports,
        Self::EndingExports(7),
        Self::EndingExports(1),
        Self::EndingPermissions(7),
        Self::EndingPermissions(1),
        Self::PendingRequests,
    ];

    /// The name in the database.
    fn name(self) -> String {
        match self {
            Self::ExpiredExports => "export.expired".to_owned(),
            Self::EndingExports(days) => format!("export.ending-{days}"),
            Self::EndingPermissions(days) => format!("permission.ending-{days}"),
            Self::PendingRequests => "request.reminder".to_owned(),
        }
    }

    /// How long before the end of a row the row is due.
    fn lead_seconds(self) -> i64 {
        match self {
            Self::ExpiredExports => 0,
            Self::EndingExports(days) | Self::EndingPermissions(days) => i64::from(days) * SECONDS_PER_DAY,
            Self::PendingRequests => SECONDS_PER_DAY,
        }
    }
}

/// How far a sweep has come: it has handled all rows that were due before `position`, and of those
/// that were due at that time, the ones up to `last_id`, or all of them if it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    position: Timestamp,
    last_id: String,
}

/// A row that is due.
struct DueRow {
    id: String,
    /// The users who are mailed, or the same one twice.
    users: [UserId; 2],
    start: Timestamp,
    end: Timestamp,
}

/// Rows whose end is in this range, after the row with `last_id` of those that end at `from`.
struct EndRange {
    from: Timestamp,
    last_id: String,
    until: Timestamp,
}

/// Handles the next rows of a sweep, and returns their number. A sweep that has never run starts now.
pub fn step(conn: &mut Conn, sweep: Sweep, limits: &RequestLimits) -> QueryResult<usize> {
    let now = conn.now()?;
    let Some(cursor) = load_cursor(conn, sweep)? else { return insert_cursor(conn, sweep, now).map(|()| 0) };
    let until = now.plus_seconds(-LAG_SECONDS);
    if until < cursor.position {
        return Ok(0);
    }
    let lead = sweep.lead_seconds();
    let range = EndRange {
        from: cursor.position.plus_seconds(lead),
        last_id: cursor.last_id.clone(),
        until: until.plus_seconds(lead),
    };
    let rows = load_rows(conn, sweep, &range)?;
    let next = match rows.last() {
        None => return Ok(0),
        Some(last) if rows.len() == STEP_SIZE => {
            Cursor { position: last.end.plus_seconds(-lead), last_id: last.id.clone() }
        }
        Some(_) => Cursor { position: until, last_id: String::new() },
    };
    if move_cursor(conn, sweep, &cursor, &next)? {
        handle(conn, sweep, &rows, limits, now)?;
        Ok(rows.len())
    } else {
        Ok(0)
    }
}

fn load_cursor(conn: &mut Conn, sweep: Sweep) -> QueryResult<Option<Cursor>> {
    let row: Option<(DbTimestamp, String)> = with_backend!(conn, c => sweep_cursors::table
        .find(sweep.name())
        .select((sweep_cursors::position, sweep_cursors::last_id))
        .first(c)
        .optional())?;
    Ok(row.map(|(position, last_id)| Cursor { position: position.0, last_id }))
}

fn insert_cursor(conn: &mut Conn, sweep: Sweep, now: Timestamp) -> QueryResult<()> {
    let values = (
        sweep_cursors::name.eq(sweep.name()),
        sweep_cursors::position.eq(DbTimestamp(now)),
        sweep_cursors::last_id.eq(""),
    );
    with_backend!(conn, c => diesel::insert_into(sweep_cursors::table)
        .values(values)
        .on_conflict_do_nothing()
        .execute(c))
    .map(drop)
}

/// Moves a cursor. `false`: another replica has moved it first.
fn move_cursor(conn: &mut Conn, sweep: Sweep, from: &Cursor, to: &Cursor) -> QueryResult<bool> {
    let unchanged =
        sweep_cursors::position.eq(DbTimestamp(from.position)).and(sweep_cursors::last_id.eq(&from.last_id));
    let set = (sweep_cursors::position.eq(DbTimestamp(to.position)), sweep_cursors::last_id.eq(&to.last_id));
    let moved = with_backend!(conn, c => diesel::update(sweep_cursors::table.find(sweep.name()).filter(unchanged))
        .set(set)
        .execute(c))?;
    Ok(moved > 0)
}

/// Loads the next rows of a sweep, ordered by end and id.
fn load_rows(conn: &mut Conn, sweep: Sweep, range: &EndRange) -> QueryResult<Vec<DueRow>> {
    /// The rows of a table in the range. `$last_id` is the highest possible id if all rows that end at
    /// the start of the range have been handled.
    macro_rules! in_range {
        ($table:ident, $open:expr, $last_id:expr, $end:ident, $columns:expr) => {{
            let (from, until) = (DbTimestamp(range.from), DbTimestamp(range.until));
            let after = $table::$end.gt(from).or($table::id.gt($last_id));
            with_backend!(conn, c => $table::table
                .filter($open.and($table::$end.ge(from)).and($table::$end.le(until)).and(after))
                .order(($table::$end, $table::id))
                .limit(STEP_SIZE as i64)
                .select(($table::id, $table::$end, $columns))
                .load(c))?
        }};
    }
    match sweep {
        Sweep::ExpiredExports | Sweep::EndingExports(_) => {
            let last_id = DbUuid(range.last_id.parse().unwrap_or(Uuid::max()));
            let usable = export_tokens::revoked_at.is_null().and(export_tokens::expires_at.is_not_null());
            let columns = (export_tokens::creator, export_tokens::created_at);
            let rows: Vec<(DbUuid, Option<DbTimestamp>, (i64, DbTimestamp))> =
                in_range!(export_tokens, usable.assume_not_null(), last_id, expires_at, columns);
            Ok(rows
                .into_iter()
                .filter_map(|(id, end, (user, start))| {
                    let id = ExportId(id.0).to_string();
                    Some(DueRow { id, users: [UserId(user); 2], start: start.0, end: end?.0 })
                })
                .collect())
        }
        Sweep::EndingPermissions(_) => {
            use permission_requests as requests;
            let last_id: i64 = range.last_id.parse().unwrap_or(i64::MAX);
            let ending = requests::active.and(requests::permission_expires_at.is_not_null());
            let columns = (requests::user_target, requests::user_allowed, requests::closed_at);
            type Row = (i64, Option<DbTimestamp>, (i64, i64, Option<DbTimestamp>));
            let rows: Vec<Row> =
                in_range!(requests, ending.assume_not_null(), last_id, permission_expires_at, columns);
            let row = |(id, end, (target, grantee, granted_at)): Row| {
                let users = [UserId(target), UserId(grantee)];
                Some(DueRow { id: id.to_string(), users, start: granted_at?.0, end: end?.0 })
            };
            Ok(rows.into_iter().filter_map(row).collect())
        }
        Sweep::PendingRequests => {
            let last_id: i64 = range.last_id.parse().unwrap_or(i64::MAX);
            let pending = permission_requests::outcome.is_null();
            let columns = (permission_requests::user_target, permission_requests::created_at);
            let rows: Vec<(i64, DbTimestamp, (i64, DbTimestamp))> =
                in_range!(permission_requests, pending, last_id, expires_at, columns);
            Ok(rows
                .into_iter()
                .map(|(id, end, (user, start))| DueRow {
                    id: id.to_string(),
                    users: [UserId(user); 2],
                    start: start.0,
                    end: end.0,
                })
                .collect())
        }
    }
}

fn handle(
    conn: &mut Conn,
    sweep: Sweep,
    rows: &[DueRow],
    limits: &RequestLimits,
    now: Timestamp,
) -> QueryResult<()> {
    match sweep {
        Sweep::ExpiredExports => {
            let entry = |row: &DueRow| {
                let (context, subject) = (AuditContext::default(), format!("export:{}", row.id));
                NewAuditEntry::new(now, &context, AuditAction::ExportExpired, subject, &row.users[..1])
            };
            audit_log::insert(conn, &rows.iter().map(entry).collect::<Vec<_>>())
        }
        Sweep::EndingExports(days) | Sweep::EndingPermissions(days) => {
            daily_mails::schedule(conn, mails(rows, now, |row| ending_day(row.start, row.end, days)), now)
        }
        Sweep::PendingRequests => {
            let mails = mails(rows, now, |row| reminder_day(row.start, row.end));
            schedule_within_limits(conn, mails, limits, now)
        }
    }
}

/// The daily mails of rows. A day that has passed, because no server was running, is today.
fn mails(
    rows: &[DueRow],
    now: Timestamp,
    day: impl Fn(&DueRow) -> Option<UtcDay>,
) -> BTreeSet<(UserId, UtcDay)> {
    let today = now.utc_day();
    let of_row = |row: &DueRow| {
        let day = day(row)?.max(today);
        Some(row.users.map(|user| (user, day)))
    };
    rows.iter().filter_map(of_row).flatten().collect()
}

/// Schedules mails that count as mails of requests to their targets. A target whose limit is used up
/// has many requests, and gets no reminder.
fn schedule_within_limits(
    conn: &mut Conn,
    mails: BTreeSet<(UserId, UtcDay)>,
    limits: &RequestLimits,
    now: Timestamp,
) -> QueryResult<()> {
    let mut new = daily_mails::not_scheduled(conn, mails)?;
    if let Some(limit) = limits.target {
        let keys: Vec<RateLimitKey> = new.iter().map(|(target, _)| RateLimitKey::Target(*target)).collect();
        let mut limiter = rate_limits::lock(conn, &keys)?;
        new.retain(|(target, _)| limiter.consume(&[(RateLimitKey::Target(*target), limit)], now).is_ok());
        rate_limits::write(conn, &limiter)?;
    }
    daily_mails::schedule(conn, new, now)
}
