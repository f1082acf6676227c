//! Purges audit log entries that are older than the retention period: in small steps,
//! at start and once an hour.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::config::AuditSettings;
use crate::domain::token::Keyring;
use crate::store::seals::{self, SealError};
use crate::store::{Conn, Store, threads};

const PURGE_INTERVAL: Duration = Duration::from_secs(3_600);

/// Runs until the process stops, or returns if entries are kept forever.
pub async fn run(store: Store, keyring: Arc<Keyring>, audit: AuditSettings) {
    if audit.keep_days.is_none() {
        return;
    }
    loop {
        let (store, keyring) = (store.clone(), Arc::clone(&keyring));
        // A failure is left to the next run.
        drop(threads::spawn(move || purge_expired(&store, &keyring, audit)).await);
        sleep(PURGE_INTERVAL).await;
    }
}

fn purge_expired(store: &Store, keyring: &Keyring, audit: AuditSettings) {
    let cutoff = store.read(Conn::now).map(|now| audit.cutoff(now));
    let purged = cutoff
        .map_err(SealError::from)
        .and_then(|cutoff| cutoff.map_or(Ok(0), |cutoff| seals::purge_all(store, keyring, cutoff)));
    match purged {
        Ok(0) => {}
        Ok(entries) => tracing::info!(entries, "audit log cleanup finished"),
        Err(error) => tracing::warn!(%error, "audit log cleanup failed"),
    }
}
