//! The audit entries of a batch.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::export_token::ExportToken;
use crate::domain::permission_request::PermissionRequest;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::audit_log::NewAuditEntry;

/// The audit entries that are written with a batch, in the order of its operations.
#[derive(Debug, Default)]
pub(super) struct PendingAuditEntries {
    entries: Vec<NewAuditEntry>,
}

impl PendingAuditEntries {
    /// Adds an entry about an export token; it concerns the token's creator.
    pub(super) fn add_export(
        &mut self,
        action: AuditAction,
        context: &AuditContext,
        export: &ExportToken,
        now: Timestamp,
    ) {
        let subject = format!("export:{}", export.id);
        self.entries.push(NewAuditEntry::new(now, context, action, subject, &[export.creator]));
    }

    /// Adds an entry about a request; it concerns both parties.
    pub(super) fn add_request(
        &mut self,
        action: AuditAction,
        context: &AuditContext,
        request: &PermissionRequest,
        now: Timestamp,
    ) {
        self.add_for_parties("request", action, context, request, now);
    }

    /// Adds an entry about the permission that a request led to; it concerns both parties.
    pub(super) fn add_permission(
        &mut self,
        action: AuditAction,
        context: &AuditContext,
        request: &PermissionRequest,
        now: Timestamp,
    ) {
        self.add_for_parties("permission", action, context, request, now);
    }

    /// Adds an entry about a blocked user. It concerns the actor alone: blocks are private.
    pub(super) fn add_blocked_user(
        &mut self,
        action: AuditAction,
        context: &AuditContext,
        blocked: UserId,
        now: Timestamp,
    ) {
        self.entries.push(NewAuditEntry::new(now, context, action, format!("user:{blocked}"), &[]));
    }

    fn add_for_parties(
        &mut self,
        kind: &str,
        action: AuditAction,
        context: &AuditContext,
        request: &PermissionRequest,
        now: Timestamp,
    ) {
        let PermissionRequest { id, terms, .. } = request;
        let parties = [terms.target, terms.grantee];
        self.entries.push(NewAuditEntry::new(now, context, action, format!("{kind}:{id}"), &parties));
    }

    pub(super) fn entries(&self) -> &[NewAuditEntry] {
        &self.entries
    }

    /// The entry whose presence in the database proves that the batch was committed;
    /// `None` if the batch writes nothing that is audited.
    pub(super) fn commit_marker(&self) -> Option<NewAuditEntry> {
        self.entries.last().cloned()
    }
}
