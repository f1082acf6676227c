//! The access that permissions give: whether a user has a right over another user, and which users
//! have it.
//!
//! A permission gives access while it is active and has not expired by the database's clock, and
//! while both of its users are active.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text};

use super::bulk::Column;
use super::by_keys::load_by_keys;
use super::connection::{Backend, Conn, with_backend};
use super::lookup::UserRef;
use super::schema::permission_requests::dsl;
use super::schema::{bundles, users};
use super::types::{DbTimestamp, SqlTimestamp};
use crate::domain::bundle::{BundleId, BundleName};
use crate::domain::rights::Right;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, UserId};

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

/// An active permission between two users.
#[derive(Queryable)]
struct PermissionBetween {
    grantee: i64,
    target: i64,
    bundle: i64,
    permission: i16,
    expires_at: Option<DbTimestamp>,
}

impl PermissionBetween {
    fn allows(&self, right: Right, bundles: Option<&[BundleId]>, now: Timestamp) -> bool {
        self.permission & right as i16 != 0
            && bundles.is_none_or(|bundles| bundles.contains(&BundleId(self.bundle)))
            && self.expires_at.is_none_or(|at| at.0 > now)
    }
}

/// For PostgreSQL: the permissions of each grantee for its targets, in one statement. Each element of the
/// targets is one look-up in the index, without a subplan.
#[derive(QueryId)]
struct FindBetween {
    grantees: Column<i64>,
    /// Arrays of numbers as PostgreSQL writes them: an array of arrays would be a matrix.
    targets: Column<String>,
}

impl Query for FindBetween {
    type SqlType = ((BigInt, BigInt, BigInt, SmallInt, Nullable<SqlTimestamp>), SqlTimestamp);
}

impl RunQueryDsl<PgConnection> for FindBetween {}

impl QueryFragment<Pg> for FindBetween {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Without OFFSET, the planner could join the other way round.
        out.push_sql(
            "SELECT r.user_allowed, r.user_target, r.bundle_id, r.granted_permission, r.permission_expires_at, \
             CURRENT_TIMESTAMP FROM unnest(",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.grantees)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.targets)?;
        out.push_sql(
            ") AS w (grantee, targets) CROSS JOIN LATERAL (SELECT * FROM permission_requests AS p \
             WHERE p.active AND p.closed_at IS NOT NULL \
             AND p.user_allowed = w.grantee AND p.user_target = ANY (w.targets::bigint[]) OFFSET 0) AS r",
        );
        Ok(())
    }
}

/// The active permissions between grantees and targets, and the time to judge them by.
fn between(
    conn: &mut Conn,
    pairs: BTreeMap<UserId, BTreeSet<UserId>>,
) -> QueryResult<(Vec<PermissionBetween>, Timestamp)> {
    match &mut conn.backend {
        Backend::Postgres(pg) => {
            let (mut grantees, mut targets) = (Column::default(), Column::default());
            for (grantee, of_grantee) in &pairs {
                let of_grantee: Vec<String> = of_grantee.iter().map(UserId::to_string).collect();
                grantees.0.push(grantee.0);
                targets.0.push(format!("{{{}}}", of_grantee.join(",")));
            }
            let rows: Vec<(PermissionBetween, DbTimestamp)> =
                FindBetween { grantees, targets }.load(&mut **pg)?;
            let now = rows.first().map_or(DbTimestamp(Timestamp::from_micros(0)), |(_, now)| *now);
            Ok((rows.into_iter().map(|(row, _)| row).collect(), conn.resolve_now(now)))
        }
        Backend::Sqlite(sqlite) => {
            let mut found = Vec::new();
            for (grantee, targets) in pairs {
                let targets = targets.iter().map(|target| target.0);
                found.extend(
                    dsl::permission_requests
                        .filter(dsl::active.and(dsl::closed_at.is_not_null()))
                        .filter(dsl::user_allowed.eq(grantee.0).and(dsl::user_target.eq_any(targets)))
                        .select((
                            dsl::user_allowed,
                            dsl::user_target,
                            dsl::bundle_id,
                            dsl::granted_permission.assume_not_null(),
                            dsl::permission_expires_at,
                        ))
                        .load(&mut **sqlite)?,
                );
            }
            Ok((found, conn.now()?))
        }
    }
}

/// The questions whose answer is yes.
pub(super) fn granted(
    conn: &mut Conn,
    questions: &HashSet<&AccessQuestion>,
) -> QueryResult<HashSet<AccessQuestion>> {
    let named = questions.iter().flat_map(|question| [&question.grantee, &question.target]);
    let ids = active_user_ids(conn, named)?;
    let pair = |question: &AccessQuestion| ids.get(&question.grantee).zip(ids.get(&question.target));
    let mut pairs: BTreeMap<UserId, BTreeSet<UserId>> = BTreeMap::new();
    for (grantee, target) in questions.iter().filter_map(|question| pair(question)) {
        pairs.entry(*grantee).or_default().insert(*target);
    }
    if pairs.is_empty() {
        return Ok(HashSet::new());
    }
    let bundles = named_bundles(conn, questions)?;
    let (rows, now) = between(conn, pairs)?;
    let mut permissions: HashMap<(i64, i64), Vec<PermissionBetween>> = HashMap::with_capacity(rows.len());
    for row in rows {
        permissions.entry((row.grantee, row.target)).or_default().push(row);
    }
    let is_granted = |question: &&&AccessQuestion| {
        let Some((grantee, target)) = pair(question) else { return false };
        let bundles = match &question.bundle {
            None => None,
            Some(BundleRef::Id(id)) => Some(std::slice::from_ref(id)),
            Some(BundleRef::Name(name)) => Some(bundles.get(name).map_or(&[][..], Vec::as_slice)),
        };
        let permissions = permissions.get(&(grantee.0, target.0));
        permissions.is_some_and(|rows| rows.iter().any(|row| row.allows(question.right, bundles, now)))
    };
    Ok(questions.iter().filter(is_granted).map(|question| (*question).clone()).collect())
}

/// The bundles that the questions name.
fn named_bundles(
    conn: &mut Conn,
    questions: &HashSet<&AccessQuestion>,
) -> QueryResult<HashMap<BundleName, Vec<BundleId>>> {
    let names: HashSet<&str> = questions
        .iter()
        .filter_map(|question| match &question.bundle {
            Some(BundleRef::Name(name)) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let mut bundles: HashMap<BundleName, Vec<BundleId>> = HashMap::new();
    if !names.is_empty() {
        let rows: Vec<(i64, String)> = load_by_keys!(
            conn, bundles::name, names, is_key => bundles::table.filter(is_key).select((bundles::id, bundles::name))
        )?;
        for (id, name) in rows {
            bundles.entry(BundleName::from_db(name)).or_default().push(BundleId(id));
        }
    }
    Ok(bundles)
}

/// The ids of the active ones of these users.
fn active_user_ids<'a>(
    conn: &mut Conn,
    named: impl Iterator<Item = &'a UserRef>,
) -> QueryResult<HashMap<UserRef, UserId>> {
    let (mut ids, mut emails): (Vec<i64>, Vec<&str>) = (Vec::new(), Vec::new());
    for user in named.collect::<HashSet<_>>() {
        match user {
            UserRef::Id(id) => ids.push(id.0),
            UserRef::Email(email) => emails.push(email.as_str()),
        }
    }
    let mut active = HashMap::with_capacity(ids.len() + emails.len());
    if !ids.is_empty() {
        let rows: Vec<i64> = load_by_keys!(
            conn, users::id, ids, is_key => users::table.filter(users::active.and(is_key)).select(users::id)
        )?;
        active.extend(rows.into_iter().map(UserId).map(|id| (UserRef::Id(id), id)));
    }
    if !emails.is_empty() {
        let rows: Vec<(i64, String)> = load_by_keys!(
            conn, users::email, emails,
            is_key => users::table.filter(users::active.and(is_key)).select((users::id, users::email))
        )?;
        active
            .extend(rows.into_iter().map(|(id, email)| (UserRef::Email(Email::from_db(email)), UserId(id))));
    }
    Ok(active)
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
    // Without OFFSET, which SQLite has only after LIMIT, a planner that expects few permissions joins each with all of
    // this user's.
    macro_rules! page {
        ($known:ident, $found:ident) => {
            dsl::permission_requests
                .inner_join(users::table.on(users::id.eq(dsl::$found)))
                .filter(dsl::active.and(dsl::outcome.is_not_null()))
                .filter(dsl::$known.eq(known.0).and(dsl::id.gt(after)).and(users::active))
                .filter(gives_access!("", "permission_requests", ""))
                .filter(gives_access!(
                    "NOT EXISTS (SELECT 1 FROM permission_requests AS earlier WHERE earlier.active \
                     AND earlier.closed_at IS NOT NULL AND earlier.user_target = permission_requests.user_target \
                     AND earlier.user_allowed = permission_requests.user_allowed \
                     AND earlier.id < permission_requests.id AND ",
                    "earlier",
                    " LIMIT 1 OFFSET 0)"
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
