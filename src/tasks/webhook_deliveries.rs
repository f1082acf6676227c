//! Queues the events of webhooks as they appear in the audit log, cancels those of disabled webhooks, and deletes old
//! ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::repeat_until_done;
use crate::store::{Store, webhook_deliveries};

const INTERVAL: Duration = Duration::from_secs(1);
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3_600);
/// Days after which a delivery is deleted.
const KEEP_DAYS: i64 = 30;
/// Deliveries that one transaction deletes.
const DELETE_BATCH_SIZE: i64 = 1_000;

/// Runs until the process stops. Notifies the sender of new deliveries.
pub async fn run(store: Store, queued: Arc<Notify>) {
    let mut cleaned_at = None::<Instant>;
    loop {
        let (fan_out, queued) = (store.clone(), Arc::clone(&queued));
        let step = move || {
            while matches!(fan_out.write_in_background(webhook_deliveries::step), Ok(1..)) {
                queued.notify_one();
            }
        };
        drop(spawn_blocking(step).await);
        repeat_until_done(&store, webhook_deliveries::cancel_step).await;
        if cleaned_at.is_none_or(|at| at.elapsed() >= CLEANUP_INTERVAL) {
            cleaned_at = Some(Instant::now());
            repeat_until_done(&store, |conn| {
                let cutoff = conn.now()?.plus_seconds(-KEEP_DAYS * 86_400);
                webhook_deliveries::delete_old(conn, cutoff, DELETE_BATCH_SIZE)
            })
            .await;
        }
        sleep(INTERVAL).await;
    }
}
