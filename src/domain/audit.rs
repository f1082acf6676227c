//! The audit trail's words: who did what, to what, from where. Never a secret.

use std::net::IpAddr;

use super::bundle::BundleId;
use super::bundle_permission::BundlePermissionId;
use super::permission_request::RequestId;
use super::user::UserId;

/// Where a deed came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditContext {
    /// Who did it; `None` is the operator, at the command line, or with an address somebody
    /// who is not signed in.
    pub actor: Option<UserId>,
    /// The address that the request came from.
    pub ip: Option<IpAddr>,
    /// What the client calls itself (its `User-Agent`), at most 200 characters.
    pub user_agent: Option<String>,
}

impl AuditContext {
    /// The operator, at the command line.
    pub const OPERATOR: Self = Self { actor: None, ip: None, user_agent: None };
}

/// Declares the actions together with the names that the trail keeps.
macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal,)+) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AuditAction { $($(#[$doc])* $action,)+ }

        impl AuditAction {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$action),+];

            /// The name that the trail keeps.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$action => $name,)+ }
            }
        }
    };
}

actions! {
    /// An export token was made.
    ExportCreated = "export.created",
    /// An export token was revoked.
    ExportRevoked = "export.revoked",
    /// A permission was asked for, and its mail queued.
    RequestCreated = "request.created",
    /// A newer request for the same took this one's place.
    RequestReplaced = "request.replaced",
    /// The target approved.
    RequestApproved = "request.approved",
    /// The target declined.
    RequestDeclined = "request.declined",
    /// The requester, or the operator, took it back.
    RequestWithdrawn = "request.withdrawn",
    /// The requester had its mail sent anew.
    RequestResent = "request.resent",
    /// A permission came into being.
    PermissionGranted = "permission.granted",
    /// A permission was taken or given back.
    PermissionRevoked = "permission.revoked",
    /// A user takes no more requests from another.
    BlockCreated = "block.created",
    /// A user takes requests from another again.
    BlockDeleted = "block.deleted",
    /// What was to be done was given up: the database's answer was lost before it was
    /// done, and this entry keeps it from being done late.
    OperationAbandoned = "operation.abandoned",
    /// A user was added.
    UserAdded = "user.added",
    /// A user's names changed.
    UserRenamed = "user.renamed",
    /// A user's password was set.
    UserPasswordSet = "user.password_set",
    /// A link by which a user may set their password was made, and its mail queued.
    UserPasswordLinkSent = "user.password_link_sent",
    /// A user was disabled.
    UserDisabled = "user.disabled",
    /// A user was enabled.
    UserEnabled = "user.enabled",
    /// A user signed in at the pages.
    SessionOpened = "session.opened",
    /// A user signed out, here or elsewhere.
    SessionClosed = "session.closed",
    /// An API key was made.
    KeyCreated = "key.created",
    /// An API key was revoked.
    KeyRevoked = "key.revoked",
    /// A hub was added.
    HubAdded = "hub.added",
    /// A role in a hub was given.
    HubGranted = "hub.granted",
    /// A role in a hub was taken.
    HubRevoked = "hub.revoked",
    /// A bundle was added.
    BundleAdded = "bundle.added",
    /// A bundle was changed.
    BundleChanged = "bundle.changed",
    /// A bundle was deleted.
    BundleDeleted = "bundle.deleted",
    /// A dead mail was put back in the queue.
    MailRetried = "mail.retried",
    /// Users came in from a file.
    UsersImported = "users.imported",
    /// Requests came in from a file.
    RequestsImported = "requests.imported",
    /// What had been over for long was deleted.
    RecordsPurged = "records.purged",
}

impl AuditAction {
    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// What an entry's subject names, as far as there is something to be shown of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditSubjectRef {
    /// `request:12`
    Request(RequestId),
    /// `permission:12`, which was a request of the same number.
    BundlePermission(BundlePermissionId),
    /// `user:12`
    User(UserId),
    /// `bundle:12`
    Bundle(BundleId),
    /// Whatever else there is: `export:<id>`, `hub:<id>`, …
    Other,
}

impl AuditSubjectRef {
    /// Reads a subject, as the trail keeps it.
    pub fn parse(text: &str) -> Self {
        let id_of_kind = text.split_once(':').and_then(|(kind, id)| Some((kind, id.parse().ok()?)));
        match id_of_kind {
            Some(("request", id)) => Self::Request(RequestId(id)),
            Some(("permission", id)) => Self::BundlePermission(BundlePermissionId(id)),
            Some(("user", id)) => Self::User(UserId(id)),
            Some(("bundle", id)) => Self::Bundle(BundleId(id)),
            _ => Self::Other,
        }
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
    fn a_subject_parses_from_its_stored_form() {
        assert_eq!(AuditSubjectRef::parse("request:12"), AuditSubjectRef::Request(RequestId(12)));
        assert_eq!(AuditSubjectRef::parse("user:7"), AuditSubjectRef::User(UserId(7)));
        for other in ["", "request", "request:x", "hub:7", "hub:a/user:7", "export:01a200dc", "count:3"] {
            assert_eq!(AuditSubjectRef::parse(other), AuditSubjectRef::Other, "{other}");
        }
    }
}
