//! What imports of requests and of permissions have in common: each row names two users and a bundle.

use super::unresolved::{Unresolved, UnresolvedQuery};
use super::{Imported, Staging, analyze, execute, index_and_analyze};
use crate::domain::timestamp::Timestamp;
use crate::entropy;
use crate::store::connection::{Conn, with_backend};
use crate::store::error::StoreError;
use crate::store::types::DbUuid;
use crate::store::{bundles, requests};
use diesel::RunQueryDsl;

/// An import of rows that each name two users and a bundle.
pub trait TermsImport: Sized {
    /// A row of the file.
    type Row;

    /// The time of the import.
    fn now(&self) -> Timestamp;

    /// Takes rows, in the order of the file.
    fn stage(&mut self, rows: &[Self::Row]) -> Result<(), StoreError>;

    /// Finds the users. Returns the lines with missing users, at most `limit`, and their number.
    fn resolve(&mut self, limit: i64) -> Result<(Vec<Unresolved>, u64), StoreError>;

    /// Inserts the rows, after [`TermsImport::resolve`] has found all users. `on_progress` gets the
    /// number of processed rows.
    fn insert(self, on_progress: &dyn Fn(u64)) -> Result<Imported, StoreError>;
}

/// The statements of such an import.
pub(super) struct TermsStatements {
    /// The table with the rows of the file, and the one with the ids of their users (null: there is no
    /// such user), which [`TermsStatements::resolve`] fills.
    pub tables: [&'static str; 2],
    pub resolve: &'static str,
    pub unresolved: UnresolvedQuery,
}

/// The query for the lines with missing users, and their number.
macro_rules! unresolved_query {
    ($staged:literal, $resolved:literal) => {
        UnresolvedQuery {
            count: concat!(
                "SELECT count(*) AS n FROM ",
                $resolved,
                " WHERE target_id IS NULL OR allowed_id IS NULL"
            ),
            first: concat!(
                "SELECT s.line, s.target, s.allowed, t.target_id IS NULL AS no_target, \
                 t.allowed_id IS NULL AS no_allowed FROM ",
                $resolved,
                " t JOIN ",
                $staged,
                " s ON s.row_no = t.row_no \
                 WHERE t.target_id IS NULL OR t.allowed_id IS NULL ORDER BY t.row_no LIMIT $1"
            ),
        }
    };
}
pub(super) use unresolved_query;

/// The statement that inserts the counters of the inserted rows: of open requests and of active
/// permissions. `$filter` selects those rows, within their range.
macro_rules! insert_counters {
    ($resolved:literal, $counts:literal, $filter:literal) => {
        concat!(
            "INSERT INTO user_counters (user_id, open_requests, active_permissions) SELECT party, ",
            $counts,
            " FROM (SELECT r.user_target AS party, t.row_no, r.created_at FROM ",
            $resolved,
            " t JOIN permission_requests r ON r.redeem_id = t.redeem_id \
             UNION ALL SELECT r.user_allowed, t.row_no, r.created_at FROM ",
            $resolved,
            " t JOIN permission_requests r ON r.redeem_id = t.redeem_id) AS parties WHERE ",
            $filter,
            " AND row_no > $2 AND row_no <= $3 GROUP BY party"
        )
    };
}
pub(super) use insert_counters;

/// Writes rows to their temporary table.
macro_rules! write_rows {
    ($conn:expr, $table:expr, $rows:expr) => {
        match &mut $conn.backend {
            Backend::Postgres(pg) => {
                diesel::copy_from($table).from_insertable($rows).execute(&mut **pg).map(drop)
            }
            Backend::Sqlite(sqlite) => sqlite.transaction(|c| {
                $rows.iter().try_for_each(|row| diesel::insert_into($table).values(row).execute(c).map(drop))
            }),
        }
    };
}
pub(super) use write_rows;

/// The id of a row. They are a microsecond apart, so that they come in the order of the rows, and
/// their index grows at its end.
pub(super) fn row_uuid(now: Timestamp, row_no: i64) -> DbUuid {
    DbUuid(entropy::token().uuid(Timestamp::from_micros(now.micros().saturating_add(row_no))))
}

impl Staging {
    pub(super) fn resolve_terms(
        &mut self,
        TermsStatements { tables: [staged, resolved], resolve, unresolved }: &TermsStatements,
        limit: i64,
    ) -> Result<(Vec<Unresolved>, u64), StoreError> {
        self.transaction(|conn, _| {
            analyze(conn, staged)?;
            with_backend!(conn, c => diesel::sql_query(*resolve).execute(c))?;
            index_and_analyze(conn, resolved)?;
            unresolved.load(conn, limit)
        })
    }

    /// Executes the statements for each slice. The first one inserts the rows.
    pub(super) fn insert_terms(
        &mut self,
        first: &'static str,
        others: &[&'static str],
        on_progress: &dyn Fn(u64),
    ) -> Result<Imported, StoreError> {
        let prepare = |conn: &mut Conn, now: Timestamp| {
            bundles::lock_all_unchanged(conn)?;
            // An expired row that is still open or active would make its terms be skipped.
            requests::expire_all(conn, now)
        };
        let insert_slice = |conn: &mut Conn, now: Timestamp, range: (i64, i64)| {
            let added = execute(conn, first, now, range)?;
            others.iter().try_for_each(|statement| execute(conn, statement, now, range).map(drop))?;
            Ok(added)
        };
        self.insert(on_progress, prepare, insert_slice, |_| Ok(()))
    }
}
