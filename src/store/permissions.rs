//! Bundle permissions: the rows of the requests' table with a permission that has neither been marked
//! as ended nor expired.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};

use super::bulk::bulk;
use super::by_keys::equals;
use super::connection::{Conn, with_backend};
use super::page::{LimitOffset, Paginated, TermsFilter};
use super::schema::bundle_permissions;
use super::types::{DbTimestamp, SqlTimestamp};
use super::user_counters;
use crate::domain::bundle::BundleId;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::RequestOutcome;
use crate::domain::rights::Mask;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;

#[derive(Queryable, Selectable)]
#[diesel(table_name = bundle_permissions)]
struct PermissionRow {
    id: i64,
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    permission: i16,
    granted_at: DbTimestamp,
    expires_at: Option<DbTimestamp>,
    outcome: String,
}

impl From<PermissionRow> for BundlePermission {
    fn from(row: PermissionRow) -> Self {
        Self {
            id: BundlePermissionId(row.id),
            terms: Terms {
                target: UserId(row.user_target),
                grantee: UserId(row.user_allowed),
                bundle: BundleId(row.bundle_id),
            },
            permission: Mask::from_db(row.permission),
            granted_at: row.granted_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            requested: row.outcome == RequestOutcome::Approved.name(),
        }
    }
}

bulk! {
    FindByTerms { grantee: BigInt => i64, target: BigInt => i64, bundle: BigInt => i64 }
    "SELECT r.id, r.user_target, r.user_allowed, r.bundle_id, r.granted_permission, r.closed_at, \
     r.permission_expires_at, r.outcome FROM" w
    // Rows are compared, because another index has the bundle alone.
    "CROSS JOIN LATERAL (SELECT * FROM permission_requests AS p WHERE p.active AND p.closed_at IS NOT NULL \
     AND (p.user_allowed, p.user_target, p.bundle_id) \
     BETWEEN (w.grantee, w.target, w.bundle) AND (w.grantee, w.target, w.bundle) OFFSET 0) AS r"
    sqlite "JOIN permission_requests AS r ON r.active AND r.closed_at IS NOT NULL \
     AND r.user_allowed = w.grantee AND r.user_target = w.target AND r.bundle_id = w.bundle"
    returns (BigInt, BigInt, BigInt, BigInt, SmallInt, SqlTimestamp, Nullable<SqlTimestamp>, Text)
}

/// The permissions with these terms that have not been marked as ended.
fn unended(conn: &mut Conn, terms: &[Terms]) -> QueryResult<Vec<PermissionRow>> {
    let mut rows = FindByTerms::default();
    for Terms { target, grantee, bundle } in terms.iter().collect::<BTreeSet<_>>() {
        rows.push((grantee.0, target.0, bundle.0));
    }
    rows.fetch(conn)
}

/// The ids of the rows of the permissions with these terms that have not been marked as ended.
pub(super) fn unended_ids(conn: &mut Conn, terms: &[Terms]) -> QueryResult<Vec<i64>> {
    Ok(unended(conn, terms)?.into_iter().map(|row| row.id).collect())
}

/// The active permissions with these terms. They are not locked. One that is revoked after this
/// was still active; one that is granted after this makes a later insert violate a unique
/// constraint.
pub fn by_terms(conn: &mut Conn, terms: &[Terms], now: Timestamp) -> QueryResult<Vec<BundlePermission>> {
    let permissions = unended(conn, terms)?.into_iter().map(BundlePermission::from);
    Ok(permissions.filter(|permission| permission.is_active(now)).collect())
}

/// The permissions with these ids to which `viewer` is a party, or all if it is `None`, in no
/// particular order.
pub fn by_ids(
    conn: &mut Conn,
    ids: &[BundlePermissionId],
    viewer: Option<UserId>,
    now: Timestamp,
) -> QueryResult<Vec<BundlePermission>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<PermissionRow> = with_backend!(conn, c => bundle_permissions::table
        .filter(bundle_permissions::id.eq_any(&ids))
        .select(PermissionRow::as_select())
        .load(c))?;
    Ok(rows
        .into_iter()
        .map(BundlePermission::from)
        .filter(|permission| permission.is_active(now))
        .filter(|permission| viewer.is_none_or(|viewer| permission.terms.has_party(viewer)))
        .collect())
}

/// A query for the permissions that match a filter at a time.
macro_rules! matching {
    ($filter:ident, $now:ident) => {{
        let at = DbTimestamp($now);
        let is_active = bundle_permissions::expires_at.is_null().or(bundle_permissions::expires_at.gt(at));
        let mut query = bundle_permissions::table.filter(is_active.assume_not_null()).into_boxed();
        if let Some(bundles) = &$filter.bundles {
            query = query.filter(bundle_permissions::bundle_id.eq_any(bundles));
        }
        if let Some(grantees) = &$filter.grantees {
            query = query.filter(bundle_permissions::user_allowed.eq_any(grantees));
        }
        if let Some(targets) = &$filter.targets {
            query = query.filter(bundle_permissions::user_target.eq_any(targets));
        }
        query
    }};
}

/// A page of the permissions to which `viewer` is a party, by id.
pub fn list_for_party(
    conn: &mut Conn,
    viewer: UserId,
    filter: &TermsFilter,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<BundlePermission>> {
    /// The matching permissions of one side, which has an index of its own.
    macro_rules! of_side {
        ($side:ident) => {
            matching!(filter, now).filter(equals(bundle_permissions::$side, viewer.0))
        };
    }
    let total = match filter {
        TermsFilter { bundles: None, grantees: None, targets: None } => {
            user_counters::active_permissions(conn, viewer, now)?
        }
        _ => {
            let given: i64 = with_backend!(conn, c => of_side!(user_target).count().get_result(c))?;
            let received: i64 = with_backend!(conn, c => of_side!(user_allowed).count().get_result(c))?;
            given + received
        }
    };
    /// The first ones of a side, up to the end of the page. For the order, see
    /// [`requests::pending_of_party`](super::requests::pending_of_party).
    macro_rules! first {
        ($side:ident) => {
            of_side!($side)
                .order((bundle_permissions::$side, bundle_permissions::id))
                .limit(page.limit.saturating_add(page.offset))
                .select(PermissionRow::as_select())
        };
    }
    let rows: Vec<PermissionRow> = with_backend!(conn, c => first!(user_target)
        .union_all(first!(user_allowed))
        .positional_order_by(1)
        .limit(page.limit)
        .offset(page.offset)
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(BundlePermission::from).collect(), total })
}

/// A page of the permissions of all users, by id.
pub fn list_all(
    conn: &mut Conn,
    filter: &TermsFilter,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<BundlePermission>> {
    let total = match filter {
        TermsFilter { bundles: None, grantees: None, targets: None } => {
            user_counters::all_active_permissions(conn, now)?
        }
        _ => with_backend!(conn, c => matching!(filter, now).count().get_result(c))?,
    };
    let rows: Vec<PermissionRow> = with_backend!(conn, c => matching!(filter, now)
        .order(bundle_permissions::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(PermissionRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(BundlePermission::from).collect(), total })
}

/// The newest permissions of all users, for the operator.
pub fn newest(conn: &mut Conn, limit: i64, now: Timestamp) -> QueryResult<Vec<BundlePermission>> {
    let filter = TermsFilter::default();
    let rows: Vec<PermissionRow> = with_backend!(conn, c => matching!(filter, now)
        .order(bundle_permissions::id.desc())
        .limit(limit)
        .select(PermissionRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(BundlePermission::from).collect())
}
