//! Which limits apply to which use case. `None` means unlimited.

use super::gcra::RateLimit;
use super::keys::{KeyedLimit, RateLimitKey};
use crate::domain::permission_request::NewPermissionRequest;
use crate::domain::terms::Terms;
use crate::domain::user::{User, UserId};

/// The limits of permission requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests from one user to another.
    pub pair: Option<RateLimit>,
    /// Requests from one user.
    pub requester: Option<RateLimit>,
    /// Requests to one user.
    pub target: Option<RateLimit>,
    /// References to users who do not exist.
    pub unknown_references: Option<RateLimit>,
    /// References by number or URI to users with whom the user is not linked.
    pub unlinked_references: Option<RateLimit>,
}

impl RequestLimits {
    /// The limits of this user. Staff can list all users, so their references are not limited.
    #[must_use]
    pub fn for_user(self, user: &User) -> Self {
        match user.staff {
            true => Self { unknown_references: None, unlinked_references: None, ..self },
            false => self,
        }
    }

    /// The limits that a new request consumes from. The pair and the target are limited
    /// whichever user posts the request, because the target gets a mail each time. The
    /// requester's own limit does not count requests that staff post for them.
    pub fn for_request(&self, new: &NewPermissionRequest) -> Vec<KeyedLimit> {
        self.for_mail(new.terms, new.asked_by)
    }

    /// The limits that a resent mail consumes from, the same as for the request.
    pub fn for_mail(&self, terms: Terms, by: UserId) -> Vec<KeyedLimit> {
        let (requester, target) = (terms.grantee, terms.target);
        let own = self.requester.filter(|_| by == requester);
        let pair = self.pair.map(|limit| (RateLimitKey::Pair { requester, target }, limit));
        let own = own.map(|limit| (RateLimitKey::Requester(requester), limit));
        let target = self.target.map(|limit| (RateLimitKey::Target(target), limit));
        [pair, own, target].into_iter().flatten().collect()
    }

    /// The limits that a permission granted without a request consumes from: those of a request
    /// from the target to the grantee. Each party that did not grant it gets a mail.
    pub fn for_grant(&self, terms: Terms, by: UserId) -> Vec<KeyedLimit> {
        let (giver, receiver) = (terms.target, terms.grantee);
        let pair = self.pair.map(|limit| (RateLimitKey::Pair { requester: giver, target: receiver }, limit));
        let own = self.requester.filter(|_| by == giver);
        let own = own.map(|limit| (RateLimitKey::Requester(giver), limit));
        let mailed = [receiver, giver].into_iter().filter(|party| *party != by);
        let mailed = self
            .target
            .into_iter()
            .flat_map(|limit| mailed.clone().map(move |party| (RateLimitKey::Target(party), limit)));
        [pair, own].into_iter().flatten().chain(mailed).collect()
    }

    /// The limit that a reference to a nonexistent user consumes from. When it is used up, all
    /// of this user's references are refused.
    pub fn for_unknown_references(&self, user: UserId) -> Option<KeyedLimit> {
        self.unknown_references.map(|limit| (RateLimitKey::UnknownReferences(user), limit))
    }

    /// The limit that a reference by number or URI to a user who is not linked consumes from,
    /// whether that user exists or not.
    pub fn for_unlinked_references(&self, user: UserId) -> Option<KeyedLimit> {
        self.unlinked_references.map(|limit| (RateLimitKey::UnlinkedReferences(user), limit))
    }
}

/// The limits of a user's writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteLimits {
    /// Writes that have no other limit.
    pub writes: Option<RateLimit>,
    /// Changes of the user's own password.
    pub password_changes: Option<RateLimit>,
}

impl WriteLimits {
    /// The limit that a write consumes from. Staff have none.
    pub fn for_user(&self, user: &User) -> Option<KeyedLimit> {
        let limit = self.writes.filter(|_| !user.staff)?;
        Some((RateLimitKey::Writes(user.id), limit))
    }

    /// The limit that a change of the user's own password consumes from.
    pub fn for_password_change(&self, user: UserId) -> Option<KeyedLimit> {
        self.password_changes.map(|limit| (RateLimitKey::PasswordChanges(user), limit))
    }
}

/// The limits of failed sign-ins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInLimits {
    /// To one account.
    pub account: Option<RateLimit>,
    /// From one address.
    pub address: Option<RateLimit>,
}

/// The limits of password resets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordResetLimits {
    /// Mails to one account.
    pub account: Option<RateLimit>,
    /// Requested from one address, for any account.
    pub address: Option<RateLimit>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::BundleId;
    use crate::domain::rights::Mask;
    use crate::domain::user::{Email, PersonName};

    #[test]
    fn the_acting_user_decides_which_limits_apply() {
        let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|count| RateLimit::new(count, 60).ok());
        let limits = RequestLimits {
            pair: one,
            requester: two,
            target: three,
            unknown_references: four,
            unlinked_references: five,
        };
        let (requester, target) = (UserId(1), UserId(2));
        let terms = Terms { target, grantee: requester, bundle: BundleId(1) };
        let mut new = NewPermissionRequest::new(terms, requester, Mask::READ, 1);
        let names = |keyed_limits: Vec<KeyedLimit>| {
            keyed_limits.iter().map(|(key, _)| key.policy_name()).collect::<Vec<_>>()
        };
        assert_eq!(names(limits.for_request(&new)), ["pair", "requester", "target"]);
        new.asked_by = UserId(3);
        assert_eq!(names(limits.for_request(&new)), ["pair", "target"]);
        assert_eq!(
            limits.for_unknown_references(requester),
            four.map(|limit| (RateLimitKey::UnknownReferences(requester), limit))
        );
        let user = |staff| User {
            id: requester,
            email: Email::new("ada@example.org").unwrap(),
            first_name: PersonName::default(),
            last_name: PersonName::default(),
            active: true,
            staff,
        };
        assert_eq!(limits.for_user(&user(false)), limits);
        let of_staff = RequestLimits { unknown_references: None, unlinked_references: None, ..limits };
        assert_eq!(limits.for_user(&user(true)), of_staff);
        assert_eq!(names(limits.for_grant(terms, target)), ["pair", "requester", "target"]);
        assert_eq!(names(limits.for_grant(terms, requester)), ["pair", "target"]);
        assert_eq!(names(limits.for_grant(terms, UserId(3))), ["pair", "target", "target"]);
    }
}
