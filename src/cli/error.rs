//! Why a verb failed, in one sentence that says what to do.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::demo::DemoError;
use super::import::{Report, TableError};
use crate::app::AppError;
use crate::config::ConfigError;
use crate::domain::hub::HubId;
use crate::domain::request::RequestId;
use crate::domain::token::{ApiKeyId, ExportId};
use crate::domain::user::Email;
use crate::mail::message::ComposeError;
use crate::mail::transport::{SendError, TransportError};
use crate::password::PasswordError;
use crate::store::{QueryError, StoreError};

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The settings do not hold together.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The database did not do it.
    #[error("{error}; {remedy}", error = one_line(&.0.to_string()), remedy = remedy(.0))]
    Store(#[from] StoreError),
    /// The address is taken.
    #[error("there is a user {} already; `countersign user list` shows all", .0.as_str())]
    UserExists(Email),
    /// Nobody has the address.
    #[error("there is no user {email}; `countersign user add {email}` adds one", email = .0.as_str())]
    NoSuchUser(Email),
    /// The hub's id is taken.
    #[error("there is a hub {} already; `countersign hub grant` gives a role in it", .0.as_str())]
    HubExists(HubId),
    /// No hub has the id.
    #[error("there is no hub {}; `countersign hub list` shows all", .0.as_str())]
    NoSuchHub(HubId),
    /// The user has no role in the hub.
    #[error("{} has no role in hub {}; `countersign hub list` shows who has", .1.as_str(), .0.as_str())]
    NoRole(HubId, Email),
    /// No API key has the id.
    #[error("there is no API key {0}; `countersign key list EMAIL` shows a user's")]
    NoSuchKey(ApiKeyId),
    /// No export token has the id, or the secret is not the token's.
    #[error(
        "there is no export token {0}, or it has another secret; `countersign token list` shows the newest"
    )]
    NoSuchToken(ExportId),
    /// No request of this number waits for its target.
    #[error("there is no pending request {0}; `countersign request list` shows the newest")]
    NoPendingRequest(RequestId),
    /// No mail of this id could be sent again.
    #[error(
        "there is no unsent mail {0}, or it is being sent right now; `countersign mail list` shows the newest"
    )]
    NoUnsentMail(Uuid),
    /// A password cannot be taken.
    #[error("the password {0}; choose another")]
    Password(#[from] PasswordError),
    /// Somebody slipped.
    #[error("the two passwords differ; try again")]
    PasswordsDiffer,
    /// There is nobody to ask.
    #[error("there is no terminal to ask for the password at; give --password-stdin and write it to stdin")]
    NoTerminal,
    /// The password could not be read.
    #[error("the password could not be read ({0}); try again")]
    Input(io::Error),
    /// The deed was done and cannot be told.
    #[error("it was done, but the answer could not be written ({0}); see that stdout can be written to")]
    Output(io::Error),
    /// A mail cannot be put together.
    #[error("{0}")]
    Compose(#[from] ComposeError),
    /// A file cannot be imported.
    #[error("{} cannot be imported: {}", .0.display(), .1)]
    ImportFile(PathBuf, TableError),
    /// Some of a file's lines cannot be.
    #[error("{0}")]
    BadLines(Report),
    /// There is no way out for mail.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// A mail did not leave.
    #[error("the mail could not be sent: {0}; see that SMTP_URL and MAIL_FROM are right")]
    Send(#[from] SendError),
    /// This machine gives us nothing to wait with.
    #[error("the mail could not be sent: {0}; try again")]
    Runtime(io::Error),
    /// The server does not run.
    #[error("{}", one_line(&.0.to_string()))]
    App(AppError),
    /// The demo did not go as it should.
    #[error("{0}")]
    Demo(#[from] DemoError),
}

/// What has a sentence of its own here keeps it.
impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Config(error) => error.into(),
            AppError::Store(error) => error.into(),
            AppError::Transport(error) => error.into(),
            AppError::Template(_)
            | AppError::Bind { .. }
            | AppError::Server(_)
            | AppError::Actor(_)
            | AppError::Stuck => Self::App(error),
        }
    }
}

/// Why a transaction of the operator's is rolled back.
pub(super) enum Stop {
    /// It is not to be done, whatever the database says.
    Refused(CliError),
    /// The database did not do it.
    Failed(QueryError),
}

impl From<CliError> for Stop {
    fn from(refusal: CliError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Self::Failed(error)
    }
}

/// What to do about a database that did not do it.
fn remedy(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "see that it runs, and that its URL is right",
        StoreError::Unknown => "look whether it was done before you try again",
        StoreError::Refused(_) => "nothing was done, and you may try again",
    }
}

/// Wrong usage, without the hints that follow it in print.
pub(super) fn in_one_sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    one_line(first.trim_start_matches("error: "))
}

/// Text of several lines, as libpq's is, on one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
