//! The execution of a batch that creates requests, or closes requests by their tokens: one statement, without
//! locks.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

use super::batch::Batch;
use super::constraints::RequestConstraints;
use super::pending_writes::{PendingWrites, mail_statement, mails_of_new_rows};
use super::request_rows::RequestWrite;
use crate::domain::bundle::Bundle;
use crate::domain::permission_request::{PermissionRequest, RequestOutcome};
use crate::domain::timestamp::Timestamp;
use crate::store::bulk::FirstRow;
use crate::store::connection::{Backend, Conn};
use crate::store::rate_limits::WriteStatements;
use crate::store::{audit_log, blocks, bundles, outbox, rate_limits, requests, user_counters};

/// The batch has writes that the single statement cannot execute; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeedsLocks;

/// Writes the changes in one statement that is its own transaction. It fails, and
/// writes nothing, if any of the rows has changed since the batch was decided, or if
/// [`audit_log::was_committed`] has already declared the batch abandoned.
pub(super) fn persist_single_statement(
    conn: &mut Conn,
    batch: &Batch,
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
    } = &batch.writes;
    let (mut new, mut closed) = (Vec::new(), Vec::new());
    for (write, request) in requests.pending() {
        match write {
            RequestWrite::Insert => new.push(request),
            // The order of the two would matter to the unique index of open requests.
            RequestWrite::Close if is_replaced(request) => return Ok(Err(NeedsLocks)),
            RequestWrite::Close => closed.push(request),
            RequestWrite::EndPermission => return Ok(Err(NeedsLocks)),
        }
    }
    let only_creates_and_closes_requests = !constraints.changes_blocks()
        && new_exports.is_empty()
        && revoked_exports.is_empty()
        && expired_keys.is_empty()
        && expired_decision_keys.is_empty()
        && resent_mails.is_empty();
    if !only_creates_and_closes_requests {
        return Ok(Err(NeedsLocks));
    }
    if new.is_empty() && constraints.changes_limits() {
        return Ok(Err(NeedsLocks));
    }
    let audit_entries = audit_entries.entries();
    if new.is_empty() && closed.is_empty() && audit_entries.is_empty() {
        // The replies acknowledge what earlier batches have written.
        return conn.confirm_visible_rows().map(Ok);
    }
    let counter_deltas = requests.counter_deltas();
    let close = CloseParts {
        audit_entries: audit_entries.len(),
        expected_requests: row_count(closed.len()),
        close_requests: requests::close_statement(closed.into_iter()),
        update_counters: counter_deltas.insert_statement(),
        insert_audit_entries: audit_log::insert_statement(audit_entries),
    };
    let Backend::Postgres(pg) = &mut conn.backend else { return Ok(Err(NeedsLocks)) };
    if new.is_empty() {
        match close.has_one_row() {
            true => OnlyClose::<true>(close).execute(&mut **pg)?,
            false => OnlyClose::<false>(close).execute(&mut **pg)?,
        };
    } else {
        new.sort_by_key(|request| request.terms);
        let bundles =
            batch.bundles.values().filter(|bundle| new.iter().any(|new| new.terms.bundle == bundle.id));
        CreateStatement::new(close, constraints, bundles, &new, batch.now).execute(&mut **pg)?;
    }
    Ok(Ok(()))
}

fn is_replaced(request: &PermissionRequest) -> bool {
    request.closed.as_ref().is_some_and(|closed| closed.outcome == RequestOutcome::Replaced)
}

fn row_count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Adds a part of a statement, for its first row alone if it has no other.
fn walk_part<'b, P: QueryFragment<Pg> + FirstRow>(
    part: &'b P,
    has_one_row: bool,
    out: AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    if has_one_row { part.walk_first_row(out) } else { part.walk_ast(out) }
}

/// The parts of a statement that close requests, and write counters and audit entries. If it closes fewer than decided, a
/// check violation undoes it; if an audit entry exists already, its unique id does.
struct CloseParts<'a> {
    close_requests: requests::CloseRequests<'a>,
    update_counters: user_counters::InsertCounterDeltas<'a>,
    insert_audit_entries: audit_log::InsertAuditEntries<'a>,
    expected_requests: i64,
    audit_entries: usize,
}

impl CloseParts<'_> {
    /// Whether the only operation closes one request.
    fn has_one_row(&self) -> bool {
        self.expected_requests == 1 && self.audit_entries == 1
    }

    fn walk_closes<'b>(&'b self, has_one_row: bool, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("closed AS (");
        walk_part(&self.close_requests, has_one_row, out.reborrow())?;
        out.push_sql(" RETURNING r.id), ");
        Ok(())
    }

    fn walk_records<'b>(&'b self, has_one_row: bool, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("counted AS (");
        self.update_counters.walk_ast(out.reborrow())?;
        out.push_sql("), audited AS (");
        walk_part(&self.insert_audit_entries, has_one_row, out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }

    fn walk_condition<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(SELECT count(*) FROM closed) = ");
        out.push_bind_param::<BigInt, _>(&self.expected_requests)
    }
}

/// A statement that closes requests.
struct OnlyClose<'a, const ONE_ROW: bool>(CloseParts<'a>);

impl<const ONE_ROW: bool> QueryId for OnlyClose<'_, ONE_ROW> {
    type QueryId = OnlyClose<'static, ONE_ROW>;
}

impl<const ONE_ROW: bool> RunQueryDsl<PgConnection> for OnlyClose<'_, ONE_ROW> {}

impl<const ONE_ROW: bool> QueryFragment<Pg> for OnlyClose<'_, ONE_ROW> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH ");
        self.0.walk_closes(ONE_ROW, out.reborrow())?;
        self.0.walk_records(ONE_ROW, out.reborrow())?;
        out.push_sql(" SELECT (");
        self.0.walk_condition(out.reborrow())?;
        out.push_sql(")::assert_true");
        Ok(())
    }
}

/// A statement that creates requests, and may close others. A check violation also undoes it if a target has blocked a
/// requester, or if a bundle or a rate limit has changed; a request with the same terms or key violates a unique index.
struct CreateStatement<'a> {
    close: CloseParts<'a>,
    unblocked: blocks::LockUnblocked,
    keep_bundles: bundles::KeepUnchanged<'a>,
    insert_requests: requests::InsertRequests<'a>,
    insert_mails: outbox::InsertItems<'static>,
    update_limits: rate_limits::UpdateRateLimits<'a>,
    insert_limits: rate_limits::InsertRateLimits<'a>,
    expected_bundles: i64,
    expected_limits: i64,
    /// Whether the only operation creates one request.
    has_one_row: bool,
}

impl<'a> CreateStatement<'a> {
    fn new(
        close: CloseParts<'a>,
        constraints: &'a RequestConstraints,
        bundles: impl Iterator<Item = &'a Bundle>,
        new: &[&'a PermissionRequest],
        now: Timestamp,
    ) -> Self {
        let bundles: Vec<_> = bundles.collect();
        let mails = mails_of_new_rows(new);
        let WriteStatements { update, insertion, rows } = constraints.write_limits();
        Self {
            unblocked: constraints.lock_unblocked(),
            expected_bundles: row_count(bundles.len()),
            keep_bundles: bundles::KeepUnchanged::new(&bundles),
            insert_requests: requests::insert_statement(new),
            insert_mails: mail_statement(&mails, now),
            update_limits: update,
            insert_limits: insertion,
            expected_limits: row_count(rows),
            has_one_row: new.len() == 1 && mails.len() == 1 && close.audit_entries == 1,
            close,
        }
    }
}

/// Found by its text, because that depends on the rows.
impl QueryId for CreateStatement<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<PgConnection> for CreateStatement<'_> {}

/// Without the parts that have no row: PostgreSQL would prepare to execute them nevertheless.
impl QueryFragment<Pg> for CreateStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let closes_requests = self.close.expected_requests > 0;
        let changes_limits = self.expected_limits > 0;
        out.push_sql("WITH ");
        if closes_requests {
            self.close.walk_closes(false, out.reborrow())?;
        }
        self.close.walk_records(self.has_one_row, out.reborrow())?;
        out.push_sql(", created AS (");
        walk_part(&self.insert_requests, self.has_one_row, out.reborrow())?;
        out.push_sql("), mailed AS (");
        walk_part(&self.insert_mails, self.has_one_row, out.reborrow())?;
        out.push_sql("), kept AS (");
        self.keep_bundles.walk_ast(out.reborrow())?;
        out.push_sql(")");
        if changes_limits {
            out.push_sql(", limits_updated AS (");
            self.update_limits.walk_ast(out.reborrow())?;
            out.push_sql(" RETURNING 1), limits_inserted AS (");
            self.insert_limits.walk_ast(out.reborrow())?;
            out.push_sql(" RETURNING 1)");
        }
        // The blocks are locked before any row.
        out.push_sql(" SELECT (");
        self.unblocked.walk_ast(out.reborrow())?;
        out.push_sql(" AND (SELECT count(*) FROM kept) = ");
        out.push_bind_param::<BigInt, _>(&self.expected_bundles)?;
        if changes_limits {
            out.push_sql(
                " AND (SELECT count(*) FROM limits_updated) + (SELECT count(*) FROM limits_inserted) = ",
            );
            out.push_bind_param::<BigInt, _>(&self.expected_limits)?;
        }
        if closes_requests {
            out.push_sql(" AND ");
            self.close.walk_condition(out.reborrow())?;
        }
        out.push_sql(")::assert_true");
        Ok(())
    }
}
