//! `countersign webhook`: the webhooks of users.

use std::sync::Arc;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;

use super::output::{ListItem, Output};
use super::webhook_delivery::{self, ReplayArgs};
use super::{CliError, GlobalArgs, args, user};
use crate::domain::audit::AuditContext;
use crate::domain::bundle::Description;
use crate::domain::user::Email;
use crate::domain::webhook::{EventFilter, EventScope, Webhook, WebhookId};
use crate::services::webhooks;
use crate::store::webhooks::NewWebhook;
use crate::webhook::AddressPolicy;

/// The subcommands of `countersign webhook`.
#[derive(Subcommand)]
pub enum WebhookCommand {
    /// List webhooks, without their secrets
    List {
        /// Only those of the user with this email address
        #[arg(value_parser = Email::new)]
        email: Option<Email>,
    },
    /// Create a webhook and print its secret once
    Add(AddWebhookArgs),
    /// Send a test through a running server and wait for its outcome
    ///
    /// A webhook that the server has disabled is enabled again if the test succeeds.
    Test {
        /// The webhook's number
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        id: i64,
    },
    /// Send again what failed or was cancelled
    Replay(ReplayArgs),
    /// Delete a webhook and its deliveries
    Delete {
        /// The webhook's number
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        id: i64,
    },
}

/// The arguments of `countersign webhook add`.
#[derive(Args)]
pub struct AddWebhookArgs {
    /// The email address of the user whose events are sent
    #[arg(value_parser = Email::new)]
    email: Email,
    /// The URL to which they are sent: https on port 443 of a public address
    url: String,
    /// Audit actions or prefixes, e.g. request.approved,permission.*
    #[arg(long, value_name = "EVENTS", value_parser = args::event_filter)]
    events: EventFilter,
    /// A note about the receiver
    #[arg(long, default_value = "", hide_default_value = true, value_parser = Description::new)]
    description: Description,
    /// Send the events of all users; only for administrators
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct WebhookListItem<'a> {
    id: i64,
    owner: &'a str,
    url: &'a str,
    events: Vec<String>,
    scope: &'static str,
    description: &'a str,
    created_at: String,
    active: bool,
    disabled_reason: Option<&'static str>,
    failures: i32,
}

impl<'a> WebhookListItem<'a> {
    fn new(webhook: &'a Webhook, owner: &'a Email) -> Self {
        Self {
            id: webhook.id.0,
            owner: owner.as_str(),
            url: webhook.url.as_str(),
            events: webhook.events.entries().collect(),
            scope: webhook.scope.name(),
            description: webhook.description.as_str(),
            created_at: webhook.created_at.rfc3339(),
            active: webhook.is_active(),
            disabled_reason: webhook.disabled.map(|(_, reason)| reason.name()),
            failures: webhook.failures,
        }
    }
}

impl ListItem for WebhookListItem<'_> {
    const HEADERS: &'static [&'static str] =
        &["ID", "OWNER", "URL", "EVENTS", "SCOPE", "FAILURES", "DISABLED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.owner.to_owned(),
            self.url.to_owned(),
            self.events.join(","),
            self.scope.to_owned(),
            self.failures.to_string(),
            self.disabled_reason.unwrap_or_default().to_owned(),
        ]
    }
}

/// A new webhook, with its secret.
#[derive(Serialize)]
struct CreatedWebhook<'a> {
    secret: &'a str,
    #[serde(flatten)]
    item: WebhookListItem<'a>,
}

/// Runs a subcommand.
pub(super) fn run(
    command: WebhookCommand,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    match command {
        WebhookCommand::List { email } => {
            let store = global_args.open()?;
            let owner = email.map(|email| user::find(&store, &email)).transpose()?;
            let listed = store.read(webhooks::with_owners(owner.map(|owner| owner.id)))?;
            let items = listed.iter().map(|(webhook, owner)| WebhookListItem::new(webhook, owner));
            output.list(&items.collect::<Vec<_>>())
        }
        WebhookCommand::Add(args) => add(args, global_args, output),
        WebhookCommand::Test { id } => webhook_delivery::test(WebhookId(id), &global_args.open()?, output),
        WebhookCommand::Replay(args) => webhook_delivery::replay(&args, &global_args.open()?, output),
        WebhookCommand::Delete { id } => delete(WebhookId(id), global_args, output),
    }
}

fn add(
    AddWebhookArgs { email, url, events, description, all }: AddWebhookArgs,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    let config = global_args.config(None)?;
    let url = AddressPolicy::new(&config.webhooks).parse_url(&url)?;
    let store = global_args.open()?;
    // The server could not open what another secret seals.
    if let Some(path) = config.missing_secret_file() {
        return Err(CliError::NoSecretFile(path.to_owned()));
    }
    let owner = user::find(&store, &email)?;
    if all && !owner.staff {
        return Err(CliError::NotStaff(email));
    }
    let scope = if all { EventScope::All } else { EventScope::Own };
    let new = NewWebhook { owner: owner.id, url, events, scope, description, active: true };
    let added = webhooks::add(new, Arc::new(config.keyring()?), AuditContext::OPERATOR);
    let (webhook, secret) =
        store.write(added)?.map_err(|_| CliError::TooManyWebhooks(owner.email.clone()))?;
    let note = format!(
        "Webhook {} for {}. Copy its secret now, it will not be shown again:",
        webhook.id,
        owner.email.as_str()
    );
    let text = secret.text();
    let secret = text.expose_secret();
    output.secret(
        &CreatedWebhook { secret, item: WebhookListItem::new(&webhook, &owner.email) },
        secret,
        &note,
    )
}

fn delete(id: WebhookId, global_args: &GlobalArgs, output: &Output) -> Result<(), CliError> {
    if !global_args.open()?.write(webhooks::delete(id, None, AuditContext::OPERATOR))? {
        return Err(CliError::NoSuchWebhook(id));
    }
    output.success(&json!({ "id": id.0, "status": "deleted" }), &format!("Deleted webhook {id}."))
}
