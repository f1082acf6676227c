//! Password links: mailed links that set a user's first password, or replace a forgotten one.
//! A link works once.

use super::timestamp::Timestamp;
use super::token::{Keyring, PasswordLinkId};
use super::user::UserId;

/// Why a password link was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkReason {
    /// The user has no password yet.
    NewAccount,
    /// The user requested a password reset.
    ForgottenPassword,
}

impl LinkReason {
    /// How long a link is valid: a week for a new user, who may not expect the mail; a day for
    /// a password reset.
    pub const fn lifetime_seconds(self) -> i64 {
        match self {
            Self::NewAccount => 7 * 86_400,
            Self::ForgottenPassword => 86_400,
        }
    }
}

/// A password link, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordLink {
    /// The id from which the token is derived.
    pub id: PasswordLinkId,
    pub user: UserId,
    pub reason: LinkReason,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    /// When a newer link or a new password made it invalid.
    pub replaced_at: Option<Timestamp>,
}

impl PasswordLink {
    /// Whether it can still set the password.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.replaced_at.is_none() && now < self.expires_at
    }

    /// The URL in the mail.
    pub fn url(&self, keyring: &Keyring, public_url: &str) -> String {
        format!("{public_url}/set-password?token={}", keyring.password_link_token(self.id).expose())
    }
}
