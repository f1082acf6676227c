//! The probe: whether the database takes what requests bring, writes above all.

use diesel::connection::SimpleConnection;
use diesel_migrations::MigrationHarness;

use super::{Backend, Conn, POSTGRES_MIGRATIONS, QueryResult, SQLITE_MIGRATIONS, Store, StoreError, outbox};

/// A transaction that changes nothing and is yet all that a deed is: it may write,
/// there is room on the disk, and its COMMIT is confirmed. (A function that needs more
/// memory than it may have puts it into a file, which is gone with the statement: a
/// row that is written anew may fit where the old one was, on however full a disk.)
const POSTGRES_WRITE_PROBE: &str = "DELETE FROM user_counters WHERE false; \
     SELECT set_config('work_mem', '64kB', true); \
     SELECT count(*) FROM generate_series(1, 20000); \
     SELECT pg_logical_emit_message(true, 'countersign', 'trial')";
/// The same: it writes a number that nobody reads.
const SQLITE_WRITE_PROBE: &str = "PRAGMA user_version = 0";

/// What was found in a database that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessReport {
    /// For how many seconds the oldest mail has been owed; 0 when none is.
    pub oldest_unsent_seconds: i64,
    /// Mails that the mail server refused for good.
    pub failed_mails: i64,
}

impl Store {
    /// Tries the database; `None` when migrations are missing.
    pub fn check_readiness(&self) -> Result<Option<ReadinessReport>, StoreError> {
        // By the ledger's connections: nothing that is listed makes them wait.
        self.with_point_lookup_pool().read(|conn| {
            conn.probe_write()?;
            if conn.has_pending_migrations()? {
                return Ok(None);
            }
            let (now, oldest) = (conn.now()?, outbox::oldest_pending(conn)?);
            let oldest_unsent_seconds = oldest.map_or(0, |since| since.seconds_until(now));
            Ok(Some(ReadinessReport { oldest_unsent_seconds, failed_mails: outbox::count_failed(conn)? }))
        })
    }
}

impl Conn {
    fn probe_write(&mut self) -> QueryResult<()> {
        match &mut self.backend {
            Backend::Postgres(conn) => conn.batch_execute(POSTGRES_WRITE_PROBE),
            Backend::Sqlite(conn) => conn.batch_execute(SQLITE_WRITE_PROBE),
        }
    }

    fn has_pending_migrations(&mut self) -> QueryResult<bool> {
        let pending = match &mut self.backend {
            Backend::Postgres(conn) => (**conn).has_pending_migration(POSTGRES_MIGRATIONS),
            Backend::Sqlite(conn) => (**conn).has_pending_migration(SQLITE_MIGRATIONS),
        };
        pending.map_err(diesel::result::Error::QueryBuilderError)
    }
}
