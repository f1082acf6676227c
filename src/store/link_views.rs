//! How many times the links of requests were fetched, and viewed by the requests' targets.

use std::time;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::bulk::bulk;
use super::connection::{Backend, Conn, Store, with_backend};
use super::error::StoreError;
use super::schema::link_views::dsl;
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;

/// Fetches and views of a link that are to be added to the database.
#[derive(Clone, Copy, Debug)]
pub struct LinkViewDelta {
    pub id: RedeemId,
    /// Fetches by anyone: people, mail programs, scanners.
    pub fetches: i64,
    pub last_fetched: time::Instant,
    /// Views by the target while signed in.
    pub target_views: i64,
    pub last_target_view: Option<time::Instant>,
}

/// The fetches and views of a link that have been written to the database.
#[derive(Clone, Copy, Debug)]
pub struct LinkViewCounts {
    /// Fetches by anyone: people, mail programs, scanners.
    pub fetches: i64,
    pub last_fetched_at: Timestamp,
    /// Views by the target while signed in.
    pub target_views: i64,
    pub last_target_view_at: Option<Timestamp>,
}

bulk! {
    /// Skips links whose request does not exist.
    AddLinkViews {
        id: SqlUuid => DbUuid,
        fetches: BigInt => i64,
        last_fetched: SqlTimestamp => DbTimestamp,
        target_views: BigInt => i64,
        last_target_view: Nullable<SqlTimestamp> => Option<DbTimestamp>,
    }
    "INSERT INTO link_views (redeem_id, fetches, last_fetched_at, target_views, last_target_view_at) SELECT * FROM" w
    "WHERE (SELECT true FROM permission_requests AS r WHERE r.redeem_id = w.id) \
     ON CONFLICT (redeem_id) DO UPDATE SET fetches = link_views.fetches + excluded.fetches, \
     last_fetched_at = excluded.last_fetched_at, target_views = link_views.target_views + excluded.target_views, \
     last_target_view_at = coalesce(excluded.last_target_view_at, link_views.last_target_view_at)"
}

/// Adds fetches and views to the database. Rows are written in the order of their ids, so that
/// replicas that write the same rows do not deadlock.
pub fn add(store: &Store, views: &[LinkViewDelta]) -> Result<(), StoreError> {
    let mut views = views.to_vec();
    views.sort_by_key(|views| views.id);
    store.with_point_lookup_pool().write(|conn| {
        if let Backend::Postgres(pg) = &mut conn.backend {
            // Losing some views in a crash is acceptable, so the commit does not wait for the disk.
            pg.batch_execute("SET LOCAL synchronous_commit = off")?;
        }
        let now = conn.now()?;
        let to_timestamp = |moment: time::Instant| {
            DbTimestamp(now.plus_seconds(-i64::try_from(moment.elapsed().as_secs()).unwrap_or_default()))
        };
        let mut rows = AddLinkViews::default();
        for views in &views {
            rows.push((
                DbUuid(views.id.0),
                views.fetches,
                to_timestamp(views.last_fetched),
                views.target_views,
                views.last_target_view.map(to_timestamp),
            ));
        }
        rows.run(conn).map(drop)
    })
}

/// The fetches and views of a request's link. `None`: there were none.
pub fn by_redeem_id(conn: &mut Conn, id: RedeemId) -> QueryResult<Option<LinkViewCounts>> {
    let row: Option<(i64, DbTimestamp, i64, Option<DbTimestamp>)> = with_backend!(conn, c => dsl::link_views
        .find(DbUuid(id.0))
        .select((dsl::fetches, dsl::last_fetched_at, dsl::target_views, dsl::last_target_view_at))
        .first(c)
        .optional())?;
    Ok(row.map(|(fetches, last_fetched, target_views, last_target_view)| LinkViewCounts {
        fetches,
        last_fetched_at: last_fetched.0,
        target_views,
        last_target_view_at: last_target_view.map(|at| at.0),
    }))
}
