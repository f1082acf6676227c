//! Connections: the pools, sessions, transactions, and retries on dead connections.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::pg::PgConnection;
use diesel::r2d2::{self, ConnectionManager, CustomizeConnection, Pool, PooledConnection, R2D2Connection};
use diesel::sqlite::SqliteConnection;
use secrecy::ExposeSecret;

use super::clock::Clock;
use super::error::StoreError;
use super::text_search::register_lower;
use crate::config::DatabaseUrl;

/// How long to wait for a connection; every request is answered within two seconds.
const CONNECTION_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Custom plans, because a generic plan for `= ANY` that was made for a tiny table stays
/// a sequential scan. The timeouts prevent a slow statement or a locked row from using up
/// the two seconds of other requests.
pub(super) const POSTGRES_SESSION: &str = "SET plan_cache_mode = force_custom_plan; SET lock_timeout = '500ms'; \
     SET statement_timeout = '2s'; SET timezone = 'UTC'";
/// The ledger and its lookups select every row by a key, so they use generic plans:
/// custom plans took a third of a batch's time, most of it for the foreign key checks.
/// A plan is kept until PostgreSQL analyses the table or the connection is replaced; a
/// plan for a tiny table can be slow until then.
const POSTGRES_POINT_LOOKUP_SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET join_collapse_limit = 1; SET lock_timeout = '500ms'; SET statement_timeout = '2s'; SET timezone = 'UTC'";
/// FULL, so that an acknowledged redemption survives a power failure.
pub(super) const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 1500; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
/// Writes a record to the log that changes nothing, as a transaction of its own.
const WRITE_NOTHING: &str = "SELECT pg_logical_emit_message(true, 'countersign', '')";
/// The same in a transaction that has no id, because it has neither written nor locked a row.
const WRITE_IF_READ_ONLY: &str = "SELECT pg_logical_emit_message(true, 'countersign', '') \
     WHERE pg_current_xact_id_if_assigned() IS NULL";
/// Connection parameters that the URL can override: a dead peer is detected within
/// seconds instead of the kernel's 15 minutes.
const POSTGRES_TIMEOUTS: [(&str, &str); 5] = [
    ("connect_timeout", "2"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "3"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// Connections reserved for the ledger: one each for its batches, its lookups, and the
/// usage counters.
const POINT_LOOKUP_CONNECTIONS: u32 = 3;
/// How long such a connection is used, because its plans age.
const POINT_LOOKUP_CONNECTION_LIFETIME: Duration = Duration::from_secs(30);

/// The database: its connection pools and its clock.
#[derive(Clone, Debug)]
pub struct Store {
    pool: BackendPool,
    /// For queries that select every row by a key.
    point_lookup_pool: BackendPool,
    clock: Clock,
}

#[derive(Clone, Debug)]
enum BackendPool {
    Postgres(Pool<ConnectionManager<PgConnection>>),
    Sqlite(Pool<ConnectionManager<SqliteConnection>>),
}

/// A connection, and the database's clock.
pub struct Conn {
    pub(super) backend: Backend,
    pub(super) clock: Clock,
}

pub(super) enum Backend {
    Postgres(PooledConnection<ConnectionManager<PgConnection>>),
    Sqlite(PooledConnection<ConnectionManager<SqliteConnection>>),
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

/// The statements to run on each new connection.
#[derive(Debug)]
struct SessionSetup(&'static str);

impl CustomizeConnection<PgConnection, r2d2::Error> for SessionSetup {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), r2d2::Error> {
        conn.batch_execute(self.0).map_err(r2d2::Error::QueryError)
    }
}

impl CustomizeConnection<SqliteConnection, r2d2::Error> for SessionSetup {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), r2d2::Error> {
        let prepared = conn.batch_execute(self.0).and_then(|()| register_lower(conn));
        prepared.map_err(r2d2::Error::QueryError)
    }
}

impl Store {
    /// Opens the database with at most `size` connections: three for the ledger, and at
    /// least one for everything else. Fails if the database cannot be reached.
    pub fn connect(url: &DatabaseUrl, size: u32, clock: Clock) -> Result<Self, StoreError> {
        let size = size.saturating_sub(POINT_LOOKUP_CONNECTIONS).max(1);
        let (pool, point_lookup_pool) = match url {
            DatabaseUrl::Postgres(url) => {
                let url = with_timeouts(url.expose_secret());
                let point_lookup_pool = build_pool(
                    &url,
                    POINT_LOOKUP_CONNECTIONS,
                    Some(POINT_LOOKUP_CONNECTION_LIFETIME),
                    POSTGRES_POINT_LOOKUP_SESSION,
                )?;
                (
                    BackendPool::Postgres(build_pool(&url, size, None, POSTGRES_SESSION)?),
                    BackendPool::Postgres(point_lookup_pool),
                )
            }
            DatabaseUrl::Sqlite(path) => {
                create_private_file(path).map_err(|error| {
                    StoreError::Unavailable(format!("cannot create {}: {error}", path.display()))
                })?;
                let path = path.to_string_lossy();
                let point_lookup_pool = build_pool(&path, POINT_LOOKUP_CONNECTIONS, None, SQLITE_SESSION)?;
                (
                    BackendPool::Sqlite(build_pool(&path, size, None, SQLITE_SESSION)?),
                    BackendPool::Sqlite(point_lookup_pool),
                )
            }
        };
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
        self.with_retry(|conn| {
            conn.transaction(|conn| {
                let value = work(conn)?;
                conn.write_if_read_only()?;
                Ok(value)
            })
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
            write(conn, writes).map_err(|error| {
                if conn.is_dead() {
                    tracing::warn!(%error, "write not confirmed");
                    StoreError::OutcomeUnknown
                } else {
                    StoreError::QueryFailed(error)
                }
            })
        })
    }

    /// A database restart leaves every pooled connection dead. Each fails once, and the
    /// pool then drops it.
    fn with_retry<T>(&self, work: impl Fn(&mut Conn) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut retries_left = self.max_connections();
        loop {
            let mut conn = self.connection()?;
            match work(&mut conn) {
                Err(StoreError::QueryFailed(error)) if conn.is_dead() => {
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
        let backend = match &self.pool {
            BackendPool::Postgres(pool) => pool.get().map(Backend::Postgres),
            BackendPool::Sqlite(pool) => pool.get().map(Backend::Sqlite),
        };
        let backend = backend.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Conn { backend, clock: self.clock.clone() })
    }

    /// Whether transactions can write concurrently; SQLite has one writer at a time.
    pub(super) fn has_concurrent_writers(&self) -> bool {
        matches!(self.pool, BackendPool::Postgres(_))
    }

    /// The maximum number of connections in the pool.
    pub fn max_connections(&self) -> u32 {
        match &self.pool {
            BackendPool::Postgres(pool) => pool.max_size(),
            BackendPool::Sqlite(pool) => pool.max_size(),
        }
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
            Ok(value) => match with_backend!(self, c => AnsiTransactionManager::commit_transaction(c)) {
                Ok(()) => Ok(value),
                Err(error) => {
                    tracing::warn!(%error, "COMMIT not confirmed");
                    Err(StoreError::OutcomeUnknown)
                }
            },
            Err(error) => {
                // A failed rollback marks the connection as dead; `error` is the cause.
                let _ = with_backend!(self, c => AnsiTransactionManager::rollback_transaction(c));
                Err(StoreError::QueryFailed(error))
            }
        }
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

    /// Whether the connection, after an error, is no longer usable. It is pinged, because
    /// diesel does not notice if it breaks while a statement is prepared.
    pub(super) fn is_dead(&mut self) -> bool {
        with_backend!(self, c => c.is_broken() || c.ping().is_err())
    }
}

/// Creates the database file, unless it exists, readable by its owner only. SQLite gives
/// the files beside it the same mode.
fn create_private_file(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Adds the timeouts that the URL does not set.
fn with_timeouts(url: &str) -> String {
    let mut url = url.to_owned();
    for (key, value) in POSTGRES_TIMEOUTS {
        if !url.contains(&format!("{key}=")) {
            let separator = if url.contains('?') { '&' } else { '?' };
            url.extend([separator.to_string().as_str(), key, "=", value]);
        }
    }
    url
}

/// A pool of at most `size` connections, each used for `lifetime` or half an hour.
fn build_pool<C>(
    url: &str,
    size: u32,
    lifetime: Option<Duration>,
    session_sql: &'static str,
) -> Result<Pool<ConnectionManager<C>>, StoreError>
where
    C: R2D2Connection + Send + 'static,
    SessionSetup: CustomizeConnection<C, r2d2::Error>,
{
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(CONNECTION_TIMEOUT)
        .max_lifetime(Some(lifetime.unwrap_or(Duration::from_secs(30 * 60))))
        // A dead connection is detected by its first use, which saves a query per checkout.
        .test_on_check_out(false)
        .connection_customizer(Box::new(SessionSetup(session_sql)))
        .build(ConnectionManager::new(url))
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}
