//! Meters, changed by whoever handles a request.

use crate::domain::rate_limit::{RateLimitKey, RateLimiter};
use crate::domain::timestamp::Timestamp;
use crate::store::{AsyncStore, QueryError, StoreError, rate_limits};

/// How often to try anew when somebody else was first to use a meter.
const MAX_ATTEMPTS: usize = 3;

/// Changes meters, in a transaction; what the change came to.
pub async fn update<T: Send + 'static>(
    store: &AsyncStore,
    keys: Vec<RateLimitKey>,
    change: impl Fn(&mut RateLimiter, Timestamp) -> T + Clone + Send + 'static,
) -> Result<T, StoreError> {
    let mut retries = 1..MAX_ATTEMPTS;
    loop {
        let (keys, change) = (keys.clone(), change.clone());
        let changed = store.write(move |conn| {
            let mut meters = rate_limits::lock(conn, &keys)?;
            let now = conn.now()?;
            let changed = change(&mut meters, now);
            rate_limits::write(conn, &meters)?;
            Ok(changed)
        });
        match changed.await {
            Err(StoreError::QueryFailed(QueryError::RollbackTransaction)) if retries.next().is_some() => {}
            done => return done,
        }
    }
}
