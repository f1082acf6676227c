//! Everything that a batch of redemptions writes, in one statement.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::sql_types::BigInt;

use crate::domain::permission_request::PermissionRequest;
use crate::store::audit_log::{self, NewAuditEntry};
use crate::store::requests;
use crate::store::user_counters::{self, CounterDeltas};
use crate::store::{Backend, Conn};

/// What is to be written of requests that were open when they were read.
pub(super) struct RedeemStatement {
    /// They, as they end.
    pub closed_requests: Vec<PermissionRequest>,
    /// What that changes of the tallies.
    pub counter_deltas: CounterDeltas,
    /// The entries of the trail.
    pub audit_entries: Vec<NewAuditEntry>,
}

impl RedeemStatement {
    /// Writes all of it; or nothing, with an error, when any of the requests is not
    /// open any more, or this was given up before it came by ([`events::was_committed`]).
    pub(super) fn execute(self, conn: &mut Conn) -> QueryResult<()> {
        let statement = RedeemQuery {
            close_requests: requests::close_statement(self.closed_requests.iter()),
            update_counters: self.counter_deltas.insert_statement(),
            insert_audit_entries: audit_log::insert_statement(&self.audit_entries),
            expected_requests: row_count(self.closed_requests.len()),
            expected_audit_entries: row_count(self.audit_entries.len()),
        };
        match &mut conn.backend {
            Backend::Postgres(pg) => statement.execute(&mut **pg).map(drop),
            Backend::Sqlite(_) => {
                Err(Error::QueryBuilderError("the redeem statement is PostgreSQL only".into()))
            }
        }
    }
}

fn row_count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// That fewer were open than have been decided on, or an entry of the trail was there
/// already, is a check violation, which undoes the whole statement.
struct RedeemQuery<'a> {
    close_requests: requests::CloseRequests<'a>,
    update_counters: user_counters::InsertCounterDeltas<'a>,
    insert_audit_entries: audit_log::InsertAuditEntries<'a>,
    expected_requests: i64,
    expected_audit_entries: i64,
}

impl QueryId for RedeemQuery<'_> {
    type QueryId = RedeemQuery<'static>;
}

impl RunQueryDsl<PgConnection> for RedeemQuery<'_> {}

impl QueryFragment<Pg> for RedeemQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH closed AS (");
        self.close_requests.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING r.id), counted AS (");
        self.update_counters.walk_ast(out.reborrow())?;
        out.push_sql("), inserted AS (");
        self.insert_audit_entries.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING 1) SELECT (count(*) ");
        out.push_sql("= ");
        out.push_bind_param::<BigInt, _>(&self.expected_requests)?;
        out.push_sql(" AND (SELECT count(*) FROM inserted) = ");
        out.push_bind_param::<BigInt, _>(&self.expected_audit_entries)?;
        out.push_sql(")::assert_true FROM closed");
        Ok(())
    }
}
