//! Everything that a batch of redemptions writes, in one statement.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::Error;
use diesel::sql_types::BigInt;

use crate::domain::request::PermissionRequest;
use crate::faults::planted;
use crate::store::events::{self, Event};
use crate::store::requests;
use crate::store::tallies::{self, Changes};
use crate::store::{Conn, Link};

/// What is to be written of requests that were open when they were read.
pub(super) struct Stroke {
    /// They, as they end.
    pub ended: Vec<PermissionRequest>,
    /// What that changes of the tallies.
    pub changes: Changes,
    /// The entries of the trail.
    pub trail: Vec<Event>,
}

impl Stroke {
    /// Writes all of it; or nothing, with an error, when any of the requests is not
    /// open any more, or this was given up before it came by ([`events::was_committed`]).
    pub(super) fn write(self, conn: &mut Conn) -> QueryResult<()> {
        let statement = Statement {
            closing: requests::closing(self.ended.iter()),
            addition: self.changes.addition(),
            trail: events::insertion(&self.trail),
            ended: count(self.ended.len()),
            told: count(self.trail.len()),
        };
        match &mut conn.link {
            Link::Postgres(pg) => statement.execute(&mut **pg).map(drop),
            Link::Sqlite(_) => Err(Error::QueryBuilderError("SQLite has no use for this".into())),
        }
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// That fewer were open than have been decided on, or an entry of the trail was there
/// already, is a check violation, which undoes the whole statement.
struct Statement<'a> {
    closing: requests::Closing<'a>,
    addition: tallies::Addition<'a>,
    trail: events::Insertion<'a>,
    ended: i64,
    told: i64,
}

impl QueryId for Statement<'_> {
    type QueryId = Statement<'static>;
}

impl RunQueryDsl<PgConnection> for Statement<'_> {}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH closed AS (");
        self.closing.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING r.id), added AS (");
        self.addition.walk_ast(out.reborrow())?;
        out.push_sql("), told AS (");
        self.trail.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING 1) SELECT (count(*) ");
        out.push_sql(if planted("stroke.unguarded") { "<= " } else { "= " });
        out.push_bind_param::<BigInt, _>(&self.ended)?;
        out.push_sql(" AND (SELECT count(*) FROM told) = ");
        out.push_bind_param::<BigInt, _>(&self.told)?;
        out.push_sql(")::unchanged FROM closed");
        Ok(())
    }
}
