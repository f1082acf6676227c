//! What imports of requests and of permissions have in common: each row names two users and a bundle.

use super::bundle_index::BundleIndex;
use super::report::MAX_REPORTED;
use super::table::CsvRow;
use super::{ImportSource, InputTable, LineError};
use crate::cli::CliError;
use crate::cli::progress::Progress;
use crate::domain::bundle::Bundle;
use crate::domain::user::Email;
use crate::store::import::{Imported, TermsImport};

/// The columns that each file must have.
pub(super) const REQUIRED_COLUMNS: &[&str] = &["user_target", "user_allowed", "bundle"];

/// The users and the bundle of a row.
pub(super) struct RowTerms<'a> {
    pub target: Email,
    /// Differs from the target.
    pub grantee: Email,
    pub bundle: &'a Bundle,
}

impl<'a> RowTerms<'a> {
    pub(super) fn parse(row: CsvRow<'_>, bundles: &'a BundleIndex) -> Result<Self, LineError> {
        let target = row.parse("user_target", Email::new)?;
        let grantee = row.parse("user_allowed", Email::new)?;
        if target == grantee {
            return Err(row.error("user_target: must be a different user from user_allowed"));
        }
        let bundle = row.parse("bundle", |text| bundles.find(text))?;
        Ok(Self { target, grantee, bundle })
    }
}

impl ImportSource {
    /// Imports all rows, or none if one is invalid.
    pub(super) fn import_terms<I: TermsImport>(
        &self,
        (table, size): (InputTable, Option<u64>),
        mut import: I,
        parse: impl Fn(CsvRow<'_>) -> Result<I::Row, LineError>,
    ) -> Result<Imported, CliError> {
        let progress = Progress::start_reading(size);
        let (mut errors, rows) = self.stage_rows((table, &progress), parse, |rows| import.stage(rows))?;
        progress.start_checking();
        let (unresolved, count) = import.resolve(MAX_REPORTED as i64)?;
        errors.merge(unresolved.into_iter().map(LineError::from), count);
        if !errors.is_empty() {
            return Err(CliError::InvalidLines(errors));
        }
        progress.start_inserting(rows);
        Ok(import.insert(&|rows| progress.set_inserted(rows))?)
    }
}
