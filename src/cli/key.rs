//! `countersign key`: the API keys of users.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::output::{Line, Output};
use super::{CliError, argument, transact, user};
use crate::domain::event::Origin;
use crate::domain::token::ApiKeyId;
use crate::domain::user::Email;
use crate::store::Store;
use crate::store::keys::{self, ApiKey, Scope};

/// What can be done about API keys.
#[derive(Subcommand)]
pub enum Verb {
    /// Create an API key and print it once
    Add(Label),
    /// List a user's API keys, without their secrets
    List {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
    },
    /// Revoke an API key; it stops working within 5 seconds
    Revoke {
        /// The API key or its ID
        #[arg(value_parser = argument::key_id)]
        id: ApiKeyId,
    },
}

/// A key to be added.
#[derive(Args)]
pub struct Label {
    /// The email address of the user that the key acts for
    #[arg(value_parser = Email::new)]
    email: Email,
    /// The key's name, at most 100 characters
    #[arg(long, default_value = "", hide_default_value = true, value_parser = argument::name)]
    label: String,
    /// Restrict the key to this scope; without it, the key has full access
    #[arg(long, value_parser = argument::scope())]
    scope: Option<Scope>,
}

#[derive(Serialize)]
struct KeyLine<'a> {
    id: String,
    label: &'a str,
    scope: Option<&'static str>,
    created_at: String,
    revoked_at: Option<String>,
}

impl<'a> From<&'a ApiKey> for KeyLine<'a> {
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

impl Line for KeyLine<'_> {
    const TITLES: &'static [&'static str] = &["ID", "LABEL", "SCOPE", "CREATED", "REVOKED"];

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
struct NewKey<'a> {
    email: &'a str,
    key: &'a str,
    #[serde(flatten)]
    line: KeyLine<'a>,
}

/// Does it.
pub fn run(verb: Verb, store: &Store, output: &Output) -> Result<(), CliError> {
    match verb {
        Verb::Add(label) => add(&label, store, output),
        Verb::List { email } => {
            let user = user::look_up(store, &email)?;
            let keys = store.read(|conn| keys::of_user(conn, user.id))?;
            output.list(&keys.iter().map(KeyLine::from).collect::<Vec<_>>())
        }
        Verb::Revoke { id } => revoke(id, store, output),
    }
}

fn add(label: &Label, store: &Store, output: &Output) -> Result<(), CliError> {
    let (key, token) = transact(store, |conn, now| {
        let user = user::find(conn, &label.email)?;
        let scope = label.scope.unwrap_or(Scope::All);
        Ok(keys::issue(conn, user.id, &label.label, scope, &Origin::OPERATOR, now)?)
    })?;
    let (email, secret) = (label.email.as_str(), token.reveal());
    let remark = format!("API key {} for {email}. Copy it now, it will not be shown again:", key.id);
    output.secret(&NewKey { email, key: &secret, line: KeyLine::from(&key) }, &secret, &remark)
}

fn revoke(id: ApiKeyId, store: &Store, output: &Output) -> Result<(), CliError> {
    transact(store, |conn, now| match keys::revoke(conn, id, None, &Origin::OPERATOR, now)? {
        true => Ok(()),
        false => Err(CliError::NoSuchKey(id).into()),
    })?;
    output.done(&json!({ "id": id.to_string(), "status": "revoked" }), &format!("Revoked API key {id}."))
}
