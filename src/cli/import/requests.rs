//! `countersign import requests`.

use std::collections::HashMap;

use super::progress::Progress;
use super::report::MAX_REPORTED;
use super::table::{CsvColumns, CsvRow};
use super::{ImportCounts, ImportSource, LineError};
use crate::cli::output::Output;
use crate::cli::{CliError, GlobalArgs};
use crate::config;
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::services::admin::bundles;
use crate::store::import::{ImportedRequest, RequestImport, Unresolved};

const COLUMNS: CsvColumns =
    CsvColumns { required: &["user_target", "user_allowed", "bundle"], optional: &["ttl", "expires_at"] };

/// Why a `bundle` field is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum BundleLookupError {
    #[error("bundle {0} not found; run `countersign bundle list` to see all bundles")]
    Unknown(String),
    #[error("several bundles have the name {0}; use the ID, run `countersign bundle list` to see it")]
    Ambiguous(String),
}

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
    ids: Vec<i64>,
    /// `None` if several bundles have the name.
    names: HashMap<String, Option<BundleId>>,
}

/// Runs `countersign import requests`.
pub(super) fn import(
    source: &ImportSource,
    mail: bool,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    let (table, size) = source.open(COLUMNS)?;
    let config = global_args.config(None)?;
    let store = global_args.open_or_create()?;
    let bundles = store.read(bundles::all())?;
    let mut import = RequestImport::begin(&store, mail)?;
    let parser = RowParser::new(config.requests, import.now(), bundles);
    let progress = Progress::start_reading(size);
    let parse = |row: CsvRow<'_>| parser.parse(row);
    let (mut errors, rows) =
        source.stage_rows((table, &progress), parse, |requests| import.stage(requests))?;
    progress.start_checking();
    let (unresolved, count) = import.resolve(MAX_REPORTED as i64)?;
    errors.merge(unresolved.into_iter().map(LineError::from), count);
    if !errors.is_empty() {
        return Err(CliError::InvalidLines(errors));
    }
    progress.start_inserting(rows);
    let imported = import.insert(&|rows| progress.set_inserted(rows))?;
    drop(progress);
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
    fn new(requests: config::RequestSettings, now: Timestamp, bundles: Vec<Bundle>) -> Self {
        let ids = bundles.iter().map(|bundle| bundle.id.0).collect();
        let mut names = HashMap::new();
        for bundle in bundles {
            names
                .entry(bundle.name.as_str().to_owned())
                .and_modify(|only| *only = None)
                .or_insert(Some(bundle.id));
        }
        Self { requests, now, ids, names }
    }

    fn parse(&self, row: CsvRow<'_>) -> Result<ImportedRequest, LineError> {
        let target = row.parse("user_target", Email::new)?;
        let grantee = row.parse("user_allowed", Email::new)?;
        if target == grantee {
            return Err(row.error("user_target: must be a different user from user_allowed"));
        }
        Ok(ImportedRequest {
            line: row.line(),
            target,
            grantee,
            bundle: row.parse("bundle", |text| self.bundle(text))?,
            expires_at: self.expires_at(row)?,
        })
    }

    /// Parses the ID or the name of a bundle. Digits are an ID, even if a bundle has that name.
    fn bundle(&self, text: &str) -> Result<BundleId, BundleLookupError> {
        let unknown = || BundleLookupError::Unknown(text.to_owned());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = text.parse().map_err(|_| unknown())?;
            return self.ids.contains(&id).then_some(BundleId(id)).ok_or_else(unknown);
        }
        match self.names.get(text) {
            Some(Some(id)) => Ok(*id),
            Some(None) => Err(BundleLookupError::Ambiguous(text.to_owned())),
            None => Err(unknown()),
        }
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

impl From<Unresolved> for LineError {
    fn from(unresolved: Unresolved) -> Self {
        let not_found = |(column, email): (&str, Email)| {
            format!("{column}: no active user has the email {}", email.as_str())
        };
        let target = unresolved.target.map(|email| ("user_target", email));
        let grantee = unresolved.grantee.map(|email| ("user_allowed", email));
        let errors: Vec<String> = target.into_iter().chain(grantee).map(not_found).collect();
        Self { line: unresolved.line, error: errors.join("; ") }
    }
}
