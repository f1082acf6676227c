//! The store, for those who must not block: reads and small writes that are
//! not the ledger's, off the event loop, bounded in number and time.

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryResult;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Conn, Store, StoreError};

/// When to give up on a database that does not answer: every request has its
/// answer within two seconds.
const DEADLINE: Duration = Duration::from_millis(1_800);

/// An asynchronous face of the [`Store`].
#[derive(Clone)]
pub struct Directory {
    store: Store,
    /// A thread that hangs in the database keeps its permit, so that threads do
    /// not pile up behind it.
    gate: Arc<Semaphore>,
}

impl Directory {
    /// A directory over this store that uses so many of its connections at the
    /// most, and one at the least.
    pub fn new(store: Store, connections: u32) -> Self {
        Self { store, gate: Arc::new(Semaphore::new(connections.max(1) as usize)) }
    }

    /// [`Store::read`], waiting no longer than the deadline.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let silent = || StoreError::Unavailable("no answer in time".to_owned());
        self.run(move |store| store.read(work)).await.unwrap_or_else(|| Err(silent()))
    }

    /// [`Store::write`], waiting no longer than the deadline.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |store| store.write(work)).await.unwrap_or(Err(StoreError::Unknown))
    }

    /// [`Store::is_ready`], waiting no longer than the deadline.
    pub async fn is_ready(&self) -> bool {
        matches!(self.run(Store::is_ready).await, Some(Ok(true)))
    }

    /// `None` when there was no answer in time.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<Result<T, StoreError>> {
        let started = tokio::time::Instant::now();
        let unavailable = |why: &str| Some(Err(StoreError::Unavailable(why.to_owned())));
        let Ok(Ok(permit)) = timeout(DEADLINE, Arc::clone(&self.gate).acquire_owned()).await else {
            return unavailable("all connections are busy");
        };
        let store = self.store.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&store)
        });
        match timeout(DEADLINE.saturating_sub(started.elapsed()), task).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(panic)) => unavailable(&panic.to_string()),
            Err(_) => None,
        }
    }
}
