//! What countersign keeps, in PostgreSQL or SQLite. `diesel` is used here and
//! nowhere else. Each file is a noun; its functions take a [`Conn`] and are
//! called within [`Store::read`] or [`Store::write`].

mod bulk;
mod clock;
mod directory;
pub mod ledger;
mod schema;
mod staged;
mod tallies;
mod types;

pub mod blocks;
pub mod bundles;
pub mod cast;
pub mod days;
pub mod events;
pub mod exports;
pub mod grants;
pub mod hubs;
pub mod import;
pub mod keys;
pub mod lookup;
pub mod meters;
pub mod outbox;
pub mod password_links;
pub mod probe;
pub mod purge;
pub mod requests;
pub mod sessions;
pub mod staff;
pub mod trail;
pub mod users;
pub mod views;

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

pub use clock::{Clock, machine_now};
/// What a query comes to: named here, so that its callers need no diesel.
pub use diesel::{QueryResult, result::Error as QueryError};
pub use directory::Directory;

use crate::config::DatabaseUrl;
use crate::faults::planted;

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
const POSTGRES_KEYED_SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
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
    Unknown,
    /// The database refused a statement: nothing was done.
    #[error("database error: {0}")]
    Refused(#[source] Error),
}

/// Connections that are the ledger's, whatever is read meanwhile: one for its
/// writes, one for its look-ups, and one to write down uses.
const KEYED_CONNECTIONS: u32 = 3;
/// For how long one of them is used.
const KEYED_LIFETIME: Duration = Duration::from_secs(30);

/// Pools of connections to the one database that there is.
#[derive(Clone, Debug)]
pub struct Store {
    pool: LinkPool,
    /// For queries that name every row by a key.
    keyed: LinkPool,
    clock: Clock,
}

#[derive(Clone, Debug)]
enum LinkPool {
    Postgres(Pool<ConnectionManager<PgConnection>>),
    Sqlite(Pool<ConnectionManager<SqliteConnection>>),
}

/// A connection, and the clock that goes with it.
pub struct Conn {
    link: Link,
    clock: Clock,
}

enum Link {
    Postgres(PooledConnection<ConnectionManager<PgConnection>>),
    Sqlite(PooledConnection<ConnectionManager<SqliteConnection>>),
}

/// The same query, compiled for whichever database this is.
macro_rules! on {
    ($conn:expr, $c:ident => $query:expr) => {
        match &mut $conn.link {
            $crate::store::Link::Postgres(pooled) => {
                let $c: &mut diesel::pg::PgConnection = &mut **pooled;
                $query
            }
            $crate::store::Link::Sqlite(pooled) => {
                let $c: &mut diesel::sqlite::SqliteConnection = &mut **pooled;
                $query
            }
        }
    };
}
pub(in crate::store) use on;

/// The same SELECT, with its rows locked until the transaction ends, in the
/// order given. SQLite's writers hold the whole database already.
macro_rules! locked {
    ($conn:expr, $query:expr) => {
        match &mut $conn.link {
            $crate::store::Link::Postgres(pooled) => $query.for_no_key_update().load(&mut **pooled),
            $crate::store::Link::Sqlite(pooled) => $query.load(&mut **pooled),
        }
    };
}
pub(in crate::store) use locked;

/// Statements to run on each new connection.
#[derive(Debug)]
struct Session(&'static str);

impl CustomizeConnection<PgConnection, r2d2::Error> for Session {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), r2d2::Error> {
        conn.batch_execute(self.0).map_err(r2d2::Error::QueryError)
    }
}

impl CustomizeConnection<SqliteConnection, r2d2::Error> for Session {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), r2d2::Error> {
        let begun = conn.batch_execute(self.0).and_then(|()| users::teach_lower(conn));
        begun.map_err(r2d2::Error::QueryError)
    }
}

impl Store {
    /// Opens the database with at most `size` connections, three of them the
    /// ledger's and one at the least for all else; fails when it cannot be reached.
    pub fn connect(url: &DatabaseUrl, size: u32, clock: Clock) -> Result<Self, StoreError> {
        let size = size.saturating_sub(KEYED_CONNECTIONS).max(1);
        let (pool, keyed) = match url {
            DatabaseUrl::Postgres(url) => {
                let url = with_timeouts(url.expose_secret());
                let keyed = pool(&url, KEYED_CONNECTIONS, Some(KEYED_LIFETIME), POSTGRES_KEYED_SESSION)?;
                (LinkPool::Postgres(pool(&url, size, None, POSTGRES_SESSION)?), LinkPool::Postgres(keyed))
            }
            DatabaseUrl::Sqlite(path) => {
                make_private(path).map_err(|error| {
                    StoreError::Unavailable(format!("cannot create {}: {error}", path.display()))
                })?;
                let path = path.to_string_lossy();
                let keyed = pool(&path, KEYED_CONNECTIONS, None, SQLITE_SESSION)?;
                (LinkPool::Sqlite(pool(&path, size, None, SQLITE_SESSION)?), LinkPool::Sqlite(keyed))
            }
        };
        Ok(Self { pool, keyed, clock })
    }

    /// The same database, by the connections for queries that name every row by
    /// a key.
    fn keyed(&self) -> Self {
        Self { pool: self.keyed.clone(), ..self.clone() }
    }

    /// Brings the tables up to date, one replica at a time.
    pub fn migrate(&self) -> Result<(), StoreError> {
        let unavailable =
            |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("migrations: {error}"));
        match self.connection()?.link {
            Link::Postgres(mut conn) => {
                let lock = |verb: &str| format!("SELECT {verb}({MIGRATION_LOCK})");
                conn.batch_execute(&format!(
                    "SET lock_timeout = 0; SET statement_timeout = 0; {}",
                    lock("pg_advisory_lock")
                ))
                .map_err(StoreError::Refused)?;
                let done = conn.run_pending_migrations(POSTGRES_MIGRATIONS).map(drop);
                let unlocked =
                    conn.batch_execute(&format!("{}; {POSTGRES_SESSION}", lock("pg_advisory_unlock")));
                done.map_err(|error| unavailable(&error))?;
                unlocked.map_err(StoreError::Refused)
            }
            Link::Sqlite(mut conn) => {
                // The write lock is taken first, so that a second process waits.
                let conn = &mut *conn;
                conn.batch_execute("PRAGMA busy_timeout = 60000").map_err(StoreError::Refused)?;
                let done = conn.immediate_transaction(|conn| {
                    conn.run_pending_migrations(SQLITE_MIGRATIONS).map(drop).map_err(Error::QueryBuilderError)
                });
                conn.batch_execute(SQLITE_SESSION).map_err(StoreError::Refused)?;
                done.map_err(|error| unavailable(&error))
            }
        }
    }

    /// Runs queries outside a transaction. They are repeated on another
    /// connection when the first turns out to be dead.
    pub fn read<T>(&self, work: impl Fn(&mut Conn) -> QueryResult<T>) -> Result<T, StoreError> {
        self.repeat(|conn| work(conn).map_err(StoreError::Refused))
    }

    /// Runs a transaction. It is repeated on another connection when the first
    /// turns out to be dead before COMMIT; `work` rolls back by an error.
    pub fn write<T>(&self, work: impl Fn(&mut Conn) -> QueryResult<T>) -> Result<T, StoreError> {
        self.repeat(|conn| conn.transaction(&work))
    }

    /// Runs queries outside a transaction, and then the one statement that they led
    /// to, if any, which is a transaction by itself. The queries are repeated on
    /// another connection when the first turns out to be dead.
    fn write_at_once<S>(
        &self,
        read: impl Fn(&mut Conn) -> QueryResult<Option<S>>,
        write: impl Fn(&mut Conn, S) -> QueryResult<()>,
    ) -> Result<(), StoreError> {
        self.repeat(|conn| {
            let Some(statement) = read(conn).map_err(StoreError::Refused)? else { return Ok(()) };
            match write(conn, statement) {
                Err(error) if conn.is_dead() => {
                    tracing::warn!(%error, "write not confirmed");
                    Err(StoreError::Unknown)
                }
                done => done.map_err(StoreError::Refused),
            }
        })
    }

    /// A database restart leaves every pooled connection dead; each is found out
    /// once, and the pool drops it.
    fn repeat<T>(&self, work: impl Fn(&mut Conn) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut left = if planted("store.once") { 0 } else { self.size() };
        loop {
            let mut conn = self.connection()?;
            match work(&mut conn) {
                Err(StoreError::Refused(error)) if conn.is_dead() => {
                    if left == 0 {
                        return Err(StoreError::Unavailable(error.to_string()));
                    }
                    left -= 1;
                }
                done => return done,
            }
        }
    }

    fn connection(&self) -> Result<Conn, StoreError> {
        let link = match &self.pool {
            LinkPool::Postgres(pool) => pool.get().map(Link::Postgres),
            LinkPool::Sqlite(pool) => pool.get().map(Link::Sqlite),
        };
        let link = link.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Conn { link, clock: self.clock.clone() })
    }

    /// Whether others may write while one does: to SQLite, nobody can.
    fn is_shared(&self) -> bool {
        matches!(self.pool, LinkPool::Postgres(_))
    }

    /// The most connections that the pool opens.
    pub fn size(&self) -> u32 {
        match &self.pool {
            LinkPool::Postgres(pool) => pool.max_size(),
            LinkPool::Sqlite(pool) => pool.max_size(),
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
                StoreError::Refused(error)
            } else {
                StoreError::Unavailable(error.to_string())
            });
        }
        match work(self) {
            Ok(value) => match on!(self, c => AnsiTransactionManager::commit_transaction(c)) {
                Ok(()) => Ok(value),
                Err(error) => {
                    tracing::warn!(%error, "COMMIT not confirmed");
                    Err(StoreError::Unknown)
                }
            },
            Err(error) => {
                // What is wrong is told by `error`; a rollback that fails marks
                // the connection as dead.
                let _ = on!(self, c => AnsiTransactionManager::rollback_transaction(c));
                Err(StoreError::Refused(error))
            }
        }
    }

    fn begin(&mut self) -> QueryResult<()> {
        match &mut self.link {
            Link::Postgres(conn) => AnsiTransactionManager::begin_transaction(&mut **conn),
            // Takes the write lock at once: a deferred one cannot wait for it.
            Link::Sqlite(conn) => {
                AnsiTransactionManager::begin_transaction_sql(&mut **conn, "BEGIN IMMEDIATE")
            }
        }
    }

    /// Says that nobody waits for this transaction: its statements may be slow.
    fn expect_slowness(&mut self) -> QueryResult<()> {
        match &mut self.link {
            Link::Postgres(conn) => conn.batch_execute("SET LOCAL statement_timeout = 0"),
            Link::Sqlite(_) => Ok(()),
        }
    }

    /// Whether the connection, which just failed, can serve nobody any more. It is
    /// asked: diesel does not notice when it dies of a statement that is new to it.
    fn is_dead(&mut self) -> bool {
        on!(self, c => c.is_broken() || c.ping().is_err())
    }
}

/// Makes a database's file, if there is none, for its owner alone; SQLite gives
/// the files beside it the same mode.
fn make_private(path: &Path) -> io::Result<()> {
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
fn pool<C>(
    url: &str,
    size: u32,
    lifetime: Option<Duration>,
    session: &'static str,
) -> Result<Pool<ConnectionManager<C>>, StoreError>
where
    C: R2D2Connection + Send + 'static,
    Session: CustomizeConnection<C, r2d2::Error>,
{
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(CONNECTION_TIMEOUT)
        .max_lifetime(Some(lifetime.unwrap_or(Duration::from_secs(30 * 60))))
        // A dead connection is found out by its first use, not by a query before each.
        .test_on_check_out(false)
        .connection_customizer(Box::new(Session(session)))
        .build(ConnectionManager::new(url))
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// One page of a list, and how many there are in all.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The page's rows.
    pub rows: Vec<T>,
    /// How many rows the list has.
    pub total: i64,
}

/// Which page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The most rows.
    pub limit: i64,
    /// Rows to pass over.
    pub offset: i64,
}
