//! The API keys' rows. A key is made and revoked with its entry in the audit trail.

use diesel::prelude::*;
use uuid::Uuid;

use super::schema::{api_keys, users};
use super::types::{At, Uid};
use super::users::UserRow;
use super::{Conn, Listed, Page, events, on};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Origin};
use crate::domain::token::{ApiKeyId, Kind, Token, TokenDigest};
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
    fn from_store(name: Option<&str>) -> Self {
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
struct KeyRow {
    id: Uid,
    user_id: i64,
    label: String,
    scope: Option<String>,
    created_at: At,
    revoked_at: Option<At>,
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            id: ApiKeyId(row.id.0),
            user: UserId(row.user_id),
            label: row.label,
            scope: Scope::from_store(row.scope.as_deref()),
            created_at: row.created_at.0,
            revoked_at: row.revoked_at.map(|at| at.0),
        }
    }
}

/// Adds a key.
pub fn insert(conn: &mut Conn, key: &ApiKey, digest: &TokenDigest) -> QueryResult<()> {
    let values = (
        api_keys::id.eq(Uid(key.id.0)),
        api_keys::user_id.eq(key.user.0),
        api_keys::label.eq(&key.label),
        api_keys::scope.eq(key.scope.name()),
        api_keys::digest.eq(digest.as_bytes().as_slice()),
        api_keys::created_at.eq(At(key.created_at)),
    );
    on!(conn, c => diesel::insert_into(api_keys::table).values(values).execute(c)).map(drop)
}

/// A key that has not been revoked, with what it takes to judge its bearer.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// Whom it stands for.
    pub user: User,
    /// What it may do.
    pub scope: Scope,
    /// What its secret must hash to.
    pub digest: TokenDigest,
}

/// The keys of these ids that have not been revoked, in no order.
pub(super) fn live(conn: &mut Conn, ids: &[ApiKeyId]) -> QueryResult<Vec<(ApiKeyId, KnownKey)>> {
    let ids: Vec<Uid> = ids.iter().map(|id| Uid(id.0)).collect();
    let rows: Vec<(Uid, UserRow, Option<String>, Vec<u8>)> = on!(conn, c => api_keys::table
        .inner_join(users::table)
        .filter(api_keys::id.eq_any(&ids).and(api_keys::revoked_at.is_null()))
        .select((api_keys::id, UserRow::as_select(), api_keys::scope, api_keys::digest))
        .load(c))?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, user, scope, digest)| {
            let (scope, digest) = (Scope::from_store(scope.as_deref()), TokenDigest::from_slice(&digest)?);
            Some((ApiKeyId(id.0), KnownKey { user: user.into(), scope, digest }))
        })
        .collect())
}

/// A user's keys, the oldest first.
pub fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = on!(conn, c => api_keys::table
        .filter(api_keys::user_id.eq(user.0))
        .order(api_keys::id)
        .select(KeyRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// Whose key this is.
pub(super) fn owner(conn: &mut Conn, id: Uuid) -> QueryResult<Option<UserId>> {
    let user: Option<i64> =
        on!(conn, c => api_keys::table.find(Uid(id)).select(api_keys::user_id).first(c).optional())?;
    Ok(user.map(UserId))
}

/// A page of a user's keys, the newest first.
pub fn page_of_user(conn: &mut Conn, user: UserId, page: Page) -> QueryResult<Listed<ApiKey>> {
    let own = || api_keys::table.filter(api_keys::user_id.eq(user.0));
    let total = on!(conn, c => own().count().get_result(c))?;
    let rows: Vec<KeyRow> = on!(conn, c => own()
        .order(api_keys::id.desc())
        .limit(page.limit)
        .offset(page.offset)
        .select(KeyRow::as_select())
        .load(c))?;
    Ok(Listed { rows: rows.into_iter().map(ApiKey::from).collect(), total })
}

/// How many keys a user has that have not been revoked.
pub fn count_live(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    on!(conn, c => api_keys::table
        .filter(api_keys::user_id.eq(user.0).and(api_keys::revoked_at.is_null()))
        .count()
        .get_result(c))
}

/// Makes a user a key.
pub fn issue(
    conn: &mut Conn,
    user: UserId,
    label: &str,
    scope: Scope,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<(ApiKey, Token)> {
    let entropy = entropy::token();
    let id = ApiKeyId(entropy.uuid(now));
    let token = Token::random(Kind::ApiKey, id.0, &entropy);
    let key = ApiKey { id, user, label: label.to_owned(), scope, created_at: now, revoked_at: None };
    insert(conn, &key, &token.digest())?;
    events::record(conn, origin, Action::KeyCreated, format!("key:{id}"), now)?;
    Ok((key, token))
}

/// Revokes a key, of this user's if one is given; false when there is no such key. Twice
/// is as good as once.
pub fn revoke(
    conn: &mut Conn,
    id: ApiKeyId,
    of: Option<UserId>,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<bool> {
    let Some(owner) = owner(conn, id.0)? else { return Ok(false) };
    if of.is_some_and(|of| of != owner) {
        return Ok(false);
    }
    let live = api_keys::table.find(Uid(id.0)).filter(api_keys::revoked_at.is_null());
    let revoked = on!(conn, c => diesel::update(live).set(api_keys::revoked_at.eq(At(now))).execute(c))?;
    if revoked > 0 {
        events::record(conn, origin, Action::KeyRevoked, format!("key:{id}"), now)?;
    }
    Ok(true)
}
