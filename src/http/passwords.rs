//! Passwords that the server hashes and checks: off the event loop, and a few at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::deadline;
use crate::password::{Memory, PasswordError};

/// Passwords at a time: each takes a core and 19 MiB for tens of milliseconds.
const AT_ONCE: usize = 2;
/// How long a password waits for its turn.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Those whose turn it may be.
pub struct Turns {
    places: Arc<Semaphore>,
    /// What those whose turn it is not have left behind.
    idle: Arc<Mutex<Vec<Memory>>>,
}

/// A turn, and the memory to work in; both are given back when it is dropped.
pub struct Turn {
    memory: Memory,
    idle: Arc<Mutex<Vec<Memory>>>,
    _place: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), idle: Arc::default() }
    }
}

impl Turns {
    /// Waits for a turn; `None` when it does not come in time.
    pub async fn next(&self) -> Option<Turn> {
        let place = timeout_at(deadline::by(PATIENCE).into(), Arc::clone(&self.places).acquire_owned());
        let place = place.await.ok()?.ok()?;
        let memory = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Some(Turn { memory: memory.unwrap_or_default(), idle: Arc::clone(&self.idle), _place: place })
    }
}

impl Turn {
    /// [`Memory::hash`]; `None` when it panicked.
    pub async fn hash(self, password: &str) -> Option<Result<String, PasswordError>> {
        let password = password.to_owned();
        self.work(move |memory| memory.hash(&password)).await.map(|(_, hashed)| hashed)
    }

    /// [`Memory::verify`], and the turn, which goes on. A check that panicked has not been
    /// passed, and ends it.
    pub async fn verify(self, password: &str, hash: Option<String>) -> (Option<Self>, bool) {
        let password = password.to_owned();
        match self.work(move |memory| memory.verify(&password, hash.as_deref())).await {
            Some((turn, right)) => (Some(turn), right),
            None => (None, false),
        }
    }

    /// Whoever waits for it may go away: it is over only when the work is.
    async fn work<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Option<(Self, T)> {
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&mut self.memory);
            (self, done)
        });
        work.await.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}
