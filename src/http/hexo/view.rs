//! The JSON of the resources.

use serde::Serialize;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};
use crate::domain::audit::AuditSubjectRef;
use crate::domain::bundle::Bundle;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::PermissionRequest;
use crate::domain::user::{User, UserId};
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
        let subject_uri = match AuditSubjectRef::parse(&entry.subject) {
            AuditSubjectRef::Request(id) => {
                Some(prefix.detail_uri(ResourceKind::BundlePermissionRequest, id))
            }
            AuditSubjectRef::BundlePermission(BundlePermissionId(id)) => {
                Some(prefix.detail_uri(ResourceKind::BundlePermission, id))
            }
            AuditSubjectRef::User(id) => Some(prefix.detail_uri(ResourceKind::User, id)),
            AuditSubjectRef::Bundle(id) => Some(prefix.detail_uri(ResourceKind::Bundle, id)),
            AuditSubjectRef::Other => None,
        };
        Self {
            action: &entry.action,
            actor: entry.actor.map(|actor| prefix.detail_uri(ResourceKind::User, actor)),
            address: entry.ip.as_deref().filter(|_| shows_client),
            at: entry.at.rfc3339(),
            client: entry.user_agent.as_deref().filter(|_| shows_client),
            id: entry.id.to_string(),
            resource_uri: prefix.detail_uri(ResourceKind::Audit, entry.id),
            subject: &entry.subject,
            subject_uri,
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
    /// The name of the bundle.
    name: &'a str,
    pub(super) resource_uri: String,
    user_allowed: UserView<'a>,
    user_target: UserView<'a>,
}

impl<'a> PermissionView<'a> {
    pub(super) fn new(permission: &BundlePermission, parties: RequestParties<'a>, prefix: ApiPrefix) -> Self {
        Self {
            bundle: prefix.detail_uri(ResourceKind::Bundle, parties.bundle.id.0),
            name: parties.bundle.name.as_str(),
            resource_uri: prefix.detail_uri(ResourceKind::BundlePermission, permission.id.0),
            user_allowed: UserView::new(parties.grantee, prefix),
            user_target: UserView::new(parties.target, prefix),
        }
    }
}

/// A pending request.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::bundle_permission_request)]
pub(super) struct RequestView<'a> {
    bundle: BundleView<'a>,
    /// The redeem link; null unless the caller is the target.
    redeem_url: Option<String>,
    pub(super) resource_uri: String,
    /// Seconds until the request expires.
    #[schema(minimum = 0)]
    ttl: i64,
    user_allowed: UserView<'a>,
    user_target: UserView<'a>,
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
    /// expires, and while the requester is active.
    pub(super) fn new(
        request: &PermissionRequest,
        ttl: i64,
        parties: RequestParties<'a>,
        context: ViewContext<'_>,
    ) -> Self {
        let ViewContext { caller, prefix, state } = context;
        let can_redeem = caller.id() == request.terms.target && ttl > 0 && parties.grantee.active;
        let redeem_url = || request.redeem_url(&state.keyring, state.config.public_url.as_str());
        Self {
            bundle: BundleView::new(parties.bundle, prefix),
            redeem_url: can_redeem.then(redeem_url),
            resource_uri: prefix.detail_uri(ResourceKind::BundlePermissionRequest, request.id.0),
            ttl,
            user_allowed: UserView::new(parties.grantee, prefix),
            user_target: UserView::new(parties.target, prefix),
        }
    }
}
