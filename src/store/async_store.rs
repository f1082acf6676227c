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

use super::readiness::ReadinessReport;
use super::{Conn, Store, StoreError};
use crate::{deadline, failpoints};

/// When to give up on a database that does not answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(1_800);
/// How long before that nothing is begun any more: nobody would hear of it.
const MIN_TIME_LEFT: Duration = Duration::from_millis(300);
/// For how long what a probe found is told: whoever asks oftener asks less.
const CACHE_TTL: Duration = Duration::from_millis(500);
/// When no thread has come back from the database for so long, none will: the process
/// ends, and whoever runs it starts another.
const STUCK_THREAD_TIMEOUT: Duration = Duration::from_secs(120);

/// An asynchronous face of the [`Store`].
#[derive(Clone)]
pub struct AsyncStore {
    store: Store,
    /// A thread that hangs in the database keeps its permit, so that threads do
    /// not pile up behind it.
    permits: Arc<Semaphore>,
    stall_detector: Arc<StallDetector>,
    latest_check: Arc<Mutex<Option<ReadinessCheck>>>,
}

/// Sees whether threads come back.
struct StallDetector {
    /// When a thread last left or came back.
    last_progress: Mutex<Instant>,
    stalled: Notify,
}

/// A thread's permit.
struct ThreadPermit {
    detector: Arc<StallDetector>,
    _permit: OwnedSemaphorePermit,
}

/// A look at the database, for all who ask meanwhile and shortly after.
#[derive(Clone)]
struct ReadinessCheck {
    started_at: Instant,
    finished_at: Arc<OnceLock<Instant>>,
    result: Shared<BoxFuture<'static, Option<ReadinessReport>>>,
}

/// Notes when it is dropped.
struct FinishedGuard(Arc<OnceLock<Instant>>);

impl AsyncStore {
    /// A directory over this store that uses so many of its connections at the
    /// most, and one at the least.
    pub fn acquired(store: Store, connections: u32) -> Self {
        Self {
            store,
            permits: Arc::new(Semaphore::new(connections.max(1) as usize)),
            stall_detector: Arc::new(StallDetector {
                last_progress: Mutex::new(Instant::now()),
                stalled: Notify::new(),
            }),
            latest_check: Arc::default(),
        }
    }

    /// [`Store::read`], waiting no longer than the deadline.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let timed_out = || StoreError::Unavailable("no response in time".to_owned());
        self.run(move |store| store.read(work)).await.unwrap_or_else(|| Err(timed_out()))
    }

    /// [`Store::write`], waiting no longer than the deadline.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |store| store.write(work)).await.unwrap_or(Err(StoreError::OutcomeUnknown))
    }

    /// [`Store::probe`], waiting no longer than the deadline; `None` when the
    /// database is not ready. There is one probe at a time, for all who ask, and what
    /// it found is told for half a second.
    pub async fn check_readiness(&self) -> Option<ReadinessReport> {
        let probe = self.current_check();
        timeout_at(deadline::by(RESPONSE_TIMEOUT).into(), probe.result).await.ok().flatten()
    }

    /// Returns when threads have gone for good, and the process had better end.
    pub async fn wait_until_stalled(&self) {
        self.stall_detector.stalled.notified().await;
    }

    /// `None` when there was no answer in time.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<Result<T, StoreError>> {
        let deadline = deadline::by(RESPONSE_TIMEOUT);
        let unavailable = |why: &str| Some(Err(StoreError::Unavailable(why.to_owned())));
        let dispatch_by = deadline.checked_sub(MIN_TIME_LEFT).unwrap_or(deadline);
        let Ok(Ok(permit)) = timeout_at(dispatch_by.into(), Arc::clone(&self.permits).acquire_owned()).await
        else {
            self.stall_detector.check();
            return unavailable("all connections are in use");
        };
        let thread_permit = ThreadPermit::new(&self.stall_detector, permit);
        let store = self.store.clone();
        let task = spawn_blocking(move || {
            let _thread_permit = thread_permit;
            failpoints::fail_point("async_store.panic");
            work(&store)
        });
        match timeout_at(deadline.into(), task).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(panic)) => unavailable(&panic.to_string()),
            Err(_) => None,
        }
    }

    /// The probe that is under way, or one whose findings still hold, or a new one.
    fn current_check(&self) -> ReadinessCheck {
        let mut latest = lock_unpoisoned(&self.latest_check);
        if let Some(probe) = latest.as_ref().filter(|probe| probe.is_fresh()) {
            if probe.started_at.elapsed() >= stuck_thread_timeout() {
                self.stall_detector.stalled.notify_one();
            }
            return probe.clone();
        }
        latest.insert(ReadinessCheck::start(self.store.clone())).clone()
    }
}

impl ReadinessCheck {
    fn start(store: Store) -> Self {
        let finished_at = Arc::new(OnceLock::new());
        let end = FinishedGuard(Arc::clone(&finished_at));
        let task = spawn_blocking(move || {
            let _end = end;
            store.check_readiness()
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
        Self { started_at: Instant::now(), finished_at, result: found.boxed().shared() }
    }

    /// Whether it is under way, or has just ended.
    fn is_fresh(&self) -> bool {
        self.finished_at.get().is_none_or(|ended| ended.elapsed() < CACHE_TTL)
    }
}

impl StallDetector {
    /// Says so if all threads that may leave have been gone for too long. To be called
    /// when one more could not.
    fn check(&self) {
        if lock_unpoisoned(&self.last_progress).elapsed() >= stuck_thread_timeout() {
            self.stalled.notify_one();
        }
    }
}

impl ThreadPermit {
    fn new(watch: &Arc<StallDetector>, permit: OwnedSemaphorePermit) -> Self {
        *lock_unpoisoned(&watch.last_progress) = Instant::now();
        Self { detector: Arc::clone(watch), _permit: permit }
    }
}

impl Drop for ThreadPermit {
    fn drop(&mut self) {
        *lock_unpoisoned(&self.detector.last_progress) = Instant::now();
    }
}

impl Drop for FinishedGuard {
    fn drop(&mut self) {
        // There is one end of each probe.
        let _ = self.0.set(Instant::now());
    }
}

/// [`GIVE_UP`], unless a test cannot wait for so long.
fn stuck_thread_timeout() -> Duration {
    failpoints::timeout("async_store.timeout", STUCK_THREAD_TIMEOUT)
}

/// Nothing panics while it holds one of these locks.
fn lock_unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
