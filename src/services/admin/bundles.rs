//! Bundles, the named sets of rights that users request from each other.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::bundle::{Bundle, BundleId};
use crate::services::DbWork;
use crate::store::bundles::{self, BundleChange, BundleError, BundleVersion, NewBundle};
use crate::store::{LimitOffset, Paginated, audit_log};

/// Adds a bundle.
pub fn add(new: NewBundle, audit: AuditContext) -> impl DbWork<Bundle> {
    move |conn| {
        let now = conn.now()?;
        let bundle = bundles::insert(conn, &new)?;
        let subject = format!("bundle:{}", bundle.id);
        audit_log::record(conn, &audit, AuditAction::BundleAdded, subject, now)?;
        Ok(bundle)
    }
}

/// Changes a bundle that is not in use. Its previous version is kept. A change to what the bundle
/// already says does nothing, and is no error while the bundle is in use.
pub fn update(
    id: BundleId,
    change: BundleChange,
    audit: AuditContext,
) -> impl DbWork<Result<Bundle, BundleError>> {
    move |conn| {
        let changed = bundles::update(conn, id, &change)?;
        if let Ok((_, true)) = changed {
            let now = conn.now()?;
            audit_log::record(conn, &audit, AuditAction::BundleChanged, format!("bundle:{id}"), now)?;
        }
        Ok(changed.map(|(bundle, _)| bundle))
    }
}

/// Deletes a bundle that is not in use.
pub fn delete(id: BundleId, audit: AuditContext) -> impl DbWork<Result<(), BundleError>> {
    move |conn| {
        let now = conn.now()?;
        let deleted = bundles::delete(conn, id, now)?;
        if deleted.is_ok() {
            audit_log::record(conn, &audit, AuditAction::BundleDeleted, format!("bundle:{id}"), now)?;
        }
        Ok(deleted)
    }
}

/// The bundle with this ID.
pub fn by_id(id: BundleId) -> impl DbWork<Option<Bundle>> {
    move |conn| Ok(bundles::by_ids(conn, &[id])?.pop())
}

/// The previous versions of a bundle, newest first.
pub fn versions(id: BundleId) -> impl DbWork<Vec<BundleVersion>> {
    move |conn| {
        let mut versions = bundles::versions(conn, &[id])?;
        versions.reverse();
        Ok(versions)
    }
}

/// A page of the bundles, by ID.
pub fn list(page: LimitOffset) -> impl DbWork<Paginated<Bundle>> {
    move |conn| bundles::list(conn, page)
}

/// All bundles, by ID.
pub fn all() -> impl DbWork<Vec<Bundle>> {
    move |conn| Ok(bundles::list(conn, LimitOffset { limit: i64::MAX, offset: 0 })?.rows)
}
