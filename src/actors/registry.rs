//! The TokenRegistry: puts everything that happens to tokens, requests and
//! permissions in one order, a batch at a time, and answers each caller after
//! the batch is durable.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::Pulse;
use super::batch::{Item, Limits, Overdue, Queue};
use super::places::{Place, Places};
use crate::deadline;
use crate::domain::block::Block;
use crate::domain::clock::Timestamp;
use crate::domain::event::Origin;
use crate::domain::export::{ExportRef, ExportToken, MayNotExport, NewExport};
use crate::domain::grant::{Grant, GrantId, Terms};
use crate::domain::limit::{AskLimits, Exceeded, Standing};
use crate::domain::request::{NewRequest, Outcome, PermissionRequest, Refusal, RequestId};
use crate::domain::text::IdempotencyKey;
use crate::domain::token::{ExportId, RedeemId, Token};
use crate::domain::user::Authority;
use crate::domain::user::UserId;
use crate::faults;
use crate::store::cast::Cast;
use crate::store::exports::Uses;
use crate::store::ledger::{self, AskRefusal, Deed, Operation, RequestRef, ResendRefusal, Verdict};
use crate::store::lookup::{self, Findings, Question};
use crate::store::{Conn, Store, StoreError, meters, requests};

/// Operations in a batch, at the most, and look-ups in one query.
const BATCH: usize = 256;
/// The most operations that wait or are under way, and as many look-ups; one
/// more is refused at once. A batch that is gone and one that waits: whoever came
/// behind those would wait longer, and no more would be done for it.
const CAPACITY: usize = 2 * BATCH;
/// The most while more comes than can be done: who is admitted then waits about as
/// long as at half of what can be done, or twice that.
const STRAINED: usize = 64;
/// The queues' measure. Every request has its answer within two seconds.
const LIMITS: Limits = Limits {
    batch: BATCH,
    boarding: Duration::from_millis(900),
    last_call: Duration::from_millis(300),
    patience: Duration::from_millis(1_800),
};
/// How often to look for operations that have waited too long.
const WATCH: Duration = Duration::from_millis(100);
/// How often uses are written down: what a crash may lose.
const USES: Duration = Duration::from_secs(10);
/// How often requests that have expired are closed. They are dead before that; it
/// keeps those few that a list's total must leave out.
const EXPIRY: Duration = Duration::from_secs(5);
/// How often meters that have run down are swept.
const SWEEP: Duration = Duration::from_secs(60);
/// Uses that are written in one transaction.
const USES_AT_ONCE: usize = 500;
/// When a batch has been gone for so long, its thread will not come back: the
/// process ends, and whoever runs it starts another.
const GIVE_UP: Duration = Duration::from_secs(120);

/// Why the registry could not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Too much is waiting already: nothing was done.
    #[error("too many operations in the queue")]
    Busy,
    /// The database was not to be had: nothing was done.
    #[error("the database is not available; nothing was done")]
    NotDone,
    /// It may have been done, or may be done yet.
    #[error("the database did not respond; the outcome is unknown")]
    Unknown,
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unknown => Self::Unknown,
            StoreError::Unavailable(_) | StoreError::Refused(_) => Self::NotDone,
        }
    }
}

type Reply<T> = oneshot::Sender<Result<T, RegistryError>>;

/// One who waits for an answer until it is due, and the place that they take up.
#[derive(Debug)]
struct Waiter<T> {
    reply: Reply<T>,
    place: Place,
    due: Instant,
}

impl<T> Waiter<T> {
    /// Answers; one who has gone away is not missed.
    fn tell(self, answer: Result<T, RegistryError>) {
        // Whoever hears the answer finds their place free again.
        drop(self.place);
        let _ = self.reply.send(answer);
    }
}

/// The registry, for those who have something to be done.
#[derive(Clone, Debug)]
pub struct Registry {
    addr: Addr<TokenRegistry>,
    deeds: Arc<Places>,
    lookups: Arc<Places>,
}

impl Registry {
    /// Starts the actor on this arbiter.
    pub fn start(store: Store, pulse: Pulse, arbiter: &ArbiterHandle) -> Self {
        let addr = TokenRegistry::start_in_arbiter(arbiter, |_| TokenRegistry {
            store,
            deeds: Queue::new(LIMITS),
            lookups: Queue::new(LIMITS),
            uses: HashMap::new(),
            expiring: false,
            _pulse: pulse,
        });
        let places = || Places::new(CAPACITY, STRAINED);
        Self { addr, deeds: places(), lookups: places() }
    }

    /// How many deeds, and how many look-ups, have a place now.
    pub fn waiting(&self) -> [i64; 2] {
        [&self.deeds, &self.lookups].map(|places| places.taken())
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// Makes an export token.
    pub async fn create_export(
        &self,
        new: NewExport,
        origin: Origin,
    ) -> Result<Result<(ExportToken, Token), MayNotExport>, RegistryError> {
        match self.submit(Deed::CreateExport(new), origin).await? {
            Verdict::ExportCreated(created) => Ok(created),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Revokes an export token of the caller's; `None` when there is none such.
    pub async fn revoke_export(
        &self,
        which: ExportRef,
        by: UserId,
        origin: Origin,
    ) -> Result<Option<ExportToken>, RegistryError> {
        let deed = Deed::RevokeExport { which, by: Authority::User(by) };
        match self.submit(deed, origin).await? {
            Verdict::ExportRevoked(revoked) => Ok(revoked),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Asks for a permission: the request, the seconds that it has left, and what is
    /// left of the requester's limits.
    pub async fn ask(
        &self,
        new: NewRequest,
        limits: AskLimits,
        origin: Origin,
    ) -> Result<Result<(PermissionRequest, i64, Vec<Standing>), AskRefusal>, RegistryError> {
        match self.perform(Operation::new(Deed::Ask(new), origin).within(limits)).await? {
            Verdict::Asked(asked) => Ok(asked),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Redeems a request: the permission that stands now, and whom it names.
    pub async fn redeem(
        &self,
        id: RedeemId,
        by: UserId,
        once: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Result<(Grant, Arc<Cast>), Refusal>, RegistryError> {
        match self.submit(Deed::Redeem { id, by, once }, origin).await? {
            Verdict::Redeemed(redeemed) => Ok(redeemed),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Declines a request by its token, as its target.
    pub async fn decline(
        &self,
        id: RedeemId,
        by: UserId,
        origin: Origin,
    ) -> Result<Result<Outcome, Refusal>, RegistryError> {
        self.end(RequestRef::Token(id), by, origin).await
    }

    /// Declines or withdraws a request by its number, as a party to it.
    pub async fn withdraw(
        &self,
        id: RequestId,
        by: UserId,
        origin: Origin,
    ) -> Result<Result<Outcome, Refusal>, RegistryError> {
        self.end(RequestRef::Number(id), by, origin).await
    }

    async fn end(
        &self,
        which: RequestRef,
        by: UserId,
        origin: Origin,
    ) -> Result<Result<Outcome, Refusal>, RegistryError> {
        match self.submit(Deed::End { which, by: Authority::User(by) }, origin).await? {
            Verdict::Ended(ended) => Ok(ended),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Has a live request's mail sent anew, as its requester.
    pub async fn resend(
        &self,
        id: RequestId,
        terms: Terms,
        by: UserId,
        limits: AskLimits,
        origin: Origin,
    ) -> Result<Result<(), ResendRefusal>, RegistryError> {
        let deed = Deed::Resend { id, terms, by };
        match self.perform(Operation::new(deed, origin).within(limits)).await? {
            Verdict::Resent(resent) => Ok(resent),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Gives a permission unasked; `None` when it stands already.
    pub async fn give(&self, terms: Terms, origin: Origin) -> Result<Option<Grant>, RegistryError> {
        match self.submit(Deed::Give(terms), origin).await? {
            Verdict::Given(given) => Ok(given),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Deletes a permission, as a party to it; false when there is none such.
    pub async fn take_back(&self, id: GrantId, by: UserId, origin: Origin) -> Result<bool, RegistryError> {
        match self.submit(Deed::TakeBack { id, by }, origin).await? {
            Verdict::TakenBack(taken) => Ok(taken),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Counts that a user has named somebody, or `astray` nobody; whether they may be
    /// told what came of it.
    pub async fn refer(
        &self,
        by: UserId,
        astray: bool,
        limits: AskLimits,
        origin: Origin,
    ) -> Result<Result<(), Exceeded>, RegistryError> {
        match self.perform(Operation::new(Deed::Refer { by, astray }, origin).within(limits)).await? {
            Verdict::Referred(referred) => Ok(referred),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Has a user take no more requests from another; false when that stands already.
    pub async fn block(&self, block: Block, origin: Origin) -> Result<bool, RegistryError> {
        match self.submit(Deed::Block(block), origin).await? {
            Verdict::Blocked(fresh) => Ok(fresh),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// Has a user take requests from another again; false when they did.
    pub async fn unblock(&self, block: Block, origin: Origin) -> Result<bool, RegistryError> {
        match self.submit(Deed::Unblock(block), origin).await? {
            Verdict::Unblocked(stood) => Ok(stood),
            _ => Err(RegistryError::Unknown),
        }
    }

    /// What is asked for, and what others ask for at the same time: as the
    /// database has it after this call began.
    pub async fn look_up(&self, question: Question) -> Result<Arc<Findings>, RegistryError> {
        self.send(&self.lookups, |waiter| LookUp { question, waiter }).await
    }

    /// Counts a use. It is written down within seconds, unless the process dies.
    pub fn count_use(&self, id: ExportId, at: Timestamp) {
        self.addr.do_send(Used { id, at });
    }

    /// Writes down the uses that are counted but not yet written.
    pub async fn flush(&self) {
        // A dead actor has nothing to flush.
        let _ = self.addr.send(Flush).await;
    }

    async fn submit(&self, deed: Deed, origin: Origin) -> Result<Verdict, RegistryError> {
        self.perform(Operation::new(deed, origin)).await
    }

    async fn perform(&self, operation: Operation) -> Result<Verdict, RegistryError> {
        self.send(&self.deeds, |waiter| Submit { operation, waiter }).await
    }

    /// The mailbox is not bounded by actix, neither for `send` nor for
    /// `do_send`: the places bound it.
    async fn send<T, M>(
        &self,
        places: &Arc<Places>,
        message: impl FnOnce(Waiter<T>) -> M,
    ) -> Result<T, RegistryError>
    where
        M: Message<Result = ()> + Send + 'static,
        TokenRegistry: Handler<M>,
    {
        let place = places.take(Instant::now()).ok_or(RegistryError::Busy)?;
        let (reply, answer) = oneshot::channel();
        let due = deadline::by(LIMITS.patience);
        self.addr.do_send(message(Waiter { reply, place, due }));
        // A dropped sender is an actor that died.
        answer.await.unwrap_or(Err(RegistryError::Unknown))
    }
}

/// The actor. Its state is what waits and what is in flight; all else is in the
/// database.
#[derive(Debug)]
struct TokenRegistry {
    store: Store,
    deeds: Queue<Operation, Waiter<Verdict>>,
    lookups: Queue<Question, Waiter<Arc<Findings>>>,
    uses: HashMap<ExportId, Uses>,
    /// Whether expired requests are being closed.
    expiring: bool,
    _pulse: Pulse,
}

impl Actor for TokenRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Bounded by the handle's places.
        ctx.set_mailbox_capacity(CAPACITY);
        ctx.run_interval(WATCH, Self::watch);
        ctx.run_interval(USES, |registry, ctx| {
            let written = registry.write_uses();
            ctx.spawn(written);
        });
        ctx.run_interval(EXPIRY, Self::close_expired);
        ctx.run_interval(SWEEP, |registry, _| {
            let store = registry.store.clone();
            // What cannot be swept now is swept the next time.
            drop(spawn_blocking(move || {
                let some = |conn: &mut Conn| {
                    let now = conn.now()?;
                    meters::sweep(conn, now)
                };
                while matches!(store.write(some), Ok(1..)) {}
            }));
        });
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Submit {
    operation: Operation,
    waiter: Waiter<Verdict>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct LookUp {
    question: Question,
    waiter: Waiter<Arc<Findings>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Used {
    id: ExportId,
    at: Timestamp,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Handler<Submit> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, Submit { operation, waiter }: Submit, ctx: &mut Self::Context) {
        faults::planted("registry.panic");
        let (now, due) = (Instant::now(), waiter.due);
        match self.deeds.push(operation, waiter, now, due) {
            Ok(()) => self.commit_next(ctx),
            Err((_, waiter)) => waiter.tell(Err(RegistryError::NotDone)),
        }
    }
}

impl Handler<LookUp> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, LookUp { question, waiter }: LookUp, ctx: &mut Self::Context) {
        let (now, due) = (Instant::now(), waiter.due);
        match self.lookups.push(question, waiter, now, due) {
            Ok(()) => self.look_up_next(ctx),
            Err((_, waiter)) => waiter.tell(Err(RegistryError::NotDone)),
        }
    }
}

impl Handler<Used> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, Used { id, at }: Used, _: &mut Self::Context) {
        self.count(Uses { id, count: 1, last: at });
    }
}

impl Handler<Flush> for TokenRegistry {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Flush, _: &mut Self::Context) -> Self::Result {
        self.write_uses()
    }
}

impl TokenRegistry {
    /// Sends the next batch of operations on its way, unless one is in flight.
    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        let Some((flight, batch)) = self.deeds.depart(Instant::now()) else { return };
        let store = self.store.clone();
        let landed = spawn_blocking(move || ledger::commit(&store, &batch));
        ctx.spawn(landed.into_actor(self).map(move |answers, registry, ctx| {
            let waiters = registry.deeds.land(flight);
            // A batch that panicked has no answers; whether it was done is not known.
            let answers = answers.unwrap_or_default();
            if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
                tracing::warn!(%error, "operations failed");
            }
            let answers = answers.into_iter().map(|answer| answer.map_err(Into::into));
            let answers = answers.chain(std::iter::repeat_with(|| Err(RegistryError::Unknown)));
            for (waiter, answer) in waiters.into_iter().zip(answers) {
                if let Some(waiter) = waiter {
                    waiter.tell(answer);
                }
            }
            registry.commit_next(ctx);
        }));
    }

    /// Sends the next batch of look-ups on its way, unless one is in flight.
    fn look_up_next(&mut self, ctx: &mut Context<Self>) {
        let Some((flight, questions)) = self.lookups.depart(Instant::now()) else { return };
        let store = self.store.clone();
        let landed = spawn_blocking(move || lookup::answer(&store, &questions));
        ctx.spawn(landed.into_actor(self).map(move |answers, registry, ctx| {
            let waiters = registry.lookups.land(flight);
            let answers = answers.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
            for (waiter, answer) in waiters.into_iter().zip(answers) {
                if let Some(waiter) = waiter {
                    waiter.tell(answer.ok_or(RegistryError::NotDone));
                }
            }
            registry.look_up_next(ctx);
        }));
    }

    /// Tells those who have waited too long, and gives up on threads that hang.
    fn watch(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for (waiter, overdue) in self.deeds.overdue(now) {
            waiter.tell(Err(match overdue {
                Overdue::NotStarted => RegistryError::NotDone,
                Overdue::Unknown => RegistryError::Unknown,
            }));
        }
        for (waiter, _) in self.lookups.overdue(now) {
            waiter.tell(Err(RegistryError::NotDone));
        }
        let lost = self.deeds.longest_lost(now).max(self.lookups.longest_lost(now));
        let give_up = faults::patience("registry.patience", GIVE_UP);
        if lost.is_some_and(|lost| lost >= give_up) {
            tracing::error!(seconds = give_up.as_secs(), "database did not respond; stopping");
            ctx.stop();
            return;
        }
        self.commit_next(ctx);
        self.look_up_next(ctx);
    }

    /// Closes requests that have expired, on whichever replica comes first.
    fn close_expired(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.expiring, true) {
            return;
        }
        let store = self.store.clone();
        let closed = spawn_blocking(move || {
            let some = |conn: &mut Conn| {
                let now = conn.now()?;
                requests::expire(conn, now)
            };
            while matches!(store.write(some), Ok(1..)) {}
        });
        // What cannot be closed now is closed the next time.
        ctx.spawn(closed.into_actor(self).map(|_, registry, _| registry.expiring = false));
    }

    /// Writes down the uses so far. What could not be written is kept for the
    /// next time; what may have been is not, lest it count twice.
    fn write_uses(&mut self) -> ResponseActFuture<Self, ()> {
        let uses: Vec<Uses> = self.uses.drain().map(|(_, uses)| uses).collect();
        let store = self.store.clone();
        let written = spawn_blocking(move || {
            let write = |uses: &&[Uses]| {
                let written = ledger::count_uses(&store, uses);
                matches!(written, Err(StoreError::Unavailable(_) | StoreError::Refused(_)))
            };
            uses.chunks(USES_AT_ONCE).filter(write).flatten().copied().collect::<Vec<Uses>>()
        });
        Box::pin(written.into_actor(self).map(|unwritten, registry, _| {
            let unwritten = unwritten.unwrap_or_default();
            if !unwritten.is_empty() {
                tracing::warn!(tokens = unwritten.len(), "export token usage not saved; will retry");
            }
            for uses in unwritten {
                registry.count(uses);
            }
        }))
    }

    fn count(&mut self, Uses { id, count, last }: Uses) {
        let uses = self.uses.entry(id).or_insert(Uses { id, count: 0, last });
        uses.count += count;
        uses.last = uses.last.max(last);
    }
}

/// What names a row that an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKey {
    /// An export token's.
    Export(ExportId),
    /// A request's, by its token.
    Redeem(RedeemId),
    /// A request's, by its number.
    Request(RequestId),
    /// A permission's, by its number.
    Grant(GrantId),
    /// An open request's or a permission's, by its terms.
    Terms(Terms),
    /// A block's.
    Block(Block),
}

impl Item for Operation {
    type Key = RowKey;

    fn keys(&self) -> Vec<RowKey> {
        match &self.deed {
            Deed::CreateExport(_) | Deed::Refer { .. } => Vec::new(),
            Deed::RevokeExport { which, .. } => vec![RowKey::Export(which.id)],
            Deed::Ask(new) => vec![RowKey::Terms(new.terms)],
            Deed::Redeem { id, .. } | Deed::End { which: RequestRef::Token(id), .. } => {
                vec![RowKey::Redeem(*id)]
            }
            Deed::End { which: RequestRef::Number(id), .. } | Deed::Resend { id, .. } => {
                vec![RowKey::Request(*id)]
            }
            Deed::Give(terms) => vec![RowKey::Terms(*terms)],
            Deed::TakeBack { id, .. } => vec![RowKey::Grant(*id)],
            Deed::Block(block) | Deed::Unblock(block) => vec![RowKey::Block(*block)],
        }
    }
}

impl Item for Question {
    type Key = ();

    /// Nothing is in doubt about a row that is only read.
    fn keys(&self) -> Vec<()> {
        Vec::new()
    }
}
