//! `countersign hub`: the hubs, and who is what in them.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::error::Stop;
use super::output::{Line, Output};
use super::{CliError, argument, transact};
use crate::domain::event::Origin;
use crate::domain::hub::HubId;
use crate::domain::permission::Role;
use crate::domain::user::Email;
use crate::store::hubs::{self, Hub};
use crate::store::staff::{self, HubRefusal};
use crate::store::{QueryResult, Store};

/// What can be done about hubs.
#[derive(Subcommand)]
pub enum Verb {
    /// Add a hub
    Add(Founding),
    /// Give a user a role in a hub; it replaces their current role
    ///
    /// Each role has the rights of the previous role and one more: guest (anyone),
    /// contributor (read), designer (get), manager (write), admin (admin, can
    /// create export tokens), owner (owner).
    Grant {
        /// The hub's ID
        #[arg(value_parser = HubId::new)]
        hub_id: HubId,
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
        /// The role
        #[arg(value_parser = argument::role())]
        role: Role,
    },
    /// Remove a user from a hub; their export tokens for it stop working
    Revoke {
        /// The hub's ID
        #[arg(value_parser = HubId::new)]
        hub_id: HubId,
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
    },
    /// List all hubs and their members
    List,
}

/// A hub to be added.
#[derive(Args)]
pub struct Founding {
    /// The ID that clients and resource servers use, at most 64 characters
    #[arg(value_parser = HubId::new)]
    hub_id: HubId,
    /// The display name, at most 100 characters
    #[arg(long, default_value = "", hide_default_value = true, value_parser = argument::name)]
    name: String,
    /// The owner's email address
    #[arg(long, value_name = "EMAIL", value_parser = Email::new)]
    owner: Email,
}

#[derive(Serialize)]
struct HubLine<'a> {
    id: &'a str,
    name: &'a str,
    members: Vec<Member<'a>>,
}

#[derive(Serialize)]
struct Member<'a> {
    email: &'a str,
    role: &'static str,
}

impl<'a> From<&'a Hub> for HubLine<'a> {
    fn from(hub: &'a Hub) -> Self {
        let member = |(email, role): &'a (Email, Role)| Member { email: email.as_str(), role: role.name() };
        Self { id: hub.id.as_str(), name: &hub.name, members: hub.members.iter().map(member).collect() }
    }
}

impl Line for HubLine<'_> {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "MEMBERS"];

    fn cells(&self) -> Vec<String> {
        let members: Vec<String> =
            self.members.iter().map(|member| format!("{} ({})", member.email, member.role)).collect();
        vec![self.id.to_owned(), self.name.to_owned(), members.join(", ")]
    }
}

/// Does it.
pub fn run(verb: Verb, store: &Store, output: &Output) -> Result<(), CliError> {
    match verb {
        Verb::Add(founding) => add(founding, store, output),
        Verb::Grant { hub_id, email, role } => grant(&hub_id, &email, role, store, output),
        Verb::Revoke { hub_id, email } => revoke(&hub_id, &email, store, output),
        Verb::List => {
            let all = store.read(hubs::all)?;
            output.list(&all.iter().map(HubLine::from).collect::<Vec<_>>())
        }
    }
}

fn add(Founding { hub_id, name, owner }: Founding, store: &Store, output: &Output) -> Result<(), CliError> {
    transact(store, |conn, now| {
        let added = staff::add_hub(conn, &hub_id, &name, &owner, &Origin::OPERATOR, now);
        done(added, &hub_id, &owner)
    })?;
    let hub = Hub { id: hub_id, name, members: vec![(owner, Role::Owner)] };
    output.done(&HubLine::from(&hub), &format!("Added hub {}.", hub.id.as_str()))
}

fn grant(hub: &HubId, email: &Email, role: Role, store: &Store, output: &Output) -> Result<(), CliError> {
    transact(store, |conn, now| {
        done(staff::give_role(conn, hub, email, role, &Origin::OPERATOR, now), hub, email)
    })?;
    let (hub, email, role) = (hub.as_str(), email.as_str(), role.name());
    output.done(
        &json!({ "hub_id": hub, "email": email, "role": role }),
        &format!("{email} now has the role {role} in hub {hub}."),
    )
}

fn revoke(hub: &HubId, email: &Email, store: &Store, output: &Output) -> Result<(), CliError> {
    transact(store, |conn, now| {
        done(staff::take_role(conn, hub, email, &Origin::OPERATOR, now), hub, email)
    })?;
    let (hub, email) = (hub.as_str(), email.as_str());
    output.done(
        &json!({ "hub_id": hub, "email": email, "role": null }),
        &format!("Removed {email} from hub {hub}."),
    )
}

/// What was done about a hub and a user, or why it was not.
fn done(done: QueryResult<Result<(), HubRefusal>>, hub: &HubId, email: &Email) -> Result<(), Stop> {
    let refusal = match done? {
        Ok(()) => return Ok(()),
        Err(HubRefusal::Exists) => CliError::HubExists(hub.clone()),
        Err(HubRefusal::Unknown) => CliError::NoSuchHub(hub.clone()),
        Err(HubRefusal::Nobody) => CliError::NoSuchUser(email.clone()),
        Err(HubRefusal::NoRole) => CliError::NoRole(hub.clone(), email.clone()),
    };
    Err(refusal.into())
}
