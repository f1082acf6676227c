//! All that is read to create requests without locks, in one query. On PostgreSQL only: SQLite has no round trips to
//! save.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text};

use super::{create_key_value, terms_key};
use crate::domain::block::Block;
use crate::domain::bundle::{Bundle, BundleName, Description};
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::permission_request::{RequestId, RequestOutcome};
use crate::domain::rights::Mask;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::store::bulk::Column;
use crate::store::connection::{Backend, Conn};
use crate::store::types::{DbTimestamp, SqlTimestamp};

/// A request that is to be created.
#[derive(Clone, Debug)]
pub(in crate::store) struct Ask {
    pub terms: Terms,
    /// The idempotency key, and the user who sent it.
    pub key: Option<(UserId, IdempotencyKey)>,
}

/// The rows for asks.
#[derive(Debug, Default)]
pub(in crate::store) struct AskRows {
    pub now: Option<Timestamp>,
    /// An id for each request.
    pub new_ids: Vec<RequestId>,
    /// The blocks that forbid requests.
    pub blocks: Vec<Block>,
    /// The open requests with the same terms, and the requests with the same keys.
    pub earlier: Vec<RequestId>,
    pub bundles: Vec<Bundle>,
    /// The permissions with the same terms that have not been marked as ended.
    pub permissions: Vec<BundlePermission>,
}

/// Reads without locks.
pub(in crate::store) fn read(conn: &mut Conn, asks: &[Ask]) -> QueryResult<AskRows> {
    let query = SelectForAsks {
        targets: asks.iter().map(|ask| ask.terms.target.0).collect(),
        grantees: asks.iter().map(|ask| ask.terms.grantee.0).collect(),
        bundles: asks.iter().map(|ask| ask.terms.bundle.0).collect(),
        terms: asks.iter().map(|ask| terms_key(&ask.terms)).collect(),
        keys: asks
            .iter()
            .map(|Ask { key, .. }| key.as_ref().map(|(user, key)| create_key_value(*user, key)))
            .collect(),
    };
    let rows: Vec<AskRow> = match &mut conn.backend {
        Backend::Postgres(pg) => query.load(&mut **pg)?,
        Backend::Sqlite(_) => Vec::new(),
    };
    let mut read = AskRows { now: rows.first().map(|row| conn.resolve_now(row.now)), ..AskRows::default() };
    for (row, Ask { terms, .. }) in rows.into_iter().zip(asks) {
        read.new_ids.push(RequestId(row.new_id));
        read.blocks.extend(row.is_blocked.then(|| Block::from_terms(*terms)));
        read.earlier.extend(row.open_id.into_iter().chain(row.keyed_id).map(RequestId));
        if let Some(((name, description), permission)) =
            row.bundle_name.zip(row.bundle_description).zip(row.bundle_permission)
        {
            read.bundles.push(Bundle {
                id: terms.bundle,
                name: BundleName::from_db(name),
                description: Description::from_db(description),
                permission: Mask::from_db(permission),
            });
        }
        if let Some(((id, permission), granted_at)) =
            row.permission_id.zip(row.granted_permission).zip(row.granted_at)
        {
            read.permissions.push(BundlePermission {
                id: BundlePermissionId(id),
                terms: *terms,
                permission: Mask::from_db(permission),
                granted_at: granted_at.0,
                expires_at: row.permission_expires_at.map(|at| at.0),
                requested: row.outcome.as_deref() == Some(RequestOutcome::Approved.name()),
            });
        }
    }
    Ok(read)
}

#[derive(Queryable)]
struct AskRow {
    now: DbTimestamp,
    new_id: i64,
    is_blocked: bool,
    open_id: Option<i64>,
    keyed_id: Option<i64>,
    bundle_name: Option<String>,
    bundle_description: Option<String>,
    bundle_permission: Option<i16>,
    permission_id: Option<i64>,
    granted_permission: Option<i16>,
    granted_at: Option<DbTimestamp>,
    permission_expires_at: Option<DbTimestamp>,
    outcome: Option<String>,
}

struct SelectForAsks {
    targets: Column<i64>,
    grantees: Column<i64>,
    bundles: Column<i64>,
    terms: Column<String>,
    keys: Column<Option<String>>,
}

impl QueryId for SelectForAsks {
    type QueryId = Self;
}

impl Query for SelectForAsks {
    type SqlType = (
        SqlTimestamp,
        BigInt,
        Bool,
        Nullable<BigInt>,
        Nullable<BigInt>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<SmallInt>,
        Nullable<BigInt>,
        Nullable<SmallInt>,
        Nullable<SqlTimestamp>,
        Nullable<SqlTimestamp>,
        Nullable<Text>,
    );
}

impl RunQueryDsl<PgConnection> for SelectForAsks {}

impl QueryFragment<Pg> for SelectForAsks {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT clock_timestamp(), nextval('permission_requests_id_seq'), \
             coalesce((SELECT true FROM blocks AS k WHERE k.user_target = w.target AND k.user_blocked = w.grantee), false), \
             (SELECT r.id FROM permission_requests AS r WHERE r.closed_at IS NULL AND r.terms = w.terms), \
             (SELECT r.id FROM permission_requests AS r WHERE r.create_key = w.create_key), \
             b.name, b.description, b.permission, \
             p.id, p.granted_permission, p.closed_at, p.permission_expires_at, p.outcome FROM unnest(",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.targets)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.grantees)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.bundles)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.terms)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.keys)?;
        out.push_sql(
            ") WITH ORDINALITY AS w (target, grantee, bundle, terms, create_key, nth) \
             LEFT JOIN LATERAL (SELECT * FROM bundles AS b WHERE b.id = w.bundle OFFSET 0) AS b ON true \
             LEFT JOIN LATERAL (SELECT * FROM permission_requests AS p WHERE p.active AND p.closed_at IS NOT NULL \
             AND (p.user_allowed, p.user_target, p.bundle_id) \
             BETWEEN (w.grantee, w.target, w.bundle) AND (w.grantee, w.target, w.bundle) OFFSET 0) AS p \
             ON true ORDER BY w.nth",
        );
        Ok(())
    }
}
