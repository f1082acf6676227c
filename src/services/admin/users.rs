//! Users.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::notice::Notice;
use crate::domain::password_link::LinkReason;
use crate::domain::user::{Email, User, UserId};
use crate::services::DbWork;
use crate::services::credentials::{self, EndedCredentials, KeysOnReset};
use crate::services::users::set_names;
use crate::store::import::UserChange;
use crate::store::users::{self, NewUser};
use crate::store::{Conn, LimitOffset, QueryResult, audit_log, outbox, password_links};

/// Adds a user. One without a password gets a mail with a link to set one. `None`: the email
/// address is already in use.
pub fn add(new: NewUser, audit: AuditContext) -> impl DbWork<Option<User>> {
    move |conn| {
        let now = conn.now()?;
        let added = users::insert(conn, &new, now)?;
        if let Some(user) = &added {
            audit_log::record(conn, &audit, AuditAction::UserAdded, format!("user:{}", user.id), now)?;
            if new.password.is_none() {
                password_links::create(conn, user.id, LinkReason::NewAccount, &audit, now)?;
            }
        }
        Ok(added)
    }
}

/// Why a user was not disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisableError {
    #[error("user not found")]
    UnknownUser,
    /// Nobody could administer the server on its pages.
    #[error("the user is the last active administrator")]
    LastStaff,
}

/// Disables a user, and ends their sessions, API keys and password link for good. Their export
/// tokens stop working until the user is enabled again, unless they are revoked too. The user gets
/// a mail.
pub fn disable(
    id: UserId,
    revoke_export_tokens: bool,
    audit: AuditContext,
) -> impl DbWork<Result<(User, EndedCredentials), DisableError>> {
    move |conn| {
        let staff = users::lock_active_staff(conn)?;
        if staff == [id] {
            return Ok(Err(DisableError::LastStaff));
        }
        // A sign-in, a new key and a new link lock the user too: they come before, and are ended
        // here, or after, and are refused.
        let was_active = users::lock_active(conn, id)?;
        let Some(user) = users::by_ids(conn, &[id])?.pop() else {
            return Ok(Err(DisableError::UnknownUser));
        };
        let now = conn.now()?;
        if was_active {
            users::set_active(conn, id, false)?;
            audit_log::record(conn, &audit, AuditAction::UserDisabled, format!("user:{id}"), now)?;
            outbox::insert_notice(conn, Notice::AccountDisabled, id, now)?;
        }
        let ended = credentials::end_all(conn, id, revoke_export_tokens, &audit)?;
        Ok(Ok((User { active: false, ..user }, ended)))
    }
}

/// Enables a disabled user. What was ended when the user was disabled does not come back. `None`:
/// the user does not exist.
pub fn enable(id: UserId, audit: AuditContext) -> impl DbWork<Option<User>> {
    move |conn| {
        let now = conn.now()?;
        let Some(user) = users::by_ids(conn, &[id])?.pop() else { return Ok(None) };
        if !user.active {
            users::set_active(conn, id, true)?;
            audit_log::record(conn, &audit, AuditAction::UserEnabled, format!("user:{id}"), now)?;
        }
        Ok(Some(User { active: true, ..user }))
    }
}

/// Changes what differs in a file of users: names, and whether the user is active.
pub fn update(
    audit: AuditContext,
) -> impl Fn(&mut Conn, UserChange) -> QueryResult<Result<(), DisableError>> {
    move |conn, change| {
        let UserChange { id, first_name, last_name, active } = &change;
        if first_name.is_some() || last_name.is_some() {
            set_names(conn, &audit, *id, first_name.as_ref(), last_name.as_ref())?;
        }
        match active {
            Some(false) => return Ok(disable(*id, false, audit.clone())(conn)?.map(drop)),
            Some(true) => enable(*id, audit.clone())(conn).map(drop)?,
            None => {}
        }
        Ok(Ok(()))
    }
}

/// Replaces a user's password by its hash. `None`: the user does not exist.
pub fn set_password(
    id: UserId,
    hash: String,
    keys: KeysOnReset,
    audit: AuditContext,
) -> impl DbWork<Option<EndedCredentials>> {
    move |conn| credentials::set_password(conn, id, &hash, keys, &audit)
}

/// The user with this ID.
pub fn by_id(id: UserId) -> impl DbWork<Option<User>> {
    move |conn| Ok(users::by_ids(conn, &[id])?.pop())
}

/// The user with this email address.
pub fn by_email(email: Email) -> impl DbWork<Option<User>> {
    move |conn| users::by_email(conn, &email)
}

/// All users, by ID.
pub fn all() -> impl DbWork<Vec<User>> {
    users::all
}

/// Users whose email address or name contains all of these lowercase words.
pub fn search(words: Vec<String>, page: LimitOffset) -> impl DbWork<Vec<User>> {
    move |conn| users::search(conn, &words, page)
}
