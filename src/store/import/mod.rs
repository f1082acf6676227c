//! Imports of files: either all rows of a file are inserted, or none.
//!
//! Rows are staged in a temporary table, which only this connection sees and which locks nothing.
//! When the whole file has been validated, one transaction inserts them in slices. The statements
//! are written in SQL, the same for both databases, because their cost depends on their plans.

mod permissions;
mod requests;
mod terms;
mod unresolved;
mod users;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;

use super::audit_log;
use super::connection::{Backend, Conn, Store, with_backend};
use super::error::StoreError;
use super::types::{DbTimestamp, SqlTimestamp};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use diesel::QueryResult;

pub use permissions::{ImportedPermission, PermissionImport};
pub use requests::{ImportedRequest, RequestImport};
pub use terms::TermsImport;
pub use unresolved::Unresolved;
pub use users::{ImportedUser, ImportedUsers, RefusedChange, UserChange, UserImport};

/// The highest number of rows that one statement inserts. PostgreSQL keeps pending foreign key
/// checks in memory until the end of the statement.
const INSERT_BATCH_ROWS: i64 = 50_000;

/// Foreign key checks may reuse their plans; statements may be slow, and wait for locked rows
/// instead of failing the import; joins get more memory.
const POSTGRES_BULK: &str = "SET LOCAL plan_cache_mode = auto; SET LOCAL statement_timeout = 0; \
     SET LOCAL lock_timeout = '30s'; SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '64MB'";
/// A cache for the pages of the indexes that rows are inserted into.
const SQLITE_BULK: &str = "PRAGMA cache_size = -65536; PRAGMA temp.cache_size = -65536";
/// SQLite's default.
const SQLITE_DEFAULTS: &str = "PRAGMA cache_size = -2000; PRAGMA temp.cache_size = -2000";

/// The result of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub added: u64,
    /// Rows that existed already, in the database or on an earlier line.
    pub skipped: u64,
}

/// A kind of file: its temporary tables and its audit action.
struct ImportKind {
    tables: &'static [&'static str],
    postgres_ddl: &'static str,
    sqlite_ddl: &'static str,
    action: AuditAction,
}

/// A connection with staged rows of one kind.
struct Staging {
    conn: Conn,
    kind: &'static ImportKind,
    now: Timestamp,
    rows: i64,
}

impl Staging {
    /// Takes a connection and creates the temporary tables.
    fn begin(store: &Store, kind: &'static ImportKind) -> Result<Self, StoreError> {
        let mut conn = store.connection()?;
        let opened = drop_tables(&mut conn, kind).and_then(|()| {
            match &mut conn.backend {
                Backend::Postgres(pg) => pg.batch_execute(kind.postgres_ddl)?,
                Backend::Sqlite(sqlite) => {
                    sqlite.batch_execute(&format!("{SQLITE_BULK}; {}", kind.sqlite_ddl))?
                }
            }
            conn.now()
        });
        let now = opened.map_err(|error| store_error(&mut conn, error))?;
        Ok(Self { conn, kind, now, rows: 0 })
    }

    /// Stages rows. `write` gets the number of the first one.
    fn stage<R>(
        &mut self,
        rows: &[R],
        write: impl FnOnce(&mut Conn, i64, Timestamp) -> QueryResult<()>,
    ) -> Result<(), StoreError> {
        let first = self.rows + 1;
        write(&mut self.conn, first, self.now).map_err(|error| store_error(&mut self.conn, error))?;
        self.rows += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    /// Runs work that may be slow, in one transaction.
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Conn, Timestamp) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        let now = self.now;
        let done = self.conn.transaction(|conn| {
            if let Backend::Postgres(pg) = &mut conn.backend {
                pg.batch_execute(POSTGRES_BULK)?;
            }
            work(conn, now)
        });
        done.map_err(|error| match error {
            StoreError::QueryFailed(error) => store_error(&mut self.conn, error),
            error => error,
        })
    }

    /// Inserts the staged rows. `insert_slice` inserts the rows of a range and returns how many
    /// it has added; `on_progress` gets the number of processed rows. `finish` runs last.
    fn insert(
        &mut self,
        on_progress: &dyn Fn(u64),
        prepare: impl FnOnce(&mut Conn, Timestamp) -> QueryResult<()>,
        insert_slice: impl Fn(&mut Conn, Timestamp, (i64, i64)) -> QueryResult<usize>,
        finish: impl FnOnce(&mut Conn) -> QueryResult<()>,
    ) -> Result<Imported, StoreError> {
        let (rows, action) = (self.rows, self.kind.action);
        let added = self.transaction(|conn, now| {
            prepare(conn, now)?;
            let (mut added, mut done) = (0, 0);
            while done < rows {
                let next = rows.min(done + INSERT_BATCH_ROWS);
                added += insert_slice(conn, now, (done, next))?;
                done = next;
                on_progress(done.unsigned_abs());
            }
            finish(conn)?;
            // The statistics have changed, so cached plans must not be used any more.
            ["users", "permission_requests"].into_iter().try_for_each(|table| analyze(conn, table))?;
            if added > 0 {
                audit_log::record(conn, &AuditContext::OPERATOR, action, format!("count:{added}"), now)?;
            }
            Ok(added as u64)
        })?;
        Ok(Imported { added, skipped: rows.unsigned_abs().saturating_sub(added) })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // The connection returns to the pool. If it is broken, the temporary tables are gone.
        let _ = drop_tables(&mut self.conn, self.kind);
        if let Backend::Sqlite(sqlite) = &mut self.conn.backend {
            let _ = sqlite.batch_execute(SQLITE_DEFAULTS);
        }
    }
}

fn drop_tables(conn: &mut Conn, kind: &ImportKind) -> QueryResult<()> {
    let tables = kind.tables.iter().map(|table| format!("DROP TABLE IF EXISTS {table};"));
    let sql: String = tables.collect();
    with_backend!(conn, c => c.batch_execute(&sql))
}

/// Updates the planner's statistics of a table.
fn analyze(conn: &mut Conn, table: &'static str) -> QueryResult<()> {
    match &mut conn.backend {
        Backend::Postgres(pg) => pg.batch_execute(&format!("ANALYZE {table}")),
        Backend::Sqlite(_) => Ok(()),
    }
}

/// Also creates an index on `row_no`. On SQLite it is the primary key.
fn index_and_analyze(conn: &mut Conn, table: &'static str) -> QueryResult<()> {
    if let Backend::Postgres(pg) = &mut conn.backend {
        pg.batch_execute(&format!("CREATE INDEX ON {table} (row_no)"))?;
    }
    analyze(conn, table)
}

/// Runs a statement for the rows with `range.0 < row_no <= range.1`.
fn execute(conn: &mut Conn, sql: &'static str, now: Timestamp, range: (i64, i64)) -> QueryResult<usize> {
    with_backend!(conn, c => diesel::sql_query(sql)
        .bind::<SqlTimestamp, _>(DbTimestamp(now))
        .bind::<BigInt, _>(range.0)
        .bind::<BigInt, _>(range.1)
        .execute(c))
}

/// The error of a statement outside [`Store::write`], before which nothing was committed.
fn store_error(conn: &mut Conn, error: diesel::result::Error) -> StoreError {
    if conn.is_dead() { StoreError::Unavailable(error.to_string()) } else { StoreError::QueryFailed(error) }
}
