//! Database migrations.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Bool;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::Store;
use super::connection::{Backend, POSTGRES_SESSION, SQLITE_SESSION, with_backend};
use super::error::StoreError;

pub(super) const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");
pub(super) const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
/// The advisory lock under which one replica migrates: "counters" in ASCII.
const MIGRATION_LOCK: i64 = 0x636f_756e_7465_7273;

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
                Backend::Postgres(_) => "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists",
                Backend::Sqlite(_) => {
                    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations') AS \"exists\""
                }
            };
            let row: ExistsRow = with_backend!(conn, c => diesel::sql_query(query).get_result(c))?;
            Ok(row.exists)
        })
    }

    /// Migrates the database to the current schema, one replica at a time.
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
                let migrated = conn.run_pending_migrations(POSTGRES_MIGRATIONS).map(drop);
                let unlocked =
                    conn.batch_execute(&format!("{}; {POSTGRES_SESSION}", lock("pg_advisory_unlock")));
                migrated.map_err(|error| unavailable(&error))?;
                unlocked.map_err(StoreError::QueryFailed)
            }
            Backend::Sqlite(mut conn) => {
                // Takes the write lock first, so that a second process waits.
                let conn = &mut *conn;
                conn.batch_execute("PRAGMA busy_timeout = 60000").map_err(StoreError::QueryFailed)?;
                let migrated = conn.immediate_transaction(|conn| {
                    conn.run_pending_migrations(SQLITE_MIGRATIONS).map(drop).map_err(Error::QueryBuilderError)
                });
                conn.batch_execute(SQLITE_SESSION).map_err(StoreError::QueryFailed)?;
                migrated.map_err(|error| unavailable(&error))
            }
        }
    }
}
