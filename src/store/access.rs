//! The access that permissions give: whether a user has a right over another user, and which users
//! have it.
//!
//! A permission gives access while it is active and has not expired by the database's clock, and
//! while both of its users are active.

use std::collections::{HashMap, HashSet};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};

use super::bulk::bulk;
use super::connection::{Conn, with_backend};
use super::lookup::UserRef;
use super::schema::permission_requests::dsl;
use super::schema::users;
use super::users as user_rows;
use crate::domain::bundle::{BundleId, BundleName};
use crate::domain::rights::Right;
use crate::domain::user::{Email, User, UserId};

/// How a caller names a bundle. Bundles may have the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BundleRef {
    Id(BundleId),
    Name(BundleName),
}

/// Whether a permission gives a user a right over another user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessQuestion {
    pub grantee: UserRef,
    pub target: UserRef,
    /// Only permissions for this bundle count.
    pub bundle: Option<BundleRef>,
    pub right: Right,
}

/// The users on one side of the permissions of a known user.
#[derive(Clone, Debug)]
pub struct AccessSearch {
    pub known: UserRef,
    pub searched: SearchedSide,
    pub right: Right,
    /// Only permissions for this bundle count.
    pub bundle: Option<BundleRef>,
}

/// The side of the permissions whose users are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchedSide {
    Grantees,
    Targets,
}

// The keys of a permission's terms between `low` and `high` are those of one target and one
// grantee: a range of the index of active terms. EXISTS is evaluated for each question, so that no
// plan reads the index from end to end.
bulk! {
    AskAccess {
        number: BigInt => i64,
        low: Text => String,
        high: Text => String,
        needed: SmallInt => i16,
        bundle: Nullable<Text> => Option<&'a str>,
    }
    "SELECT w.number FROM" w
    "WHERE EXISTS (SELECT 1 FROM permission_requests AS r JOIN bundles AS b ON b.id = r.bundle_id \
     WHERE r.active AND r.terms BETWEEN w.low AND w.high AND (b.permission & w.needed) <> 0 \
     AND (w.bundle IS NULL OR b.name = w.bundle))"
    returns BigInt
}

/// The questions whose answer is yes.
pub(super) fn granted(
    conn: &mut Conn,
    questions: &HashSet<AccessQuestion>,
) -> QueryResult<HashSet<AccessQuestion>> {
    let named = questions.iter().flat_map(|question| [&question.grantee, &question.target]);
    let ids = active_user_ids(conn, named)?;
    let mut asked: Vec<&AccessQuestion> = Vec::with_capacity(questions.len());
    let mut rows = AskAccess::default();
    for question in questions {
        let (Some(target), Some(grantee)) = (ids.get(&question.target), ids.get(&question.grantee)) else {
            continue;
        };
        let pair = format!("{target}:{grantee}:");
        let (low, high, name) = match &question.bundle {
            Some(BundleRef::Id(bundle)) => (format!("{pair}{bundle}"), format!("{pair}{bundle}"), None),
            // A colon is greater than every digit.
            Some(BundleRef::Name(name)) => (pair.clone(), pair + ":", Some(name.as_str())),
            None => (pair.clone(), pair + ":", None),
        };
        rows.push((asked.len() as i64, low, high, question.right as i16, name));
        asked.push(question);
    }
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let granted: Vec<i64> = rows.fetch(conn)?;
    let question = |number: i64| asked.get(usize::try_from(number).ok()?).map(|question| (*question).clone());
    Ok(granted.into_iter().filter_map(question).collect())
}

/// The ids of the active ones of these users.
fn active_user_ids<'a>(
    conn: &mut Conn,
    named: impl Iterator<Item = &'a UserRef>,
) -> QueryResult<HashMap<UserRef, UserId>> {
    let (mut ids, mut emails): (Vec<UserId>, Vec<Email>) = (Vec::new(), Vec::new());
    for user in named.collect::<HashSet<_>>() {
        match user {
            UserRef::Id(id) => ids.push(*id),
            UserRef::Email(email) => emails.push(email.clone()),
        }
    }
    let by_id = if ids.is_empty() { Vec::new() } else { user_rows::by_ids(conn, &ids)? };
    let by_email = if emails.is_empty() { Vec::new() } else { user_rows::by_emails(conn, &emails)? };
    let is_active = |user: &User| user.active;
    let by_id = by_id.into_iter().filter(is_active).map(|user| (UserRef::Id(user.id), user.id));
    let by_email = by_email.into_iter().filter(is_active).map(|user| (UserRef::Email(user.email), user.id));
    Ok(by_id.chain(by_email).collect())
}

/// At most `limit` users and the permissions that give or take the access, in the order of these
/// permissions' numbers, all of them greater than `after`. Each user appears once.
pub fn search(
    conn: &mut Conn,
    search: &AccessSearch,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<(i64, UserId)>> {
    let AccessSearch { known, searched, right, bundle } = search;
    let Some(known) = active_user_ids(conn, std::iter::once(known))?.into_values().next() else {
        return Ok(Vec::new());
    };
    let (bundle_id, bundle_name) = match bundle {
        Some(BundleRef::Id(id)) => (Some(id.0), None),
        Some(BundleRef::Name(name)) => (None, Some(name.as_str())),
        None => (None, None),
    };
    /// Whether the row of a permission gives the access.
    macro_rules! gives_access {
        ($before:literal, $row:literal, $after:literal) => {
            sql::<Bool>(concat!(
                $before,
                "EXISTS (SELECT 1 FROM bundles AS b WHERE b.id = ",
                $row,
                ".bundle_id AND (b.permission & "
            ))
            .bind::<SmallInt, _>(*right as i16)
            .sql(") <> 0 AND (")
            .bind::<Bool, _>(bundle.is_none())
            .sql(" OR b.id = ")
            .bind::<Nullable<BigInt>, _>(bundle_id)
            .sql(" OR b.name = ")
            .bind::<Nullable<Text>, _>(bundle_name)
            .sql(concat!("))", $after))
        };
    }
    macro_rules! page {
        ($known:ident, $found:ident) => {
            dsl::permission_requests
                .inner_join(users::table.on(users::id.eq(dsl::$found)))
                .filter(dsl::active.and(dsl::outcome.is_not_null()))
                .filter(dsl::$known.eq(known.0).and(dsl::id.gt(after)).and(users::active))
                .filter(gives_access!("", "permission_requests", ""))
                .filter(gives_access!(
                    "NOT EXISTS (SELECT 1 FROM permission_requests AS earlier WHERE earlier.active \
                     AND earlier.outcome IS NOT NULL AND earlier.user_target = permission_requests.user_target \
                     AND earlier.user_allowed = permission_requests.user_allowed \
                     AND earlier.id < permission_requests.id AND ",
                    "earlier",
                    ")"
                ))
                .order((dsl::$known, dsl::id))
                .limit(limit)
                .select((dsl::id, dsl::$found))
        };
    }
    let rows: Vec<(i64, i64)> = match searched {
        SearchedSide::Grantees => with_backend!(conn, c => page!(user_target, user_allowed).load(c))?,
        SearchedSide::Targets => with_backend!(conn, c => page!(user_allowed, user_target).load(c))?,
    };
    Ok(rows.into_iter().map(|(permission, user)| (permission, UserId(user))).collect())
}
