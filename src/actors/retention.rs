//! How long the audit trail is kept: what is older goes in small steps, when a server
//! starts and once an hour, by whichever replica comes first.

use std::thread;
use std::time::{Duration, Instant};

use actix::ArbiterHandle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::Audit;
use crate::store::{Store, events};

/// How often to look for what is too old.
const PERIOD: Duration = Duration::from_secs(3_600);
/// The most entries that one transaction deletes.
const STEP: i64 = 1_000;

/// Starts to forget what is too old, on this arbiter; nothing, if all is to be kept.
pub fn start(store: Store, audit: Audit, arbiter: &ArbiterHandle) {
    if audit.keep_days.is_none() {
        return;
    }
    arbiter.spawn(async move {
        loop {
            let store = store.clone();
            // What cannot be forgotten now is forgotten the next time.
            drop(spawn_blocking(move || forget(&store, audit)).await);
            sleep(PERIOD).await;
        }
    });
}

fn forget(store: &Store, audit: Audit) {
    let mut sum = 0;
    loop {
        let started = Instant::now();
        let step = store.write(|conn| {
            let now = conn.now()?;
            audit.cutoff(now).map_or(Ok(0), |cutoff| events::forget(conn, cutoff, STEP))
        });
        match step {
            Ok(0) => break,
            Ok(forgotten) => sum += forgotten,
            Err(error) => {
                tracing::warn!(%error, "audit log cleanup failed");
                break;
            }
        }
        // SQLite's write lock goes to whoever asks at the right moment: rest for as long
        // as it was held, so that others get their turn.
        thread::sleep(started.elapsed());
    }
    if sum > 0 {
        tracing::info!(entries = sum, "audit log cleanup finished");
    }
}
