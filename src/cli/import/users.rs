//! `countersign import users`.

use super::progress::Progress;
use super::table::{Columns, Row};
use super::{BadLine, Counts, Source};
use crate::cli::output::Output;
use crate::cli::{CliError, Globals};
use crate::domain::user::{Email, PersonName};
use crate::password;
use crate::store::import::{ImportedUser, UserImport};
use crate::store::users::NewUser;

const COLUMNS: Columns = Columns {
    required: &["email"],
    optional: &["first_name", "last_name", "staff", "active", "password_hash"],
};

/// Neither yes nor no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be true or false")]
struct InvalidBool;

/// Does it.
pub(super) fn import(source: &Source, globals: &Globals, output: &Output) -> Result<(), CliError> {
    let (table, size) = source.open(COLUMNS)?;
    let store = globals.open()?;
    let mut import = UserImport::begin(&store)?;
    let progress = Progress::reading(size);
    let (report, rows) = source.read((table, &progress), parse, |users| import.stage(users))?;
    if !report.is_empty() {
        return Err(CliError::BadLines(report));
    }
    progress.inserting(rows);
    let imported = import.insert(&|through| progress.inserted(through))?;
    drop(progress);
    output.done(
        &Counts { imported: imported.added, passed_over: imported.passed_over, mails: 0 },
        &format!("Imported {} users; skipped {} that already exist.", imported.added, imported.passed_over),
    )
}

fn parse(row: Row<'_>) -> Result<ImportedUser, BadLine> {
    let hash = |hash: &str| password::check_foreign(hash).map(|()| hash.to_owned());
    Ok(ImportedUser {
        user: NewUser {
            email: row.read("email", Email::new)?,
            first_name: row.read("first_name", PersonName::new)?,
            last_name: row.read("last_name", PersonName::new)?,
            staff: row.read_filled("staff", boolean)?.unwrap_or(false),
            password: row.read_filled("password_hash", hash)?,
        },
        active: row.read_filled("active", boolean)?.unwrap_or(true),
    })
}

/// As databases and spreadsheets write it.
fn boolean(text: &str) -> Result<bool, InvalidBool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "0" => Ok(false),
        _ => Err(InvalidBool),
    }
}
