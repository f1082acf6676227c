//! The store, for those who must not block: reads and small writes that are
//! not the ledger's, off the event loop, bounded in number and time.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::probe::Found;
use super::{Conn, Store, StoreError};
use crate::{deadline, faults};

/// When to give up on a database that does not answer.
const DEADLINE: Duration = Duration::from_millis(1_800);
/// How long before that nothing is begun any more: nobody would hear of it.
const LAST_CALL: Duration = Duration::from_millis(300);
/// For how long what a probe found is told: whoever asks oftener asks less.
const HOLDS: Duration = Duration::from_millis(500);
/// When no thread has come back from the database for so long, none will: the process
/// ends, and whoever runs it starts another.
const GIVE_UP: Duration = Duration::from_secs(120);

/// An asynchronous face of the [`Store`].
#[derive(Clone)]
pub struct Directory {
    store: Store,
    /// A thread that hangs in the database keeps its permit, so that threads do
    /// not pile up behind it.
    gate: Arc<Semaphore>,
    watch: Arc<Watch>,
    latest: Arc<Mutex<Option<Probe>>>,
}

/// Sees whether threads come back.
struct Watch {
    /// When a thread last left or came back.
    moved: Mutex<Instant>,
    stuck: Notify,
}

/// A thread's permit.
struct Turn {
    watch: Arc<Watch>,
    _permit: OwnedSemaphorePermit,
}

/// A look at the database, for all who ask meanwhile and shortly after.
#[derive(Clone)]
struct Probe {
    begun: Instant,
    ended: Arc<OnceLock<Instant>>,
    found: Shared<BoxFuture<'static, Option<Found>>>,
}

/// Notes when it is dropped.
struct End(Arc<OnceLock<Instant>>);

impl Directory {
    /// A directory over this store that uses so many of its connections at the
    /// most, and one at the least.
    pub fn new(store: Store, connections: u32) -> Self {
        Self {
            store,
            gate: Arc::new(Semaphore::new(connections.max(1) as usize)),
            watch: Arc::new(Watch { moved: Mutex::new(Instant::now()), stuck: Notify::new() }),
            latest: Arc::default(),
        }
    }

    /// [`Store::read`], waiting no longer than the deadline.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let silent = || StoreError::Unavailable("no response in time".to_owned());
        self.run(move |store| store.read(work)).await.unwrap_or_else(|| Err(silent()))
    }

    /// [`Store::write`], waiting no longer than the deadline.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |store| store.write(work)).await.unwrap_or(Err(StoreError::Unknown))
    }

    /// [`Store::probe`], waiting no longer than the deadline; `None` when the
    /// database is not ready. There is one probe at a time, for all who ask, and what
    /// it found is told for half a second.
    pub async fn probe(&self) -> Option<Found> {
        if faults::planted("probe.hopeful") {
            return Some(Found { oldest_unsent_seconds: 0, dead_mails: 0 });
        }
        let probe = self.latest_probe();
        timeout_at(deadline::by(DEADLINE).into(), probe.found).await.ok().flatten()
    }

    /// Returns when threads have gone for good, and the process had better end.
    pub async fn stuck(&self) {
        self.watch.stuck.notified().await;
    }

    /// `None` when there was no answer in time.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<Result<T, StoreError>> {
        let deadline = deadline::by(DEADLINE);
        let unavailable = |why: &str| Some(Err(StoreError::Unavailable(why.to_owned())));
        let last_call = deadline.checked_sub(LAST_CALL).unwrap_or(deadline);
        let Ok(Ok(permit)) = timeout_at(last_call.into(), Arc::clone(&self.gate).acquire_owned()).await
        else {
            self.watch.look();
            return unavailable("all connections are in use");
        };
        let turn = Turn::new(&self.watch, permit);
        let store = self.store.clone();
        let task = spawn_blocking(move || {
            let _turn = turn;
            faults::planted("directory.panic");
            work(&store)
        });
        match timeout_at(deadline.into(), task).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(panic)) => unavailable(&panic.to_string()),
            Err(_) => None,
        }
    }

    /// The probe that is under way, or one whose findings still hold, or a new one.
    fn latest_probe(&self) -> Probe {
        let mut latest = held(&self.latest);
        if let Some(probe) = latest.as_ref().filter(|probe| probe.holds()) {
            if probe.begun.elapsed() >= give_up() {
                self.watch.stuck.notify_one();
            }
            return probe.clone();
        }
        latest.insert(Probe::begin(self.store.clone())).clone()
    }
}

impl Probe {
    fn begin(store: Store) -> Self {
        let ended = Arc::new(OnceLock::new());
        let end = End(Arc::clone(&ended));
        let task = spawn_blocking(move || {
            let _end = end;
            store.probe()
        });
        let found = async move {
            match task.await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the database is not ready");
                    None
                }
                Err(_) => None,
            }
        };
        Self { begun: Instant::now(), ended, found: found.boxed().shared() }
    }

    /// Whether it is under way, or has just ended.
    fn holds(&self) -> bool {
        self.ended.get().is_none_or(|ended| ended.elapsed() < HOLDS)
    }
}

impl Watch {
    /// Says so if all threads that may leave have been gone for too long. To be called
    /// when one more could not.
    fn look(&self) {
        if held(&self.moved).elapsed() >= give_up() {
            self.stuck.notify_one();
        }
    }
}

impl Turn {
    fn new(watch: &Arc<Watch>, permit: OwnedSemaphorePermit) -> Self {
        *held(&watch.moved) = Instant::now();
        Self { watch: Arc::clone(watch), _permit: permit }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *held(&self.watch.moved) = Instant::now();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // There is one end of each probe.
        let _ = self.0.set(Instant::now());
    }
}

/// [`GIVE_UP`], unless a test cannot wait for so long.
fn give_up() -> Duration {
    faults::patience("directory.patience", GIVE_UP)
}

/// Nothing panics while it holds one of these locks.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
