//! The permissions that users give each other.

use super::filters::intersection;
use crate::actors::registry::{Registry, RegistryError};
use crate::domain::audit::AuditContext;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::terms::Terms;
use crate::domain::user::{Email, User, UserId};
use crate::store::lookup::UserRef;
use crate::store::participants::{Participants, RequestParties};
use crate::store::permissions::{self, PermissionFilter};
use crate::store::{AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, requests, users};

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

/// Which permissions to list. A user must match every condition on its side.
#[derive(Clone, Debug)]
pub(crate) struct PermissionQuery {
    pub bundles: Option<Vec<i64>>,
    pub grantees: Vec<Vec<UserRef>>,
    pub targets: Vec<Vec<UserRef>>,
}

impl PermissionQuery {
    /// Replaces emails by user ids. An unknown email matches no user.
    fn resolve(&self, conn: &mut Conn) -> QueryResult<PermissionFilter> {
        let user_refs = self.grantees.iter().chain(&self.targets).flatten();
        let emails: Vec<Email> = user_refs
            .filter_map(|user| match user {
                UserRef::Email(email) => Some(email.clone()),
                UserRef::Id(_) => None,
            })
            .collect();
        let users = if emails.is_empty() { Vec::new() } else { users::by_emails(conn, &emails)? };
        let resolve = |conditions: &[Vec<UserRef>]| {
            let user_ids = |condition: &Vec<UserRef>| {
                condition.iter().filter_map(|user| find_user_id(user, &users)).collect()
            };
            intersection(conditions.iter().map(user_ids).collect())
        };
        Ok(PermissionFilter {
            bundles: self.bundles.clone(),
            grantees: resolve(&self.grantees),
            targets: resolve(&self.targets),
        })
    }
}

/// The number of permissions of a party that match, and a page of them.
pub(crate) async fn list_for_party(
    store: &AsyncStore,
    party: UserId,
    query: PermissionQuery,
    page: LimitOffset,
) -> Result<(i64, LoadedPermissions), StoreError> {
    let listed = store.read(move |conn| {
        let filter = query.resolve(conn)?;
        let listed = permissions::list_for_party(conn, party, &filter, page)?;
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
        let permissions = permissions::by_ids(conn, &ids, party)?;
        LoadedPermissions::load(conn, permissions)
    });
    found.await
}

fn find_user_id(user: &UserRef, users: &[User]) -> Option<i64> {
    match user {
        UserRef::Id(UserId(id)) => Some(*id),
        UserRef::Email(email) => users.iter().find(|user| user.email == *email).map(|user| user.id.0),
    }
}
