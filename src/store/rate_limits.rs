//! The rows of rate limits, one per key. A transaction that consumes from limits locks their
//! rows first, ordered by key, and writes them before it commits, so that limits are exact
//! across replicas.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::sql_types::{Array, Text};

use super::async_store::AsyncStore;
use super::bulk::{Column, bulk};
use super::connection::{Backend, Conn, with_backend};
use super::error::StoreError;
use super::schema::rate_limits;
use super::types::{DbTimestamp, SqlTimestamp};
use crate::domain::rate_limit::{ChangedRow, RateLimitKey, RateLimiter, TheoreticalArrival};
use crate::domain::timestamp::Timestamp;

/// Rows that [`delete_idle`] deletes per transaction.
const SWEEP_BATCH_SIZE: i64 = 500;
/// How often [`update`] tries its transaction.
const MAX_ATTEMPTS: usize = 3;

bulk! {
    /// Keys without a row.
    InsertRateLimits { key: Text => &'a str, theoretical_arrival: SqlTimestamp => DbTimestamp }
    "INSERT INTO rate_limits (key, theoretical_arrival) SELECT key, theoretical_arrival FROM" w "WHERE true ON CONFLICT (key) DO NOTHING"
}

bulk! {
    /// Keys with a row, if it is as loaded.
    UpdateRateLimits {
        key: Text => &'a str,
        old_arrival: SqlTimestamp => DbTimestamp,
        new_arrival: SqlTimestamp => DbTimestamp,
    }
    "UPDATE rate_limits AS r SET theoretical_arrival = w.new_arrival FROM"
    w "WHERE r.key BETWEEN w.key AND w.key AND r.theoretical_arrival = w.old_arrival"
}

/// Locks the rows of these keys, ordered by key.
struct SelectForUpdate(Column<String>);

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
        // Ordered by `key` itself, a plan might scan the whole index.
        out.push_sql(") ORDER BY key || '' FOR NO KEY UPDATE");
        Ok(())
    }
}

/// Loads the state of these keys without locks.
pub fn read(conn: &mut Conn, keys: &[RateLimitKey]) -> QueryResult<RateLimiter> {
    let keys: Vec<String> = keys.iter().map(RateLimitKey::to_string).collect();
    let rows: Vec<(String, DbTimestamp)> = with_backend!(conn, c => rate_limits::table.filter(rate_limits::key.eq_any(&keys)).select((rate_limits::key, rate_limits::theoretical_arrival)).load(c))?;
    Ok(from_rows(rows))
}

/// Loads the state of these keys and locks their rows until the transaction ends. A key that was
/// never used has no row to lock: if two transactions insert it, [`write()`] fails in the second.
pub fn lock(conn: &mut Conn, keys: &[RateLimitKey]) -> QueryResult<RateLimiter> {
    match &mut conn.backend {
        Backend::Postgres(pg) => {
            let query = SelectForUpdate(keys.iter().map(RateLimitKey::to_string).collect());
            query.load::<(String, DbTimestamp)>(&mut **pg).map(from_rows)
        }
        // A write transaction has locked the whole database.
        Backend::Sqlite(_) => read(conn, keys),
    }
}

fn from_rows(rows: Vec<(String, DbTimestamp)>) -> RateLimiter {
    RateLimiter::new(rows.into_iter().map(|(key, DbTimestamp(arrival))| (key, TheoreticalArrival(arrival))))
}

/// The statements that write the changed keys.
pub(super) struct WriteStatements<'a> {
    pub update: UpdateRateLimits<'a>,
    pub insertion: InsertRateLimits<'a>,
    /// The number of rows that they write, unless another transaction was first.
    pub rows: usize,
}

impl<'a> WriteStatements<'a> {
    /// The statements for the changes of a limiter.
    pub fn new(limiter: &'a RateLimiter) -> Self {
        let mut statements =
            Self { update: UpdateRateLimits::default(), insertion: InsertRateLimits::default(), rows: 0 };
        for ChangedRow { key, before, after } in limiter.changed() {
            let after = DbTimestamp(after.0);
            match before {
                Some(before) => statements.update.push((key, DbTimestamp(before.0), after)),
                None => statements.insertion.push((key, after)),
            }
            statements.rows += 1;
        }
        statements
    }
}

/// Writes the changed keys. Returns [`Error::RollbackTransaction`] if another transaction
/// wrote one of the rows first; the caller then retries its transaction.
pub fn write(conn: &mut Conn, limiter: &RateLimiter) -> QueryResult<()> {
    let WriteStatements { update, insertion, rows } = WriteStatements::new(limiter);
    let mut written = 0;
    if update.rows > 0 {
        written += update.run(conn)?;
    }
    if insertion.rows > 0 {
        written += insertion.run(conn)?;
    }
    if written == rows { Ok(()) } else { Err(Error::RollbackTransaction) }
}

/// Runs `change` on the state of these keys in one transaction, and returns its result. Retries
/// if another transaction inserted one of the rows first.
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

/// Deletes up to `SWEEP_BATCH_SIZE` idle rows that are not locked, and returns their number.
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
