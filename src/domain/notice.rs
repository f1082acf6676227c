//! Notices: mails about what happened to a user's account or data. They contain no token.

use super::bundle::Bundle;
use super::rights::Mask;
use super::user::User;

/// Why a user gets a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// To the grantee: a permission was granted without a request.
    PermissionReceived,
    /// To the target: an administrator granted a permission to their data.
    PermissionGrantedByStaff,
    PasswordChanged,
    /// The password was changed, and all API keys and export tokens were revoked.
    PasswordChangedKeysRevoked,
    ApiKeyCreated,
    AccountDisabled,
    /// Many sign-ins to the account failed.
    SignInsFailed,
    /// The receiver of a webhook responded that it wants no more events, or kept failing.
    WebhookDisabled,
}

impl Notice {
    /// All notices.
    pub const ALL: [Self; 8] = [
        Self::PermissionReceived,
        Self::PermissionGrantedByStaff,
        Self::PasswordChanged,
        Self::PasswordChangedKeysRevoked,
        Self::ApiKeyCreated,
        Self::AccountDisabled,
        Self::SignInsFailed,
        Self::WebhookDisabled,
    ];

    /// The name in the database and in the keys of messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PermissionReceived => "permission-received",
            Self::PermissionGrantedByStaff => "permission-granted-by-staff",
            Self::PasswordChanged => "password-changed",
            Self::PasswordChangedKeysRevoked => "password-changed-keys-revoked",
            Self::ApiKeyCreated => "api-key-created",
            Self::AccountDisabled => "account-disabled",
            Self::SignInsFailed => "sign-ins-failed",
            Self::WebhookDisabled => "webhook-disabled",
        }
    }

    /// Finds a notice by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.name() == name)
    }

    /// Whether it is about a permission.
    pub const fn has_permission(self) -> bool {
        matches!(self, Self::PermissionReceived | Self::PermissionGrantedByStaff)
    }

    /// The page of this server that it links to.
    pub const fn page(self) -> &'static str {
        match self {
            Self::PermissionReceived | Self::PermissionGrantedByStaff => "/access",
            Self::PasswordChanged | Self::PasswordChangedKeysRevoked | Self::SignInsFailed => "/account",
            Self::ApiKeyCreated => "/keys",
            Self::AccountDisabled => "/",
            Self::WebhookDisabled => "/webhooks",
        }
    }
}

/// The permission that a notice is about.
#[derive(Clone, Debug)]
pub struct PermissionNotice {
    pub target: User,
    pub grantee: User,
    pub bundle: Bundle,
    /// The granted rights.
    pub rights: Mask,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notice_is_found_by_its_name() {
        for notice in Notice::ALL {
            assert_eq!(Notice::from_name(notice.name()), Some(notice));
        }
        assert_eq!(Notice::from_name("permission"), None);
    }
}
