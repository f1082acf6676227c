//! Hashes and verifies passwords on blocking threads, a bounded number at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::password::{Argon2Memory, PasswordError};
use crate::actors::admission::without_permit;
use crate::deadline;

/// Each hash takes one core and 19 MiB for tens of milliseconds.
const MAX_CONCURRENT_HASHES: usize = 2;
/// How long a caller waits for a slot.
const HASH_QUEUE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// A bounded number of slots for password hashing, and the buffers of idle slots.
pub struct HashPool {
    permits: Arc<Semaphore>,
    idle_buffers: Arc<Mutex<Vec<Argon2Memory>>>,
}

/// A slot and its buffer; both return to the pool on drop.
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
    /// Waits for a slot; `None` after `HASH_QUEUE_TIMEOUT` or at the request's deadline.
    pub async fn acquire(&self) -> Option<HashSlot> {
        let permit =
            timeout_at(deadline::by(HASH_QUEUE_TIMEOUT).into(), Arc::clone(&self.permits).acquire_owned());
        // A queue for passwords is no reason to refuse other requests.
        let permit = without_permit(permit).await.ok()?.ok()?;
        let memory = self.idle_buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Some(HashSlot {
            memory: memory.unwrap_or_default(),
            idle_buffers: Arc::clone(&self.idle_buffers),
            _permit: permit,
        })
    }
}

impl HashSlot {
    /// [`Argon2Memory::hash`]; `None` if it panicked.
    pub async fn hash(self, password: &str) -> Option<Result<String, PasswordError>> {
        let password = password.to_owned();
        self.run_blocking(move |memory| memory.hash(&password)).await.map(|(_, hashed)| hashed)
    }

    /// [`Argon2Memory::verify`], and the slot for further use. If it panicked, the password is
    /// invalid and the slot has been returned.
    pub async fn verify(self, password: &str, hash: Option<String>) -> (Option<Self>, bool) {
        let password = password.to_owned();
        match self.run_blocking(move |memory| memory.verify(&password, hash.as_deref())).await {
            Some((slot, valid)) => (Some(slot), valid),
            None => (None, false),
        }
    }

    /// Runs `work` on a blocking thread. The slot stays taken until `work` ends, even if the
    /// caller is cancelled.
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
