//! Creating and revoking export tokens.

use crate::domain::audit::AuditAction;
use crate::domain::export_token::{ExportDenied, ExportToken, ExportTokenRef, NewExportToken};
use crate::domain::hub::HubId;
use crate::domain::token::Token;
use crate::domain::user::Authority;
use crate::store::ledger::batch::Batch;
use crate::store::ledger::command::{Command, OperationContext};
use crate::store::ledger::load::RowSelection;
use crate::store::ledger::row_key::RowKey;

/// Creates an export token.
#[derive(Clone, Debug)]
pub struct CreateExport(pub NewExportToken);

impl Command for CreateExport {
    /// The row, and the token with its secret.
    type Reply = Result<(ExportToken, Token), ExportDenied>;

    fn row_key(&self) -> Option<RowKey> {
        None
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.privileges.push((self.0.hub.clone(), self.0.creator));
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self(new) = self;
        let privilege = batch.privileges.get(&(new.hub.as_str().to_owned(), new.creator)).copied();
        let (export, token) = new.issue(privilege, context.entropy(), batch.now)?;
        batch.writes.new_exports.push((export.clone(), token.digest()));
        let audit_entries = &mut batch.writes.audit_entries;
        audit_entries.add_export(AuditAction::ExportCreated, &context.audit, &export, batch.now);
        Ok((export, token))
    }
}

/// Revokes an export token.
#[derive(Clone, Debug)]
pub struct RevokeExport {
    pub which: ExportTokenRef,
    pub by: Authority,
    /// The hub whose admins may revoke the tokens of others. `None`: only the creator and the
    /// operator may.
    pub as_admin_of: Option<HubId>,
}

impl Command for RevokeExport {
    /// The revoked token; `None` if the caller has no such token.
    type Reply = Option<ExportToken>;

    fn row_key(&self) -> Option<RowKey> {
        Some(RowKey::Export(self.which.id))
    }

    fn select_rows(&self, _: &OperationContext, rows: &mut RowSelection) {
        rows.exports.push(self.which.id);
        if let (Some(hub), Authority::User(user)) = (&self.as_admin_of, self.by) {
            rows.privileges.push((hub.clone(), user));
        }
    }

    fn decide(&self, context: &OperationContext, batch: &mut Batch) -> Self::Reply {
        let Self { which, by, as_admin_of } = self;
        let (export, _) = batch.exports.get_mut(&which.id).filter(|(_, digest)| which.matches(digest))?;
        let privilege = match (as_admin_of, by) {
            (Some(hub), Authority::User(user)) if *hub == export.hub => {
                batch.privileges.get(&(hub.as_str().to_owned(), *user)).copied()
            }
            _ => None,
        };
        let newly_revoked = export.revoke(*by, privilege, batch.now)?;
        if newly_revoked {
            batch.writes.revoked_exports.push(which.id);
            let audit_entries = &mut batch.writes.audit_entries;
            audit_entries.add_export(AuditAction::ExportRevoked, &context.audit, export, batch.now);
        }
        Some(export.clone())
    }
}
