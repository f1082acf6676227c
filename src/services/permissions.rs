//! The permissions that users give each other.

use super::filters::TermsQuery;
use crate::actors::registry::{Registry, RegistryError};
use crate::domain::audit::AuditContext;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::terms::Terms;
use crate::domain::user::UserId;
use crate::store::participants::{Participants, RequestParties};
use crate::store::{
    AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, TermsFilter, permissions, requests,
};

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
        let now = conn.now()?;
        let granted = TermsFilter { targets: Some(vec![user.0]), ..TermsFilter::default() };
        let received = TermsFilter { grantees: Some(vec![user.0]), ..TermsFilter::default() };
        let granted = permissions::list_for_party(conn, user, &granted, granted_page, now)?;
        let received = permissions::list_for_party(conn, user, &received, received_page, now)?;
        let terms = granted.rows.iter().chain(&received.rows).map(|permission| permission.terms);
        let participants = Participants::load(conn, terms)?;
        Ok(PermissionLists { granted, received, participants })
    });
    listed.await
}

/// The active permission with these terms.
pub(crate) async fn find_active(
    store: &AsyncStore,
    terms: Terms,
) -> Result<Option<BundlePermission>, StoreError> {
    let found = store.read(move |conn| {
        let now = conn.now()?;
        permissions::by_terms(conn, &[terms], now)
    });
    Ok(found.await?.pop())
}

/// Revokes a permission as its target, or gives it up as its grantee. Returns its terms, also if it
/// had ended before, or `None` if the user is not a party to a permission with this ID.
pub(crate) async fn revoke(
    store: &AsyncStore,
    registry: &Registry,
    audit: AuditContext,
    user: UserId,
    id: BundlePermissionId,
) -> Result<Option<Terms>, RegistryError> {
    let found = store.read(move |conn| Ok(requests::by_ids(conn, &[RequestId(id.0)])?.pop())).await?;
    let was_granted = |request: &PermissionRequest| {
        let granted = [RequestOutcome::Approved, RequestOutcome::GrantedDirectly];
        request.closed.as_ref().is_some_and(|closed| granted.contains(&closed.outcome))
    };
    let found = found.filter(|request| request.terms.has_party(user) && was_granted(request));
    let Some(request) = found else { return Ok(None) };
    registry.revoke_permission(id, user, audit).await?;
    Ok(Some(request.terms))
}

/// Permissions, with the users and bundles that they name.
pub(crate) struct LoadedPermissions {
    permissions: Vec<BundlePermission>,
    participants: Participants,
}

impl LoadedPermissions {
    fn load(conn: &mut Conn, permissions: Vec<BundlePermission>) -> QueryResult<Self> {
        let participants = Participants::load(conn, permissions.iter().map(|permission| permission.terms))?;
        Ok(Self { permissions, participants })
    }

    /// Each permission with its parties.
    pub fn iter(&self) -> impl Iterator<Item = (&BundlePermission, RequestParties<'_>)> {
        self.permissions
            .iter()
            .filter_map(|permission| Some((permission, self.participants.parties(permission.terms)?)))
    }
}

/// The number of permissions that match, and a page of them: those of a party, or all.
pub(crate) async fn list(
    store: &AsyncStore,
    party: Option<UserId>,
    query: TermsQuery,
    page: LimitOffset,
) -> Result<(i64, LoadedPermissions), StoreError> {
    let listed = store.read(move |conn| {
        let filter = query.resolve(conn)?;
        let now = conn.now()?;
        let listed = match party {
            Some(party) => permissions::list_for_party(conn, party, &filter, page, now)?,
            None => permissions::list_all(conn, &filter, page, now)?,
        };
        Ok((listed.total, LoadedPermissions::load(conn, listed.rows)?))
    });
    listed.await
}

/// The permissions with these ids to which the user is a party.
pub(crate) async fn by_ids(
    store: &AsyncStore,
    party: UserId,
    ids: Vec<BundlePermissionId>,
) -> Result<LoadedPermissions, StoreError> {
    let found = store.read(move |conn| {
        let now = conn.now()?;
        let permissions = permissions::by_ids(conn, &ids, Some(party), now)?;
        LoadedPermissions::load(conn, permissions)
    });
    found.await
}
