//! Schedules the mails about decisions, as they appear in the audit log.

use std::time::Duration;

use tokio::time::sleep;

use super::repeat_until_done;
use crate::store::{Store, decision_mails};

/// The longer, the more decisions a change of a waiting mail adds.
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs until the process stops.
pub async fn run(store: Store) {
    loop {
        repeat_until_done(&store, decision_mails::step).await;
        sleep(INTERVAL).await;
    }
}
