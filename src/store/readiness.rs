//! The readiness check: whether the database accepts writes.

use diesel::connection::SimpleConnection;
use diesel_migrations::MigrationHarness;

use super::audit_log::{self, AuditReader};
use super::connection::{Backend, Conn, Store};
use super::error::StoreError;
use super::migrate::{POSTGRES_MIGRATIONS, SQLITE_MIGRATIONS};
use super::outbox;
use diesel::QueryResult;

/// A transaction that changes nothing, but fails if a write would: it needs the privilege to
/// write, free disk space and a confirmed COMMIT. (The function needs more memory than
/// `work_mem`, so that it creates a temporary file. An UPDATE would prove less: the new row may
/// fit into a page that exists.)
const POSTGRES_WRITE_PROBE: &str = "DELETE FROM user_counters WHERE false; \
     SELECT set_config('work_mem', '64kB', true); \
     SELECT count(*) FROM generate_series(1, 20000); \
     SELECT pg_logical_emit_message(true, 'countersign', 'trial')";
/// The same on SQLite: it writes a number that has no effect.
const SQLITE_WRITE_PROBE: &str = "PRAGMA user_version = 0";

/// The state of the outbox and of the readers of the audit log, which the readiness check reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessReport {
    /// The age of the oldest pending mail. 0: there is none.
    pub oldest_unsent_seconds: i64,
    pub failed_mails: i64,
    /// How far the readers of the audit log are behind, by [`AuditReader::ALL`]; `None` if a reader is off.
    pub audit_lag_seconds: [Option<i64>; AuditReader::ALL.len()],
}

impl Store {
    /// Checks the database. `None`: migrations are missing.
    pub fn check_readiness(&self) -> Result<Option<ReadinessReport>, StoreError> {
        // A failover may have left the connections of one pool with the previous primary. Slow
        // lists may occupy all connections of the first pool, which is no fault.
        if self.has_idle_connection() {
            self.read(Conn::probe_write)?;
        }
        self.with_point_lookup_pool().read(|conn| {
            conn.probe_write()?;
            if conn.has_pending_migrations()? {
                return Ok(None);
            }
            let now = conn.now()?;
            let oldest = outbox::oldest_pending(conn, now)?;
            let oldest_unsent_seconds = oldest.map_or(0, |since| since.seconds_until(now));
            let failed_mails = outbox::count_failed(conn)?;
            let mut audit_lag_seconds = [None; AuditReader::ALL.len()];
            for (lag, reader) in audit_lag_seconds.iter_mut().zip(AuditReader::ALL) {
                *lag = audit_log::lag_seconds(conn, reader, now)?;
            }
            Ok(Some(ReadinessReport { oldest_unsent_seconds, failed_mails, audit_lag_seconds }))
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
