//! The state of a batch while its commands are decided.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::command::OperationContext;
use super::pending_writes::PendingWrites;
use super::request_rows::RequestWrite;
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::bundle_permission::{BundlePermission, EndCause, PermissionEnd};
use crate::domain::export_token::ExportToken;
use crate::domain::permission_request::RequestId;
use crate::domain::rights::Mask;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ExportId, RedeemId, TokenDigest};
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::store::participants::Participants;
use crate::store::requests::DecisionKeyUse;

/// The loaded rows of a batch and its pending writes. A command decides on what the
/// commands before it have left.
#[derive(Debug)]
pub struct Batch {
    /// The time of all decisions of the batch, by the database's clock.
    pub(super) now: Timestamp,
    /// The users and bundles of the requests that are named by token, and the requesters of those
    /// that are to be closed by id.
    pub(super) participants: Arc<Participants>,
    /// Users' privileges in hubs.
    pub(super) privileges: HashMap<(String, UserId), Mask>,
    /// The bundles that new rows refer to. They cannot change before the batch is committed.
    pub(super) bundles: HashMap<BundleId, Bundle>,
    pub(super) exports: HashMap<ExportId, (ExportToken, TokenDigest)>,
    /// The active permissions. They are locked only if `holders` contains them.
    pub(super) permissions: HashMap<Terms, BundlePermission>,
    /// The rows with a permission that has not been marked as ended, by their terms.
    pub(super) holders: HashMap<Terms, RedeemId>,
    /// The requests that targets have decided on with these idempotency keys.
    pub(super) decision_keys: HashMap<(UserId, IdempotencyKey), DecisionKeyUse>,
    /// The requests with a mail in the outbox, of those whose mail is to be resent.
    pub(super) pending_mails: HashSet<RequestId>,
    /// The ids of the rows that the commands insert.
    pub(super) new_ids: std::vec::IntoIter<RequestId>,
    pub(super) writes: PendingWrites,
}

impl Batch {
    /// The id of a new row. Its command has [selected](super::load::RowSelection::new_requests) it.
    pub(super) fn next_id(&mut self) -> RequestId {
        self.new_ids.next().unwrap_or(RequestId(0))
    }

    /// Marks the permission with these terms as ended, to put another one in its place.
    pub(super) fn replace_permission(&mut self, terms: Terms, by: &OperationContext) {
        self.permissions.remove(&terms);
        let Some(holder) = self.holders.remove(&terms) else { return };
        let Some(row) = self.writes.requests.get_mut(holder) else { return };
        if !row.request.end_permission(EndCause::Replaced, self.now) {
            return;
        }
        row.mark(RequestWrite::EndPermission);
        let ended = row.request.granted().and_then(|granted| granted.ended);
        let (action, context) = match ended {
            Some(PermissionEnd { cause: EndCause::Expired, .. }) => {
                (AuditAction::PermissionExpired, &AuditContext::OPERATOR)
            }
            _ => (AuditAction::PermissionReplaced, &by.audit),
        };
        self.writes.audit_entries.add_permission(action, context, &row.request, self.now);
    }
}
