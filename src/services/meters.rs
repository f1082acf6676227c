//! Limits of writes that have no limit of their own.

use crate::domain::rate_limit::{KeyedLimit, RateLimited};
use crate::store::{AsyncStore, StoreError, rate_limits};

/// Consumes one of a limit.
pub(crate) async fn consume(
    store: &AsyncStore,
    keyed_limit: KeyedLimit,
) -> Result<Result<(), RateLimited>, StoreError> {
    let keys = vec![keyed_limit.0.clone()];
    let consumed = rate_limits::update(store, keys, move |limiter, now| {
        limiter.consume(std::slice::from_ref(&keyed_limit), now).map(drop)
    });
    consumed.await
}
