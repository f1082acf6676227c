//! The tallies: how many open requests and standing permissions a user is a party
//! to. Whatever opens, closes or gives writes down what that changes, in the same
//! transaction, so that a total is told without reading what it counts. (Triggers
//! would see to it too, at a third of what redeeming costs.)

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::bulk::bulk;
use super::schema::tallies;
use super::types::{At, Instant};
use super::{Conn, on};
use crate::domain::clock::Timestamp;
use crate::domain::grant::Terms;
use crate::domain::user::UserId;
use crate::faults::planted;

/// From how many rows on a user's tally is worth adding up.
const MANY: usize = 64;

bulk! {
    /// What is to be added.
    Addition { user_id: BigInt => i64, open: BigInt => i64, standing: BigInt => i64 }
    "INSERT INTO tallies (user_id, open, standing) SELECT * FROM" w ""
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<UserId, (i64, i64)>);

impl Changes {
    /// So many open requests and standing permissions more, of these terms.
    pub(super) fn add(&mut self, terms: Terms, open: i64, standing: i64) {
        for party in [terms.target, terms.allowed].into_iter().skip(planted("tallies.one_sided").into()) {
            let tally = self.0.entry(party).or_default();
            *tally = (tally.0 + open, tally.1 + standing);
        }
    }

    /// What there is to write down.
    pub(super) fn addition(&self) -> Addition<'static> {
        let mut rows = Addition::default();
        for (user, (open, standing)) in self.0.iter().filter(|(_, tally)| **tally != (0, 0)) {
            rows.push((user.0, *open, *standing));
        }
        rows
    }

    /// Writes them down.
    pub(super) fn write(&self, conn: &mut Conn) -> QueryResult<()> {
        let rows = self.addition();
        if rows.rows > 0 { rows.run(conn).map(drop) } else { Ok(()) }
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many live requests a user is a party to.
pub(super) fn live(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<i64> {
    let (open, _) = of(conn, user)?;
    // What has expired is closed within seconds: there are few of them, whosesoever
    // they are. The limit, which is none, keeps the user's own rows from being
    // looked through instead.
    let overdue = "SELECT count(*) AS n FROM (SELECT user_target, user_allowed FROM permission_requests \
        WHERE outcome IS NULL AND expires_at <= $1 LIMIT 9223372036854775807) AS late \
        WHERE $2 IN (user_target, user_allowed)";
    let late: Count = on!(conn, c => diesel::sql_query(overdue)
        .bind::<Instant, _>(At(now))
        .bind::<BigInt, _>(user.0)
        .get_result(c))?;
    Ok(open - late.n)
}

/// How many permissions a user is a party to.
pub(super) fn standing(conn: &mut Conn, user: UserId) -> QueryResult<i64> {
    of(conn, user).map(|(_, standing)| standing)
}

/// A user's open requests and standing permissions. Who finds many rows adds them
/// up for the next one.
fn of(conn: &mut Conn, user: UserId) -> QueryResult<(i64, i64)> {
    let rows: Vec<(i64, i64)> = on!(conn, c => tallies::table
        .filter(tallies::user_id.eq(user.0))
        .select((tallies::open, tallies::standing))
        .load(c))?;
    if rows.len() > MANY
        && let Err(error) = add_up(conn, &[user.0])
    {
        tracing::warn!(%error, "counter compaction failed");
    }
    Ok(rows.into_iter().fold((0, 0), |(a, b), (open, standing)| (a + open, b + standing)))
}

/// Adds up the longest tallies, so many at the most; how many that were.
pub(super) fn add_up_longest(conn: &mut Conn, most: i64) -> QueryResult<usize> {
    let long: Vec<i64> = on!(conn, c => tallies::table
        .group_by(tallies::user_id)
        .having(diesel::dsl::count_star().gt(1))
        .select(tallies::user_id)
        .limit(most)
        .load(c))?;
    add_up(conn, &long)?;
    Ok(long.len())
}

/// Makes one row of each user's. What others add meanwhile stays beside it.
fn add_up(conn: &mut Conn, users: &[i64]) -> QueryResult<()> {
    on!(conn, c => c.transaction(|c| {
        let apart: Vec<(i64, i64, i64)> = diesel::delete(tallies::table.filter(tallies::user_id.eq_any(users)))
            .returning((tallies::user_id, tallies::open, tallies::standing))
            .get_results(c)?;
        let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for (user, open, standing) in apart {
            let sum = sums.entry(user).or_default();
            *sum = (sum.0 + open, sum.1 + standing);
        }
        let rows: Vec<_> = sums
            .into_iter()
            .map(|(user, (open, standing))| {
                (tallies::user_id.eq(user), tallies::open.eq(open), tallies::standing.eq(standing))
            })
            .collect();
        diesel::insert_into(tallies::table).values(&rows).execute(c).map(drop)
    }))
}
