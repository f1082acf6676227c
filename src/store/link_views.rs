//! How often a request's link was fetched, and looked at by its target.

use std::time;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::bulk::bulk;
use super::schema::link_views::dsl;
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use super::{Backend, Conn, Store, StoreError, with_backend};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;

/// How often a link was fetched since that was last written down.
#[derive(Clone, Copy, Debug)]
pub struct LinkViewDelta {
    /// Whose token it carries.
    pub id: RedeemId,
    /// How often it was fetched, by whomever: people, mail programs, scanners.
    pub fetches: i64,
    /// When it was last fetched.
    pub last_fetched: time::Instant,
    /// How often its target, who was signed in, saw the request.
    pub target_views: i64,
    /// When they last did.
    pub last_target_view: Option<time::Instant>,
}

/// How often a link was fetched in all, some seconds ago.
#[derive(Clone, Copy, Debug)]
pub struct LinkViewCounts {
    /// How often it was fetched, by whomever.
    pub fetches: i64,
    /// When it was last fetched.
    pub last_fetched_at: Timestamp,
    /// How often its target saw the request.
    pub target_views: i64,
    /// When they last did.
    pub last_target_view_at: Option<Timestamp>,
}

bulk! {
    /// Views to be added up, of requests that there are.
    AddLinkViews {
        id: SqlUuid => DbUuid,
        fetches: BigInt => i64,
        last_fetched: SqlTimestamp => DbTimestamp,
        target_views: BigInt => i64,
        last_target_view: Nullable<SqlTimestamp> => Option<DbTimestamp>,
    }
    "INSERT INTO link_views (redeem_id, fetches, last_fetched_at, target_views, last_target_view_at) SELECT * FROM" w
    "WHERE EXISTS (SELECT 1 FROM permission_requests AS r WHERE r.redeem_id = w.id) \
     ON CONFLICT (redeem_id) DO UPDATE SET fetches = link_views.fetches + excluded.fetches, \
     last_fetched_at = excluded.last_fetched_at, target_views = link_views.target_views + excluded.target_views, \
     last_target_view_at = coalesce(excluded.last_target_view_at, link_views.last_target_view_at)"
}

/// Adds up views. Rows are taken in the order of their ids, so that replicas that write
/// down the same links at once do not block each other for ever.
pub fn add(store: &Store, views: &[LinkViewDelta]) -> Result<(), StoreError> {
    let mut views = views.to_vec();
    views.sort_by_key(|views| views.id);
    store.with_point_lookup_pool().write(|conn| {
        if let Backend::Postgres(pg) = &mut conn.backend {
            // A hint, not an account: it need not wait for the disk.
            pg.batch_execute("SET LOCAL synchronous_commit = off")?;
        }
        let now = conn.now()?;
        let ago = |moment: time::Instant| {
            DbTimestamp(now.plus_seconds(-i64::try_from(moment.elapsed().as_secs()).unwrap_or_default()))
        };
        let mut rows = AddLinkViews::default();
        for views in &views {
            let (last_fetched, last_target_view) = (ago(views.last_fetched), views.last_target_view.map(ago));
            rows.push((
                DbUuid(views.id.0),
                views.fetches,
                last_fetched,
                views.target_views,
                last_target_view,
            ));
        }
        rows.run(conn).map(drop)
    })
}

/// How often a request's link was seen; `None` when nobody is known to have.
pub fn by_redeem_id(conn: &mut Conn, id: RedeemId) -> QueryResult<Option<LinkViewCounts>> {
    let row: Option<(i64, DbTimestamp, i64, Option<DbTimestamp>)> = with_backend!(conn, c => dsl::link_views
        .find(DbUuid(id.0))
        .select((dsl::fetches, dsl::last_fetched_at, dsl::target_views, dsl::last_target_view_at))
        .first(c)
        .optional())?;
    Ok(row.map(|(fetches, last_fetched, target_views, last_looked)| LinkViewCounts {
        fetches,
        last_fetched_at: last_fetched.0,
        target_views,
        last_target_view_at: last_looked.map(|at| at.0),
    }))
}
