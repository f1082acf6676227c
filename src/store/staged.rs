//! Requests by their tokens, each with all whom it names: one statement for what
//! redeeming needs, and looking at it.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use super::bundles::BundleRow;
use super::cast::Cast;
use super::requests::RequestRow;
use super::types::{At, Id, Instant, Uid};
use super::users::UserRow;
use super::{Conn, Link};
use crate::domain::clock::Timestamp;
use crate::domain::request::PermissionRequest;
use crate::domain::token::RedeemId;

/// Requests, whom they name, and the moment they were read.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub requests: Vec<PermissionRequest>,
    pub cast: Cast,
    /// `None` when there are none.
    pub now: Option<Timestamp>,
}

/// The requests of these tokens, in no order; or locked, in the order of their
/// numbers. Who waited for a lock may be told a moment from before the wait, which
/// `lock_timeout` bounds; what the rows hold is from after it.
pub(super) fn load(conn: &mut Conn, ids: &[RedeemId], lock: bool) -> QueryResult<Staged> {
    let ids: Vec<Uid> = ids.iter().map(|id| Uid(id.0)).collect();
    let rows: Vec<Row> = match &mut conn.link {
        Link::Postgres(pg) if lock => ByTokens::<true>(ids).load(&mut **pg)?,
        Link::Postgres(pg) => ByTokens::<false>(ids).load(&mut **pg)?,
        // Its writers hold the whole database.
        Link::Sqlite(sqlite) => {
            let found = ids.into_iter().map(|id| ByToken(id).get_result(&mut **sqlite).optional());
            found.filter_map(Result::transpose).collect::<QueryResult<_>>()?
        }
    };
    let now = rows.first().map(|(_, at, ..)| conn.moment(*at));
    let mut staged = Staged { requests: Vec::with_capacity(rows.len()), cast: Cast::default(), now };
    for (request, _, target, allowed, bundle) in rows {
        staged.requests.push(request.into());
        staged.cast.add_user(target.into());
        staged.cast.add_user(allowed.into());
        staged.cast.add_bundle(bundle.into());
    }
    Ok(staged)
}

type Row = (RequestRow, At, UserRow, UserRow, BundleRow);
type RequestColumns = (
    BigInt,
    Id,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    Nullable<Text>,
    Instant,
    Instant,
    Nullable<Text>,
    Nullable<Instant>,
    Nullable<Text>,
    Nullable<Text>,
    Bool,
);
type UserColumns = (BigInt, Text, Text, Text, Bool, Bool);
type Columns = (RequestColumns, Instant, UserColumns, UserColumns, (BigInt, Text, Text, SmallInt));

/// The statement, around the moment; what names the rows follows. The order of
/// the joins is as written (`join_collapse_limit`): by the token, then by keys.
macro_rules! select {
    ($now:literal) => {
        concat!(
            "SELECT r.id, r.redeem_id, r.user_target, r.user_allowed, r.bundle_id, r.asked_by, \
             r.redeem_page, r.created_at, r.expires_at, r.create_once, r.closed_at, r.outcome, \
             r.redeem_once, r.stands, ",
            $now,
            ", t.id, t.email, t.first_name, t.last_name, t.active, t.staff, \
             a.id, a.email, a.first_name, a.last_name, a.active, a.staff, \
             b.id, b.name, b.description, b.permission \
             FROM permission_requests AS r JOIN users AS t ON t.id = r.user_target \
             JOIN users AS a ON a.id = r.user_allowed JOIN bundles AS b ON b.id = r.bundle_id \
             WHERE r.redeem_id = "
        )
    };
}

/// On PostgreSQL: all at once, locked or not.
struct ByTokens<const LOCK: bool>(Vec<Uid>);

impl<const LOCK: bool> QueryId for ByTokens<LOCK> {
    type QueryId = Self;
}

impl<const LOCK: bool> Query for ByTokens<LOCK> {
    type SqlType = Columns;
}

impl<const LOCK: bool> RunQueryDsl<PgConnection> for ByTokens<LOCK> {}

impl<const LOCK: bool> QueryFragment<Pg> for ByTokens<LOCK> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(select!("clock_timestamp()"));
        out.push_sql("ANY(");
        out.push_bind_param::<Array<Id>, _>(&self.0)?;
        out.push_sql(")");
        if LOCK {
            // Not `r.id`, in whose order a plan might read the whole table.
            out.push_sql(" ORDER BY r.id + 0 FOR NO KEY UPDATE OF r");
        }
        Ok(())
    }
}

/// On SQLite: one by one. Its clock is this machine's: what is selected in place
/// of it is not looked at.
struct ByToken(Uid);

impl QueryId for ByToken {
    type QueryId = Self;
}

impl Query for ByToken {
    type SqlType = Columns;
}

impl RunQueryDsl<SqliteConnection> for ByToken {}

impl QueryFragment<Sqlite> for ByToken {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(select!("r.created_at"));
        out.push_bind_param::<Id, _>(&self.0)
    }
}
