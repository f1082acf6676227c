//! Numbers of open requests and active permissions per user, so that a list's total needs no
//! count. Each transaction that changes them inserts a row with the difference. (Triggers could do
//! that, but would take a third of the cost of a redemption.)

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::bulk::bulk;
use super::connection::{Conn, with_backend};
use super::schema::user_counters;
use super::types::{DbTimestamp, SqlTimestamp};
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;

/// A user with more rows than this has them replaced by their sum when they are read.
const COMPACT_ABOVE: usize = 64;

bulk! {
    InsertCounterDeltas { user_id: BigInt => i64, open_requests: BigInt => i64, active_permissions: BigInt => i64 }
    "INSERT INTO user_counters (user_id, open_requests, active_permissions) SELECT * FROM" w ""
}

/// Differences of the counters, by user.
#[derive(Debug, Default)]
pub(super) struct CounterDeltas(BTreeMap<UserId, (i64, i64)>);

impl CounterDeltas {
    /// Adds to the counters of both parties of the terms.
    pub(super) fn add(&mut self, terms: Terms, open_requests: i64, active_permissions: i64) {
        for party in [terms.target, terms.grantee] {
            let delta = self.0.entry(party).or_default();
            *delta = (delta.0 + open_requests, delta.1 + active_permissions);
        }
    }

    /// The statement that inserts the differences other than zero.
    pub(super) fn insert_statement(&self) -> InsertCounterDeltas<'static> {
        let mut rows = InsertCounterDeltas::default();
        for (user, (open_requests, active_permissions)) in
            self.0.iter().filter(|(_, delta)| **delta != (0, 0))
        {
            rows.push((user.0, *open_requests, *active_permissions));
        }
        rows
    }

    /// Inserts the differences.
    pub(super) fn write(&self, conn: &mut Conn) -> QueryResult<()> {
        let rows = self.insert_statement();
        if rows.rows > 0 { rows.run(conn).map(drop) } else { Ok(()) }
    }
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// A query for the number of overdue rows of a user. They are marked within seconds, so there are few of
/// them in all. The limit, which is larger than any table, keeps the planner from reading the user's
/// rows instead.
macro_rules! overdue {
    ($condition:literal) => {
        concat!(
            "SELECT count(*) AS n FROM (SELECT user_target, user_allowed FROM permission_requests WHERE ",
            $condition,
            " LIMIT 9223372036854775807) AS overdue WHERE $2 IN (user_target, user_allowed)"
        )
    };
}

/// Runs a query of [`overdue!`].
fn count_overdue(conn: &mut Conn, sql: &'static str, user: UserId, now: Timestamp) -> QueryResult<i64> {
    let count: CountRow = with_backend!(conn, c => diesel::sql_query(sql)
        .bind::<SqlTimestamp, _>(DbTimestamp(now))
        .bind::<BigInt, _>(user.0)
        .get_result(c))?;
    Ok(count.n)
}

/// The number of pending requests to which a user is a party.
pub(super) fn pending_requests(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<i64> {
    let (open_requests, _) = load_counters(conn, user)?;
    Ok(open_requests - count_overdue(conn, overdue!("outcome IS NULL AND expires_at <= $1"), user, now)?)
}

/// The number of active permissions to which a user is a party.
pub(super) fn active_permissions(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<i64> {
    let (_, active_permissions) = load_counters(conn, user)?;
    let overdue = overdue!("active AND permission_expires_at IS NOT NULL AND permission_expires_at <= $1");
    Ok(active_permissions - count_overdue(conn, overdue, user, now)?)
}

/// The number of active permissions of all users.
pub(super) fn all_active_permissions(conn: &mut Conn, now: Timestamp) -> QueryResult<i64> {
    // The cast: PostgreSQL's sum of integers is a decimal number.
    let overdue_sql = "SELECT CAST((SELECT coalesce(sum(active_permissions), 0) FROM user_counters) AS bigint) / 2 \
        - count(*) AS n \
        FROM permission_requests \
        WHERE active AND permission_expires_at IS NOT NULL AND permission_expires_at <= $1";
    let active: CountRow = with_backend!(conn, c => diesel::sql_query(overdue_sql)
        .bind::<SqlTimestamp, _>(DbTimestamp(now))
        .get_result(c))?;
    Ok(active.n)
}

/// The sums of a user's open requests and active permissions. Compacts the rows if there are many.
fn load_counters(conn: &mut Conn, user: UserId) -> QueryResult<(i64, i64)> {
    let rows: Vec<(i64, i64)> = with_backend!(conn, c => user_counters::table
        .filter(user_counters::user_id.eq(user.0))
        .select((user_counters::open_requests, user_counters::active_permissions))
        .load(c))?;
    if rows.len() > COMPACT_ABOVE
        && let Err(error) = compact(conn, &[user.0])
    {
        tracing::warn!(%error, "counter compaction failed");
    }
    Ok(rows.into_iter().fold((0, 0), |(a, b), (open_requests, active_permissions)| {
        (a + open_requests, b + active_permissions)
    }))
}

/// Compacts users with more than one row, at most `limit`, and returns their number.
pub(super) fn compact_largest(conn: &mut Conn, limit: i64) -> QueryResult<usize> {
    let user_ids: Vec<i64> = with_backend!(conn, c => user_counters::table
        .group_by(user_counters::user_id)
        .having(diesel::dsl::count_star().gt(1))
        .select(user_counters::user_id)
        .limit(limit)
        .load(c))?;
    compact(conn, &user_ids)?;
    Ok(user_ids.len())
}

/// Replaces each user's rows by their sum. Rows that are inserted concurrently stay.
fn compact(conn: &mut Conn, users: &[i64]) -> QueryResult<()> {
    with_backend!(conn, c => c.transaction(|c| {
        let deltas: Vec<(i64, i64, i64)> = diesel::delete(user_counters::table.filter(user_counters::user_id.eq_any(users)))
            .returning((user_counters::user_id, user_counters::open_requests, user_counters::active_permissions))
            .get_results(c)?;
        let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for (user, open_requests, active_permissions) in deltas {
            let sum = sums.entry(user).or_default();
            *sum = (sum.0 + open_requests, sum.1 + active_permissions);
        }
        let rows: Vec<_> = sums
            .into_iter()
            .map(|(user, (open_requests, active_permissions))| {
                (user_counters::user_id.eq(user), user_counters::open_requests.eq(open_requests), user_counters::active_permissions.eq(active_permissions))
            })
            .collect();
        diesel::insert_into(user_counters::table).values(&rows).execute(c).map(drop)
    }))
}
