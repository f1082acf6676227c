//! The audit log: actions, and the context they are recorded with. No secrets.

use std::net::IpAddr;

use super::bundle::BundleId;
use super::bundle_permission::BundlePermissionId;
use super::permission_request::RequestId;
use super::user::UserId;
use super::webhook::WebhookId;

/// Who performs an operation, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditContext {
    /// `None` means the operator at the command line or, with an `ip`, a user who is not signed
    /// in.
    pub actor: Option<UserId>,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, at most 200 characters.
    pub user_agent: Option<String>,
}

impl AuditContext {
    /// The operator at the command line.
    pub const OPERATOR: Self = Self { actor: None, ip: None, user_agent: None };
}

/// Declares the actions with their names.
macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal,)+) => {
        /// An audited action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AuditAction { $($(#[$doc])* $action,)+ }

        impl AuditAction {
            /// All actions.
            pub const ALL: &[Self] = &[$(Self::$action),+];

            /// The name in the database and on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$action => $name,)+ }
            }
        }
    };
}

actions! {
    ExportCreated = "export.created",
    ExportRevoked = "export.revoked",
    /// An export token was used for the first time. The server records it some seconds later.
    ExportFirstUsed = "export.first_used",
    /// An export token reached its end. The server records it some minutes later.
    ExportExpired = "export.expired",
    /// A request was created and its mail queued.
    RequestCreated = "request.created",
    /// A newer request with the same terms replaced this one.
    RequestReplaced = "request.replaced",
    RequestApproved = "request.approved",
    RequestDeclined = "request.declined",
    /// The target did not decide in time.
    RequestExpired = "request.expired",
    /// The requester or the operator withdrew the request.
    RequestWithdrawn = "request.withdrawn",
    /// The requester had the mail sent again.
    RequestResent = "request.resent",
    /// A permission was granted without a request.
    PermissionGranted = "permission.granted",
    /// The target, the grantee or the operator revoked a permission.
    PermissionRevoked = "permission.revoked",
    /// The target approved a newer request with the same terms.
    PermissionReplaced = "permission.replaced",
    /// The time of a permission was over.
    PermissionExpired = "permission.expired",
    /// A user blocked requests from another user.
    BlockCreated = "block.created",
    /// A user unblocked another user.
    BlockDeleted = "block.deleted",
    /// The outcome of an operation was unknown because the database did not respond. This entry
    /// takes its commit marker, so that it cannot commit later.
    OperationAbandoned = "operation.abandoned",
    UserAdded = "user.added",
    UserRenamed = "user.renamed",
    UserPasswordSet = "user.password_set",
    /// A password link was created and its mail queued.
    UserPasswordLinkSent = "user.password_link_sent",
    UserDisabled = "user.disabled",
    UserEnabled = "user.enabled",
    /// A user signed in to the pages.
    SessionOpened = "session.opened",
    /// A user ended this or another of their sessions.
    SessionClosed = "session.closed",
    KeyCreated = "key.created",
    KeyRevoked = "key.revoked",
    /// The first key that signs receipts was created.
    SigningKeyCreated = "signing_key.created",
    /// The operator replaced the key that signs receipts.
    SigningKeyRotated = "signing_key.rotated",
    HubAdded = "hub.added",
    /// A user got a role in a hub.
    HubGranted = "hub.granted",
    /// A user lost their role in a hub.
    HubRevoked = "hub.revoked",
    BundleAdded = "bundle.added",
    BundleChanged = "bundle.changed",
    BundleDeleted = "bundle.deleted",
    WebhookCreated = "webhook.created",
    /// A user changed a webhook, or turned it on or off.
    WebhookChanged = "webhook.changed",
    WebhookDeleted = "webhook.deleted",
    /// A webhook got a new secret.
    WebhookSecretRotated = "webhook.secret_rotated",
    /// The server disabled a webhook, because its receiver is gone or keeps failing.
    WebhookDisabled = "webhook.disabled",
    /// A test was delivered to a webhook that the server had disabled, which enabled it again.
    WebhookEnabled = "webhook.enabled",
    /// A mail that had failed permanently was queued again.
    MailRetried = "mail.retried",
    UsersImported = "users.imported",
    RequestsImported = "requests.imported",
    PermissionsImported = "permissions.imported",
    /// The operator purged old records.
    RecordsPurged = "records.purged",
}

impl AuditAction {
    /// Finds an action by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// The subject of an audit entry, if the pages can show or link it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditSubjectRef {
    /// `request:12`
    Request(RequestId),
    /// `permission:12`, which was granted by the request with the same number.
    BundlePermission(BundlePermissionId),
    /// `user:12`
    User(UserId),
    /// `bundle:12`
    Bundle(BundleId),
    /// `webhook:12`
    Webhook(WebhookId),
    /// Any other subject: `export:<id>`, `hub:<id>`, …
    Other,
}

impl AuditSubjectRef {
    /// Parses the subject of an audit entry.
    pub fn parse(text: &str) -> Self {
        let id_of_kind = text.split_once(':').and_then(|(kind, id)| Some((kind, id.parse().ok()?)));
        match id_of_kind {
            Some(("request", id)) => Self::Request(RequestId(id)),
            Some(("permission", id)) => Self::BundlePermission(BundlePermissionId(id)),
            Some(("user", id)) => Self::User(UserId(id)),
            Some(("bundle", id)) => Self::Bundle(BundleId(id)),
            Some(("webhook", id)) => Self::Webhook(WebhookId(id)),
            _ => Self::Other,
        }
    }

    /// The path of the subject below `api`, such as `/api/`, if it has one.
    pub fn path(self, api: &str) -> Option<String> {
        let (resource, id) = match self {
            Self::Request(RequestId(id)) => ("bundle_permission_request", id),
            Self::BundlePermission(BundlePermissionId(id)) => ("bundle_permission", id),
            Self::User(UserId(id)) => ("user", id),
            Self::Bundle(BundleId(id)) => ("bundle", id),
            Self::Webhook(WebhookId(id)) => ("webhook", id),
            Self::Other => return None,
        };
        Some(format!("{api}{resource}/{id}/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_its_name() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::from_name(action.name()), Some(*action));
        }
        assert_eq!(AuditAction::from_name("request"), None);
    }

    #[test]
    fn a_subject_has_a_path_if_it_has_a_resource() {
        let path = |text| AuditSubjectRef::parse(text).path("/api/v1/");
        assert_eq!(path("request:12").unwrap(), "/api/v1/bundle_permission_request/12/");
        assert_eq!(path("permission:12").unwrap(), "/api/v1/bundle_permission/12/");
        assert_eq!(path("user:7").unwrap(), "/api/v1/user/7/");
        assert_eq!(path("bundle:7").unwrap(), "/api/v1/bundle/7/");
        assert_eq!(path("webhook:7").unwrap(), "/api/v1/webhook/7/");
        assert_eq!(path("export:01a200dc"), None);
    }

    #[test]
    fn a_subject_parses_from_its_stored_form() {
        assert_eq!(AuditSubjectRef::parse("request:12"), AuditSubjectRef::Request(RequestId(12)));
        assert_eq!(AuditSubjectRef::parse("webhook:3"), AuditSubjectRef::Webhook(WebhookId(3)));
        assert_eq!(AuditSubjectRef::parse("user:7"), AuditSubjectRef::User(UserId(7)));
        for other in ["", "request", "request:x", "hub:7", "hub:a/user:7", "export:01a200dc", "count:3"] {
            assert_eq!(AuditSubjectRef::parse(other), AuditSubjectRef::Other, "{other}");
        }
    }
}
