//! The actor: its state is the operations and lookups that wait or are in flight;
//! everything else is in the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use opentelemetry::trace::SpanContext;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::RegistryError;
use crate::actors::LivenessGuard;
use crate::actors::admission::Permit;
use crate::actors::batch_queue::{BatchQueue, QueueItem, QueueLimits, TimeoutKind};
use crate::failpoints;
use crate::store::Store;
use crate::store::ledger::{self, AnyOperation, RowKey};
use crate::store::lookup::{self, LookupKey, LookupResults};
use crate::telemetry::{self, BatchSpan, Correlation, MAX_LINKS, Tracer};

/// The limits of both queues; every request is answered within two seconds.
pub(super) const QUEUE_LIMITS: QueueLimits = QueueLimits {
    max_batch_size: 256,
    max_queue_time: Duration::from_millis(900),
    min_time_left: Duration::from_millis(300),
    max_wait: Duration::from_millis(1_800),
};
const _: () = assert!(QUEUE_LIMITS.max_batch_size <= MAX_LINKS as usize, "a batch links to all its requests");
const TIMEOUT_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a batch can be in flight before its thread is considered stuck. The process
/// then exits, to be restarted.
const STUCK_THREAD_TIMEOUT: Duration = Duration::from_secs(120);

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

#[derive(Debug)]
pub(super) struct TokenRegistry {
    store: Store,
    /// `None` if traces are off.
    tracer: Option<Tracer>,
    /// The waiter gets the outcome; the reply is in the operation.
    operations: BatchQueue<Arc<dyn AnyOperation>, Waiter<()>>,
    lookups: BatchQueue<LookupKey, Waiter<Arc<LookupResults>>>,
    _liveness: LivenessGuard,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Submit {
    pub operation: Arc<dyn AnyOperation>,
    pub waiter: Waiter<()>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LookUp {
    pub key: LookupKey,
    pub waiter: Waiter<Arc<LookupResults>>,
}

impl Actor for TokenRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TIMEOUT_CHECK_INTERVAL, Self::check_timeouts);
    }
}

impl Handler<Submit> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, Submit { operation, waiter }: Submit, ctx: &mut Self::Context) {
        failpoints::fail_point("registry.panic");
        let (now, deadline) = (Instant::now(), waiter.deadline);
        match self.operations.push(operation, waiter, now, deadline) {
            Ok(()) => self.commit_next(ctx),
            Err((_, waiter)) => waiter.respond(Err(RegistryError::Unavailable)),
        }
    }
}

impl Handler<LookUp> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, LookUp { key, waiter }: LookUp, ctx: &mut Self::Context) {
        let (now, deadline) = (Instant::now(), waiter.deadline);
        match self.lookups.push(key, waiter, now, deadline) {
            Ok(()) => self.look_up_next(ctx),
            Err((_, waiter)) => waiter.respond(Err(RegistryError::Unavailable)),
        }
    }
}

impl TokenRegistry {
    pub(super) fn new(store: Store, tracer: Option<Tracer>, liveness: LivenessGuard) -> Self {
        Self {
            store,
            tracer,
            operations: BatchQueue::new(QUEUE_LIMITS),
            lookups: BatchQueue::new(QUEUE_LIMITS),
            _liveness: liveness,
        }
    }

    /// Dispatches the next batch of operations, unless one is in flight.
    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        let Some((batch_id, batch)) = self.operations.dispatch(Instant::now()) else { return };
        let store = self.store.clone();
        let span = start_span(self.tracer.as_ref(), "registry.commit", &self.operations);
        let committed = in_batch(span, move || {
            let results = ledger::commit(&store, &batch);
            if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
                tracing::warn!(%error, "operations failed");
            }
            let is_failed = results.iter().any(Result::is_err);
            (results, is_failed)
        });
        ctx.spawn(committed.into_actor(self).map(move |results, registry, ctx| {
            let waiters = registry.operations.complete(batch_id);
            // A batch that panicked has no results: its outcome is unknown.
            let results = results.unwrap_or_default();
            let results = results.into_iter().map(|result| result.map_err(RegistryError::from));
            let results = results.chain(std::iter::repeat_with(|| Err(RegistryError::OutcomeUnknown)));
            for (waiter, result) in waiters.into_iter().zip(results) {
                if let Some(waiter) = waiter {
                    waiter.respond(result);
                }
            }
            registry.commit_next(ctx);
        }));
    }

    /// Dispatches the next batch of lookups, unless one is in flight.
    fn look_up_next(&mut self, ctx: &mut Context<Self>) {
        let Some((batch_id, keys)) = self.lookups.dispatch(Instant::now()) else { return };
        let store = self.store.clone();
        let span = start_span(self.tracer.as_ref(), "registry.look_up", &self.lookups);
        let resolved = in_batch(span, move || {
            let results = lookup::resolve(&store, &keys);
            let is_failed = results.iter().any(Option::is_none);
            (results, is_failed)
        });
        ctx.spawn(resolved.into_actor(self).map(move |results, registry, ctx| {
            let waiters = registry.lookups.complete(batch_id);
            let results = results.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
            for (waiter, result) in waiters.into_iter().zip(results) {
                if let Some(waiter) = waiter {
                    waiter.respond(result.ok_or(RegistryError::Unavailable));
                }
            }
            registry.look_up_next(ctx);
        }));
    }

    /// Answers the callers whose deadline has passed, and stops the actor if a thread is
    /// stuck.
    fn check_timeouts(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for (waiter, timeout) in self.operations.take_expired(now) {
            waiter.respond(Err(match timeout {
                TimeoutKind::NotDispatched => RegistryError::Unavailable,
                TimeoutKind::OutcomeUnknown => RegistryError::OutcomeUnknown,
            }));
        }
        for (waiter, _) in self.lookups.take_expired(now) {
            waiter.respond(Err(RegistryError::Unavailable));
        }
        let oldest_abandoned = self.operations.oldest_abandoned(now).max(self.lookups.oldest_abandoned(now));
        let stuck_timeout = failpoints::timeout("registry.stuck_thread_timeout", STUCK_THREAD_TIMEOUT);
        if oldest_abandoned.is_some_and(|age| age >= stuck_timeout) {
            tracing::error!(seconds = stuck_timeout.as_secs(), "database did not respond; stopping");
            ctx.stop();
            return;
        }
        self.commit_next(ctx);
        self.look_up_next(ctx);
    }
}

/// Starts the span of the batch that was just dispatched, with links to the spans of its requests.
fn start_span<T: QueueItem, R>(
    tracer: Option<&Tracer>,
    name: &'static str,
    queue: &BatchQueue<T, Waiter<R>>,
) -> Option<BatchSpan> {
    tracer?.start_batch(name, queue.in_flight().filter_map(|waiter| waiter.span.as_ref()))
}

/// Runs a batch on a blocking thread. `work` returns the results, and whether one of them is an
/// error. The span ends with the work.
fn in_batch<T: Send + 'static>(
    span: Option<BatchSpan>,
    work: impl FnOnce() -> (T, bool) + Send + 'static,
) -> JoinHandle<T> {
    spawn_blocking(move || {
        let Some(mut span) = span else { return work().0 };
        let correlation = Correlation { request_id: None, span: Some(span.context()) };
        let (results, is_failed) = telemetry::scope_blocking(correlation, work);
        if is_failed {
            span.set_failed();
        }
        results
    })
}

impl QueueItem for Arc<dyn AnyOperation> {
    type Key = RowKey;

    fn key(&self) -> Option<RowKey> {
        self.row_key()
    }
}

impl QueueItem for LookupKey {
    type Key = ();

    /// A lookup changes no row.
    fn key(&self) -> Option<()> {
        None
    }
}
