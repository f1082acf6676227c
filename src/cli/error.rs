//! Errors of the command line. Each message says what failed and what to do about it.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::demo::DemoError;
use super::import::{CsvError, ImportErrors};
use super::log_filter::InvalidLogFilter;
use crate::app::AppError;
use crate::auth::password::PasswordError;
use crate::config::ConfigError;
use crate::domain::bundle_permission::BundlePermissionId;
use crate::domain::hub::HubId;
use crate::domain::jws::InvalidJws;
use crate::domain::permission_request::RequestId;
use crate::domain::seal::Fault;
use crate::domain::token::{ApiKeyId, ExportId, SessionId};
use crate::domain::user::Email;
use crate::domain::webhook::{MAX_WEBHOOKS_PER_USER, WebhookId};
use crate::mail::message::ComposeError;
use crate::mail::transport::{SendError, TransportError};
use crate::store::StoreError;
use crate::store::seals::SealError;
use crate::store::signing_keys::SealedUnderOtherSecret;
use crate::tasks::audit_stream::AuditStreamError;
use crate::webhook::UnusableUrl;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    LogFilter(#[from] InvalidLogFilter),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{error}; {remedy}", error = one_line(&.0.to_string()), remedy = remedy(.0))]
    Store(#[from] StoreError),
    #[error(
        "no database at {}; run the command in the server's directory, or set DATABASE_URL or --database-url (`countersign migrate` creates a database)",
        .0.display()
    )]
    NoDatabaseFile(PathBuf),
    #[error(
        "the PostgreSQL database in DATABASE_URL has no countersign tables; check the name of the database (`countersign migrate` creates the tables)"
    )]
    EmptyDatabase,
    #[error("user {} already exists; run `countersign user list` to see all users", .0.as_str())]
    UserExists(Email),
    #[error("user {email} not found; run `countersign user add {email}` to add the user", email = .0.as_str())]
    NoSuchUser(Email),
    #[error("{} is the last active administrator; add another one with `countersign user add EMAIL --staff`", .0.as_str())]
    LastStaff(Email),
    #[error("{} is the last owner of hub {}; give another user the role owner first", .1.as_str(), .0.as_str())]
    LastOwner(HubId, Email),
    #[error("hub {} already exists; run `countersign hub grant` to give a user a role in it", .0.as_str())]
    HubExists(HubId),
    #[error("hub {} not found; run `countersign hub list` to see all hubs", .0.as_str())]
    NoSuchHub(HubId),
    #[error("{} has no role in hub {}; run `countersign hub list` to see its members", .1.as_str(), .0.as_str())]
    NoRole(HubId, Email),
    #[error("API key {0} not found; run `countersign key list EMAIL` to see the keys of a user")]
    NoSuchKey(ApiKeyId),
    #[error("{email} has no session {0}; run `countersign user sessions {email}` to see the sessions", email = .1.as_str())]
    NoSuchSession(SessionId, Email),
    #[error(
        "export token {0} not found, or its secret is wrong; run `countersign token list` to see the newest tokens"
    )]
    NoSuchToken(ExportId),
    #[error(
        "active permission {0} not found; run `countersign permission list` to see the newest permissions"
    )]
    NoActivePermission(BundlePermissionId),
    #[error("pending request {0} not found; run `countersign request list` to see the newest requests")]
    NoPendingRequest(RequestId),
    #[error(
        "mail {0} not found, already sent, or being sent now; run `countersign mail list` to see the newest mails"
    )]
    NoUnsentMail(Uuid),
    #[error("webhook {0} not found; run `countersign webhook list` to see all webhooks")]
    NoSuchWebhook(WebhookId),
    #[error(
        "webhook {0} has no delivery {1}; `GET /api/webhook/{0}/delivery/` lists those of the last 30 days"
    )]
    NoSuchDelivery(WebhookId, Uuid),
    #[error(
        "webhook {0} is disabled; if the server disabled it, run `countersign webhook test {0}`, which enables it if the test succeeds"
    )]
    WebhookDisabled(WebhookId),
    #[error("the test of webhook {0} failed: {1}")]
    WebhookTestFailed(WebhookId, String),
    #[error(
        "the test of webhook {0} was not sent within 20 seconds and stays queued; check that a server is running, and that no earlier events wait for the webhook"
    )]
    WebhookTestNotSent(WebhookId),
    #[error("the URL {0}; see the setting webhooks.allow for other addresses and ports")]
    WebhookUrl(#[from] UnusableUrl),
    #[error("{} is not an administrator; leave out --all for the events that the user can see", .0.as_str())]
    NotStaff(Email),
    #[error("{} has {MAX_WEBHOOKS_PER_USER} webhooks, which is the limit; delete one with `countersign webhook delete ID`", .0.as_str())]
    TooManyWebhooks(Email),
    #[error("cannot read the receipt {}: {}", .0.display(), .1)]
    ReceiptFile(PathBuf, io::Error),
    #[error("{} is not a valid receipt: {}", .0.display(), .1)]
    Receipt(PathBuf, InvalidJws),
    #[error("cannot read the keys in {}: {}; download them from /.well-known/jwks.json of the server", .0.display(), .1)]
    JwksFile(PathBuf, String),
    #[error(
        "the secret file {} does not exist; run the command in the server's directory, or set COUNTERSIGN_SECRET to the server's secret",
        .0.display()
    )]
    NoSecretFile(PathBuf),
    #[error(transparent)]
    SigningKey(SealedUnderOtherSecret),
    #[error("{0}")]
    AuditLog(#[from] Fault),
    #[error("the audit log has no seal yet; a running server seals it every ten seconds")]
    NoSeal,
    #[error("cannot read a seal from {}: {}; `countersign audit anchor` prints one", .0.display(), .1)]
    AnchorFile(PathBuf, String),
    #[error("another process has just replaced the key; run the command again if you want yet another one")]
    KeyReplacedMeanwhile,
    #[error("the password {0}; choose another password")]
    Password(#[from] PasswordError),
    #[error("the passwords do not match; try again")]
    PasswordsDiffer,
    #[error("no terminal to ask for the password; use --password-stdin and write the password to stdin")]
    NoTerminal,
    #[error("could not read the password ({0}); try again")]
    Input(io::Error),
    #[error(
        "the command succeeded, but its output could not be written ({0}); check that stdout is writable"
    )]
    Output(io::Error),
    #[error("{0}")]
    Compose(#[from] ComposeError),
    #[error("cannot import {}: {}", .0.display(), .1)]
    ImportFile(PathBuf, CsvError),
    #[error("{0}")]
    InvalidLines(ImportErrors),
    #[error("{0}")]
    Transport(#[from] TransportError),
    #[error("could not send the mail: {0}; check SMTP_URL and MAIL_FROM")]
    Send(#[from] SendError),
    #[error("could not send the mail: {0}; try again")]
    Runtime(io::Error),
    #[error("{}", one_line(&.0.to_string()))]
    App(AppError),
    #[error("{0}")]
    Demo(#[from] DemoError),
}

/// Errors that have a variant of their own become that variant, so that their message ends with a
/// remedy.
impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Config(error) => error.into(),
            AppError::Store(error) | AppError::AuditStream(AuditStreamError::Store(error)) => error.into(),
            AppError::Transport(error) => error.into(),
            AppError::Template(_)
            | AppError::Tls(_)
            | AppError::AuditStream(_)
            | AppError::PublicPath(_)
            | AppError::Tracer(_)
            | AppError::Bind { .. }
            | AppError::Server(_)
            | AppError::ActorStopped(_)
            | AppError::DatabaseStalled => Self::App(error),
        }
    }
}

impl From<SealError> for CliError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Store(error) => error.into(),
            SealError::Key(error) => Self::SigningKey(error),
        }
    }
}

/// What the operator can do about a database error.
fn remedy(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "check that the database is running and that its URL is correct",
        StoreError::Unsuitable(_) => "nothing was changed",
        StoreError::OutcomeUnknown => "check whether the change was made before you try again",
        StoreError::QueryFailed(_) => "nothing was changed; try again",
    }
}

/// The first sentence of a usage error, without the hints that clap prints after it.
pub(super) fn usage_error_summary(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    one_line(first.trim_start_matches("error: "))
}

/// Joins a text of several lines, such as libpq's errors, into one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
