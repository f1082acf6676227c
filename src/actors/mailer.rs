//! The RequestMailer: sends what the outbox owes.
//!
//! The row in the outbox is the truth, a message to this actor only a hint that
//! there is one, and a sweep finds what a lost hint left behind. A mail is
//! claimed with a lease, renewed while the mail server takes its time, so that
//! no replica sends what another one is sending.
//!
//! Several are sent at a time, so that one slow recipient holds up nobody, and
//! what passes between the outbox and here does so in [rounds](super::round):
//! one at a time, and each takes along what has come up during the one before.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::task::AbortHandle;
use tokio::time::sleep;

pub use super::delivery::Postage;

use super::Pulse;
use super::marks::{Fate, Mark, Tenure};
use super::round::{Letter, Returned, Round};
use crate::faults;

/// Mails that are sent at a time, not counting the slow ones.
const AT_ONCE: usize = 16;
/// From when on a mail counts as slow: another one is sent beside it.
const SLOW: Duration = Duration::from_secs(5);
/// Mails that are under way at the most: mail servers take some 50 connections.
const MOST: usize = 48;
/// Letters that are at hand at the most, to be sent as soon as another one is.
const MOST_AT_HAND: usize = 256;
/// How long the letters at hand should last.
const SUPPLY: Duration = Duration::from_millis(100);
/// A letter that was at hand for so long is not sent: its request may have died.
const FRESH: Duration = Duration::from_secs(1);
/// How often to look for mails that no hint told of.
const SWEEP: Duration = Duration::from_secs(2);
/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(20);
/// How long a server that ends waits for mails that are on their way.
const REST: Duration = Duration::from_secs(5);
/// How long to wait after a round that could not be made.
const PAUSE: Duration = Duration::from_millis(200);

/// The mailer, for those who owe a mail.
#[derive(Clone, Debug)]
pub struct Mailer {
    addr: Addr<RequestMailer>,
}

impl Mailer {
    /// Starts the actor on this arbiter.
    pub fn start(postage: Postage, pulse: Pulse, arbiter: &ArbiterHandle) -> Self {
        let addr = RequestMailer::start_in_arbiter(arbiter, |_| RequestMailer::new(postage, pulse));
        Self { addr }
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// Sends nothing more, and waits for what is on its way, within reason.
    pub async fn rest(&self) {
        let resting = async {
            while let Ok(false) = self.addr.send(Rest).await {
                sleep(PAUSE).await
            }
        };
        if tokio::time::timeout(REST, resting).await.is_err() {
            tracing::warn!("stopped while sending a mail; it may be sent twice");
        }
    }

    /// Says that the outbox has something due. Losing this loses no mail.
    pub fn hint(&self) {
        // Its only failure is a full mailbox, whose messages are all hints.
        let _ = self.addr.try_send(Hint);
    }
}

/// The actor.
struct RequestMailer {
    postage: Arc<Postage>,
    /// To be sent, the longest due first.
    at_hand: VecDeque<Letter>,
    /// How many letters were at hand after the last round.
    supply: usize,
    under_way: HashMap<Tenure, UnderWay>,
    /// To be written down.
    marks: Vec<Mark>,
    /// Mails that came to an end since the last round left.
    ended: usize,
    departed: Instant,
    /// A round is under way, or one could not be made.
    waiting: bool,
    /// The outbox may have more that is due.
    more: bool,
    /// The server is about to end.
    resting: bool,
    _pulse: Pulse,
}

/// A mail on its way.
struct UnderWay {
    since: Instant,
    renewed: Instant,
    task: AbortHandle,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hint;

/// Send nothing more; whether nothing is on its way.
#[derive(Message)]
#[rtype(result = "bool")]
struct Rest;

impl Actor for RequestMailer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.sweep(ctx);
        ctx.run_interval(SWEEP, Self::sweep);
    }
}

impl Handler<Hint> for RequestMailer {
    type Result = ();

    fn handle(&mut self, _: Hint, ctx: &mut Self::Context) {
        faults::planted("mailer.panic");
        self.more = true;
        self.go_on(ctx);
    }
}

impl Handler<Rest> for RequestMailer {
    type Result = bool;

    fn handle(&mut self, _: Rest, ctx: &mut Self::Context) -> bool {
        self.resting = true;
        self.sweep(ctx);
        self.under_way.is_empty() && self.marks.is_empty() && !self.waiting
    }
}

impl RequestMailer {
    fn new(postage: Postage, pulse: Pulse) -> Self {
        Self {
            postage: Arc::new(postage),
            at_hand: VecDeque::new(),
            supply: 0,
            under_way: HashMap::new(),
            marks: Vec::new(),
            ended: 0,
            departed: Instant::now(),
            waiting: false,
            more: true,
            resting: false,
            _pulse: pulse,
        }
    }

    /// Looks after what has been lying about, and for what no hint told of.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let resting = self.resting;
        let stale = |letter: &Letter| resting || letter.seen.elapsed() >= FRESH;
        while let Some(letter) = self.at_hand.pop_front_if(|letter| stale(letter)) {
            self.marks.push(Mark::new(letter.tenure, Fate::Unsent));
        }
        self.supply = self.at_hand.len() * 2;
        self.more = true;
        self.go_on(ctx);
    }

    /// Sends as many letters as may be under way, and makes a round if it is time.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        let mut free = self.free();
        while free > 0
            && let Some(letter) = self.at_hand.pop_front()
        {
            if letter.seen.elapsed() < FRESH {
                self.send(letter, ctx);
                free -= 1;
            } else {
                self.marks.push(Mark::new(letter.tenure, Fate::Unsent));
                self.more = true;
            }
        }
        // Rounds are the cheaper the more they carry: the next one leaves when
        // half of what the last one fetched has gone, or should have.
        let half_gone = self.at_hand.len() * 2 <= self.supply;
        if !self.waiting && (half_gone || self.departed.elapsed() >= SUPPLY) {
            self.visit(free, ctx);
        }
    }

    /// How many letters may be sent beside those under way.
    fn free(&self) -> usize {
        let brisk = self.under_way.values().filter(|mail| mail.since.elapsed() < SLOW).count();
        AT_ONCE.saturating_sub(brisk).min(MOST.saturating_sub(self.under_way.len()))
    }

    fn send(&mut self, letter: Letter, ctx: &mut Context<Self>) {
        let (tenure, now) = (letter.tenure, Instant::now());
        let postage = Arc::clone(&self.postage);
        // A task of its own: should it panic, this actor lives.
        let task = actix::spawn(async move { postage.deliver(letter).await });
        self.under_way.insert(tenure, UnderWay { since: now, renewed: now, task: task.abort_handle() });
        ctx.spawn(task.into_actor(self).map(move |ended, mailer, ctx| {
            mailer.under_way.remove(&tenure);
            mailer.ended += 1;
            match ended {
                Ok(mark) => mailer.marks.push(mark),
                Err(error) if error.is_cancelled() => {
                    tracing::warn!(mail = %tenure.mail, "mail lease lost; the mail may be sent twice");
                }
                Err(_) => {
                    tracing::error!(mail = %tenure.mail, "panic while sending a mail; will retry later")
                }
            }
            mailer.go_on(ctx);
        }));
    }

    /// Makes a round, if there is anything to be done: so many more could be sent
    /// at once.
    fn visit(&mut self, free: usize, ctx: &mut Context<Self>) {
        let wanted = if self.more && !self.resting {
            (free + self.lasting()).saturating_sub(self.at_hand.len())
        } else {
            0
        };
        let stale = |mail: &UnderWay| mail.renewed.elapsed() >= RENEWAL;
        let renewals: Vec<Tenure> =
            self.under_way.iter().filter(|(_, mail)| stale(mail)).map(|(tenure, _)| *tenure).collect();
        if wanted == 0 && renewals.is_empty() && self.marks.is_empty() {
            return;
        }
        let round = Round { marks: mem::take(&mut self.marks), renewals: renewals.clone(), wanted };
        (self.waiting, self.ended, self.departed) = (true, 0, Instant::now());
        self.more &= wanted == 0;
        let postage = Arc::clone(&self.postage);
        let walk = async move { round.walk(&postage.directory).await };
        ctx.spawn(walk.into_actor(self).map(|returned, mailer, ctx| mailer.land(returned, renewals, ctx)));
    }

    /// How many letters last for [`SUPPLY`], as mails have lately come to their end.
    fn lasting(&self) -> usize {
        // At the least a fifth, lest a few that end together make it thousands.
        let elapsed = self.departed.elapsed().max(SUPPLY / 5);
        let lasting = self.ended as f64 * SUPPLY.as_secs_f64() / elapsed.as_secs_f64();
        (lasting as usize).min(MOST_AT_HAND)
    }

    fn land(&mut self, returned: Returned, renewals: Vec<Tenure>, ctx: &mut Context<Self>) {
        self.marks.extend(returned.unwritten);
        if !returned.made {
            self.more = true;
            ctx.run_later(PAUSE, |mailer, ctx| {
                mailer.waiting = false;
                mailer.go_on(ctx);
            });
            return;
        }
        self.waiting = false;
        for tenure in renewals {
            if let Some(mail) = self.under_way.get_mut(&tenure) {
                mail.renewed = self.departed;
                if returned.lost.contains(&tenure) {
                    // Another replica has it: it is not ours to send any more.
                    mail.task.abort();
                }
            }
        }
        self.at_hand.extend(returned.letters);
        self.more |= returned.more;
        if self.resting {
            return self.sweep(ctx);
        }
        self.supply = self.at_hand.len().saturating_sub(self.free());
        self.go_on(ctx);
    }
}
