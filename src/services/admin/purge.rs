//! Deleting old records.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use crate::services::DbWork;
use crate::store::purge::{self, PurgeCounts};
use crate::store::{Conn, QueryResult, audit_log, seals};

/// Rows of one table that one transaction deletes at most.
const BATCH_SIZE: i64 = 1_000;

/// The database's current time.
pub fn now() -> impl DbWork<Timestamp> {
    Conn::now
}

/// Whether the audit log has entries from before `cutoff`.
pub fn has_old_audit_entries(cutoff: Timestamp) -> impl DbWork<bool> {
    move |conn| seals::has_expired(conn, cutoff)
}

/// Deletes a batch of records that ended before `cutoff`. Returns zero counts when no record is left. With `audit`, a batch
/// that deletes a record is audited: the first of a purge stands for all of it.
pub fn delete_batch(cutoff: Timestamp, audit: Option<AuditContext>) -> impl DbWork<PurgeCounts> {
    move |conn| {
        let purged = purge::purge_batch(conn, cutoff, BATCH_SIZE)?;
        if let Some(audit) = audit.as_ref().filter(|_| !purged.is_empty()) {
            record_purge(conn, audit, cutoff)?;
        }
        Ok(purged)
    }
}

/// Audits a purge that has deleted audit entries.
pub fn audit_purge(cutoff: Timestamp, audit: AuditContext) -> impl DbWork<()> {
    move |conn| record_purge(conn, &audit, cutoff)
}

fn record_purge(conn: &mut Conn, audit: &AuditContext, cutoff: Timestamp) -> QueryResult<()> {
    let now = conn.now()?;
    let subject = format!("before:{}", cutoff.rfc3339());
    audit_log::record(conn, audit, AuditAction::RecordsPurged, subject, now)
}
