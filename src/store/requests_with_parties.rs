//! Requests by their tokens, with their users and bundles, in one statement: the data for viewing
//! and for redeeming a request.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use super::bulk::Column;
use super::bundles::BundleRow;
use super::connection::{Backend, Conn};
use super::participants::Participants;
use super::requests::RequestRow;
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use super::user_row::UserRow;
use crate::domain::permission_request::PermissionRequest;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;

/// Requests, their users and bundles, and the time at which they were read.
#[derive(Debug, Default)]
pub(super) struct RequestsWithParties {
    pub requests: Vec<PermissionRequest>,
    pub participants: Participants,
    /// `None`: no request was found.
    pub read_at: Option<Timestamp>,
}

/// The requests with these tokens. Without `lock` they are in no particular order; with it they
/// are locked in the order of their ids. If the query waited for a lock, the returned timestamp
/// may predate the wait (by at most `lock_timeout`); the row values are read after it.
pub(super) fn load(conn: &mut Conn, ids: &[RedeemId], lock: bool) -> QueryResult<RequestsWithParties> {
    let ids: Column<DbUuid> = ids.iter().map(|id| DbUuid(id.0)).collect();
    let rows: Vec<JoinedRow> = match &mut conn.backend {
        Backend::Postgres(pg) if lock => SelectByTokens::<true>(ids).load(&mut **pg)?,
        Backend::Postgres(pg) => SelectByTokens::<false>(ids).load(&mut **pg)?,
        // SQLite has one writer at a time, and needs no lock.
        Backend::Sqlite(sqlite) => {
            let found = ids.0.into_iter().map(|id| SelectByToken(id).get_result(&mut **sqlite).optional());
            found.filter_map(Result::transpose).collect::<QueryResult<_>>()?
        }
    };
    let read_at = rows.first().map(|(_, at, ..)| conn.resolve_now(*at));
    let mut loaded = RequestsWithParties {
        requests: Vec::with_capacity(rows.len()),
        participants: Participants::default(),
        read_at,
    };
    for (request, _, target, allowed, bundle) in rows {
        loaded.requests.push(request.into());
        loaded.participants.add_user(target.into());
        loaded.participants.add_user(allowed.into());
        loaded.participants.add_bundle(bundle.into());
    }
    Ok(loaded)
}

type JoinedRow = (RequestRow, DbTimestamp, UserRow, UserRow, BundleRow);
type RequestColumns = (
    BigInt,
    SqlUuid,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    Nullable<Text>,
    Nullable<Text>,
    SmallInt,
    SmallInt,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    SqlTimestamp,
    SqlTimestamp,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<SqlTimestamp>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<SmallInt>,
    Nullable<SqlTimestamp>,
    Nullable<SqlTimestamp>,
    Nullable<Text>,
    Bool,
);
type UserColumns = (BigInt, Text, Text, Text, Bool, Bool);
type JoinedColumns = (RequestColumns, SqlTimestamp, UserColumns, UserColumns, (BigInt, Text, Text, SmallInt));

/// The statement up to its tables. `$now` is the SQL of the current time.
macro_rules! select {
    ($now:literal) => {
        concat!(
            "SELECT r.id, r.redeem_id, r.user_target, r.user_allowed, r.bundle_id, r.asked_by, \
             r.redeem_page, r.purpose, r.permission, r.minimum, r.permission_ttl, r.return_url, r.state, \
             r.created_at, r.expires_at, r.create_key, r.create_digest, r.closed_at, r.outcome, r.reason, r.statement, \
             r.decision_key, r.granted_permission, r.permission_expires_at, r.ended_at, r.end_cause, r.active, ",
            $now,
            ", t.id, t.email, t.first_name, t.last_name, t.active, t.staff, \
             a.id, a.email, a.first_name, a.last_name, a.active, a.staff, \
             b.id, b.name, b.description, b.permission FROM "
        )
    };
}

/// On PostgreSQL: one statement for all tokens. Each request is looked up by its token, and then its users and its
/// bundle by their ids (see [`bulk`](super::bulk)).
struct SelectByTokens<const LOCK: bool>(Column<DbUuid>);

impl<const LOCK: bool> QueryId for SelectByTokens<LOCK> {
    type QueryId = Self;
}

impl<const LOCK: bool> Query for SelectByTokens<LOCK> {
    type SqlType = JoinedColumns;
}

impl<const LOCK: bool> RunQueryDsl<PgConnection> for SelectByTokens<LOCK> {}

impl<const LOCK: bool> QueryFragment<Pg> for SelectByTokens<LOCK> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(select!("clock_timestamp()"));
        out.push_sql("(SELECT * FROM permission_requests WHERE redeem_id = ANY(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.0)?;
        // `id` alone could make the planner read the whole table in that order.
        out.push_sql(if LOCK { ") ORDER BY id + 0 FOR NO KEY UPDATE" } else { ") OFFSET 0" });
        out.push_sql(
            ") AS r \
             CROSS JOIN LATERAL (SELECT * FROM users WHERE id = r.user_target OFFSET 0) AS t \
             CROSS JOIN LATERAL (SELECT * FROM users WHERE id = r.user_allowed OFFSET 0) AS a \
             CROSS JOIN LATERAL (SELECT * FROM bundles WHERE id = r.bundle_id OFFSET 0) AS b",
        );
        Ok(())
    }
}

/// On SQLite: one statement per token. The clock is this process's; the column in its place only
/// has the right type, and is ignored.
struct SelectByToken(DbUuid);

impl QueryId for SelectByToken {
    type QueryId = Self;
}

impl Query for SelectByToken {
    type SqlType = JoinedColumns;
}

impl RunQueryDsl<SqliteConnection> for SelectByToken {}

impl QueryFragment<Sqlite> for SelectByToken {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(select!("r.created_at"));
        out.push_sql(
            "permission_requests AS r JOIN users AS t ON t.id = r.user_target \
             JOIN users AS a ON a.id = r.user_allowed JOIN bundles AS b ON b.id = r.bundle_id WHERE r.redeem_id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.0)
    }
}
