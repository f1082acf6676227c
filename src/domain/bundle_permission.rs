//! Bundle permissions: a permission has the number of the request that it was granted by.

use std::fmt;

use super::rights::Mask;
use super::terms::Terms;
use super::timestamp::Timestamp;

/// How long before its end a permission can be asked for again.
pub const RENEWAL_SECONDS: i64 = 7 * 86_400;

/// The number of a permission, the same as that of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePermissionId(pub i64);

impl fmt::Display for BundlePermissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An active permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundlePermission {
    pub id: BundlePermissionId,
    pub terms: Terms,
    /// The granted rights, some or all of the bundle's.
    pub permission: Mask,
    /// When the request was approved, or the permission granted directly.
    pub granted_at: Timestamp,
    /// `None`: until revoked.
    pub expires_at: Option<Timestamp>,
    /// Whether it was granted by a request. If not, the target or staff granted it directly.
    pub requested: bool,
}

impl BundlePermission {
    /// Whether its time is not over yet.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Whether it has all these rights for as long or longer.
    pub fn covers(&self, permission: Mask, expires_at: Option<Timestamp>) -> bool {
        let as_long = match (self.expires_at, expires_at) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(other)) => mine >= other,
        };
        self.permission.contains(permission) && as_long
    }

    /// Whether the requester can ask for it again: it ends soon, or it lacks some of these rights.
    pub fn can_be_replaced_by(&self, asked: Mask, now: Timestamp) -> bool {
        let ends_soon = self.expires_at.is_some_and(|end| end <= now.plus_seconds(RENEWAL_SECONDS));
        ends_soon || !self.permission.contains(asked)
    }
}

/// What was granted, and whether it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrantedPermission {
    pub permission: Mask,
    /// `None`: until revoked.
    pub expires_at: Option<Timestamp>,
    pub ended: Option<PermissionEnd>,
}

impl GrantedPermission {
    /// Whether it is in force at this time. One whose time is over need not be marked as ended yet.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.expires_at.is_none_or(|end| end > now)
    }

    /// When and how it ended, marked or not.
    pub fn end(&self, now: Timestamp) -> Option<PermissionEnd> {
        let expired = || {
            let at = self.expires_at.filter(|end| *end <= now)?;
            Some(PermissionEnd { at, cause: EndCause::Expired })
        };
        self.ended.or_else(expired)
    }
}

/// When and how a permission ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PermissionEnd {
    pub at: Timestamp,
    pub cause: EndCause,
}

/// How a permission ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// The target revoked it, the grantee gave it up, or the operator revoked it.
    Revoked,
    /// The target approved a newer request with the same terms.
    Replaced,
    /// Its time was over.
    Expired,
}

impl EndCause {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
        }
    }

    /// Parses the name in the database. A name written by a later version becomes
    /// [`EndCause::Revoked`]: the permission has ended either way.
    pub(crate) fn from_db(name: &str) -> Self {
        match name {
            "replaced" => Self::Replaced,
            "expired" => Self::Expired,
            _ => Self::Revoked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::BundleId;
    use crate::domain::user::UserId;

    const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn mask(bits: i64) -> Mask {
        Mask::new(bits).unwrap()
    }

    fn permission(bits: i64, seconds: Option<i64>) -> BundlePermission {
        BundlePermission {
            id: BundlePermissionId(1),
            terms: Terms { target: UserId(1), grantee: UserId(2), bundle: BundleId(1) },
            permission: mask(bits),
            granted_at: NOW,
            expires_at: seconds.map(|seconds| NOW.plus_seconds(seconds)),
            requested: true,
        }
    }

    #[test]
    fn a_permission_covers_fewer_rights_for_a_shorter_time() {
        let later = |seconds| Some(NOW.plus_seconds(seconds));
        let unlimited = permission(6, None);
        assert!(unlimited.covers(mask(6), None) && unlimited.covers(mask(2), later(9)));
        assert!(!unlimited.covers(mask(14), None));
        let limited = permission(6, Some(60));
        assert!(limited.covers(mask(6), later(60)));
        assert!(!limited.covers(mask(6), later(61)) && !limited.covers(mask(6), None));
    }

    #[test]
    fn a_permission_can_be_asked_for_again_if_it_ends_soon_or_lacks_rights() {
        assert!(!permission(6, None).can_be_replaced_by(mask(6), NOW));
        assert!(permission(6, None).can_be_replaced_by(mask(10), NOW));
        assert!(permission(6, Some(RENEWAL_SECONDS)).can_be_replaced_by(mask(2), NOW));
        assert!(!permission(6, Some(RENEWAL_SECONDS + 1)).can_be_replaced_by(mask(2), NOW));
    }

    #[test]
    fn a_permission_whose_time_is_over_has_ended_before_it_is_marked() {
        let mut granted =
            GrantedPermission { permission: mask(6), expires_at: Some(NOW.plus_seconds(9)), ended: None };
        assert!(granted.is_active(NOW) && granted.end(NOW).is_none());
        let end = NOW.plus_seconds(9);
        assert!(!granted.is_active(end));
        assert_eq!(granted.end(end), Some(PermissionEnd { at: end, cause: EndCause::Expired }));
        granted.ended = Some(PermissionEnd { at: NOW, cause: EndCause::Replaced });
        assert!(!granted.is_active(NOW) && granted.end(end) == granted.ended);
    }

    #[test]
    fn end_causes_round_trip_by_name() {
        for (cause, name) in
            [(EndCause::Revoked, "revoked"), (EndCause::Replaced, "replaced"), (EndCause::Expired, "expired")]
        {
            assert_eq!((cause.name(), EndCause::from_db(name)), (name, cause));
        }
        assert_eq!(EndCause::from_db("of a later version"), EndCause::Revoked);
    }
}
