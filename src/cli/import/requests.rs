//! `countersign import requests`.

use std::collections::HashMap;

use super::progress::Progress;
use super::report::TOLD;
use super::table::{Columns, Row};
use super::{BadLine, Counts, Source};
use crate::cli::output::Output;
use crate::cli::{CliError, Globals};
use crate::config;
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::clock::Timestamp;
use crate::domain::user::Email;
use crate::store::import::{ImportedRequest, RequestImport, Unresolved};
use crate::store::{Page, Store, StoreError, bundles};

const COLUMNS: Columns =
    Columns { required: &["user_target", "user_allowed", "bundle"], optional: &["ttl", "expires_at"] };

/// Why a field names no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NoBundle {
    #[error("bundle {0} not found; run `countersign bundle list` to see all bundles")]
    Unknown(String),
    #[error("several bundles have the name {0}; use the ID, run `countersign bundle list` to see it")]
    Ambiguous(String),
}

/// Why a field is no time that a request may live for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NoLifetime {
    #[error("must be a whole number of seconds from 60 to {0}")]
    Seconds(i64),
    #[error("must be a time like 2030-01-31T12:00:00Z, between 1 minute and {0} seconds from now")]
    Moment(i64),
}

/// What a row is read with.
struct Rules {
    requests: config::Requests,
    now: Timestamp,
    ids: Vec<i64>,
    /// `None` where several have the name.
    names: HashMap<String, Option<BundleId>>,
}

/// Does it.
pub(super) fn import(
    source: &Source,
    mail: bool,
    globals: &Globals,
    output: &Output,
) -> Result<(), CliError> {
    let (table, size) = source.open(COLUMNS)?;
    let config = globals.config(None)?;
    let store = globals.open()?;
    let bundles = all_bundles(&store)?;
    let mut import = RequestImport::begin(&store, mail)?;
    let rules = Rules::new(config.requests, import.now(), bundles);
    let progress = Progress::reading(size);
    let parse = |row: Row<'_>| rules.parse(row);
    let (mut report, rows) = source.read((table, &progress), parse, |requests| import.stage(requests))?;
    progress.checking();
    let (unresolved, count) = import.resolve(TOLD as i64)?;
    report.merge(unresolved.into_iter().map(BadLine::from), count);
    if !report.is_empty() {
        return Err(CliError::BadLines(report));
    }
    progress.inserting(rows);
    let imported = import.insert(&|through| progress.inserted(through))?;
    drop(progress);
    let mails = if mail { imported.added } else { 0 };
    output.done(
        &Counts { imported: imported.added, passed_over: imported.passed_over, mails },
        &format!(
            "Imported {} requests and queued {mails} mails; skipped {} that are already pending or approved.",
            imported.added, imported.passed_over
        ),
    )
}

fn all_bundles(store: &Store) -> Result<Vec<Bundle>, StoreError> {
    let all = Page { limit: i64::MAX, offset: 0 };
    Ok(store.read(|conn| bundles::list(conn, all))?.rows)
}

impl Rules {
    fn new(requests: config::Requests, now: Timestamp, bundles: Vec<Bundle>) -> Self {
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

    fn parse(&self, row: Row<'_>) -> Result<ImportedRequest, BadLine> {
        let target = row.read("user_target", Email::new)?;
        let allowed = row.read("user_allowed", Email::new)?;
        if target == allowed {
            return Err(row.wrong("user_target: must be a different user from user_allowed"));
        }
        Ok(ImportedRequest {
            line: row.line(),
            target,
            allowed,
            bundle: row.read("bundle", |text| self.bundle(text))?,
            expires_at: self.end(row)?,
        })
    }

    /// Digits are an id, even if some bundle is called so.
    fn bundle(&self, text: &str) -> Result<BundleId, NoBundle> {
        let unknown = || NoBundle::Unknown(text.to_owned());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = text.parse().map_err(|_| unknown())?;
            return self.ids.contains(&id).then_some(BundleId(id)).ok_or_else(unknown);
        }
        match self.names.get(text) {
            Some(Some(id)) => Ok(*id),
            Some(None) => Err(NoBundle::Ambiguous(text.to_owned())),
            None => Err(unknown()),
        }
    }

    fn end(&self, row: Row<'_>) -> Result<Timestamp, BadLine> {
        let cap = self.requests.max_ttl;
        let ttl = row.read_filled("ttl", |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            digits.and_then(|seconds| self.requests.lifetime(Some(seconds))).ok_or(NoLifetime::Seconds(cap))
        })?;
        let moment = row.read_filled("expires_at", |text| {
            Timestamp::from_rfc3339(text)
                .filter(|then| self.requests.may_live_until(*then, self.now))
                .ok_or(NoLifetime::Moment(cap))
        })?;
        match (ttl, moment) {
            (Some(_), Some(_)) => Err(row.wrong("ttl and expires_at are both set; set only one of them")),
            (None, Some(moment)) => Ok(moment),
            (ttl, None) => Ok(self.now.plus_seconds(ttl.unwrap_or(self.requests.default_ttl))),
        }
    }
}

impl From<Unresolved> for BadLine {
    fn from(unresolved: Unresolved) -> Self {
        let nobody = |(column, email): (&str, Email)| {
            format!("{column}: no active user has the email {}", email.as_str())
        };
        let target = unresolved.target.map(|email| ("user_target", email));
        let allowed = unresolved.allowed.map(|email| ("user_allowed", email));
        let errors: Vec<String> = target.into_iter().chain(allowed).map(nobody).collect();
        Self { line: unresolved.line, error: errors.join("; ") }
    }
}
