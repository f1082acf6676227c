//! The permissions that users give each other.

use crate::actors::registry::{Registry, RegistryError};
use crate::domain::audit::AuditContext;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::user::UserId;
use crate::store::participants::Participants;
use crate::store::permissions::{self, PermissionFilter};
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError};

/// The active permissions of a user, by side.
pub(crate) struct PermissionLists {
    pub granted: Paginated<BundlePermission>,
    pub received: Paginated<BundlePermission>,
    pub participants: Participants,
}

/// A page of the permissions that a user gave, and one of those that the user received.
pub(crate) async fn list_for_user(
    store: &AsyncStore,
    user: UserId,
    granted_page: LimitOffset,
    received_page: LimitOffset,
) -> Result<PermissionLists, StoreError> {
    let listed = store.read(move |conn| {
        let granted = PermissionFilter { targets: Some(vec![user.0]), ..PermissionFilter::default() };
        let received = PermissionFilter { grantees: Some(vec![user.0]), ..PermissionFilter::default() };
        let granted = permissions::list_for_party(conn, user, &granted, granted_page)?;
        let received = permissions::list_for_party(conn, user, &received, received_page)?;
        let terms = granted.rows.iter().chain(&received.rows).map(|permission| permission.terms);
        let participants = Participants::load(conn, terms)?;
        Ok(PermissionLists { granted, received, participants })
    });
    listed.await
}

/// Revokes a permission as its target, or gives it up as its grantee. Returns the permission,
/// or `None` if the user is not a party to an active permission with this ID.
pub(crate) async fn revoke(
    store: &AsyncStore,
    registry: &Registry,
    audit: AuditContext,
    user: UserId,
    id: BundlePermissionId,
) -> Result<Option<BundlePermission>, RegistryError> {
    let mut found = store.read(move |conn| permissions::by_ids(conn, &[id], user)).await?;
    let Some(permission) = found.pop() else { return Ok(None) };
    Ok(registry.revoke_permission(id, user, audit).await?.then_some(permission))
}
