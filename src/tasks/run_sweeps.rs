//! Runs the sweeps, which record expiries and schedule daily mails.

use std::time::Duration;

use tokio::time::sleep;

use super::repeat_until_done;
use crate::domain::rate_limit::RequestLimits;
use crate::store::Store;
use crate::store::sweeps::{self, Sweep};

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the process stops. `limits` are those of requests.
pub async fn run(store: Store, limits: RequestLimits) {
    loop {
        for sweep in Sweep::ALL {
            repeat_until_done(&store, move |conn| sweeps::step(conn, sweep, &limits)).await;
        }
        sleep(SWEEP_INTERVAL).await;
    }
}
