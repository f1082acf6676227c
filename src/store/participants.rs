//! The users and bundles that requests and permissions refer to, loaded with two queries for a
//! whole list.

use std::collections::HashMap;

use diesel::prelude::*;

use super::bundles::BundleVersion;
use super::connection::Conn;
use super::{bundles, users};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::terms::Terms;
use crate::domain::user::{User, UserId};

/// Users and bundles, by id.
#[derive(Clone, Debug, Default)]
pub struct Participants {
    users: HashMap<UserId, User>,
    bundles: HashMap<BundleId, Bundle>,
    /// Of requests that were closed before their bundle changed: the bundle as it was then.
    previous_bundles: HashMap<RequestId, Bundle>,
}

/// The users and the bundle of one request or permission.
#[derive(Clone, Copy, Debug)]
pub struct RequestParties<'a> {
    pub target: &'a User,
    pub grantee: &'a User,
    pub bundle: &'a Bundle,
}

impl Participants {
    /// Loads the users and bundles of terms.
    pub fn load(conn: &mut Conn, terms: impl Iterator<Item = Terms>) -> QueryResult<Self> {
        let (mut user_ids, mut bundle_ids) = (Vec::new(), Vec::new());
        for terms in terms {
            user_ids.extend([terms.target, terms.grantee]);
            bundle_ids.push(terms.bundle);
        }
        if bundle_ids.is_empty() {
            return Ok(Self::default());
        }
        user_ids.sort_unstable();
        user_ids.dedup();
        bundle_ids.sort_unstable();
        bundle_ids.dedup();
        Ok(Self {
            users: users::by_ids(conn, &user_ids)?.into_iter().map(|user| (user.id, user)).collect(),
            bundles: bundles::by_ids(conn, &bundle_ids)?
                .into_iter()
                .map(|bundle| (bundle.id, bundle))
                .collect(),
            previous_bundles: HashMap::new(),
        })
    }

    /// Loads the users and bundles of requests, the bundle of a closed request as it was when the
    /// request was closed. (Until then a bundle cannot change.)
    pub fn load_as_of<'a>(
        conn: &mut Conn,
        requests: impl Iterator<Item = &'a PermissionRequest> + Clone,
    ) -> QueryResult<Self> {
        let mut loaded = Self::load(conn, requests.clone().map(|request| request.terms))?;
        let ids: Vec<BundleId> = loaded.bundles.keys().copied().collect();
        if ids.is_empty() {
            return Ok(loaded);
        }
        let versions = bundles::versions(conn, &ids)?;
        for request in requests.filter(|_| !versions.is_empty()) {
            let Some(closed) = &request.closed else { continue };
            let was_current = |version: &&BundleVersion| {
                version.bundle.id == request.terms.bundle && version.replaced_at >= closed.closed_at
            };
            if let Some(version) = versions.iter().find(was_current).filter(|_| !request.holds_permission()) {
                loaded.previous_bundles.insert(request.id, version.bundle.clone());
            }
        }
        Ok(loaded)
    }

    /// The bundle of a request, as [`Self::load_as_of`] has loaded it.
    pub fn bundle_of(&self, request: &PermissionRequest) -> Option<&Bundle> {
        self.previous_bundles.get(&request.id).or_else(|| self.bundles.get(&request.terms.bundle))
    }

    pub(super) fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// Whether a user who has been loaded is disabled.
    pub(in crate::store) fn is_disabled(&self, id: UserId) -> bool {
        self.users.get(&id).is_some_and(|user| !user.active)
    }

    pub(super) fn bundle(&self, id: BundleId) -> Option<&Bundle> {
        self.bundles.get(&id)
    }

    pub(in crate::store) fn add_user(&mut self, user: User) {
        self.users.insert(user.id, user);
    }

    pub(super) fn add_bundle(&mut self, bundle: Bundle) {
        self.bundles.insert(bundle.id, bundle);
    }

    /// The users and the bundle of terms. `None`: they have not been loaded.
    pub fn parties(&self, terms: Terms) -> Option<RequestParties<'_>> {
        Some(RequestParties {
            target: self.users.get(&terms.target)?,
            grantee: self.users.get(&terms.grantee)?,
            bundle: self.bundles.get(&terms.bundle)?,
        })
    }
}
