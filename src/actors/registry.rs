//! The TokenRegistry: puts everything that happens to tokens, requests and
//! permissions in one order, a batch at a time, and answers each caller after
//! the batch is durable.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::LivenessGuard;
use super::admission::{Admission, Permit};
use super::batch_queue::{BatchQueue, QueueItem, QueueLimits, TimeoutKind};
use crate::deadline;
use crate::domain::audit::AuditContext;
use crate::domain::block::Block;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::export_token::{ExportDenied, ExportToken, ExportTokenRef, NewExportToken};
use crate::domain::permission_request::{
    NewPermissionRequest, PermissionRequest, RequestError, RequestId, RequestOutcome,
};
use crate::domain::rate_limit::{QuotaStatus, RateLimited, RequestLimits};
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ExportId, RedeemId, Token};
use crate::domain::user::Authority;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::failpoints;
use crate::store::export_tokens::UsageDelta;
use crate::store::ledger::{
    self, Command, CommandResult, CreateRequestError, Operation, RequestRef, ResendMailError,
};
use crate::store::lookup::{self, LookupKey, LookupResults};
use crate::store::participants::Participants;
use crate::store::{Conn, Store, StoreError, rate_limits, requests};

/// Operations in a batch, at the most, and look-ups in one query.
const MAX_BATCH_SIZE: usize = 256;
/// The most operations that wait or are under way, and as many look-ups; one
/// more is refused at once. A batch that is gone and one that waits: whoever came
/// behind those would wait longer, and no more would be done for it.
const ADMISSION_CAPACITY: usize = 2 * MAX_BATCH_SIZE;
/// The most while more comes than can be done: who is admitted then waits about as
/// long as at half of what can be done, or twice that.
const SHED_CAPACITY: usize = 64;
/// The queues' measure. Every request has its answer within two seconds.
const QUEUE_LIMITS: QueueLimits = QueueLimits {
    max_batch_size: MAX_BATCH_SIZE,
    max_queue_time: Duration::from_millis(900),
    min_time_left: Duration::from_millis(300),
    max_wait: Duration::from_millis(1_800),
};
/// How often to look for operations that have waited too long.
const TIMEOUT_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// How often uses are written down: what a crash may lose.
const USAGE_FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// How often requests that have expired are closed. They are dead before that; it
/// keeps those few that a list's total must leave out.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);
/// How often meters that have run down are swept.
const RATE_LIMIT_SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Uses that are written in one transaction.
const USAGE_BATCH_SIZE: usize = 500;
/// When a batch has been gone for so long, its thread will not come back: the
/// process ends, and whoever runs it starts another.
const STUCK_THREAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Why the registry could not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Too much is waiting already: nothing was done.
    #[error("too many operations in the queue")]
    Busy,
    /// The database was not to be had: nothing was done.
    #[error("the database is unavailable; nothing was changed")]
    Unavailable,
    /// It may have been done, or may be done yet.
    #[error("the database did not respond; the outcome is unknown")]
    OutcomeUnknown,
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OutcomeUnknown => Self::OutcomeUnknown,
            StoreError::Unavailable(_) | StoreError::QueryFailed(_) => Self::Unavailable,
        }
    }
}

type ReplySender<T> = oneshot::Sender<Result<T, RegistryError>>;

/// One who waits for an answer until it is due, and the place that they take up.
#[derive(Debug)]
struct Waiter<T> {
    reply: ReplySender<T>,
    permit: Permit,
    deadline: Instant,
}

impl<T> Waiter<T> {
    /// Answers; one who has gone away is not missed.
    fn respond(self, result: Result<T, RegistryError>) {
        // Whoever hears the answer finds their place free again.
        drop(self.permit);
        let _ = self.reply.send(result);
    }
}

/// The registry, for those who have something to be done.
#[derive(Clone, Debug)]
pub struct Registry {
    addr: Addr<TokenRegistry>,
    operation_admission: Arc<Admission>,
    lookup_admission: Arc<Admission>,
}

impl Registry {
    /// Starts the actor on this arbiter.
    pub fn start(store: Store, liveness: LivenessGuard, arbiter: &ArbiterHandle) -> Self {
        let addr = TokenRegistry::start_in_arbiter(arbiter, |_| TokenRegistry {
            store,
            operations: BatchQueue::new(QUEUE_LIMITS),
            lookups: BatchQueue::new(QUEUE_LIMITS),
            usage: HashMap::new(),
            is_closing_expired: false,
            _liveness: liveness,
        });
        let new_admission = || Admission::new(ADMISSION_CAPACITY, SHED_CAPACITY);
        Self { addr, operation_admission: new_admission(), lookup_admission: new_admission() }
    }

    /// How many deeds, and how many look-ups, have a place now.
    pub fn in_use(&self) -> [i64; 2] {
        [&self.operation_admission, &self.lookup_admission].map(|places| places.in_use())
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// Makes an export token.
    pub async fn create_export(
        &self,
        new: NewExportToken,
        audit_context: AuditContext,
    ) -> Result<Result<(ExportToken, Token), ExportDenied>, RegistryError> {
        match self.submit(Command::CreateExport(new), audit_context).await? {
            CommandResult::ExportCreated(created) => Ok(created),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Revokes an export token of the caller's; `None` when there is none such.
    pub async fn revoke_export(
        &self,
        export: ExportTokenRef,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<Option<ExportToken>, RegistryError> {
        let command = Command::RevokeExport { which: export, by: Authority::User(by) };
        match self.submit(command, audit_context).await? {
            CommandResult::ExportRevoked(revoked) => Ok(revoked),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Asks for a permission: the request, the seconds that it has left, and what is
    /// left of the requester's limits.
    pub async fn create_request(
        &self,
        new: NewPermissionRequest,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<Result<(PermissionRequest, i64, Vec<QuotaStatus>), CreateRequestError>, RegistryError> {
        match self
            .execute(Operation::new(Command::CreateRequest(new), audit_context).with_limits(limits))
            .await?
        {
            CommandResult::RequestCreated(asked) => Ok(asked),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Redeems a request: the permission that stands now, and whom it names.
    pub async fn redeem(
        &self,
        id: RedeemId,
        by: UserId,
        idempotency_key: Option<IdempotencyKey>,
        audit_context: AuditContext,
    ) -> Result<Result<(BundlePermission, Arc<Participants>), RequestError>, RegistryError> {
        match self.submit(Command::Redeem { id, by, idempotency_key }, audit_context).await? {
            CommandResult::Redeemed(redeemed) => Ok(redeemed),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Declines a request by its token, as its target.
    pub async fn decline(
        &self,
        id: RedeemId,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<Result<RequestOutcome, RequestError>, RegistryError> {
        self.close_request(RequestRef::Token(id), by, audit_context).await
    }

    /// Declines or withdraws a request by its number, as a party to it.
    pub async fn withdraw(
        &self,
        id: RequestId,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<Result<RequestOutcome, RequestError>, RegistryError> {
        self.close_request(RequestRef::Id(id), by, audit_context).await
    }

    async fn close_request(
        &self,
        request: RequestRef,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<Result<RequestOutcome, RequestError>, RegistryError> {
        match self
            .submit(Command::CloseRequest { which: request, by: Authority::User(by) }, audit_context)
            .await?
        {
            CommandResult::RequestClosed(ended) => Ok(ended),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Has a live request's mail sent anew, as its requester.
    pub async fn resend_mail(
        &self,
        id: RequestId,
        terms: Terms,
        by: UserId,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<Result<(), ResendMailError>, RegistryError> {
        let command = Command::ResendMail { id, terms, by };
        match self.execute(Operation::new(command, audit_context).with_limits(limits)).await? {
            CommandResult::MailResent(resent) => Ok(resent),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Gives a permission unasked; `None` when it stands already.
    pub async fn grant_permission(
        &self,
        terms: Terms,
        audit_context: AuditContext,
    ) -> Result<Option<BundlePermission>, RegistryError> {
        match self.submit(Command::GrantPermission(terms), audit_context).await? {
            CommandResult::PermissionGranted(given) => Ok(given),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Deletes a permission, as a party to it; false when there is none such.
    pub async fn revoke_permission(
        &self,
        id: BundlePermissionId,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<bool, RegistryError> {
        match self.submit(Command::RevokePermission { id, by }, audit_context).await? {
            CommandResult::PermissionRevoked(taken) => Ok(taken),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Counts that a user has named somebody, or `astray` nobody; whether they may be
    /// told what came of it.
    pub async fn record_user_lookup(
        &self,
        by: UserId,
        unknown_user: bool,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<Result<(), RateLimited>, RegistryError> {
        match self
            .execute(
                Operation::new(Command::RecordUserLookup { by, unknown_user }, audit_context)
                    .with_limits(limits),
            )
            .await?
        {
            CommandResult::UserLookupRecorded(referred) => Ok(referred),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Has a user take no more requests from another; false when that stands already.
    pub async fn block(&self, block: Block, audit_context: AuditContext) -> Result<bool, RegistryError> {
        match self.submit(Command::Block(block), audit_context).await? {
            CommandResult::Blocked(fresh) => Ok(fresh),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// Has a user take requests from another again; false when they did.
    pub async fn unblock(&self, block: Block, audit_context: AuditContext) -> Result<bool, RegistryError> {
        match self.submit(Command::Unblock(block), audit_context).await? {
            CommandResult::Unblocked(stood) => Ok(stood),
            _ => Err(RegistryError::OutcomeUnknown),
        }
    }

    /// What is asked for, and what others ask for at the same time: as the
    /// database has it after this call began.
    pub async fn look_up(&self, key: LookupKey) -> Result<Arc<LookupResults>, RegistryError> {
        self.send_admitted(&self.lookup_admission, |waiter| LookUp { key, waiter }).await
    }

    /// Counts a use. It is written down within seconds, unless the process dies.
    pub fn record_use(&self, id: ExportId, at: Timestamp) {
        self.addr.do_send(RecordUse { id, at });
    }

    /// Writes down the uses that are counted but not yet written.
    pub async fn flush(&self) {
        // A dead actor has nothing to flush.
        let _ = self.addr.send(Flush).await;
    }

    async fn submit(
        &self,
        command: Command,
        audit_context: AuditContext,
    ) -> Result<CommandResult, RegistryError> {
        self.execute(Operation::new(command, audit_context)).await
    }

    async fn execute(&self, operation: Operation) -> Result<CommandResult, RegistryError> {
        self.send_admitted(&self.operation_admission, |waiter| Submit { operation, waiter }).await
    }

    /// The mailbox is not bounded by actix, neither for `send` nor for
    /// `do_send`: the places bound it.
    async fn send_admitted<T, M>(
        &self,
        admission: &Arc<Admission>,
        message: impl FnOnce(Waiter<T>) -> M,
    ) -> Result<T, RegistryError>
    where
        M: Message<Result = ()> + Send + 'static,
        TokenRegistry: Handler<M>,
    {
        let permit = admission.try_acquire(Instant::now()).ok_or(RegistryError::Busy)?;
        let (reply, response) = oneshot::channel();
        let deadline = deadline::by(QUEUE_LIMITS.max_wait);
        self.addr.do_send(message(Waiter { reply, permit, deadline }));
        // A dropped sender is an actor that died.
        response.await.unwrap_or(Err(RegistryError::OutcomeUnknown))
    }
}

/// The actor. Its state is what waits and what is in flight; all else is in the
/// database.
#[derive(Debug)]
struct TokenRegistry {
    store: Store,
    operations: BatchQueue<Operation, Waiter<CommandResult>>,
    lookups: BatchQueue<LookupKey, Waiter<Arc<LookupResults>>>,
    usage: HashMap<ExportId, UsageDelta>,
    /// Whether expired requests are being closed.
    is_closing_expired: bool,
    _liveness: LivenessGuard,
}

impl Actor for TokenRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Bounded by the handle's places.
        ctx.set_mailbox_capacity(ADMISSION_CAPACITY);
        ctx.run_interval(TIMEOUT_CHECK_INTERVAL, Self::check_timeouts);
        ctx.run_interval(USAGE_FLUSH_INTERVAL, |registry, ctx| {
            let written = registry.write_usage();
            ctx.spawn(written);
        });
        ctx.run_interval(EXPIRY_INTERVAL, Self::close_expired);
        ctx.run_interval(RATE_LIMIT_SWEEP_INTERVAL, |registry, _| {
            let store = registry.store.clone();
            // What cannot be swept now is swept the next time.
            drop(spawn_blocking(move || {
                let sweep_batch = |conn: &mut Conn| {
                    let now = conn.now()?;
                    rate_limits::delete_idle(conn, now)
                };
                while matches!(store.write(sweep_batch), Ok(1..)) {}
            }));
        });
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Submit {
    operation: Operation,
    waiter: Waiter<CommandResult>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct LookUp {
    key: LookupKey,
    waiter: Waiter<Arc<LookupResults>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct RecordUse {
    id: ExportId,
    at: Timestamp,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Handler<Submit> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, Submit { operation, waiter }: Submit, ctx: &mut Self::Context) {
        failpoints::fail_point("registry.panic");
        let (now, due) = (Instant::now(), waiter.deadline);
        match self.operations.push(operation, waiter, now, due) {
            Ok(()) => self.commit_next(ctx),
            Err((_, waiter)) => waiter.respond(Err(RegistryError::Unavailable)),
        }
    }
}

impl Handler<LookUp> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, LookUp { key: question, waiter }: LookUp, ctx: &mut Self::Context) {
        let (now, due) = (Instant::now(), waiter.deadline);
        match self.lookups.push(question, waiter, now, due) {
            Ok(()) => self.look_up_next(ctx),
            Err((_, waiter)) => waiter.respond(Err(RegistryError::Unavailable)),
        }
    }
}

impl Handler<RecordUse> for TokenRegistry {
    type Result = ();

    fn handle(&mut self, RecordUse { id, at }: RecordUse, _: &mut Self::Context) {
        self.add_usage(UsageDelta { id, count: 1, last_used_at: at });
    }
}

impl Handler<Flush> for TokenRegistry {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Flush, _: &mut Self::Context) -> Self::Result {
        self.write_usage()
    }
}

impl TokenRegistry {
    /// Sends the next batch of operations on its way, unless one is in flight.
    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        let Some((batch_id, batch)) = self.operations.dispatch(Instant::now()) else { return };
        let store = self.store.clone();
        let committed = spawn_blocking(move || ledger::commit(&store, &batch));
        ctx.spawn(committed.into_actor(self).map(move |answers, registry, ctx| {
            let waiters = registry.operations.complete(batch_id);
            // A batch that panicked has no answers; whether it was done is not known.
            let answers = answers.unwrap_or_default();
            if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
                tracing::warn!(%error, "operations failed");
            }
            let answers = answers.into_iter().map(|answer| answer.map_err(Into::into));
            let answers = answers.chain(std::iter::repeat_with(|| Err(RegistryError::OutcomeUnknown)));
            for (waiter, answer) in waiters.into_iter().zip(answers) {
                if let Some(waiter) = waiter {
                    waiter.respond(answer);
                }
            }
            registry.commit_next(ctx);
        }));
    }

    /// Sends the next batch of look-ups on its way, unless one is in flight.
    fn look_up_next(&mut self, ctx: &mut Context<Self>) {
        let Some((batch_id, keys)) = self.lookups.dispatch(Instant::now()) else { return };
        let store = self.store.clone();
        let resolved = spawn_blocking(move || lookup::resolve(&store, &keys));
        ctx.spawn(resolved.into_actor(self).map(move |answers, registry, ctx| {
            let waiters = registry.lookups.complete(batch_id);
            let answers = answers.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
            for (waiter, answer) in waiters.into_iter().zip(answers) {
                if let Some(waiter) = waiter {
                    waiter.respond(answer.ok_or(RegistryError::Unavailable));
                }
            }
            registry.look_up_next(ctx);
        }));
    }

    /// Tells those who have waited too long, and gives up on threads that hang.
    fn check_timeouts(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for (waiter, overdue) in self.operations.take_expired(now) {
            waiter.respond(Err(match overdue {
                TimeoutKind::NotDispatched => RegistryError::Unavailable,
                TimeoutKind::OutcomeUnknown => RegistryError::OutcomeUnknown,
            }));
        }
        for (waiter, _) in self.lookups.take_expired(now) {
            waiter.respond(Err(RegistryError::Unavailable));
        }
        let oldest_abandoned = self.operations.oldest_abandoned(now).max(self.lookups.oldest_abandoned(now));
        let stuck_timeout = failpoints::timeout("registry.stuck_thread_timeout", STUCK_THREAD_TIMEOUT);
        if oldest_abandoned.is_some_and(|lost| lost >= stuck_timeout) {
            tracing::error!(seconds = stuck_timeout.as_secs(), "database did not respond; stopping");
            ctx.stop();
            return;
        }
        self.commit_next(ctx);
        self.look_up_next(ctx);
    }

    /// Closes requests that have expired, on whichever replica comes first.
    fn close_expired(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.is_closing_expired, true) {
            return;
        }
        let store = self.store.clone();
        let closed = spawn_blocking(move || {
            let close_batch = |conn: &mut Conn| {
                let now = conn.now()?;
                requests::expire_batch(conn, now)
            };
            while matches!(store.write(close_batch), Ok(1..)) {}
        });
        // What cannot be closed now is closed the next time.
        ctx.spawn(closed.into_actor(self).map(|_, registry, _| registry.is_closing_expired = false));
    }

    /// Writes down the uses so far. What could not be written is kept for the
    /// next time; what may have been is not, lest it count twice.
    fn write_usage(&mut self) -> ResponseActFuture<Self, ()> {
        let usage: Vec<UsageDelta> = self.usage.drain().map(|(_, uses)| uses).collect();
        let store = self.store.clone();
        let written = spawn_blocking(move || {
            let is_retryable = |uses: &&[UsageDelta]| {
                let written = ledger::record_uses(&store, uses);
                matches!(written, Err(StoreError::Unavailable(_) | StoreError::QueryFailed(_)))
            };
            usage
                .chunks(USAGE_BATCH_SIZE)
                .filter(is_retryable)
                .flatten()
                .copied()
                .collect::<Vec<UsageDelta>>()
        });
        Box::pin(written.into_actor(self).map(|unwritten, registry, _| {
            let unwritten = unwritten.unwrap_or_default();
            if !unwritten.is_empty() {
                tracing::warn!(tokens = unwritten.len(), "export token usage not saved; will retry");
            }
            for uses in unwritten {
                registry.add_usage(uses);
            }
        }))
    }

    fn add_usage(&mut self, UsageDelta { id, count, last_used_at: last }: UsageDelta) {
        let uses = self.usage.entry(id).or_insert(UsageDelta { id, count: 0, last_used_at: last });
        uses.count += count;
        uses.last_used_at = uses.last_used_at.max(last);
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
    Grant(BundlePermissionId),
    /// An open request's or a permission's, by its terms.
    Terms(Terms),
    /// A block's.
    Block(Block),
}

impl QueueItem for Operation {
    type Key = RowKey;

    fn keys(&self) -> Vec<RowKey> {
        match &self.command {
            Command::CreateExport(_) | Command::RecordUserLookup { .. } => Vec::new(),
            Command::RevokeExport { which, .. } => vec![RowKey::Export(which.id)],
            Command::CreateRequest(new) => vec![RowKey::Terms(new.terms)],
            Command::Redeem { id, .. } | Command::CloseRequest { which: RequestRef::Token(id), .. } => {
                vec![RowKey::Redeem(*id)]
            }
            Command::CloseRequest { which: RequestRef::Id(id), .. } | Command::ResendMail { id, .. } => {
                vec![RowKey::Request(*id)]
            }
            Command::GrantPermission(terms) => vec![RowKey::Terms(*terms)],
            Command::RevokePermission { id, .. } => vec![RowKey::Grant(*id)],
            Command::Block(block) | Command::Unblock(block) => vec![RowKey::Block(*block)],
        }
    }
}

impl QueueItem for LookupKey {
    type Key = ();

    /// Nothing is in doubt about a row that is only read.
    fn keys(&self) -> Vec<()> {
        Vec::new()
    }
}
