//! What countersign keeps, in PostgreSQL or SQLite. `diesel` is used here and
//! nowhere else. Each file is a noun; its functions take a [`Conn`] and are
//! called within [`Store::read`] or [`Store::write`].

mod async_store;
mod bulk;
mod clock;
pub mod ledger;
mod requests_with_parties;
mod schema;
mod types;
mod user_counters;
mod user_row;

pub mod admin;
pub mod api_keys;
pub mod audit_log;
pub mod blocks;
pub mod bundles;
pub mod claimed_mails;
pub mod daily_stats;
pub mod export_tokens;
pub mod hubs;
pub mod import;
pub mod link_views;
pub mod lookup;
pub mod outbox;
pub mod participants;
pub mod password_links;
pub mod permissions;
pub mod purge;
pub mod rate_limits;
pub mod readiness;
pub mod requests;
pub mod sessions;
pub mod users;

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::pg::PgConnection;
use diesel::r2d2::{self, ConnectionManager, CustomizeConnection, Pool, PooledConnection, R2D2Connection};
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use secrecy::ExposeSecret;

pub use async_store::AsyncStore;
pub use clock::{Clock, system_now};
/// What a query comes to: named here, so that its callers need no diesel.
pub use diesel::{QueryResult, result::Error as QueryError};

use crate::config::DatabaseUrl;

const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
/// The advisory lock under which one replica migrates: "counters" in ASCII.
const MIGRATION_LOCK: i64 = 0x636f_756e_7465_7273;

/// How long to wait for a connection: well below the two seconds in which every
/// request is answered.
const CONNECTION_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Custom plans, since a cached plan of `= ANY` made while a table was tiny
/// stays a sequential scan for ever. The time-outs keep one slow statement, or
/// one row that somebody holds, from costing others their two seconds.
const POSTGRES_SESSION: &str = "SET plan_cache_mode = force_custom_plan; SET lock_timeout = '500ms'; \
     SET statement_timeout = '2s'; SET timezone = 'UTC'";
/// The ledger and its look-ups name every row by a key, so a plan is made once:
/// making plans anew cost a third of a batch's time, those of the checks of foreign
/// keys most of all. It holds until PostgreSQL has analysed a table anew, or the
/// connection is replaced: what was planned for a tiny table may be slow for as
/// long as that.
const POSTGRES_POINT_LOOKUP_SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET join_collapse_limit = 1; SET lock_timeout = '500ms'; SET statement_timeout = '2s'; SET timezone = 'UTC'";
/// FULL: an acknowledged redemption survives a power cut.
const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 1500; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
/// What libpq is told unless the URL says otherwise: give up on a dead peer in
/// seconds, not in the kernel's quarter of an hour.
const POSTGRES_TIMEOUTS: [(&str, &str); 5] = [
    ("connect_timeout", "2"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "3"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection is to be had, or it broke before COMMIT: nothing was done.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// COMMIT was sent and its answer lost: done or not, nobody can tell yet.
    #[error("the database did not respond; the outcome is unknown")]
    OutcomeUnknown,
    /// The database refused a statement: nothing was done.
    #[error("database error: {0}")]
    QueryFailed(#[source] Error),
}

/// Connections that are the ledger's, whatever is read meanwhile: one for its
/// writes, one for its look-ups, and one to write down uses.
const POINT_LOOKUP_CONNECTIONS: u32 = 3;
/// For how long one of them is used.
const POINT_LOOKUP_CONNECTION_LIFETIME: Duration = Duration::from_secs(30);

/// Pools of connections to the one database that there is.
#[derive(Clone, Debug)]
pub struct Store {
    pool: BackendPool,
    /// For queries that name every row by a key.
    point_lookup_pool: BackendPool,
    clock: Clock,
}

#[derive(Clone, Debug)]
enum BackendPool {
    Postgres(Pool<ConnectionManager<PgConnection>>),
    Sqlite(Pool<ConnectionManager<SqliteConnection>>),
}

/// A connection, and the clock that goes with it.
pub struct Conn {
    backend: Backend,
    clock: Clock,
}

enum Backend {
    Postgres(PooledConnection<ConnectionManager<PgConnection>>),
    Sqlite(PooledConnection<ConnectionManager<SqliteConnection>>),
}

/// The same query, compiled for whichever database this is.
macro_rules! with_backend {
    ($conn:expr, $c:ident => $query:expr) => {
        match &mut $conn.backend {
            $crate::store::Backend::Postgres(pooled) => {
                let $c: &mut diesel::pg::PgConnection = &mut **pooled;
                $query
            }
            $crate::store::Backend::Sqlite(pooled) => {
                let $c: &mut diesel::sqlite::SqliteConnection = &mut **pooled;
                $query
            }
        }
    };
}
pub(in crate::store) use with_backend;

/// The same SELECT, with its rows locked until the transaction ends, in the
/// order given. SQLite's writers hold the whole database already.
macro_rules! for_update {
    ($conn:expr, $query:expr) => {
        match &mut $conn.backend {
            $crate::store::Backend::Postgres(pooled) => $query.for_no_key_update().load(&mut **pooled),
            $crate::store::Backend::Sqlite(pooled) => $query.load(&mut **pooled),
        }
    };
}
pub(in crate::store) use for_update;

/// Statements to run on each new connection.
#[derive(Debug)]
struct SessionSetup(&'static str);

impl CustomizeConnection<PgConnection, r2d2::Error> for SessionSetup {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), r2d2::Error> {
        conn.batch_execute(self.0).map_err(r2d2::Error::QueryError)
    }
}

impl CustomizeConnection<SqliteConnection, r2d2::Error> for SessionSetup {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), r2d2::Error> {
        let begun = conn.batch_execute(self.0).and_then(|()| users::register_lower(conn));
        begun.map_err(r2d2::Error::QueryError)
    }
}

impl Store {
    /// Opens the database with at most `size` connections, three of them the
    /// ledger's and one at the least for all else; fails when it cannot be reached.
    pub fn connect(url: &DatabaseUrl, size: u32, clock: Clock) -> Result<Self, StoreError> {
        let size = size.saturating_sub(POINT_LOOKUP_CONNECTIONS).max(1);
        let (pool, point_lookup_pool) = match url {
            DatabaseUrl::Postgres(url) => {
                let url = with_timeouts(url.expose_secret());
                let keyed = build_pool(
                    &url,
                    POINT_LOOKUP_CONNECTIONS,
                    Some(POINT_LOOKUP_CONNECTION_LIFETIME),
                    POSTGRES_POINT_LOOKUP_SESSION,
                )?;
                (
                    BackendPool::Postgres(build_pool(&url, size, None, POSTGRES_SESSION)?),
                    BackendPool::Postgres(keyed),
                )
            }
            DatabaseUrl::Sqlite(path) => {
                create_private_file(path).map_err(|error| {
                    StoreError::Unavailable(format!("cannot create {}: {error}", path.display()))
                })?;
                let path = path.to_string_lossy();
                let keyed = build_pool(&path, POINT_LOOKUP_CONNECTIONS, None, SQLITE_SESSION)?;
                (
                    BackendPool::Sqlite(build_pool(&path, size, None, SQLITE_SESSION)?),
                    BackendPool::Sqlite(keyed),
                )
            }
        };
        Ok(Self { pool, point_lookup_pool, clock })
    }

    /// The same database, by the connections for queries that name every row by
    /// a key.
    fn with_point_lookup_pool(&self) -> Self {
        Self { pool: self.point_lookup_pool.clone(), ..self.clone() }
    }

    /// Brings the tables up to date, one replica at a time.
    pub fn migrate(&self) -> Result<(), StoreError> {
        let unavailable =
            |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("migrations: {error}"));
        match self.connection()?.backend {
            Backend::Postgres(mut conn) => {
                let lock = |verb: &str| format!("SELECT {verb}({MIGRATION_LOCK})");
                conn.batch_execute(&format!(
                    "SET lock_timeout = 0; SET statement_timeout = 0; {}",
                    lock("pg_advisory_lock")
                ))
                .map_err(StoreError::QueryFailed)?;
                let done = conn.run_pending_migrations(POSTGRES_MIGRATIONS).map(drop);
                let unlocked =
                    conn.batch_execute(&format!("{}; {POSTGRES_SESSION}", lock("pg_advisory_unlock")));
                done.map_err(|error| unavailable(&error))?;
                unlocked.map_err(StoreError::QueryFailed)
            }
            Backend::Sqlite(mut conn) => {
                // The write lock is taken first, so that a second process waits.
                let conn = &mut *conn;
                conn.batch_execute("PRAGMA busy_timeout = 60000").map_err(StoreError::QueryFailed)?;
                let done = conn.immediate_transaction(|conn| {
                    conn.run_pending_migrations(SQLITE_MIGRATIONS).map(drop).map_err(Error::QueryBuilderError)
                });
                conn.batch_execute(SQLITE_SESSION).map_err(StoreError::QueryFailed)?;
                done.map_err(|error| unavailable(&error))
            }
        }
    }

    /// Runs queries outside a transaction. They are repeated on another
    /// connection when the first turns out to be dead.
    pub fn read<T>(&self, work: impl Fn(&mut Conn) -> QueryResult<T>) -> Result<T, StoreError> {
        self.with_retry(|conn| work(conn).map_err(StoreError::QueryFailed))
    }

    /// Runs a transaction. It is repeated on another connection when the first
    /// turns out to be dead before COMMIT; `work` rolls back by an error.
    pub fn write<T>(&self, work: impl Fn(&mut Conn) -> QueryResult<T>) -> Result<T, StoreError> {
        self.with_retry(|conn| conn.transaction(&work))
    }

    /// Runs queries outside a transaction, and then the one statement that they led
    /// to, if any, which is a transaction by itself. The queries are repeated on
    /// another connection when the first turns out to be dead.
    fn write_single_statement<S>(
        &self,
        read: impl Fn(&mut Conn) -> QueryResult<Option<S>>,
        write: impl Fn(&mut Conn, S) -> QueryResult<()>,
    ) -> Result<(), StoreError> {
        self.with_retry(|conn| {
            let Some(statement) = read(conn).map_err(StoreError::QueryFailed)? else { return Ok(()) };
            match write(conn, statement) {
                Err(error) if conn.is_dead() => {
                    tracing::warn!(%error, "write not confirmed");
                    Err(StoreError::OutcomeUnknown)
                }
                done => done.map_err(StoreError::QueryFailed),
            }
        })
    }

    /// A database restart leaves every pooled connection dead; each is found out
    /// once, and the pool drops it.
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

    fn connection(&self) -> Result<Conn, StoreError> {
        let backend = match &self.pool {
            BackendPool::Postgres(pool) => pool.get().map(Backend::Postgres),
            BackendPool::Sqlite(pool) => pool.get().map(Backend::Sqlite),
        };
        let backend = backend.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Conn { backend, clock: self.clock.clone() })
    }

    /// Whether others may write while one does: to SQLite, nobody can.
    fn has_concurrent_writers(&self) -> bool {
        matches!(self.pool, BackendPool::Postgres(_))
    }

    /// The most connections that the pool opens.
    pub fn max_connections(&self) -> u32 {
        match &self.pool {
            BackendPool::Postgres(pool) => pool.max_size(),
            BackendPool::Sqlite(pool) => pool.max_size(),
        }
    }
}

impl Conn {
    fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> QueryResult<T>) -> Result<T, StoreError> {
        if let Err(error) = self.begin() {
            // A dead connection is replaced; a database that is locked is waited
            // for no longer than it has been already.
            let dead = self.is_dead();
            return Err(if dead {
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
                // What is wrong is told by `error`; a rollback that fails marks
                // the connection as dead.
                let _ = with_backend!(self, c => AnsiTransactionManager::rollback_transaction(c));
                Err(StoreError::QueryFailed(error))
            }
        }
    }

    fn begin(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => AnsiTransactionManager::begin_transaction(&mut **conn),
            // Takes the write lock at once: a deferred one cannot wait for it.
            Backend::Sqlite(conn) => {
                AnsiTransactionManager::begin_transaction_sql(&mut **conn, "BEGIN IMMEDIATE")
            }
        }
    }

    /// Says that nobody waits for this transaction: its statements may be slow.
    fn disable_statement_timeout(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => conn.batch_execute("SET LOCAL statement_timeout = 0"),
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Whether the connection, which just failed, can serve nobody any more. It is
    /// asked: diesel does not notice when it dies of a statement that is new to it.
    fn is_dead(&mut self) -> bool {
        with_backend!(self, c => c.is_broken() || c.ping().is_err())
    }
}

/// Makes a database's file, if there is none, for its owner alone; SQLite gives
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

/// The URL, with each of the timeouts that it does not set itself.
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

/// A pool of at most `size` connections, each used for the `lifetime` or, with
/// none, for half an hour.
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
        // A dead connection is found out by its first use, not by a query before each.
        .test_on_check_out(false)
        .connection_customizer(Box::new(SessionSetup(session_sql)))
        .build(ConnectionManager::new(url))
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// One page of a list, and how many there are in all.
#[derive(Clone, Debug)]
pub struct Paginated<T> {
    /// The page's rows.
    pub rows: Vec<T>,
    /// How many rows the list has.
    pub total: i64,
}

/// Which page of a list.
#[derive(Clone, Copy, Debug)]
pub struct LimitOffset {
    /// The most rows.
    pub limit: i64,
    /// Rows to pass over.
    pub offset: i64,
}
