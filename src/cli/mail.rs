//! `countersign mail`: the outbox.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::args::ListLimit;
use super::output::{ListItem, Output};
use super::{CliError, GlobalArgs};
use crate::config::Config;
use crate::domain::audit::AuditContext;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::entropy;
use crate::mail::message;
use crate::mail::transport::Transport;
use crate::services::admin::mail;
use crate::store::Store;
use crate::store::outbox::{OutboxMail, OutboxSubject};

/// The subcommands of `countersign mail`.
#[derive(Subcommand)]
pub enum MailCommand {
    /// List mails and the mail server's responses
    List(ListLimit),
    /// Retry a mail that has failed or is waiting for its next attempt
    ///
    /// The mail becomes the next in the queue. A running server sends it. Its
    /// delays between attempts start again.
    Retry {
        /// The mail's ID
        #[arg(required_unless_present = "all")]
        id: Option<Uuid>,
        /// Retry all mails that have failed or are waiting
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Send a test mail to this address
    ///
    /// It is sent to the mail server in SMTP_URL. If SMTP_URL is not set, it is
    /// saved as a file.
    Test {
        /// The email address to send it to
        #[arg(value_parser = Email::new)]
        address: Email,
    },
}

#[derive(Serialize)]
struct MailListItem {
    id: String,
    about: &'static str,
    request: Option<i64>,
    to: Option<String>,
    status: String,
    attempts: i32,
    created_at: String,
    due_at: Option<String>,
    last_error: Option<String>,
}

impl MailListItem {
    fn new(mail: OutboxMail, to: Option<&Email>, now: Timestamp) -> Self {
        let (about, request) = match &mail.subject {
            OutboxSubject::Request(request) => ("request", Some(request.0)),
            // Not published: with the server's key, the id is the link.
            OutboxSubject::PasswordLink(_) => ("password", None),
            OutboxSubject::Decisions { .. } => ("decisions", None),
            OutboxSubject::Daily { .. } => ("daily", None),
            OutboxSubject::Notice { notice, request, .. } => (notice.name(), request.map(|id| id.0)),
        };
        Self {
            id: mail.id.to_string(),
            about,
            request,
            to: to.map(|email| email.as_str().to_owned()),
            attempts: mail.attempts,
            created_at: mail.created_at.rfc3339(),
            due_at: mail.result.is_none().then(|| mail.due_at.rfc3339()),
            status: mail.status(now).to_owned(),
            last_error: mail.last_error,
        }
    }
}

impl ListItem for MailListItem {
    const HEADERS: &'static [&'static str] =
        &["ID", "STATUS", "KIND", "TO", "ATTEMPTS", "CREATED", "NEXT ATTEMPT", "LAST ERROR"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.status.clone(),
            self.request.map_or_else(|| self.about.to_owned(), |request| format!("{} {request}", self.about)),
            self.to.clone().unwrap_or_default(),
            self.attempts.to_string(),
            self.created_at.clone(),
            self.due_at.clone().unwrap_or_default(),
            self.last_error.clone().unwrap_or_default(),
        ]
    }
}

/// Runs a subcommand.
pub(super) fn run(command: MailCommand, global_args: &GlobalArgs, output: &Output) -> Result<(), CliError> {
    match command {
        MailCommand::List(ListLimit { limit }) => list(limit, &global_args.open()?, output),
        MailCommand::Retry { id: Some(id), .. } => retry(id, &global_args.open()?, output),
        MailCommand::Retry { id: None, .. } => retry_all(&global_args.open()?, output),
        MailCommand::Test { address } => send_test(&address, &global_args.config(None)?, output),
    }
}

fn list(limit: i64, store: &Store, output: &Output) -> Result<(), CliError> {
    let mail::ListedMails { mails, recipients, now } = store.read(mail::newest(limit + 1))?;
    let item = |mail: OutboxMail| {
        let to = recipients.get(&mail.id);
        MailListItem::new(mail, to, now)
    };
    output.list_newest::<MailListItem>(mails.into_iter().map(item).collect(), limit)
}

fn retry(id: Uuid, store: &Store, output: &Output) -> Result<(), CliError> {
    if !store.write(mail::retry(id, AuditContext::OPERATOR))? {
        return Err(CliError::NoUnsentMail(id));
    }
    output.success(
        &json!({ "id": id.to_string(), "status": "waiting" }),
        &format!("Mail {id} is next in the queue."),
    )
}

fn retry_all(store: &Store, output: &Output) -> Result<(), CliError> {
    let retried = store.write(mail::retry_all(AuditContext::OPERATOR))?;
    output.success(&json!({ "retried": retried }), &format!("{retried} mails are next in the queue."))
}

fn send_test(address: &Email, config: &Config, output: &Output) -> Result<(), CliError> {
    let id = entropy::uuid();
    let message = message::test_message(id, address, &config.mail_from, config.public_url.as_str())?;
    let transport = Transport::new(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(transport.send(&message, id))?;
    let to = address.as_str();
    match &transport {
        Transport::Directory(path) => {
            let file = path.join(format!("{id}.eml"));
            output.success(
                &json!({ "id": id.to_string(), "to": to, "status": "written", "file": file }),
                &format!("SMTP_URL is not set. The mail was saved as {}.", file.display()),
            )
        }
        Transport::Smtp(_) | Transport::Memory(_) => output.success(
            &json!({ "id": id.to_string(), "to": to, "status": "sent", "file": null }),
            &format!("The mail server accepted the mail to {to}."),
        ),
    }
}
