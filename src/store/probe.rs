//! The probe: whether the database takes what requests bring, writes above all.

use diesel::connection::SimpleConnection;
use diesel_migrations::MigrationHarness;

use super::{Conn, Link, POSTGRES_MIGRATIONS, QueryResult, SQLITE_MIGRATIONS, Store, StoreError, outbox};

/// A transaction that changes nothing and is yet all that a deed is: it may write,
/// there is room on the disk, and its COMMIT is confirmed. (A function that needs more
/// memory than it may have puts it into a file, which is gone with the statement: a
/// row that is written anew may fit where the old one was, on however full a disk.)
const POSTGRES_TRIAL: &str = "DELETE FROM tallies WHERE false; \
     SELECT set_config('work_mem', '64kB', true); \
     SELECT count(*) FROM generate_series(1, 20000); \
     SELECT pg_logical_emit_message(true, 'countersign', 'trial')";
/// The same: it writes a number that nobody reads.
const SQLITE_TRIAL: &str = "PRAGMA user_version = 0";

/// What was found in a database that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// For how many seconds the oldest mail has been owed; 0 when none is.
    pub oldest_unsent_seconds: i64,
    /// Mails that the mail server refused for good.
    pub dead_mails: i64,
}

impl Store {
    /// Tries the database; `None` when migrations are missing.
    pub fn probe(&self) -> Result<Option<Found>, StoreError> {
        // By the ledger's connections: nothing that is listed makes them wait.
        self.keyed().read(|conn| {
            conn.try_writing()?;
            if conn.has_pending_migrations()? {
                return Ok(None);
            }
            let (now, oldest) = (conn.now()?, outbox::oldest_unsent(conn)?);
            let oldest_unsent_seconds = oldest.map_or(0, |since| since.seconds_until(now));
            Ok(Some(Found { oldest_unsent_seconds, dead_mails: outbox::dead(conn)? }))
        })
    }
}

impl Conn {
    fn try_writing(&mut self) -> QueryResult<()> {
        match &mut self.link {
            Link::Postgres(conn) => conn.batch_execute(POSTGRES_TRIAL),
            Link::Sqlite(conn) => conn.batch_execute(SQLITE_TRIAL),
        }
    }

    fn has_pending_migrations(&mut self) -> QueryResult<bool> {
        let pending = match &mut self.link {
            Link::Postgres(conn) => (**conn).has_pending_migration(POSTGRES_MIGRATIONS),
            Link::Sqlite(conn) => (**conn).has_pending_migration(SQLITE_MIGRATIONS),
        };
        pending.map_err(diesel::result::Error::QueryBuilderError)
    }
}
