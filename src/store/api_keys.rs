//! The API keys' rows. A key is made and revoked with its entry in the audit trail.

use diesel::prelude::*;
use uuid::Uuid;

use super::schema::{api_keys, users};
use super::types::{DbTimestamp, DbUuid};
use super::users::UserRow;
use super::{Conn, LimitOffset, Paginated, audit_log, with_backend};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ApiKeyId, Token, TokenDigest, TokenKind};
use crate::domain::user::{User, UserId};
use crate::entropy;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that its user may.
    All,
    /// Ask whether export tokens are active, and nothing else.
    Introspect,
}

impl Scope {
    /// The name that the database keeps.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Introspect => Some("introspect"),
        }
    }

    /// A scope that a later version brought in is not all that the user may.
    fn from_db(name: Option<&str>) -> Self {
        if name.is_none() { Self::All } else { Self::Introspect }
    }
}

/// A key, without its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The public id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub user: UserId,
    /// What its user calls it.
    pub label: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct ApiKeyRow {
    id: DbUuid,
    user_id: i64,
    label: String,
    scope: Option<String>,
    created_at: DbTimestamp,
    revoked_at: Option<DbTimestamp>,
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: ApiKeyId(row.id.0),
            user: UserId(row.user_id),
            label: row.label,
            scope: Scope::from_db(row.scope.as_deref()),
            created_at: row.created_at.0,
            revoked_at: row.revoked_at.map(|at| at.0),
        }
    }
}

/// Adds a key.
pub fn insert(conn: &mut Conn, key: &ApiKey, digest: &TokenDigest) -> QueryResult<()> {
    let values = (
        api_keys::id.eq(DbUuid(key.id.0)),
        api_keys::user_id.eq(key.user.0),
        api_keys::label.eq(&key.label),
        api_keys::scope.eq(key.scope.name()),
        api_keys::digest.eq(digest.as_bytes().as_slice()),
        api_keys::created_at.eq(DbTimestamp(key.created_at)),
    );
    with_backend!(conn, c => diesel::insert_into(api_keys::table).values(values).execute(c)).map(drop)
}

/// A key that has not been revoked, with what it takes to judge its bearer.
#[derive(Clone, Debug)]
pub struct ApiKeyAuth {
    /// Whom it stands for.
    pub user: User,
    /// What it may do.
    pub scope: Scope,
    /// What its secret must hash to.
    pub digest: TokenDigest,
}

/// The keys of these ids that have not been revoked, in no order.
pub(super) fn active_by_ids(conn: &mut Conn, ids: &[ApiKeyId]) -> QueryResult<Vec<(ApiKeyId, ApiKeyAuth)>> {
    let ids: Vec<DbUuid> = ids.iter().map(|id| DbUuid(id.0)).collect();
    let rows: Vec<(DbUuid, UserRow, Option<String>, Vec<u8>)> = with_backend!(conn, c => api_keys::table
        .inner_join(users::table)
        .filter(api_keys::id.eq_any(&ids).and(api_keys::revoked_at.is_null()))
        .select((api_keys::id, UserRow::as_select(), api_keys::scope, api_keys::digest))
        .load(c))?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, user, scope, digest)| {
            let (scope, digest) = (Scope::from_db(scope.as_deref()), TokenDigest::from_slice(&digest)?);
            Some((ApiKeyId(id.0), ApiKeyAuth { user: user.into(), scope, digest }))
        })
        .collect())
}

/// A user's keys, the oldest first.
pub fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<ApiKeyRow> = with_backend!(conn, c => api_keys::table
        .filter(api_keys::user_id.eq(user.0))
        .order(api_keys::id)
        .select(ApiKeyRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// Whose key this is.
pub(super) fn owner(conn: &mut Conn, id: Uuid) -> QueryResult<Option<UserId>> {
    let user: Option<i64> = with_backend!(conn, c => api_keys::table.find(DbUuid(id)).select(api_keys::user_id).first(c).optional())?;
    Ok(user.map(UserId))
}

/// A page of a user's keys, the newest first.
pub fn page_of_user(conn: &mut Conn, user: UserId, page: LimitOffset) -> QueryResult<Paginated<ApiKey>> {
    let own = || api_keys::table.filter(api_keys::user_id.eq(user.0));
    let total = with_backend!(conn, c => own().count().get_result(c))?;
    let rows: Vec<ApiKeyRow> = with_backend!(conn, c => own()
        .order(api_keys::id.desc())
        .limit(page.limit)
        .offset(page.offset)
        .select(ApiKeyRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(ApiKey::from).collect(), total })
}

/// How many keys a user has that have not been revoked.
pub fn count_active(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    with_backend!(conn, c => api_keys::table
        .filter(api_keys::user_id.eq(user.0).and(api_keys::revoked_at.is_null()))
        .count()
        .get_result(c))
}

/// Makes a user a key.
pub fn create(
    conn: &mut Conn,
    user: UserId,
    label: &str,
    scope: Scope,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<(ApiKey, Token)> {
    let entropy = entropy::token();
    let id = ApiKeyId(entropy.uuid(now));
    let token = Token::random(TokenKind::ApiKey, id.0, &entropy);
    let key = ApiKey { id, user, label: label.to_owned(), scope, created_at: now, revoked_at: None };
    insert(conn, &key, &token.digest())?;
    audit_log::record(conn, context, AuditAction::KeyCreated, format!("key:{id}"), now)?;
    Ok((key, token))
}

/// Revokes a key, of this user's if one is given; false when there is no such key. Twice
/// is as good as once.
pub fn revoke(
    conn: &mut Conn,
    id: ApiKeyId,
    owner_filter: Option<UserId>,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<bool> {
    let Some(owner) = owner(conn, id.0)? else { return Ok(false) };
    if owner_filter.is_some_and(|of| of != owner) {
        return Ok(false);
    }
    let live = api_keys::table.find(DbUuid(id.0)).filter(api_keys::revoked_at.is_null());
    let revoked = with_backend!(conn, c => diesel::update(live).set(api_keys::revoked_at.eq(DbTimestamp(now))).execute(c))?;
    if revoked > 0 {
        audit_log::record(conn, context, AuditAction::KeyRevoked, format!("key:{id}"), now)?;
    }
    Ok(true)
}
