//! Sessions of the pages.

use diesel::prelude::*;
use uuid::Uuid;

use super::audit_log;
use super::audit_log::NewAuditEntry;
use super::connection::{Conn, with_backend};
use super::page::Paginated;
use super::schema::{sessions, users};
use super::types::{DbTimestamp, DbUuid};
use super::user_row::UserRow;
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SessionId, TokenDigest};
use crate::domain::user::{User, UserId};

/// The highest number of sessions per user. A further sign-in deletes the oldest one.
pub const MAX_SESSIONS_PER_USER: i64 = 100;

/// A session without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The IP address at sign-in.
    pub ip: Option<String>,
    /// The browser's `User-Agent` at sign-in.
    pub user_agent: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct SessionRow {
    id: DbUuid,
    user_id: i64,
    created_at: DbTimestamp,
    expires_at: DbTimestamp,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: SessionId(row.id.0),
            user: UserId(row.user_id),
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            ip: row.ip,
            user_agent: row.user_agent,
        }
    }
}

/// Inserts a session. Deletes the user's expired sessions and those above the limit.
pub fn insert(conn: &mut Conn, new: &Session, digest: &TokenDigest) -> QueryResult<()> {
    let expired = sessions::user_id.eq(new.user.0).and(sessions::expires_at.le(DbTimestamp(new.created_at)));
    with_backend!(conn, c => diesel::delete(sessions::table.filter(expired)).execute(c))?;
    let last: Option<DbUuid> = with_backend!(conn, c => sessions::table
        .filter(sessions::user_id.eq(new.user.0))
        .order(sessions::id.desc())
        .offset(MAX_SESSIONS_PER_USER - 1)
        .limit(1)
        .select(sessions::id)
        .first(c)
        .optional())?;
    if let Some(last) = last {
        let oldest = sessions::user_id.eq(new.user.0).and(sessions::id.le(last));
        with_backend!(conn, c => diesel::delete(sessions::table.filter(oldest)).execute(c))?;
    }
    let values = (
        sessions::id.eq(DbUuid(new.id.0)),
        sessions::user_id.eq(new.user.0),
        sessions::digest.eq(digest.as_bytes().as_slice()),
        sessions::created_at.eq(DbTimestamp(new.created_at)),
        sessions::expires_at.eq(DbTimestamp(new.expires_at)),
        sessions::ip.eq(new.ip.as_deref()),
        sessions::user_agent.eq(new.user_agent.as_deref()),
    );
    with_backend!(conn, c => diesel::insert_into(sessions::table).values(values).execute(c)).map(drop)
}

/// The unexpired session with this id, its user (who may be disabled) and the digest of its
/// secret.
pub fn active_by_id(
    conn: &mut Conn,
    id: SessionId,
    now: Timestamp,
) -> QueryResult<Option<(Session, User, TokenDigest)>> {
    let row: Option<(SessionRow, UserRow, Vec<u8>)> = with_backend!(conn, c => sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq(DbUuid(id.0)).and(sessions::expires_at.gt(DbTimestamp(now))))
        .select((SessionRow::as_select(), UserRow::as_select(), sessions::digest))
        .first(c)
        .optional())?;
    Ok(row.and_then(|(session, user, digest)| {
        Some((session.into(), user.into(), TokenDigest::from_slice(&digest)?))
    }))
}

/// A user's unexpired sessions other than `except`, newest first, at most `limit`.
pub fn of_user(
    conn: &mut Conn,
    user: UserId,
    except: Option<SessionId>,
    now: Timestamp,
    limit: i64,
) -> QueryResult<Paginated<Session>> {
    let except = DbUuid(except.map_or_else(Uuid::nil, |session| session.0));
    let active = || {
        let theirs = sessions::user_id.eq(user.0).and(sessions::id.ne(except));
        sessions::table.filter(theirs.and(sessions::expires_at.gt(DbTimestamp(now))))
    };
    let total = with_backend!(conn, c => active().count().get_result(c))?;
    let rows: Vec<SessionRow> = with_backend!(conn, c => active()
        .order(sessions::id.desc())
        .limit(limit)
        .select(SessionRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(Session::from).collect(), total })
}

/// Deletes a user's session with an audit entry. Returns whether it existed.
pub fn close(
    conn: &mut Conn,
    id: SessionId,
    user: UserId,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<bool> {
    let closed = delete(conn, id, user)?;
    if closed {
        let subject = format!("session:{id}");
        audit_log::record_affecting(conn, user, context, AuditAction::SessionClosed, subject, now)?;
    }
    Ok(closed)
}

/// Deletes a user's session. Returns whether it existed.
pub fn delete(conn: &mut Conn, id: SessionId, user: UserId) -> QueryResult<bool> {
    let theirs = sessions::id.eq(DbUuid(id.0)).and(sessions::user_id.eq(user.0));
    with_backend!(conn, c => diesel::delete(sessions::table.filter(theirs)).execute(c)).map(|rows| rows > 0)
}

/// Deletes a user's sessions other than `except`, writes an audit entry for each, and returns their
/// number.
pub fn close_all(
    conn: &mut Conn,
    user: UserId,
    except: Option<SessionId>,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<usize> {
    let except = DbUuid(except.map_or_else(Uuid::nil, |session| session.0));
    let others = sessions::user_id.eq(user.0).and(sessions::id.ne(except));
    let closed_ids: Vec<DbUuid> = with_backend!(conn, c => diesel::delete(sessions::table.filter(others))
        .returning(sessions::id)
        .get_results(c))?;
    let closed = |id: &DbUuid| {
        let subject = format!("session:{}", SessionId(id.0));
        NewAuditEntry::new(now, context, AuditAction::SessionClosed, subject, &[user])
    };
    audit_log::insert(conn, &closed_ids.iter().map(closed).collect::<Vec<_>>())?;
    Ok(closed_ids.len())
}

/// Deletes all of a user's sessions.
pub fn delete_all(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    with_backend!(conn, c => diesel::delete(sessions::table.filter(sessions::user_id.eq(user.0))).execute(c))
        .map(drop)
}
