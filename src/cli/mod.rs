//! The command line: a file per group of verbs. What a verb changes it changes in
//! one transaction on the database that the server uses, together with an entry
//! in the audit trail; a server need not be running, and may be.

mod args;
mod bundle;
mod demo;
mod error;
mod hub;
mod import;
mod key;
mod mail;
mod output;
mod prompt;
mod purge;
mod request;
mod token;
mod user;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::app;
use crate::config::{CliOverrides, Config, ConfigError};
use crate::domain::audit::AuditContext;
use crate::domain::timestamp::Timestamp;
use crate::store::ledger::{self, Command, Operation};
use crate::store::{Clock, Conn, QueryError, Store};

pub use error::CliError;
use error::TxAbort;
use output::Output;

/// Connections that a verb needs: it does one thing at a time, and leaves the
/// others to the server.
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

/// What the flags stand under that every command takes.
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
    },
    /// Update the database schema (every other command also does this)
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

/// Reads the arguments. Help, the version and wrong usage are answered here;
/// the exit code is what is left of them.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
            Output::new(true).error(&error::usage_error_summary(&error));
        } else {
            // Whoever closes stderr does not want to know.
            let _ = error.print();
        }
        if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    })
}

/// Does what the arguments say. What went wrong has been told when this returns.
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
    /// What is logged unless `RUST_LOG` says otherwise. A server tells what it
    /// does; the demo shows it, and the other verbs answer on stdout, and their
    /// errors are told once.
    pub fn log_filter(&self) -> &'static str {
        match self.command {
            CliCommand::Serve { .. } => "info",
            _ => "warn,r2d2=off",
        }
    }

    fn run(self, output: &Output) -> Result<(), CliError> {
        let Self { global_args, command } = self;
        let open = || global_args.open();
        match command {
            CliCommand::Serve { bind } => Ok(app::serve(global_args.config(bind)?)?),
            CliCommand::Demo { once } => demo::run(once),
            CliCommand::Migrate => {
                open()?;
                output.success(&json!({ "status": "migrated" }), "The database schema is up to date.")
            }
            CliCommand::User(command) => user::run(command, &open()?, output),
            CliCommand::Key(command) => key::run(command, &open()?, output),
            CliCommand::Hub(command) => hub::run(command, &open()?, output),
            CliCommand::Bundle(command) => bundle::run(command, &open()?, output),
            CliCommand::Token(command) => token::run(command, &open()?, output),
            CliCommand::Request(command) => request::run(command, &open()?, output),
            CliCommand::Mail(command) => mail::run(command, &global_args, output),
            CliCommand::Import(command) => import::run(command, &global_args, output),
            CliCommand::Purge(retention) => {
                purge::run(&retention, global_args.config(None)?.audit, &open()?, output)
            }
        }
    }
}

impl GlobalArgs {
    /// What flags, environment and file decide.
    fn config(&self, bind: Option<String>) -> Result<Config, ConfigError> {
        let flags = CliOverrides { bind, database_url: self.database_url.clone(), ..CliOverrides::default() };
        Config::load(self.config.as_deref(), |name| std::env::var(name).ok(), flags)
    }

    /// Opens the database, with its tables up to date: the first command of all
    /// finds them made.
    fn open(&self) -> Result<Store, CliError> {
        let config = self.config(None)?;
        let store = Store::connect(&config.database_url, POOL_SIZE, Clock::default())?;
        store.migrate()?;
        Ok(store)
    }
}

/// Runs a deed of the operator's as one transaction, which it may have to
/// repeat. A refusal rolls it back.
fn in_transaction<T>(
    store: &Store,
    work: impl Fn(&mut Conn, Timestamp) -> Result<T, TxAbort>,
) -> Result<T, CliError> {
    let rejection = RefCell::new(None);
    let done = store.write(|conn| {
        rejection.take();
        let now = conn.now()?;
        work(conn, now).map_err(|stop| match stop {
            TxAbort::Database(error) => error,
            TxAbort::Rejected(error) => {
                rejection.replace(Some(error));
                QueryError::RollbackTransaction
            }
        })
    });
    rejection.into_inner().map_or_else(|| Ok(done?), Err)
}

/// Does what the ledger alone may do, as the operator.
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
