//! Export tokens and their usage.
//!
//! The usage is counted in memory and written every few seconds
//! ([`record_uses`]), so that `export_uses` lags behind: it cannot limit the number of uses.

use std::collections::HashMap;
use std::sync::LazyLock;

use diesel::connection::SimpleConnection;
use diesel::dsl::{not, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, SmallInt, Text};

use super::audit_log::{self, NewAuditEntry};
use super::bulk::bulk;
use super::by_keys::load_by_keys;
use super::clock::clock_timestamp;
use super::connection::{Backend, Conn, Store, for_update, with_backend};
use super::error::StoreError;
use super::hubs;
use super::page::LimitOffset;
use super::schema::{export_tokens, export_uses, hub_members, users};
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::export_token::{ExportToken, ExportTokenStatus};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::rights::{Mask, Role};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ExportId, TokenDigest};
use crate::domain::user::UserId;

#[derive(Queryable, Selectable)]
#[diesel(table_name = export_tokens)]
struct ExportTokenRow {
    id: DbUuid,
    creator: i64,
    hub_id: String,
    node_id: String,
    permission: i16,
    created_at: DbTimestamp,
    expires_at: Option<DbTimestamp>,
    revoked_at: Option<DbTimestamp>,
}

impl From<ExportTokenRow> for ExportToken {
    fn from(row: ExportTokenRow) -> Self {
        Self {
            id: ExportId(row.id.0),
            creator: UserId(row.creator),
            hub: HubId::from_db(row.hub_id),
            node: NodeId::from_db(row.node_id),
            mask: Mask::from_db(row.permission),
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revoked_at: row.revoked_at.map(|at| at.0),
        }
    }
}

bulk! {
    InsertExportTokens {
        id: SqlUuid => DbUuid,
        creator: BigInt => i64,
        hub_id: Text => &'a str,
        node_id: Text => &'a str,
        permission: SmallInt => i16,
        digest: Binary => &'a [u8],
        created_at: SqlTimestamp => DbTimestamp,
        expires_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
        revoked_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
    }
    "INSERT INTO export_tokens (id, creator, hub_id, node_id, permission, digest, created_at, \
     expires_at, revoked_at) SELECT * FROM" w ""
}

bulk! {
    AddUsage { id: SqlUuid => DbUuid, count: BigInt => i64, last: SqlTimestamp => DbTimestamp }
    "INSERT INTO export_uses (token_id, uses, last_used_at) SELECT * FROM" w
    "WHERE true ON CONFLICT (token_id) DO UPDATE \
     SET uses = export_uses.uses + excluded.uses, last_used_at = excluded.last_used_at \
     RETURNING token_id, uses"
    returns (SqlUuid, BigInt)
}

/// The data for authorizing a use of a token.
#[derive(Clone, Debug)]
pub struct ExportTokenAuth {
    pub token: ExportToken,
    /// The digest of the secret.
    pub digest: TokenDigest,
    /// The creator's current rights in the hub. `None`: no role, or the creator is disabled.
    pub privilege: Option<Mask>,
}

/// A token, its status and its usage.
#[derive(Clone, Debug)]
pub struct ListedExport {
    pub token: ExportToken,
    pub status: ExportTokenStatus,
    /// The uses that have been written to the database.
    pub uses: i64,
    pub last_used_at: Option<Timestamp>,
}

/// Conditions on tokens, all of which must hold, and the page to load.
#[derive(Clone, Debug)]
pub struct ExportFilter {
    /// `None`: the tokens of all users, for the operator.
    pub creator: Option<UserId>,
    /// `None`: the tokens of all hubs.
    pub hub: Option<HubId>,
    /// One of these.
    pub statuses: Vec<ExportTokenStatus>,
    /// Only older tokens than this one: the last one of the previous page.
    pub before: Option<ExportId>,
    pub limit: i64,
    pub offset: i64,
}

impl ExportFilter {
    /// All tokens, in every status.
    pub fn all(page: LimitOffset) -> Self {
        Self {
            creator: None,
            hub: None,
            statuses: ExportTokenStatus::ALL.to_vec(),
            before: None,
            limit: page.limit,
            offset: page.offset,
        }
    }
}

/// Uses of a token that are to be added to the database.
#[derive(Clone, Copy, Debug)]
pub struct ExportUseDelta {
    pub id: ExportId,
    pub count: i64,
    pub last_used_at: Timestamp,
}

/// Inserts tokens.
pub(super) fn insert(conn: &mut Conn, new: &[(ExportToken, TokenDigest)]) -> QueryResult<()> {
    let mut rows = InsertExportTokens::default();
    for (token, digest) in new {
        rows.push((
            DbUuid(token.id.0),
            token.creator.0,
            token.hub.as_str(),
            token.node.as_str(),
            token.mask.bits().into(),
            digest.as_bytes(),
            DbTimestamp(token.created_at),
            token.expires_at.map(DbTimestamp),
            token.revoked_at.map(DbTimestamp),
        ));
    }
    rows.run(conn).map(drop)
}

/// Locks tokens, in the order of their ids.
pub(super) fn lock(conn: &mut Conn, ids: &[ExportId]) -> QueryResult<Vec<(ExportToken, TokenDigest)>> {
    let ids = db_uuids(ids);
    let rows: Vec<(ExportTokenRow, Vec<u8>)> = for_update!(
        conn,
        export_tokens::table
            .filter(export_tokens::id.eq_any(&ids))
            .order(export_tokens::id)
            .select((ExportTokenRow::as_select(), export_tokens::digest))
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|(row, digest)| Some((row.into(), TokenDigest::from_slice(&digest)?)))
        .collect())
}

/// Revokes locked tokens that are not revoked, and returns their number.
pub(super) fn revoke(conn: &mut Conn, ids: &[ExportId], now: Timestamp) -> QueryResult<usize> {
    let ids = db_uuids(ids);
    with_backend!(conn, c => diesel::update(export_tokens::table)
        .filter(export_tokens::id.eq_any(&ids).and(export_tokens::revoked_at.is_null()))
        .set(export_tokens::revoked_at.eq(DbTimestamp(now)))
        .execute(c))
}

/// Revokes all tokens that a user has created, writes an audit entry for each, and returns their
/// number.
pub fn revoke_all(
    conn: &mut Conn,
    creator: UserId,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<usize> {
    let usable = export_tokens::expires_at.is_null().or(export_tokens::expires_at.gt(DbTimestamp(now)));
    let own = export_tokens::creator.eq(creator.0).and(export_tokens::revoked_at.is_null());
    let revoked: Vec<DbUuid> = with_backend!(conn, c => diesel::update(export_tokens::table)
        .filter(own.and(usable.assume_not_null()))
        .set(export_tokens::revoked_at.eq(DbTimestamp(now)))
        .returning(export_tokens::id)
        .get_results(c))?;
    let entry = |id: &DbUuid| {
        let subject = format!("export:{}", ExportId(id.0));
        NewAuditEntry::new(now, context, AuditAction::ExportRevoked, subject, &[creator])
    };
    audit_log::insert(conn, &revoked.iter().map(entry).collect::<Vec<_>>())?;
    Ok(revoked.len())
}

/// The tokens with their creators and the creators' roles in their hubs.
macro_rules! with_creator_role {
    () => {{
        let role = hub_members::hub_id
            .eq(export_tokens::hub_id)
            .and(hub_members::user_id.eq(export_tokens::creator));
        export_tokens::table.inner_join(users::table).left_join(hub_members::table.on(role))
    }};
}

/// The data for authorizing uses of tokens, each with the time at which it was read, in no
/// particular order.
pub(super) fn load_for_auth(
    conn: &mut Conn,
    ids: &[ExportId],
) -> QueryResult<Vec<(ExportTokenAuth, Timestamp)>> {
    type Row = (ExportTokenRow, Vec<u8>, bool, Option<String>, DbTimestamp);
    let ids = db_uuids(ids);
    let rows: Vec<Row> = load_by_keys!(
        conn, export_tokens::id, ids,
        // SQLite's clock is this process's; the column only has the right type, and is ignored.
        now: { postgres: clock_timestamp(), sqlite: export_tokens::created_at },
        is_key => with_creator_role!().filter(is_key).select((
            ExportTokenRow::as_select(),
            export_tokens::digest,
            users::active,
            hub_members::role.nullable(),
            now,
        ))
    )?;
    let to_auth = |(row, digest, active, role, at): Row| {
        let privilege = creator_privilege(active, role.as_deref());
        let digest = TokenDigest::from_slice(&digest)?;
        let (token, now) = (ExportToken::from(row), conn.resolve_now(at));
        Some((ExportTokenAuth { token, digest, privilege }, now))
    };
    Ok(rows.into_iter().filter_map(to_auth).collect())
}

/// The matching tokens, newest first.
pub fn list(conn: &mut Conn, filter: &ExportFilter, now: Timestamp) -> QueryResult<Vec<ListedExport>> {
    type Row = (ExportTokenRow, Option<i64>, Option<DbTimestamp>, bool, Option<String>);
    let has = |status| filter.statuses.contains(&status);
    let rows: Vec<Row> = with_backend!(conn, c => {
        let mut query = with_creator_role!()
            .left_join(export_uses::table)
            .select((
                ExportTokenRow::as_select(),
                export_uses::uses.nullable(),
                export_uses::last_used_at.nullable(),
                users::active,
                hub_members::role.nullable(),
            ))
            .order(export_tokens::id.desc())
            .limit(filter.limit)
            .offset(filter.offset)
            .into_boxed();
        if let Some(creator) = filter.creator {
            query = query.filter(export_tokens::creator.eq(creator.0));
        }
        if let Some(hub) = &filter.hub {
            query = query.filter(export_tokens::hub_id.eq(hub.as_str()));
        }
        if let Some(before) = filter.before {
            query = query.filter(export_tokens::id.lt(DbUuid(before.0)));
        }
        // The same conditions as in `ExportToken::status`.
        let revoked = export_tokens::revoked_at.is_not_null();
        let expired = || export_tokens::expires_at.is_not_null()
            .and(export_tokens::expires_at.assume_not_null().le(DbTimestamp(now)));
        if !has(ExportTokenStatus::Revoked) {
            query = query.filter(export_tokens::revoked_at.is_null());
        }
        if !has(ExportTokenStatus::Expired) {
            query = query.filter(revoked.or(not(expired())));
        }
        if !has(ExportTokenStatus::Suspended) {
            query = query.filter(revoked.or(expired()).or(creator_has_rights()));
        }
        if !has(ExportTokenStatus::Active) {
            query = query.filter(revoked.or(expired()).or(not(creator_has_rights())));
        }
        query.load(c)
    })?;
    let listed = |(row, uses, last, active, role): Row| {
        let token = ExportToken::from(row);
        ListedExport {
            status: token.status(creator_privilege(active, role.as_deref()), now),
            token,
            uses: uses.unwrap_or_default(),
            last_used_at: last.map(|at| at.0),
        }
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// The creator's rights in the hub of a token.
fn creator_privilege(active: bool, role: Option<&str>) -> Option<Mask> {
    role.filter(|_| active).and_then(hubs::privilege_of_role)
}

/// [`creator_privilege`] intersects the mask of a token, in SQL.
fn creator_has_rights() -> SqlLiteral<Bool> {
    static CONDITION: LazyLock<String> = LazyLock::new(|| {
        let privilege = |role: Role| format!("WHEN '{}' THEN {} ", role.name(), role.privilege().bits());
        let privileges: String = Role::ALL.into_iter().map(privilege).collect();
        format!(
            "(users.active AND (export_tokens.permission & CASE hub_members.role {privileges}ELSE 0 END) <> 0)"
        )
    });
    sql(&CONDITION)
}

/// The number of tokens that a user has created, and of those that are active.
pub fn count_by_creator(conn: &mut Conn, creator: UserId, now: Timestamp) -> QueryResult<(i64, i64)> {
    let own = || export_tokens::table.filter(export_tokens::creator.eq(creator.0));
    let all = with_backend!(conn, c => own().count().get_result(c))?;
    let never_expires = export_tokens::expires_at.is_null();
    let unexpired = never_expires.or(export_tokens::expires_at.assume_not_null().gt(DbTimestamp(now)));
    let active = with_backend!(conn, c => with_creator_role!()
        .filter(export_tokens::creator.eq(creator.0))
        .filter(export_tokens::revoked_at.is_null().and(unexpired).and(creator_has_rights()))
        .count()
        .get_result(c))?;
    Ok((all, active))
}

/// Adds uses to the database, in one transaction.
pub fn record_uses(store: &Store, uses: &[ExportUseDelta]) -> Result<(), StoreError> {
    store.with_point_lookup_pool().write(|conn| add_uses(conn, uses))
}

/// Rows are updated in the order of their ids, so that two replicas that write the same
/// tokens do not deadlock.
fn add_uses(conn: &mut Conn, uses: &[ExportUseDelta]) -> QueryResult<()> {
    if let Backend::Postgres(pg) = &mut conn.backend {
        // Losing some uses in a crash is acceptable, so the commit does not wait for the disk.
        pg.batch_execute("SET LOCAL synchronous_commit = off")?;
    }
    let mut uses = uses.to_vec();
    uses.sort_by_key(|uses| uses.id);
    let mut rows = AddUsage::default();
    for uses in &uses {
        rows.push((DbUuid(uses.id.0), uses.count, DbTimestamp(uses.last_used_at)));
    }
    let totals: Vec<(DbUuid, i64)> = rows.fetch(conn)?;
    let totals: HashMap<ExportId, i64> =
        totals.into_iter().map(|(id, total)| (ExportId(id.0), total)).collect();
    let first =
        uses.iter().filter(|uses| totals.get(&uses.id) == Some(&uses.count)).map(|uses| DbUuid(uses.id.0));
    record_first_uses(conn, &first.collect::<Vec<_>>())
}

/// Writes an audit entry for each of these tokens, which have been used for the first time.
fn record_first_uses(conn: &mut Conn, ids: &[DbUuid]) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let creators: Vec<(DbUuid, i64)> = with_backend!(conn, c => export_tokens::table
        .filter(export_tokens::id.eq_any(ids))
        .select((export_tokens::id, export_tokens::creator))
        .load(c))?;
    let (now, context) = (conn.now()?, AuditContext::default());
    let entry = |(id, creator): &(DbUuid, i64)| {
        let subject = format!("export:{}", ExportId(id.0));
        NewAuditEntry::new(now, &context, AuditAction::ExportFirstUsed, subject, &[UserId(*creator)])
    };
    audit_log::insert(conn, &creators.iter().map(entry).collect::<Vec<_>>()).map(drop)
}

fn db_uuids(ids: &[ExportId]) -> Vec<DbUuid> {
    ids.iter().map(|id| DbUuid(id.0)).collect()
}
