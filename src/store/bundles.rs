//! Bundles.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, SmallInt, Text};

use super::bulk::Column;
use super::by_keys::load_by_keys;
use super::connection::{Backend, Conn, with_backend};
use super::page::{LimitOffset, Paginated};
use super::requests;
use super::schema::{bundle_permissions, bundle_versions, bundles, permission_requests};
use super::types::DbTimestamp;
use crate::domain::bundle::{Bundle, BundleId, BundleName, Description};
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;

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
            name: BundleName::from_db(row.name),
            description: Description::from_db(row.description),
            permission: Mask::from_db(row.permission),
        }
    }
}

/// A bundle to be inserted.
#[derive(Clone, Debug)]
pub struct NewBundle {
    pub name: BundleName,
    pub description: Description,
    pub permission: Mask,
}

/// A change of a bundle. `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub struct BundleChange {
    pub name: Option<BundleName>,
    pub description: Option<Description>,
    pub permission: Option<Mask>,
}

/// The reason why a bundle was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A permission or a pending request refers to it.
    #[error("the bundle is in use")]
    InUse,
    #[error("bundle not found")]
    NotFound,
}

/// Returns the bundles that are as they were loaded, and prevents changes until the transaction ends: see
/// [`lock_unchanged`].
pub(super) struct KeepUnchanged<'a> {
    ids: Column<i64>,
    names: Column<&'a str>,
    descriptions: Column<&'a str>,
    permissions: Column<i16>,
}

impl<'a> KeepUnchanged<'a> {
    /// The query for these bundles.
    pub fn new(loaded: &[&'a Bundle]) -> Self {
        Self {
            ids: loaded.iter().map(|bundle| bundle.id.0).collect(),
            names: loaded.iter().map(|bundle| bundle.name.as_str()).collect(),
            descriptions: loaded.iter().map(|bundle| bundle.description.as_str()).collect(),
            permissions: loaded.iter().map(|bundle| bundle.permission.bits().into()).collect(),
        }
    }
}

impl QueryFragment<Pg> for KeepUnchanged<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT 1 FROM bundles AS b JOIN unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.names)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.descriptions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SmallInt>, _>(&self.permissions)?;
        out.push_sql(
            ") AS w (id, name, description, permission) ON b.id BETWEEN w.id AND w.id AND b.name = w.name \
             AND b.description = w.description AND b.permission = w.permission FOR KEY SHARE OF b",
        );
        Ok(())
    }
}

/// Inserts a bundle.
pub fn insert(conn: &mut Conn, new: &NewBundle) -> QueryResult<Bundle> {
    let values = (
        bundles::name.eq(new.name.as_str()),
        bundles::description.eq(new.description.as_str()),
        bundles::permission.eq(i16::from(new.permission.bits())),
    );
    let row: BundleRow = with_backend!(conn, c => diesel::insert_into(bundles::table)
        .values(values)
        .returning(BundleRow::as_returning())
        .get_result(c))?;
    Ok(row.into())
}

/// Changes a bundle, and keeps its previous version. Returns whether it differed. Neither the words
/// nor the rights can change while the bundle is in use: users have agreed to them, or are asked
/// to.
pub fn update(
    conn: &mut Conn,
    id: BundleId,
    change: &BundleChange,
) -> QueryResult<Result<(Bundle, bool), BundleError>> {
    let Some(before) = lock(conn, id)? else {
        return Ok(Err(BundleError::NotFound));
    };
    // Read after the lock, so that it is later than the end of every request for this version.
    let now = conn.now()?;
    let BundleChange { name, description, permission } = change.clone();
    let after = Bundle {
        id,
        name: name.unwrap_or_else(|| before.name.clone()),
        description: description.unwrap_or_else(|| before.description.clone()),
        permission: permission.unwrap_or(before.permission),
    };
    if after == before {
        return Ok(Ok((after, false)));
    }
    if is_in_use(conn, id, now)? {
        return Ok(Err(BundleError::InUse));
    }
    let previous = (
        bundle_versions::bundle_id.eq(id.0),
        bundle_versions::replaced_at.eq(DbTimestamp(now)),
        bundle_versions::name.eq(before.name.as_str()),
        bundle_versions::description.eq(before.description.as_str()),
        bundle_versions::permission.eq(i16::from(before.permission.bits())),
    );
    // Of two changes at the same time, the version before the first was the one in use.
    with_backend!(conn, c => diesel::insert_into(bundle_versions::table)
        .values(previous)
        .on_conflict_do_nothing()
        .execute(c))?;
    let values = (
        bundles::name.eq(after.name.as_str()),
        bundles::description.eq(after.description.as_str()),
        bundles::permission.eq(i16::from(after.permission.bits())),
    );
    with_backend!(conn, c => diesel::update(bundles::table.find(id.0)).set(values).execute(c))?;
    Ok(Ok((after, true)))
}

/// A version of a bundle that was replaced by a change.
#[derive(Clone, Debug)]
pub struct BundleVersion {
    pub bundle: Bundle,
    pub replaced_at: Timestamp,
}

/// The previous versions of these bundles, oldest first.
pub fn versions(conn: &mut Conn, ids: &[BundleId]) -> QueryResult<Vec<BundleVersion>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<(BundleRow, DbTimestamp)> = with_backend!(conn, c => bundle_versions::table
        .filter(bundle_versions::bundle_id.eq_any(&ids))
        .order((bundle_versions::bundle_id, bundle_versions::replaced_at))
        .select((
            (
                bundle_versions::bundle_id,
                bundle_versions::name,
                bundle_versions::description,
                bundle_versions::permission,
            ),
            bundle_versions::replaced_at,
        ))
        .load(c))?;
    let version =
        |(row, at): (BundleRow, DbTimestamp)| BundleVersion { bundle: row.into(), replaced_at: at.0 };
    Ok(rows.into_iter().map(version).collect())
}

/// Deletes a bundle that is not in use, and its closed requests.
pub fn delete(conn: &mut Conn, id: BundleId, now: Timestamp) -> QueryResult<Result<(), BundleError>> {
    if lock(conn, id)?.is_none() {
        return Ok(Err(BundleError::NotFound));
    }
    if is_in_use(conn, id, now)? {
        return Ok(Err(BundleError::InUse));
    }
    requests::expire_all(conn, now)?;
    let closed = permission_requests::outcome.is_not_null();
    let closed = permission_requests::table.filter(permission_requests::bundle_id.eq(id.0).and(closed));
    with_backend!(conn, c => diesel::delete(closed).execute(c))?;
    with_backend!(conn, c => diesel::delete(bundles::table.find(id.0)).execute(c))?;
    Ok(Ok(()))
}

/// Locks a bundle exclusively, so that inserting a row that refers to it waits. SQLite has one
/// writer at a time and needs no lock.
fn lock(conn: &mut Conn, id: BundleId) -> QueryResult<Option<Bundle>> {
    let bundle = bundles::table.find(id.0);
    let row = match &mut conn.backend {
        Backend::Postgres(pooled) => {
            bundle.select(BundleRow::as_select()).for_update().first(&mut **pooled).optional()
        }
        Backend::Sqlite(pooled) => bundle.select(BundleRow::as_select()).first(&mut **pooled).optional(),
    };
    Ok(row?.map(Bundle::from))
}

/// The bundles with these ids. Until the transaction ends they cannot change: see [`update`].
pub(super) fn lock_unchanged(conn: &mut Conn, ids: &[BundleId]) -> QueryResult<Vec<Bundle>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    macro_rules! found {
        () => {
            bundles::table.filter(bundles::id.eq_any(&ids)).order(bundles::id).select(BundleRow::as_select())
        };
    }
    let rows: Vec<BundleRow> = match &mut conn.backend {
        Backend::Postgres(pooled) => found!().for_key_share().load(&mut **pooled)?,
        Backend::Sqlite(pooled) => found!().load(&mut **pooled)?,
    };
    Ok(rows.into_iter().map(Bundle::from).collect())
}

/// Prevents changes of all bundles until the transaction ends: see [`lock_unchanged`].
pub(super) fn lock_all_unchanged(conn: &mut Conn) -> QueryResult<()> {
    match &mut conn.backend {
        Backend::Postgres(pooled) => {
            let ids = bundles::table.order(bundles::id).select(bundles::id);
            ids.for_key_share().load::<i64>(&mut **pooled).map(drop)
        }
        Backend::Sqlite(_) => Ok(()),
    }
}

/// Whether a permission or a pending request refers to a bundle.
fn is_in_use(conn: &mut Conn, id: BundleId, now: Timestamp) -> QueryResult<bool> {
    let end = bundle_permissions::expires_at;
    let permissions = bundle_permissions::table
        .filter(bundle_permissions::bundle_id.eq(id.0))
        .filter(end.is_null().or(end.gt(DbTimestamp(now))).assume_not_null());
    let requests = permission_requests::table.filter(
        permission_requests::bundle_id
            .eq(id.0)
            .and(permission_requests::closed_at.is_null())
            .and(permission_requests::expires_at.gt(DbTimestamp(now))),
    );
    with_backend!(conn, c => diesel::select(
        diesel::dsl::exists(permissions).or(diesel::dsl::exists(requests))
    )
    .get_result(c))
}

/// The bundles with these ids, in no particular order.
pub fn by_ids(conn: &mut Conn, ids: &[BundleId]) -> QueryResult<Vec<Bundle>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<BundleRow> = load_by_keys!(
        conn, bundles::id, ids, is_key => bundles::table.filter(is_key).select(BundleRow::as_select())
    )?;
    Ok(rows.into_iter().map(Bundle::from).collect())
}

/// A page of the bundles, by id.
pub fn list(conn: &mut Conn, page: LimitOffset) -> QueryResult<Paginated<Bundle>> {
    let total = with_backend!(conn, c => bundles::table.count().get_result(c))?;
    let rows: Vec<BundleRow> = with_backend!(conn, c => bundles::table
        .order(bundles::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(BundleRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(Bundle::from).collect(), total })
}
