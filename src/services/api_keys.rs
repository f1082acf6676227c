//! A user's own API keys.

use crate::domain::audit::AuditContext;
use crate::domain::token::{ApiKeyId, Token};
use crate::domain::user::{User, UserId};
use crate::store::api_keys::{self, ApiKey, Scope};
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError, users};

/// A page of a user's keys, newest first.
pub(crate) async fn list(
    store: &AsyncStore,
    user: UserId,
    page: LimitOffset,
) -> Result<Paginated<ApiKey>, StoreError> {
    store.read(move |conn| api_keys::page_of_user(conn, user, page)).await
}

/// Why a key was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreateKeyError {
    /// With this scope, the key could read other users' tokens.
    #[error("only administrators can create a key with this scope")]
    ScopeNotAllowed,
    #[error("the user is disabled")]
    Disabled,
}

/// Creates a key. The returned token is the only copy of its secret.
pub(crate) async fn create(
    store: &AsyncStore,
    audit: AuditContext,
    user: &User,
    label: String,
    scope: Scope,
) -> Result<Result<(ApiKey, Token), CreateKeyError>, StoreError> {
    if scope.is_for_staff() && !user.staff {
        return Ok(Err(CreateKeyError::ScopeNotAllowed));
    }
    let user = user.id;
    let created = store.write(move |conn| {
        if !users::lock_active(conn, user)? {
            return Ok(Err(CreateKeyError::Disabled));
        }
        let now = conn.now()?;
        api_keys::create(conn, user, &label, scope, &audit, now).map(Ok)
    });
    created.await
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
