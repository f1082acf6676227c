//! The actor: its state is the operations and lookups that wait or are in flight;
//! everything else is in the database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::prelude::*;
use opentelemetry::trace::SpanContext;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::RegistryError;
use crate::actors::LivenessGuard;
use crate::actors::admission::Permit;
use crate::actors::batch_queue::{BatchQueue, QueueItem, QueueLimits, TimeoutKind};
use crate::failpoints;
use crate::store::ledger::{self, AnyOperation, RowKey};
use crate::store::lookup::{self, LookupKey, LookupResults};
use crate::store::{Store, threads};
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

/// A caller that waits for an answer until its deadline.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub caller: Caller<T>,
    pub deadline: Instant,
    /// The span of the caller's request, if it is recorded.
    pub span: Option<SpanContext>,
}

/// Answers a caller: either the thread that executes its batch does, or the actor when the deadline has passed.
#[derive(Debug)]
pub(super) struct Caller<T>(Arc<Mutex<Option<(Permit, Reply<T>)>>>);

type Reply<T> = oneshot::Sender<Result<T, RegistryError>>;

impl<T> Caller<T> {
    /// Waits with this admission, which ends with the answer.
    pub fn new(permit: Permit, reply: Reply<T>) -> Self {
        Self(Arc::new(Mutex::new(Some((permit, reply)))))
    }

    /// Answers the caller, unless it has been answered or has gone.
    fn respond(&self, result: Result<T, RegistryError>) {
        // No code that can panic runs under this lock.
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((permit, reply)) = waiting {
            // Released first, so that a caller that sees the answer can be admitted again.
            drop(permit);
            let _ = reply.send(result);
        }
    }
}

impl<T> Clone for Caller<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
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
            Err((_, waiter)) => waiter.caller.respond(Err(RegistryError::Unavailable)),
        }
    }
}

impl Handler<LookUp> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, LookUp { key, waiter }: LookUp, ctx: &mut Self::Context) {
        let (now, deadline) = (Instant::now(), waiter.deadline);
        match self.lookups.push(key, waiter, now, deadline) {
            Ok(()) => self.look_up_next(ctx),
            Err((_, waiter)) => waiter.caller.respond(Err(RegistryError::Unavailable)),
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
        let (store, callers) = (self.store.clone(), callers(&self.operations));
        let span = start_span(self.tracer.as_ref(), "registry.commit", &self.operations);
        let committed = in_batch(span, move || {
            let results = ledger::commit(&store, &batch);
            let error = results.iter().find_map(|result| result.as_ref().err());
            error.inspect(|error| tracing::warn!(%error, "operations failed"));
            let is_failed = error.is_some();
            for (caller, result) in callers.iter().zip(results) {
                caller.respond(result.map_err(RegistryError::from));
            }
            is_failed
        });
        ctx.spawn(committed.into_actor(self).map(move |_, registry, ctx| {
            for waiter in registry.operations.complete(batch_id).into_iter().flatten() {
                // Not answered by a batch that panicked.
                waiter.caller.respond(Err(RegistryError::OutcomeUnknown));
            }
            registry.commit_next(ctx);
        }));
    }

    /// Dispatches the next batch of lookups, unless one is in flight.
    fn look_up_next(&mut self, ctx: &mut Context<Self>) {
        let Some((batch_id, keys)) = self.lookups.dispatch(Instant::now()) else { return };
        let (store, callers) = (self.store.clone(), callers(&self.lookups));
        let span = start_span(self.tracer.as_ref(), "registry.look_up", &self.lookups);
        let resolved = in_batch(span, move || {
            let results = lookup::resolve(&store, &keys);
            let is_failed = results.iter().any(Option::is_none);
            for (caller, result) in callers.iter().zip(results) {
                caller.respond(result.ok_or(RegistryError::Unavailable));
            }
            is_failed
        });
        ctx.spawn(resolved.into_actor(self).map(move |_, registry, ctx| {
            for waiter in registry.lookups.complete(batch_id).into_iter().flatten() {
                waiter.caller.respond(Err(RegistryError::Unavailable));
            }
            registry.look_up_next(ctx);
        }));
    }

    /// Answers the callers whose deadline has passed, and stops the actor if a thread is
    /// stuck.
    fn check_timeouts(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for (waiter, timeout) in self.operations.take_expired(now) {
            waiter.caller.respond(Err(match timeout {
                TimeoutKind::NotDispatched => RegistryError::Unavailable,
                TimeoutKind::OutcomeUnknown => RegistryError::OutcomeUnknown,
            }));
        }
        for (waiter, _) in self.lookups.take_expired(now) {
            waiter.caller.respond(Err(RegistryError::Unavailable));
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

/// Handles to the callers of the batch that was just dispatched.
fn callers<T: QueueItem, R>(queue: &BatchQueue<T, Waiter<R>>) -> Vec<Caller<R>> {
    queue.in_flight().map(|waiter| waiter.caller.clone()).collect()
}

/// Starts the span of the batch that was just dispatched, with links to the spans of its requests.
fn start_span<T: QueueItem, R>(
    tracer: Option<&Tracer>,
    name: &'static str,
    queue: &BatchQueue<T, Waiter<R>>,
) -> Option<BatchSpan> {
    tracer?.start_batch(name, queue.in_flight().filter_map(|waiter| waiter.span.as_ref()))
}

/// Runs a batch, which answers its callers and returns whether one of the answers is an error. The span ends with it.
fn in_batch(span: Option<BatchSpan>, work: impl FnOnce() -> bool + Send + 'static) -> JoinHandle<()> {
    threads::spawn(move || {
        let Some(mut span) = span else {
            work();
            return;
        };
        let correlation = Correlation { request_id: None, span: Some(span.context()) };
        if telemetry::scope_blocking(correlation, work) {
            span.set_failed();
        }
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
