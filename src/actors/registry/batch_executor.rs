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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::actors::admission::Admission;
    use crate::actors::batch_queue::QueueItem;

    #[derive(Debug, PartialEq)]
    struct Number(u8);

    impl QueueItem for Number {
        type Key = ();

        fn key(&self) -> Option<()> {
            None
        }
    }

    /// Reports the size of each batch and waits for a permission to end it. Panics at a zero, and fails odd numbers.
    struct Stepwise {
        started: mpsc::Sender<usize>,
        may_end: Mutex<mpsc::Receiver<()>>,
    }

    impl BatchWork for Stepwise {
        type Item = Number;
        type Output = u8;

        const SPAN: &'static str = "test";
        const NO_RESULT: RegistryError = RegistryError::OutcomeUnknown;

        fn execute(&self, batch: &[Number]) -> Vec<Result<u8, RegistryError>> {
            self.started.send(batch.len()).unwrap();
            self.may_end.lock().unwrap().recv().unwrap();
            assert!(!batch.contains(&Number(0)), "a batch panics");
            let result = |number: &Number| {
                if number.0.is_multiple_of(2) { Ok(number.0) } else { Err(RegistryError::Busy) }
            };
            batch.iter().map(result).collect()
        }
    }

    #[test]
    fn what_arrives_during_a_batch_is_the_next_one_also_after_a_panic() {
        let (started, starts) = mpsc::channel();
        let (end, may_end) = mpsc::channel();
        let executor = BatchExecutor::new(Stepwise { started, may_end: Mutex::new(may_end) }, None);
        let admission = Admission::new(8, 8);
        let submit = |number| {
            let (reply, response) = oneshot::channel();
            let permit = admission.try_acquire(Instant::now()).unwrap();
            let deadline = Instant::now() + QUEUE_LIMITS.max_wait;
            executor.submit(Number(number), Waiter { reply, permit, deadline, span: None });
            response
        };
        let first = submit(0);
        assert_eq!(starts.recv(), Ok(1), "the first is executed at once");
        let next = [2, 3, 4].map(submit);
        end.send(()).unwrap();
        assert!(matches!(first.blocking_recv(), Ok(Err(RegistryError::OutcomeUnknown))));
        assert_eq!(starts.recv(), Ok(3), "one batch");
        assert_eq!(admission.in_use(), 3);
        end.send(()).unwrap();
        let [two, three, four] = next.map(|response| response.blocking_recv().unwrap());
        assert!(matches!((two, three, four), (Ok(2), Err(RegistryError::Busy), Ok(4))));
        assert_eq!(admission.in_use(), 0);
        drop(submit(6));
        assert_eq!(starts.recv(), Ok(1), "an idle executor starts again");
        end.send(()).unwrap();
    }
}
