//! Imports of permission requests.

use diesel::prelude::*;

use super::unresolved::{Unresolved, UnresolvedQuery};
use super::{ImportKind, Imported, Staging, execute};
use crate::domain::audit::AuditAction;
use crate::domain::bundle::BundleId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::entropy;
use crate::store::connection::{Backend, Conn, Store, with_backend};
use crate::store::error::StoreError;
use crate::store::requests;
use crate::store::types::{DbTimestamp, DbUuid};
use diesel::QueryResult;

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
/// The lines with missing users, and their number.
const UNRESOLVED: UnresolvedQuery = UnresolvedQuery {
    count: "SELECT count(*) AS n FROM import_terms WHERE target_id IS NULL OR allowed_id IS NULL",
    first: "SELECT s.line, s.target, s.allowed, t.target_id IS NULL AS no_target, \
     t.allowed_id IS NULL AS no_allowed FROM import_terms t JOIN import_requests s ON s.row_no = t.row_no \
     WHERE t.target_id IS NULL OR t.allowed_id IS NULL ORDER BY t.row_no LIMIT $1",
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

/// The counters of the inserted rows.
const INSERT_COUNTERS: &str = "INSERT INTO user_counters (user_id, open_requests, active_permissions) \
     SELECT party, count(*), 0 FROM ( \
     SELECT r.user_target AS party, t.row_no, r.created_at FROM import_terms t \
     JOIN permission_requests r ON r.redeem_id = t.redeem_id \
     UNION ALL SELECT r.user_allowed, t.row_no, r.created_at FROM import_terms t \
     JOIN permission_requests r ON r.redeem_id = t.redeem_id) AS parties \
     WHERE created_at = $1 AND row_no > $2 AND row_no <= $3 GROUP BY party";

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
    /// [`RequestImport::insert`] writes to the database.
    pub fn begin(store: &Store, mail: bool) -> Result<Self, StoreError> {
        Ok(Self { staging: Staging::begin(store, &REQUESTS)?, mail })
    }

    /// When all these requests are made: now.
    pub fn now(&self) -> Timestamp {
        self.staging.now
    }

    /// Takes requests, in the order of the file.
    pub fn stage(&mut self, requests: &[ImportedRequest]) -> Result<(), StoreError> {
        let mail = self.mail;
        self.staging.stage(requests, |conn, first, now| {
            let rows: Vec<StagedRequest<'_>> = (first..)
                .zip(requests)
                .map(|(row_no, request)| {
                    // A microsecond each, so that the ids come in their order,
                    // and their index grows at its end.
                    let at = Timestamp::from_micros(now.micros().saturating_add(row_no));
                    StagedRequest {
                        row_no,
                        line: request.line.try_into().unwrap_or(i64::MAX),
                        redeem_id: DbUuid(entropy::token().uuid(at)),
                        mail_id: mail.then(|| DbUuid(entropy::token().uuid(at))),
                        target: request.target.as_str(),
                        allowed: request.grantee.as_str(),
                        bundle_id: request.bundle.0,
                        expires_at: DbTimestamp(request.expires_at),
                    }
                })
                .collect();
            write(conn, &rows)
        })
    }

    /// Finds the users. Returns the lines with missing users, at most `limit`, and their number.
    pub fn resolve(&mut self, limit: i64) -> Result<(Vec<Unresolved>, u64), StoreError> {
        self.staging.transaction(|conn, _| {
            super::analyze(conn, "import_requests")?;
            with_backend!(conn, c => diesel::sql_query(RESOLVE).execute(c))?;
            super::index_and_analyze(conn, "import_terms")?;
            UNRESOLVED.load(conn, limit)
        })
    }

    /// Inserts the requests, after [`RequestImport::resolve`] has found all users. `on_progress`
    /// gets the number of processed rows.
    pub fn insert(mut self, on_progress: &dyn Fn(u64)) -> Result<Imported, StoreError> {
        let mail = self.mail;
        // An expired request that is still open would make its terms be skipped.
        let insert_slice = |conn: &mut Conn, now: Timestamp, range: (i64, i64)| {
            let added = execute(conn, INSERT, now, range)?;
            execute(conn, INSERT_COUNTERS, now, range)?;
            if mail {
                execute(conn, INSERT_MAILS, now, range)?;
            }
            Ok(added)
        };
        self.staging.insert(on_progress, requests::expire_all, insert_slice, |_| Ok(()))
    }
}

fn write(conn: &mut Conn, rows: &[StagedRequest<'_>]) -> QueryResult<()> {
    match &mut conn.backend {
        Backend::Postgres(pg) => {
            diesel::copy_from(import_requests::table).from_insertable(rows).execute(&mut **pg).map(drop)
        }
        Backend::Sqlite(sqlite) => sqlite.transaction(|c| {
            rows.iter().try_for_each(|row| {
                diesel::insert_into(import_requests::table).values(row).execute(c).map(drop)
            })
        }),
    }
}
