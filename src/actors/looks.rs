//! How often links are fetched: counted in memory, and written down every few seconds.
//! What a crash loses is a hint, and no account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::ArbiterHandle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::domain::token::RedeemId;
use crate::store::views::{self, Views};
use crate::store::{Store, StoreError};

/// How often views are written down: what a crash may lose.
const PERIOD: Duration = Duration::from_secs(10);
/// The most links that are counted at a time; what is fetched besides is not.
const MOST: usize = 10_000;
/// Links that are written in one transaction.
const AT_ONCE: usize = 500;

/// Counts how often links are fetched. Clones share what they count.
#[derive(Clone, Debug)]
pub struct Looks {
    store: Store,
    counted: Arc<Mutex<HashMap<RedeemId, Views>>>,
}

impl Looks {
    /// Starts to write down what is counted, on this arbiter.
    pub fn start(store: Store, arbiter: &ArbiterHandle) -> Self {
        let looks = Self { store, counted: Arc::default() };
        let writer = looks.clone();
        arbiter.spawn(async move {
            loop {
                sleep(PERIOD).await;
                writer.flush().await;
            }
        });
        looks
    }

    /// Counts that a link was fetched whose token our own key has made; and, with
    /// `by_target`, that its target saw the request.
    pub fn count(&self, id: RedeemId, by_target: bool) {
        let now = Instant::now();
        let looked = by_target.then_some(now);
        self.add(Views { id, fetches: 1, fetched: now, looks: by_target.into(), looked });
    }

    /// Writes down what has been counted. What could not be written is kept for the
    /// next time; what may have been is not, lest it count twice.
    pub async fn flush(&self) {
        let counted: Vec<Views> = self.held().drain().map(|(_, views)| views).collect();
        if counted.is_empty() {
            return;
        }
        let store = self.store.clone();
        let written = spawn_blocking(move || {
            let fails = |views: &&[Views]| {
                matches!(views::add(&store, views), Err(StoreError::Unavailable(_) | StoreError::Refused(_)))
            };
            counted.chunks(AT_ONCE).filter(fails).flatten().copied().collect::<Vec<Views>>()
        });
        let unwritten = written.await.unwrap_or_default();
        if !unwritten.is_empty() {
            tracing::warn!(links = unwritten.len(), "link view counters not saved; will retry");
        }
        unwritten.into_iter().for_each(|views| self.add(views));
    }

    fn add(&self, more: Views) {
        let mut counted = self.held();
        if counted.len() >= MOST && !counted.contains_key(&more.id) {
            return;
        }
        let views = counted.entry(more.id).or_insert(Views { fetches: 0, looks: 0, ..more });
        views.fetches += more.fetches;
        views.looks += more.looks;
        views.fetched = views.fetched.max(more.fetched);
        views.looked = views.looked.max(more.looked);
    }

    /// Nothing panics while it holds this lock.
    fn held(&self) -> MutexGuard<'_, HashMap<RedeemId, Views>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy;
    use crate::store::Clock;

    #[test]
    fn what_is_counted_is_added_up_and_takes_no_more_than_so_much_memory() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("looks.db").display());
        let store = Store::connect(&url.parse().unwrap(), 4, Clock::Database).unwrap();
        let looks = Looks { store, counted: Arc::default() };
        let id = RedeemId(entropy::uuid());
        looks.count(id, false);
        looks.count(id, true);
        looks.count(id, false);
        let views = looks.held()[&id];
        assert_eq!((views.fetches, views.looks, views.looked.is_some()), (3, 1, true));
        for _ in 0..MOST + 5 {
            looks.count(RedeemId(entropy::uuid()), false);
        }
        assert_eq!(looks.held().len(), MOST);
        looks.count(id, false);
        assert_eq!(looks.held()[&id].fetches, 4, "what is there is counted on");
    }
}
