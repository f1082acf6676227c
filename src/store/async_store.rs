//! The [`Store`] for asynchronous callers: reads and small writes on blocking threads,
//! bounded in number and time.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::connection::{Conn, Store};
use super::error::StoreError;
use super::readiness::ReadinessReport;
use crate::{deadline, failpoints};

/// How long to wait for the database.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(1_800);
/// How long before the deadline no work is started: its result would come too late.
const MIN_TIME_LEFT: Duration = Duration::from_millis(300);
/// How long the result of a readiness check is reused.
const CACHE_TTL: Duration = Duration::from_millis(500);
/// How long no thread returns from the database before all are considered stuck. The
/// process then exits, to be restarted.
const STUCK_THREAD_TIMEOUT: Duration = Duration::from_secs(120);

/// An asynchronous facade of the [`Store`].
#[derive(Clone)]
pub struct AsyncStore {
    store: Store,
    /// A thread that waits for the database keeps its permit, so that threads do not
    /// accumulate.
    permits: Arc<Semaphore>,
    stall_detector: Arc<StallDetector>,
    latest_check: Arc<Mutex<Option<ReadinessCheck>>>,
}

/// Detects that threads do not return.
struct StallDetector {
    /// When a thread last started or returned.
    last_progress: Mutex<Instant>,
    stalled: Notify,
}

/// The permit of a thread.
struct ThreadPermit {
    detector: Arc<StallDetector>,
    _permit: OwnedSemaphorePermit,
}

/// A readiness check, shared by all callers while it runs and shortly after.
#[derive(Clone)]
struct ReadinessCheck {
    started_at: Instant,
    finished_at: Arc<OnceLock<Instant>>,
    result: Shared<BoxFuture<'static, Option<ReadinessReport>>>,
}

/// Records the time of its drop.
struct FinishedGuard(Arc<OnceLock<Instant>>);

impl AsyncStore {
    /// A facade that uses at most this number of connections, and at least one.
    pub fn new(store: Store, connections: u32) -> Self {
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

    /// [`Store::read`], until the deadline.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let timed_out = || StoreError::Unavailable("no response in time".to_owned());
        self.run(move |store| store.read(work)).await.unwrap_or_else(|| Err(timed_out()))
    }

    /// [`Store::write`], until the deadline.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |store| store.write(work)).await.unwrap_or(Err(StoreError::OutcomeUnknown))
    }

    /// [`Store::write_in_background`], until the deadline.
    pub async fn write_in_background<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |store| store.write_in_background(work))
            .await
            .unwrap_or(Err(StoreError::OutcomeUnknown))
    }

    /// [`Store::check_readiness`], until the deadline; `None` if the database is not ready.
    /// All callers share one check at a time, and its result for half a second.
    pub async fn check_readiness(&self) -> Option<ReadinessReport> {
        let check = self.current_check();
        timeout_at(deadline::by(RESPONSE_TIMEOUT).into(), check.result).await.ok().flatten()
    }

    /// Returns when all threads are stuck, and the process should exit.
    pub async fn wait_until_stalled(&self) {
        self.stall_detector.stalled.notified().await;
    }

    /// Runs work on a blocking thread; `None` if it does not return before the deadline.
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
            Ok(Ok(result)) => Some(result),
            Ok(Err(panic)) => unavailable(&panic.to_string()),
            Err(_) => None,
        }
    }

    /// The running check, or a recent one, or a new one.
    fn current_check(&self) -> ReadinessCheck {
        let mut latest = lock_unpoisoned(&self.latest_check);
        if let Some(check) = latest.as_ref().filter(|check| check.is_fresh()) {
            if check.started_at.elapsed() >= stuck_thread_timeout() {
                self.stall_detector.stalled.notify_one();
            }
            return check.clone();
        }
        latest.insert(ReadinessCheck::start(self.store.clone())).clone()
    }
}

impl ReadinessCheck {
    fn start(store: Store) -> Self {
        let finished_at = Arc::new(OnceLock::new());
        let finished_guard = FinishedGuard(Arc::clone(&finished_at));
        let task = spawn_blocking(move || {
            let _finished_guard = finished_guard;
            store.check_readiness()
        });
        let result = async move {
            match task.await {
                Ok(Ok(report)) => report,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the database is not ready");
                    None
                }
                Err(_) => None,
            }
        };
        Self { started_at: Instant::now(), finished_at, result: result.boxed().shared() }
    }

    /// Whether the check is running, or has finished recently.
    fn is_fresh(&self) -> bool {
        self.finished_at.get().is_none_or(|finished_at| finished_at.elapsed() < CACHE_TTL)
    }
}

impl StallDetector {
    /// Called when no permit was available: reports a stall if no thread has started or
    /// returned for too long.
    fn check(&self) {
        if lock_unpoisoned(&self.last_progress).elapsed() >= stuck_thread_timeout() {
            self.stalled.notify_one();
        }
    }
}

impl ThreadPermit {
    fn new(detector: &Arc<StallDetector>, permit: OwnedSemaphorePermit) -> Self {
        *lock_unpoisoned(&detector.last_progress) = Instant::now();
        Self { detector: Arc::clone(detector), _permit: permit }
    }
}

impl Drop for ThreadPermit {
    fn drop(&mut self) {
        *lock_unpoisoned(&self.detector.last_progress) = Instant::now();
    }
}

impl Drop for FinishedGuard {
    fn drop(&mut self) {
        // Each check has one guard.
        let _ = self.0.set(Instant::now());
    }
}

/// [`STUCK_THREAD_TIMEOUT`], or less in tests.
fn stuck_thread_timeout() -> Duration {
    failpoints::timeout("async_store.timeout", STUCK_THREAD_TIMEOUT)
}

/// No code that can panic runs under these locks.
fn lock_unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
