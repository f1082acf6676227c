//! `countersign import permissions`.

use super::bundle_index::BundleIndex;
use super::table::{CsvColumns, CsvRow};
use super::terms::{REQUIRED_COLUMNS, RowTerms};
use super::{ImportCounts, ImportSource, LineError};
use crate::cli::output::Output;
use crate::cli::{CliError, GlobalArgs};
use crate::config::PermissionSettings;
use crate::domain::rights::{InvalidMask, Mask, Right};
use crate::domain::timestamp::Timestamp;
use crate::services::admin::bundles;
use crate::store::import::{ImportedPermission, PermissionImport, TermsImport};

const COLUMNS: CsvColumns =
    CsvColumns { required: REQUIRED_COLUMNS, optional: &["permission", "granted_at", "expires_at"] };

/// Why a time is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum InvalidTime {
    #[error("must be a time like 2030-01-31T12:00:00Z that is not in the future")]
    GrantedAt,
    #[error("must be a time in the future, like 2030-01-31T12:00:00Z")]
    ExpiresAt,
}

/// Parses rows with the settings and the bundles of the database.
struct RowParser {
    settings: PermissionSettings,
    now: Timestamp,
    bundles: BundleIndex,
}

/// Runs `countersign import permissions`.
pub(super) fn import(
    source: &ImportSource,
    global_args: &GlobalArgs,
    output: &Output,
) -> Result<(), CliError> {
    let opened = source.open(COLUMNS)?;
    let settings = global_args.config(None)?.permissions;
    let store = global_args.open_or_create()?;
    let bundles = BundleIndex::new(store.read(bundles::all())?);
    let import = PermissionImport::begin(&store)?;
    let parser = RowParser { settings, now: import.now(), bundles };
    let imported = source.import_terms(opened, import, |row| parser.parse(row))?;
    output.success(
        &ImportCounts { imported: imported.added, skipped: imported.skipped, changes: None, mails: 0 },
        &format!(
            "Imported {} permissions; skipped {} that are already active.",
            imported.added, imported.skipped
        ),
    )
}

impl RowParser {
    fn parse(&self, row: CsvRow<'_>) -> Result<ImportedPermission, LineError> {
        let RowTerms { target, grantee, bundle } = RowTerms::parse(row, &self.bundles)?;
        let permission = row.parse_optional("permission", parse_mask)?.unwrap_or(bundle.permission);
        if !bundle.permission.contains(permission) {
            return Err(
                row.error(format!("permission: the bundle has only the rights {}", bundle.permission))
            );
        }
        let granted_at = row.parse_optional("granted_at", |text| {
            Timestamp::from_rfc3339(text).filter(|at| *at <= self.now).ok_or(InvalidTime::GrantedAt)
        })?;
        let expires_at = row.parse_optional("expires_at", |text| {
            Timestamp::from_rfc3339(text).filter(|at| *at > self.now).ok_or(InvalidTime::ExpiresAt)
        })?;
        let latest = self.settings.max_ttl.map(|seconds| self.now.plus_seconds(seconds));
        if latest.is_some_and(|latest| expires_at.is_some_and(|at| at > latest)) {
            return Err(row.error("expires_at: later than permissions.max_ttl allows"));
        }
        Ok(ImportedPermission {
            line: row.line(),
            target,
            grantee,
            bundle: bundle.id,
            permission,
            granted_at: granted_at.unwrap_or(self.now),
            expires_at: expires_at.or(latest),
        })
    }
}

/// Parses a mask, or the names of rights separated by blanks.
fn parse_mask(text: &str) -> Result<Mask, InvalidMask> {
    let names = text.split_whitespace().map(Right::from_name).collect::<Option<Vec<Right>>>();
    names.and_then(Mask::from_rights).map_or_else(|| text.parse(), Ok)
}
