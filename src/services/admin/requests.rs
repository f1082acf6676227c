//! Permission requests of any user.

use std::collections::HashMap;

use crate::domain::bundle::{BundleId, BundleName};
use crate::domain::permission_request::PermissionRequest;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, UserId};
use crate::services::DbWork;
use crate::store::{bundles, requests, users};

/// The newest permission requests, with the names of their parties and bundles.
pub struct NewestRequests {
    pub requests: Vec<PermissionRequest>,
    pub emails: HashMap<UserId, Email>,
    pub bundle_names: HashMap<BundleId, BundleName>,
    /// The time at which the requests were read.
    pub now: Timestamp,
}

/// The newest permission requests, at most `limit`.
pub fn newest(limit: i64) -> impl DbWork<NewestRequests> {
    move |conn| {
        let now = conn.now()?;
        let requests = requests::newest(conn, limit)?;
        let parties = requests.iter().flat_map(|request| [request.terms.grantee, request.terms.target]);
        let emails = users::emails_by_id(conn, parties.collect())?;
        let mut ids: Vec<BundleId> = requests.iter().map(|request| request.terms.bundle).collect();
        ids.sort_unstable();
        ids.dedup();
        let bundles = bundles::by_ids(conn, &ids)?;
        let bundle_names = bundles.into_iter().map(|bundle| (bundle.id, bundle.name)).collect();
        Ok(NewestRequests { requests, emails, bundle_names, now })
    }
}
