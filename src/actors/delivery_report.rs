//! Outcomes of deliveries, until the outbox has recorded them.

use crate::store::outbox::{self, DeliveryOutcome, LeasedItem};
use crate::store::{AsyncStore, StoreError};

/// How many times the database may reject a report before it is dropped.
const MAX_WRITE_REJECTIONS: u32 = 5;

/// The outcome of a delivery that the outbox has not recorded yet.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    pub item: LeasedItem,
    pub outcome: DeliveryOutcome,
    /// How many times the database has rejected this report in a transaction of its own.
    write_rejections: u32,
    /// The outcome of an earlier COMMIT is unknown, so the report may have been recorded.
    maybe_committed: bool,
}

impl DeliveryReport {
    /// A report that has not been written yet.
    pub const fn new(item: LeasedItem, outcome: DeliveryOutcome) -> Self {
        Self { item, outcome, write_rejections: 0, maybe_committed: false }
    }

    /// The same report, after a COMMIT whose outcome is unknown.
    pub fn with_unknown_commit(self) -> Self {
        Self { maybe_committed: true, ..self }
    }

    /// Logs that the lease was lost. If an earlier COMMIT may have recorded the report, that
    /// COMMIT may have ended the lease.
    pub fn warn_lease_lost(&self) {
        if !self.maybe_committed && self.outcome != DeliveryOutcome::NotAttempted {
            tracing::warn!(mail = %self.item.id, "mail lease lost; the mail may be sent twice");
        }
    }

    /// Writes this report in a transaction of its own. Returns it if it has to be written again.
    pub async fn write_single(mut self, store: &AsyncStore) -> Option<Self> {
        let Self { item, outcome, .. } = self.clone();
        let written = store.write(move |conn| {
            let now = conn.now()?;
            outbox::record_outcomes(conn, &[(item, &outcome)], now)
        });
        match written.await {
            Ok(lost) => {
                if !lost.is_empty() {
                    self.warn_lease_lost();
                }
                return None;
            }
            Err(StoreError::QueryFailed(error)) => {
                self.write_rejections += 1;
                if self.write_rejections == MAX_WRITE_REJECTIONS {
                    tracing::error!(mail = %self.item.id, %error, "mail delivery result not saved");
                    return None;
                }
            }
            Err(StoreError::OutcomeUnknown) => self.maybe_committed = true,
            Err(StoreError::Unavailable(_) | StoreError::Unsuitable(_)) => {}
        }
        Some(self)
    }
}
