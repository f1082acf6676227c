//! Deleting old records.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use crate::services::DbWork;
use crate::store::purge::{self, PurgeCounts};
use crate::store::{Conn, audit_log};

/// Rows of one table that one transaction deletes at most.
const BATCH_SIZE: i64 = 1_000;

/// The database's current time.
pub fn now() -> impl DbWork<Timestamp> {
    Conn::now
}

/// Deletes a batch of records that ended before `cutoff`, and of audit log entries from
/// before `audit_cutoff`. Returns zero counts when no record is left. With `audit`, a batch
/// that deletes a record is audited: the first of a purge stands for all of it.
pub fn delete_batch(
    cutoff: Timestamp,
    audit_cutoff: Timestamp,
    audit: Option<AuditContext>,
) -> impl DbWork<PurgeCounts> {
    move |conn| {
        let now = conn.now()?;
        let purged = purge::purge_batch(conn, cutoff, audit_cutoff, BATCH_SIZE)?;
        if let Some(audit) = audit.as_ref().filter(|_| !purged.is_empty()) {
            let subject = format!("before:{}", cutoff.rfc3339());
            audit_log::record(conn, audit, AuditAction::RecordsPurged, subject, now)?;
        }
        Ok(purged)
    }
}
