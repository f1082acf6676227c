//! The tallies: how many open requests and standing permissions a user is a party
//! to. Whatever opens, closes or gives writes down what that changes, in the same
//! transaction, so that a total is told without reading what it counts. (Triggers
//! would see to it too, at a third of what redeeming costs.)

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::bulk::bulk;
use super::schema::user_counters;
use super::types::{DbTimestamp, SqlTimestamp};
use super::{Conn, with_backend};
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;

/// From how many rows on a user's tally is worth adding up.
const COMPACT_ABOVE: usize = 64;

bulk! {
    /// What is to be added.
    InsertCounterDeltas { user_id: BigInt => i64, open_requests: BigInt => i64, active_permissions: BigInt => i64 }
    "INSERT INTO user_counters (user_id, open_requests, active_permissions) SELECT * FROM" w ""
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct CounterDeltas(BTreeMap<UserId, (i64, i64)>);

impl CounterDeltas {
    /// So many open requests and standing permissions more, of these terms.
    pub(super) fn add(&mut self, terms: Terms, open_requests: i64, active_permissions: i64) {
        for party in [terms.target, terms.grantee] {
            let tally = self.0.entry(party).or_default();
            *tally = (tally.0 + open_requests, tally.1 + active_permissions);
        }
    }

    /// What there is to write down.
    pub(super) fn insert_statement(&self) -> InsertCounterDeltas<'static> {
        let mut rows = InsertCounterDeltas::default();
        for (user, (open_requests, active_permissions)) in
            self.0.iter().filter(|(_, tally)| **tally != (0, 0))
        {
            rows.push((user.0, *open_requests, *active_permissions));
        }
        rows
    }

    /// Writes them down.
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

/// How many live requests a user is a party to.
pub(super) fn pending_requests(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<i64> {
    let (open_requests, _) = load_counters(conn, user)?;
    // What has expired is closed within seconds: there are few of them, whosesoever
    // they are. The limit, which is none, keeps the user's own rows from being
    // looked through instead.
    let overdue_sql = "SELECT count(*) AS n FROM (SELECT user_target, user_allowed FROM permission_requests \
        WHERE outcome IS NULL AND expires_at <= $1 LIMIT 9223372036854775807) AS late \
        WHERE $2 IN (user_target, user_allowed)";
    let overdue_count: CountRow = with_backend!(conn, c => diesel::sql_query(overdue_sql)
        .bind::<SqlTimestamp, _>(DbTimestamp(now))
        .bind::<BigInt, _>(user.0)
        .get_result(c))?;
    Ok(open_requests - overdue_count.n)
}

/// How many permissions a user is a party to.
pub(super) fn active_permissions(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    load_counters(conn, user).map(|(_, active_permissions)| active_permissions)
}

/// A user's open requests and standing permissions. Who finds many rows adds them
/// up for the next one.
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

/// Adds up the longest tallies, so many at the most; how many that were.
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

/// Makes one row of each user's. What others add meanwhile stays beside it.
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
