//! Permission requests of any user.

use std::collections::HashMap;

use crate::domain::bundle::BundleName;
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, UserId};
use crate::services::DbWork;
use crate::store::participants::Participants;
use crate::store::{requests, users};

/// The newest permission requests, with the names of their parties and bundles.
pub struct NewestRequests {
    pub requests: Vec<PermissionRequest>,
    pub emails: HashMap<UserId, Email>,
    pub bundle_names: HashMap<RequestId, BundleName>,
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
        let participants = Participants::load_as_of(conn, requests.iter())?;
        let bundle_name =
            |request: &PermissionRequest| Some((request.id, participants.bundle_of(request)?.name.clone()));
        let bundle_names = requests.iter().filter_map(bundle_name).collect();
        Ok(NewestRequests { requests, emails, bundle_names, now })
    }
}
