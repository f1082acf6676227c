//! Deletes the files of mails that are older than `mail.keep_days`: at start and once an hour.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::MailSettings;
use crate::mail::transport::Transport;
use crate::store::Store;

const CLEANUP_INTERVAL: Duration = Duration::from_secs(3_600);
const SECONDS_PER_DAY: i64 = 86_400;

/// Runs until the process stops, or returns if there are no files to delete.
pub async fn run(store: Store, transport: Transport, settings: MailSettings) {
    let (Transport::Directory(_), Some(days)) = (&transport, settings.keep_days) else { return };
    loop {
        let (store, transport) = (store.clone(), transport.clone());
        // A failure is left to the next run.
        drop(spawn_blocking(move || delete_files(&store, &transport, days)).await);
        sleep(CLEANUP_INTERVAL).await;
    }
}

fn delete_files(store: &Store, transport: &Transport, days: i64) {
    let Ok(now) = store.read(|conn| conn.now()) else { return };
    match transport.delete_files(now.plus_seconds(-days * SECONDS_PER_DAY)) {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "old mail files deleted"),
        Err(error) => tracing::warn!(%error, "mail file cleanup failed"),
    }
}
