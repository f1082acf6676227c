//! Closes expired requests, and marks expired permissions as ended. They are without effect before
//! that; closing them keeps the number small that the totals of lists have to subtract, and records
//! their end in the audit log.

use std::time::Duration;

use tokio::time::sleep;

use super::repeat_until_done;
use crate::store::{Store, requests};

const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the process stops.
pub async fn run(store: Store) {
    loop {
        sleep(EXPIRY_INTERVAL).await;
        repeat_until_done(&store, |conn| {
            let now = conn.now()?;
            Ok(requests::expire_batch(conn, now)? + requests::expire_permissions_batch(conn, now)?)
        })
        .await;
    }
}
