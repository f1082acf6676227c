//! Bundles. Every user can see them; staff change them.

use crate::domain::audit::AuditContext;
use crate::domain::bundle::{Bundle, BundleId};
use crate::store::bundles::{self, BundleChange, BundleError, NewBundle};
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError, admin};

/// A page of the bundles, by id.
pub(crate) async fn list(store: &AsyncStore, page: LimitOffset) -> Result<Paginated<Bundle>, StoreError> {
    store.read(move |conn| bundles::list(conn, page)).await
}

/// The bundles with these ids.
pub(crate) async fn by_ids(store: &AsyncStore, ids: Vec<BundleId>) -> Result<Vec<Bundle>, StoreError> {
    store.read(move |conn| bundles::by_ids(conn, &ids)).await
}

/// Creates a bundle.
pub(crate) async fn create(
    store: &AsyncStore,
    audit: AuditContext,
    new: NewBundle,
) -> Result<Bundle, StoreError> {
    let created = store.write(move |conn| {
        let now = conn.now()?;
        admin::add_bundle(conn, &new, &audit, now)
    });
    created.await
}

/// Changes a bundle. Its rights cannot change while it is in use.
pub(crate) async fn update(
    store: &AsyncStore,
    audit: AuditContext,
    id: BundleId,
    change: BundleChange,
) -> Result<Result<Bundle, BundleError>, StoreError> {
    let updated = store.write(move |conn| {
        let now = conn.now()?;
        admin::update_bundle(conn, id, &change, &audit, now)
    });
    updated.await
}

/// Deletes a bundle that is not in use.
pub(crate) async fn delete(
    store: &AsyncStore,
    audit: AuditContext,
    id: BundleId,
) -> Result<Result<(), BundleError>, StoreError> {
    let deleted = store.write(move |conn| {
        let now = conn.now()?;
        admin::delete_bundle(conn, id, &audit, now)
    });
    deleted.await
}
