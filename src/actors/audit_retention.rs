//! How long the audit trail is kept: what is older goes in small steps, when a server
//! starts and once an hour, by whichever replica comes first.

use std::thread;
use std::time::{Duration, Instant};

use actix::ArbiterHandle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::AuditSettings;
use crate::store::{Store, audit_log};

/// How often to look for what is too old.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3_600);
/// The most entries that one transaction deletes.
const DELETE_BATCH_SIZE: i64 = 1_000;

/// Starts to forget what is too old, on this arbiter; nothing, if all is to be kept.
pub fn start(store: Store, audit: AuditSettings, arbiter: &ArbiterHandle) {
    if audit.keep_days.is_none() {
        return;
    }
    arbiter.spawn(async move {
        loop {
            let store = store.clone();
            // What cannot be forgotten now is forgotten the next time.
            drop(spawn_blocking(move || delete_expired(&store, audit)).await);
            sleep(CLEANUP_INTERVAL).await;
        }
    });
}

fn delete_expired(store: &Store, audit: AuditSettings) {
    let mut deleted_total = 0;
    loop {
        let started = Instant::now();
        let result = store.write(|conn| {
            let now = conn.now()?;
            audit
                .cutoff(now)
                .map_or(Ok(0), |cutoff| audit_log::delete_expired(conn, cutoff, DELETE_BATCH_SIZE))
        });
        match result {
            Ok(0) => break,
            Ok(forgotten) => deleted_total += forgotten,
            Err(error) => {
                tracing::warn!(%error, "audit log cleanup failed");
                break;
            }
        }
        // SQLite's write lock goes to whoever asks at the right moment: rest for as long
        // as it was held, so that others get their turn.
        thread::sleep(started.elapsed());
    }
    if deleted_total > 0 {
        tracing::info!(entries = deleted_total, "audit log cleanup finished");
    }
}
