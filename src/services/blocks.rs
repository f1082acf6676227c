//! The users whose requests a user does not accept. The registry creates and deletes blocks.

use crate::domain::user::UserId;
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError, blocks};

/// A page of the users whom `target` blocks.
pub(crate) async fn list(
    store: &AsyncStore,
    target: UserId,
    page: LimitOffset,
) -> Result<Paginated<UserId>, StoreError> {
    store.read(move |conn| blocks::list_by_target(conn, target, page)).await
}

/// Those of `users` whom `target` blocks.
pub(crate) async fn by_users(
    store: &AsyncStore,
    target: UserId,
    users: Vec<UserId>,
) -> Result<Vec<UserId>, StoreError> {
    store.read(move |conn| blocks::by_ids(conn, target, &users)).await
}
