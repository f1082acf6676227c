//! Granting and revoking permissions.

use crate::domain::audit::AuditAction;
use crate::domain::block::Block;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::rate_limit::{QuotaStatus, RateLimited};
use crate::domain::rights::Mask;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;
use crate::domain::user::{Authority, UserId};
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::request_rows::RequestWrite;
use crate::store::ledger::row_key::RowKey;

/// Why a permission was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantPermissionError {
    /// It was deleted after the caller looked it up.
    #[error("the bundle does not exist")]
    UnknownBundle,
    #[error("the rights exceed those of the bundle: {0}")]
    RightsNotInBundle(Mask),
    #[error("the permission is already active")]
    AlreadyGranted,
    #[error("one party has blocked the other")]
    Blocked,
    #[error("the end is in the past")]
    EndInPast,
    #[error("the end is later than the configuration allows")]
    EndTooLate,
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
}

/// Grants a permission without a request, as the actor of the audit context, or else as its
/// target. The parties other than the actor get a mail.
#[derive(Clone, Debug)]
pub struct GrantPermission {
    pub terms: Terms,
    /// `None`: all rights of the bundle.
    pub permission: Option<Mask>,
    /// `None`: until revoked, or as long as the configuration allows.
    pub expires_at: Option<Timestamp>,
    /// The longest time that the configuration allows, in seconds.
    pub max_ttl: Option<i64>,
}

impl GrantPermission {
    /// A grant until it is revoked.
    pub const fn without_end(terms: Terms, permission: Mask) -> Self {
        Self { terms, permission: Some(permission), expires_at: None, max_ttl: None }
    }

    fn granted_by(&self, context: &OperationContext) -> UserId {
        context.audit.actor.unwrap_or(self.terms.target)
    }

    /// The blocks that refuse it. A target who grants a permission themselves may have blocked the
    /// grantee's requests.
    fn refusing_blocks(&self, by: UserId) -> Vec<Block> {
        let terms = self.terms;
        let by_grantee = Block { target: terms.grantee, blocked: terms.target };
        match by == terms.target {
            true => vec![by_grantee],
            false => vec![by_grantee, Block::from_terms(terms)],
        }
    }
}

impl Command for GrantPermission {
    /// The permission, and the quotas of the user who granted it.
    type Reply = Result<(BundlePermission, Vec<QuotaStatus>), GrantPermissionError>;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Terms(self.terms))
    }

    fn select_rows(&self, context: &OperationContext, rows: &mut RowSelection) {
        let by = self.granted_by(context);
        rows.new_requests += 1;
        rows.requests.permissions.push(self.terms);
        rows.bundles.push(self.terms.bundle);
        rows.constraints.blocks.extend(self.refusing_blocks(by));
        rows.constraints.add_limits(context.limits.for_grant(self.terms, by));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let terms = self.terms;
        let by = self.granted_by(context);
        let bundle = batch.bundles.get(&terms.bundle).ok_or(GrantPermissionError::UnknownBundle)?;
        let permission = self.permission.unwrap_or(bundle.permission);
        if !bundle.permission.contains(permission) {
            return Err(GrantPermissionError::RightsNotInBundle(bundle.permission));
        }
        let latest = self.max_ttl.map(|seconds| batch.now.plus_seconds(seconds));
        let expires_at = self.expires_at.or(latest);
        if expires_at.is_some_and(|end| end <= batch.now) {
            return Err(GrantPermissionError::EndInPast);
        }
        if latest.is_some_and(|latest| expires_at.is_some_and(|end| end > latest)) {
            return Err(GrantPermissionError::EndTooLate);
        }
        if batch.permissions.contains_key(&terms) {
            return Err(GrantPermissionError::AlreadyGranted);
        }
        let constraints = &mut batch.writes.constraints;
        if self.refusing_blocks(by).iter().any(|block| constraints.is_blocked(block)) {
            return Err(GrantPermissionError::Blocked);
        }
        let quotas = constraints.consume_limit(&context.limits.for_grant(terms, by), batch.now)?;
        let redeem_id = RedeemId(context.entropy().uuid(batch.now));
        let id = batch.next_id();
        let grant =
            PermissionRequest::granted_directly(id, terms, by, permission, expires_at, redeem_id, batch.now);
        let id = BundlePermissionId(id.0);
        let permission =
            BundlePermission { id, terms, permission, granted_at: batch.now, expires_at, requested: false };
        // One whose time is over.
        batch.replace_permission(terms, context);
        batch.permissions.insert(terms, permission);
        batch.holders.insert(terms, redeem_id);
        let audit_entries = &mut batch.writes.audit_entries;
        audit_entries.add_permission(AuditAction::PermissionGranted, &context.audit, &grant, batch.now);
        batch.writes.requests.insert(grant);
        Ok((permission, quotas))
    }
}

/// Revokes a permission, as a party to it or as the operator.
#[derive(Clone, Debug)]
pub struct RevokePermission {
    pub id: BundlePermissionId,
    pub by: Authority,
}

impl Command for RevokePermission {
    /// Whether there was such a permission.
    type Reply = bool;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Permission(self.id))
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.requests.numbers.push(RequestId(self.id.0));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Some(row) = batch.writes.requests.by_id_mut(RequestId(self.id.0)) else { return false };
        if !row.request.revoke_permission(self.by, batch.now) {
            return false;
        }
        row.mark(RequestWrite::EndPermission);
        batch.permissions.remove(&row.request.terms);
        batch.holders.remove(&row.request.terms);
        let audit_entries = &mut batch.writes.audit_entries;
        audit_entries.add_permission(AuditAction::PermissionRevoked, &context.audit, &row.request, batch.now);
        true
    }
}
