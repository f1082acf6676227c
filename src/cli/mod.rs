//! The command line, one file per group of commands. Commands work on the server's database,
//! whether or not a server is running. Every change is one transaction with its audit log entry.

mod args;
mod audit;
mod bundle;
mod demo;
mod error;
mod hub;
mod import;
mod key;
mod log_filter;
mod mail;
mod output;
mod permission;
mod progress;
mod prompt;
mod purge;
mod receipt;
mod request;
mod token;
mod user;
mod webhook;
mod webhook_delivery;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::app;
use crate::config::{CliOverrides, Config, ConfigError, DatabaseUrl, LogFormat};
use crate::domain::audit::AuditContext;
use crate::store::ledger::{self, Command, Operation};
use crate::store::{Clock, Store};
use crate::telemetry::log;

pub use error::CliError;
use log_filter::InvalidLogFilter;
use output::Output;

/// Connections of a command: it runs one query at a time.
const POOL_SIZE: u32 = 1;

/// A self-hosted token and consent server.
///
/// It issues export tokens that give access to one node of a hub, and handles
/// consent requests that can be approved only once. `countersign serve` runs the
/// server. The other commands work on its database, whether or not a server is
/// running.
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    global_args: GlobalArgs,
    #[command(subcommand)]
    command: CliCommand,
}

/// The heading in the help texts for the flags that every command takes.
const GLOBAL_OPTIONS: &str = "Global options";

const AFTER_HELP: &str = "\
Flags override environment variables (DATABASE_URL, SMTP_URL, PUBLIC_URL, BIND,
…), which override countersign.toml. By default, the database is the SQLite file
data/countersign.db.

Other users of this machine can see command-line flags. Put a URL that contains a
password in DATABASE_URL, or in a file that DATABASE_URL_FILE names.

Exit status: 0 success, 1 failure, 2 invalid usage.";

#[derive(Args)]
struct GlobalArgs {
    /// Print JSON; errors are JSON on stderr
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS)]
    json: bool,
    /// Read settings from this file instead of ./countersign.toml
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL_OPTIONS)]
    config: Option<PathBuf>,
    /// Use this database: postgres://… or sqlite://PATH
    #[arg(long, global = true, value_name = "URL", help_heading = GLOBAL_OPTIONS)]
    database_url: Option<String>,
}

#[derive(Subcommand)]
enum CliCommand {
    /// Run the server
    ///
    /// By default, the server listens on 127.0.0.1:8080, stores its data in ./data
    /// and saves mail as files in ./data/outbox.
    Serve {
        /// Listen on this address and port
        #[arg(long, value_name = "ADDRESS:PORT")]
        bind: Option<String>,
    },
    /// Run a demo server with two users, and show each step as a curl command
    Demo {
        /// Exit after the demo steps
        #[arg(long)]
        once: bool,
        /// Listen on this address and port [default: 127.0.0.1:8080, or another port if it is in use]
        #[arg(long, value_name = "ADDRESS:PORT")]
        bind: Option<SocketAddr>,
    },
    /// Create the database, or update its schema
    ///
    /// `serve`, `demo`, `import` and this command create a database. Every other
    /// command only updates the schema of one that exists.
    Migrate,
    /// Manage users and their passwords
    #[command(subcommand)]
    User(user::UserCommand),
    /// Manage API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Manage hubs and their members
    #[command(subcommand)]
    Hub(hub::HubCommand),
    /// Manage bundles, the named sets of rights that users request from each other
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// List and revoke export tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// List and withdraw permission requests
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// List and revoke permissions
    #[command(subcommand)]
    Permission(permission::PermissionCommand),
    /// Verify receipts of consents, or replace the key that signs them
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// Verify the seals of the audit log, or print the last one
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Manage webhooks, the URLs to which users have events sent
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// List and retry mails, or send a test mail
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Import users and requests from CSV files
    ///
    /// The whole file is checked first. If any line is invalid, nothing is
    /// imported. You can import a file again: existing entries are skipped.
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Delete old records
    ///
    /// Deletes expired and revoked export tokens and API keys, closed requests and
    /// their mails, and old audit log entries. If `audit.keep_days` is configured,
    /// it applies to the audit log instead. Permissions are never deleted. You can
    /// run this while a server is running: it works in small steps.
    Purge(purge::PurgeArgs),
}

/// Parses the arguments. `Err` is the exit code after the help, the version or a usage error
/// has been printed.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
            Output::new(true).error(&error::usage_error_summary(&error));
        } else {
            // If stderr is closed, nothing can be reported.
            let _ = error.print();
        }
        if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    })
}

/// Runs the command. Errors are printed before this returns.
pub fn run(cli: Cli) -> ExitCode {
    let output = Output::new(cli.global_args.json);
    match cli.run(&output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::InvalidLines(report)) => {
            output.error_with_details(&report, report.lines(), report.unreported());
            ExitCode::FAILURE
        }
        Err(error) => {
            output.error(&error);
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    /// The log filter: `RUST_LOG`, or the default of the command. Only the server logs what it does: the other
    /// commands print their results and errors.
    fn log_filter(&self) -> Result<EnvFilter, InvalidLogFilter> {
        let default = match self.command {
            CliCommand::Serve { .. } => "info",
            _ => "warn,r2d2=off",
        };
        let rust_log = environment_variable("RUST_LOG").filter(|filter| !filter.trim().is_empty());
        log_filter::parse(rust_log.as_deref().unwrap_or(default))
    }

    fn run(self, output: &Output) -> Result<(), CliError> {
        let filter = self.log_filter()?;
        let Self { global_args, command } = self;
        let log_format = match &command {
            CliCommand::Serve { bind } => global_args.config(bind.clone())?.log_format,
            _ => LogFormat::Text,
        };
        log::init(filter, log_format);
        let open = || global_args.open();
        match command {
            CliCommand::Serve { bind } => Ok(app::serve(global_args.config(bind)?)?),
            CliCommand::Demo { once, bind } => demo::run(once, bind),
            CliCommand::Migrate => {
                global_args.open_or_create()?;
                output.success(&json!({ "status": "migrated" }), "The database schema is up to date.")
            }
            CliCommand::User(command) => user::run(command, &open()?, output),
            CliCommand::Key(command) => key::run(command, &open()?, output),
            CliCommand::Hub(command) => hub::run(command, &open()?, output),
            CliCommand::Bundle(command) => bundle::run(command, &open()?, output),
            CliCommand::Token(command) => token::run(command, &open()?, output),
            CliCommand::Request(command) => request::run(command, &open()?, output),
            CliCommand::Permission(command) => permission::run(command, &open()?, output),
            CliCommand::Receipt(command) => receipt::run(command, &global_args, output),
            CliCommand::Audit(command) => audit::run(command, &global_args, output),
            CliCommand::Webhook(command) => webhook::run(command, &global_args, output),
            CliCommand::Mail(command) => mail::run(command, &global_args, output),
            CliCommand::Import(command) => import::run(command, &global_args, output),
            CliCommand::Purge(args) => purge::run(&args, &global_args, output),
        }
    }
}

impl GlobalArgs {
    /// Loads the configuration from flags, environment and file.
    fn config(&self, bind: Option<String>) -> Result<Config, ConfigError> {
        let flags = CliOverrides { bind, database_url: self.database_url.clone(), ..CliOverrides::default() };
        Config::load(self.config.as_deref(), environment_variable, flags)
    }

    /// Opens the database and migrates it. It must exist: a command in the wrong directory would otherwise succeed on
    /// a new one that no server uses.
    fn open(&self) -> Result<Store, CliError> {
        let config = self.config(None)?;
        if let DatabaseUrl::Sqlite(path) = &config.database_url
            && std::fs::metadata(path).map_or(true, |file| file.len() == 0)
        {
            return Err(no_database(&config.database_url));
        }
        let store = Store::connect(&config.database_url, POOL_SIZE, Clock::default())?;
        if !store.has_schema()? {
            return Err(no_database(&config.database_url));
        }
        store.migrate()?;
        Ok(store)
    }

    /// Opens the database and migrates it. Creates it if it does not exist.
    fn open_or_create(&self) -> Result<Store, CliError> {
        let config = self.config(None)?;
        let store = Store::connect(&config.database_url, POOL_SIZE, Clock::default())?;
        store.migrate()?;
        Ok(store)
    }
}

/// A variable of the environment. What is not UTF-8 becomes a replacement character, which is refused.
fn environment_variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|text| text.to_string_lossy().into_owned())
}

/// The error of a command that does not create a database. It says where the command has looked, without a password.
fn no_database(url: &DatabaseUrl) -> CliError {
    match url {
        DatabaseUrl::Sqlite(path) => {
            CliError::NoDatabaseFile(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
        DatabaseUrl::Postgres(_) => CliError::EmptyDatabase,
    }
}

/// Commits one ledger command as the operator.
fn commit_command<C: Command>(store: &Store, command: C) -> Result<C::Reply, CliError> {
    Ok(ledger::commit_one(store, Operation::new(command, AuditContext::OPERATOR))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_defined() {
        Cli::command().debug_assert();
    }
}
