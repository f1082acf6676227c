//! Deletion of rows that ended longer ago than they are to be kept.

use std::ops::AddAssign;

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::connection::{Conn, with_backend};
use super::schema::{
    api_keys, export_tokens, link_views, outbox, password_links, permission_requests, sessions,
    webhook_deliveries,
};
use super::types::{DbTimestamp, DbUuid};
use super::{audit_log, requests, user_counters};
use crate::domain::timestamp::Timestamp;

/// Numbers of deleted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PurgeCounts {
    /// Expired or revoked.
    pub export_tokens: usize,
    /// Finished items of the outbox.
    pub mails: usize,
    /// Closed requests whose permission, if there is one, has ended.
    pub requests: usize,
    /// Revoked.
    pub api_keys: usize,
    /// Expired.
    pub sessions: usize,
    /// Expired.
    pub password_links: usize,
    /// Delivered, failed or cancelled.
    pub webhook_deliveries: usize,
    pub audit_entries: usize,
}

impl PurgeCounts {
    /// Whether nothing was deleted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for PurgeCounts {
    fn add_assign(&mut self, more: Self) {
        self.export_tokens += more.export_tokens;
        self.mails += more.mails;
        self.requests += more.requests;
        self.api_keys += more.api_keys;
        self.sessions += more.sessions;
        self.password_links += more.password_links;
        self.webhook_deliveries += more.webhook_deliveries;
        self.audit_entries += more.audit_entries;
    }
}

/// Deletes rows of each table that ended before `cutoff`, at most `limit` per table. Audit entries are purged with their
/// seals ([`seals::purge`](super::seals::purge)). Keeps active permissions, pending mails and deliveries, and the mails of links that still
/// work: they show that the links depend on the secret.
pub fn purge_batch(conn: &mut Conn, cutoff: Timestamp, limit: i64) -> QueryResult<PurgeCounts> {
    conn.disable_statement_timeout()?;
    user_counters::compact_largest(conn, limit)?;
    requests::expire_batch(conn, cutoff)?;
    requests::expire_permissions_batch(conn, cutoff)?;
    let at = DbTimestamp(cutoff);
    /// Deletes the first matching rows of a table.
    macro_rules! purge {
        ($table:ident, $key:ty, $ended:expr) => {{
            let ended: Vec<$key> = with_backend!(conn, c => $table::table
                .filter($ended)
                .order($table::id)
                .limit(limit)
                .select($table::id)
                .load(c))?;
            with_backend!(conn, c => diesel::delete($table::table.filter($table::id.eq_any(&ended))).execute(c))?
        }};
    }
    purge_link_views(conn, cutoff, limit)?;
    let open_request = permission_requests::table
        .filter(outbox::request_id.eq(permission_requests::id.nullable()))
        .filter(permission_requests::closed_at.is_null())
        .select(permission_requests::id);
    let open_link = password_links::table
        .filter(outbox::password_link_id.eq(password_links::id.nullable()))
        .filter(password_links::used_at.is_null().and(password_links::replaced_at.is_null()))
        .select(password_links::id);
    Ok(PurgeCounts {
        export_tokens: purge!(
            export_tokens,
            DbUuid,
            export_tokens::expires_at.lt(at).or(export_tokens::revoked_at.lt(at))
        ),
        mails: purge!(
            outbox,
            DbUuid,
            outbox::finished_at.lt(at).and(not(exists(open_request))).and(not(exists(open_link)))
        ),
        requests: purge!(
            permission_requests,
            i64,
            permission_requests::active
                .eq(false)
                .and(permission_requests::closed_at.lt(at).assume_not_null())
                // A permission may end long after its request was closed.
                .and(
                    permission_requests::ended_at
                        .is_null()
                        .or(permission_requests::ended_at.lt(at).assume_not_null())
                )
        ),
        api_keys: purge!(api_keys, DbUuid, api_keys::revoked_at.lt(at)),
        sessions: purge!(sessions, DbUuid, sessions::expires_at.lt(at)),
        password_links: purge!(password_links, DbUuid, password_links::expires_at.lt(at)),
        webhook_deliveries: purge!(
            webhook_deliveries,
            DbUuid,
            // Newer ones are not read.
            webhook_deliveries::finished_at
                .lt(at)
                .and(webhook_deliveries::id.lt(DbUuid(audit_log::min_id_at(cutoff))))
        ),
        audit_entries: 0,
    })
}

/// Deletes the views of links whose requests have been deleted. They are not reported.
fn purge_link_views(conn: &mut Conn, cutoff: Timestamp, limit: i64) -> QueryResult<()> {
    let request = permission_requests::table
        .filter(permission_requests::redeem_id.eq(link_views::redeem_id))
        .select(permission_requests::id);
    let orphaned: Vec<DbUuid> = with_backend!(conn, c => link_views::table
        .filter(link_views::last_fetched_at.lt(DbTimestamp(cutoff)))
        .filter(not(exists(request)))
        .order(link_views::redeem_id)
        .limit(limit)
        .select(link_views::redeem_id)
        .load(c))?;
    with_backend!(conn, c => diesel::delete(link_views::table.filter(link_views::redeem_id.eq_any(&orphaned))).execute(c))
        .map(drop)
}
