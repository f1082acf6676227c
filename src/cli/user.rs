//! `countersign user`: who there is.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::error::Stop;
use super::output::{Line, Output};
use super::{CliError, prompt, transact};
use crate::domain::event::Origin;
use crate::domain::user::{Email, PersonName, User};
use crate::password;
use crate::store::users::{self, NewUser};
use crate::store::{Conn, Store, staff};

/// What can be done about users.
#[derive(Subcommand)]
pub enum Verb {
    /// Add a user
    ///
    /// Without --password-stdin, the user gets a mail with a link to set a password.
    /// The link works for 7 days. A running server sends the mail.
    Add(Person),
    /// List all users
    List,
    /// Set a user's password
    ///
    /// Asks for the password at the terminal, unless you use --password-stdin. A
    /// password has 8 to 1024 bytes. The old one stops working within 5 seconds.
    Passwd {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
        /// Read the password from stdin; a trailing newline is ignored
        #[arg(long)]
        password_stdin: bool,
    },
    /// Disable a user; their password, API keys and export tokens stop working
    Disable {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
    },
    /// Enable a disabled user
    Enable {
        /// The user's email address
        #[arg(value_parser = Email::new)]
        email: Email,
    },
}

/// A user to be added.
#[derive(Args)]
pub struct Person {
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
struct UserLine<'a> {
    id: i64,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    active: bool,
    staff: bool,
}

impl<'a> From<&'a User> for UserLine<'a> {
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

impl Line for UserLine<'_> {
    const TITLES: &'static [&'static str] = &["ID", "EMAIL", "FIRST NAME", "LAST NAME", "ACTIVE", "STAFF"];

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

/// Does it.
pub fn run(verb: Verb, store: &Store, output: &Output) -> Result<(), CliError> {
    match verb {
        Verb::Add(person) => add(person, store, output),
        Verb::List => {
            let all = store.read(users::all)?;
            output.list(&all.iter().map(UserLine::from).collect::<Vec<_>>())
        }
        Verb::Passwd { email, password_stdin } => set_password(&email, password_stdin, store, output),
        Verb::Disable { email } => set_active(&email, false, store, output),
        Verb::Enable { email } => set_active(&email, true, store, output),
    }
}

fn add(person: Person, store: &Store, output: &Output) -> Result<(), CliError> {
    let password = match person.password_stdin {
        true => Some(password::hash(prompt::password(true)?.expose_secret())?),
        false => None,
    };
    let new = NewUser {
        email: person.email,
        first_name: person.first_name,
        last_name: person.last_name,
        staff: person.staff,
        password,
    };
    let user = transact(store, |conn, now| {
        let added = staff::add_user(conn, &new, &Origin::OPERATOR, now)?;
        Ok(added.ok_or_else(|| CliError::UserExists(new.email.clone()))?)
    })?;
    let email = user.email.as_str();
    let hint = match new.password {
        Some(_) => String::new(),
        None => format!(
            " A mail with a link to set a password is queued; the link works for 7 days. To set a \
             password now, run `countersign user passwd {email}`."
        ),
    };
    output.done(&UserLine::from(&user), &format!("Added {email} as user {}.{hint}", user.id))
}

fn set_password(email: &Email, from_stdin: bool, store: &Store, output: &Output) -> Result<(), CliError> {
    // Before somebody types a password twice for nobody.
    look_up(store, email)?;
    let hash = password::hash(prompt::password(from_stdin)?.expose_secret())?;
    let user = transact(store, |conn, _| {
        let user = find(conn, email)?;
        users::set_password(conn, user.id, &hash, &Origin::OPERATOR)?;
        Ok(user)
    })?;
    output.done(&UserLine::from(&user), &format!("Password of {} set.", email.as_str()))
}

fn set_active(email: &Email, active: bool, store: &Store, output: &Output) -> Result<(), CliError> {
    let user = transact(store, |conn, now| {
        let user = find(conn, email)?;
        let set = staff::set_active(conn, user.id, active, &Origin::OPERATOR, now)?;
        Ok(set.ok_or_else(|| CliError::NoSuchUser(email.clone()))?)
    })?;
    let done = if active { "enabled" } else { "disabled" };
    output.done(&UserLine::from(&user), &format!("{} is {done}.", email.as_str()))
}

/// The user of this address, who should be there.
pub(super) fn find(conn: &mut Conn, email: &Email) -> Result<User, Stop> {
    Ok(users::by_email(conn, email)?.ok_or_else(|| CliError::NoSuchUser(email.clone()))?)
}

/// [`find`], before or without a transaction.
pub(super) fn look_up(store: &Store, email: &Email) -> Result<User, CliError> {
    store.read(|conn| users::by_email(conn, email))?.ok_or_else(|| CliError::NoSuchUser(email.clone()))
}
