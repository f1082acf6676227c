//! Granting and revoking permissions.

use diesel::QueryResult;

use crate::domain::audit::AuditAction;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::terms::Terms;
use crate::domain::token::RedeemId;
use crate::domain::user::UserId;
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::request_rows::RequestWrite;
use crate::store::ledger::row_key::RowKey;

/// Grants a permission without a request.
#[derive(Clone, Debug)]
pub struct GrantPermission(pub Terms);

impl Command for GrantPermission {
    /// The permission; `None` if it was active already.
    type Reply = Option<BundlePermission>;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Terms(self.0))
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.permissions.push(self.0);
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self(terms) = *self;
        if batch.permissions.contains_key(&terms) {
            return None;
        }
        let redeem_id = RedeemId(context.entropy.uuid(batch.now));
        let grant = PermissionRequest::granted_directly(terms, redeem_id, batch.now);
        let permission = grant.permission();
        batch.permissions.extend(permission.map(|permission| (terms, permission)));
        let audit_entries = &mut batch.writes.audit_entries;
        audit_entries.add_permission(AuditAction::PermissionGranted, &context.audit, &grant, batch.now);
        batch.writes.requests.insert(grant);
        permission
    }

    fn complete_reply(reply: &mut Self::Reply, batch: &Batch) -> QueryResult<()> {
        if let Some(permission) = reply {
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
