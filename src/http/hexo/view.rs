//! The JSON of the resources.

use serde::Serialize;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};
use crate::domain::approval::{Purpose, Reason};
use crate::domain::audit::AuditSubjectRef;
use crate::domain::bundle::Bundle;
use crate::domain::bundle_permission::BundlePermission;
use crate::domain::permission_request::{PermissionRequest, RequestOutcome};
use crate::domain::rights::{Mask, Right};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{User, UserId};
use crate::http::base_path::with_base_path;
use crate::http::extract::authenticated::Caller;
use crate::http::openapi::schemas;
use crate::http::state::AppState;
use crate::store::audit_log::AuditEntry;
use crate::store::participants::RequestParties;

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::user)]
pub(super) struct UserView<'a> {
    email: &'a str,
    first_name: &'a str,
    id: i64,
    last_name: &'a str,
    resource_uri: String,
    /// Same as `email`.
    username: &'a str,
}

impl<'a> UserView<'a> {
    pub(super) fn new(user: &'a User, prefix: ApiPrefix) -> Self {
        Self {
            email: user.email.as_str(),
            first_name: user.first_name.as_str(),
            id: user.id.0,
            last_name: user.last_name.as_str(),
            resource_uri: prefix.detail_uri(ResourceKind::User, user.id.0),
            username: user.email.as_str(),
        }
    }
}

/// A block. It shows only the URI of the blocked user, because the caller may not see their data.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::block)]
pub(super) struct BlockView {
    pub(super) resource_uri: String,
    user: String,
}

impl BlockView {
    pub(super) fn new(UserId(id): UserId, prefix: ApiPrefix) -> Self {
        Self {
            resource_uri: prefix.detail_uri(ResourceKind::Block, id),
            user: prefix.detail_uri(ResourceKind::User, id),
        }
    }
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::audit_entry)]
pub(super) struct AuditEntryView<'a> {
    action: &'a str,
    /// The URI of the user who acted; null for the command line.
    actor: Option<String>,
    /// The IP address of the client; null unless the caller is staff or the actor.
    address: Option<&'a str>,
    /// The time (RFC 3339).
    #[schema(format = DateTime)]
    at: String,
    /// The `User-Agent` of the client; null unless the caller is staff or the actor.
    client: Option<&'a str>,
    id: String,
    resource_uri: String,
    /// The affected object, e.g. `request:12`, `export:<id>` or `user:3`.
    subject: &'a str,
    /// The URI of the affected object, if it has one. The object may have been deleted.
    subject_uri: Option<String>,
}

impl<'a> AuditEntryView<'a> {
    pub(super) fn new(entry: &'a AuditEntry, viewer: &User, prefix: ApiPrefix) -> Self {
        let shows_client = viewer.staff || entry.actor == Some(viewer.id);
        let subject_path = AuditSubjectRef::parse(&entry.subject).path(prefix.path());
        Self {
            action: &entry.action,
            actor: entry.actor.map(|actor| prefix.detail_uri(ResourceKind::User, actor)),
            address: entry.ip.as_deref().filter(|_| shows_client),
            at: entry.at.rfc3339(),
            client: entry.user_agent.as_deref().filter(|_| shows_client),
            id: entry.id.to_string(),
            resource_uri: prefix.detail_uri(ResourceKind::Audit, entry.id),
            subject: &entry.subject,
            subject_uri: subject_path.map(|path| with_base_path(&path)),
        }
    }
}

/// A bundle.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::bundle)]
pub(super) struct BundleView<'a> {
    description: &'a str,
    id: i64,
    name: &'a str,
    /// The rights as a bit mask.
    #[schema(schema_with = schemas::mask_bits)]
    permission: u8,
    resource_uri: String,
}

impl<'a> BundleView<'a> {
    pub(super) fn new(bundle: &'a Bundle, prefix: ApiPrefix) -> Self {
        Self {
            description: bundle.description.as_str(),
            id: bundle.id.0,
            name: bundle.name.as_str(),
            permission: bundle.permission.bits(),
            resource_uri: prefix.detail_uri(ResourceKind::Bundle, bundle.id.0),
        }
    }
}

/// A permission.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::bundle_permission)]
pub(super) struct PermissionView<'a> {
    /// The URI of the bundle.
    bundle: String,
    /// When it ends (RFC 3339); null: until revoked.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was granted (RFC 3339).
    #[schema(format = DateTime)]
    granted_at: String,
    /// The name of the bundle.
    name: &'a str,
    /// The granted rights as a bit mask, some or all of those of the bundle.
    #[schema(schema_with = schemas::mask_bits)]
    permission: u8,
    /// The URI of the receipt.
    receipt: String,
    /// The URI of the request; null if it was granted directly.
    request: Option<String>,
    pub(super) resource_uri: String,
    /// The names of the granted rights.
    rights: Vec<&'static str>,
    user_allowed: UserView<'a>,
    user_target: UserView<'a>,
}

impl<'a> PermissionView<'a> {
    pub(super) fn new(permission: &BundlePermission, parties: RequestParties<'a>, prefix: ApiPrefix) -> Self {
        Self {
            bundle: prefix.detail_uri(ResourceKind::Bundle, parties.bundle.id.0),
            expires_at: permission.expires_at.map(Timestamp::rfc3339),
            granted_at: permission.granted_at.rfc3339(),
            permission: permission.permission.bits(),
            receipt: format!(
                "{}receipt/",
                prefix.detail_uri(ResourceKind::BundlePermission, permission.id.0)
            ),
            request: permission
                .requested
                .then(|| prefix.detail_uri(ResourceKind::BundlePermissionRequest, permission.id.0)),
            rights: right_names(permission.permission),
            name: parties.bundle.name.as_str(),
            resource_uri: prefix.detail_uri(ResourceKind::BundlePermission, permission.id.0),
            user_allowed: UserView::new(parties.grantee, prefix),
            user_target: UserView::new(parties.target, prefix),
        }
    }
}

/// A request.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::bundle_permission_request)]
pub(super) struct RequestView<'a> {
    bundle: BundleView<'a>,
    /// When it was created (RFC 3339).
    #[schema(format = DateTime)]
    created_at: String,
    /// When the target approved or declined it (RFC 3339).
    #[schema(format = DateTime)]
    decided_at: Option<String>,
    /// The decision of the target; null unless the request is approved or declined.
    decision: Option<DecisionView<'a>>,
    /// When it expires or expired (RFC 3339).
    #[schema(format = DateTime)]
    expires_at: String,
    id: i64,
    /// The rights without which the permission is useless to the requester, as a bit mask.
    #[schema(minimum = 0, maximum = 63)]
    minimum: u8,
    /// The rights that are asked for, as a bit mask.
    #[schema(schema_with = schemas::mask_bits)]
    permission: u8,
    /// How long the permission should last, in seconds from the approval; null: until revoked.
    permission_ttl: Option<i64>,
    /// Why the requester asks.
    purpose: Option<&'a str>,
    /// The redeem link; null unless the caller is the target.
    redeem_url: Option<String>,
    pub(super) resource_uri: String,
    /// Where the page leads the target after the decision. Only for the user who created the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_url: Option<Option<&'a str>>,
    /// The names of the rights that are asked for.
    rights: Vec<&'static str>,
    /// The value that is added to `return_url`. Only for the user who created the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Option<&'a str>>,
    /// `pending`, `approved`, `declined`, `withdrawn`, `expired` or `replaced`.
    status: &'static str,
    /// Seconds until the request expires.
    #[schema(minimum = 0)]
    ttl: i64,
    user_allowed: UserView<'a>,
    user_target: UserView<'a>,
}

/// The decision of the target.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::decision)]
struct DecisionView<'a> {
    /// The URI of the permission; null if it has ended, or if the request was declined.
    bundle_permission: Option<String>,
    /// When the permission ends or ended (RFC 3339); null: until revoked.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The granted rights as a bit mask.
    permission: Option<u8>,
    /// Why the target declined.
    reason: Option<&'a str>,
    /// The names of the granted rights.
    rights: Option<Vec<&'static str>>,
}

/// The caller who reads a response, and the parts of its URIs and links.
#[derive(Clone, Copy)]
pub(super) struct ViewContext<'a> {
    pub caller: &'a Caller,
    pub prefix: ApiPrefix,
    pub state: &'a AppState,
}

impl<'a> RequestView<'a> {
    /// Only the target gets the redeem link, and only while they can decide: before the request
    /// expires, and while the requester is active. `permission` is the active permission that its
    /// approval led to.
    pub(super) fn new(
        request: &'a PermissionRequest,
        parties: RequestParties<'a>,
        permission: Option<BundlePermission>,
        now: Timestamp,
        context: ViewContext<'_>,
    ) -> Self {
        let ViewContext { caller, prefix, state } = context;
        let can_redeem = request.is_pending_for(caller.id(), now) && parties.grantee.active;
        let redeem_url = || request.redeem_url(&state.keyring, state.config.public_url.as_str());
        let decision = DecisionView::new(request, permission, prefix);
        let decided_at = request.closed.as_ref().filter(|_| decision.is_some());
        let is_creator = caller.id() == request.asked_by;
        let return_to = request.return_to.as_ref();
        let asked = match request.closed {
            Some(_) => request.asked,
            None => request.asked.within(state.config.permissions.max_ttl),
        };
        Self {
            bundle: BundleView::new(parties.bundle, prefix),
            created_at: request.created_at.rfc3339(),
            decided_at: decided_at.map(|closed| closed.closed_at.rfc3339()),
            decision,
            expires_at: request.expires_at.rfc3339(),
            id: request.id.0,
            minimum: asked.minimum.map_or(0, Mask::bits),
            permission: asked.permission.bits(),
            permission_ttl: asked.ttl_seconds,
            purpose: request.purpose.as_ref().map(Purpose::as_str),
            redeem_url: can_redeem.then(redeem_url),
            resource_uri: prefix.detail_uri(ResourceKind::BundlePermissionRequest, request.id.0),
            return_url: is_creator.then(|| return_to.map(|to| to.url.as_str())),
            rights: right_names(asked.permission),
            state: is_creator.then(|| return_to.and_then(|to| to.state.as_deref())),
            status: request.status(now).name(),
            ttl: request.seconds_left(now),
            user_allowed: UserView::new(parties.grantee, prefix),
            user_target: UserView::new(parties.target, prefix),
        }
    }
}

impl<'a> DecisionView<'a> {
    fn new(
        request: &'a PermissionRequest,
        permission: Option<BundlePermission>,
        prefix: ApiPrefix,
    ) -> Option<Self> {
        let closed = request.closed.as_ref()?;
        let (mask, expires_at) = match (closed.outcome, permission) {
            (RequestOutcome::Declined, _) => (None, None),
            // Also one that has stayed in force and covers the approval.
            (RequestOutcome::Approved, Some(active)) => (Some(active.permission), active.expires_at),
            (RequestOutcome::Approved, None) => closed.approved().map(|(mask, end)| (Some(mask), end))?,
            _ => return None,
        };
        let uri =
            |permission: BundlePermission| prefix.detail_uri(ResourceKind::BundlePermission, permission.id);
        Some(Self {
            bundle_permission: permission.map(uri),
            expires_at: expires_at.map(Timestamp::rfc3339),
            permission: mask.map(Mask::bits),
            reason: closed.reason.as_ref().map(Reason::as_str),
            rights: mask.map(right_names),
        })
    }
}

fn right_names(mask: Mask) -> Vec<&'static str> {
    mask.rights().map(Right::name).collect()
}
