//! Cancels the deliveries of disabled webhooks, and deletes old ones.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::repeat_until_done;
use crate::store::{Store, webhook_deliveries};

const INTERVAL: Duration = Duration::from_secs(1);
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3_600);
/// Days after which a delivery is deleted.
const KEEP_DAYS: i64 = 30;
/// Deliveries that one transaction deletes.
const DELETE_BATCH_SIZE: i64 = 1_000;

/// Runs until the process stops.
pub async fn run(store: Store) {
    let mut cleaned_at = None::<Instant>;
    loop {
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
