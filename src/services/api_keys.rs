//! A user's own API keys.

use super::admin;
use crate::domain::audit::AuditContext;
use crate::domain::token::{ApiKeyId, Token};
use crate::domain::user::UserId;
use crate::store::api_keys::{self, ApiKey, Scope};
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError};

/// A page of a user's keys, newest first.
pub(crate) async fn list(
    store: &AsyncStore,
    user: UserId,
    page: LimitOffset,
) -> Result<Paginated<ApiKey>, StoreError> {
    store.read(move |conn| api_keys::page_of_user(conn, user, page)).await
}

/// Creates a key. The returned token is the only copy of its secret.
pub(crate) async fn create(
    store: &AsyncStore,
    audit: AuditContext,
    user: UserId,
    label: String,
    scope: Scope,
) -> Result<(ApiKey, Token), StoreError> {
    store.write(admin::api_keys::create(user, label, scope, audit)).await
}

/// Revokes a key of a user. `false` if the user has no such key.
pub(crate) async fn revoke(
    store: &AsyncStore,
    audit: AuditContext,
    user: UserId,
    id: ApiKeyId,
) -> Result<bool, StoreError> {
    let revoked = store.write(move |conn| {
        let now = conn.now()?;
        api_keys::revoke(conn, id, Some(user), &audit, now)
    });
    revoked.await
}
