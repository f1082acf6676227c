//! Conditions on the fields of a list.

use crate::domain::user::{Email, User, UserId};
use crate::store::lookup::UserRef;
use crate::store::{Conn, QueryResult, TermsFilter, users};

/// The values that satisfy all conditions; `None` if there are no conditions.
pub(crate) fn intersection<T: PartialEq>(conditions: Vec<Vec<T>>) -> Option<Vec<T>> {
    conditions.into_iter().reduce(|mut left, right| {
        left.retain(|value| right.contains(value));
        left
    })
}

/// Which requests or permissions to list, by their terms. A user must match every condition on its side.
#[derive(Clone, Debug, Default)]
pub(crate) struct TermsQuery {
    pub bundles: Option<Vec<i64>>,
    pub grantees: Vec<Vec<UserRef>>,
    pub targets: Vec<Vec<UserRef>>,
}

impl TermsQuery {
    /// Replaces emails by user ids. An unknown email matches no user.
    pub(super) fn resolve(&self, conn: &mut Conn) -> QueryResult<TermsFilter> {
        let user_refs = self.grantees.iter().chain(&self.targets).flatten();
        let emails: Vec<Email> = user_refs
            .filter_map(|user| match user {
                UserRef::Email(email) => Some(email.clone()),
                UserRef::Id(_) => None,
            })
            .collect();
        let users = if emails.is_empty() { Vec::new() } else { users::by_emails(conn, &emails)? };
        let resolve = |conditions: &[Vec<UserRef>]| {
            let user_ids = |condition: &Vec<UserRef>| {
                condition.iter().filter_map(|user| find_user_id(user, &users)).collect()
            };
            intersection(conditions.iter().map(user_ids).collect())
        };
        Ok(TermsFilter {
            bundles: self.bundles.clone(),
            grantees: resolve(&self.grantees),
            targets: resolve(&self.targets),
        })
    }
}

fn find_user_id(user: &UserRef, users: &[User]) -> Option<i64> {
    match user {
        UserRef::Id(UserId(id)) => Some(*id),
        UserRef::Email(email) => users.iter().find(|user| user.email == *email).map(|user| user.id.0),
    }
}

#[cfg(test)]
mod tests {
    use super::intersection;

    #[test]
    fn every_condition_restricts_the_others() {
        assert_eq!(intersection(vec![vec![3], vec![1, 2, 3, 4]]), Some(vec![3]));
        assert_eq!(intersection::<i64>(Vec::new()), None);
    }
}
