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
use super::types::{DbTimestamp, SqlTimestamp};
use super::users as user_rows;
use crate::domain::bundle::{BundleId, BundleName};
use crate::domain::rights::Right;
use crate::domain::timestamp::Timestamp;
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
// grantee: a range of the index of active terms. The subquery is evaluated for each question, so
// that no plan reads the index from end to end. On SQLite the time is ignored: the clock is this
// process's.
bulk! {
    AskAccess {
        number: BigInt => i64,
        low: Text => String,
        high: Text => String,
        needed: SmallInt => i16,
        bundle: Nullable<Text> => Option<&'a str>,
        never: SqlTimestamp => DbTimestamp,
    }
    "SELECT w.number, (SELECT max(coalesce(r.permission_expires_at, w.never)) \
     FROM permission_requests AS r \
     WHERE r.active AND r.terms BETWEEN w.low AND w.high AND (r.granted_permission & w.needed) <> 0 \
     AND (w.bundle IS NULL OR EXISTS \
     (SELECT 1 FROM bundles AS b WHERE b.id = r.bundle_id AND b.name = w.bundle))), CURRENT_TIMESTAMP \
     FROM" w ""
    returns (BigInt, Nullable<SqlTimestamp>, SqlTimestamp)
}

/// Later than any permission expires: the end of the year 9999.
const NEVER: Timestamp = Timestamp::from_micros(253_402_300_799_000_000);

/// The questions whose answer is yes.
pub(super) fn granted(
    conn: &mut Conn,
    questions: &HashSet<&AccessQuestion>,
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
        rows.push((asked.len() as i64, low, high, question.right as i16, name, DbTimestamp(NEVER)));
        asked.push(question);
    }
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(i64, Option<DbTimestamp>, DbTimestamp)> = rows.fetch(conn)?;
    let granted = rows.into_iter().filter_map(|(number, expires_at, now)| {
        expires_at.filter(|DbTimestamp(at)| *at > conn.resolve_now(now))?;
        asked.get(usize::try_from(number).ok()?).map(|question| (*question).clone())
    });
    Ok(granted.collect())
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
    now: Timestamp,
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
    /// Whether the row of a permission, which is not marked as ended, gives the access.
    macro_rules! gives_access {
        ($before:literal, $row:literal, $after:literal) => {
            sql::<Bool>(concat!($before, "(", $row, ".granted_permission & "))
                .bind::<SmallInt, _>(*right as i16)
                .sql(concat!(
                    ") <> 0 AND (",
                    $row,
                    ".permission_expires_at IS NULL OR ",
                    $row,
                    ".permission_expires_at > "
                ))
                .bind::<SqlTimestamp, _>(DbTimestamp(now))
                .sql(") AND (")
                .bind::<Bool, _>(bundle.is_none())
                .sql(concat!(" OR ", $row, ".bundle_id = "))
                .bind::<Nullable<BigInt>, _>(bundle_id)
                .sql(concat!(
                    " OR EXISTS (SELECT 1 FROM bundles AS b WHERE b.id = ",
                    $row,
                    ".bundle_id AND b.name = "
                ))
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
