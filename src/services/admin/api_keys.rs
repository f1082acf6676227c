//! API keys of any user.

use crate::domain::audit::AuditContext;
use crate::domain::token::{ApiKeyId, Token};
use crate::domain::user::UserId;
use crate::services::DbWork;
use crate::store::api_keys::{self, ApiKey, Scope};

/// Creates an API key. The returned token is its only copy: the database has a digest of it.
pub fn create(
    user: UserId,
    label: String,
    scope: Scope,
    audit: AuditContext,
) -> impl DbWork<(ApiKey, Token)> {
    move |conn| {
        let now = conn.now()?;
        api_keys::create(conn, user, &label, scope, &audit, now)
    }
}

/// Revokes an API key, of this user if one is given. `false`: there is no such key.
pub fn revoke(id: ApiKeyId, owner: Option<UserId>, audit: AuditContext) -> impl DbWork<bool> {
    move |conn| {
        let now = conn.now()?;
        api_keys::revoke(conn, id, owner, &audit, now)
    }
}

/// A user's API keys, oldest first.
pub fn of_user(user: UserId) -> impl DbWork<Vec<ApiKey>> {
    move |conn| api_keys::of_user(conn, user)
}
