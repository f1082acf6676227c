//! `countersign import users`.

use super::progress::Progress;
use super::table::{CsvColumns, CsvRow};
use super::{ImportCounts, ImportSource, LineError};
use crate::auth::password;
use crate::cli::output::Output;
use crate::cli::{CliError, GlobalArgs};
use crate::domain::user::{Email, PersonName};
use crate::store::import::{ImportedUser, UserImport};
use crate::store::users::NewUser;

const COLUMNS: CsvColumns = CsvColumns {
    required: &["email"],
    optional: &["first_name", "last_name", "staff", "active", "password_hash"],
};

/// The field is not a truth value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be true or false")]
struct InvalidBool;

/// Runs `countersign import users`.
pub(super) fn import(
    source: &ImportSource,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    let (table, size) = source.open(COLUMNS)?;
    let store = global_args.open_or_create()?;
    let mut import = UserImport::begin(&store)?;
    let progress = Progress::start_reading(size);
    let (errors, rows) = source.stage_rows((table, &progress), parse, |users| import.stage(users))?;
    if !errors.is_empty() {
        return Err(CliError::InvalidLines(errors));
    }
    progress.start_inserting(rows);
    let imported = import.insert(&|rows| progress.set_inserted(rows))?;
    drop(progress);
    output.success(
        &ImportCounts { imported: imported.added, skipped: imported.skipped, mails: 0 },
        &format!("Imported {} users; skipped {} that already exist.", imported.added, imported.skipped),
    )
}

fn parse(row: CsvRow<'_>) -> Result<ImportedUser, LineError> {
    let parse_hash = |hash: &str| password::parse_imported_hash(hash).map(str::to_owned);
    Ok(ImportedUser {
        user: NewUser {
            email: row.parse("email", Email::new)?,
            first_name: row.parse("first_name", PersonName::new)?,
            last_name: row.parse("last_name", PersonName::new)?,
            staff: row.parse_optional("staff", parse_bool)?.unwrap_or(false),
            password: row.parse_optional("password_hash", parse_hash)?,
        },
        active: row.parse_optional("active", parse_bool)?.unwrap_or(true),
    })
}

/// Parses a truth value as databases and spreadsheets write it.
fn parse_bool(text: &str) -> Result<bool, InvalidBool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "0" => Ok(false),
        _ => Err(InvalidBool),
    }
}
