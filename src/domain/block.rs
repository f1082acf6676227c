//! Blocks: whom a user takes no requests from. What stands between the two stays.

use super::terms::Terms;
use super::user::UserId;

/// One user's block of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Who takes no requests.
    pub target: UserId,
    /// Who has made them.
    pub blocked: UserId,
}

impl Block {
    /// The block that forbids these terms to be asked for, if it stands.
    pub const fn from_terms(terms: Terms) -> Self {
        Self { target: terms.target, blocked: terms.grantee }
    }
}
