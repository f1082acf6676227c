//! Imports of permissions that were granted elsewhere.

use diesel::prelude::*;

use super::terms::{TermsImport, TermsStatements, insert_counters, row_uuid, unresolved_query, write_rows};
use super::unresolved::{Unresolved, UnresolvedQuery};
use super::{ImportKind, Imported, Staging};
use crate::domain::audit::AuditAction;
use crate::domain::bundle::BundleId;
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::store::connection::{Backend, Store};
use crate::store::error::StoreError;
use crate::store::types::{DbTimestamp, DbUuid};

table! {
    import_permissions (row_no) {
        row_no -> BigInt,
        line -> BigInt,
        redeem_id -> crate::store::types::SqlUuid,
        target -> Text,
        allowed -> Text,
        bundle_id -> BigInt,
        permission -> SmallInt,
        granted_at -> crate::store::types::SqlTimestamp,
        expires_at -> Nullable<crate::store::types::SqlTimestamp>,
    }
}

/// `import_permissions` contains the rows of the file. `import_granted` contains them with the ids of
/// their users (null: there is no such user).
const PERMISSIONS: ImportKind = ImportKind {
    tables: &["import_permissions", "import_granted"],
    postgres_ddl: "CREATE TEMPORARY TABLE import_permissions (row_no bigint NOT NULL, line bigint NOT NULL, \
         redeem_id uuid NOT NULL, target text NOT NULL, allowed text NOT NULL, bundle_id bigint NOT NULL, \
         permission smallint NOT NULL, granted_at timestamptz NOT NULL, expires_at timestamptz); \
         CREATE TEMPORARY TABLE import_granted (row_no bigint NOT NULL, target_id bigint, allowed_id bigint, \
         bundle_id bigint NOT NULL, redeem_id uuid NOT NULL, permission smallint NOT NULL, \
         granted_at timestamptz NOT NULL, expires_at timestamptz)",
    sqlite_ddl: "CREATE TEMPORARY TABLE import_permissions (row_no integer PRIMARY KEY, line bigint NOT NULL, \
         redeem_id blob NOT NULL, target text NOT NULL, allowed text NOT NULL, bundle_id bigint NOT NULL, \
         permission smallint NOT NULL, granted_at bigint NOT NULL, expires_at bigint); \
         CREATE TEMPORARY TABLE import_granted (row_no integer PRIMARY KEY, target_id bigint, allowed_id bigint, \
         bundle_id bigint NOT NULL, redeem_id blob NOT NULL, permission smallint NOT NULL, \
         granted_at bigint NOT NULL, expires_at bigint)",
    action: AuditAction::PermissionsImported,
};

/// Disabled users count as missing.
const RESOLVE: &str = "INSERT INTO import_granted \
     (row_no, target_id, allowed_id, bundle_id, redeem_id, permission, granted_at, expires_at) \
     SELECT s.row_no, t.id, a.id, s.bundle_id, s.redeem_id, s.permission, s.granted_at, s.expires_at \
     FROM import_permissions s \
     LEFT JOIN users t ON t.email = s.target AND t.active \
     LEFT JOIN users a ON a.email = s.allowed AND a.active";
const STATEMENTS: TermsStatements = TermsStatements {
    tables: ["import_permissions", "import_granted"],
    resolve: RESOLVE,
    unresolved: unresolved_query!("import_permissions", "import_granted"),
};
/// Skips rows whose terms have an active permission. Of two rows with the same terms, the first one
/// is inserted. A bundle may have lost rights since its file was read. ($1, the time of the import, is
/// not used: each row has its own.)
const INSERT: &str = "INSERT INTO permission_requests \
     (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, created_at, expires_at, \
     closed_at, outcome, granted_permission, permission_expires_at, active) \
     SELECT t.redeem_id, t.target_id, t.allowed_id, t.bundle_id, t.permission & b.permission, t.target_id, \
     t.granted_at, t.granted_at, t.granted_at, 'granted', t.permission & b.permission, t.expires_at, \
     $1 IS NOT NULL FROM import_granted t JOIN bundles b ON b.id = t.bundle_id \
     WHERE row_no > $2 AND row_no <= $3 ORDER BY row_no \
     ON CONFLICT (user_allowed, user_target, bundle_id) \
     WHERE active AND closed_at IS NOT NULL DO NOTHING";
const INSERT_COUNTERS: &str = insert_counters!("import_granted", "0, count(*)", "$1 IS NOT NULL");

/// A permission in a file.
#[derive(Clone, Debug)]
pub struct ImportedPermission {
    pub line: u64,
    pub target: Email,
    /// Differs from the target.
    pub grantee: Email,
    pub bundle: BundleId,
    pub permission: Mask,
    pub granted_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

#[derive(Insertable)]
#[diesel(table_name = import_permissions, treat_none_as_default_value = false)]
struct StagedPermission<'a> {
    row_no: i64,
    line: i64,
    redeem_id: DbUuid,
    target: &'a str,
    allowed: &'a str,
    bundle_id: i64,
    permission: i16,
    granted_at: DbTimestamp,
    expires_at: Option<DbTimestamp>,
}

/// An import of permissions.
pub struct PermissionImport(Staging);

impl PermissionImport {
    /// Starts an import. Only [`TermsImport::insert`] writes to the database.
    pub fn begin(store: &Store) -> Result<Self, StoreError> {
        Ok(Self(Staging::begin(store, &PERMISSIONS)?))
    }
}

impl TermsImport for PermissionImport {
    type Row = ImportedPermission;

    fn now(&self) -> Timestamp {
        self.0.now
    }

    fn stage(&mut self, permissions: &[ImportedPermission]) -> Result<(), StoreError> {
        self.0.stage(permissions, |conn, first, now| {
            let rows: Vec<StagedPermission<'_>> = (first..)
                .zip(permissions)
                .map(|(row_no, permission)| StagedPermission {
                    row_no,
                    line: permission.line.try_into().unwrap_or(i64::MAX),
                    redeem_id: row_uuid(now, row_no),
                    target: permission.target.as_str(),
                    allowed: permission.grantee.as_str(),
                    bundle_id: permission.bundle.0,
                    permission: permission.permission.bits().into(),
                    granted_at: DbTimestamp(permission.granted_at),
                    expires_at: permission.expires_at.map(DbTimestamp),
                })
                .collect();
            write_rows!(conn, import_permissions::table, &rows)
        })
    }

    fn resolve(&mut self, limit: i64) -> Result<(Vec<Unresolved>, u64), StoreError> {
        self.0.resolve_terms(&STATEMENTS, limit)
    }

    fn insert(mut self, on_progress: &dyn Fn(u64)) -> Result<Imported, StoreError> {
        self.0.insert_terms(INSERT, &[INSERT_COUNTERS], on_progress)
    }
}
