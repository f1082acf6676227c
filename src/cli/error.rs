//! Why a verb failed, in one sentence that says what to do.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::demo::DemoError;
use super::import::{CsvError, ImportErrors};
use crate::app::AppError;
use crate::auth::password::PasswordError;
use crate::config::ConfigError;
use crate::domain::hub::HubId;
use crate::domain::permission_request::RequestId;
use crate::domain::token::{ApiKeyId, ExportId};
use crate::domain::user::Email;
use crate::mail::message::ComposeError;
use crate::mail::transport::{SendError, TransportError};
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
    #[error("user {} already exists; run `countersign user list` to see all users", .0.as_str())]
    UserExists(Email),
    /// Nobody has the address.
    #[error("user {email} not found; run `countersign user add {email}` to add the user", email = .0.as_str())]
    NoSuchUser(Email),
    /// The hub's id is taken.
    #[error("hub {} already exists; run `countersign hub grant` to give a user a role in it", .0.as_str())]
    HubExists(HubId),
    /// No hub has the id.
    #[error("hub {} not found; run `countersign hub list` to see all hubs", .0.as_str())]
    NoSuchHub(HubId),
    /// The user has no role in the hub.
    #[error("{} has no role in hub {}; run `countersign hub list` to see its members", .1.as_str(), .0.as_str())]
    NoRole(HubId, Email),
    /// No API key has the id.
    #[error("API key {0} not found; run `countersign key list EMAIL` to see the keys of a user")]
    NoSuchKey(ApiKeyId),
    /// No export token has the id, or the secret is not the token's.
    #[error(
        "export token {0} not found, or its secret is wrong; run `countersign token list` to see the newest tokens"
    )]
    NoSuchToken(ExportId),
    /// No request of this number waits for its target.
    #[error("pending request {0} not found; run `countersign request list` to see the newest requests")]
    NoPendingRequest(RequestId),
    /// No mail of this id could be sent again.
    #[error(
        "mail {0} not found, already sent, or being sent now; run `countersign mail list` to see the newest mails"
    )]
    NoUnsentMail(Uuid),
    /// A password cannot be taken.
    #[error("the password {0}; choose another password")]
    Password(#[from] PasswordError),
    /// Somebody slipped.
    #[error("the passwords do not match; try again")]
    PasswordsDiffer,
    /// There is nobody to ask.
    #[error("no terminal to ask for the password; use --password-stdin and write the password to stdin")]
    NoTerminal,
    /// The password could not be read.
    #[error("could not read the password ({0}); try again")]
    Input(io::Error),
    /// The deed was done and cannot be told.
    #[error(
        "the command succeeded, but its output could not be written ({0}); check that stdout is writable"
    )]
    Output(io::Error),
    /// A mail cannot be put together.
    #[error("{0}")]
    Compose(#[from] ComposeError),
    /// A file cannot be imported.
    #[error("cannot import {}: {}", .0.display(), .1)]
    ImportFile(PathBuf, CsvError),
    /// Some of a file's lines cannot be.
    #[error("{0}")]
    InvalidLines(ImportErrors),
    /// There is no way out for mail.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// A mail did not leave.
    #[error("could not send the mail: {0}; check SMTP_URL and MAIL_FROM")]
    Send(#[from] SendError),
    /// This machine gives us nothing to wait with.
    #[error("could not send the mail: {0}; try again")]
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
            | AppError::ActorStopped(_)
            | AppError::DatabaseStalled => Self::App(error),
        }
    }
}

/// Why a transaction of the operator's is rolled back.
pub(super) enum TxAbort {
    /// It is not to be done, whatever the database says.
    Rejected(CliError),
    /// The database did not do it.
    Database(QueryError),
}

impl From<CliError> for TxAbort {
    fn from(refusal: CliError) -> Self {
        Self::Rejected(refusal)
    }
}

impl From<QueryError> for TxAbort {
    fn from(error: QueryError) -> Self {
        Self::Database(error)
    }
}

/// What to do about a database that did not do it.
fn remedy(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "check that the database is running and that its URL is correct",
        StoreError::OutcomeUnknown => "check whether the change was made before you try again",
        StoreError::QueryFailed(_) => "nothing was changed; try again",
    }
}

/// Wrong usage, without the hints that follow it in print.
pub(super) fn usage_error_summary(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    one_line(first.trim_start_matches("error: "))
}

/// Text of several lines, as libpq's is, on one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
