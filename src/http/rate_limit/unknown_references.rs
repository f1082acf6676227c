//! Limits how often a user may name users who do not exist. When the limit is used up, every
//! endpoint that resolves a user refuses, so that it cannot be used to find out who has an
//! account.

use crate::domain::audit::AuditContext;
use crate::domain::user::User;
use crate::http::error::ApiError;
use crate::http::state::AppState;

impl AppState {
    /// Records that `user` named other users, and whether one of them does not exist
    /// (`unknown`). Returns [`ApiError::RateLimited`] if the limit of unknown references is
    /// used up; the caller then must not reveal the result.
    pub async fn record_user_lookup(
        &self,
        user: &User,
        unknown: bool,
        audit_context: &AuditContext,
    ) -> Result<(), ApiError> {
        let limits = self.config.limits.requests.for_user(user);
        if limits.unknown_references.is_some() {
            self.registry.record_user_lookup(user.id, unknown, limits, audit_context.clone()).await?;
        }
        Ok(())
    }
}
