//! Imports: a file's rows at once, all of them or none.
//!
//! Rows are first staged in a temporary table of the connection's own, where
//! nobody sees them and nothing is held up. Only when the whole file has been
//! looked at does one transaction insert them, slice by slice. What these
//! statements cost lies in their plans, so they are written in SQL: the same
//! for both databases.

mod requests;
mod users;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;

use super::types::{DbTimestamp, SqlTimestamp};
use super::{Backend, Conn, QueryResult, Store, StoreError, audit_log, with_backend};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;

pub use requests::{ImportedRequest, RequestImport, Unresolved};
pub use users::{ImportedUser, UserImport};

/// The most rows that one statement inserts. PostgreSQL keeps the foreign keys
/// that are yet to be checked in memory until the statement's end.
const INSERT_BATCH_ROWS: i64 = 50_000;

/// The checks of foreign keys may keep their plans; statements may be slow, and
/// wait for a row rather than lose all that was done; memory to join in.
const POSTGRES_BULK: &str = "SET LOCAL plan_cache_mode = auto; SET LOCAL statement_timeout = 0; \
     SET LOCAL lock_timeout = '30s'; SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '64MB'";
/// Pages of the indexes that rows go into, kept instead of read again and again.
const SQLITE_BULK: &str = "PRAGMA cache_size = -65536; PRAGMA temp.cache_size = -65536";
/// As it is by default.
const SQLITE_DEFAULTS: &str = "PRAGMA cache_size = -2000; PRAGMA temp.cache_size = -2000";

/// What became of a file's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that were added.
    pub added: u64,
    /// Rows that were there already, in the database or on an earlier line.
    pub skipped: u64,
}

/// A kind of file: its temporary tables, and what the trail says.
struct ImportKind {
    tables: &'static [&'static str],
    /// Makes the tables.
    postgres_ddl: &'static str,
    sqlite_ddl: &'static str,
    action: AuditAction,
}

/// A connection with rows of one kind on it, which nobody else sees.
struct Staging {
    conn: Conn,
    kind: &'static ImportKind,
    now: Timestamp,
    rows: i64,
}

impl Staging {
    /// Takes a connection, and makes the tables that rows are staged in.
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

    /// Stages rows; `write` is given the place of the first.
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

    /// Does what may take its time, in one transaction.
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

    /// Inserts all that is staged: `slice` does so for the places above one, up
    /// to another. `tell` hears how many rows are through.
    fn insert(
        mut self,
        on_progress: &dyn Fn(u64),
        prepare: impl FnOnce(&mut Conn, Timestamp) -> QueryResult<()>,
        insert_slice: impl Fn(&mut Conn, Timestamp, (i64, i64)) -> QueryResult<usize>,
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
            // Plans that were made for the tables as they were are made anew.
            ["users", "permission_requests"].into_iter().try_for_each(|table| analyze(conn, table))?;
            // One entry for the whole, if it came to anything.
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
        // The connection goes back to its pool; if it is broken, all this went with it.
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

/// Tells the planner what is in a table that has been filled.
fn analyze(conn: &mut Conn, table: &'static str) -> QueryResult<()> {
    match &mut conn.backend {
        Backend::Postgres(pg) => pg.batch_execute(&format!("ANALYZE {table}")),
        Backend::Sqlite(_) => Ok(()),
    }
}

/// The same, and readies it to be read by row_no. SQLite keeps its tables in the
/// order of their places.
fn index_and_analyze(conn: &mut Conn, table: &'static str) -> QueryResult<()> {
    if let Backend::Postgres(pg) = &mut conn.backend {
        pg.batch_execute(&format!("CREATE INDEX ON {table} (row_no)"))?;
    }
    analyze(conn, table)
}

/// Runs a statement about the places above `.0`, up to `.1`, at a moment.
fn execute(conn: &mut Conn, sql: &'static str, now: Timestamp, range: (i64, i64)) -> QueryResult<usize> {
    with_backend!(conn, c => diesel::sql_query(sql)
        .bind::<SqlTimestamp, _>(DbTimestamp(now))
        .bind::<BigInt, _>(range.0)
        .bind::<BigInt, _>(range.1)
        .execute(c))
}

/// What an error outside [`Store::write`] means: before COMMIT, nothing was done.
fn store_error(conn: &mut Conn, error: diesel::result::Error) -> StoreError {
    if conn.is_dead() { StoreError::Unavailable(error.to_string()) } else { StoreError::QueryFailed(error) }
}
