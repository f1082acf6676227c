//! Bundle permissions: an active permission has the number of the request that it was
//! granted by.

use std::fmt;

use super::terms::Terms;
use super::timestamp::Timestamp;

/// The number of a permission, the same as that of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePermissionId(pub i64);

impl BundlePermissionId {
    /// The number of a permission that has not been inserted yet. The database never
    /// assigns it.
    pub const UNASSIGNED: Self = Self(0);
}

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
    /// When the request was approved, or the permission granted directly.
    pub created_at: Timestamp,
}
