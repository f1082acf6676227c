//! Ending a user's credentials, within the transaction of a use case.

use crate::domain::audit::AuditContext;
use crate::domain::notice::Notice;
use crate::domain::user::UserId;
use crate::store::{Conn, QueryResult, api_keys, export_tokens, outbox, password_links, sessions, users};

/// How many credentials of a user were ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct EndedCredentials {
    pub sessions: usize,
    pub api_keys: usize,
    pub password_links: usize,
    pub export_tokens: usize,
}

/// Whether to revoke a user's API keys and export tokens when their password is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysOnReset {
    Revoke,
    Keep,
}

/// Ends a user's sessions, API keys and password link for good, and with `export_tokens` revokes
/// their export tokens too. Otherwise these stop working only while the user is disabled.
pub(super) fn end_all(
    conn: &mut Conn,
    user: UserId,
    export_tokens: bool,
    audit: &AuditContext,
) -> QueryResult<EndedCredentials> {
    let now = conn.now()?;
    Ok(EndedCredentials {
        sessions: sessions::close_all(conn, user, None, audit, now)?,
        password_links: password_links::replace_active(conn, user, now)?,
        ..revoke_keys(conn, user, export_tokens, audit)?
    })
}

/// Replaces a user's password, and ends their sessions and password link. A user who had a
/// password gets a mail; then `keys` says what happens to their API keys and export tokens.
/// `None`: the user does not exist.
pub(super) fn set_password(
    conn: &mut Conn,
    user: UserId,
    hash: &str,
    keys: KeysOnReset,
    audit: &AuditContext,
) -> QueryResult<Option<EndedCredentials>> {
    let is_change = users::password_hash(conn, user)?.is_some();
    if !users::set_password(conn, user, hash, audit)? {
        return Ok(None);
    }
    if !is_change {
        return Ok(Some(EndedCredentials::default()));
    }
    let (notice, ended) = match keys {
        KeysOnReset::Revoke => (Notice::PasswordChangedKeysRevoked, revoke_keys(conn, user, true, audit)?),
        KeysOnReset::Keep => (Notice::PasswordChanged, EndedCredentials::default()),
    };
    let now = conn.now()?;
    outbox::insert_notice(conn, notice, user, now)?;
    Ok(Some(ended))
}

fn revoke_keys(
    conn: &mut Conn,
    user: UserId,
    export_tokens: bool,
    audit: &AuditContext,
) -> QueryResult<EndedCredentials> {
    let now = conn.now()?;
    let api_keys = api_keys::revoke_all(conn, user, audit, now)?;
    let export_tokens = if export_tokens { export_tokens::revoke_all(conn, user, audit, now)? } else { 0 };
    Ok(EndedCredentials { api_keys, export_tokens, ..EndedCredentials::default() })
}
