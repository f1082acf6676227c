//! Seals the audit log every ten seconds.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::domain::token::Keyring;
use crate::store::Store;
use crate::store::seals::{self, SealError};
use crate::store::signing_keys::SealedUnderOtherSecret;

const INTERVAL: Duration = Duration::from_secs(10);

/// Runs until the process stops.
pub async fn run(store: Store, keyring: Arc<Keyring>) {
    let mut has_key = true;
    loop {
        sleep(INTERVAL).await;
        let (store, keyring) = (store.clone(), Arc::clone(&keyring));
        let sealed = spawn_blocking(move || seals::seal_all(&store, &keyring)).await;
        // Any other failure is left to the next run; `/readyz` and `/metrics` report how long that takes.
        let had_key = std::mem::replace(&mut has_key, !matches!(sealed, Ok(Err(SealError::Key(_)))));
        if had_key && !has_key {
            tracing::error!("the audit log is not sealed: {SealedUnderOtherSecret}");
        }
    }
}
