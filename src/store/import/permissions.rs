//! Imports of permissions that were granted elsewhere.

use diesel::prelude::*;

use super::unresolved::{Unresolved, UnresolvedQuery};
use super::{ImportKind, Imported, Staging, execute};
use crate::domain::audit::AuditAction;
use crate::domain::bundle::BundleId;
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::entropy;
use crate::store::connection::{Backend, Conn, Store, with_backend};
use crate::store::error::StoreError;
use crate::store::requests;
use crate::store::types::{DbTimestamp, DbUuid};
use diesel::QueryResult;

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
const UNRESOLVED: UnresolvedQuery = UnresolvedQuery {
    count: "SELECT count(*) AS n FROM import_granted WHERE target_id IS NULL OR allowed_id IS NULL",
    first: "SELECT s.line, s.target, s.allowed, t.target_id IS NULL AS no_target, \
     t.allowed_id IS NULL AS no_allowed FROM import_granted t \
     JOIN import_permissions s ON s.row_no = t.row_no \
     WHERE t.target_id IS NULL OR t.allowed_id IS NULL ORDER BY t.row_no LIMIT $1",
};
/// Skips rows whose terms have an active permission. Of two rows with the same terms, the first one
/// is inserted. ($1, the time of the import, is not used: each row has its own.)
const INSERT: &str = "INSERT INTO permission_requests \
     (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, created_at, expires_at, \
     closed_at, outcome, granted_permission, permission_expires_at, active) \
     SELECT redeem_id, target_id, allowed_id, bundle_id, permission, target_id, granted_at, granted_at, \
     granted_at, 'granted', permission, expires_at, $1 IS NOT NULL FROM import_granted \
     WHERE row_no > $2 AND row_no <= $3 ORDER BY row_no \
     ON CONFLICT (terms) WHERE active DO NOTHING";
/// The counters of the inserted rows.
const INSERT_COUNTERS: &str = "INSERT INTO user_counters (user_id, open_requests, active_permissions) \
     SELECT party, 0, count(*) FROM ( \
     SELECT r.user_target AS party, t.row_no FROM import_granted t \
     JOIN permission_requests r ON r.redeem_id = t.redeem_id \
     UNION ALL SELECT r.user_allowed, t.row_no FROM import_granted t \
     JOIN permission_requests r ON r.redeem_id = t.redeem_id) AS parties \
     WHERE $1 IS NOT NULL AND row_no > $2 AND row_no <= $3 GROUP BY party";

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
    /// Starts an import. Only [`PermissionImport::insert`] writes to the database.
    pub fn begin(store: &Store) -> Result<Self, StoreError> {
        Ok(Self(Staging::begin(store, &PERMISSIONS)?))
    }

    /// The time of the import.
    pub fn now(&self) -> Timestamp {
        self.0.now
    }

    /// Takes permissions, in the order of the file.
    pub fn stage(&mut self, permissions: &[ImportedPermission]) -> Result<(), StoreError> {
        self.0.stage(permissions, |conn, first, now| {
            let rows: Vec<StagedPermission<'_>> = (first..)
                .zip(permissions)
                .map(|(row_no, permission)| StagedPermission {
                    row_no,
                    line: permission.line.try_into().unwrap_or(i64::MAX),
                    // A microsecond each, so that their index grows at its end.
                    redeem_id: DbUuid(
                        entropy::token().uuid(Timestamp::from_micros(now.micros().saturating_add(row_no))),
                    ),
                    target: permission.target.as_str(),
                    allowed: permission.grantee.as_str(),
                    bundle_id: permission.bundle.0,
                    permission: permission.permission.bits().into(),
                    granted_at: DbTimestamp(permission.granted_at),
                    expires_at: permission.expires_at.map(DbTimestamp),
                })
                .collect();
            write(conn, &rows)
        })
    }

    /// Finds the users. Returns the lines with missing users, at most `limit`, and their number.
    pub fn resolve(&mut self, limit: i64) -> Result<(Vec<Unresolved>, u64), StoreError> {
        self.0.transaction(|conn, _| {
            super::analyze(conn, "import_permissions")?;
            with_backend!(conn, c => diesel::sql_query(RESOLVE).execute(c))?;
            super::index_and_analyze(conn, "import_granted")?;
            UNRESOLVED.load(conn, limit)
        })
    }

    /// Inserts the permissions, after [`PermissionImport::resolve`] has found all users. `on_progress`
    /// gets the number of processed rows.
    pub fn insert(mut self, on_progress: &dyn Fn(u64)) -> Result<Imported, StoreError> {
        // An expired permission that is not marked as ended would make its terms be skipped.
        let insert_slice = |conn: &mut Conn, now: Timestamp, range: (i64, i64)| {
            let added = execute(conn, INSERT, now, range)?;
            execute(conn, INSERT_COUNTERS, now, range)?;
            Ok(added)
        };
        self.0.insert(on_progress, requests::expire_all, insert_slice, |_| Ok(()))
    }
}

fn write(conn: &mut Conn, rows: &[StagedPermission<'_>]) -> QueryResult<()> {
    match &mut conn.backend {
        Backend::Postgres(pg) => {
            diesel::copy_from(import_permissions::table).from_insertable(rows).execute(&mut **pg).map(drop)
        }
        Backend::Sqlite(sqlite) => sqlite.transaction(|c| {
            rows.iter().try_for_each(|row| {
                diesel::insert_into(import_permissions::table).values(row).execute(c).map(drop)
            })
        }),
    }
}
