//! The audit entries of a batch. An entry about a new request gets the request's id
//! after the insert.

use super::request_rows::RequestRows;
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::export_token::ExportToken;
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;
use crate::domain::user::UserId;
use crate::store::audit_log::NewAuditEntry;

/// The audit entries that are written with a batch, in the order of its operations.
#[derive(Debug, Default)]
pub(super) struct PendingAuditEntries {
    entries: Vec<NewAuditEntry>,
    unassigned: Vec<UnassignedSubject>,
}

/// The subject of an entry about a request that has no id yet.
#[derive(Debug)]
struct UnassignedSubject {
    entry_index: usize,
    kind: &'static str,
    redeem_id: RedeemId,
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
        kind: &'static str,
        action: AuditAction,
        context: &AuditContext,
        request: &PermissionRequest,
        now: Timestamp,
    ) {
        let PermissionRequest { id, redeem_id, terms, .. } = request;
        if *id == RequestId::UNASSIGNED {
            let entry_index = self.entries.len();
            self.unassigned.push(UnassignedSubject { entry_index, kind, redeem_id: *redeem_id });
        }
        let parties = [terms.target, terms.grantee];
        self.entries.push(NewAuditEntry::new(now, context, action, format!("{kind}:{id}"), &parties));
    }

    /// Completes the subjects after the new requests have been inserted.
    pub(super) fn assign_ids(&mut self, requests: &RequestRows) {
        for UnassignedSubject { entry_index, kind, redeem_id } in self.unassigned.drain(..) {
            if let (Some(entry), Some(request)) = (self.entries.get_mut(entry_index), requests.get(redeem_id))
            {
                entry.subject = format!("{kind}:{}", request.id);
            }
        }
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
