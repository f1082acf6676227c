//! The bundle permissions, which are the requests that stand.

use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl;

use super::requests::words;
use super::schema::bundle_permissions;
use super::schema::permission_requests::dsl;
use super::types::At;
use super::{Conn, Listed, Page, on, tallies};
use crate::domain::bundle::BundleId;
use crate::domain::grant::{Grant, GrantId, Terms};
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

/// The permissions that stand of these terms. They are not locked: one that is
/// taken back meanwhile stood, and one that is given meanwhile breaks a unique
/// constraint, as one given by another replica would.
pub fn of_terms(conn: &mut Conn, terms: &[Terms]) -> QueryResult<Vec<Grant>> {
    let words = words(terms);
    let rows: Vec<GrantRow> = on!(conn, c => dsl::permission_requests
        .filter(dsl::stands.and(dsl::terms.eq_any(&words)))
        .select((
            dsl::id,
            dsl::user_target,
            dsl::user_allowed,
            dsl::bundle_id,
            dsl::closed_at.assume_not_null(),
        ))
        .load(c))?;
    Ok(rows.into_iter().map(Grant::from).collect())
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
    /// The permissions of one side, by an index of its own.
    macro_rules! matching {
        ($side:ident) => {{
            let mut query =
                bundle_permissions::table.filter(bundle_permissions::$side.eq_any([viewer.0])).into_boxed();
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
    let total = match filter {
        GrantFilter { bundles: None, allowed: None, targets: None } => tallies::standing(conn, viewer)?,
        _ => {
            let given: i64 = on!(conn, c => matching!(user_target).count().get_result(c))?;
            let received: i64 = on!(conn, c => matching!(user_allowed).count().get_result(c))?;
            given + received
        }
    };
    /// Its first ones, no further than the page goes. (As for the live requests.)
    macro_rules! first {
        ($side:ident) => {
            matching!($side)
                .order((bundle_permissions::$side, bundle_permissions::id))
                .limit(page.limit.saturating_add(page.offset))
                .select(GrantRow::as_select())
        };
    }
    let rows: Vec<GrantRow> = on!(conn, c => first!(user_target)
        .union_all(first!(user_allowed))
        .positional_order_by(1)
        .limit(page.limit)
        .offset(page.offset)
        .load(c))?;
    Ok(Listed { rows: rows.into_iter().map(Grant::from).collect(), total })
}
