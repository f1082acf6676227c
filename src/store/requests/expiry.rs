//! Closing expired requests, and marking expired permissions as ended.

use diesel::prelude::*;

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::bundle::BundleId;
use crate::domain::bundle_permission::EndCause;
use crate::domain::daily_mail::{MAX_DELAY_DAYS, expired_day};
use crate::domain::permission_request::RequestOutcome;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::audit_log::{self, NewAuditEntry};
use crate::store::connection::{Backend, Conn, with_backend};
use crate::store::daily_mails;
use crate::store::schema::permission_requests::dsl;
use crate::store::types::DbTimestamp;
use crate::store::user_counters::CounterDeltas;

/// The highest number of rows that one statement changes.
const EXPIRE_BATCH_SIZE: i64 = 500;

/// Closes all expired requests and ends all expired permissions, except those that another
/// transaction has locked.
pub(in crate::store) fn expire_all(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    while expire_batch(conn, now)? > 0 {}
    while expire_permissions_batch(conn, now)? > 0 {}
    Ok(())
}

/// Finds overdue rows, and locks them. Rows that another transaction has locked are skipped.
macro_rules! overdue {
    ($conn:ident, $condition:expr, $end:expr, $order:expr) => {{
        let overdue = dsl::permission_requests
            .filter($condition)
            .order($order)
            .limit(EXPIRE_BATCH_SIZE)
            .select((dsl::id, dsl::user_target, dsl::user_allowed, dsl::bundle_id, $end));
        match &mut $conn.backend {
            Backend::Postgres(pg) => overdue.for_no_key_update().skip_locked().load(&mut **pg)?,
            Backend::Sqlite(sqlite) => overdue.load(&mut **sqlite)?,
        }
    }};
}

/// The number, the target, the grantee, the bundle and the end.
type OverdueRow = (i64, i64, i64, i64, Option<DbTimestamp>);

/// Closes a batch of expired requests, schedules mails to their requesters, and returns the number of
/// requests.
pub fn expire_batch(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let is_overdue = dsl::outcome.is_null().and(dsl::expires_at.le(DbTimestamp(now)));
    let rows: Vec<OverdueRow> = overdue!(conn, is_overdue, dsl::expires_at.nullable(), dsl::expires_at);
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set((dsl::closed_at.eq(dsl::expires_at.nullable()), dsl::outcome.eq(RequestOutcome::Expired.name())))
        .execute(c))?;
    record(conn, &rows, ("request", AuditAction::RequestExpired), (-1, 0), now)?;
    // `now` may be in the past: a purge closes only what expired long ago.
    let now = conn.now()?;
    let mail = |&(_, _, requester, _, end): &OverdueRow| {
        let day = expired_day(end?.0);
        let is_recent = now.utc_day() <= day.plus_days(MAX_DELAY_DAYS);
        is_recent.then(|| (UserId(requester), day.max(now.utc_day())))
    };
    daily_mails::schedule(conn, rows.iter().filter_map(mail).collect(), now)?;
    Ok(ids.len())
}

/// Marks a batch of expired permissions as ended, and returns their number.
pub fn expire_permissions_batch(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let at = DbTimestamp(now);
    let is_overdue = dsl::active
        .and(dsl::permission_expires_at.is_not_null())
        .and(dsl::permission_expires_at.le(at).assume_not_null());
    let rows: Vec<OverdueRow> =
        overdue!(conn, is_overdue, dsl::permission_expires_at, (dsl::permission_expires_at, dsl::id));
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set((
            dsl::active.eq(false),
            dsl::ended_at.eq(dsl::permission_expires_at),
            dsl::end_cause.eq(EndCause::Expired.name()),
        ))
        .execute(c))?;
    record(conn, &rows, ("permission", AuditAction::PermissionExpired), (0, -1), now)?;
    Ok(ids.len())
}

/// Writes the audit entries and the counters of expired rows.
fn record(
    conn: &mut Conn,
    rows: &[OverdueRow],
    (kind, action): (&str, AuditAction),
    (open_requests, active_permissions): (i64, i64),
    now: Timestamp,
) -> QueryResult<()> {
    let mut deltas = CounterDeltas::default();
    let mut entries = Vec::with_capacity(rows.len());
    for &(id, target, grantee, bundle, _) in rows {
        let terms = Terms { target: UserId(target), grantee: UserId(grantee), bundle: BundleId(bundle) };
        deltas.add(terms, open_requests, active_permissions);
        let parties = [terms.target, terms.grantee];
        let subject = format!("{kind}:{id}");
        entries.push(NewAuditEntry::new(now, &AuditContext::OPERATOR, action, subject, &parties));
    }
    deltas.write(conn)?;
    audit_log::insert(conn, &entries).map(drop)
}
