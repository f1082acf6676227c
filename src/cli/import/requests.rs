//! `countersign import requests`.

use super::bundle_index::BundleIndex;
use super::table::{CsvColumns, CsvRow};
use super::terms::{REQUIRED_COLUMNS, RowTerms};
use super::{ImportCounts, ImportSource, LineError};
use crate::cli::output::Output;
use crate::cli::{CliError, GlobalArgs};
use crate::config;
use crate::domain::timestamp::Timestamp;
use crate::services::admin::bundles;
use crate::store::import::{ImportedRequest, RequestImport, TermsImport};

const COLUMNS: CsvColumns = CsvColumns { required: REQUIRED_COLUMNS, optional: &["ttl", "expires_at"] };

/// Why a `ttl` or `expires_at` field is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum InvalidLifetime {
    #[error("must be a whole number of seconds from 60 to {0}")]
    Seconds(i64),
    #[error("must be a time like 2030-01-31T12:00:00Z, between 1 minute and {0} seconds from now")]
    Expiry(i64),
}

/// Parses rows with the settings and the bundles of the database.
struct RowParser {
    requests: config::RequestSettings,
    now: Timestamp,
    bundles: BundleIndex,
}

/// Runs `countersign import requests`.
pub(super) fn import(
    source: &ImportSource,
    mail: bool,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    let opened = source.open(COLUMNS)?;
    let config = global_args.config(None)?;
    let store = global_args.open_or_create()?;
    let bundles = BundleIndex::new(store.read(bundles::all())?);
    let import = RequestImport::begin(&store, mail)?;
    let parser = RowParser { requests: config.requests, now: import.now(), bundles };
    let imported = source.import_terms(opened, import, |row| parser.parse(row))?;
    let mails = if mail { imported.added } else { 0 };
    output.success(
        &ImportCounts { imported: imported.added, skipped: imported.skipped, changes: None, mails },
        &format!(
            "Imported {} requests and queued {mails} mails; skipped {} that are already pending or approved.",
            imported.added, imported.skipped
        ),
    )
}

impl RowParser {
    fn parse(&self, row: CsvRow<'_>) -> Result<ImportedRequest, LineError> {
        let RowTerms { target, grantee, bundle } = RowTerms::parse(row, &self.bundles)?;
        Ok(ImportedRequest {
            line: row.line(),
            target,
            grantee,
            bundle: bundle.id,
            expires_at: self.expires_at(row)?,
        })
    }

    fn expires_at(&self, row: CsvRow<'_>) -> Result<Timestamp, LineError> {
        let max_ttl = self.requests.max_ttl;
        let ttl = row.parse_optional("ttl", |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            digits
                .and_then(|seconds| self.requests.allowed_lifetime(Some(seconds)))
                .ok_or(InvalidLifetime::Seconds(max_ttl))
        })?;
        let expiry = row.parse_optional("expires_at", |text| {
            Timestamp::from_rfc3339(text)
                .filter(|then| self.requests.is_allowed_expiry(*then, self.now))
                .ok_or(InvalidLifetime::Expiry(max_ttl))
        })?;
        match (ttl, expiry) {
            (Some(_), Some(_)) => Err(row.error("ttl and expires_at are both set; set only one of them")),
            (None, Some(expiry)) => Ok(expiry),
            (ttl, None) => Ok(self.now.plus_seconds(ttl.unwrap_or(self.requests.default_ttl))),
        }
    }
}
