//! What staff does at the pages and by the API, and the operator at the command line: each
//! deed with its entry in the audit trail, in a transaction of the caller's. What is refused
//! has changed nothing.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use super::bundles::{self, BundleChange, BundleError, NewBundle};
use super::outbox::{self, OutboxMail, OutboxSubject};
use super::users::{self, NewUser};
use super::{Conn, audit_log, hubs, password_links, requests, with_backend};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::hub::HubId;
use crate::domain::password_link::LinkReason;
use crate::domain::permission::Role;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, User, UserId};

/// Why a hub stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// There is one of this id.
    #[error("the hub already exists")]
    Exists,
    /// There is none.
    #[error("hub not found")]
    UnknownHub,
    /// Nobody has the address.
    #[error("user not found")]
    UnknownUser,
    /// The user has no role there.
    #[error("the user has no role in the hub")]
    NotAMember,
}

/// Up to how many things are counted.
pub const MAX_COUNTED: i64 = 100_000;

/// How many there are of what an operator minds: of each up to [`COUNTED`], and one more
/// if there are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminCounts {
    /// Users.
    pub users: i64,
    /// Mails that are owed.
    pub pending_mails: i64,
    /// Mails that the mail server refused for good.
    pub failed_mails: i64,
}

/// Counts. It reads a hundred thousand entries of an index for each, at the most: some
/// hundredths of a second.
pub fn counts(conn: &mut Conn) -> QueryResult<AdminCounts> {
    #[derive(QueryableByName)]
    struct CountRow {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let mut count = |what: &str| {
        let limit = MAX_COUNTED + 1;
        let query = format!("SELECT count(*) AS n FROM (SELECT 1 AS one FROM {what} LIMIT {limit}) AS found");
        let count: CountRow = with_backend!(conn, c => diesel::sql_query(query).get_result(c))?;
        QueryResult::Ok(count.n)
    };
    Ok(AdminCounts {
        users: count("users")?,
        pending_mails: count("outbox WHERE kind = 'mail' AND finished_at IS NULL")?,
        failed_mails: count("outbox WHERE kind = 'mail' AND result = 'failed'")?,
    })
}

/// Adds a user, who gets a link to set a password by if they have none; `None` when the
/// address is taken.
pub fn add_user(
    conn: &mut Conn,
    new: &NewUser,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Option<User>> {
    let added = users::insert(conn, new, now)?;
    if let Some(user) = &added {
        audit_log::record(conn, context, AuditAction::UserAdded, format!("user:{}", user.id), now)?;
        if new.password.is_none() {
            password_links::create(conn, user.id, LinkReason::NewAccount, context, now)?;
        }
    }
    Ok(added)
}

/// Disables or enables a user, who may be so already; `None` when there is no such one.
pub fn set_active(
    conn: &mut Conn,
    id: UserId,
    active: bool,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Option<User>> {
    let Some(user) = users::by_ids(conn, &[id])?.pop() else { return Ok(None) };
    if user.active != active {
        let action = if active { AuditAction::UserEnabled } else { AuditAction::UserDisabled };
        users::set_active(conn, id, active)?;
        audit_log::record(conn, context, action, format!("user:{id}"), now)?;
    }
    Ok(Some(User { active, ..user }))
}

/// Adds a hub with its owner.
pub fn add_hub(
    conn: &mut Conn,
    id: &HubId,
    name: &str,
    owner: &Email,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Result<(), HubError>> {
    let Some(user) = users::by_email(conn, owner)? else { return Ok(Err(HubError::UnknownUser)) };
    if !hubs::insert(conn, id, name, now)? {
        return Ok(Err(HubError::Exists));
    }
    hubs::set_role(conn, id, user.id, Role::Owner)?;
    audit_log::record(conn, context, AuditAction::HubAdded, format!("hub:{}", id.as_str()), now)?;
    audit_log::record(conn, context, AuditAction::HubGranted, role_subject(id, user.id, Role::Owner), now)?;
    Ok(Ok(()))
}

/// Gives a user a role in a hub, in place of the one they had.
pub fn grant_role(
    conn: &mut Conn,
    hub: &HubId,
    email: &Email,
    role: Role,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Result<(), HubError>> {
    let user = match resolve_member(conn, hub, email)? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    hubs::set_role(conn, hub, user, role)?;
    audit_log::record(conn, context, AuditAction::HubGranted, role_subject(hub, user, role), now)?;
    Ok(Ok(()))
}

/// Takes a user's role in a hub.
pub fn revoke_role(
    conn: &mut Conn,
    hub: &HubId,
    email: &Email,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Result<(), HubError>> {
    let user = match resolve_member(conn, hub, email)? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !hubs::remove_role(conn, hub, user)? {
        return Ok(Err(HubError::NotAMember));
    }
    let subject = format!("hub:{}/user:{user}", hub.as_str());
    audit_log::record(conn, context, AuditAction::HubRevoked, subject, now)?;
    Ok(Ok(()))
}

/// Who is to have a role in which hub, both of which should be there.
fn resolve_member(conn: &mut Conn, hub: &HubId, email: &Email) -> QueryResult<Result<UserId, HubError>> {
    let Some(user) = users::by_email(conn, email)? else { return Ok(Err(HubError::UnknownUser)) };
    Ok(if hubs::exists(conn, hub)? { Ok(user.id) } else { Err(HubError::UnknownHub) })
}

/// Who was made what, as the audit trail tells it.
fn role_subject(hub: &HubId, user: UserId, role: Role) -> String {
    format!("hub:{}/user:{user}={}", hub.as_str(), role.name())
}

/// Adds a bundle.
pub fn add_bundle(
    conn: &mut Conn,
    new: &NewBundle,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Bundle> {
    let bundle = bundles::insert(conn, new)?;
    audit_log::record(conn, context, AuditAction::BundleAdded, format!("bundle:{}", bundle.id), now)?;
    Ok(bundle)
}

/// [`bundles::update`].
pub fn update_bundle(
    conn: &mut Conn,
    id: BundleId,
    change: &BundleChange,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Result<Bundle, BundleError>> {
    let changed = bundles::update(conn, id, change, now)?;
    if changed.is_ok() {
        audit_log::record(conn, context, AuditAction::BundleChanged, format!("bundle:{id}"), now)?;
    }
    Ok(changed)
}

/// [`bundles::delete`].
pub fn delete_bundle(
    conn: &mut Conn,
    id: BundleId,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<Result<(), BundleError>> {
    let deleted = bundles::delete(conn, id, now)?;
    if deleted.is_ok() {
        audit_log::record(conn, context, AuditAction::BundleDeleted, format!("bundle:{id}"), now)?;
    }
    Ok(deleted)
}

/// [`outbox::retry`].
pub fn retry_mail(conn: &mut Conn, id: Uuid, context: &AuditContext, now: Timestamp) -> QueryResult<bool> {
    let retried = outbox::retry(conn, id, now)?;
    if retried {
        audit_log::record(conn, context, AuditAction::MailRetried, format!("mail:{id}"), now)?;
    }
    Ok(retried)
}

/// Whom mails go to, by the mails' ids.
pub fn recipients(conn: &mut Conn, mails: &[OutboxMail]) -> QueryResult<HashMap<Uuid, Email>> {
    let (mut request_ids, mut link_ids) = (Vec::new(), Vec::new());
    for mail in mails {
        match mail.subject {
            OutboxSubject::Request(number) => request_ids.push(number),
            OutboxSubject::PasswordLink(link) => link_ids.push(link),
        }
    }
    let requests = requests::by_ids(conn, &request_ids)?;
    let requests =
        requests.into_iter().map(|request| (OutboxSubject::Request(request.id), request.terms.target));
    let links = password_links::by_ids(conn, &link_ids)?;
    let links = links.into_iter().map(|link| (OutboxSubject::PasswordLink(link.id), link.user));
    let targets: HashMap<OutboxSubject, UserId> = requests.chain(links).collect();
    let emails = users::emails_by_id(conn, targets.values().copied().collect())?;
    let to = |mail: &OutboxMail| Some((mail.id, emails.get(targets.get(&mail.subject)?)?.clone()));
    Ok(mails.iter().filter_map(to).collect())
}
