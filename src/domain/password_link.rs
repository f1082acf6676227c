//! Password links: the mailed way to a first password, or to a new one in place of one
//! that was forgotten. A link sets a password once, and is worth nothing then.

use super::timestamp::Timestamp;
use super::token::{Keyring, PasswordLinkId};
use super::user::UserId;

/// Why somebody sets a password by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkReason {
    /// They are new, and have none yet.
    NewAccount,
    /// They have forgotten theirs.
    ForgottenPassword,
}

impl LinkReason {
    /// Seconds that a link lives: a week for somebody who may not have waited for it,
    /// a day for whoever has just asked for it.
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
    /// The id, of which the server's key makes the token.
    pub id: PasswordLinkId,
    /// Whose password it sets.
    pub user: UserId,
    /// Why.
    pub reason: LinkReason,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// When it dies by itself.
    pub expires_at: Timestamp,
    /// When it was used, if it was.
    pub used_at: Option<Timestamp>,
    /// When a newer link or password took its place, if one did.
    pub replaced_at: Option<Timestamp>,
}

impl PasswordLink {
    /// Whether it may yet be used.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.replaced_at.is_none() && now < self.expires_at
    }

    /// Where the mail leads.
    pub fn url(&self, keyring: &Keyring, public_url: &str) -> String {
        format!("{public_url}/set-password?token={}", keyring.password_link_token(self.id).expose())
    }
}
