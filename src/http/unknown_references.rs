//! Naming somebody who may not be there: who has done so too often is told nothing of
//! whom they name, whatever they use to do it.

use super::error::ApiError;
use super::state::AppState;
use crate::domain::audit::AuditContext;
use crate::domain::user::User;

impl AppState {
    /// Counts that a user has named others, one of them, if `astray`, nobody; refuses
    /// who may not be told what came of it.
    pub async fn record_user_lookup(
        &self,
        by: &User,
        unknown: bool,
        audit_context: &AuditContext,
    ) -> Result<(), ApiError> {
        let limits = self.config.limits.requests.for_user(by);
        if limits.unknown_references.is_some() {
            self.registry.record_user_lookup(by.id, unknown, limits, audit_context.clone()).await?;
        }
        Ok(())
    }
}
