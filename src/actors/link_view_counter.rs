//! How often links are fetched: counted in memory, and written down every few seconds.
//! What a crash loses is a hint, and no account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::ArbiterHandle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::domain::token::RedeemId;
use crate::store::link_views::{self, LinkViewDelta};
use crate::store::{Store, StoreError};

/// How often views are written down: what a crash may lose.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// The most links that are counted at a time; what is fetched besides is not.
const MAX_COUNTED_LINKS: usize = 10_000;
/// Links that are written in one transaction.
const VIEWS_BATCH_SIZE: usize = 500;

/// Counts how often links are fetched. Clones share what they count.
#[derive(Clone, Debug)]
pub struct LinkViewCounter {
    store: Store,
    counts: Arc<Mutex<HashMap<RedeemId, LinkViewDelta>>>,
}

impl LinkViewCounter {
    /// Starts to write down what is counted, on this arbiter.
    pub fn start(store: Store, arbiter: &ArbiterHandle) -> Self {
        let counter = Self { store, counts: Arc::default() };
        let writer = counter.clone();
        arbiter.spawn(async move {
            loop {
                sleep(FLUSH_INTERVAL).await;
                writer.flush().await;
            }
        });
        counter
    }

    /// Counts that a link was fetched whose token our own key has made; and, with
    /// `by_target`, that its target saw the request.
    pub fn record_fetch(&self, id: RedeemId, by_target: bool) {
        let now = Instant::now();
        let viewed_at = by_target.then_some(now);
        self.add(LinkViewDelta {
            id,
            fetches: 1,
            last_fetched: now,
            target_views: by_target.into(),
            last_target_view: viewed_at,
        });
    }

    /// Writes down what has been counted. What could not be written is kept for the
    /// next time; what may have been is not, lest it count twice.
    pub async fn flush(&self) {
        let counted: Vec<LinkViewDelta> = self.lock_counts().drain().map(|(_, views)| views).collect();
        if counted.is_empty() {
            return;
        }
        let store = self.store.clone();
        let written = spawn_blocking(move || {
            let is_retryable = |views: &&[LinkViewDelta]| {
                matches!(
                    link_views::add(&store, views),
                    Err(StoreError::Unavailable(_) | StoreError::QueryFailed(_))
                )
            };
            counted
                .chunks(VIEWS_BATCH_SIZE)
                .filter(is_retryable)
                .flatten()
                .copied()
                .collect::<Vec<LinkViewDelta>>()
        });
        let unwritten = written.await.unwrap_or_default();
        if !unwritten.is_empty() {
            tracing::warn!(links = unwritten.len(), "link view counters not saved; will retry");
        }
        unwritten.into_iter().for_each(|views| self.add(views));
    }

    fn add(&self, more: LinkViewDelta) {
        let mut counts = self.lock_counts();
        if counts.len() >= MAX_COUNTED_LINKS && !counts.contains_key(&more.id) {
            return;
        }
        let views = counts.entry(more.id).or_insert(LinkViewDelta { fetches: 0, target_views: 0, ..more });
        views.fetches += more.fetches;
        views.target_views += more.target_views;
        views.last_fetched = views.last_fetched.max(more.last_fetched);
        views.last_target_view = views.last_target_view.max(more.last_target_view);
    }

    /// Nothing panics while it holds this lock.
    fn lock_counts(&self) -> MutexGuard<'_, HashMap<RedeemId, LinkViewDelta>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy;
    use crate::store::Clock;

    #[test]
    fn views_are_summed_and_memory_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("looks.db").display());
        let store = Store::connect(&url.parse().unwrap(), 4, Clock::Database).unwrap();
        let counter = LinkViewCounter { store, counts: Arc::default() };
        let id = RedeemId(entropy::uuid());
        counter.record_fetch(id, false);
        counter.record_fetch(id, true);
        counter.record_fetch(id, false);
        let views = counter.lock_counts()[&id];
        assert_eq!((views.fetches, views.target_views, views.last_target_view.is_some()), (3, 1, true));
        for _ in 0..MAX_COUNTED_LINKS + 5 {
            counter.record_fetch(RedeemId(entropy::uuid()), false);
        }
        assert_eq!(counter.lock_counts().len(), MAX_COUNTED_LINKS);
        counter.record_fetch(id, false);
        assert_eq!(counter.lock_counts()[&id].fetches, 4, "what is there is counted on");
    }
}
