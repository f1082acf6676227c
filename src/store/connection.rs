//! Connections: transactions, and retries on dead connections.

use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use diesel::sql_types::Bool;

use super::clock::Clock;
use super::error::StoreError;
pub(super) use super::pools::Backend;
use super::pools::{self, BackendPool};
use crate::config::DatabaseUrl;

/// Whether a server is a standby, or read-only for another reason.
const IS_READ_ONLY: &str = "pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
/// Writes a record to the log that changes nothing, as a transaction of its own.
const WRITE_NOTHING: &str = "SELECT pg_logical_emit_message(true, 'countersign', '')";
/// The same in a transaction that has no id, because it has neither written nor locked a row.
const WRITE_IF_READ_ONLY: &str = "SELECT pg_logical_emit_message(true, 'countersign', '') \
     WHERE pg_current_xact_id_if_assigned() IS NULL";
/// How many pages SQLite's write-ahead log has at a checkpoint, which copies it into the file: 4 MB, and 64 MB while many
/// operations arrive. With a million tokens, whose pages a batch shares with few others, they then wait less; but a
/// commit that makes the log longer takes twice as long as one that writes over its beginning.
const WAL_PAGES: usize = 1_000;
const WAL_PAGES_UNDER_LOAD: usize = 16_000;
/// The operations of a transaction under load.
const MANY_OPERATIONS: usize = 16;
/// A COMMIT that takes longer may have waited for a synchronous standby, and may have been
/// cancelled.
const SLOW_COMMIT: Duration = Duration::from_millis(100);

/// The database: its connection pools and its clock.
#[derive(Clone, Debug)]
pub struct Store {
    pool: BackendPool,
    /// For queries that select every row by a key.
    point_lookup_pool: BackendPool,
    clock: Clock,
}

/// A connection, and the database's clock.
pub struct Conn {
    pub(super) backend: Backend,
    pub(super) clock: Clock,
}

/// The same query, compiled for the connection's database.
macro_rules! with_backend {
    ($conn:expr, $c:ident => $query:expr) => {
        match &mut $conn.backend {
            $crate::store::connection::Backend::Postgres(pooled) => {
                let $c: &mut diesel::pg::PgConnection = &mut **pooled;
                $query
            }
            $crate::store::connection::Backend::Sqlite(pooled) => {
                let $c: &mut diesel::sqlite::SqliteConnection = &mut **pooled;
                $query
            }
        }
    };
}
pub(in crate::store) use with_backend;

/// The same SELECT, which locks its rows in the given order until the transaction ends.
/// A writer on SQLite has locked the whole database already.
macro_rules! for_update {
    ($conn:expr, $query:expr) => {
        match &mut $conn.backend {
            $crate::store::connection::Backend::Postgres(pooled) => {
                $query.for_no_key_update().load(&mut **pooled)
            }
            $crate::store::connection::Backend::Sqlite(pooled) => $query.load(&mut **pooled),
        }
    };
}
pub(in crate::store) use for_update;

impl Store {
    /// Opens the database with at most `size` connections: three for the ledger, and at
    /// least one for everything else. Fails if the database cannot be reached.
    pub fn connect(url: &DatabaseUrl, size: u32, clock: Clock) -> Result<Self, StoreError> {
        let (pool, point_lookup_pool) = pools::open(url, size)?;
        Ok(Self { pool, point_lookup_pool, clock })
    }

    /// The same database, with the connections for queries that select every row by a key.
    pub(super) fn with_point_lookup_pool(&self) -> Self {
        Self { pool: self.point_lookup_pool.clone(), ..self.clone() }
    }

    /// Runs queries outside a transaction. If the connection is dead, `work` is repeated
    /// on another one.
    pub fn read<T>(&self, work: impl Fn(&mut Conn) -> QueryResult<T>) -> Result<T, StoreError> {
        self.with_retry(|conn| work(conn).map_err(StoreError::QueryFailed))
    }

    /// Runs a transaction, which an error of `work` rolls back. If the connection is dead
    /// before COMMIT, the transaction is repeated on another one.
    ///
    /// When this returns, everything that the transaction has seen is as durable as what it
    /// has written, also if it has written nothing: its result may acknowledge what an earlier
    /// transaction wrote.
    pub fn write<T>(&self, work: impl Fn(&mut Conn) -> QueryResult<T>) -> Result<T, StoreError> {
        self.write_batch(1, work)
    }

    /// [`Self::write`] for this number of operations.
    pub(super) fn write_batch<T>(
        &self,
        operations: usize,
        work: impl Fn(&mut Conn) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        self.with_retry(|conn| {
            let transaction = |conn: &mut Conn| {
                conn.transaction(|conn| {
                    let value = work(conn)?;
                    conn.write_if_read_only()?;
                    Ok(value)
                })
            };
            if operations < MANY_OPERATIONS {
                return transaction(conn);
            }
            conn.checkpoint_at(WAL_PAGES_UNDER_LOAD);
            let result = transaction(conn);
            conn.checkpoint_at(WAL_PAGES);
            result
        })
    }

    /// [`Self::write`] for a task that no caller waits for. A transaction that has found nothing
    /// to do writes nothing.
    pub fn write_in_background<T>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        self.with_retry(|conn| conn.transaction(&work))
    }

    /// Runs queries outside a transaction, then one statement that is its own transaction.
    /// If the connection is dead before that statement, the queries are repeated on
    /// another one.
    pub(super) fn write_single_statement<W, T>(
        &self,
        read: impl Fn(&mut Conn) -> QueryResult<W>,
        write: impl Fn(&mut Conn, W) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        self.with_retry(|conn| {
            let writes = read(conn).map_err(StoreError::QueryFailed)?;
            let started_at = Instant::now();
            let written = write(conn, writes);
            let is_committed = written.is_ok();
            let confirmed = written.and_then(|value| conn.confirm_slow_commit(started_at).map(|()| value));
            confirmed.map_err(|error| {
                if is_committed || conn.is_dead() {
                    tracing::warn!(%error, "write not confirmed");
                    StoreError::OutcomeUnknown
                } else {
                    StoreError::QueryFailed(error)
                }
            })
        })
    }

    /// A database restart leaves every pooled connection dead, and a failover may leave it with
    /// a server that has become a standby. Each fails once, and the pool then drops it.
    fn with_retry<T>(&self, work: impl Fn(&mut Conn) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut retries_left = self.max_connections();
        loop {
            let mut conn = self.connection()?;
            match work(&mut conn) {
                Err(StoreError::QueryFailed(error)) if conn.is_dead() || conn.discard_if_read_only() => {
                    if retries_left == 0 {
                        return Err(StoreError::Unavailable(error.to_string()));
                    }
                    retries_left -= 1;
                }
                done => return done,
            }
        }
    }

    pub(super) fn connection(&self) -> Result<Conn, StoreError> {
        Ok(Conn { backend: self.pool.get()?, clock: self.clock.clone() })
    }

    /// Whether transactions can write concurrently; SQLite has one writer at a time.
    pub(super) fn has_concurrent_writers(&self) -> bool {
        matches!(self.pool, BackendPool::Postgres(_))
    }

    /// Whether a connection of the pool is open and not in use.
    pub(super) fn has_idle_connection(&self) -> bool {
        self.pool.has_idle_connection()
    }

    /// The maximum number of connections in the pool.
    pub fn max_connections(&self) -> u32 {
        self.pool.max_size()
    }
}

impl Conn {
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        if let Err(error) = self.begin() {
            // A dead connection is replaced. A locked database is not retried: the wait for
            // the lock has timed out already.
            return Err(if self.is_dead() {
                StoreError::QueryFailed(error)
            } else {
                StoreError::Unavailable(error.to_string())
            });
        }
        match work(self) {
            Ok(value) => {
                let started_at = Instant::now();
                let committed = with_backend!(self, c => AnsiTransactionManager::commit_transaction(c));
                match committed.and_then(|()| self.confirm_slow_commit(started_at)) {
                    Ok(()) => Ok(value),
                    Err(error) => {
                        tracing::warn!(%error, "COMMIT not confirmed");
                        Err(StoreError::OutcomeUnknown)
                    }
                }
            }
            Err(error) => {
                // A failed rollback marks the connection as dead; `error` is the cause.
                let _ = with_backend!(self, c => AnsiTransactionManager::rollback_transaction(c));
                Err(StoreError::QueryFailed(error))
            }
        }
    }

    /// Runs queries that all see the same state of the database.
    pub(super) fn in_snapshot<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> QueryResult<T>,
    ) -> QueryResult<T> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        match &mut self.backend {
            Backend::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(&mut **conn, BEGIN)?,
            Backend::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(&mut **conn, "BEGIN")?,
        }
        let result = work(self);
        // Nothing was written. A failed rollback marks the connection as dead.
        let _ = with_backend!(self, c => AnsiTransactionManager::rollback_transaction(c));
        result
    }

    fn begin(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => AnsiTransactionManager::begin_transaction(&mut **conn),
            // IMMEDIATE takes the write lock: a deferred transaction cannot wait for it.
            Backend::Sqlite(conn) => {
                AnsiTransactionManager::begin_transaction_sql(&mut **conn, "BEGIN IMMEDIATE")
            }
        }
    }

    /// Sets how many pages SQLite's write-ahead log has at a checkpoint. If that fails, a transaction is only slower.
    fn checkpoint_at(&mut self, pages: usize) {
        if let Backend::Sqlite(conn) = &mut self.backend {
            let _ = conn.batch_execute(&format!("PRAGMA wal_autocheckpoint = {pages}"));
        }
    }

    /// Makes the COMMIT of a transaction that has written nothing wait for the synchronous
    /// standby, as any other does.
    ///
    /// A row can be visible that no standby has: a session that waits in COMMIT was terminated,
    /// or the server crashed and started again. A later record is confirmed only after that row.
    fn write_if_read_only(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => conn.batch_execute(WRITE_IF_READ_ONLY),
            // There is no standby.
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Confirms a COMMIT that took long: `pg_cancel_backend` ends its wait for the synchronous
    /// standby with a mere warning, which diesel does not pass on.
    fn confirm_slow_commit(&mut self, started_at: Instant) -> QueryResult<()> {
        if started_at.elapsed() < SLOW_COMMIT { Ok(()) } else { self.confirm_visible_rows() }
    }

    /// Waits until everything that is visible is confirmed by the synchronous standby.
    pub(super) fn confirm_visible_rows(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => conn.batch_execute(WRITE_NOTHING),
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Lets the statements of this transaction be slow: no caller waits for it.
    pub(super) fn disable_statement_timeout(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => conn.batch_execute("SET LOCAL statement_timeout = 0"),
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Reads rows in the order of an index until the end of this transaction. With old statistics, PostgreSQL expects
    /// few rows at the end of a table that grows, and sorts all of them to return the first ones.
    pub(super) fn prefer_index_order(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => {
                conn.batch_execute("SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off")
            }
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Whether the connection, after an error, is no longer usable. It is pinged, because
    /// diesel does not notice if it breaks while a statement is prepared.
    pub(super) fn is_dead(&mut self) -> bool {
        with_backend!(self, c => c.is_broken() || c.ping().is_err())
    }

    /// After an error: whether the server no longer accepts writes, because another one is the
    /// primary now. The pool then drops the connection.
    fn discard_if_read_only(&mut self) -> bool {
        let Backend::Postgres(conn) = &mut self.backend else { return false };
        let is_read_only = diesel::select(sql::<Bool>(IS_READ_ONLY)).get_result(&mut **conn);
        let is_read_only = is_read_only.unwrap_or(true);
        if is_read_only {
            AnsiTransactionManager::transaction_manager_status_mut(&mut **conn).set_in_error();
        }
        is_read_only
    }
}
