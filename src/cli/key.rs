//! `countersign key`: the API keys of users.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::output::{ListItem, Output};
use super::{CliError, args, user};
use crate::domain::audit::AuditContext;
use crate::domain::token::ApiKeyId;
use crate::domain::user::Email;
use crate::services::admin::api_keys;
use crate::store::Store;
use crate::store::api_keys::{ApiKey, Scope};

/// The subcommands of `countersign key`.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Create an API key and print it once
    Add(AddKeyArgs),
    /// List a user's API keys, without their secrets
    List {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
    },
    /// Revoke an API key; it stops working within 5 seconds
    Revoke {
        /// The API key or its ID
        #[arg(value_parser = args::key_id)]
        id: ApiKeyId,
    },
}

/// The arguments of `countersign key add`.
#[derive(Args)]
pub struct AddKeyArgs {
    /// The email address of the user that the key acts for
    #[arg(value_parser = Email::new)]
    email: Email,
    /// The key's name, at most 100 characters
    #[arg(long, default_value = "", hide_default_value = true, value_parser = args::short_text)]
    label: String,
    /// Restrict the key to this scope; without it, the key has full access
    #[arg(long, value_parser = args::scope())]
    scope: Option<Scope>,
}

#[derive(Serialize)]
struct KeyListItem<'a> {
    id: String,
    label: &'a str,
    scope: Option<&'static str>,
    created_at: String,
    revoked_at: Option<String>,
}

impl<'a> From<&'a ApiKey> for KeyListItem<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            label: &key.label,
            scope: key.scope.name(),
            created_at: key.created_at.rfc3339(),
            revoked_at: key.revoked_at.map(|at| at.rfc3339()),
        }
    }
}

impl ListItem for KeyListItem<'_> {
    const HEADERS: &'static [&'static str] = &["ID", "LABEL", "SCOPE", "CREATED", "REVOKED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.label.to_owned(),
            self.scope.unwrap_or("all").to_owned(),
            self.created_at.clone(),
            self.revoked_at.clone().unwrap_or_default(),
        ]
    }
}

/// A new key, with its secret.
#[derive(Serialize)]
struct CreatedKey<'a> {
    email: &'a str,
    key: &'a str,
    #[serde(flatten)]
    item: KeyListItem<'a>,
}

/// Runs a subcommand.
pub fn run(command: KeyCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        KeyCommand::Add(args) => add(args, store, output),
        KeyCommand::List { email } => {
            let user = user::find(store, &email)?;
            let keys = store.read(api_keys::of_user(user.id))?;
            output.list(&keys.iter().map(KeyListItem::from).collect::<Vec<_>>())
        }
        KeyCommand::Revoke { id } => revoke(id, store, output),
    }
}

fn add(
    AddKeyArgs { email, label, scope }: AddKeyArgs,
    store: &Store,
    output: &Output,
) -> Result<(), CliError> {
    let user = user::find(store, &email)?;
    let scope = scope.unwrap_or(Scope::All);
    let (key, token) = store.write(api_keys::create(user.id, label, scope, AuditContext::OPERATOR))?;
    let (email, secret) = (email.as_str(), token.expose());
    let note = format!("API key {} for {email}. Copy it now, it will not be shown again:", key.id);
    output.secret(&CreatedKey { email, key: &secret, item: KeyListItem::from(&key) }, &secret, &note)
}

fn revoke(id: ApiKeyId, store: &Store, output: &Output) -> Result<(), CliError> {
    if !store.write(api_keys::revoke(id, None, AuditContext::OPERATOR))? {
        return Err(CliError::NoSuchKey(id));
    }
    output.success(&json!({ "id": id.to_string(), "status": "revoked" }), &format!("Revoked API key {id}."))
}
