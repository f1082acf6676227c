//! `countersign user`: users and their passwords.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::output::{ListItem, Output};
use super::{CliError, prompt};
use crate::auth::password;
use crate::domain::audit::AuditContext;
use crate::domain::token::SessionId;
use crate::domain::user::{Email, PersonName, User};
use crate::services::admin::sessions;
use crate::services::admin::users::{self, DisableError};
use crate::services::credentials::{EndedCredentials, KeysOnReset};
use crate::store::Store;
use crate::store::sessions::Session;
use crate::store::users::NewUser;

/// The subcommands of `countersign user`.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Add a user
    ///
    /// Without --password-stdin, the user gets a mail with a link to set a password.
    /// The link works for 7 days. A running server sends the mail.
    Add(AddUserArgs),
    /// List all users
    List,
    /// Set a user's password
    ///
    /// Asks for the password at the terminal, unless you use --password-stdin. A
    /// password has 8 to 1024 bytes. The old one stops working within 5 seconds, and
    /// the user is signed out. If the user had a password, their API keys and export
    /// tokens are revoked, unless you use --keep-keys, and the user gets a mail.
    Passwd {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
        /// Read the password from stdin; a trailing newline is ignored
        #[arg(long)]
        password_stdin: bool,
        /// Keep the user's API keys and export tokens
        #[arg(long)]
        keep_keys: bool,
    },
    /// Disable a user, and end their sessions, API keys and password links
    ///
    /// The user's export tokens stop working, and work again if the user is enabled.
    Disable {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
        /// Revoke the user's export tokens too
        #[arg(long)]
        revoke_tokens: bool,
    },
    /// Enable a disabled user; their ended credentials do not come back
    Enable {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
    },
    /// List the sessions in which a user is signed in to the pages
    Sessions {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
    },
    /// End a session of a user, or all of them
    SignOut {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
        /// The ID of the only session to end
        #[arg(long, value_name = "ID")]
        session: Option<Uuid>,
    },
}

/// The arguments of `countersign user add`.
#[derive(Args)]
pub struct AddUserArgs {
    /// The user's email address, which is also the user name
    #[arg(value_parser = Email::new)]
    email: Email,
    /// The first name, at most 150 characters
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, value_parser = PersonName::new)]
    first_name: PersonName,
    /// The last name, at most 150 characters
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, value_parser = PersonName::new)]
    last_name: PersonName,
    /// Make the user an administrator of this server
    #[arg(long)]
    staff: bool,
    /// Read a password of 8 to 1024 bytes from stdin; a trailing newline is ignored
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Serialize)]
struct UserListItem<'a> {
    id: i64,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    active: bool,
    staff: bool,
}

impl<'a> From<&'a User> for UserListItem<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.as_str(),
            first_name: user.first_name.as_str(),
            last_name: user.last_name.as_str(),
            active: user.active,
            staff: user.staff,
        }
    }
}

impl ListItem for UserListItem<'_> {
    const HEADERS: &'static [&'static str] = &["ID", "EMAIL", "FIRST NAME", "LAST NAME", "ACTIVE", "STAFF"];

    fn cells(&self) -> Vec<String> {
        let yes_or_no = |yes| if yes { "yes" } else { "no" }.to_owned();
        vec![
            self.id.to_string(),
            self.email.to_owned(),
            self.first_name.to_owned(),
            self.last_name.to_owned(),
            yes_or_no(self.active),
            yes_or_no(self.staff),
        ]
    }
}

/// Runs a subcommand.
pub fn run(command: UserCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        UserCommand::Add(args) => add(args, store, output),
        UserCommand::List => {
            let all = store.read(users::all())?;
            output.list(&all.iter().map(UserListItem::from).collect::<Vec<_>>())
        }
        UserCommand::Passwd { email, password_stdin, keep_keys } => {
            let keys = if keep_keys { KeysOnReset::Keep } else { KeysOnReset::Revoke };
            set_password(&email, password_stdin, keys, store, output)
        }
        UserCommand::Disable { email, revoke_tokens } => disable(&email, revoke_tokens, store, output),
        UserCommand::Enable { email } => enable(&email, store, output),
        UserCommand::Sessions { email } => {
            let user = find(store, &email)?;
            let sessions = store.read(sessions::of_user(user.id))?;
            output.list(&sessions.iter().map(SessionListItem::from).collect::<Vec<_>>())
        }
        UserCommand::SignOut { email, session } => sign_out(&email, session, store, output),
    }
}

fn add(args: AddUserArgs, store: &Store, output: &Output) -> Result<(), CliError> {
    let password = match args.password_stdin {
        true => Some(password::hash(prompt::password(true)?.expose_secret())?),
        false => None,
    };
    let new = NewUser {
        email: args.email,
        first_name: args.first_name,
        last_name: args.last_name,
        staff: args.staff,
        password,
    };
    let (new_email, has_password) = (new.email.clone(), new.password.is_some());
    let added = store.write(users::add(new, AuditContext::OPERATOR))?;
    let user = added.ok_or(CliError::UserExists(new_email))?;
    let email = user.email.as_str();
    let next_step = match has_password {
        true => String::new(),
        false => format!(
            " A mail with a link to set a password is queued; the link works for 7 days. To set a \
             password now, run `countersign user passwd {email}`."
        ),
    };
    output.success(&UserListItem::from(&user), &format!("Added {email} as user {}.{next_step}", user.id))
}

fn set_password(
    email: &Email,
    from_stdin: bool,
    keys: KeysOnReset,
    store: &Store,
    output: &Output,
) -> Result<(), CliError> {
    // Before the operator types a password twice for a user who does not exist.
    let user = find(store, email)?;
    let hash = password::hash(prompt::password(from_stdin)?.expose_secret())?;
    let ended = store.write(users::set_password(user.id, hash, keys, AuditContext::OPERATOR))?;
    let ended = ended.ok_or_else(|| CliError::NoSuchUser(email.clone()))?;
    let EndedCredentials { api_keys, export_tokens, .. } = ended;
    let revoked = match api_keys + export_tokens {
        0 => String::new(),
        _ => format!(" Revoked: {api_keys} API keys, {export_tokens} export tokens."),
    };
    let item = ChangedUser { user: UserListItem::from(&user), ended };
    output.success(&item, &format!("Password of {} set.{revoked}", email.as_str()))
}

/// A user, and what a command ended.
#[derive(Serialize)]
struct ChangedUser<'a> {
    #[serde(flatten)]
    user: UserListItem<'a>,
    ended: EndedCredentials,
}

fn disable(email: &Email, revoke_tokens: bool, store: &Store, output: &Output) -> Result<(), CliError> {
    let id = find(store, email)?.id;
    let disabled = store.write(users::disable(id, revoke_tokens, AuditContext::OPERATOR))?;
    let (user, ended) = disabled.map_err(|error| match error {
        DisableError::UnknownUser => CliError::NoSuchUser(email.clone()),
        DisableError::LastStaff => CliError::LastStaff(email.clone()),
    })?;
    let EndedCredentials { sessions, api_keys, password_links, export_tokens } = ended;
    output.success(
        &ChangedUser { user: UserListItem::from(&user), ended },
        &format!(
            "{} is disabled. Ended: {sessions} sessions, {api_keys} API keys, {password_links} password \
             links, {export_tokens} export tokens.",
            email.as_str()
        ),
    )
}

fn enable(email: &Email, store: &Store, output: &Output) -> Result<(), CliError> {
    let id = find(store, email)?.id;
    let user = store.write(users::enable(id, AuditContext::OPERATOR))?;
    let user = user.ok_or_else(|| CliError::NoSuchUser(email.clone()))?;
    output.success(&UserListItem::from(&user), &format!("{} is enabled.", email.as_str()))
}

#[derive(Serialize)]
struct SessionListItem<'a> {
    id: String,
    created_at: String,
    expires_at: String,
    address: Option<&'a str>,
    client: Option<&'a str>,
}

impl<'a> From<&'a Session> for SessionListItem<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            id: session.id.to_string(),
            created_at: session.created_at.rfc3339(),
            expires_at: session.expires_at.rfc3339(),
            address: session.ip.as_deref(),
            client: session.user_agent.as_deref(),
        }
    }
}

impl ListItem for SessionListItem<'_> {
    const HEADERS: &'static [&'static str] = &["ID", "CREATED", "EXPIRES", "ADDRESS", "CLIENT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.created_at.clone(),
            self.expires_at.clone(),
            self.address.unwrap_or_default().to_owned(),
            self.client.unwrap_or_default().to_owned(),
        ]
    }
}

fn sign_out(email: &Email, session: Option<Uuid>, store: &Store, output: &Output) -> Result<(), CliError> {
    let user = find(store, email)?.id;
    let ended = match session {
        Some(id) if store.write(sessions::end(user, SessionId(id), AuditContext::OPERATOR))? => 1,
        Some(id) => return Err(CliError::NoSuchSession(SessionId(id), email.clone())),
        None => store.write(sessions::end_all(user, AuditContext::OPERATOR))?,
    };
    let email = email.as_str();
    output.success(&json!({ "email": email, "ended": ended }), &format!("Ended {ended} sessions of {email}."))
}

/// The user with this email address, or the error that says how to add one.
pub(super) fn find(store: &Store, email: &Email) -> Result<User, CliError> {
    store.read(users::by_email(email.clone()))?.ok_or_else(|| CliError::NoSuchUser(email.clone()))
}
