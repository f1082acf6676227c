//! The users and bundles that requests and permissions refer to, loaded with two queries for a
//! whole list.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{Conn, bundles, users};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::terms::Terms;
use crate::domain::user::{User, UserId};

/// Users and bundles, by id.
#[derive(Clone, Debug, Default)]
pub struct Participants {
    users: HashMap<UserId, User>,
    bundles: HashMap<BundleId, Bundle>,
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
        })
    }

    pub(super) fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    pub(super) fn bundle(&self, id: BundleId) -> Option<&Bundle> {
        self.bundles.get(&id)
    }

    pub(super) fn add_user(&mut self, user: User) {
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
