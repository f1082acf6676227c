//! Creating, deciding and closing requests, and resending their mail.

use std::sync::Arc;

use crate::domain::approval::{Approval, InvalidAsk};
use crate::domain::audit::AuditAction;
use crate::domain::block::Block;
use crate::domain::bundle::Bundle;
use crate::domain::bundle_permission::BundlePermission;
use crate::domain::permission_request::{
    Decided, Decision, IDEMPOTENCY_KEY_TTL_SECONDS, IdempotencyMatch, NewPermissionRequest,
    PermissionRequest, RequestError, RequestId, RequestOutcome,
};
use crate::domain::rate_limit::{QuotaStatus, RateLimited};
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;
use crate::domain::user::{Authority, UserId};
use crate::domain::validated_text::IdempotencyKey;
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::request_rows::RequestWrite;
use crate::store::ledger::row_key::RowKey;
use crate::store::participants::Participants;
use crate::store::requests::{Ask, DecisionKeyUse};

/// Why a request was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateRequestError {
    /// It was deleted after the caller looked it up.
    #[error("the bundle does not exist")]
    UnknownBundle,
    #[error(transparent)]
    InvalidAsk(#[from] InvalidAsk),
    #[error("the permission is already active")]
    AlreadyGranted,
    #[error("the idempotency key was used for a different request")]
    IdempotencyKeyConflict,
    #[error("the target has blocked the requester")]
    Blocked,
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
}

/// Why a mail was not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendMailError {
    /// The requester has no such pending request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The previous mail has not been sent yet.
    #[error("a mail about this request is already queued")]
    AlreadyPending,
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
}

/// A request that was created, now or earlier with the same idempotency key.
#[derive(Clone, Debug)]
pub struct CreatedRequest {
    pub request: PermissionRequest,
    /// The time to judge it by.
    pub now: Timestamp,
    /// Its bundle; `None` if it was created earlier.
    pub bundle: Option<Bundle>,
    /// The requester's quotas; none if it was created earlier.
    pub quotas: Vec<QuotaStatus>,
}

/// Requests a permission. A pending request with the same terms is replaced.
#[derive(Clone, Debug)]
pub struct CreateRequest(pub NewPermissionRequest);

impl Command for CreateRequest {
    type Reply = Result<CreatedRequest, CreateRequestError>;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Terms(self.0.terms))
    }

    fn is_optimistic(&self) -> bool {
        true
    }

    fn select_rows(&self, context: &OperationContext, rows: &mut RowSelection) {
        let Self(new) = self;
        let key = new.creation_key.as_ref().map(|creation| (new.asked_by, creation.key.clone()));
        rows.asks.push(Ask { terms: new.terms, key });
        rows.constraints.add_limits(context.limits.for_request(new));
        rows.constraints.add_limits(context.limits.for_unknown_references(new.asked_by));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self(new) = self;
        let (now, id) = (batch.now, batch.next_id());
        let writes = &mut batch.writes;
        let has_same_key = |request: &PermissionRequest| {
            let [earlier, new_key] =
                [&request.creation_key, &new.creation_key].map(|key| key.as_ref().map(|sent| &sent.key));
            new_key.is_some() && earlier == new_key && request.asked_by == new.asked_by
        };
        if let Some(row) = writes.requests.iter_mut().find(|row| has_same_key(&row.request)) {
            let earlier = &mut row.request;
            match earlier.match_idempotency(new, now) {
                Some(IdempotencyMatch::Replay) => {
                    let request = earlier.clone();
                    return Ok(CreatedRequest { request, now, bundle: None, quotas: Vec::new() });
                }
                Some(IdempotencyMatch::Conflict) => return Err(CreateRequestError::IdempotencyKeyConflict),
                None => {
                    earlier.creation_key = None;
                    writes.expired_keys.push(earlier.id);
                }
            }
        }
        // Checked first, so that the errors below do not reveal whether the target exists.
        writes.constraints.check_limit(context.limits.for_unknown_references(new.asked_by), now)?;
        let bundle = batch.bundles.get(&new.terms.bundle).ok_or(CreateRequestError::UnknownBundle)?;
        let asked = new.asked.of_bundle(bundle.permission)?;
        let is_granted = |active: &BundlePermission| !active.can_be_replaced_by(asked.permission, now);
        if batch.permissions.get(&new.terms).is_some_and(is_granted) {
            return Err(CreateRequestError::AlreadyGranted);
        }
        if writes.constraints.is_blocked(&Block::from_terms(new.terms)) {
            return Err(CreateRequestError::Blocked);
        }
        let quotas = writes.constraints.consume_limit(&context.limits.for_request(new), now)?;
        for row in writes.requests.iter_mut().filter(|row| row.request.terms == new.terms) {
            if row.request.replace(now).is_ok() {
                row.mark(RequestWrite::Close);
                let action = AuditAction::RequestReplaced;
                writes.audit_entries.add_request(action, &context.audit, &row.request, now);
            }
        }
        let request = PermissionRequest {
            id,
            redeem_id: RedeemId(context.entropy().uuid(now)),
            terms: new.terms,
            asked_by: new.asked_by,
            asked,
            purpose: new.purpose.clone(),
            return_to: new.return_to.clone(),
            redeem_page: new.redeem_page.clone(),
            created_at: now,
            expires_at: now.plus_seconds(new.lifetime_seconds),
            creation_key: new.creation_key.clone(),
            closed: None,
        };
        writes.audit_entries.add_request(AuditAction::RequestCreated, &context.audit, &request, now);
        writes.requests.insert(request.clone());
        Ok(CreatedRequest { request, now, bundle: Some(bundle.clone()), quotas })
    }
}

/// Approves or declines a request by its token, as its target.
#[derive(Clone, Debug)]
pub struct Decide {
    pub id: RedeemId,
    pub by: UserId,
    pub decision: Decision,
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Decide {
    /// Declining without a reason.
    pub const fn decline(id: RedeemId, by: UserId) -> Self {
        Self { id, by, decision: Decision::Decline(None), idempotency_key: None }
    }

    /// An approval of everything that was asked for.
    pub fn as_asked(id: RedeemId, by: UserId, idempotency_key: Option<IdempotencyKey>) -> Self {
        Self { id, by, decision: Decision::Approve(Approval::AS_ASKED, None), idempotency_key }
    }
}

impl Command for Decide {
    /// After an approval the active permission, and the users and bundles that it refers to.
    type Reply = Result<Option<(BundlePermission, Arc<Participants>)>, RequestError>;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Redeem(self.id))
    }

    fn is_optimistic(&self) -> bool {
        true
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.requests.redeem_ids.push(self.id);
        rows.decision_keys.extend(self.idempotency_key.clone().map(|key| (self.by, key)));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self { id, by, decision, idempotency_key } = self;
        let now = batch.now;
        let request = batch.writes.requests.get(*id).ok_or(RequestError::NotPending)?;
        let terms = request.terms;
        // A repeated decision does not depend on the requester.
        if request.closed.is_none() && batch.participants.is_disabled(terms.grantee) {
            return Err(RequestError::NotPending);
        }
        let key = idempotency_key.clone().filter(|_| terms.target == *by).map(|key| (*by, key));
        let key_use = key
            .as_ref()
            .and_then(|key| batch.decision_keys.get(key))
            .filter(|key_use| key_use.redeem_id != *id);
        let mut expired_key = None;
        if let Some(key_use) = key_use {
            if now < key_use.decided_at.plus_seconds(IDEMPOTENCY_KEY_TTL_SECONDS) {
                return Err(RequestError::IdempotencyKeyConflict);
            }
            expired_key = Some(key_use.id);
        }
        let row = batch.writes.requests.get_mut(*id).ok_or(RequestError::NotPending)?;
        let active = batch.permissions.get(&terms);
        let decided = row.request.decide(*by, decision, idempotency_key.as_ref(), active, now)?;
        if decided == Decided::First {
            row.mark(RequestWrite::Close);
            batch.writes.expired_decision_keys.extend(expired_key);
            if let Some(key) = key {
                let key_use = DecisionKeyUse { id: row.request.id, redeem_id: *id, decided_at: now };
                batch.decision_keys.insert(key, key_use);
            }
            let granted = row.request.permission(now);
            let action = match decision {
                Decision::Approve(..) => AuditAction::RequestApproved,
                Decision::Decline(_) => AuditAction::RequestDeclined,
            };
            batch.writes.audit_entries.add_request(action, &context.audit, &row.request, now);
            if let Some(permission) = granted {
                batch.replace_permission(terms, context);
                batch.permissions.insert(terms, permission);
                batch.holders.insert(terms, *id);
            }
        }
        if let Decision::Decline(_) = decision {
            return Ok(None);
        }
        let request = batch.writes.requests.get(*id).ok_or(RequestError::NotPending)?;
        let permission = batch.permissions.get(&terms).filter(|active| request.led_to(active));
        // None: a repeated approval, after its permission has ended.
        let permission = permission.ok_or(RequestError::NotPending)?;
        Ok(Some((*permission, Arc::clone(&batch.participants))))
    }
}

/// Declines or withdraws a request by its number.
#[derive(Clone, Debug)]
pub struct CloseRequest {
    pub id: RequestId,
    pub by: Authority,
}

impl Command for CloseRequest {
    type Reply = Result<RequestOutcome, RequestError>;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Request(self.id))
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.requests.numbers.push(self.id);
        rows.requesters = true;
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self { id, by } = *self;
        let participants = Arc::clone(&batch.participants);
        let row = batch.writes.requests.by_id_mut(id).ok_or(RequestError::NotPending)?;
        let Terms { target, grantee, .. } = row.request.terms;
        if participants.is_disabled(grantee) && by == Authority::User(target) {
            return Err(RequestError::NotPending);
        }
        let outcome = row.request.close(by, batch.now)?;
        row.mark(RequestWrite::Close);
        let action = if outcome == RequestOutcome::Declined {
            AuditAction::RequestDeclined
        } else {
            AuditAction::RequestWithdrawn
        };
        batch.writes.audit_entries.add_request(action, &context.audit, &row.request, batch.now);
        Ok(outcome)
    }
}

/// Sends the mail of a pending request again, with the same link, as its requester.
#[derive(Clone, Debug)]
pub struct ResendMail {
    pub id: RequestId,
    /// The request's terms, which determine the rate limits.
    pub terms: Terms,
    pub by: UserId,
}

impl Command for ResendMail {
    type Reply = Result<(), ResendMailError>;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Request(self.id))
    }

    fn select_rows(&self, context: &OperationContext, rows: &mut RowSelection) {
        rows.requests.numbers.push(self.id);
        rows.pending_mails.push(self.id);
        rows.constraints.add_limits(context.limits.for_mail(self.terms, self.by));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self { id, terms, by } = *self;
        let row = batch.writes.requests.by_id_mut(id).filter(|row| row.request.terms == terms);
        let request = &row.ok_or(RequestError::NotPending)?.request;
        request.check_resend(by, batch.now)?;
        if batch.pending_mails.contains(&id) {
            return Err(ResendMailError::AlreadyPending);
        }
        let limits = context.limits.for_mail(terms, by);
        batch.writes.constraints.consume_limit(&limits, batch.now)?;
        batch.pending_mails.insert(id);
        batch.writes.resent_mails.push(id);
        let audit_entries = &mut batch.writes.audit_entries;
        audit_entries.add_request(AuditAction::RequestResent, &context.audit, request, batch.now);
        Ok(())
    }
}
