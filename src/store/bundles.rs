//! The bundles' rows.

use diesel::prelude::*;

use super::schema::{bundle_permissions, bundles, permission_requests};
use super::types::At;
use super::{Conn, Listed, Page, on};
use crate::domain::bundle::{Bundle, BundleId, BundleName, Description};
use crate::domain::clock::Timestamp;
use crate::domain::permission::Mask;

#[derive(Queryable, Selectable)]
#[diesel(table_name = bundles)]
pub(super) struct BundleRow {
    id: i64,
    name: String,
    description: String,
    permission: i16,
}

impl From<BundleRow> for Bundle {
    fn from(row: BundleRow) -> Self {
        Self {
            id: BundleId(row.id),
            name: BundleName::from_store(row.name),
            description: Description::from_store(row.description),
            permission: Mask::from_store(row.permission),
        }
    }
}

/// A bundle to be added, or what one is to become.
#[derive(Clone, Debug)]
pub struct NewBundle {
    /// The name.
    pub name: BundleName,
    /// What it is for.
    pub description: Description,
    /// The rights.
    pub permission: Mask,
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = bundles)]
struct BundleValues<'a> {
    name: &'a str,
    description: &'a str,
    permission: i16,
}

impl<'a> From<&'a NewBundle> for BundleValues<'a> {
    fn from(new: &'a NewBundle) -> Self {
        Self {
            name: new.name.as_str(),
            description: new.description.as_str(),
            permission: new.permission.bits().into(),
        }
    }
}

/// What came of deleting a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Deleted,
    /// A permission or a live request needs it.
    InUse,
    /// There is none.
    Unknown,
}

/// Adds a bundle.
pub fn insert(conn: &mut Conn, new: &NewBundle) -> QueryResult<Bundle> {
    let row: BundleRow = on!(conn, c => diesel::insert_into(bundles::table)
        .values(BundleValues::from(new))
        .returning(BundleRow::as_returning())
        .get_result(c))?;
    Ok(row.into())
}

/// Changes a bundle; `None` when there is none.
pub fn update(conn: &mut Conn, id: BundleId, new: &NewBundle) -> QueryResult<Option<Bundle>> {
    let row: Option<BundleRow> = on!(conn, c => diesel::update(bundles::table.find(id.0))
        .set(BundleValues::from(new))
        .returning(BundleRow::as_returning())
        .get_result(c)
        .optional())?;
    Ok(row.map(Bundle::from))
}

/// Deletes a bundle that nothing needs, and the requests for it that are over.
pub fn delete(conn: &mut Conn, id: BundleId, now: Timestamp) -> QueryResult<Deletion> {
    let requests = permission_requests::table.filter(permission_requests::bundle_id.eq(id.0));
    let live = permission_requests::closed_at.is_null().and(permission_requests::expires_at.gt(At(now)));
    let grants = bundle_permissions::table.filter(bundle_permissions::bundle_id.eq(id.0));
    let needed: bool = on!(conn, c => diesel::select(
        diesel::dsl::exists(grants).or(diesel::dsl::exists(requests.filter(live)))
    )
    .get_result(c))?;
    if needed {
        return Ok(Deletion::InUse);
    }
    on!(conn, c => diesel::delete(requests).execute(c))?;
    let deleted = on!(conn, c => diesel::delete(bundles::table.find(id.0)).execute(c))?;
    Ok(if deleted > 0 { Deletion::Deleted } else { Deletion::Unknown })
}

/// The bundles of these numbers, in no order.
pub fn by_ids(conn: &mut Conn, ids: &[BundleId]) -> QueryResult<Vec<Bundle>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<BundleRow> = on!(conn, c => bundles::table
        .filter(bundles::id.eq_any(&ids))
        .select(BundleRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(Bundle::from).collect())
}

/// A page of the bundles, by number.
pub fn list(conn: &mut Conn, page: Page) -> QueryResult<Listed<Bundle>> {
    let total = on!(conn, c => bundles::table.count().get_result(c))?;
    let rows: Vec<BundleRow> = on!(conn, c => bundles::table
        .order(bundles::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(BundleRow::as_select())
        .load(c))?;
    Ok(Listed { rows: rows.into_iter().map(Bundle::from).collect(), total })
}
