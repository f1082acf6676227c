//! The bundle permissions' rows.

use diesel::prelude::*;

use super::schema::bundle_permissions;
use super::types::At;
use super::{Conn, Listed, Page, locked, on};
use crate::domain::bundle::BundleId;
use crate::domain::clock::Timestamp;
use crate::domain::grant::{Grant, GrantId, Terms};
use crate::domain::request::RequestId;
use crate::domain::user::UserId;

#[derive(Queryable, Selectable)]
#[diesel(table_name = bundle_permissions)]
struct GrantRow {
    id: i64,
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    created_at: At,
}

impl From<GrantRow> for Grant {
    fn from(row: GrantRow) -> Self {
        Self {
            id: GrantId(row.id),
            terms: Terms {
                target: UserId(row.user_target),
                allowed: UserId(row.user_allowed),
                bundle: BundleId(row.bundle_id),
            },
            created_at: row.created_at.0,
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = bundle_permissions, treat_none_as_default_value = false)]
struct NewGrantRow {
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    request_id: Option<i64>,
    created_at: At,
}

/// Which permissions to list; what is `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct GrantFilter {
    /// One of these bundles.
    pub bundles: Option<Vec<i64>>,
    /// Received by one of these users.
    pub allowed: Option<Vec<i64>>,
    /// Given by one of these users.
    pub targets: Option<Vec<i64>>,
}

/// Adds permissions; those that stand already are passed over.
pub(super) fn insert(
    conn: &mut Conn,
    new: &[(Terms, Option<RequestId>)],
    now: Timestamp,
) -> QueryResult<Vec<Grant>> {
    let rows: Vec<NewGrantRow> = new
        .iter()
        .map(|(terms, request)| NewGrantRow {
            user_target: terms.target.0,
            user_allowed: terms.allowed.0,
            bundle_id: terms.bundle.0,
            request_id: request.map(|id| id.0),
            created_at: At(now),
        })
        .collect();
    let added: Vec<GrantRow> = on!(conn, c => diesel::insert_into(bundle_permissions::table)
        .values(&rows)
        .on_conflict_do_nothing()
        .returning(GrantRow::as_returning())
        .get_results(c))?;
    Ok(added.into_iter().map(Grant::from).collect())
}

/// Locks the permissions that stand of these terms, and perhaps some others, in
/// the order of their numbers.
pub(super) fn around(conn: &mut Conn, terms: &[Terms]) -> QueryResult<Vec<Grant>> {
    let targets: Vec<i64> = terms.iter().map(|terms| terms.target.0).collect();
    let allowed: Vec<i64> = terms.iter().map(|terms| terms.allowed.0).collect();
    let bundles: Vec<i64> = terms.iter().map(|terms| terms.bundle.0).collect();
    let rows: Vec<GrantRow> = locked!(
        conn,
        bundle_permissions::table
            .filter(bundle_permissions::user_target.eq_any(&targets))
            .filter(bundle_permissions::user_allowed.eq_any(&allowed))
            .filter(bundle_permissions::bundle_id.eq_any(&bundles))
            .order(bundle_permissions::id)
            .select(GrantRow::as_select())
    )?;
    Ok(rows.into_iter().map(Grant::from).collect())
}

/// Locks permissions, in the order of their numbers.
pub(super) fn lock(conn: &mut Conn, ids: &[GrantId]) -> QueryResult<Vec<Grant>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<GrantRow> = locked!(
        conn,
        bundle_permissions::table
            .filter(bundle_permissions::id.eq_any(&ids))
            .order(bundle_permissions::id)
            .select(GrantRow::as_select())
    )?;
    Ok(rows.into_iter().map(Grant::from).collect())
}

/// Deletes permissions that are locked; how many that were.
pub(super) fn delete(conn: &mut Conn, ids: &[GrantId]) -> QueryResult<usize> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    on!(conn, c => diesel::delete(bundle_permissions::table)
        .filter(bundle_permissions::id.eq_any(&ids))
        .execute(c))
}

/// The permissions of these numbers that `viewer` gives or receives, in no order.
pub fn by_ids(conn: &mut Conn, ids: &[GrantId], viewer: UserId) -> QueryResult<Vec<Grant>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<GrantRow> = on!(conn, c => bundle_permissions::table
        .filter(bundle_permissions::id.eq_any(&ids))
        .select(GrantRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(Grant::from).filter(|grant| grant.terms.has_party(viewer)).collect())
}

/// A page of the permissions that `viewer` gives or receives, by number.
pub fn of_party(
    conn: &mut Conn,
    viewer: UserId,
    filter: &GrantFilter,
    page: Page,
) -> QueryResult<Listed<Grant>> {
    /// The same query twice: once for the page, once for the count.
    macro_rules! matching {
        () => {{
            let mut query = bundle_permissions::table
                .filter(
                    bundle_permissions::user_target
                        .eq(viewer.0)
                        .or(bundle_permissions::user_allowed.eq(viewer.0)),
                )
                .into_boxed();
            if let Some(bundles) = &filter.bundles {
                query = query.filter(bundle_permissions::bundle_id.eq_any(bundles));
            }
            if let Some(allowed) = &filter.allowed {
                query = query.filter(bundle_permissions::user_allowed.eq_any(allowed));
            }
            if let Some(targets) = &filter.targets {
                query = query.filter(bundle_permissions::user_target.eq_any(targets));
            }
            query
        }};
    }
    let total = on!(conn, c => matching!().count().get_result(c))?;
    let rows: Vec<GrantRow> = on!(conn, c => matching!()
        .order(bundle_permissions::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(GrantRow::as_select())
        .load(c))?;
    Ok(Listed { rows: rows.into_iter().map(Grant::from).collect(), total })
}
