//! The cast: the users and bundles that requests and permissions are about, two
//! queries for a whole list of them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{Conn, bundles, users};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::grant::Terms;
use crate::domain::user::{User, UserId};

/// Users and bundles, by number.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    users: HashMap<UserId, User>,
    bundles: HashMap<BundleId, Bundle>,
}

/// Who and what one request or permission is about.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Whose data it is: who is asked, and gives.
    pub target: &'a User,
    /// Who asks, and receives.
    pub allowed: &'a User,
    /// The rights.
    pub bundle: &'a Bundle,
}

impl Cast {
    /// All whom these terms name.
    pub fn of(conn: &mut Conn, terms: impl Iterator<Item = Terms>) -> QueryResult<Self> {
        let (mut people, mut things) = (Vec::new(), Vec::new());
        for terms in terms {
            people.extend([terms.target, terms.allowed]);
            things.push(terms.bundle);
        }
        if things.is_empty() {
            return Ok(Self::default());
        }
        people.sort_unstable();
        people.dedup();
        things.sort_unstable();
        things.dedup();
        Ok(Self {
            users: users::by_ids(conn, &people)?.into_iter().map(|user| (user.id, user)).collect(),
            bundles: bundles::by_ids(conn, &things)?.into_iter().map(|bundle| (bundle.id, bundle)).collect(),
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
    pub fn scene(&self, terms: Terms) -> Option<Scene<'_>> {
        Some(Scene {
            target: self.users.get(&terms.target)?,
            allowed: self.users.get(&terms.allowed)?,
            bundle: self.bundles.get(&terms.bundle)?,
        })
    }
}
