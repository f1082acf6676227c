//! The cast: the users and bundles that requests and permissions are about, two
//! queries for a whole list of them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{Conn, bundles, users};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::terms::Terms;
use crate::domain::user::{User, UserId};

/// Users and bundles, by number.
#[derive(Clone, Debug, Default)]
pub struct Participants {
    users: HashMap<UserId, User>,
    bundles: HashMap<BundleId, Bundle>,
}

/// Who and what one request or permission is about.
#[derive(Clone, Copy, Debug)]
pub struct RequestParties<'a> {
    /// Whose data it is: who is asked, and gives.
    pub target: &'a User,
    /// Who asks, and receives.
    pub grantee: &'a User,
    /// The rights.
    pub bundle: &'a Bundle,
}

impl Participants {
    /// All whom these terms name.
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

    /// A user.
    pub(super) fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// A bundle.
    pub(super) fn bundle(&self, id: BundleId) -> Option<&Bundle> {
        self.bundles.get(&id)
    }

    pub(super) fn add_user(&mut self, user: User) {
        self.users.insert(user.id, user);
    }

    pub(super) fn add_bundle(&mut self, bundle: Bundle) {
        self.bundles.insert(bundle.id, bundle);
    }

    /// Whom these terms name. The database's foreign keys see to it that they
    /// are there.
    pub fn parties(&self, terms: Terms) -> Option<RequestParties<'_>> {
        Some(RequestParties {
            target: self.users.get(&terms.target)?,
            grantee: self.users.get(&terms.grantee)?,
            bundle: self.bundles.get(&terms.bundle)?,
        })
    }
}
