//! Limits how often a user may name users who do not exist, or name by number or URI users with
//! whom they are not linked. Otherwise every endpoint that resolves a user could be used to find
//! out who has an account, and to read names and addresses number by number.

use crate::domain::audit::AuditContext;
use crate::domain::user::{User, UserId};
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::services;
use crate::store::StoreError;
use crate::store::ledger::UserReference;
use crate::store::lookup::UserRef;

impl AppState {
    /// Whether a reference by number or URI names a user other than `user` with whom `user` is
    /// not linked. The answer does not depend on whether that user exists.
    pub async fn has_unlinked_reference(
        &self,
        user: &User,
        references: impl Iterator<Item = &UserRef>,
    ) -> Result<bool, StoreError> {
        let numbers: Vec<UserId> = references
            .filter_map(|reference| match reference {
                UserRef::Id(id) => Some(*id).filter(|id| *id != user.id),
                UserRef::Email(_) => None,
            })
            .collect();
        let is_limited = self.config.limits.requests.for_user(user).unlinked_references.is_some();
        if numbers.is_empty() || !is_limited {
            return Ok(false);
        }
        Ok(!services::users::are_linked(&self.store, user.id, numbers).await?)
    }

    /// Records that `user` named other users, and what they learn from it. Returns
    /// [`ApiError::RateLimited`] if a limit is used up; the caller then must not reveal the
    /// result. When the limit of unknown references is used up, every reference is refused.
    pub async fn record_user_lookup(
        &self,
        user: &User,
        reference: UserReference,
        audit_context: &AuditContext,
    ) -> Result<(), ApiError> {
        let limits = self.config.limits.requests.for_user(user);
        if limits.unknown_references.is_some() || limits.unlinked_references.is_some() {
            self.registry.record_user_lookup(user.id, reference, limits, audit_context.clone()).await?;
        }
        Ok(())
    }
}
