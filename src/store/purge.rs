//! What is over, and has been for longer than it is to be kept.

use std::ops::AddAssign;

use diesel::prelude::*;

use super::schema::{
    api_keys, export_tokens, link_views, outbox, password_links, permission_requests, sessions,
};
use super::types::{At, Uid};
use super::{Conn, events, on, requests, tallies};
use crate::domain::clock::Timestamp;

/// How many rows were deleted, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Purged {
    /// Export tokens, expired or revoked.
    pub export_tokens: usize,
    /// Mails, however they ended.
    pub mails: usize,
    /// Permission requests, expired or closed.
    pub requests: usize,
    /// API keys, revoked.
    pub keys: usize,
    /// Sessions, expired.
    pub sessions: usize,
    /// Password links, expired.
    pub password_links: usize,
    /// Entries of the audit trail.
    pub events: usize,
}

impl Purged {
    /// Whether there was nothing to delete.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Purged {
    fn add_assign(&mut self, more: Self) {
        self.export_tokens += more.export_tokens;
        self.mails += more.mails;
        self.requests += more.requests;
        self.keys += more.keys;
        self.sessions += more.sessions;
        self.password_links += more.password_links;
        self.events += more.events;
    }
}

/// Deletes up to `most` rows of each table that were over before `cutoff`, and entries
/// of the audit trail that are older than `trail`; how many that were. Permissions stay,
/// and live requests' mails do.
pub fn step(conn: &mut Conn, cutoff: Timestamp, trail: Timestamp, most: i64) -> QueryResult<Purged> {
    conn.expect_slowness()?;
    tallies::add_up_longest(conn, most)?;
    requests::expire(conn, cutoff)?;
    let at = At(cutoff);
    /// Deletes the first rows of a table that match.
    macro_rules! purge {
        ($table:ident, $key:ty, $over:expr) => {{
            let over: Vec<$key> = on!(conn, c => $table::table
                .filter($over)
                .order($table::id)
                .limit(most)
                .select($table::id)
                .load(c))?;
            on!(conn, c => diesel::delete($table::table.filter($table::id.eq_any(&over))).execute(c))?
        }};
    }
    forget_views(conn, cutoff, most)?;
    Ok(Purged {
        export_tokens: purge!(
            export_tokens,
            Uid,
            export_tokens::expires_at.lt(at).or(export_tokens::revoked_at.lt(at))
        ),
        mails: purge!(outbox, Uid, outbox::finished_at.lt(at)),
        requests: purge!(
            permission_requests,
            i64,
            permission_requests::stands
                .eq(false)
                .and(permission_requests::closed_at.lt(at).assume_not_null())
        ),
        keys: purge!(api_keys, Uid, api_keys::revoked_at.lt(at)),
        sessions: purge!(sessions, Uid, sessions::expires_at.lt(at)),
        password_links: purge!(password_links, Uid, password_links::expires_at.lt(at)),
        events: events::forget(conn, trail, most)?,
    })
}

/// Deletes how often links were seen whose requests are no more; nobody counts those.
fn forget_views(conn: &mut Conn, cutoff: Timestamp, most: i64) -> QueryResult<()> {
    let request = permission_requests::table
        .filter(permission_requests::redeem_id.eq(link_views::redeem_id))
        .select(permission_requests::id);
    let over: Vec<Uid> = on!(conn, c => link_views::table
        .filter(link_views::last_fetched_at.lt(At(cutoff)))
        .filter(diesel::dsl::not(diesel::dsl::exists(request)))
        .order(link_views::redeem_id)
        .limit(most)
        .select(link_views::redeem_id)
        .load(c))?;
    on!(conn, c => diesel::delete(link_views::table.filter(link_views::redeem_id.eq_any(&over))).execute(c))
        .map(drop)
}
