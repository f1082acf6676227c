//! What staff does at the pages and by the API, and the operator at the command line: each
//! deed with its entry in the audit trail, in a transaction of the caller's. What is refused
//! has changed nothing.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use super::bundles::{self, BundleChange, NewBundle, Unchanged};
use super::outbox::{self, Mail, Matter};
use super::users::{self, NewUser};
use super::{Conn, events, hubs, on, password_links, requests};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Origin};
use crate::domain::hub::HubId;
use crate::domain::password_link::Occasion;
use crate::domain::permission::Role;
use crate::domain::user::{Email, User, UserId};

/// Why a hub stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubRefusal {
    /// There is one of this id.
    #[error("the hub already exists")]
    Exists,
    /// There is none.
    #[error("hub not found")]
    Unknown,
    /// Nobody has the address.
    #[error("user not found")]
    Nobody,
    /// The user has no role there.
    #[error("the user has no role in the hub")]
    NoRole,
}

/// Up to how many things are counted.
pub const COUNTED: i64 = 100_000;

/// How many there are of what an operator minds: of each up to [`COUNTED`], and one more
/// if there are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: i64,
    /// Mails that are owed.
    pub unsent: i64,
    /// Mails that the mail server refused for good.
    pub dead: i64,
}

/// Counts. It reads a hundred thousand entries of an index for each, at the most: some
/// hundredths of a second.
pub fn counts(conn: &mut Conn) -> QueryResult<Counts> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let mut count = |what: &str| {
        let most = COUNTED + 1;
        let query = format!("SELECT count(*) AS n FROM (SELECT 1 AS one FROM {what} LIMIT {most}) AS found");
        let count: Count = on!(conn, c => diesel::sql_query(query).get_result(c))?;
        QueryResult::Ok(count.n)
    };
    Ok(Counts {
        users: count("users")?,
        unsent: count("outbox WHERE finished_at IS NULL")?,
        dead: count("outbox WHERE result = 'dead'")?,
    })
}

/// Adds a user, who gets a link to set a password by if they have none; `None` when the
/// address is taken.
pub fn add_user(
    conn: &mut Conn,
    new: &NewUser,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<Option<User>> {
    let added = users::insert(conn, new, now)?;
    if let Some(user) = &added {
        events::record(conn, origin, Action::UserAdded, format!("user:{}", user.id), now)?;
        if new.password.is_none() {
            password_links::issue(conn, user.id, Occasion::First, origin, now)?;
        }
    }
    Ok(added)
}

/// Disables or enables a user, who may be so already; `None` when there is no such one.
pub fn set_active(
    conn: &mut Conn,
    id: UserId,
    active: bool,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<Option<User>> {
    let Some(user) = users::by_ids(conn, &[id])?.pop() else { return Ok(None) };
    if user.active != active {
        let action = if active { Action::UserEnabled } else { Action::UserDisabled };
        users::set_active(conn, id, active)?;
        events::record(conn, origin, action, format!("user:{id}"), now)?;
    }
    Ok(Some(User { active, ..user }))
}

/// Adds a hub with its owner.
pub fn add_hub(
    conn: &mut Conn,
    id: &HubId,
    name: &str,
    owner: &Email,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<Result<(), HubRefusal>> {
    let Some(user) = users::by_email(conn, owner)? else { return Ok(Err(HubRefusal::Nobody)) };
    if !hubs::insert(conn, id, name, now)? {
        return Ok(Err(HubRefusal::Exists));
    }
    hubs::set_role(conn, id, user.id, Role::Owner)?;
    events::record(conn, origin, Action::HubAdded, format!("hub:{}", id.as_str()), now)?;
    events::record(conn, origin, Action::HubGranted, membership(id, user.id, Role::Owner), now)?;
    Ok(Ok(()))
}

/// Gives a user a role in a hub, in place of the one they had.
pub fn give_role(
    conn: &mut Conn,
    hub: &HubId,
    email: &Email,
    role: Role,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<Result<(), HubRefusal>> {
    let user = match member(conn, hub, email)? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    hubs::set_role(conn, hub, user, role)?;
    events::record(conn, origin, Action::HubGranted, membership(hub, user, role), now)?;
    Ok(Ok(()))
}

/// Takes a user's role in a hub.
pub fn take_role(
    conn: &mut Conn,
    hub: &HubId,
    email: &Email,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<Result<(), HubRefusal>> {
    let user = match member(conn, hub, email)? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !hubs::remove_role(conn, hub, user)? {
        return Ok(Err(HubRefusal::NoRole));
    }
    let subject = format!("hub:{}/user:{user}", hub.as_str());
    events::record(conn, origin, Action::HubRevoked, subject, now)?;
    Ok(Ok(()))
}

/// Who is to have a role in which hub, both of which should be there.
fn member(conn: &mut Conn, hub: &HubId, email: &Email) -> QueryResult<Result<UserId, HubRefusal>> {
    let Some(user) = users::by_email(conn, email)? else { return Ok(Err(HubRefusal::Nobody)) };
    Ok(if hubs::exists(conn, hub)? { Ok(user.id) } else { Err(HubRefusal::Unknown) })
}

/// Who was made what, as the audit trail tells it.
fn membership(hub: &HubId, user: UserId, role: Role) -> String {
    format!("hub:{}/user:{user}={}", hub.as_str(), role.name())
}

/// Adds a bundle.
pub fn add_bundle(conn: &mut Conn, new: &NewBundle, origin: &Origin, now: Timestamp) -> QueryResult<Bundle> {
    let bundle = bundles::insert(conn, new)?;
    events::record(conn, origin, Action::BundleAdded, format!("bundle:{}", bundle.id), now)?;
    Ok(bundle)
}

/// [`bundles::update`].
pub fn change_bundle(
    conn: &mut Conn,
    id: BundleId,
    change: &BundleChange,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<Result<Bundle, Unchanged>> {
    let changed = bundles::update(conn, id, change, now)?;
    if changed.is_ok() {
        events::record(conn, origin, Action::BundleChanged, format!("bundle:{id}"), now)?;
    }
    Ok(changed)
}

/// [`bundles::delete`].
pub fn delete_bundle(
    conn: &mut Conn,
    id: BundleId,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<Result<(), Unchanged>> {
    let deleted = bundles::delete(conn, id, now)?;
    if deleted.is_ok() {
        events::record(conn, origin, Action::BundleDeleted, format!("bundle:{id}"), now)?;
    }
    Ok(deleted)
}

/// [`outbox::retry`].
pub fn retry_mail(conn: &mut Conn, id: Uuid, origin: &Origin, now: Timestamp) -> QueryResult<bool> {
    let retried = outbox::retry(conn, id, now)?;
    if retried {
        events::record(conn, origin, Action::MailRetried, format!("mail:{id}"), now)?;
    }
    Ok(retried)
}

/// Whom mails go to, by the mails' ids.
pub fn addressees(conn: &mut Conn, mails: &[Mail]) -> QueryResult<HashMap<Uuid, Email>> {
    let (mut numbers, mut links) = (Vec::new(), Vec::new());
    for mail in mails {
        match mail.matter {
            Matter::Request(number) => numbers.push(number),
            Matter::Password(link) => links.push(link),
        }
    }
    let requests = requests::by_ids(conn, &numbers)?;
    let requests = requests.into_iter().map(|request| (Matter::Request(request.id), request.terms.target));
    let links = password_links::by_ids(conn, &links)?;
    let links = links.into_iter().map(|link| (Matter::Password(link.id), link.user));
    let targets: HashMap<Matter, UserId> = requests.chain(links).collect();
    let people = users::addresses(conn, targets.values().copied().collect())?;
    let to = |mail: &Mail| Some((mail.id, people.get(targets.get(&mail.matter)?)?.clone()));
    Ok(mails.iter().filter_map(to).collect())
}
