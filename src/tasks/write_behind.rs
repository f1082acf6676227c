//! A counter that is kept in memory and added to the database every few seconds. A crash
//! loses what was not written.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::store::{Store, StoreError, threads};

const FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// Deltas that are written in one transaction.
const FLUSH_BATCH_SIZE: usize = 500;

/// What is added to the counts of one key.
pub(super) trait CounterDelta: Copy + Send + Sync + 'static {
    type Key: Copy + Eq + Hash + Send + 'static;

    /// The counter's name in logs.
    const COUNTER: &'static str;
    /// The maximum number of keys in memory; further keys are not counted.
    const MAX_KEYS: usize;

    fn key(&self) -> Self::Key;

    fn add(&mut self, more: Self);

    /// Adds the deltas to the database, in one transaction.
    fn write(store: &Store, deltas: &[Self]) -> Result<(), StoreError>;
}

/// The counter. Clones share their counts.
#[derive(Clone, Debug)]
pub(super) struct WriteBehindCounter<D: CounterDelta> {
    store: Store,
    counts: Arc<Mutex<HashMap<D::Key, D>>>,
}

impl<D: CounterDelta> WriteBehindCounter<D> {
    pub(super) fn new(store: Store) -> Self {
        Self { store, counts: Arc::default() }
    }

    /// Writes the counts every few seconds, until the process stops.
    pub(super) async fn run(self) {
        loop {
            sleep(FLUSH_INTERVAL).await;
            self.flush().await;
        }
    }

    pub(super) fn add(&self, delta: D) {
        let mut counts = self.counts();
        if let Some(count) = counts.get_mut(&delta.key()) {
            count.add(delta);
        } else if counts.len() < D::MAX_KEYS {
            counts.insert(delta.key(), delta);
        }
    }

    /// Writes the counts. Those that were certainly not written are kept for the next
    /// flush; those that may have been written are not, so that nothing counts twice.
    pub(super) async fn flush(&self) {
        let deltas: Vec<D> = self.counts().drain().map(|(_, delta)| delta).collect();
        if deltas.is_empty() {
            return;
        }
        let store = self.store.clone();
        let written = threads::spawn(move || {
            let is_unwritten = |deltas: &&[D]| {
                matches!(
                    D::write(&store, deltas),
                    Err(StoreError::Unavailable(_) | StoreError::QueryFailed(_))
                )
            };
            deltas.chunks(FLUSH_BATCH_SIZE).filter(is_unwritten).flatten().copied().collect::<Vec<D>>()
        });
        let unwritten = written.await.unwrap_or_default();
        if !unwritten.is_empty() {
            tracing::warn!(counter = D::COUNTER, keys = unwritten.len(), "counters not saved; will retry");
        }
        unwritten.into_iter().for_each(|delta| self.add(delta));
    }

    /// No code that can panic runs under this lock.
    pub(super) fn counts(&self) -> MutexGuard<'_, HashMap<D::Key, D>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
