//! Forms that create something: one that is sent twice creates it once.

use uuid::Uuid;

use crate::domain::rate_limit::RateLimitKey;
use crate::domain::user::UserId;
use crate::store::{AsyncStore, StoreError, rate_limits};

/// How long a form's id is remembered.
const FORM_ID_TTL_SECONDS: i64 = 86_400;

/// Claims a form's id for its first use; false if it was used before.
pub(crate) async fn claim(store: &AsyncStore, user: UserId, form_id: Uuid) -> Result<bool, StoreError> {
    let key = RateLimitKey::FormUse(user, form_id);
    let claimed = rate_limits::update(store, vec![key.clone()], move |limiter, now| {
        let is_first = !limiter.is_remembered(&key, now);
        limiter.remember_until(&key, now.plus_seconds(FORM_ID_TTL_SECONDS));
        is_first
    });
    claimed.await
}

/// Releases a claimed id of a form that created nothing.
pub(crate) async fn release(store: &AsyncStore, user: UserId, form_id: Uuid) -> Result<(), StoreError> {
    let key = RateLimitKey::FormUse(user, form_id);
    let released = rate_limits::update(store, vec![key.clone()], move |limiter, now| {
        limiter.remember_until(&key, now);
    });
    released.await
}
