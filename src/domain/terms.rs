//! The terms of a permission: whose data, for which user, with which rights.

use super::bundle::BundleId;
use super::user::UserId;

/// The parties and the bundle of a request or a permission. For each value there is at most
/// one pending request and at most one active permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// The user whose data it is, who approves the request (`user_target` on the wire).
    pub target: UserId,
    /// The user who receives the permission (`user_allowed` on the wire).
    pub grantee: UserId,
    /// The rights.
    pub bundle: BundleId,
}

/// The target and the grantee are the same user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("users cannot give themselves a permission")]
pub struct SameUser;

impl Terms {
    /// Terms between two different users.
    pub fn new(target: UserId, grantee: UserId, bundle: BundleId) -> Result<Self, SameUser> {
        if target == grantee { Err(SameUser) } else { Ok(Self { target, grantee, bundle }) }
    }

    /// Whether the user is the target or the grantee.
    pub fn has_party(&self, user: UserId) -> bool {
        self.target == user || self.grantee == user
    }
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
