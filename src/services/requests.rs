//! Permission requests, as their parties see them. The registry creates and closes them.

use std::collections::HashMap;

use super::filters::TermsQuery;
use crate::domain::audit::AuditAction;
use crate::domain::bundle::Bundle;
use crate::domain::bundle_permission::BundlePermission;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome, RequestStatus};
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;
use crate::domain::user::{User, UserId};
use crate::store::audit_log::{self, AuditEntry, AuditLogFilter};
use crate::store::link_views::{self, LinkViewCounts};
use crate::store::outbox::{self, OutboxMail};
use crate::store::participants::{Participants, RequestParties};
use crate::store::requests::{self, RequestFilter, Side};
use crate::store::{
    AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, blocks, permissions, users,
};

/// Audit log entries of a request that its history reads, and as many of its permission.
const MAX_AUDIT_ENTRIES: usize = 100;

/// The pages of [`RequestLists`].
#[derive(Clone, Copy)]
pub(crate) struct RequestPages {
    pub pending: LimitOffset,
    pub closed: LimitOffset,
    pub blocked: LimitOffset,
}

/// The requests that a user created, and the users whose requests they do not accept.
pub(crate) struct RequestLists {
    pub pending: Paginated<PermissionRequest>,
    /// The latest mail of each pending request.
    pub mails: HashMap<RequestId, OutboxMail>,
    pub closed: Paginated<PermissionRequest>,
    /// The active permissions with the terms of the closed requests.
    pub active_permissions: Vec<BundlePermission>,
    pub participants: Participants,
    pub blocked: Paginated<User>,
}

/// A request and everything that happened to it.
pub(crate) struct RequestHistory {
    pub request: PermissionRequest,
    pub target: User,
    pub grantee: User,
    pub bundle: Bundle,
    pub mails: Vec<OutboxMail>,
    pub views: Option<LinkViewCounts>,
    /// The entries of the request and of its permission, oldest first.
    pub audit_entries: Vec<AuditEntry>,
    /// Whether a permission with its terms is active, from this request or another source.
    pub is_active: bool,
    pub now: Timestamp,
}

/// What is known about a request whose link cannot be used.
pub(crate) struct LinkOwner {
    pub request: PermissionRequest,
    pub is_pending: bool,
    pub grantee: Option<User>,
}

impl LinkOwner {
    /// How and when the target decided.
    pub fn decided(&self) -> Option<(RequestOutcome, Timestamp)> {
        let closed = self.request.closed.as_ref()?;
        let is_decision = matches!(closed.outcome, RequestOutcome::Approved | RequestOutcome::Declined);
        is_decision.then_some((closed.outcome, closed.closed_at))
    }
}

/// Reads a user's requests and blocks.
pub(crate) async fn list_by_grantee(
    store: &AsyncStore,
    grantee: UserId,
    pages: RequestPages,
) -> Result<RequestLists, StoreError> {
    let listed = store.read(move |conn| {
        let now = conn.now()?;
        let pending = requests::pending_of_side(conn, Side::Grantee, grantee, pages.pending, now)?;
        let closed = requests::closed_of_grantee(conn, grantee, pages.closed)?;
        let participants = Participants::load_as_of(conn, pending.rows.iter().chain(&closed.rows))?;
        let closed_terms: Vec<Terms> = closed.rows.iter().map(|request| request.terms).collect();
        let pending_ids: Vec<RequestId> = pending.rows.iter().map(|request| request.id).collect();
        let active_permissions = permissions::by_terms(conn, &closed_terms, now)?;
        let mails = outbox::latest_by_request(conn, &pending_ids)?;
        let blocked = blocks::list_by_target(conn, grantee, pages.blocked)?;
        let blocked = Paginated { rows: users::by_ids(conn, &blocked.rows)?, total: blocked.total };
        Ok(RequestLists { pending, mails, closed, active_permissions, participants, blocked })
    });
    listed.await
}

/// The pending request with this ID, if the user is a party to it.
pub(crate) async fn find_pending(
    store: &AsyncStore,
    id: RequestId,
    party: UserId,
) -> Result<Option<PermissionRequest>, StoreError> {
    let found = store.read(move |conn| {
        let now = conn.now()?;
        requests::pending_by_ids(conn, &[id], party, now)
    });
    Ok(found.await?.pop())
}

/// The parties of the request with this redeem ID, pending or not.
pub(crate) async fn find_link_owner(
    store: &AsyncStore,
    id: RedeemId,
) -> Result<Option<LinkOwner>, StoreError> {
    let found = store.read(move |conn| {
        let Some(request) = requests::by_redeem_id(conn, id)? else { return Ok(None) };
        let grantee = users::by_ids(conn, &[request.terms.grantee])?.pop();
        let is_pending = request.is_pending(conn.now()?);
        Ok(Some(LinkOwner { request, is_pending, grantee }))
    });
    found.await
}

/// How a request was closed, if the user is a party to it: as the party that declined or withdrew it,
/// or otherwise.
pub(crate) async fn closed_by(
    store: &AsyncStore,
    id: RequestId,
    party: UserId,
) -> Result<Option<RequestOutcome>, StoreError> {
    let found = store.read(move |conn| Ok(requests::by_ids(conn, &[id])?.pop()));
    let found = found.await?.filter(|request| request.terms.has_party(party));
    Ok(found.and_then(|request| {
        let (terms, outcome) = (request.terms, request.closed?.outcome);
        Some(match outcome {
            // To the other party it is not their own action.
            RequestOutcome::Declined if terms.target != party => RequestOutcome::Expired,
            RequestOutcome::Withdrawn if terms.grantee != party => RequestOutcome::Expired,
            outcome => outcome,
        })
    }))
}

/// Reads a request's history. `None` if there is no such request.
pub(crate) async fn history(store: &AsyncStore, id: RequestId) -> Result<Option<RequestHistory>, StoreError> {
    store.read(move |conn| RequestHistory::load(conn, id)).await
}

impl RequestHistory {
    fn load(conn: &mut Conn, id: RequestId) -> QueryResult<Option<Self>> {
        let Some(request) = requests::by_ids(conn, &[id])?.pop() else { return Ok(None) };
        let terms = request.terms;
        let now = conn.now()?;
        let parties = users::by_ids(conn, &[terms.target, terms.grantee])?;
        let party = |id: UserId| parties.iter().find(|user| user.id == id).cloned();
        let bundle = Participants::load_as_of(conn, std::iter::once(&request))?.bundle_of(&request).cloned();
        let (Some(target), Some(grantee), Some(bundle)) = (party(terms.target), party(terms.grantee), bundle)
        else {
            return Ok(None);
        };
        let mut audit_entries = Vec::new();
        for subject in [format!("request:{id}"), format!("permission:{id}")] {
            let filter = AuditLogFilter { subject: Some(subject), ..AuditLogFilter::default() };
            audit_entries.extend(audit_log::list_newest(conn, &filter, MAX_AUDIT_ENTRIES)?);
        }
        audit_entries.sort_by_key(|entry| entry.id);
        Ok(Some(Self {
            mails: outbox::by_request(conn, id)?,
            views: link_views::by_redeem_id(conn, request.redeem_id)?,
            is_active: !permissions::by_terms(conn, &[terms], now)?.is_empty(),
            now,
            request,
            target,
            grantee,
            bundle,
            audit_entries,
        }))
    }

    /// Whether the target granted the permission without a request.
    pub fn is_granted_directly(&self) -> bool {
        self.request.closed.as_ref().is_some_and(|closed| closed.outcome == RequestOutcome::GrantedDirectly)
    }

    /// Whether staff granted the permission on behalf of the target.
    pub fn is_granted_by_staff(&self) -> bool {
        self.is_granted_directly() && self.request.asked_by != self.request.terms.target
    }

    /// The last audit log entry with this action.
    pub fn last_action(&self, action: AuditAction) -> Option<&AuditEntry> {
        self.audit_entries.iter().rev().find(|entry| entry.action == action.name())
    }
}

/// Requests, with the users and bundles that they name.
pub(crate) struct LoadedRequests {
    requests: Vec<PermissionRequest>,
    participants: Participants,
    /// The active permissions that approvals left in force instead of granting another one.
    kept_permissions: HashMap<Terms, BundlePermission>,
    pub read_at: Timestamp,
}

/// A request with its parties, and the active permission that its approval led to.
pub(crate) struct LoadedRequest<'a> {
    pub request: &'a PermissionRequest,
    pub parties: RequestParties<'a>,
    pub permission: Option<BundlePermission>,
}

impl LoadedRequests {
    fn load(conn: &mut Conn, requests: Vec<PermissionRequest>, read_at: Timestamp) -> QueryResult<Self> {
        let participants = Participants::load_as_of(conn, requests.iter())?;
        let kept: Vec<Terms> = requests
            .iter()
            .filter(|request| request.closed.as_ref().is_some_and(|closed| closed.covered.is_some()))
            .map(|request| request.terms)
            .collect();
        let kept = if kept.is_empty() { Vec::new() } else { permissions::by_terms(conn, &kept, read_at)? };
        let kept_permissions = kept.into_iter().map(|permission| (permission.terms, permission)).collect();
        Ok(Self { requests, participants, kept_permissions, read_at })
    }

    /// Each request with its parties and its permission.
    /// The requests in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = LoadedRequest<'_>> {
        self.requests.iter().filter_map(|request| {
            let parties = self.participants.parties(request.terms)?;
            let parties = RequestParties { bundle: self.participants.bundle_of(request)?, ..parties };
            let kept = || self.kept_permissions.get(&request.terms).filter(|kept| request.led_to(kept));
            let permission = request.permission(self.read_at).or_else(|| kept().copied());
            Some(LoadedRequest { request, parties, permission })
        })
    }
}

/// Which requests to list.
#[derive(Clone, Debug)]
pub(crate) struct RequestQuery {
    /// `None`: pending.
    pub statuses: Option<Vec<RequestStatus>>,
    pub terms: TermsQuery,
    pub created_from: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
}

/// The number of requests of a party that match, and a page of them.
pub(crate) async fn list_for_party(
    store: &AsyncStore,
    party: UserId,
    query: RequestQuery,
    page: LimitOffset,
) -> Result<(i64, LoadedRequests), StoreError> {
    let listed = store.read(move |conn| {
        let now = conn.now()?;
        let RequestQuery { statuses, terms, created_from, created_before } = query.clone();
        let terms = terms.resolve(conn)?;
        let filter = RequestFilter { statuses, terms, created_from, created_before };
        let listed = requests::list_for_party(conn, party, &filter, page, now)?;
        Ok((listed.total, LoadedRequests::load(conn, listed.rows, now)?))
    });
    listed.await
}

/// The requests with these ids, pending or closed, to which the user is a party or that they created.
pub(crate) async fn by_ids(
    store: &AsyncStore,
    user: UserId,
    ids: Vec<RequestId>,
) -> Result<LoadedRequests, StoreError> {
    let found = store.read(move |conn| {
        let now = conn.now()?;
        let is_visible = |request: &PermissionRequest| {
            let is_request = request.status(now) != RequestStatus::Closed(RequestOutcome::GrantedDirectly);
            is_request && (request.terms.has_party(user) || request.asked_by == user)
        };
        let requests = requests::by_ids(conn, &ids)?.into_iter().filter(is_visible).collect();
        LoadedRequests::load(conn, requests, now)
    });
    found.await
}
