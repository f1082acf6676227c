//! Bundle permissions: what a redeemed request leaves, under the same number.

use std::fmt;

use super::bundle::BundleId;
use super::timestamp::Timestamp;
use super::user::UserId;

/// A bundle permission's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePermissionId(pub i64);

impl BundlePermissionId {
    /// What a new permission has for a number before the database gives it one.
    pub const UNASSIGNED: Self = Self(0);
}

impl fmt::Display for BundlePermissionId {
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
    pub grantee: UserId,
    /// The rights.
    pub bundle: BundleId,
}

/// Terms between a user and themself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("users cannot give themselves a permission")]
pub struct SameUser;

impl Terms {
    /// Terms between two users.
    pub fn new(target: UserId, grantee: UserId, bundle: BundleId) -> Result<Self, SameUser> {
        if target == grantee { Err(SameUser) } else { Ok(Self { target, grantee, bundle }) }
    }

    /// Whether this user gives or receives here.
    pub fn has_party(&self, user: UserId) -> bool {
        self.target == user || self.grantee == user
    }
}

/// A permission that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundlePermission {
    /// The number.
    pub id: BundlePermissionId,
    /// Who gives what to whom.
    pub terms: Terms,
    /// Since when.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_have_two_different_parties() {
        let [target, grantee, other] = [1, 2, 3].map(UserId);
        let terms = Terms::new(target, grantee, BundleId(7)).unwrap();
        assert_eq!((terms.target, terms.grantee, terms.bundle), (target, grantee, BundleId(7)));
        assert!(terms.has_party(target) && terms.has_party(grantee) && !terms.has_party(other));
        assert_eq!(Terms::new(target, target, BundleId(7)), Err(SameUser));
    }
}
