//! The connection pools: how connections are opened, and which servers are refused.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::r2d2::{
    self, Builder, ConnectionManager, CustomizeConnection, ManageConnection, Pool, PooledConnection,
};
use diesel::sql_types::Integer;
use secrecy::ExposeSecret;

use super::error::StoreError;
use super::postgres_connections::{PooledPostgres, PostgresConnector, PostgresManager};
use super::text_search::register_lower;
use super::timeline::LatestTimeline;
use crate::config::DatabaseUrl;
use crate::config::postgres_url::Conninfo;

/// How long to wait for a connection; every request is answered within two seconds.
const CONNECTION_TIMEOUT: Duration = Duration::from_millis(1_000);

/// The settings of a session on PostgreSQL: those of its plans, then those that all sessions have. PostgreSQL would compile
/// (`jit`) a statement whose estimated cost is high, for half a second. The estimate for `BETWEEN` (see [`bulk`](super::bulk))
/// is far too high in a large table.
/// The timeouts prevent a slow statement or a locked row from using up the two seconds of other requests. A weaker
/// `synchronous_commit` of the role or the database would lose what has been acknowledged.
macro_rules! postgres_session {
    ($plans:literal) => {
        concat!(
            $plans,
            "; SET jit = off; SET lock_timeout = '500ms'; SET statement_timeout = '2s'; SET timezone = 'UTC'; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
    };
}

/// Custom plans, because a generic plan for `= ANY` that was made for a tiny table stays
/// a sequential scan.
pub(super) const POSTGRES_SESSION: &str = postgres_session!("SET plan_cache_mode = force_custom_plan");
/// The ledger and its lookups select every row by a key, so they use generic plans:
/// custom plans took a third of a batch's time, most of it for the foreign key checks.
/// A plan is kept until PostgreSQL analyses the table or the connection is replaced; a
/// plan for a tiny table can be slow until then.
const POSTGRES_POINT_LOOKUP_SESSION: &str = postgres_session!(
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
     SET enable_hashjoin = off; SET enable_mergejoin = off; SET join_collapse_limit = 1"
);
/// FULL, so that an acknowledged redemption survives a power failure.
pub(super) const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 1500; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
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

/// Also in place of 0: libpq would wait for a hanging host forever, and never try the next one.
const DEFAULT_CONNECT_TIMEOUT: i64 = 2;

/// The pause before the start tries again to connect.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How often it is checked at the start whether two connections have one session.
const POOLER_CHECKS: usize = 3;

/// Connections reserved for the ledger: one each for its batches, its lookups, and the
/// usage counters.
const POINT_LOOKUP_CONNECTIONS: u32 = 3;
/// How long any other connection is used.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How long one of [`POINT_LOOKUP_CONNECTIONS`] is used, because its plans age.
const POINT_LOOKUP_CONNECTION_LIFETIME: Duration = Duration::from_secs(30);

/// A pool of one of the databases.
#[derive(Clone, Debug)]
pub(super) enum BackendPool {
    Postgres(Pool<PostgresManager>),
    Sqlite(Pool<ConnectionManager<SqliteConnection>>),
}

/// A connection of a pool.
pub(super) enum Backend {
    Postgres(PooledPostgres),
    Sqlite(PooledConnection<ConnectionManager<SqliteConnection>>),
}

impl BackendPool {
    /// A connection, which is opened or waited for if none is idle.
    pub(super) fn get(&self) -> Result<Backend, StoreError> {
        let backend = match self {
            Self::Postgres(pool) => pool.get().map(|pooled| Backend::Postgres(pooled.into())),
            Self::Sqlite(pool) => pool.get().map(Backend::Sqlite),
        };
        backend.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Whether a connection is open and not in use.
    pub(super) fn has_idle_connection(&self) -> bool {
        let state = match self {
            Self::Postgres(pool) => pool.state(),
            Self::Sqlite(pool) => pool.state(),
        };
        state.idle_connections > 0
    }

    /// The maximum number of connections.
    pub(super) fn max_size(&self) -> u32 {
        match self {
            Self::Postgres(pool) => pool.max_size(),
            Self::Sqlite(pool) => pool.max_size(),
        }
    }
}

/// Prepares each new connection to SQLite.
#[derive(Debug)]
struct SqliteSetup;

impl CustomizeConnection<SqliteConnection, r2d2::Error> for SqliteSetup {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), r2d2::Error> {
        let prepared = conn.batch_execute(SQLITE_SESSION).and_then(|()| register_lower(conn));
        prepared.map_err(r2d2::Error::QueryError)
    }
}

/// Opens the pools of the database: one for queries of any kind, and one for queries that select
/// every row by a key. Together they have `size` connections, or one more than the latter.
pub(super) fn open(url: &DatabaseUrl, size: u32) -> Result<(BackendPool, BackendPool), StoreError> {
    let size = size.saturating_sub(POINT_LOOKUP_CONNECTIONS).max(1);
    let pools = match url {
        DatabaseUrl::Postgres(url) => {
            let conninfo = conninfo(url.expose_secret())?;
            let max_wait = max_connect_time(&conninfo);
            let connector = PostgresConnector::new(&conninfo);
            // With hosts in a service file, it is unknown before how long a connection takes.
            let started_at = Instant::now();
            refuse_transaction_pooling(&connector, max_wait)?;
            let max_wait = max_wait.max(started_at.elapsed());
            let latest_timeline = Arc::<LatestTimeline>::default();
            let open = |session, size, lifetime| {
                let manager = PostgresManager::new(connector.clone(), session, Arc::clone(&latest_timeline));
                let builder = builder().max_size(size).max_lifetime(Some(lifetime)).test_on_check_out(true);
                connect(builder.build_unchecked(manager), max_wait).map(BackendPool::Postgres)
            };
            (
                open(POSTGRES_SESSION, size, CONNECTION_LIFETIME)?,
                open(
                    POSTGRES_POINT_LOOKUP_SESSION,
                    POINT_LOOKUP_CONNECTIONS,
                    POINT_LOOKUP_CONNECTION_LIFETIME,
                )?,
            )
        }
        DatabaseUrl::Sqlite(path) => {
            create_private_file(path).map_err(|error| {
                StoreError::Unavailable(format!("cannot create {}: {error}", path.display()))
            })?;
            let path = path.to_string_lossy();
            let open = |size| {
                let builder = builder().max_size(size).connection_customizer(Box::new(SqliteSetup));
                // A dead connection is detected by its first use, which saves a query per checkout.
                let builder = builder.test_on_check_out(false);
                let pool = builder.build_unchecked(ConnectionManager::new(path.as_ref()));
                connect(pool, CONNECTION_TIMEOUT).map(BackendPool::Sqlite)
            };
            (open(size)?, open(POINT_LOOKUP_CONNECTIONS)?)
        }
    };
    Ok(pools)
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
    if connect_timeout(&conninfo).is_some_and(|seconds| seconds <= 0) {
        conninfo.replace("connect_timeout", &DEFAULT_CONNECT_TIMEOUT.to_string());
    }
    Ok(conninfo)
}

/// The seconds that libpq gives each host; zero or less for no limit.
fn connect_timeout(conninfo: &Conninfo) -> Option<i64> {
    match conninfo.get("connect_timeout") {
        Some(seconds) => seconds.trim().parse().ok(),
        None => std::env::var("PGCONNECT_TIMEOUT").ok()?.trim().parse().ok(),
    }
}

/// Refuses a pooler that gives each transaction another server session: settings, advisory locks
/// and prepared statements would be those of other clients, and ours theirs. It is recognised
/// before any of our settings is changed.
fn refuse_transaction_pooling(connector: &PostgresConnector, max_wait: Duration) -> Result<(), StoreError> {
    let deadline = Instant::now() + max_wait;
    loop {
        match shares_sessions(connector) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                return Err(StoreError::Unsuitable(
                    "its URL leads to a connection pooler in transaction mode, which mixes the settings and \
                     prepared statements of its clients; use session mode (`pool_mode = session` of pgbouncer) \
                     or connect to PostgreSQL itself"
                        .to_owned(),
                ));
            }
            Err(error) if Instant::now() >= deadline => {
                return Err(StoreError::Unavailable(error.to_string()));
            }
            Err(_) => std::thread::sleep(RETRY_PAUSE),
        }
    }
}

/// Whether two open connections have had one session of the server, or one connection two. A
/// pooler that takes its sessions in turn gives each transaction the next one: the first
/// connection then has another one in its second transaction.
fn shares_sessions(connector: &PostgresConnector) -> Result<bool, r2d2::Error> {
    let (mut first, mut second) = (connector.connect()?, connector.connect()?);
    // Other clients of the pool may take the session between two transactions.
    for _ in 0..POOLER_CHECKS {
        let own = session_of_transaction(&mut first)?;
        if session_of_transaction(&mut first)? != own || session_of_transaction(&mut second)? == own {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process id of the session in which a transaction runs.
fn session_of_transaction(conn: &mut PgConnection) -> QueryResult<i32> {
    let mut session = 0;
    let result = conn.transaction(|conn| {
        session = diesel::select(sql::<Integer>("pg_backend_pid()")).get_result(conn)?;
        Err::<(), _>(diesel::result::Error::RollbackTransaction)
    });
    match result {
        Ok(()) | Err(diesel::result::Error::RollbackTransaction) => Ok(session),
        Err(error) => Err(error),
    }
}

/// How long libpq may take to find a host that accepts connections, if the others hang.
fn max_connect_time(conninfo: &Conninfo) -> Duration {
    let count = |name: &str| conninfo.get(name).map_or(1, |hosts| hosts.split(',').count());
    let hosts = count("host").max(count("hostaddr"));
    let per_host = connect_timeout(conninfo).unwrap_or(DEFAULT_CONNECT_TIMEOUT).clamp(0, 60);
    CONNECTION_TIMEOUT + Duration::from_secs(per_host.unsigned_abs() * hosts as u64)
}

fn builder<M: ManageConnection>() -> Builder<M> {
    Pool::builder().min_idle(Some(1)).connection_timeout(CONNECTION_TIMEOUT)
}

/// Waits up to `max_wait` for the first connection of a pool.
fn connect<M: ManageConnection>(pool: Pool<M>, max_wait: Duration) -> Result<Pool<M>, StoreError> {
    pool.get_timeout(max_wait).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(pool)
}
