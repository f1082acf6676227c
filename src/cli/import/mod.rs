//! `countersign import`: imports users, requests and permissions from CSV files of any size.

mod bundle_index;
mod lines;
mod permissions;
mod report;
mod requests;
mod table;
mod terms;
mod users;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::Output;
use super::progress::Progress;
use super::{CliError, GlobalArgs};
use crate::store::StoreError;
use table::{CsvColumns, CsvRow, CsvTable, HeaderRules};

pub use report::{ImportErrors, LineError};
pub use table::CsvError;

/// Rows that one statement stages.
const CHUNK_ROWS: usize = 4_096;

/// The subcommands of `countersign import`.
#[derive(Subcommand)]
pub enum ImportCommand {
    /// Import users
    ///
    /// The column email is required. Optional columns are first_name, last_name,
    /// staff (true or false, default false), active (true or false, default true)
    /// and password_hash (an argon2 hash in PHC format). Existing users are not
    /// changed without --update. Mails are sent only with --mail or --update.
    Users(ImportUsersArgs),
    /// Import permission requests; mails are sent only with --mail
    ///
    /// Required columns are user_target (who is asked), user_allowed (who asks),
    /// both email addresses of active users, and bundle (its ID, or its name if it
    /// is unique). Optional is ttl (in seconds) or expires_at (for example,
    /// 2030-01-31T12:00:00Z). Requests that are already pending or approved are
    /// skipped.
    Requests(ImportRequestsArgs),
    /// Import permissions that were granted elsewhere; no mails are sent
    ///
    /// Required columns are user_target (whose data it is), user_allowed (who has
    /// the permission), both email addresses of active users, and bundle (its ID,
    /// or its name if it is unique). Optional are permission (a mask, or names of
    /// rights such as "read get"; default all of the bundle's), granted_at and
    /// expires_at (for example, 2030-01-31T12:00:00Z). Permissions that are already
    /// active are skipped.
    Permissions {
        #[command(flatten)]
        source: ImportSource,
    },
}

/// The arguments of `countersign import users`.
#[derive(Args)]
pub struct ImportUsersArgs {
    #[command(flatten)]
    source: ImportSource,
    /// Mail each new active user without a password_hash a link to set a password
    ///
    /// The link works for 7 days. A running server sends the mails.
    #[arg(long)]
    mail: bool,
    /// Also set first_name, last_name and active of existing users
    ///
    /// An empty field changes nothing, and staff and password_hash stay as they are.
    /// A user who is disabled loses their sessions, API keys and password links, and
    /// gets a mail, as with `countersign user disable`.
    #[arg(long)]
    update: bool,
}

/// The arguments of `countersign import requests`.
#[derive(Args)]
pub struct ImportRequestsArgs {
    #[command(flatten)]
    source: ImportSource,
    /// Send the request mail to each user_target
    #[arg(long)]
    mail: bool,
}

type InputTable = CsvTable<Box<dyn Read>>;

/// A file, or stdin.
#[derive(Args)]
pub struct ImportSource {
    /// A CSV file in UTF-8 with column names in the first line; - reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    header_rules: HeaderRules,
}

/// The result of an import.
#[derive(Serialize)]
struct ImportCounts {
    imported: u64,
    skipped: u64,
    /// Changes of existing users; only with `--update`.
    #[serde(flatten)]
    changes: Option<ChangeCounts>,
    mails: u64,
}

/// How many existing users an import has changed.
#[derive(Clone, Copy, Default, Serialize)]
struct ChangeCounts {
    /// Those with another name, and those who were enabled or disabled.
    updated: u64,
    /// Of these, the disabled ones.
    disabled: u64,
}

/// Runs a subcommand.
pub(super) fn run(command: ImportCommand, global_args: &GlobalArgs, output: &Output) -> Result<(), CliError> {
    match command {
        ImportCommand::Users(args) => users::import(&args, global_args, output),
        ImportCommand::Requests(ImportRequestsArgs { source, mail }) => {
            requests::import(&source, mail, global_args, output)
        }
        ImportCommand::Permissions { source } => permissions::import(&source, global_args, output),
    }
}

impl ImportSource {
    /// Opens the file. Also returns its size in bytes, if it is known.
    fn open(&self, columns: CsvColumns) -> Result<(InputTable, Option<u64>), CliError> {
        let (input, size): (Box<dyn Read>, _) = if self.file.as_os_str() == "-" {
            (Box::new(io::stdin().lock()), None)
        } else {
            let file = File::open(&self.file).map_err(|error| self.file_error(error.into()))?;
            let size = file.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
            (Box::new(file), size)
        };
        let table =
            CsvTable::open(input, columns, &self.header_rules).map_err(|error| self.file_error(error))?;
        Ok((table, size))
    }

    fn file_error(&self, error: CsvError) -> CliError {
        CliError::ImportFile(self.file.clone(), error)
    }

    /// Reads all rows and stages the valid ones. Returns the errors and the number of rows.
    fn stage_rows<T>(
        &self,
        (mut table, progress): (InputTable, &Progress),
        parse: impl Fn(CsvRow<'_>) -> Result<T, LineError>,
        mut stage: impl FnMut(&[T]) -> Result<(), StoreError>,
    ) -> Result<(ImportErrors, u64), CliError> {
        let (mut errors, mut rows) = (ImportErrors::default(), 0);
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        while let Some(row) = table.next().map_err(|error| self.file_error(error))? {
            rows += 1;
            match parse(row) {
                Ok(value) => chunk.push(value),
                Err(error) => errors.add(error),
            }
            if chunk.len() == CHUNK_ROWS {
                stage(&chunk)?;
                chunk.clear();
            }
            if rows % CHUNK_ROWS as u64 == 0 {
                progress.set_read(table.bytes(), rows);
            }
        }
        if !chunk.is_empty() {
            stage(&chunk)?;
        }
        Ok((errors, rows))
    }
}
