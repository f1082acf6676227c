//! The RequestMailer: sends what the outbox owes.
//!
//! The row in the outbox is the truth, a message to this actor only a hint that
//! there is one, and a sweep finds what a lost hint left behind. A mail is
//! claimed with a lease, renewed while the mail server takes its time, so that
//! no replica sends what another one is sending; several are sent at a time, so
//! that one slow recipient holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::sleep;
use uuid::Uuid;

use super::Pulse;
use crate::domain::clock::Timestamp;
use crate::domain::token::Keyring;
use crate::entropy;
use crate::mail::message::PermissionMail;
use crate::mail::template::Templates;
use crate::mail::transport::{SendError, Transport};
use crate::mail::{Mailbox, Message};
use crate::store::cast::{Cast, Scene};
use crate::store::outbox::{self, Claimed, MailResult};
use crate::store::{Conn, Directory, StoreError, requests};

/// Mails that are sent at a time.
const AT_ONCE: usize = 16;
/// How often to look for mails that no hint told of.
const SWEEP: Duration = Duration::from_secs(2);
/// Seconds that a lease lasts.
const LEASE_SECONDS: i64 = 60;
/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(20);
/// Seconds until the second try; each further one waits twice as long.
const FIRST_DELAY: i64 = 5;
/// The most seconds between two tries.
const LONGEST_DELAY: i64 = 3_600;
/// How long a server that ends waits for mails that are on their way.
const REST: Duration = Duration::from_secs(5);
/// How often, and with what pause, to try to write down what became of a mail.
const MARKS: u32 = 5;
const MARK_PAUSE: Duration = Duration::from_millis(200);

/// What it takes to write and send a mail.
#[derive(Clone)]
pub struct Postage {
    /// The outbox, and who is who.
    pub directory: Directory,
    /// Makes the link's token.
    pub keyring: Arc<Keyring>,
    /// The words.
    pub templates: Arc<Templates>,
    /// The way out.
    pub transport: Transport,
    /// Whom mail is from.
    pub from: Mailbox,
    /// What people call this server, without a slash at the end.
    pub public_url: String,
}

/// The mailer, for those who owe a mail.
#[derive(Clone, Debug)]
pub struct Mailer {
    addr: Addr<RequestMailer>,
}

impl Mailer {
    /// Starts the actor on this arbiter.
    pub fn start(postage: Postage, pulse: Pulse, arbiter: &ArbiterHandle) -> Self {
        let addr = RequestMailer::start_in_arbiter(arbiter, |_| RequestMailer {
            postage,
            sending: 0,
            claiming: false,
            hinted: false,
            resting: false,
            _pulse: pulse,
        });
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
                sleep(MARK_PAUSE).await
            }
        };
        if tokio::time::timeout(REST, resting).await.is_err() {
            tracing::warn!("a mail was still on its way; it may be sent twice");
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
    postage: Postage,
    sending: usize,
    claiming: bool,
    /// A hint came while mails were being claimed, which may have missed it.
    hinted: bool,
    /// The server is about to end.
    resting: bool,
    _pulse: Pulse,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hint;

impl Actor for RequestMailer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.claim(ctx);
        ctx.run_interval(SWEEP, Self::claim);
    }
}

/// Claim nothing more; whether nothing is on its way.
#[derive(Message)]
#[rtype(result = "bool")]
struct Rest;

impl Handler<Rest> for RequestMailer {
    type Result = bool;

    fn handle(&mut self, _: Rest, _: &mut Self::Context) -> bool {
        self.resting = true;
        self.sending == 0 && !self.claiming
    }
}

impl Handler<Hint> for RequestMailer {
    type Result = ();

    fn handle(&mut self, _: Hint, ctx: &mut Self::Context) {
        self.claim(ctx);
    }
}

impl RequestMailer {
    /// Claims as many mails as may be sent beside those on their way.
    fn claim(&mut self, ctx: &mut Context<Self>) {
        let free = AT_ONCE.saturating_sub(self.sending);
        if self.resting {
            return;
        }
        if self.claiming || free == 0 {
            self.hinted = true;
            return;
        }
        (self.claiming, self.hinted) = (true, false);
        let directory = self.postage.directory.clone();
        let claimed = async move {
            let lease = entropy::uuid();
            let claimed = directory.write(move |conn| {
                let now = conn.now()?;
                outbox::claim(conn, lease, free as i64, now, now.plus_seconds(LEASE_SECONDS))
            });
            (lease, claimed.await)
        };
        ctx.spawn(claimed.into_actor(self).map(move |(lease, claimed), mailer, ctx| {
            mailer.claiming = false;
            match claimed {
                Ok(claimed) => {
                    // As many as could be had: there may be more.
                    mailer.hinted |= claimed.len() == free;
                    for mail in claimed {
                        mailer.dispatch(mail, lease, ctx);
                    }
                }
                Err(error) => tracing::warn!(%error, "the outbox could not be read"),
            }
            if mailer.hinted {
                mailer.claim(ctx);
            }
        }));
    }

    fn dispatch(&mut self, mail: Claimed, lease: Uuid, ctx: &mut Context<Self>) {
        self.sending += 1;
        let delivery = Delivery { postage: self.postage.clone(), mail, lease };
        // A task of its own: should it panic, this actor lives.
        let task = actix::spawn(delivery.deliver());
        ctx.spawn(task.into_actor(self).map(|done, mailer, ctx| {
            if done.is_err() {
                tracing::error!("sending a mail panicked; its lease will run out");
            }
            mailer.sending -= 1;
            if mailer.hinted || mailer.sending == 0 {
                mailer.claim(ctx);
            }
        }));
    }
}

/// One mail on its way.
struct Delivery {
    postage: Postage,
    mail: Claimed,
    lease: Uuid,
}

impl Delivery {
    async fn deliver(self) {
        let id = self.mail.id;
        let (result, error) = match self.compose().await {
            Ok(Some(message)) => match self.send(&message).await {
                Ok(()) => (Some(MailResult::Sent), None),
                Err(SendError::Permanent(why)) => (Some(MailResult::Dead), Some(why)),
                Err(SendError::Transient(why)) => (None, Some(why)),
            },
            Ok(None) => (Some(MailResult::Cancelled), None),
            Err(Unwritten::Store(error)) => (None, Some(error.to_string())),
            Err(Unwritten::Words(why)) => (Some(MailResult::Dead), Some(why)),
        };
        let outcome = result.map_or("deferred", MailResult::name);
        tracing::info!(mail = %id, attempts = self.mail.attempts, outcome, "mail");
        self.mark(result, error).await;
    }

    /// The message; `None` when nobody waits for it any more.
    async fn compose(&self) -> Result<Option<Message>, Unwritten> {
        let request = &self.mail.request;
        let redeem_id = request.redeem_id;
        let (terms, directory) = (request.terms, &self.postage.directory);
        let (live, cast) = directory
            .read(move |conn| {
                let now = conn.now()?;
                let current = requests::by_redeem_id(conn, redeem_id)?;
                let cast = Cast::of(conn, std::iter::once(terms))?;
                Ok((current.is_some_and(|request| request.is_live(now)), cast))
            })
            .await?;
        let Some(Scene { target: to, allowed: asks, bundle }) = cast.scene(terms) else { return Ok(None) };
        if !live || !to.active || !asks.active {
            return Ok(None);
        }
        let mail = PermissionMail {
            id: self.mail.id,
            to,
            asks,
            bundle,
            link: &request.link(&self.postage.keyring, &self.postage.public_url),
            expires_at: request.expires_at,
            public_url: &self.postage.public_url,
        };
        let message = self.postage.templates.permission_request(&mail, &self.postage.from);
        message.map(Some).map_err(|error| Unwritten::Words(error.to_string()))
    }

    /// Sends, and keeps the lease for as long as that takes.
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        tokio::select! {
            sent = self.postage.transport.send(message, self.mail.id) => sent,
            () = self.keep_lease() => Err(SendError::transient("the lease was lost")),
        }
    }

    /// Renews the lease until it is lost, which is when another replica has the
    /// mail: then it is not ours to send any more.
    async fn keep_lease(&self) {
        let (id, lease) = (self.mail.id, self.lease);
        loop {
            sleep(RENEWAL).await;
            let renewed = self.postage.directory.write(move |conn| {
                let until = conn.now()?.plus_seconds(LEASE_SECONDS);
                outbox::renew(conn, id, lease, until)
            });
            match renewed.await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(mail = %id, %error, "a lease could not be renewed yet"),
            }
        }
    }

    /// Writes down what became of the mail. What cannot be written is sent again
    /// when the lease has run out, under the same Message-ID.
    async fn mark(&self, result: Option<MailResult>, error: Option<String>) {
        let (id, lease, attempts) = (self.mail.id, self.lease, self.mail.attempts);
        for _ in 0..MARKS {
            let error = error.clone();
            let marked = self.postage.directory.write(move |conn: &mut Conn| {
                let (now, error) = (conn.now()?, error.as_deref());
                match result {
                    Some(result) => outbox::finish(conn, id, lease, result, error, now),
                    None => {
                        outbox::defer(conn, id, lease, retry_at(now, attempts, id), error.unwrap_or_default())
                    }
                }
            });
            match marked.await {
                Ok(true) => return,
                Ok(false) => {
                    return tracing::warn!(mail = %id, "a lease was lost; the mail may be sent twice");
                }
                Err(_) => sleep(MARK_PAUSE).await,
            }
        }
        tracing::warn!(mail = %id, "what became of a mail could not be written down");
    }
}

/// Why there is no message.
enum Unwritten {
    Store(StoreError),
    Words(String),
}

impl From<StoreError> for Unwritten {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// When to try again: twice as late each time, and each mail a little apart from
/// the others, by its id.
fn retry_at(now: Timestamp, attempts: i32, id: Uuid) -> Timestamp {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(16);
    let delay = (FIRST_DELAY << doublings).min(LONGEST_DELAY);
    let spread = i64::from(id.as_bytes().last().copied().unwrap_or_default());
    now.plus_seconds(delay + delay * spread / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_longer_and_none_for_ever() {
        let now = Timestamp::from_micros(0);
        let delays: Vec<i64> = (1..20).map(|nth| retry_at(now, nth, Uuid::nil()).seconds()).collect();
        assert_eq!(delays[..4], [5, 10, 20, 40]);
        assert_eq!(delays.last(), Some(&LONGEST_DELAY));
        assert!(retry_at(now, i32::MAX, Uuid::max()).seconds() <= LONGEST_DELAY * 5 / 4);
    }
}
