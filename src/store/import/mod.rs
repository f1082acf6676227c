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

use super::types::{At, Instant};
use super::{Conn, Link, QueryResult, Store, StoreError, events, on};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Origin};

pub use requests::{ImportedRequest, RequestImport, Unresolved};
pub use users::{ImportedUser, UserImport};

/// The most rows that one statement inserts. PostgreSQL keeps the foreign keys
/// that are yet to be checked in memory until the statement's end.
const SLICE: i64 = 50_000;

/// The checks of foreign keys may keep their plans; statements may be slow, and
/// wait for a row rather than lose all that was done; memory to join in.
const POSTGRES_BULK: &str = "SET LOCAL plan_cache_mode = auto; SET LOCAL statement_timeout = 0; \
     SET LOCAL lock_timeout = '30s'; SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '64MB'";
/// Pages of the indexes that rows go into, kept instead of read again and again.
const SQLITE_BULK: &str = "PRAGMA cache_size = -65536; PRAGMA temp.cache_size = -65536";
/// As it is by default.
const SQLITE_USUAL: &str = "PRAGMA cache_size = -2000; PRAGMA temp.cache_size = -2000";

/// What became of a file's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that were added.
    pub added: u64,
    /// Rows that were there already, in the database or on an earlier line.
    pub passed_over: u64,
}

/// A kind of file: its temporary tables, and what the trail says.
struct Kind {
    tables: &'static [&'static str],
    /// Makes the tables.
    postgres: &'static str,
    sqlite: &'static str,
    action: Action,
}

/// A connection with rows of one kind on it, which nobody else sees.
struct Staging {
    conn: Conn,
    kind: &'static Kind,
    now: Timestamp,
    rows: i64,
}

impl Staging {
    /// Takes a connection, and makes the tables that rows are staged in.
    fn open(store: &Store, kind: &'static Kind) -> Result<Self, StoreError> {
        let mut conn = store.connection()?;
        let opened = drop_tables(&mut conn, kind).and_then(|()| {
            match &mut conn.link {
                Link::Postgres(pg) => pg.batch_execute(kind.postgres)?,
                Link::Sqlite(sqlite) => sqlite.batch_execute(&format!("{SQLITE_BULK}; {}", kind.sqlite))?,
            }
            conn.now()
        });
        let now = opened.map_err(|error| refused(&mut conn, error))?;
        Ok(Self { conn, kind, now, rows: 0 })
    }

    /// Stages rows; `write` is given the place of the first.
    fn stage<R>(
        &mut self,
        rows: &[R],
        write: impl FnOnce(&mut Conn, i64, Timestamp) -> QueryResult<()>,
    ) -> Result<(), StoreError> {
        let first = self.rows + 1;
        write(&mut self.conn, first, self.now).map_err(|error| refused(&mut self.conn, error))?;
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
            if let Link::Postgres(pg) = &mut conn.link {
                pg.batch_execute(POSTGRES_BULK)?;
            }
            work(conn, now)
        });
        done.map_err(|error| match error {
            StoreError::Refused(error) => refused(&mut self.conn, error),
            error => error,
        })
    }

    /// Inserts all that is staged: `slice` does so for the places above one, up
    /// to another. `tell` hears how many rows are through.
    fn insert(
        mut self,
        tell: &dyn Fn(u64),
        before: impl FnOnce(&mut Conn, Timestamp) -> QueryResult<()>,
        slice: impl Fn(&mut Conn, Timestamp, (i64, i64)) -> QueryResult<usize>,
    ) -> Result<Imported, StoreError> {
        let (rows, action) = (self.rows, self.kind.action);
        let added = self.transaction(|conn, now| {
            before(conn, now)?;
            let (mut added, mut through) = (0, 0);
            while through < rows {
                let next = rows.min(through + SLICE);
                added += slice(conn, now, (through, next))?;
                through = next;
                tell(through.unsigned_abs());
            }
            // Plans that were made for the tables as they were are made anew.
            ["users", "permission_requests"].into_iter().try_for_each(|table| analyze(conn, table))?;
            // One entry for the whole, if it came to anything.
            if added > 0 {
                events::record(conn, &Origin::OPERATOR, action, format!("count:{added}"), now)?;
            }
            Ok(added as u64)
        })?;
        Ok(Imported { added, passed_over: rows.unsigned_abs().saturating_sub(added) })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // The connection goes back to its pool; if it is broken, all this went with it.
        let _ = drop_tables(&mut self.conn, self.kind);
        if let Link::Sqlite(sqlite) = &mut self.conn.link {
            let _ = sqlite.batch_execute(SQLITE_USUAL);
        }
    }
}

fn drop_tables(conn: &mut Conn, kind: &Kind) -> QueryResult<()> {
    let tables = kind.tables.iter().map(|table| format!("DROP TABLE IF EXISTS {table};"));
    let sql: String = tables.collect();
    on!(conn, c => c.batch_execute(&sql))
}

/// Tells the planner what is in a table that has been filled.
fn analyze(conn: &mut Conn, table: &'static str) -> QueryResult<()> {
    match &mut conn.link {
        Link::Postgres(pg) => pg.batch_execute(&format!("ANALYZE {table}")),
        Link::Sqlite(_) => Ok(()),
    }
}

/// The same, and readies it to be read by place. SQLite keeps its tables in the
/// order of their places.
fn index(conn: &mut Conn, table: &'static str) -> QueryResult<()> {
    if let Link::Postgres(pg) = &mut conn.link {
        pg.batch_execute(&format!("CREATE INDEX ON {table} (place)"))?;
    }
    analyze(conn, table)
}

/// Runs a statement about the places above `.0`, up to `.1`, at a moment.
fn execute(conn: &mut Conn, sql: &'static str, now: Timestamp, places: (i64, i64)) -> QueryResult<usize> {
    on!(conn, c => diesel::sql_query(sql)
        .bind::<Instant, _>(At(now))
        .bind::<BigInt, _>(places.0)
        .bind::<BigInt, _>(places.1)
        .execute(c))
}

/// What an error outside [`Store::write`] means: before COMMIT, nothing was done.
fn refused(conn: &mut Conn, error: diesel::result::Error) -> StoreError {
    if conn.is_dead() { StoreError::Unavailable(error.to_string()) } else { StoreError::Refused(error) }
}
