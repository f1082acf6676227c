//! Passwords that the server hashes and checks: off the event loop, and a few at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::deadline;
use crate::password::{Argon2Memory, PasswordError};

/// Passwords at a time: each takes a core and 19 MiB for tens of milliseconds.
const MAX_CONCURRENT_HASHES: usize = 2;
/// How long a password waits for its turn.
const HASH_QUEUE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Those whose turn it may be.
pub struct HashPool {
    permits: Arc<Semaphore>,
    /// What those whose turn it is not have left behind.
    idle_buffers: Arc<Mutex<Vec<Argon2Memory>>>,
}

/// A turn, and the memory to work in; both are given back when it is dropped.
pub struct HashSlot {
    memory: Argon2Memory,
    idle_buffers: Arc<Mutex<Vec<Argon2Memory>>>,
    _permit: OwnedSemaphorePermit,
}

impl Default for HashPool {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_CONCURRENT_HASHES)), idle_buffers: Arc::default() }
    }
}

impl HashPool {
    /// Waits for a turn; `None` when it does not come in time.
    pub async fn acquire(&self) -> Option<HashSlot> {
        let permit =
            timeout_at(deadline::by(HASH_QUEUE_TIMEOUT).into(), Arc::clone(&self.permits).acquire_owned());
        let permit = permit.await.ok()?.ok()?;
        let memory = self.idle_buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Some(HashSlot {
            memory: memory.unwrap_or_default(),
            idle_buffers: Arc::clone(&self.idle_buffers),
            _permit: permit,
        })
    }
}

impl HashSlot {
    /// [`Memory::hash`]; `None` when it panicked.
    pub async fn hash(self, password: &str) -> Option<Result<String, PasswordError>> {
        let password = password.to_owned();
        self.run_blocking(move |memory| memory.hash(&password)).await.map(|(_, hashed)| hashed)
    }

    /// [`Memory::verify`], and the turn, which goes on. A check that panicked has not been
    /// passed, and ends it.
    pub async fn verify(self, password: &str, hash: Option<String>) -> (Option<Self>, bool) {
        let password = password.to_owned();
        match self.run_blocking(move |memory| memory.verify(&password, hash.as_deref())).await {
            Some((slot, valid)) => (Some(slot), valid),
            None => (None, false),
        }
    }

    /// Whoever waits for it may go away: it is over only when the work is.
    async fn run_blocking<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut Argon2Memory) -> T + Send + 'static,
    ) -> Option<(Self, T)> {
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&mut self.memory);
            (self, done)
        });
        work.await.ok()
    }
}

impl Drop for HashSlot {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.idle_buffers.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}
