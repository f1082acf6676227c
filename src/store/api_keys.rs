//! API keys. Creating and revoking a key writes an audit entry; creating one also queues a mail to
//! its user.

use diesel::prelude::*;

use super::audit_log::{self, NewAuditEntry};
use super::by_keys::load_by_keys;
use super::connection::{Conn, with_backend};
use super::outbox;
use super::page::{LimitOffset, Paginated};
use super::schema::{api_keys, users};
use super::types::{DbTimestamp, DbUuid};
use super::user_row::UserRow;
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::notice::Notice;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ApiKeyId, Token, TokenDigest, TokenKind};
use crate::domain::user::{User, UserId};
use crate::entropy;

/// What a key permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that its user may do.
    All,
    /// Only to introspect export tokens, and what [`Self::Check`] permits.
    Introspect,
    /// Only to ask for decisions (AuthZEN).
    Check,
}

impl Scope {
    /// The scopes that restrict a key.
    pub const RESTRICTED: [Self; 2] = [Self::Introspect, Self::Check];

    /// The value in the database.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Introspect => Some("introspect"),
            Self::Check => Some("check"),
        }
    }

    /// Whether only staff may give it: it reaches data of other users.
    pub const fn is_for_staff(self) -> bool {
        match self {
            Self::All => false,
            Self::Introspect | Self::Check => true,
        }
    }

    /// A scope that a later version has added is read as the narrowest one.
    fn from_db(name: Option<&str>) -> Self {
        match name {
            None => Self::All,
            Some("introspect") => Self::Introspect,
            Some(_) => Self::Check,
        }
    }
}

/// An API key without its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub user: UserId,
    pub label: String,
    pub scope: Scope,
    pub created_at: Timestamp,
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

/// Inserts a key.
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

/// The data for authenticating a request by an API key that is not revoked.
#[derive(Clone, Debug)]
pub struct ApiKeyAuth {
    pub user: User,
    pub scope: Scope,
    /// The digest of the secret.
    pub digest: TokenDigest,
}

/// The keys with these ids that are not revoked, in no particular order.
pub(super) fn active_by_ids(conn: &mut Conn, ids: &[ApiKeyId]) -> QueryResult<Vec<(ApiKeyId, ApiKeyAuth)>> {
    let ids: Vec<DbUuid> = ids.iter().map(|id| DbUuid(id.0)).collect();
    let rows: Vec<(DbUuid, UserRow, Option<String>, Vec<u8>)> = load_by_keys!(
        conn, api_keys::id, ids,
        is_key => api_keys::table
            .inner_join(users::table)
            .filter(is_key)
            .filter(api_keys::revoked_at.is_null())
            .select((api_keys::id, UserRow::as_select(), api_keys::scope, api_keys::digest))
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, user, scope, digest)| {
            let (scope, digest) = (Scope::from_db(scope.as_deref()), TokenDigest::from_slice(&digest)?);
            Some((ApiKeyId(id.0), ApiKeyAuth { user: user.into(), scope, digest }))
        })
        .collect())
}

/// A user's keys, oldest first.
pub fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<ApiKeyRow> = with_backend!(conn, c => api_keys::table
        .filter(api_keys::user_id.eq(user.0))
        .order(api_keys::id)
        .select(ApiKeyRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

fn owner(conn: &mut Conn, id: ApiKeyId) -> QueryResult<Option<UserId>> {
    let key = api_keys::table.find(DbUuid(id.0)).select(api_keys::user_id);
    let user: Option<i64> = with_backend!(conn, c => key.first(c).optional())?;
    Ok(user.map(UserId))
}

/// A page of a user's keys, newest first.
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

/// The number of a user's keys that are not revoked.
pub fn count_active(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    with_backend!(conn, c => api_keys::table
        .filter(api_keys::user_id.eq(user.0).and(api_keys::revoked_at.is_null()))
        .count()
        .get_result(c))
}

/// Creates a key for a user, and queues a mail to them.
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
    audit_log::record_affecting(conn, user, context, AuditAction::KeyCreated, format!("key:{id}"), now)?;
    outbox::insert_notice(conn, Notice::ApiKeyCreated, user, now)?;
    Ok((key, token))
}

/// Revokes all keys of a user, writes an audit entry for each, and returns their number.
pub fn revoke_all(
    conn: &mut Conn,
    user: UserId,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<usize> {
    let active = api_keys::user_id.eq(user.0).and(api_keys::revoked_at.is_null());
    let revoked: Vec<DbUuid> = with_backend!(conn, c => diesel::update(api_keys::table.filter(active))
        .set(api_keys::revoked_at.eq(DbTimestamp(now)))
        .returning(api_keys::id)
        .get_results(c))?;
    let entry = |id: &DbUuid| {
        let subject = format!("key:{}", ApiKeyId(id.0));
        NewAuditEntry::new(now, context, AuditAction::KeyRevoked, subject, &[user])
    };
    audit_log::insert(conn, &revoked.iter().map(entry).collect::<Vec<_>>())?;
    Ok(revoked.len())
}

/// Revokes a key, if its owner matches `owner_filter`. Returns whether there is such a key, even
/// if it is revoked already.
pub fn revoke(
    conn: &mut Conn,
    id: ApiKeyId,
    owner_filter: Option<UserId>,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<bool> {
    let Some(owner) = owner(conn, id)? else { return Ok(false) };
    if owner_filter.is_some_and(|user| user != owner) {
        return Ok(false);
    }
    let unrevoked = api_keys::table.find(DbUuid(id.0)).filter(api_keys::revoked_at.is_null());
    let revoked = with_backend!(conn, c => diesel::update(unrevoked)
        .set(api_keys::revoked_at.eq(DbTimestamp(now)))
        .execute(c))?;
    if revoked > 0 {
        audit_log::record_affecting(conn, owner, context, AuditAction::KeyRevoked, format!("key:{id}"), now)?;
    }
    Ok(true)
}
