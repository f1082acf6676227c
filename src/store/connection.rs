//! Connections: the pools, sessions, transactions, and retries on dead connections.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{self, ConnectionManager, CustomizeConnection, Pool, PooledConnection, R2D2Connection};
use diesel::sql_types::{Bool, Integer};
use diesel::sqlite::SqliteConnection;
use secrecy::ExposeSecret;

use super::clock::Clock;
use super::error::StoreError;
use super::text_search::register_lower;
use super::timeline::LatestTimeline;
use crate::config::DatabaseUrl;
use crate::config::postgres_url::Conninfo;

/// How long to wait for a connection; every request is answered within two seconds.
const CONNECTION_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Custom plans, because a generic plan for `= ANY` that was made for a tiny table stays
/// a sequential scan. The timeouts prevent a slow statement or a locked row from using up
/// the two seconds of other requests. A weaker `synchronous_commit` of the role or the database
/// would lose what has been acknowledged.
pub(super) const POSTGRES_SESSION: &str = "SET plan_cache_mode = force_custom_plan; SET lock_timeout = '500ms'; \
     SET statement_timeout = '2s'; SET timezone = 'UTC'; \
     SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') IN ('off', 'local')";
/// The ledger and its lookups select every row by a key, so they use generic plans:
/// custom plans took a third of a batch's time, most of it for the foreign key checks.
/// A plan is kept until PostgreSQL analyses the table or the connection is replaced; a
/// plan for a tiny table can be slow until then.
const POSTGRES_POINT_LOOKUP_SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET join_collapse_limit = 1; SET lock_timeout = '500ms'; SET statement_timeout = '2s'; SET timezone = 'UTC'; \
     SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') IN ('off', 'local')";
/// FULL, so that an acknowledged redemption survives a power failure.
pub(super) const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 1500; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
/// Whether a server is a standby, or read-only for another reason.
const IS_READ_ONLY: &str = "pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
/// Writes a record to the log that changes nothing, as a transaction of its own.
const WRITE_NOTHING: &str = "SELECT pg_logical_emit_message(true, 'countersign', '')";
/// The same in a transaction that has no id, because it has neither written nor locked a row.
const WRITE_IF_READ_ONLY: &str = "SELECT pg_logical_emit_message(true, 'countersign', '') \
     WHERE pg_current_xact_id_if_assigned() IS NULL";
/// Connection parameters that the URL can override, or an environment variable: a dead peer is
/// detected within seconds instead of the kernel's 15 minutes, and a standby is not used.
const POSTGRES_DEFAULTS: [(&str, Option<&str>, &str); 6] = [
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), "2"),
    ("keepalives_idle", None, "10"),
    ("keepalives_interval", None, "3"),
    ("keepalives_count", None, "3"),
    ("tcp_user_timeout", None, "10000"),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), "read-write"),
];

/// A COMMIT that takes longer may have waited for a synchronous standby, and may have been
/// cancelled.
const SLOW_COMMIT: Duration = Duration::from_millis(100);
/// How often it is checked at the start whether two connections have one session.
const POOLER_CHECKS: usize = 3;

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

/// The statements to run on each new connection, and the timeline that a server must have.
#[derive(Debug)]
struct SessionSetup {
    sql: &'static str,
    timeline: Arc<LatestTimeline>,
}

impl CustomizeConnection<PgConnection, r2d2::Error> for SessionSetup {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), r2d2::Error> {
        self.timeline.check(conn).and_then(|()| conn.batch_execute(self.sql)).map_err(r2d2::Error::QueryError)
    }
}

impl CustomizeConnection<SqliteConnection, r2d2::Error> for SessionSetup {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), r2d2::Error> {
        let prepared = conn.batch_execute(self.sql).and_then(|()| register_lower(conn));
        prepared.map_err(r2d2::Error::QueryError)
    }
}

impl Store {
    /// Opens the database with at most `size` connections: three for the ledger, and at
    /// least one for everything else. Fails if the database cannot be reached.
    pub fn connect(url: &DatabaseUrl, size: u32, clock: Clock) -> Result<Self, StoreError> {
        let size = size.saturating_sub(POINT_LOOKUP_CONNECTIONS).max(1);
        let timeline = Arc::<LatestTimeline>::default();
        let session = |sql| SessionSetup { sql, timeline: Arc::clone(&timeline) };
        let (pool, point_lookup_pool) = match url {
            DatabaseUrl::Postgres(url) => {
                let conninfo = conninfo(url.expose_secret())?;
                refuse_transaction_pooling(&conninfo)?;
                let (words, max_wait) = (conninfo.to_keywords(), max_connect_time(&conninfo));
                let lifetime = Some(POINT_LOOKUP_CONNECTION_LIFETIME);
                let pool = build_pool(&words, size, None, session(POSTGRES_SESSION), max_wait)?;
                let session = session(POSTGRES_POINT_LOOKUP_SESSION);
                let point_lookup_pool =
                    build_pool(&words, POINT_LOOKUP_CONNECTIONS, lifetime, session, max_wait)?;
                (BackendPool::Postgres(pool), BackendPool::Postgres(point_lookup_pool))
            }
            DatabaseUrl::Sqlite(path) => {
                create_private_file(path).map_err(|error| {
                    StoreError::Unavailable(format!("cannot create {}: {error}", path.display()))
                })?;
                let path = path.to_string_lossy();
                let max_wait = CONNECTION_TIMEOUT;
                let point_lookup_pool =
                    build_pool(&path, POINT_LOOKUP_CONNECTIONS, None, session(SQLITE_SESSION), max_wait)?;
                (
                    BackendPool::Sqlite(build_pool(&path, size, None, session(SQLITE_SESSION), max_wait)?),
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

    /// Whether a connection of the pool is open and not in use.
    pub(super) fn has_idle_connection(&self) -> bool {
        let state = match &self.pool {
            BackendPool::Postgres(pool) => pool.state(),
            BackendPool::Sqlite(pool) => pool.state(),
        };
        state.idle_connections > 0
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

/// The parameters of the URL, with our defaults for what neither it nor the environment of libpq
/// sets.
fn conninfo(url: &str) -> Result<Conninfo, StoreError> {
    let mut conninfo =
        Conninfo::from_url(url).map_err(|error| StoreError::Unavailable(format!("its URL {error}")))?;
    for (name, variable, value) in POSTGRES_DEFAULTS {
        if variable.is_none_or(|variable| std::env::var_os(variable).is_none()) {
            conninfo.set_default(name, value);
        }
    }
    Ok(conninfo)
}

/// Refuses a pooler that gives each transaction another server session: settings, advisory locks
/// and prepared statements would be those of other clients, and ours theirs. It is recognised
/// before any setting is changed: two open connections have one session.
fn refuse_transaction_pooling(conninfo: &Conninfo) -> Result<(), StoreError> {
    let unavailable = |error: &dyn std::fmt::Display| StoreError::Unavailable(error.to_string());
    let words = conninfo.to_keywords();
    let open = || PgConnection::establish(&words).map_err(|error| unavailable(&error));
    let mut connections = [open()?, open()?];
    // Other clients of the pool may take the session between two transactions.
    for _ in 0..POOLER_CHECKS {
        let sessions = connections.each_mut().map(|conn| {
            let session = |conn: &mut PgConnection| {
                diesel::select(sql::<Integer>("pg_backend_pid()")).get_result::<i32>(conn)
            };
            conn.transaction(session).map_err(|error| unavailable(&error))
        });
        let [first, second] = sessions;
        if first? == second? {
            return Err(StoreError::Unsuitable(
                "its URL leads to a connection pooler in transaction mode, which mixes the settings and prepared \
                 statements of its clients; use session mode (`pool_mode = session` of pgbouncer) or connect to \
                 PostgreSQL itself"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// How long libpq may take to find a host that accepts connections, if the others hang.
fn max_connect_time(conninfo: &Conninfo) -> Duration {
    let hosts = conninfo.get("host").map_or(1, |hosts| hosts.split(',').count());
    let per_host = conninfo.get("connect_timeout").and_then(|seconds| seconds.parse().ok()).unwrap_or(2);
    let seconds = per_host.min(60) * u64::try_from(hosts).unwrap_or(1);
    CONNECTION_TIMEOUT + Duration::from_secs(seconds)
}

/// A pool of at most `size` connections, each used for `lifetime` or half an hour. Waits up to
/// `max_wait` for the first one.
fn build_pool<C>(
    url: &str,
    size: u32,
    lifetime: Option<Duration>,
    session: SessionSetup,
    max_wait: Duration,
) -> Result<Pool<ConnectionManager<C>>, StoreError>
where
    C: R2D2Connection + Send + 'static,
    SessionSetup: CustomizeConnection<C, r2d2::Error>,
{
    let pool = Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(CONNECTION_TIMEOUT)
        .max_lifetime(Some(lifetime.unwrap_or(Duration::from_secs(30 * 60))))
        // A dead connection is detected by its first use, which saves a query per checkout.
        .test_on_check_out(false)
        .connection_customizer(Box::new(session))
        .build_unchecked(ConnectionManager::new(url));
    pool.get_timeout(max_wait).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(pool)
}
