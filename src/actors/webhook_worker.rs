//! Sends events to webhooks.
//!
//! The rows in `webhook_deliveries` are the truth, as those of the outbox are for mails. An attempt takes at most 15
//! seconds, so that its lease needs no renewal. Webhooks that are slow or fail have slots of their own, so that they
//! delay no other.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::LivenessGuard;
use super::delivery_stats::AttemptCounts;
use super::webhook_body::id_and_body;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::domain::webhook::{AttemptOutcome, FailureReason};
use crate::entropy;
use crate::store::webhook_deliveries::{self, AttemptReport, ClaimedDelivery, Slots};
use crate::store::{AsyncStore, Conn, QueryResult, StoreError};
use crate::telemetry::{self, Correlation, DeliverySpan, Tracer};
use crate::webhook::{Delivery, Report, WebhookSender};

/// Attempts at a time, not counting slow ones.
const MAX_CONCURRENT: usize = 16;
/// An attempt that takes longer than this is slow.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// Attempts at a time, including slow ones.
const MAX_IN_FLIGHT: usize = 128;
/// How many of these can be to webhooks whose last attempt failed.
const MAX_FAILING: usize = 64;
/// A delivery that was claimed longer ago is not sent: its lease could end during the attempt.
const MAX_CLAIM_AGE: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The pause after the database has failed.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How long a shutdown waits for attempts in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The outcomes in `/metrics`.
const OUTCOMES: [&str; 3] = ["delivered", "failed", "gone"];

/// What an attempt needs.
pub struct WebhookParts {
    pub store: AsyncStore,
    /// Opens the secrets of the webhooks.
    pub keyring: Arc<Keyring>,
    pub sender: WebhookSender,
    /// `None` if traces are off.
    pub tracer: Option<Tracer>,
    /// The path of the API, with the base path: `/api/`.
    pub api_path: String,
}

/// A handle to the worker.
#[derive(Clone, Debug)]
pub struct Webhooks {
    wake: Arc<Notify>,
    is_draining: Arc<AtomicBool>,
    drained: Arc<Notify>,
    attempts: AttemptCounts,
    in_flight: Gauge,
}

impl Default for Webhooks {
    /// Each outcome starts at 0, so that `/metrics` has all of them.
    fn default() -> Self {
        let attempts = AttemptCounts::default();
        for outcome in OUTCOMES {
            drop(attempts.get_or_create(&[("outcome", outcome)]));
        }
        Self {
            wake: Arc::default(),
            is_draining: Arc::default(),
            drained: Arc::default(),
            attempts,
            in_flight: Gauge::default(),
        }
    }
}

impl Webhooks {
    /// Wakes the worker, as [`Self::notify`] does. A lost notification costs a second.
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Wakes the worker: a delivery is due.
    pub fn notify(&self) {
        self.wake.notify_one();
    }

    /// The counts of this process's attempts, by outcome.
    pub fn attempts(&self) -> AttemptCounts {
        self.attempts.clone()
    }

    /// The number of attempts that are running.
    pub fn in_flight(&self) -> Gauge {
        self.in_flight.clone()
    }

    /// Stops claiming, and waits up to five seconds for the attempts in flight. Those that take longer are repeated.
    pub async fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        if timeout(DRAIN_TIMEOUT, self.drained.notified()).await.is_err() {
            tracing::warn!("stopped while sending to a webhook; the event may be sent twice");
        }
    }

    /// Runs until [`Self::drain`].
    pub async fn run(self, parts: WebhookParts, _liveness: LivenessGuard) {
        let mut worker = Worker {
            parts: Arc::new(parts),
            attempts: JoinSet::new(),
            in_flight: HashMap::new(),
            reports: Vec::new(),
            lost_leases: Vec::new(),
        };
        loop {
            let is_draining = self.is_draining.load(Ordering::Relaxed);
            if is_draining && worker.attempts.is_empty() && !worker.has_writes() {
                break;
            }
            let slots = if is_draining { Slots::default() } else { worker.free_slots() };
            if !worker.sync(slots).await {
                sleep(RETRY_PAUSE).await;
            }
            self.in_flight.set(i64::try_from(worker.in_flight.len()).unwrap_or(i64::MAX));
            worker.wait(&self).await;
        }
        self.drained.notify_one();
    }

    fn count(&self, outcome: AttemptOutcome) {
        if outcome != AttemptOutcome::NotAttempted {
            self.attempts.get_or_create(&[("outcome", outcome.name())]).inc();
        }
    }
}

/// An attempt in flight.
struct InFlight {
    started_at: Instant,
    failing: bool,
}

struct Worker {
    parts: Arc<WebhookParts>,
    attempts: JoinSet<AttemptReport>,
    in_flight: HashMap<Id, InFlight>,
    /// Reports to write with the next sync.
    reports: Vec<AttemptReport>,
    /// Leases of claims that may have been committed, but whose deliveries are not known.
    lost_leases: Vec<Uuid>,
}

impl Worker {
    const fn has_writes(&self) -> bool {
        !self.reports.is_empty() || !self.lost_leases.is_empty()
    }

    fn free_slots(&self) -> Slots {
        let in_flight = || self.in_flight.values();
        let fast = in_flight().filter(|attempt| attempt.started_at.elapsed() < SLOW_AFTER).count();
        let failing = in_flight().filter(|attempt| attempt.failing).count();
        let free = MAX_IN_FLIGHT.saturating_sub(self.in_flight.len());
        Slots {
            total: MAX_CONCURRENT.saturating_sub(fast).min(free),
            failing: MAX_FAILING.saturating_sub(failing),
        }
    }

    /// Writes the reports, gives back lost claims, claims deliveries and starts their attempts, in one transaction.
    /// Returns whether it was committed.
    async fn sync(&mut self, slots: Slots) -> bool {
        if slots.total == 0 && !self.has_writes() {
            return true;
        }
        let reports = Arc::new(mem::take(&mut self.reports));
        let (claimed_at, shared) = (Instant::now(), Arc::clone(&reports));
        let (lease, lost_leases) = (entropy::uuid(), self.lost_leases.clone());
        let transact = move |conn: &mut Conn| -> QueryResult<(Timestamp, Vec<ClaimedDelivery>)> {
            let now = conn.now()?;
            webhook_deliveries::record(conn, &shared, now)?;
            if !lost_leases.is_empty() {
                webhook_deliveries::release(conn, &lost_leases, now)?;
            }
            Ok((now, webhook_deliveries::claim(conn, slots, lease, now)?))
        };
        let store = &self.parts.store;
        let result = if reports.is_empty() {
            store.write_in_background(transact).await
        } else {
            store.write(transact).await
        };
        match result {
            Ok((now, claimed)) => {
                self.lost_leases.clear();
                for delivery in claimed {
                    self.start(delivery, claimed_at, now);
                }
                return true;
            }
            // If it was committed, the reports find their leases ended and change nothing.
            Err(StoreError::OutcomeUnknown) => {
                self.reports.extend_from_slice(&reports);
                self.lost_leases.push(lease);
            }
            Err(StoreError::Unavailable(error) | StoreError::Unsuitable(error)) => {
                tracing::warn!(error, "webhook sync failed: database unavailable");
                self.reports.extend_from_slice(&reports);
            }
            Err(StoreError::QueryFailed(error)) => {
                tracing::warn!(%error, "webhook sync failed: database error");
                self.write_single(&reports).await;
            }
        }
        false
    }

    /// Writes each report in a transaction of its own, so that a bad one does not affect the others. A report that the
    /// database rejects is dropped: the attempt is repeated when the lease ends.
    async fn write_single(&mut self, reports: &[AttemptReport]) {
        for report in reports {
            let single = report.clone();
            let written = self.parts.store.write(move |conn| {
                let now = conn.now()?;
                webhook_deliveries::record(conn, std::slice::from_ref(&single), now)
            });
            match written.await {
                Ok(()) => {}
                Err(StoreError::QueryFailed(error)) => {
                    tracing::error!(delivery = %report.leased.id.0, %error, "webhook delivery result not saved");
                }
                Err(_) => self.reports.push(report.clone()),
            }
        }
    }

    fn start(&mut self, delivery: ClaimedDelivery, claimed_at: Instant, now: Timestamp) {
        let webhook = &delivery.webhook.webhook;
        let failing = webhook.failures > 0;
        let parts = Arc::clone(&self.parts);
        // A task of its own, so that a panic does not stop the worker.
        let task = self.attempts.spawn(async move { parts.attempt(delivery, claimed_at, now).await });
        self.in_flight.insert(task.id(), InFlight { started_at: Instant::now(), failing });
    }

    /// Waits until an attempt has ended, the worker is woken, or it is time to poll.
    async fn wait(&mut self, handle: &Webhooks) {
        let mut ended = tokio::select! {
            Some(ended) = self.attempts.join_next_with_id() => Some(ended),
            () = handle.wake.notified() => None,
            () = sleep(POLL_INTERVAL) => None,
        };
        while let Some(attempt) = ended {
            self.on_ended(attempt, handle);
            ended = self.attempts.try_join_next_with_id();
        }
    }

    fn on_ended(&mut self, ended: Result<(Id, AttemptReport), JoinError>, handle: &Webhooks) {
        match ended {
            Ok((id, report)) => {
                self.in_flight.remove(&id);
                handle.count(report.outcome);
                self.reports.push(report);
            }
            Err(error) => {
                self.in_flight.remove(&error.id());
                tracing::error!("panic while sending to a webhook; will retry later");
            }
        }
    }
}

impl WebhookParts {
    /// Makes the attempt, in a span of its own.
    async fn attempt(&self, claimed: ClaimedDelivery, claimed_at: Instant, now: Timestamp) -> AttemptReport {
        let (leased, webhook, attempts) = (claimed.leased, claimed.webhook.webhook.id, claimed.attempts);
        if claimed_at.elapsed() >= MAX_CLAIM_AGE {
            let (outcome, duration) = (AttemptOutcome::NotAttempted, Duration::ZERO);
            return AttemptReport { leased, webhook, attempts, outcome, duration };
        }
        let span = self.tracer.as_ref().map(Tracer::start_delivery);
        let traceparent = span.as_ref().map(DeliverySpan::traceparent);
        let Report { outcome, duration } = self.send(&claimed, traceparent.as_deref(), now).await;
        let correlation = Correlation { request_id: None, span: span.as_ref().map(DeliverySpan::context) };
        telemetry::scope_blocking(correlation, || {
            let (delivery, duration_ms, outcome) = (leased.id.0, duration.as_millis(), outcome.name());
            tracing::info!(%webhook, %delivery, attempts, outcome, duration_ms, "webhook delivery");
        });
        if let Some(span) = span {
            span.end(outcome);
        }
        AttemptReport { leased, webhook, attempts, outcome, duration }
    }

    async fn send(&self, claimed: &ClaimedDelivery, traceparent: Option<&str>, now: Timestamp) -> Report {
        let failed = |reason| Report { outcome: AttemptOutcome::failed(reason), duration: Duration::ZERO };
        let active = &claimed.webhook;
        let secrets = active.secrets.open(&self.keyring, now);
        if secrets.is_empty() {
            return failed(FailureReason::Secret);
        }
        let (id, body) = id_and_body(&claimed.event, active.webhook.id, &self.api_path);
        let Ok(body) = body else { return failed(FailureReason::Body) };
        let delivery = Delivery { url: &active.webhook.url, secrets: &secrets, id, body: &body, traceparent };
        self.sender.send(&delivery, now).await
    }
}
