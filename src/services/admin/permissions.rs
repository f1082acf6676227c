//! Permissions of any user.

use std::collections::HashMap;

use crate::domain::bundle::{BundleId, BundleName};
use crate::domain::bundle_permission::BundlePermission;
use crate::domain::user::{Email, UserId};
use crate::services::DbWork;
use crate::store::{bundles, permissions, users};

/// The newest active permissions, with the names of their parties and bundles.
pub struct NewestPermissions {
    pub permissions: Vec<BundlePermission>,
    pub emails: HashMap<UserId, Email>,
    pub bundle_names: HashMap<BundleId, BundleName>,
}

/// The newest active permissions, at most `limit`.
pub fn newest(limit: i64) -> impl DbWork<NewestPermissions> {
    move |conn| {
        let now = conn.now()?;
        let permissions = permissions::newest(conn, limit, now)?;
        let terms = permissions.iter().map(|permission| permission.terms);
        let parties = terms.clone().flat_map(|terms| [terms.grantee, terms.target]);
        let emails = users::emails_by_id(conn, parties.collect())?;
        let bundle_ids: Vec<BundleId> = terms.map(|terms| terms.bundle).collect();
        let bundle_names =
            bundles::by_ids(conn, &bundle_ids)?.into_iter().map(|bundle| (bundle.id, bundle.name)).collect();
        Ok(NewestPermissions { permissions, emails, bundle_names })
    }
}
