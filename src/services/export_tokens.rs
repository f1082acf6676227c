//! Export tokens: use cases that do not go through the registry.

use crate::domain::timestamp::Timestamp;
use crate::store::export_tokens::{self, ExportFilter, ListedExport};
use crate::store::{AsyncStore, StoreError};

/// Lists export tokens, and returns the time by which their status is determined.
pub async fn list(
    store: &AsyncStore,
    filter: ExportFilter,
) -> Result<(Vec<ListedExport>, Timestamp), StoreError> {
    store
        .read(move |conn| {
            let now = conn.now()?;
            Ok((export_tokens::list(conn, &filter, now)?, now))
        })
        .await
}
