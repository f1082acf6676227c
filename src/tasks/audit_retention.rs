//! Deletes audit log entries that are older than the retention period: in small steps,
//! at start and once an hour.

use std::thread;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::AuditSettings;
use crate::store::{Store, audit_log};

const CLEANUP_INTERVAL: Duration = Duration::from_secs(3_600);
/// Entries that one transaction deletes.
const DELETE_BATCH_SIZE: i64 = 1_000;

/// Runs until the process stops, or returns if entries are kept forever.
pub async fn run(store: Store, audit: AuditSettings) {
    if audit.keep_days.is_none() {
        return;
    }
    loop {
        let store = store.clone();
        // A failure is left to the next run.
        drop(spawn_blocking(move || delete_expired(&store, audit)).await);
        sleep(CLEANUP_INTERVAL).await;
    }
}

fn delete_expired(store: &Store, audit: AuditSettings) {
    let mut deleted_total = 0;
    loop {
        let started_at = Instant::now();
        let result = store.write_in_background(|conn| {
            let now = conn.now()?;
            audit
                .cutoff(now)
                .map_or(Ok(0), |cutoff| audit_log::delete_expired(conn, cutoff, DELETE_BATCH_SIZE))
        });
        match result {
            Ok(0) => break,
            Ok(deleted) => deleted_total += deleted,
            Err(error) => {
                tracing::warn!(%error, "audit log cleanup failed");
                break;
            }
        }
        // SQLite does not queue its writers. A pause as long as the transaction lets others
        // take the write lock.
        thread::sleep(started_at.elapsed());
    }
    if deleted_total > 0 {
        tracing::info!(entries = deleted_total, "audit log cleanup finished");
    }
}
