//! How often a request's link was fetched, and looked at by its target.

use std::time;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::bulk::bulk;
use super::schema::link_views::dsl;
use super::types::{At, Id, Instant, Uid};
use super::{Conn, Link, Store, StoreError, on};
use crate::domain::clock::Timestamp;
use crate::domain::token::RedeemId;

/// How often a link was fetched since that was last written down.
#[derive(Clone, Copy, Debug)]
pub struct Views {
    /// Whose token it carries.
    pub id: RedeemId,
    /// How often it was fetched, by whomever: people, mail programs, scanners.
    pub fetches: i64,
    /// When it was last fetched.
    pub fetched: time::Instant,
    /// How often its target, who was signed in, saw the request.
    pub looks: i64,
    /// When they last did.
    pub looked: Option<time::Instant>,
}

/// How often a link was fetched in all, some seconds ago.
#[derive(Clone, Copy, Debug)]
pub struct Viewed {
    /// How often it was fetched, by whomever.
    pub fetches: i64,
    /// When it was last fetched.
    pub last_fetched_at: Timestamp,
    /// How often its target saw the request.
    pub looks: i64,
    /// When they last did.
    pub last_looked_at: Option<Timestamp>,
}

bulk! {
    /// Views to be added up, of requests that there are.
    Addition {
        id: Id => Uid,
        fetches: BigInt => i64,
        fetched: Instant => At,
        looks: BigInt => i64,
        looked: Nullable<Instant> => Option<At>,
    }
    "INSERT INTO link_views (redeem_id, fetches, last_fetched_at, looks, last_looked_at) SELECT * FROM" w
    "WHERE EXISTS (SELECT 1 FROM permission_requests AS r WHERE r.redeem_id = w.id) \
     ON CONFLICT (redeem_id) DO UPDATE SET fetches = link_views.fetches + excluded.fetches, \
     last_fetched_at = excluded.last_fetched_at, looks = link_views.looks + excluded.looks, \
     last_looked_at = coalesce(excluded.last_looked_at, link_views.last_looked_at)"
}

/// Adds up views. Rows are taken in the order of their ids, so that replicas that write
/// down the same links at once do not block each other for ever.
pub fn add(store: &Store, views: &[Views]) -> Result<(), StoreError> {
    let mut views = views.to_vec();
    views.sort_by_key(|views| views.id);
    store.keyed().write(|conn| {
        if let Link::Postgres(pg) = &mut conn.link {
            // A hint, not an account: it need not wait for the disk.
            pg.batch_execute("SET LOCAL synchronous_commit = off")?;
        }
        let now = conn.now()?;
        let ago = |moment: time::Instant| {
            At(now.plus_seconds(-i64::try_from(moment.elapsed().as_secs()).unwrap_or_default()))
        };
        let mut rows = Addition::default();
        for views in &views {
            let (fetched, looked) = (ago(views.fetched), views.looked.map(ago));
            rows.push((Uid(views.id.0), views.fetches, fetched, views.looks, looked));
        }
        rows.run(conn).map(drop)
    })
}

/// How often a request's link was seen; `None` when nobody is known to have.
pub fn of(conn: &mut Conn, id: RedeemId) -> QueryResult<Option<Viewed>> {
    let row: Option<(i64, At, i64, Option<At>)> = on!(conn, c => dsl::link_views
        .find(Uid(id.0))
        .select((dsl::fetches, dsl::last_fetched_at, dsl::looks, dsl::last_looked_at))
        .first(c)
        .optional())?;
    Ok(row.map(|(fetches, last_fetched, looks, last_looked)| Viewed {
        fetches,
        last_fetched_at: last_fetched.0,
        looks,
        last_looked_at: last_looked.map(|at| at.0),
    }))
}
