//! Counts the uses of export tokens.

use super::write_behind::{CounterDelta, WriteBehindCounter};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::ExportId;
use crate::store::export_tokens::{self, ExportUseDelta};
use crate::store::{Store, StoreError};

/// Counts uses in memory; they are written every few seconds. Clones share their counts.
#[derive(Clone, Debug)]
pub struct ExportUseCounter(WriteBehindCounter<ExportUseDelta>);

impl ExportUseCounter {
    /// A counter that writes to this database.
    pub fn new(store: Store) -> Self {
        Self(WriteBehindCounter::new(store))
    }

    /// Writes the counts every few seconds, until the process stops.
    pub async fn run(self) {
        self.0.run().await;
    }

    /// Counts a use.
    pub fn record_use(&self, id: ExportId, at: Timestamp) {
        self.0.add(ExportUseDelta { id, count: 1, last_used_at: at });
    }

    /// Writes the counts now.
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}

impl CounterDelta for ExportUseDelta {
    type Key = ExportId;

    const COUNTER: &'static str = "export token uses";
    /// Only existing tokens are counted.
    const MAX_KEYS: usize = usize::MAX;

    fn key(&self) -> ExportId {
        self.id
    }

    fn add(&mut self, more: Self) {
        self.count += more.count;
        self.last_used_at = self.last_used_at.max(more.last_used_at);
    }

    fn write(store: &Store, deltas: &[Self]) -> Result<(), StoreError> {
        export_tokens::record_uses(store, deltas)
    }
}
