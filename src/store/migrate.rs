//! Database migrations.

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Backend as PooledBackend, Store, with_backend};
use super::error::StoreError;
use super::pools::{POSTGRES_SESSION, SQLITE_SESSION};

pub(super) const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");
pub(super) const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
/// The advisory lock under which one replica migrates: "counters" in ASCII.
const MIGRATION_LOCK: i64 = 0x636f_756e_7465_7273;

/// An error that rolls back a transaction of diesel.
struct Rollback(StoreError);

impl From<Error> for Rollback {
    fn from(error: Error) -> Self {
        Self(StoreError::QueryFailed(error))
    }
}

/// Runs the pending migrations, unless the database has one that this program lacks.
fn migrate<C, DB>(conn: &mut C, migrations: EmbeddedMigrations) -> Result<(), StoreError>
where
    C: MigrationHarness<DB>,
    DB: Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        StoreError::Unavailable(format!("migrations: {error}"))
    };
    let known = migrations.migrations().map_err(failed)?;
    let applied = conn.applied_migrations().map_err(failed)?;
    if applied.iter().any(|version| known.iter().all(|migration| migration.name().version() != *version)) {
        let why = "its schema is of a newer version of countersign; start that version or a newer one";
        return Err(StoreError::Unsuitable(why.to_owned()));
    }
    conn.run_pending_migrations(migrations).map(drop).map_err(failed)
}

/// Checks that the database can hold every text.
fn check_suitable(conn: &mut PgConnection) -> Result<(), StoreError> {
    let encoding = diesel::select(sql::<Text>("current_setting('server_encoding')"));
    let encoding: String = encoding.get_result(conn).map_err(StoreError::QueryFailed)?;
    if encoding != "UTF8" {
        return Err(StoreError::Unsuitable(format!(
            "its encoding is {encoding}, not UTF8; create one with \
             `CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'`"
        )));
    }
    Ok(())
}

/// Makes the positions of new audit entries higher than those of all existing ones. They are lower if the
/// database was restored into a cluster with lower transaction numbers.
fn continue_positions(conn: &mut PgConnection) -> QueryResult<()> {
    const REQUIRED_OFFSET: &str = "highest + 1 - pg_current_xact_id()::text::bigint \
         FROM (SELECT max(position) AS highest FROM audit_log) AS entries \
         WHERE highest >= audit_position(pg_current_xact_id())";
    conn.transaction(|conn| {
        let offset = diesel::select(sql::<BigInt>(REQUIRED_OFFSET)).get_result::<i64>(conn).optional()?;
        let Some(offset) = offset else { return Ok(()) };
        tracing::info!(offset, "the database was restored: transaction numbers continue with an offset");
        conn.batch_execute(&format!(
            "CREATE OR REPLACE FUNCTION audit_position(xid8) RETURNS bigint IMMUTABLE PARALLEL SAFE \
             LANGUAGE sql AS 'SELECT $1::text::bigint + {offset}'"
        ))
    })
}

#[derive(QueryableByName)]
struct ExistsRow {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

impl Store {
    /// Whether the database has ever been migrated. Changes nothing.
    pub fn has_schema(&self) -> Result<bool, StoreError> {
        self.read(|conn| {
            let query = match conn.backend {
                PooledBackend::Postgres(_) => "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists",
                PooledBackend::Sqlite(_) => {
                    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations') AS \"exists\""
                }
            };
            let row: ExistsRow = with_backend!(conn, c => diesel::sql_query(query).get_result(c))?;
            Ok(row.exists)
        })
    }

    /// Migrates the database to the current schema, one replica at a time. Refuses a database
    /// that this program cannot use.
    pub fn migrate(&self) -> Result<(), StoreError> {
        match self.connection()?.backend {
            PooledBackend::Postgres(mut conn) => {
                let lock = |verb: &str| format!("SELECT {verb}({MIGRATION_LOCK})");
                conn.batch_execute(&format!(
                    "SET lock_timeout = 0; SET statement_timeout = 0; {}",
                    lock("pg_advisory_lock")
                ))
                .map_err(StoreError::QueryFailed)?;
                let migrated =
                    check_suitable(&mut conn).and_then(|()| migrate(&mut *conn, POSTGRES_MIGRATIONS));
                let migrated =
                    migrated.and_then(|()| continue_positions(&mut conn).map_err(StoreError::QueryFailed));
                let unlocked =
                    conn.batch_execute(&format!("{}; {POSTGRES_SESSION}", lock("pg_advisory_unlock")));
                migrated?;
                unlocked.map_err(StoreError::QueryFailed)
            }
            PooledBackend::Sqlite(mut conn) => {
                // Takes the write lock first, so that a second process waits.
                let conn = &mut *conn;
                conn.batch_execute("PRAGMA busy_timeout = 60000").map_err(StoreError::QueryFailed)?;
                let migrated =
                    conn.immediate_transaction(|conn| migrate(conn, SQLITE_MIGRATIONS).map_err(Rollback));
                conn.batch_execute(SQLITE_SESSION).map_err(StoreError::QueryFailed)?;
                migrated.map_err(|Rollback(error)| error)
            }
        }
    }
}
