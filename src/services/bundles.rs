//! Bundles, as every user sees them. Staff change them ([`super::admin::bundles`]).

use crate::domain::bundle::{Bundle, BundleId};
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError, bundles};

/// A page of the bundles, by id.
pub(crate) async fn list(store: &AsyncStore, page: LimitOffset) -> Result<Paginated<Bundle>, StoreError> {
    store.read(move |conn| bundles::list(conn, page)).await
}

/// The bundles with these ids.
pub(crate) async fn by_ids(store: &AsyncStore, ids: Vec<BundleId>) -> Result<Vec<Bundle>, StoreError> {
    store.read(move |conn| bundles::by_ids(conn, &ids)).await
}
