//! Bundle permissions: the active rows of the requests' table.

use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl;

use super::requests::terms_keys;
use super::schema::bundle_permissions;
use super::schema::permission_requests::dsl;
use super::types::DbTimestamp;
use super::{Conn, LimitOffset, Paginated, user_counters, with_backend};
use crate::domain::bundle::BundleId;
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::terms::Terms;
use crate::domain::user::UserId;

#[derive(Queryable, Selectable)]
#[diesel(table_name = bundle_permissions)]
struct PermissionRow {
    id: i64,
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    created_at: DbTimestamp,
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
            created_at: row.created_at.0,
        }
    }
}

/// Conditions on permissions, all of which must hold. `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct PermissionFilter {
    pub bundles: Option<Vec<i64>>,
    pub grantees: Option<Vec<i64>>,
    pub targets: Option<Vec<i64>>,
}

/// The active permissions with these terms. They are not locked. One that is revoked after this
/// was still active; one that is granted after this makes a later insert violate a unique
/// constraint.
pub fn by_terms(conn: &mut Conn, terms: &[Terms]) -> QueryResult<Vec<BundlePermission>> {
    let keys = terms_keys(terms);
    let rows: Vec<PermissionRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::active.and(dsl::terms.eq_any(&keys)))
        .select((
            dsl::id,
            dsl::user_target,
            dsl::user_allowed,
            dsl::bundle_id,
            dsl::closed_at.assume_not_null(),
        ))
        .load(c))?;
    Ok(rows.into_iter().map(BundlePermission::from).collect())
}

/// The permissions with these ids to which `viewer` is a party, in no particular order.
pub fn by_ids(
    conn: &mut Conn,
    ids: &[BundlePermissionId],
    viewer: UserId,
) -> QueryResult<Vec<BundlePermission>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<PermissionRow> = with_backend!(conn, c => bundle_permissions::table
        .filter(bundle_permissions::id.eq_any(&ids))
        .select(PermissionRow::as_select())
        .load(c))?;
    Ok(rows
        .into_iter()
        .map(BundlePermission::from)
        .filter(|permission| permission.terms.has_party(viewer))
        .collect())
}

/// A page of the permissions to which `viewer` is a party, by id.
pub fn list_for_party(
    conn: &mut Conn,
    viewer: UserId,
    filter: &PermissionFilter,
    page: LimitOffset,
) -> QueryResult<Paginated<BundlePermission>> {
    /// The matching permissions of one side, which has an index of its own.
    macro_rules! matching {
        ($side:ident) => {{
            let mut query =
                bundle_permissions::table.filter(bundle_permissions::$side.eq_any([viewer.0])).into_boxed();
            if let Some(bundles) = &filter.bundles {
                query = query.filter(bundle_permissions::bundle_id.eq_any(bundles));
            }
            if let Some(grantees) = &filter.grantees {
                query = query.filter(bundle_permissions::user_allowed.eq_any(grantees));
            }
            if let Some(targets) = &filter.targets {
                query = query.filter(bundle_permissions::user_target.eq_any(targets));
            }
            query
        }};
    }
    let total = match filter {
        PermissionFilter { bundles: None, grantees: None, targets: None } => {
            user_counters::active_permissions(conn, viewer)?
        }
        _ => {
            let given: i64 = with_backend!(conn, c => matching!(user_target).count().get_result(c))?;
            let received: i64 = with_backend!(conn, c => matching!(user_allowed).count().get_result(c))?;
            given + received
        }
    };
    /// The first ones of a side, up to the end of the page. For the order, see
    /// [`requests::pending_of_party`](super::requests::pending_of_party).
    macro_rules! first {
        ($side:ident) => {
            matching!($side)
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
