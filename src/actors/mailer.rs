//! The `RequestMailer`: sends the mails of the outbox.
//!
//! The row in the outbox is the truth. A notification only shortens the time until the mailer
//! looks for it; if one is lost, the next poll finds the row. A claimed mail has a lease, which is
//! renewed while its delivery takes time, so that no other replica sends the mail.
//!
//! Several mails are sent at a time, so that a slow recipient delays no other mail. One
//! [outbox sync](super::outbox_sync) runs at a time, and carries everything that has accumulated
//! during the one before it.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::task::AbortHandle;
use tokio::time::sleep;

pub use super::delivery::MailSender;

use super::LivenessGuard;
use super::delivery_report::DeliveryReport;
use super::delivery_stats::DeliveryStats;
use super::outbox_sync::{OutboxSync, SyncOutcome};
use crate::failpoints;
use crate::store::claimed_mails::ClaimedMail;
use crate::store::outbox::{DeliveryOutcome, LeasedItem};

/// Mails that are sent at a time, not counting slow ones.
const MAX_CONCURRENT: usize = 16;
/// A delivery that takes longer than this is slow.
const SLOW_AFTER: Duration = Duration::from_secs(5);
/// Mails that are sent at a time, including slow ones. Mail servers accept about 50 connections.
const MAX_IN_FLIGHT: usize = 48;
/// Claimed mails that wait to be sent.
const MAX_CLAIMED: usize = 256;
/// How much work a claim fetches in advance, at the recent rate of deliveries.
const CLAIM_HORIZON: Duration = Duration::from_millis(100);
/// The shortest time from one sync to the next, so that at a low rate a sync is not made for each mail.
const MIN_SYNC_INTERVAL: Duration = Duration::from_millis(10);
/// A mail that was claimed longer ago is released instead of sent, because its subject may have
/// ended.
const MAX_CLAIM_AGE: Duration = Duration::from_secs(1);
const OUTBOX_POLL_INTERVAL: Duration = Duration::from_secs(2);
const LEASE_RENEWAL_INTERVAL: Duration = Duration::from_secs(20);
/// How long a shutdown waits for deliveries in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after a failed outbox sync.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A handle to the mailer.
#[derive(Clone, Debug)]
pub struct Mailer {
    addr: Addr<RequestMailer>,
    stats: DeliveryStats,
}

impl Mailer {
    /// Starts the actor on this arbiter.
    pub fn start(sender: MailSender, liveness: LivenessGuard, arbiter: &ArbiterHandle) -> Self {
        let stats = sender.stats.clone();
        let addr = RequestMailer::start_in_arbiter(arbiter, |_| RequestMailer::new(sender, liveness));
        Self { addr, stats }
    }

    /// Whether the actor is running.
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// The counts of this process's delivery attempts.
    pub const fn stats(&self) -> &DeliveryStats {
        &self.stats
    }

    /// Stops sending, and waits up to five seconds for the deliveries in flight.
    pub async fn drain(&self) {
        let draining = async {
            while let Ok(false) = self.addr.send(Drain).await {
                sleep(RETRY_PAUSE).await;
            }
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, draining).await.is_err() {
            tracing::warn!("stopped while sending a mail; it may be sent twice");
        }
    }

    /// Notifies the mailer that the outbox has a mail that is due. A lost notification loses no mail.
    pub fn notify(&self) {
        // It fails only if the actor's mailbox is full of other notifications.
        let _ = self.addr.try_send(Notify);
    }
}

/// The actor behind [`Mailer`].
struct RequestMailer {
    sender: Arc<MailSender>,
    /// Mails to send, in the order of their due times.
    claimed: VecDeque<ClaimedMail>,
    /// The number of claimed mails after the last sync.
    claim_target: usize,
    in_flight: HashMap<LeasedItem, InFlightMail>,
    /// Reports to write with the next sync.
    reports: Vec<DeliveryReport>,
    /// Deliveries that ended since the last sync started.
    finished_since_sync: usize,
    last_sync_at: Instant,
    /// A sync is running, or the pause after a failed one.
    is_sync_pending: bool,
    is_pump_scheduled: bool,
    /// More mails may be due.
    outbox_has_more: bool,
    /// The server is shutting down.
    is_draining: bool,
    _liveness: LivenessGuard,
}

/// A mail that is being sent.
struct InFlightMail {
    started_at: Instant,
    renewed_at: Instant,
    abort_handle: AbortHandle,
}

/// The outbox may have a mail that is due.
#[derive(Message)]
#[rtype(result = "()")]
struct Notify;

/// Stop sending. The reply says whether everything is sent and recorded.
#[derive(Message)]
#[rtype(result = "bool")]
struct Drain;

impl Actor for RequestMailer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.poll_outbox(ctx);
        ctx.run_interval(OUTBOX_POLL_INTERVAL, Self::poll_outbox);
    }
}

impl Handler<Notify> for RequestMailer {
    type Result = ();

    fn handle(&mut self, _: Notify, ctx: &mut Self::Context) {
        failpoints::fail_point("mailer.panic");
        self.outbox_has_more = true;
        self.pump(ctx);
    }
}

impl Handler<Drain> for RequestMailer {
    type Result = bool;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> bool {
        self.is_draining = true;
        self.poll_outbox(ctx);
        self.in_flight.is_empty() && self.reports.is_empty() && !self.is_sync_pending
    }
}

impl RequestMailer {
    fn new(sender: MailSender, liveness: LivenessGuard) -> Self {
        Self {
            sender: Arc::new(sender),
            claimed: VecDeque::new(),
            claim_target: 0,
            in_flight: HashMap::new(),
            reports: Vec::new(),
            finished_since_sync: 0,
            last_sync_at: Instant::now(),
            is_sync_pending: false,
            is_pump_scheduled: false,
            outbox_has_more: true,
            is_draining: false,
            _liveness: liveness,
        }
    }

    /// Releases claimed mails that are too old, and looks for mails that are due.
    fn poll_outbox(&mut self, ctx: &mut Context<Self>) {
        let is_draining = self.is_draining;
        let is_stale = |claimed: &ClaimedMail| is_draining || claimed.claimed_at.elapsed() >= MAX_CLAIM_AGE;
        while let Some(claimed) = self.claimed.pop_front_if(|claimed| is_stale(claimed)) {
            self.reports.push(DeliveryReport::new(claimed.item, DeliveryOutcome::NotAttempted));
        }
        self.claim_target = self.claimed.len() * 2;
        self.outbox_has_more = true;
        self.pump(ctx);
    }

    /// Sends as many mails as there are free slots, and starts a sync if one is due.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        let mut free_slots = self.free_slots();
        while free_slots > 0
            && let Some(claimed) = self.claimed.pop_front()
        {
            if claimed.claimed_at.elapsed() < MAX_CLAIM_AGE {
                self.send(claimed, ctx);
                free_slots -= 1;
            } else {
                self.reports.push(DeliveryReport::new(claimed.item, DeliveryOutcome::NotAttempted));
                self.outbox_has_more = true;
            }
        }
        // A sync is cheaper per mail the more it carries, so the next one starts when half of the
        // mails of the last one have been sent, or the horizon has passed.
        let is_half_used = self.claimed.len() * 2 <= self.claim_target;
        if !self.is_sync_pending && (is_half_used || self.last_sync_at.elapsed() >= CLAIM_HORIZON) {
            match MIN_SYNC_INTERVAL.checked_sub(self.last_sync_at.elapsed()) {
                Some(pause) => self.pump_later(pause, ctx),
                None => self.sync_outbox(free_slots, ctx),
            }
        }
    }

    fn pump_later(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        if !mem::replace(&mut self.is_pump_scheduled, true) {
            ctx.run_later(pause, |mailer, ctx| {
                mailer.is_pump_scheduled = false;
                mailer.pump(ctx);
            });
        }
    }

    /// How many more mails may be sent now.
    fn free_slots(&self) -> usize {
        let not_slow = self.in_flight.values().filter(|mail| mail.started_at.elapsed() < SLOW_AFTER).count();
        MAX_CONCURRENT.saturating_sub(not_slow).min(MAX_IN_FLIGHT.saturating_sub(self.in_flight.len()))
    }

    fn send(&mut self, claimed: ClaimedMail, ctx: &mut Context<Self>) {
        let (item, now) = (claimed.item, Instant::now());
        let sender = Arc::clone(&self.sender);
        // A task of its own, so that a panic does not stop the actor.
        let task = actix::spawn(async move { sender.deliver(claimed).await });
        self.in_flight.insert(
            item,
            InFlightMail { started_at: now, renewed_at: now, abort_handle: task.abort_handle() },
        );
        ctx.spawn(task.into_actor(self).map(move |ended, mailer, ctx| {
            mailer.in_flight.remove(&item);
            mailer.finished_since_sync += 1;
            match ended {
                Ok(report) => mailer.reports.push(report),
                Err(error) if error.is_cancelled() => {
                    tracing::warn!(mail = %item.id, "mail lease lost; the mail may be sent twice");
                }
                Err(_) => {
                    tracing::error!(mail = %item.id, "panic while sending a mail; will retry later")
                }
            }
            mailer.pump(ctx);
        }));
    }

    /// Starts a sync if there is anything to claim, renew or report.
    fn sync_outbox(&mut self, free_slots: usize, ctx: &mut Context<Self>) {
        let claim_limit = if self.outbox_has_more && !self.is_draining {
            (free_slots + self.demand()).saturating_sub(self.claimed.len())
        } else {
            0
        };
        let needs_renewal = |mail: &InFlightMail| mail.renewed_at.elapsed() >= LEASE_RENEWAL_INTERVAL;
        let in_flight = self.in_flight.iter();
        let renewals: Vec<LeasedItem> =
            in_flight.filter(|(_, mail)| needs_renewal(mail)).map(|(item, _)| *item).collect();
        if claim_limit == 0 && renewals.is_empty() && self.reports.is_empty() {
            return;
        }
        let sync =
            OutboxSync { reports: mem::take(&mut self.reports), renewals: renewals.clone(), claim_limit };
        (self.is_sync_pending, self.finished_since_sync, self.last_sync_at) = (true, 0, Instant::now());
        self.outbox_has_more &= claim_limit == 0;
        let sender = Arc::clone(&self.sender);
        let run = async move { sync.run(&sender.store).await };
        ctx.spawn(run.into_actor(self).map(|outcome, mailer, ctx| mailer.on_synced(outcome, renewals, ctx)));
    }

    /// How many mails will be sent within [`CLAIM_HORIZON`] at the rate since the last sync.
    fn demand(&self) -> usize {
        // A lower bound on the elapsed time: a few deliveries that end together do not extrapolate
        // to thousands.
        let elapsed = self.last_sync_at.elapsed().max(CLAIM_HORIZON / 5);
        let demand = self.finished_since_sync as f64 * CLAIM_HORIZON.as_secs_f64() / elapsed.as_secs_f64();
        (demand as usize).min(MAX_CLAIMED)
    }

    fn on_synced(&mut self, outcome: SyncOutcome, renewals: Vec<LeasedItem>, ctx: &mut Context<Self>) {
        self.reports.extend(outcome.unwritten);
        if !outcome.ok {
            self.outbox_has_more = true;
            ctx.run_later(RETRY_PAUSE, |mailer, ctx| {
                mailer.is_sync_pending = false;
                mailer.pump(ctx);
            });
            return;
        }
        self.is_sync_pending = false;
        for item in renewals {
            if let Some(mail) = self.in_flight.get_mut(&item) {
                mail.renewed_at = self.last_sync_at;
                if outcome.lost_leases.contains(&item) {
                    // Another replica has claimed the mail.
                    mail.abort_handle.abort();
                }
            }
        }
        self.claimed.extend(outcome.mails);
        self.outbox_has_more |= outcome.has_more;
        if self.is_draining {
            return self.poll_outbox(ctx);
        }
        self.claim_target = self.claimed.len().saturating_sub(self.free_slots());
        self.pump(ctx);
    }
}
