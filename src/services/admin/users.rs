//! Users.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::password_link::LinkReason;
use crate::domain::user::{Email, User, UserId};
use crate::services::DbWork;
use crate::store::users::{self, NewUser};
use crate::store::{LimitOffset, audit_log, password_links};

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

/// Enables or disables a user. Nothing is written if the user already has that state.
/// `None`: the user does not exist.
pub fn set_active(id: UserId, active: bool, audit: AuditContext) -> impl DbWork<Option<User>> {
    move |conn| {
        let now = conn.now()?;
        let Some(user) = users::by_ids(conn, &[id])?.pop() else { return Ok(None) };
        if user.active != active {
            let action = if active { AuditAction::UserEnabled } else { AuditAction::UserDisabled };
            users::set_active(conn, id, active)?;
            audit_log::record(conn, &audit, action, format!("user:{id}"), now)?;
        }
        Ok(Some(User { active, ..user }))
    }
}

/// Replaces a user's password by its hash. `false`: the user does not exist.
pub fn set_password(id: UserId, hash: String, audit: AuditContext) -> impl DbWork<bool> {
    move |conn| users::set_password(conn, id, &hash, &audit)
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
