//! Sessions of any user.

use crate::domain::audit::AuditContext;
use crate::domain::token::SessionId;
use crate::domain::user::UserId;
use crate::services::DbWork;
use crate::store::sessions::{self, MAX_SESSIONS_PER_USER, Session};

/// A user's active sessions, newest first.
pub fn of_user(user: UserId) -> impl DbWork<Vec<Session>> {
    move |conn| {
        let now = conn.now()?;
        Ok(sessions::of_user(conn, user, None, now, MAX_SESSIONS_PER_USER)?.rows)
    }
}

/// Ends a session of a user. `false`: the user has no such session.
pub fn end(user: UserId, id: SessionId, audit: AuditContext) -> impl DbWork<bool> {
    move |conn| {
        let now = conn.now()?;
        sessions::close(conn, id, user, &audit, now)
    }
}

/// Ends all sessions of a user, and returns their number.
pub fn end_all(user: UserId, audit: AuditContext) -> impl DbWork<usize> {
    move |conn| {
        let now = conn.now()?;
        sessions::close_all(conn, user, None, &audit, now)
    }
}
