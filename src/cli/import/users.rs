//! `countersign import users`.

use super::table::{CsvColumns, CsvRow};
use super::{ChangeCounts, ImportCounts, ImportErrors, ImportUsersArgs, LineError};
use crate::auth::password;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::{CliError, GlobalArgs};
use crate::domain::audit::AuditContext;
use crate::domain::user::{Email, PersonName};
use crate::services::admin::users;
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

/// The field does not say whether the user is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be true or false, or active, enabled, inactive, disabled, suspended, archived or deprovisioned"
)]
struct InvalidActive;

/// Runs `countersign import users`.
pub(super) fn import(
    args: &ImportUsersArgs,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    let (table, size) = args.source.open(COLUMNS)?;
    let store = global_args.open_or_create()?;
    let mut import = UserImport::begin(&store, args.mail)?;
    let progress = Progress::start_reading(size);
    let (errors, rows) = args.source.stage_rows((table, &progress), parse, |users| import.stage(users))?;
    if !errors.is_empty() {
        return Err(CliError::InvalidLines(errors));
    }
    progress.start_inserting(rows);
    let update = args.update.then(|| users::update(AuditContext::OPERATOR));
    let imported = import.insert(&|rows| progress.set_inserted(rows), update)?;
    drop(progress);
    let imported = imported.map_err(|refused| {
        let mut errors = ImportErrors::default();
        for change in refused {
            errors.add(LineError { line: change.line, error: format!("active: {}", change.error) });
        }
        CliError::InvalidLines(errors)
    })?;
    let (added, existing) = (imported.rows.added, imported.rows.skipped);
    let (updated, disabled) = (imported.updated, imported.disabled);
    let changes = args.update.then_some(ChangeCounts { updated, disabled });
    let skipped = existing.saturating_sub(updated);
    // A user who is disabled gets a mail, too.
    let mails = imported.mails + disabled;
    let changed = match args.update {
        true => format!(" Updated {updated} users, {disabled} of whom were disabled."),
        false => String::new(),
    };
    output.success(
        &ImportCounts { imported: added, skipped, changes, mails },
        &format!(
            "Imported {added} users and queued {mails} mails; skipped {skipped} that already exist.{changed}"
        ),
    )
}

fn parse(row: CsvRow<'_>) -> Result<ImportedUser, LineError> {
    let parse_hash = |hash: &str| password::parse_imported_hash(hash).map(str::to_owned);
    Ok(ImportedUser {
        line: row.line(),
        user: NewUser {
            email: row.parse("email", Email::new)?,
            first_name: row.parse("first_name", PersonName::new)?,
            last_name: row.parse("last_name", PersonName::new)?,
            staff: row.parse_optional("staff", parse_bool)?.unwrap_or(false),
            password: row.parse_optional("password_hash", parse_hash)?,
        },
        active: row.parse_optional("active", parse_active)?,
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

/// Parses a truth value, or the status of an account as directories write it.
fn parse_active(text: &str) -> Result<bool, InvalidActive> {
    match text.to_ascii_lowercase().as_str() {
        "active" | "enabled" => Ok(true),
        "inactive" | "disabled" | "suspended" | "archived" | "deprovisioned" => Ok(false),
        _ => parse_bool(text).map_err(|_| InvalidActive),
    }
}
