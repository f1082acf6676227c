//! Granting and revoking permissions.

use diesel::QueryResult;

use crate::domain::audit::AuditAction;
use crate::domain::block::Block;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::rate_limit::{QuotaStatus, RateLimited};
use crate::domain::terms::Terms;
use crate::domain::token::RedeemId;
use crate::domain::user::UserId;
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::request_rows::RequestWrite;
use crate::store::ledger::row_key::RowKey;

/// Why a permission was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantPermissionError {
    #[error("the permission is already active")]
    AlreadyGranted,
    #[error("one party has blocked the other")]
    Blocked,
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
}

/// Grants a permission without a request, as the actor of the audit context, or else as its
/// target. The parties other than the actor get a mail.
#[derive(Clone, Debug)]
pub struct GrantPermission(pub Terms);

impl GrantPermission {
    fn granted_by(&self, context: &OperationContext) -> UserId {
        context.audit.actor.unwrap_or(self.0.target)
    }

    /// The blocks that refuse it. A target who grants a permission themselves may have blocked the
    /// grantee's requests.
    fn refusing_blocks(&self, by: UserId) -> Vec<Block> {
        let Self(terms) = *self;
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
        Some(RowKey::Terms(self.0))
    }

    fn select_rows(&self, context: &OperationContext, rows: &mut RowSelection) {
        let by = self.granted_by(context);
        rows.permissions.push(self.0);
        rows.constraints.blocks.extend(self.refusing_blocks(by));
        rows.constraints.add_limits(context.limits.for_grant(self.0, by));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self(terms) = *self;
        let by = self.granted_by(context);
        if batch.permissions.contains_key(&terms) {
            return Err(GrantPermissionError::AlreadyGranted);
        }
        let constraints = &mut batch.writes.constraints;
        if self.refusing_blocks(by).iter().any(|block| constraints.is_blocked(block)) {
            return Err(GrantPermissionError::Blocked);
        }
        let quotas = constraints.consume_limit(&context.limits.for_grant(terms, by), batch.now)?;
        let redeem_id = RedeemId(context.entropy.uuid(batch.now));
        let grant = PermissionRequest::granted_directly(terms, by, redeem_id, batch.now);
        let permission =
            BundlePermission { id: BundlePermissionId::UNASSIGNED, terms, created_at: batch.now };
        batch.permissions.insert(terms, permission);
        let audit_entries = &mut batch.writes.audit_entries;
        audit_entries.add_permission(AuditAction::PermissionGranted, &context.audit, &grant, batch.now);
        batch.writes.requests.insert(grant);
        Ok((permission, quotas))
    }

    fn complete_reply(reply: &mut Self::Reply, batch: &Batch) -> QueryResult<()> {
        if let Ok((permission, _)) = reply {
            *permission = batch.written_permission(permission.terms)?;
        }
        Ok(())
    }
}

/// Revokes a permission, as a party to it.
#[derive(Clone, Debug)]
pub struct RevokePermission {
    pub id: BundlePermissionId,
    pub by: UserId,
}

impl Command for RevokePermission {
    /// Whether the user had such a permission.
    type Reply = bool;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Permission(self.id))
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.requests.numbers.push(RequestId(self.id.0));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Some(row) = batch.writes.requests.by_id_mut(RequestId(self.id.0)) else { return false };
        if !row.request.revoke_permission(self.by) {
            return false;
        }
        row.mark(RequestWrite::RevokePermission);
        batch.permissions.remove(&row.request.terms);
        let audit_entries = &mut batch.writes.audit_entries;
        audit_entries.add_permission(AuditAction::PermissionRevoked, &context.audit, &row.request, batch.now);
        true
    }
}
