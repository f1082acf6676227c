//! Hubs and their members.

use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::hub::HubId;
use crate::domain::rights::Role;
use crate::domain::user::{Email, User, UserId};
use crate::services::DbWork;
use crate::store::hubs::{self, Hub};
use crate::store::{Conn, LimitOffset, QueryResult, audit_log, users};

/// Why a hub was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    #[error("the hub already exists")]
    Exists,
    #[error("hub not found")]
    UnknownHub,
    #[error("user not found")]
    UnknownUser,
    #[error("the user has no role in the hub")]
    NotAMember,
    #[error("the user is the hub's last owner")]
    LastOwner,
}

/// A hub's name and one page of its members.
pub struct HubMembers {
    pub name: String,
    pub members: Vec<(User, Role)>,
}

/// Adds a hub with its owner.
pub fn add(id: HubId, name: String, owner: Email, audit: AuditContext) -> impl DbWork<Result<(), HubError>> {
    move |conn| {
        let now = conn.now()?;
        let Some(user) = users::by_email(conn, &owner)? else { return Ok(Err(HubError::UnknownUser)) };
        if !hubs::insert(conn, &id, &name, now)? {
            return Ok(Err(HubError::Exists));
        }
        hubs::set_role(conn, &id, user.id, Role::Owner)?;
        let hub = format!("hub:{}", id.as_str());
        let role = role_subject(&id, user.id, Role::Owner);
        audit_log::record(conn, &audit, AuditAction::HubAdded, hub, now)?;
        audit_log::record(conn, &audit, AuditAction::HubGranted, role, now)?;
        Ok(Ok(()))
    }
}

/// Gives a user a role in a hub. It replaces the user's current role, unless that would leave the
/// hub without an owner.
pub fn grant_role(
    hub: HubId,
    email: Email,
    role: Role,
    audit: AuditContext,
) -> impl DbWork<Result<(), HubError>> {
    move |conn| {
        let now = conn.now()?;
        let user = match resolve_member(conn, &hub, &email)? {
            Ok(user) => user,
            Err(error) => return Ok(Err(error)),
        };
        if role != Role::Owner && hubs::lock_owners(conn, &hub)? == [user] {
            return Ok(Err(HubError::LastOwner));
        }
        hubs::set_role(conn, &hub, user, role)?;
        let subject = role_subject(&hub, user, role);
        audit_log::record(conn, &audit, AuditAction::HubGranted, subject, now)?;
        Ok(Ok(()))
    }
}

/// Removes a user from a hub, unless that would leave the hub without an owner.
pub fn revoke_role(hub: HubId, email: Email, audit: AuditContext) -> impl DbWork<Result<(), HubError>> {
    move |conn| {
        let now = conn.now()?;
        let user = match resolve_member(conn, &hub, &email)? {
            Ok(user) => user,
            Err(error) => return Ok(Err(error)),
        };
        if hubs::lock_owners(conn, &hub)? == [user] {
            return Ok(Err(HubError::LastOwner));
        }
        if !hubs::remove_role(conn, &hub, user)? {
            return Ok(Err(HubError::NotAMember));
        }
        let subject = format!("hub:{}/user:{user}", hub.as_str());
        audit_log::record(conn, &audit, AuditAction::HubRevoked, subject, now)?;
        Ok(Ok(()))
    }
}

/// All hubs with their members.
pub fn all() -> impl DbWork<Vec<Hub>> {
    hubs::all
}

/// Hubs whose ID or name contains this lowercase text.
pub fn search(text: String, page: LimitOffset) -> impl DbWork<Vec<(HubId, String)>> {
    move |conn| hubs::search(conn, &text, page)
}

/// A hub's name and a page of its members. `None`: the hub does not exist.
pub fn members(hub: HubId, page: LimitOffset) -> impl DbWork<Option<HubMembers>> {
    move |conn| {
        let Some(name) = hubs::name(conn, &hub)? else { return Ok(None) };
        Ok(Some(HubMembers { name, members: hubs::members(conn, &hub, page)? }))
    }
}

/// The ID of the user that a change of a role is about, if the user and the hub exist.
fn resolve_member(conn: &mut Conn, hub: &HubId, email: &Email) -> QueryResult<Result<UserId, HubError>> {
    let Some(user) = users::by_email(conn, email)? else { return Ok(Err(HubError::UnknownUser)) };
    Ok(if hubs::exists(conn, hub)? { Ok(user.id) } else { Err(HubError::UnknownHub) })
}

/// The audit log's subject of a new role.
fn role_subject(hub: &HubId, user: UserId, role: Role) -> String {
    format!("hub:{}/user:{user}={}", hub.as_str(), role.name())
}
