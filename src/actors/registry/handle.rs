//! The handle by which the rest of the server uses the registry.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::actor::{Submit, TokenRegistry};
use super::batch_executor::{BatchExecutor, QUEUE_LIMITS, Waiter};
use super::batch_work::{Commit, LookUp};
use super::error::{CommandError, RegistryError, flatten};
use super::stats::DecisionCounts;
use crate::actors::LivenessGuard;
use crate::actors::admission::Admission;
use crate::deadline;
use crate::domain::approval::{Approval, Reason};
use crate::domain::audit::AuditContext;
use crate::domain::block::Block;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::export_token::{ExportDenied, ExportToken, ExportTokenRef, NewExportToken};
use crate::domain::hub::HubId;
use crate::domain::permission_request::{
    Decision, NewPermissionRequest, RequestError, RequestId, RequestOutcome,
};
use crate::domain::rate_limit::{QuotaStatus, RateLimited, RequestLimits};
use crate::domain::terms::Terms;
use crate::domain::token::{RedeemId, Token};
use crate::domain::user::{Authority, UserId};
use crate::domain::validated_text::IdempotencyKey;
use crate::store::Store;
use crate::store::ledger::{
    CloseRequest, Command, CreateBlock, CreateExport, CreateRequest, CreateRequestError, CreatedRequest,
    Decide, DeleteBlock, GrantPermission, GrantPermissionError, Operation, RecordUserLookup, ResendMail,
    ResendMailError, RevokeExport, RevokePermission, UserReference,
};
use crate::store::lookup::{LookupKey, LookupResults};
use crate::store::participants::Participants;
use crate::tasks::export_use_counter::ExportUseCounter;
use crate::telemetry::{self, Tracer};

/// The maximum number of operations that wait or are in flight, and the same number of
/// lookups: one batch in flight and one that waits. Further ones are rejected at once.
const ADMISSION_CAPACITY: usize = 2 * QUEUE_LIMITS.max_batch_size;
/// The maximum during overload. It keeps the waiting time of admitted operations at one
/// to two times that of half the load.
const SHED_CAPACITY: usize = 64;

/// A handle to the registry. Clones share one actor.
#[derive(Clone)]
pub struct Registry {
    addr: Addr<TokenRegistry>,
    lookups: Arc<BatchExecutor<LookUp>>,
    operation_admission: Arc<Admission>,
    lookup_admission: Arc<Admission>,
    /// Counts the uses of export tokens that this handle authorizes.
    pub(in crate::actors) usage: ExportUseCounter,
    pub(in crate::actors) counts: DecisionCounts,
}

impl Registry {
    /// Starts the actor on this arbiter. With a tracer, each batch is a span.
    pub fn start(
        store: Store,
        usage: ExportUseCounter,
        tracer: Option<Tracer>,
        liveness: LivenessGuard,
        arbiter: &ArbiterHandle,
    ) -> Self {
        let operations = BatchExecutor::new(Commit(store.clone()), tracer.clone());
        let lookups = BatchExecutor::new(LookUp(store), tracer);
        let actor = TokenRegistry { operations, lookups: Arc::clone(&lookups), _liveness: liveness };
        let addr = TokenRegistry::start_in_arbiter(arbiter, |ctx| {
            // The mailbox is bounded by admission.
            ctx.set_mailbox_capacity(ADMISSION_CAPACITY);
            actor
        });
        let new_admission = || Admission::new(ADMISSION_CAPACITY, SHED_CAPACITY);
        Self {
            addr,
            lookups,
            operation_admission: new_admission(),
            lookup_admission: new_admission(),
            usage,
            counts: DecisionCounts::default(),
        }
    }

    /// The numbers of admitted operations and lookups.
    pub fn in_use(&self) -> [i64; 2] {
        [&self.operation_admission, &self.lookup_admission].map(|admission| admission.in_use())
    }

    /// The counts of this process's decisions.
    pub const fn decision_counts(&self) -> &DecisionCounts {
        &self.counts
    }

    /// Whether the actor is running.
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// Creates an export token.
    pub async fn create_export(
        &self,
        new: NewExportToken,
        audit_context: AuditContext,
    ) -> Result<(ExportToken, Token), CommandError<ExportDenied>> {
        flatten(self.execute(CreateExport(new), audit_context).await)
    }

    /// Revokes an export token of the user; `None` if the user has no such token.
    pub async fn revoke_export(
        &self,
        which: ExportTokenRef,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<Option<ExportToken>, RegistryError> {
        let by = Authority::User(by);
        self.execute(RevokeExport { which, by, as_admin_of: None }, audit_context).await
    }

    /// Revokes an export token of a hub, as one of its admins or as the operator; `None` if `by` may
    /// not, or if there is no such token.
    pub async fn revoke_export_of_hub(
        &self,
        which: ExportTokenRef,
        hub: HubId,
        by: Authority,
        audit_context: AuditContext,
    ) -> Result<Option<ExportToken>, RegistryError> {
        self.execute(RevokeExport { which, by, as_admin_of: Some(hub) }, audit_context).await
    }

    /// Requests a permission.
    pub async fn create_request(
        &self,
        new: NewPermissionRequest,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<CreatedRequest, CommandError<CreateRequestError>> {
        flatten(self.execute_within(CreateRequest(new), limits, audit_context).await)
    }

    /// Approves a request by its token, as its target. Returns the active permission, and the users
    /// and bundles that it refers to. `statement` names the text that the target saw on the page.
    pub async fn approve(
        &self,
        id: RedeemId,
        by: UserId,
        (approval, statement): (Approval, Option<String>),
        idempotency_key: Option<IdempotencyKey>,
        audit_context: AuditContext,
    ) -> Result<(BundlePermission, Arc<Participants>), CommandError<RequestError>> {
        let decision = Decision::Approve(approval, statement);
        let decided =
            flatten(self.execute(Decide { id, by, decision, idempotency_key }, audit_context).await)?;
        let decided = decided.ok_or(CommandError::Rejected(RequestError::NotPending))?;
        self.counts.count_request(RequestOutcome::Approved);
        Ok(decided)
    }

    /// Declines a request by its token, as its target.
    pub async fn decline(
        &self,
        id: RedeemId,
        by: UserId,
        reason: Option<Reason>,
        idempotency_key: Option<IdempotencyKey>,
        audit_context: AuditContext,
    ) -> Result<(), CommandError<RequestError>> {
        let decision = Decision::Decline(reason);
        flatten(self.execute(Decide { id, by, decision, idempotency_key }, audit_context).await)?;
        self.counts.count_request(RequestOutcome::Declined);
        Ok(())
    }

    /// Declines or withdraws a request by its id, as a party to it.
    pub async fn withdraw(
        &self,
        id: RequestId,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<RequestOutcome, CommandError<RequestError>> {
        let outcome =
            flatten(self.execute(CloseRequest { id, by: Authority::User(by) }, audit_context).await)?;
        self.counts.count_request(outcome);
        Ok(outcome)
    }

    /// Sends the mail of a pending request again, as its requester.
    pub async fn resend_mail(
        &self,
        id: RequestId,
        terms: Terms,
        by: UserId,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<(), CommandError<ResendMailError>> {
        flatten(self.execute_within(ResendMail { id, terms, by }, limits, audit_context).await)
    }

    /// Grants a permission without a request. Returns it, and the caller's quotas.
    pub async fn grant_permission(
        &self,
        grant: GrantPermission,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<(BundlePermission, Vec<QuotaStatus>), CommandError<GrantPermissionError>> {
        flatten(self.execute_within(grant, limits, audit_context).await)
    }

    /// Revokes a permission, as a party to it; false if the user has no such permission.
    pub async fn revoke_permission(
        &self,
        id: BundlePermissionId,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<bool, RegistryError> {
        self.execute(RevokePermission { id, by: Authority::User(by) }, audit_context).await
    }

    /// Records that a user referred to other users, and what they learn from it. An error means
    /// that the user must not be answered.
    pub async fn record_user_lookup(
        &self,
        by: UserId,
        reference: UserReference,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<(), CommandError<RateLimited>> {
        flatten(self.execute_within(RecordUserLookup { by, reference }, limits, audit_context).await)
    }

    /// Blocks requests from one user to another; false if they are blocked already.
    pub async fn block(&self, block: Block, audit_context: AuditContext) -> Result<bool, RegistryError> {
        self.execute(CreateBlock(block), audit_context).await
    }

    /// Deletes a block; false if there is none.
    pub async fn unblock(&self, block: Block, audit_context: AuditContext) -> Result<bool, RegistryError> {
        self.execute(DeleteBlock(block), audit_context).await
    }

    /// Looks up a key. The result may hold those of other callers too; it was read after
    /// this call began.
    pub async fn look_up(&self, key: LookupKey) -> Result<Arc<LookupResults>, RegistryError> {
        self.wait_admitted(&self.lookup_admission, |waiter| self.lookups.submit(key, waiter)).await
    }

    /// Executes a command: returns its reply after COMMIT.
    async fn execute<C: Command>(
        &self,
        command: C,
        audit_context: AuditContext,
    ) -> Result<C::Reply, RegistryError> {
        self.submit(Operation::new(command, audit_context)).await
    }

    async fn execute_within<C: Command>(
        &self,
        command: C,
        limits: RequestLimits,
        audit_context: AuditContext,
    ) -> Result<C::Reply, RegistryError> {
        self.submit(Operation::new(command, audit_context).with_limits(limits)).await
    }

    async fn submit<C: Command>(&self, operation: Operation<C>) -> Result<C::Reply, RegistryError> {
        let operation = Arc::new(operation);
        let submitted = Arc::clone(&operation);
        // actix bounds the mailbox neither for `send` nor for `do_send`; admission does.
        let send = |waiter| self.addr.do_send(Submit { operation: submitted, waiter });
        self.wait_admitted(&self.operation_admission, send).await?;
        Ok(operation.take_reply()?)
    }

    /// Submits something, if it is admitted, and waits for the answer.
    async fn wait_admitted<T>(
        &self,
        admission: &Arc<Admission>,
        submit: impl FnOnce(Waiter<T>),
    ) -> Result<T, RegistryError> {
        let permit = admission.try_acquire(Instant::now()).ok_or(RegistryError::Busy)?;
        let (reply, response) = oneshot::channel();
        let deadline = deadline::by(QUEUE_LIMITS.max_wait);
        let span = telemetry::current_span();
        submit(Waiter { reply, permit, deadline, span });
        // The sender is dropped if the actor stops.
        response.await.unwrap_or(Err(RegistryError::OutcomeUnknown))
    }
}
