//! The [`Store`] for asynchronous callers: reads and small writes on blocking threads,
//! bounded in number and time.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::connection::{Conn, Store};
use super::error::StoreError;
use super::readiness::ReadinessReport;
use super::threads;
use crate::{deadline, failpoints, telemetry};

/// How long to wait for the database.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(1_800);
/// How long before the deadline no work is started: its result would come too late.
const MIN_TIME_LEFT: Duration = Duration::from_millis(300);
/// How long the result of a readiness check is reused.
const CACHE_TTL: Duration = Duration::from_millis(500);
/// When a second readiness check is started beside one that has not finished.
const SLOW_CHECK: Duration = Duration::from_millis(600);
/// Each running check may occupy one of the connections of the ledger.
const MAX_RUNNING_CHECKS: usize = 2;
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
    check_permits: Arc<Semaphore>,
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
            check_permits: Arc::new(Semaphore::new(MAX_RUNNING_CHECKS)),
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
    /// All callers share a check, and its result for half a second. If it is slow, a second one
    /// is started: the connection of the first may have lost its server.
    pub async fn check_readiness(&self) -> Option<ReadinessReport> {
        let deadline = deadline::by(RESPONSE_TIMEOUT);
        let first = self.current_check().result;
        let until = deadline.min(Instant::now() + SLOW_CHECK);
        if let Ok(report) = timeout_at(until.into(), first.clone()).await {
            return report;
        }
        let both = futures_util::future::select(first, self.current_check().result);
        let either = async {
            let (report, other) = both.await.factor_first();
            if report.is_some() { report } else { other.await }
        };
        timeout_at(deadline.into(), either).await.ok().flatten()
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
        let (store, request) = (self.store.clone(), telemetry::current());
        let task = threads::spawn(move || {
            let _thread_permit = thread_permit;
            failpoints::fail_point("async_store.panic");
            telemetry::scope_blocking(request, || work(&store))
        });
        match timeout_at(deadline.into(), task).await {
            Ok(Ok(result)) => Some(result),
            Ok(Err(panic)) => unavailable(&panic.to_string()),
            Err(_) => None,
        }
    }

    /// The running check, or a recent one, or a new one. A new one if the running one is slow,
    /// unless as many are running as may.
    fn current_check(&self) -> ReadinessCheck {
        let mut latest = lock_unpoisoned(&self.latest_check);
        let permit = Arc::clone(&self.check_permits).try_acquire_owned();
        if let Some(check) = latest.as_ref().filter(|check| check.is_fresh() || permit.is_err()) {
            if !check.is_fresh() && check.started_at.elapsed() >= stuck_thread_timeout() {
                self.stall_detector.stalled.notify_one();
            }
            return check.clone();
        }
        latest.insert(ReadinessCheck::start(self.store.clone(), permit.ok())).clone()
    }
}

impl ReadinessCheck {
    fn start(store: Store, permit: Option<OwnedSemaphorePermit>) -> Self {
        let finished_at = Arc::new(OnceLock::new());
        let finished_guard = FinishedGuard(Arc::clone(&finished_at));
        let task = threads::spawn(move || {
            let (_finished_guard, _permit) = (finished_guard, permit);
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

    /// Whether the check has been running for a short time, or has finished recently.
    fn is_fresh(&self) -> bool {
        match self.finished_at.get() {
            None => self.started_at.elapsed() < SLOW_CHECK,
            Some(finished_at) => finished_at.elapsed() < CACHE_TTL,
        }
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
