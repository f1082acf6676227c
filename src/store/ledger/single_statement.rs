//! The execution of a batch that only closes requests: one statement, without locks.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

use super::pending_writes::PendingWrites;
use super::request_rows::RequestWrite;
use crate::store::audit_log;
use crate::store::connection::{Backend, Conn};
use crate::store::requests;
use crate::store::user_counters;

/// The batch has writes that the single statement cannot execute; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeedsLocks;

/// Writes the changes in one statement that is its own transaction. It fails, and
/// writes nothing, if any of the requests is no longer pending, or if
/// [`audit_log::was_committed`] has already declared the batch abandoned.
pub(super) fn persist_single_statement(
    conn: &mut Conn,
    writes: &PendingWrites,
) -> QueryResult<Result<(), NeedsLocks>> {
    let PendingWrites {
        constraints,
        new_exports,
        revoked_exports,
        requests,
        expired_keys,
        expired_decision_keys,
        resent_mails,
        audit_entries,
    } = writes;
    let mut closed = Vec::new();
    for (write, request) in requests.pending() {
        match write {
            RequestWrite::Close => closed.push(request),
            RequestWrite::Insert | RequestWrite::EndPermission => return Ok(Err(NeedsLocks)),
        }
    }
    let only_closes_requests = !constraints.has_changes()
        && new_exports.is_empty()
        && revoked_exports.is_empty()
        && expired_keys.is_empty()
        && expired_decision_keys.is_empty()
        && resent_mails.is_empty();
    if !only_closes_requests {
        return Ok(Err(NeedsLocks));
    }
    let audit_entries = audit_entries.entries();
    if closed.is_empty() && audit_entries.is_empty() {
        // The replies acknowledge what earlier batches have written.
        return conn.confirm_visible_rows().map(Ok);
    }
    let counter_deltas = requests.counter_deltas();
    let statement = CloseStatement {
        expected_requests: row_count(closed.len()),
        close_requests: requests::close_statement(closed.into_iter()),
        update_counters: counter_deltas.insert_statement(),
        insert_audit_entries: audit_log::insert_statement(audit_entries),
        expected_audit_entries: row_count(audit_entries.len()),
    };
    match &mut conn.backend {
        Backend::Postgres(pg) => statement.execute(&mut **pg).map(|_| Ok(())),
        Backend::Sqlite(_) => Ok(Err(NeedsLocks)),
    }
}

fn row_count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The statement. If it closes fewer requests than decided, or if an audit entry exists
/// already, a check violation undoes it.
struct CloseStatement<'a> {
    close_requests: requests::CloseRequests<'a>,
    update_counters: user_counters::InsertCounterDeltas<'a>,
    insert_audit_entries: audit_log::InsertAuditEntries<'a>,
    expected_requests: i64,
    expected_audit_entries: i64,
}

impl QueryId for CloseStatement<'_> {
    type QueryId = CloseStatement<'static>;
}

impl RunQueryDsl<PgConnection> for CloseStatement<'_> {}

impl QueryFragment<Pg> for CloseStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH closed AS (");
        self.close_requests.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING r.id), counted AS (");
        self.update_counters.walk_ast(out.reborrow())?;
        out.push_sql("), inserted AS (");
        self.insert_audit_entries.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING 1) SELECT (count(*) = ");
        out.push_bind_param::<BigInt, _>(&self.expected_requests)?;
        out.push_sql(" AND (SELECT count(*) FROM inserted) = ");
        out.push_bind_param::<BigInt, _>(&self.expected_audit_entries)?;
        out.push_sql(")::assert_true FROM closed");
        Ok(())
    }
}
