//! The state of a batch while its commands are decided.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::QueryResult;

use super::guard::invariant_violation;
use super::pending_writes::PendingWrites;
use crate::domain::bundle_permission::BundlePermission;
use crate::domain::export_token::ExportToken;
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::rights::Mask;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ExportId, TokenDigest};
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::store::participants::Participants;
use crate::store::requests::RedeemKeyUse;

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
    pub(super) exports: HashMap<ExportId, (ExportToken, TokenDigest)>,
    /// The active permissions.
    pub(super) permissions: HashMap<Terms, BundlePermission>,
    /// The requests that targets have approved with these idempotency keys.
    pub(super) redeem_keys: HashMap<(UserId, IdempotencyKey), RedeemKeyUse>,
    /// The requests with a mail in the outbox, of those whose mail is to be resent.
    pub(super) pending_mails: HashSet<RequestId>,
    pub(super) writes: PendingWrites,
}

impl Batch {
    /// The active permission with these terms, after the requests have been written.
    pub(super) fn written_permission(&self, terms: Terms) -> QueryResult<BundlePermission> {
        let mut with_terms = self.writes.requests.iter().filter(|request| request.terms == terms);
        with_terms
            .find_map(PermissionRequest::permission)
            .ok_or_else(|| invariant_violation("a permission written in this batch is missing"))
    }
}
