//! Imports of permission requests.

use diesel::prelude::*;

use super::terms::{TermsImport, TermsStatements, insert_counters, row_uuid, unresolved_query, write_rows};
use super::unresolved::{Unresolved, UnresolvedQuery};
use super::{ImportKind, Imported, Staging};
use crate::domain::audit::AuditAction;
use crate::domain::bundle::BundleId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::store::connection::{Backend, Store};
use crate::store::error::StoreError;
use crate::store::types::{DbTimestamp, DbUuid};

table! {
    import_requests (row_no) {
        row_no -> BigInt,
        line -> BigInt,
        redeem_id -> crate::store::types::SqlUuid,
        mail_id -> Nullable<crate::store::types::SqlUuid>,
        target -> Text,
        allowed -> Text,
        bundle_id -> BigInt,
        expires_at -> crate::store::types::SqlTimestamp,
    }
}

/// `import_requests` contains the rows of the file. `import_terms` contains them with the ids of
/// their users (null: there is no such user), without those that are active already or blocked.
const REQUESTS: ImportKind = ImportKind {
    tables: &["import_requests", "import_terms"],
    postgres_ddl: "CREATE TEMPORARY TABLE import_requests (row_no bigint NOT NULL, line bigint NOT NULL, \
         redeem_id uuid NOT NULL, mail_id uuid, target text NOT NULL, allowed text NOT NULL, \
         bundle_id bigint NOT NULL, expires_at timestamptz NOT NULL); \
         CREATE TEMPORARY TABLE import_terms (row_no bigint NOT NULL, target_id bigint, allowed_id bigint, \
         bundle_id bigint NOT NULL, redeem_id uuid NOT NULL, mail_id uuid, expires_at timestamptz NOT NULL)",
    sqlite_ddl: "CREATE TEMPORARY TABLE import_requests (row_no integer PRIMARY KEY, line bigint NOT NULL, \
         redeem_id blob NOT NULL, mail_id blob, target text NOT NULL, allowed text NOT NULL, \
         bundle_id bigint NOT NULL, expires_at bigint NOT NULL); \
         CREATE TEMPORARY TABLE import_terms (row_no integer PRIMARY KEY, target_id bigint, allowed_id bigint, \
         bundle_id bigint NOT NULL, redeem_id blob NOT NULL, mail_id blob, expires_at bigint NOT NULL)",
    action: AuditAction::RequestsImported,
};

/// Disabled users count as missing.
const RESOLVE: &str = "INSERT INTO import_terms \
     (row_no, target_id, allowed_id, bundle_id, redeem_id, mail_id, expires_at) \
     SELECT s.row_no, t.id, a.id, s.bundle_id, s.redeem_id, s.mail_id, s.expires_at FROM import_requests s \
     LEFT JOIN users t ON t.email = s.target AND t.active \
     LEFT JOIN users a ON a.email = s.allowed AND a.active \
     WHERE NOT EXISTS (SELECT 1 FROM bundle_permissions p \
     WHERE p.user_target = t.id AND p.user_allowed = a.id AND p.bundle_id = s.bundle_id) \
     AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_target = t.id AND b.user_blocked = a.id)";
const STATEMENTS: TermsStatements = TermsStatements {
    tables: ["import_requests", "import_terms"],
    resolve: RESOLVE,
    unresolved: unresolved_query!("import_requests", "import_terms"),
};
/// Skips rows whose terms have an open request. Of two rows with the same terms, the first one
/// is inserted.
const INSERT: &str = "INSERT INTO permission_requests \
     (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, created_at, expires_at) \
     SELECT t.redeem_id, t.target_id, t.allowed_id, t.bundle_id, b.permission, t.allowed_id, $1, t.expires_at \
     FROM import_terms t JOIN bundles b ON b.id = t.bundle_id \
     WHERE row_no > $2 AND row_no <= $3 ORDER BY row_no \
     ON CONFLICT (terms) WHERE closed_at IS NULL DO NOTHING";
/// The mails of the inserted rows.
const INSERT_MAILS: &str = "INSERT INTO outbox (id, kind, request_id, created_at, due_at, attempts) \
     SELECT t.mail_id, 'mail', r.id, $1, $1, 0 FROM import_terms t JOIN permission_requests r \
     ON r.redeem_id = t.redeem_id WHERE t.row_no > $2 AND t.row_no <= $3";

const INSERT_COUNTERS: &str = insert_counters!("import_terms", "count(*), 0", "created_at = $1");

/// A request in a file.
#[derive(Clone, Debug)]
pub struct ImportedRequest {
    pub line: u64,
    pub target: Email,
    /// Differs from the target.
    pub grantee: Email,
    pub bundle: BundleId,
    pub expires_at: Timestamp,
}

#[derive(Insertable)]
#[diesel(table_name = import_requests, treat_none_as_default_value = false)]
struct StagedRequest<'a> {
    row_no: i64,
    line: i64,
    redeem_id: DbUuid,
    mail_id: Option<DbUuid>,
    target: &'a str,
    allowed: &'a str,
    bundle_id: i64,
    expires_at: DbTimestamp,
}

/// An import of requests.
pub struct RequestImport {
    staging: Staging,
    mail: bool,
}

impl RequestImport {
    /// Starts an import, with or without a mail for each request. Only
    /// [`TermsImport::insert`] writes to the database.
    pub fn begin(store: &Store, mail: bool) -> Result<Self, StoreError> {
        Ok(Self { staging: Staging::begin(store, &REQUESTS)?, mail })
    }
}

impl TermsImport for RequestImport {
    type Row = ImportedRequest;

    fn now(&self) -> Timestamp {
        self.staging.now
    }

    fn stage(&mut self, requests: &[ImportedRequest]) -> Result<(), StoreError> {
        let mail = self.mail;
        self.staging.stage(requests, |conn, first, now| {
            let rows: Vec<StagedRequest<'_>> = (first..)
                .zip(requests)
                .map(|(row_no, request)| StagedRequest {
                    row_no,
                    line: request.line.try_into().unwrap_or(i64::MAX),
                    redeem_id: row_uuid(now, row_no),
                    mail_id: mail.then(|| row_uuid(now, row_no)),
                    target: request.target.as_str(),
                    allowed: request.grantee.as_str(),
                    bundle_id: request.bundle.0,
                    expires_at: DbTimestamp(request.expires_at),
                })
                .collect();
            write_rows!(conn, import_requests::table, &rows)
        })
    }

    fn resolve(&mut self, limit: i64) -> Result<(Vec<Unresolved>, u64), StoreError> {
        self.staging.resolve_terms(&STATEMENTS, limit)
    }

    fn insert(mut self, on_progress: &dyn Fn(u64)) -> Result<Imported, StoreError> {
        let others: &[&str] = if self.mail { &[INSERT_COUNTERS, INSERT_MAILS] } else { &[INSERT_COUNTERS] };
        self.staging.insert_terms(INSERT, others, on_progress)
    }
}
