//! `countersign hub`: hubs and their members.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::output::{ListItem, Output};
use super::{CliError, args};
use crate::domain::audit::AuditContext;
use crate::domain::hub::HubId;
use crate::domain::rights::Role;
use crate::domain::user::Email;
use crate::services::admin::hubs::{self, HubError};
use crate::store::Store;
use crate::store::hubs::Hub;

/// The subcommands of `countersign hub`.
#[derive(Subcommand)]
pub enum HubCommand {
    /// Add a hub
    Add(AddHubArgs),
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
        #[arg(value_parser = args::role())]
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

/// The arguments of `countersign hub add`.
#[derive(Args)]
pub struct AddHubArgs {
    /// The ID that clients and resource servers use, at most 64 characters
    #[arg(value_parser = HubId::new)]
    hub_id: HubId,
    /// The display name, at most 100 characters
    #[arg(long, default_value = "", hide_default_value = true, value_parser = args::short_text)]
    name: String,
    /// The owner's email address
    #[arg(long, value_name = "EMAIL", value_parser = Email::new)]
    owner: Email,
}

#[derive(Serialize)]
struct HubListItem<'a> {
    id: &'a str,
    name: &'a str,
    members: Vec<MemberItem<'a>>,
}

#[derive(Serialize)]
struct MemberItem<'a> {
    email: &'a str,
    role: &'static str,
}

impl<'a> From<&'a Hub> for HubListItem<'a> {
    fn from(hub: &'a Hub) -> Self {
        let member =
            |(email, role): &'a (Email, Role)| MemberItem { email: email.as_str(), role: role.name() };
        Self { id: hub.id.as_str(), name: &hub.name, members: hub.members.iter().map(member).collect() }
    }
}

impl ListItem for HubListItem<'_> {
    const HEADERS: &'static [&'static str] = &["ID", "NAME", "MEMBERS"];

    fn cells(&self) -> Vec<String> {
        let members: Vec<String> =
            self.members.iter().map(|member| format!("{} ({})", member.email, member.role)).collect();
        vec![self.id.to_owned(), self.name.to_owned(), members.join(", ")]
    }
}

/// Runs a subcommand.
pub fn run(command: HubCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        HubCommand::Add(args) => add(args, store, output),
        HubCommand::Grant { hub_id, email, role } => grant(hub_id, email, role, store, output),
        HubCommand::Revoke { hub_id, email } => revoke(hub_id, email, store, output),
        HubCommand::List => {
            let all = store.read(hubs::all())?;
            output.list(&all.iter().map(HubListItem::from).collect::<Vec<_>>())
        }
    }
}

fn add(
    AddHubArgs { hub_id, name, owner }: AddHubArgs,
    store: &Store,
    output: &Output,
) -> Result<(), CliError> {
    let added =
        store.write(hubs::add(hub_id.clone(), name.clone(), owner.clone(), AuditContext::OPERATOR))?;
    added.map_err(|error| cli_error(error, &hub_id, &owner))?;
    let hub = Hub { id: hub_id, name, members: vec![(owner, Role::Owner)] };
    output.success(&HubListItem::from(&hub), &format!("Added hub {}.", hub.id.as_str()))
}

fn grant(hub: HubId, email: Email, role: Role, store: &Store, output: &Output) -> Result<(), CliError> {
    let granted = store.write(hubs::grant_role(hub.clone(), email.clone(), role, AuditContext::OPERATOR))?;
    granted.map_err(|error| cli_error(error, &hub, &email))?;
    let (hub, email, role) = (hub.as_str(), email.as_str(), role.name());
    output.success(
        &json!({ "hub_id": hub, "email": email, "role": role }),
        &format!("{email} now has the role {role} in hub {hub}."),
    )
}

fn revoke(hub: HubId, email: Email, store: &Store, output: &Output) -> Result<(), CliError> {
    let revoked = store.write(hubs::revoke_role(hub.clone(), email.clone(), AuditContext::OPERATOR))?;
    revoked.map_err(|error| cli_error(error, &hub, &email))?;
    let (hub, email) = (hub.as_str(), email.as_str());
    output.success(
        &json!({ "hub_id": hub, "email": email, "role": null }),
        &format!("Removed {email} from hub {hub}."),
    )
}

fn cli_error(error: HubError, hub: &HubId, email: &Email) -> CliError {
    match error {
        HubError::Exists => CliError::HubExists(hub.clone()),
        HubError::UnknownHub => CliError::NoSuchHub(hub.clone()),
        HubError::UnknownUser => CliError::NoSuchUser(email.clone()),
        HubError::LastOwner => CliError::LastOwner(hub.clone(), email.clone()),
        HubError::NotAMember => CliError::NoRole(hub.clone(), email.clone()),
    }
}
