//! Users, as other users see and change them.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::user::{PersonName, User, UserId};
use crate::store::users::{self, UserFilter};
use crate::store::{AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, audit_log};

/// The user with this id, visible or not.
pub(crate) async fn find(store: &AsyncStore, id: UserId) -> Result<Option<User>, StoreError> {
    Ok(store.read(move |conn| users::by_ids(conn, &[id])).await?.pop())
}

/// A page of the users that `viewer` can see.
pub(crate) async fn list_visible(
    store: &AsyncStore,
    viewer: User,
    filter: UserFilter,
    page: LimitOffset,
) -> Result<Paginated<User>, StoreError> {
    let listed = store.read(move |conn| {
        let now = conn.now()?;
        users::visible_to(conn, &viewer, &filter, page, now)
    });
    listed.await
}

/// The user with this id, if `viewer` can see them.
pub(crate) async fn find_visible(
    store: &AsyncStore,
    viewer: User,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let filter = UserFilter { ids: Some(vec![id.0]), ..UserFilter::default() };
    Ok(list_visible(store, viewer, filter, LimitOffset { limit: 1, offset: 0 }).await?.rows.pop())
}

/// Whether `user` is linked with each of `others` by an active permission or a pending request.
pub(crate) async fn are_linked(
    store: &AsyncStore,
    user: UserId,
    others: Vec<UserId>,
) -> Result<bool, StoreError> {
    let linked = store.read(move |conn| {
        let now = conn.now()?;
        for other in &others {
            if !users::are_linked(conn, user, *other, now)? {
                return Ok(false);
            }
        }
        Ok(true)
    });
    linked.await
}

/// Changes the names of a user. A name that is `None` stays. Returns `None` if the user does not
/// exist.
pub(crate) async fn rename(
    store: &AsyncStore,
    audit: AuditContext,
    id: UserId,
    first_name: Option<PersonName>,
    last_name: Option<PersonName>,
) -> Result<Option<User>, StoreError> {
    store.write(move |conn| set_names(conn, &audit, id, first_name.as_ref(), last_name.as_ref())).await
}

/// [`rename`] within a transaction.
pub(super) fn set_names(
    conn: &mut Conn,
    audit: &AuditContext,
    id: UserId,
    first_name: Option<&PersonName>,
    last_name: Option<&PersonName>,
) -> QueryResult<Option<User>> {
    let now = conn.now()?;
    let renamed = users::rename(conn, id, first_name, last_name)?;
    audit_log::record(conn, audit, AuditAction::UserRenamed, format!("user:{id}"), now)?;
    Ok(renamed)
}
