//! Counts how often the links of requests are fetched.

use std::time::Instant;

use super::write_behind::{CounterDelta, WriteBehindCounter};
use crate::domain::token::RedeemId;
use crate::store::link_views::{self, LinkViewDelta};
use crate::store::{Store, StoreError};

/// Counts fetches in memory; they are written every few seconds. Clones share their
/// counts.
#[derive(Clone, Debug)]
pub struct LinkViewCounter(WriteBehindCounter<LinkViewDelta>);

impl LinkViewCounter {
    /// A counter that writes to this database.
    pub fn new(store: Store) -> Self {
        Self(WriteBehindCounter::new(store))
    }

    /// Writes the counts every few seconds, until the process stops.
    pub async fn run(self) {
        self.0.run().await;
    }

    /// Counts a fetch of a link whose token this server has signed. With `by_target` the
    /// target has seen the request.
    pub fn record_fetch(&self, id: RedeemId, by_target: bool) {
        let now = Instant::now();
        self.0.add(LinkViewDelta {
            id,
            fetches: 1,
            last_fetched: now,
            target_views: by_target.into(),
            last_target_view: by_target.then_some(now),
        });
    }

    /// Writes the counts now.
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}

impl CounterDelta for LinkViewDelta {
    type Key = RedeemId;

    const COUNTER: &'static str = "link views";
    const MAX_KEYS: usize = 10_000;

    fn key(&self) -> RedeemId {
        self.id
    }

    fn add(&mut self, more: Self) {
        self.fetches += more.fetches;
        self.target_views += more.target_views;
        self.last_fetched = self.last_fetched.max(more.last_fetched);
        self.last_target_view = self.last_target_view.max(more.last_target_view);
    }

    fn write(store: &Store, deltas: &[Self]) -> Result<(), StoreError> {
        link_views::add(store, deltas)
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
        let url = format!("sqlite://{}", directory.path().join("link_views.db").display());
        let counter =
            LinkViewCounter::new(Store::connect(&url.parse().unwrap(), 4, Clock::Database).unwrap());
        let id = RedeemId(entropy::uuid());
        counter.record_fetch(id, false);
        counter.record_fetch(id, true);
        counter.record_fetch(id, false);
        let views = counter.0.counts()[&id];
        assert_eq!((views.fetches, views.target_views, views.last_target_view.is_some()), (3, 1, true));
        for _ in 0..LinkViewDelta::MAX_KEYS + 5 {
            counter.record_fetch(RedeemId(entropy::uuid()), false);
        }
        assert_eq!(counter.0.counts().len(), LinkViewDelta::MAX_KEYS);
        counter.record_fetch(id, false);
        assert_eq!(counter.0.counts()[&id].fetches, 4, "a key in memory is still counted");
    }
}
