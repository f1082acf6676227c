//! Closing expired requests.

use diesel::prelude::*;

use crate::domain::bundle::BundleId;
use crate::domain::permission_request::RequestOutcome;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::schema::permission_requests::dsl;
use crate::store::types::DbTimestamp;
use crate::store::user_counters::CounterDeltas;
use crate::store::{Backend, Conn, with_backend};

/// The highest number of requests that one statement closes.
const EXPIRE_BATCH_SIZE: i64 = 500;

/// Closes all expired requests, except those that another transaction has locked.
pub(in crate::store) fn expire_all(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    while expire_batch(conn, now)? > 0 {}
    Ok(())
}

/// Closes a batch of expired requests, and returns their number.
pub fn expire_batch(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let overdue = dsl::permission_requests
        .filter(dsl::outcome.is_null().and(dsl::expires_at.le(DbTimestamp(now))))
        .order(dsl::expires_at)
        .limit(EXPIRE_BATCH_SIZE)
        .select((dsl::id, dsl::user_target, dsl::user_allowed, dsl::bundle_id));
    let rows: Vec<(i64, i64, i64, i64)> = match &mut conn.backend {
        Backend::Postgres(pg) => overdue.for_no_key_update().skip_locked().load(&mut **pg)?,
        Backend::Sqlite(sqlite) => overdue.load(&mut **sqlite)?,
    };
    if rows.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set((dsl::closed_at.eq(dsl::expires_at.nullable()), dsl::outcome.eq(RequestOutcome::Expired.name())))
        .execute(c))?;
    let mut deltas = CounterDeltas::default();
    for (_, target, grantee, bundle) in rows {
        let terms = Terms { target: UserId(target), grantee: UserId(grantee), bundle: BundleId(bundle) };
        deltas.add(terms, -1, 0);
    }
    deltas.write(conn)?;
    Ok(ids.len())
}
