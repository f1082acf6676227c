//! Limits how often a user may write. A redemption has no such limit: each needs a request by
//! another user, which is limited, and it must not cost more than its own transaction. Staff have
//! no limit: they administer other users in bulk.

use crate::domain::user::User;
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::services::meters;

impl AppState {
    /// Counts a write of `user`. Returns [`ApiError::RateLimited`] if the limit is used up.
    pub async fn meter_write(&self, user: &User) -> Result<(), ApiError> {
        match self.config.limits.writes.for_user(user) {
            Some(keyed_limit) => Ok(meters::consume(&self.store, keyed_limit).await??),
            None => Ok(()),
        }
    }

    /// Counts an attempt of `user` to change their password: each one hashes a password twice.
    pub async fn meter_password_change(&self, user: &User) -> Result<(), ApiError> {
        match self.config.limits.writes.for_password_change(user.id) {
            Some(keyed_limit) => Ok(meters::consume(&self.store, keyed_limit).await??),
            None => Ok(()),
        }
    }
}
