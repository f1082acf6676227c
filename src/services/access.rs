//! Searches for the access that permissions give.

use crate::domain::user::UserId;
use crate::store::access::{self, AccessSearch};
use crate::store::{AsyncStore, StoreError};

/// At most `limit` users and the numbers of their permissions, in the order of these numbers, all of
/// them greater than `after`.
pub(crate) async fn search(
    store: &AsyncStore,
    search: AccessSearch,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, UserId)>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = store.read(move |conn| {
        let now = conn.now()?;
        access::search(conn, &search, after, limit, now)
    });
    found.await
}
