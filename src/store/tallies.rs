//! The tallies: how many open requests and standing permissions a user is a party
//! to. The database keeps them, by triggers, so that a total is told without
//! reading what it counts.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt};

use super::schema::tallies;
use super::types::{At, Instant};
use super::{Conn, Link, on};
use crate::domain::clock::Timestamp;
use crate::domain::user::UserId;

/// From how many rows on a user's tally is worth adding up.
const MANY: usize = 64;

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
        tracing::warn!(%error, "a tally could not be added up");
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

/// Makes one row of each user's. What others add meanwhile stays beside it. (On
/// SQLite there is never more than one.)
fn add_up(conn: &mut Conn, users: &[i64]) -> QueryResult<()> {
    let Link::Postgres(pg) = &mut conn.link else { return Ok(()) };
    diesel::sql_query(
        "WITH apart AS (DELETE FROM tallies WHERE user_id = ANY($1) RETURNING user_id, open, standing) \
         INSERT INTO tallies SELECT user_id, sum(open), sum(standing) FROM apart GROUP BY user_id",
    )
    .bind::<Array<BigInt>, _>(users)
    .execute(&mut **pg)
    .map(drop)
}
