//! The meters' rows. Whoever takes of some locks them first, in the order of their
//! keys, and writes them back in the same transaction: a limit holds to the one,
//! however many replicas there are.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::sql_types::{Array, Text};

use super::bulk::bulk;
use super::schema::rate_limits;
use super::types::{DbTimestamp, SqlTimestamp};
use super::{AsyncStore, Backend, Conn, StoreError, with_backend};
use crate::domain::rate_limit::{RateLimitKey, RateLimiter, TheoreticalArrival};
use crate::domain::timestamp::Timestamp;

/// Meters that are swept at a time.
const SWEEP_BATCH_SIZE: i64 = 500;
/// How often [`update`] runs its transaction.
const MAX_ATTEMPTS: usize = 3;

bulk! {
    /// Meters that nobody has used before.
    InsertRateLimits { key: Text => &'a str, theoretical_arrival: SqlTimestamp => DbTimestamp }
    "INSERT INTO rate_limits (key, theoretical_arrival) SELECT key, theoretical_arrival FROM" w "WHERE true ON CONFLICT (key) DO NOTHING"
}

bulk! {
    /// How far meters have risen that are there.
    UpdateRateLimits { key: Text => &'a str, theoretical_arrival: SqlTimestamp => DbTimestamp }
    "UPDATE rate_limits AS r SET theoretical_arrival = w.theoretical_arrival FROM" w "WHERE r.key = w.key"
}

/// Rows by their keys, locked in the order of these.
struct SelectForUpdate(Vec<String>);

impl QueryId for SelectForUpdate {
    type QueryId = Self;
}

impl Query for SelectForUpdate {
    type SqlType = (Text, SqlTimestamp);
}

impl RunQueryDsl<PgConnection> for SelectForUpdate {}

impl QueryFragment<Pg> for SelectForUpdate {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT key, theoretical_arrival FROM rate_limits WHERE key = ANY(");
        out.push_bind_param::<Array<Text>, _>(&self.0)?;
        // Not `key`, in whose order a plan might read the whole table.
        out.push_sql(") ORDER BY key || '' FOR NO KEY UPDATE");
        Ok(())
    }
}

/// Meters as they are just now.
pub fn read(conn: &mut Conn, requested: &[RateLimitKey]) -> QueryResult<RateLimiter> {
    let keys: Vec<String> = requested.iter().map(RateLimitKey::to_string).collect();
    let rows: Vec<(String, DbTimestamp)> = with_backend!(conn, c => rate_limits::table.filter(rate_limits::key.eq_any(&keys)).select((rate_limits::key, rate_limits::theoretical_arrival)).load(c))?;
    Ok(from_rows(rows))
}

/// Meters, locked until the transaction ends. One that nobody has used has no row
/// to be locked: whoever is first to write it is ahead of others, who start over.
pub fn lock(conn: &mut Conn, requested: &[RateLimitKey]) -> QueryResult<RateLimiter> {
    match &mut conn.backend {
        Backend::Postgres(pg) => {
            let keys = SelectForUpdate(requested.iter().map(RateLimitKey::to_string).collect());
            keys.load::<(String, DbTimestamp)>(&mut **pg).map(from_rows)
        }
        // Its writers hold the whole database.
        Backend::Sqlite(_) => read(conn, requested),
    }
}

fn from_rows(rows: Vec<(String, DbTimestamp)>) -> RateLimiter {
    RateLimiter::new(
        rows.into_iter().map(|(key, theoretical_arrival)| (key, TheoreticalArrival(theoretical_arrival.0))),
    )
}

/// Writes the meters that have changed. Fails, and the transaction is to be tried
/// anew, when somebody else was first to use one of them.
pub fn write(conn: &mut Conn, limiter: &RateLimiter) -> QueryResult<()> {
    let (mut update, mut insertion) = (UpdateRateLimits::default(), InsertRateLimits::default());
    let (mut existing, mut new) = (0, 0);
    for (key, TheoreticalArrival(theoretical_arrival), is_known) in limiter.changed() {
        if is_known {
            update.push((key, DbTimestamp(theoretical_arrival)));
            existing += 1;
        } else {
            insertion.push((key, DbTimestamp(theoretical_arrival)));
            new += 1;
        }
    }
    let updated = if existing > 0 { update.run(conn)? } else { 0 };
    let inserted = if new > 0 { insertion.run(conn)? } else { 0 };
    if (updated, inserted) == (existing, new) { Ok(()) } else { Err(Error::RollbackTransaction) }
}

/// Loads and locks the rate limits of `keys`, applies `change`, and writes the result, in one
/// transaction. Retries if another transaction inserted one of the rows first.
pub async fn update<T: Send + 'static>(
    store: &AsyncStore,
    keys: Vec<RateLimitKey>,
    change: impl Fn(&mut RateLimiter, Timestamp) -> T + Clone + Send + 'static,
) -> Result<T, StoreError> {
    let mut retries = 1..MAX_ATTEMPTS;
    loop {
        let (keys, change) = (keys.clone(), change.clone());
        let changed = store.write(move |conn| {
            let mut limiter = lock(conn, &keys)?;
            let now = conn.now()?;
            let changed = change(&mut limiter, now);
            write(conn, &limiter)?;
            Ok(changed)
        });
        match changed.await {
            Err(StoreError::QueryFailed(Error::RollbackTransaction)) if retries.next().is_some() => {}
            done => return done,
        }
    }
}

/// Deletes some meters that have run down; how many those were. Those that somebody
/// is just using stay.
pub fn delete_idle(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let idle = rate_limits::table
        .filter(rate_limits::theoretical_arrival.le(DbTimestamp(now)))
        .limit(SWEEP_BATCH_SIZE)
        .select(rate_limits::key);
    let keys: Vec<String> = match &mut conn.backend {
        Backend::Postgres(pg) => idle.for_update().skip_locked().load(&mut **pg)?,
        Backend::Sqlite(sqlite) => idle.load(&mut **sqlite)?,
    };
    if keys.is_empty() {
        return Ok(0);
    }
    with_backend!(conn, c => diesel::delete(rate_limits::table.filter(rate_limits::key.eq_any(&keys))).execute(c))
}
