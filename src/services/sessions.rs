//! Browser sessions: sign-in, sign-out, and the list of a user's sessions.
//!
//! A session's token is shown to the browser once; the database stores a digest of it.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::token::{SessionId, Token, TokenKind};
use crate::domain::user::{User, UserId};
use crate::entropy;
use crate::i18n::Language;
use crate::services::admin;
use crate::store::sessions::{self, Session};
use crate::store::{AsyncStore, Conn, Paginated, QueryResult, StoreError, audit_log, users};

/// Seconds until a session expires: two weeks.
pub(crate) const SESSION_TTL_SECONDS: i64 = 14 * 86_400;

/// An active session and its user.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub session: Session,
    pub user: User,
}

/// The active session of a token. `None` if it ended, if the secret does not match, or if its
/// user is disabled.
pub(crate) async fn find(store: &AsyncStore, token: &Token) -> Result<Option<SignedIn>, StoreError> {
    let id = SessionId(token.id());
    let found = store.read(move |conn| {
        let now = conn.now()?;
        sessions::active_by_id(conn, id, now)
    });
    let matching = found.await?.filter(|(_, user, digest)| user.active && digest.matches(&token.digest()));
    Ok(matching.map(|(session, user, _)| SignedIn { session, user }))
}

/// Opens a session for a user whose password was verified against `password_hash`, ends the one
/// that it replaces in the browser, and saves the browser's language if it is known. `None` if the password was changed or the user was
/// disabled since.
pub(crate) async fn sign_in(
    store: &AsyncStore,
    audit: AuditContext,
    user: UserId,
    password_hash: String,
    replaced: Option<Session>,
    language: Option<Language>,
) -> Result<Option<Token>, StoreError> {
    let opened = store.write(move |conn| {
        if !users::lock_with_password(conn, user, &password_hash)? {
            return Ok(None);
        }
        close_replaced(conn, replaced.as_ref(), &audit)?;
        open(conn, user, &audit, language).map(Some)
    });
    opened.await
}

/// Ends a session of a user. `false` if the user has no such session.
pub(crate) async fn close(
    store: &AsyncStore,
    audit: AuditContext,
    user: UserId,
    id: SessionId,
) -> Result<bool, StoreError> {
    store.write(admin::sessions::end(user, id, audit)).await
}

/// Ends all sessions of a user except `current`.
pub(crate) async fn close_others(
    store: &AsyncStore,
    audit: AuditContext,
    user: UserId,
    current: SessionId,
) -> Result<(), StoreError> {
    let closed = store.write(move |conn| {
        let now = conn.now()?;
        sessions::close_all(conn, user, Some(current), &audit, now).map(drop)
    });
    closed.await
}

/// The active sessions of a user except `current`: the newest `limit` of them, and how many
/// there are.
pub(crate) async fn list_others(
    store: &AsyncStore,
    user: UserId,
    current: SessionId,
    limit: i64,
) -> Result<Paginated<Session>, StoreError> {
    let listed = store.read(move |conn| {
        let now = conn.now()?;
        sessions::of_user(conn, user, Some(current), now, limit)
    });
    listed.await
}

/// Ends the session that a new one replaces in a browser, as its own user.
pub(super) fn close_replaced(
    conn: &mut Conn,
    replaced: Option<&Session>,
    audit: &AuditContext,
) -> QueryResult<()> {
    let Some(Session { id, user, .. }) = replaced else { return Ok(()) };
    let (now, audit) = (conn.now()?, AuditContext { actor: Some(*user), ..audit.clone() });
    sessions::close(conn, *id, *user, &audit, now).map(drop)
}

/// Opens a session in the caller's transaction. The returned token is the only copy of its
/// secret.
pub(super) fn open(
    conn: &mut Conn,
    user: UserId,
    audit: &AuditContext,
    language: Option<Language>,
) -> QueryResult<Token> {
    let now = conn.now()?;
    if let Some(language) = language {
        users::set_language(conn, user, language)?;
    }
    let entropy = entropy::token();
    let token = Token::random(TokenKind::Session, entropy.uuid(now), &entropy);
    let session = Session {
        id: SessionId(token.id()),
        user,
        created_at: now,
        expires_at: now.plus_seconds(SESSION_TTL_SECONDS),
        ip: audit.ip.map(|address| address.to_string()),
        user_agent: audit.user_agent.clone(),
    };
    sessions::insert(conn, &session, &token.digest())?;
    audit_log::record(conn, audit, AuditAction::SessionOpened, format!("session:{}", session.id), now)?;
    Ok(token)
}
