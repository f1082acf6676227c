//! Executes the items of a queue in batches, on threads that wait for the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::trace::SpanContext;
use tokio::sync::oneshot;

use super::batch_work::BatchWork;
use super::error::RegistryError;
use crate::actors::admission::Permit;
use crate::actors::batch_queue::{BatchId, BatchQueue, QueueLimits, TimeoutKind};
use crate::store::threads;
use crate::telemetry::{self, BatchSpan, Correlation, MAX_LINKS, Tracer};

/// The limits of both queues; every request is answered within two seconds.
pub(super) const QUEUE_LIMITS: QueueLimits = QueueLimits {
    max_batch_size: 256,
    max_queue_time: Duration::from_millis(900),
    min_time_left: Duration::from_millis(300),
    max_wait: Duration::from_millis(1_800),
};
const _: () = assert!(QUEUE_LIMITS.max_batch_size <= MAX_LINKS as usize, "a batch links to all its requests");

/// A caller that waits for an answer until its deadline, and its admission.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub reply: oneshot::Sender<Result<T, RegistryError>>,
    pub permit: Permit,
    pub deadline: Instant,
    /// The span of the caller's request, if it is recorded.
    pub span: Option<SpanContext>,
}

impl<T> Waiter<T> {
    /// Answers the caller, unless it has gone.
    fn respond(self, result: Result<T, RegistryError>) {
        // Released first, so that a caller that sees the answer can be admitted again.
        drop(self.permit);
        let _ = self.reply.send(result);
    }
}

/// A queue whose batches are executed one after the other. The thread that executes a batch answers its callers and
/// takes the next one, so that nothing else has to wake up in between.
pub(super) struct BatchExecutor<W: BatchWork> {
    queue: Mutex<Queue<W>>,
    work: W,
    /// `None` if traces are off.
    tracer: Option<Tracer>,
}

type Queue<W> = BatchQueue<<W as BatchWork>::Item, Waiter<<W as BatchWork>::Output>>;

/// A batch and its span.
type Batch<W> = (BatchId, Vec<<W as BatchWork>::Item>, Option<BatchSpan>);

impl<W: BatchWork> BatchExecutor<W> {
    /// An executor with an empty queue.
    pub fn new(work: W, tracer: Option<Tracer>) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::new(BatchQueue::new(QUEUE_LIMITS)), work, tracer })
    }

    /// Executes an item with the next batch.
    pub fn submit(self: &Arc<Self>, item: W::Item, waiter: Waiter<W::Output>) {
        let (now, deadline) = (Instant::now(), waiter.deadline);
        let pushed = self.queue().push(item, waiter, now, deadline);
        match pushed {
            Ok(()) => self.execute_next(),
            Err((_, waiter)) => waiter.respond(Err(RegistryError::Unavailable)),
        }
    }

    /// Answers the callers whose deadline has passed. If a batch takes too long, the next one is executed meanwhile.
    pub fn check_timeouts(self: &Arc<Self>) {
        let expired = self.queue().take_expired(Instant::now());
        for (waiter, timeout) in expired {
            waiter.respond(Err(match timeout {
                TimeoutKind::NotDispatched => RegistryError::Unavailable,
                TimeoutKind::OutcomeUnknown => W::NO_RESULT,
            }));
        }
        self.execute_next();
    }

    /// How long the oldest of the batches that took too long has been executing.
    pub fn oldest_abandoned(&self) -> Option<Duration> {
        self.queue().oldest_abandoned(Instant::now())
    }

    /// Executes the next batches on a thread, unless another one is doing so.
    fn execute_next(self: &Arc<Self>) {
        let Some(first) = self.dispatch() else { return };
        let executor = Arc::clone(self);
        threads::spawn(move || {
            let mut next = Some(first);
            while let Some(batch) = next {
                executor.execute(batch);
                next = executor.dispatch();
            }
        });
    }

    fn dispatch(&self) -> Option<Batch<W>> {
        let mut queue = self.queue();
        let (id, items) = queue.dispatch(Instant::now())?;
        let spans = queue.in_flight().filter_map(|waiter| waiter.span.as_ref());
        let span = self.tracer.as_ref().and_then(|tracer| tracer.start_batch(W::SPAN, spans));
        Some((id, items, span))
    }

    /// Executes a batch and answers its callers. The span ends with the execution.
    fn execute(&self, (id, items, span): Batch<W>) {
        let execute = || catch_unwind(AssertUnwindSafe(|| self.work.execute(&items))).unwrap_or_default();
        let results = match span {
            None => execute(),
            Some(mut span) => {
                let correlation = Correlation { request_id: None, span: Some(span.context()) };
                let results = telemetry::scope_blocking(correlation, execute);
                if results.is_empty() || results.iter().any(Result::is_err) {
                    span.set_failed();
                }
                results
            }
        };
        let waiters = self.queue().complete(id);
        let results = results.into_iter().chain(std::iter::repeat_with(|| Err(W::NO_RESULT)));
        for (waiter, result) in waiters.into_iter().zip(results) {
            if let Some(waiter) = waiter {
                waiter.respond(result);
            }
        }
    }

    /// No code that can panic runs under this lock.
    fn queue(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
