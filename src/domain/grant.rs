//! Bundle permissions: what a redeemed request leaves, under the same number.

use std::fmt;

use super::bundle::BundleId;
use super::clock::Timestamp;
use super::user::UserId;

/// A bundle permission's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub i64);

impl GrantId {
    /// What a new permission has for a number before the database gives it one.
    pub const UNNUMBERED: Self = Self(0);
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who gives what to whom. There is at most one grant, and at most one open
/// request, of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// Whose data it is: who is asked, and gives.
    pub target: UserId,
    /// Who asks, and receives.
    pub allowed: UserId,
    /// The rights.
    pub bundle: BundleId,
}

/// Terms between a user and themself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("users cannot give themselves a permission")]
pub struct SameUser;

impl Terms {
    /// Terms between two users.
    pub fn between(target: UserId, allowed: UserId, bundle: BundleId) -> Result<Self, SameUser> {
        if target == allowed { Err(SameUser) } else { Ok(Self { target, allowed, bundle }) }
    }

    /// Whether this user gives or receives here.
    pub fn has_party(&self, user: UserId) -> bool {
        self.target == user || self.allowed == user
    }
}

/// A permission that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The number.
    pub id: GrantId,
    /// Who gives what to whom.
    pub terms: Terms,
    /// Since when.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_between_two_users_and_nobody_elses() {
        let [target, allowed, other] = [1, 2, 3].map(UserId);
        let terms = Terms::between(target, allowed, BundleId(7)).unwrap();
        assert_eq!((terms.target, terms.allowed, terms.bundle), (target, allowed, BundleId(7)));
        assert!(terms.has_party(target) && terms.has_party(allowed) && !terms.has_party(other));
        assert_eq!(Terms::between(target, target, BundleId(7)), Err(SameUser));
    }
}
