//! The RequestMailer: sends what the outbox owes.
//!
//! The row in the outbox is the truth, a message to this actor only a hint that
//! there is one, and a sweep finds what a lost hint left behind. A mail is
//! claimed with a lease, renewed while the mail server takes its time, so that
//! no replica sends what another one is sending.
//!
//! Several are sent at a time, so that one slow recipient holds up nobody, and
//! what passes between the outbox and here does so in [outbox syncs](super::outbox_sync):
//! one at a time, and each takes along what has come up during the one before.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::task::AbortHandle;
use tokio::time::sleep;

pub use super::delivery::MailSender;

use super::LivenessGuard;
use super::delivery_report::{DeliveryOutcome, DeliveryReport, LeasedMail};
use super::outbox_sync::{ClaimedMail, OutboxSync, SyncOutcome};
use crate::failpoints;

/// Mails that are sent at a time, not counting the slow ones.
const MAX_CONCURRENT: usize = 16;
/// From when on a mail counts as slow: another one is sent beside it.
const SLOW_AFTER: Duration = Duration::from_secs(5);
/// Mails that are under way at the most: mail servers take some 50 connections.
const MAX_IN_FLIGHT: usize = 48;
/// Letters that are at hand at the most, to be sent as soon as another one is.
const MAX_CLAIMED: usize = 256;
/// How long the letters at hand should last.
const CLAIM_HORIZON: Duration = Duration::from_millis(100);
/// A letter that was at hand for so long is not sent: its request may have died.
const MAX_CLAIM_AGE: Duration = Duration::from_secs(1);
/// How often to look for mails that no hint told of.
const OUTBOX_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How often a lease is renewed.
const LEASE_RENEWAL_INTERVAL: Duration = Duration::from_secs(20);
/// How long a server that ends waits for mails that are on their way.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait after a round that could not be made.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The mailer, for those who owe a mail.
#[derive(Clone, Debug)]
pub struct Mailer {
    addr: Addr<RequestMailer>,
}

impl Mailer {
    /// Starts the actor on this arbiter.
    pub fn start(sender: MailSender, liveness: LivenessGuard, arbiter: &ArbiterHandle) -> Self {
        let addr = RequestMailer::start_in_arbiter(arbiter, |_| RequestMailer::new(sender, liveness));
        Self { addr }
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// Sends nothing more, and waits for what is on its way, within reason.
    pub async fn drain(&self) {
        let draining = async {
            while let Ok(false) = self.addr.send(Drain).await {
                sleep(RETRY_PAUSE).await
            }
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, draining).await.is_err() {
            tracing::warn!("stopped while sending a mail; it may be sent twice");
        }
    }

    /// Says that the outbox has something due. Losing this loses no mail.
    pub fn notify(&self) {
        // Its only failure is a full mailbox, whose messages are all hints.
        let _ = self.addr.try_send(Notify);
    }
}

/// The actor.
struct RequestMailer {
    sender: Arc<MailSender>,
    /// To be sent, the longest due first.
    claimed: VecDeque<ClaimedMail>,
    /// How many letters were at hand after the last round.
    claim_target: usize,
    in_flight: HashMap<LeasedMail, InFlightMail>,
    /// To be written down.
    reports: Vec<DeliveryReport>,
    /// Mails that came to an end since the last round left.
    finished_since_sync: usize,
    last_sync_at: Instant,
    /// A round is under way, or one could not be made.
    is_sync_pending: bool,
    /// The outbox may have more that is due.
    outbox_has_more: bool,
    /// The server is about to end.
    is_draining: bool,
    _liveness: LivenessGuard,
}

/// A mail on its way.
struct InFlightMail {
    started_at: Instant,
    renewed_at: Instant,
    abort_handle: AbortHandle,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Notify;

/// Send nothing more; whether nothing is on its way.
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
            outbox_has_more: true,
            is_draining: false,
            _liveness: liveness,
        }
    }

    /// Looks after what has been lying about, and for what no hint told of.
    fn poll_outbox(&mut self, ctx: &mut Context<Self>) {
        let is_draining = self.is_draining;
        let stale = |claimed: &ClaimedMail| is_draining || claimed.claimed_at.elapsed() >= MAX_CLAIM_AGE;
        while let Some(claimed) = self.claimed.pop_front_if(|claimed| stale(claimed)) {
            self.reports.push(DeliveryReport::new(claimed.leased_mail, DeliveryOutcome::NotAttempted));
        }
        self.claim_target = self.claimed.len() * 2;
        self.outbox_has_more = true;
        self.pump(ctx);
    }

    /// Sends as many letters as may be under way, and makes a round if it is time.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        let mut free_slots = self.free_slots();
        while free_slots > 0
            && let Some(claimed) = self.claimed.pop_front()
        {
            if claimed.claimed_at.elapsed() < MAX_CLAIM_AGE {
                self.send(claimed, ctx);
                free_slots -= 1;
            } else {
                self.reports.push(DeliveryReport::new(claimed.leased_mail, DeliveryOutcome::NotAttempted));
                self.outbox_has_more = true;
            }
        }
        // Rounds are the cheaper the more they carry: the next one leaves when
        // half of what the last one fetched has gone, or should have.
        let is_half_used = self.claimed.len() * 2 <= self.claim_target;
        if !self.is_sync_pending && (is_half_used || self.last_sync_at.elapsed() >= CLAIM_HORIZON) {
            self.sync_outbox(free_slots, ctx);
        }
    }

    /// How many letters may be sent beside those under way.
    fn free_slots(&self) -> usize {
        let not_slow = self.in_flight.values().filter(|mail| mail.started_at.elapsed() < SLOW_AFTER).count();
        MAX_CONCURRENT.saturating_sub(not_slow).min(MAX_IN_FLIGHT.saturating_sub(self.in_flight.len()))
    }

    fn send(&mut self, claimed: ClaimedMail, ctx: &mut Context<Self>) {
        let (leased_mail, now) = (claimed.leased_mail, Instant::now());
        let sender = Arc::clone(&self.sender);
        // A task of its own: should it panic, this actor lives.
        let task = actix::spawn(async move { sender.deliver(claimed).await });
        self.in_flight.insert(
            leased_mail,
            InFlightMail { started_at: now, renewed_at: now, abort_handle: task.abort_handle() },
        );
        ctx.spawn(task.into_actor(self).map(move |ended, mailer, ctx| {
            mailer.in_flight.remove(&leased_mail);
            mailer.finished_since_sync += 1;
            match ended {
                Ok(report) => mailer.reports.push(report),
                Err(error) if error.is_cancelled() => {
                    tracing::warn!(mail = %leased_mail.mail, "mail lease lost; the mail may be sent twice");
                }
                Err(_) => {
                    tracing::error!(mail = %leased_mail.mail, "panic while sending a mail; will retry later")
                }
            }
            mailer.pump(ctx);
        }));
    }

    /// Makes a round, if there is anything to be done: so many more could be sent
    /// at once.
    fn sync_outbox(&mut self, free_slots: usize, ctx: &mut Context<Self>) {
        let claim_limit = if self.outbox_has_more && !self.is_draining {
            (free_slots + self.demand()).saturating_sub(self.claimed.len())
        } else {
            0
        };
        let needs_renewal = |mail: &InFlightMail| mail.renewed_at.elapsed() >= LEASE_RENEWAL_INTERVAL;
        let renewals: Vec<LeasedMail> = self
            .in_flight
            .iter()
            .filter(|(_, mail)| needs_renewal(mail))
            .map(|(leased_mail, _)| *leased_mail)
            .collect();
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

    /// How many letters last for [`SUPPLY`], as mails have lately come to their end.
    fn demand(&self) -> usize {
        // At the least a fifth, lest a few that end together make it thousands.
        let elapsed = self.last_sync_at.elapsed().max(CLAIM_HORIZON / 5);
        let demand = self.finished_since_sync as f64 * CLAIM_HORIZON.as_secs_f64() / elapsed.as_secs_f64();
        (demand as usize).min(MAX_CLAIMED)
    }

    fn on_synced(&mut self, outcome: SyncOutcome, renewals: Vec<LeasedMail>, ctx: &mut Context<Self>) {
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
        for leased_mail in renewals {
            if let Some(mail) = self.in_flight.get_mut(&leased_mail) {
                mail.renewed_at = self.last_sync_at;
                if outcome.lost_leases.contains(&leased_mail) {
                    // Another replica has it: it is not ours to send any more.
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
