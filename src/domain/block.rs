//! Blocks: a user refuses requests from another user. Existing requests and permissions stay.

use super::terms::Terms;
use super::user::UserId;

/// One user's block of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The user who refuses requests.
    pub target: UserId,
    /// The user whose requests are refused.
    pub blocked: UserId,
}

impl Block {
    /// The block that would refuse a request with these terms.
    pub const fn from_terms(terms: Terms) -> Self {
        Self { target: terms.target, blocked: terms.grantee }
    }
}
