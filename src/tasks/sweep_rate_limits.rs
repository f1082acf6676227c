//! Deletes the rate-limit state of keys that are idle.

use std::time::Duration;

use tokio::time::sleep;

use super::repeat_until_done;
use crate::store::{Store, rate_limits};

const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Runs until the process stops.
pub async fn run(store: Store) {
    loop {
        sleep(SWEEP_INTERVAL).await;
        repeat_until_done(&store, |conn| {
            let now = conn.now()?;
            rate_limits::delete_idle(conn, now)
        })
        .await;
    }
}
