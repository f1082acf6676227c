//! What is over, and has been for longer than it is to be kept.

use diesel::prelude::*;

use super::schema::{api_keys, events, export_tokens, outbox, permission_requests};
use super::types::{At, Uid};
use super::{Conn, on};
use crate::domain::clock::Timestamp;

/// Deletes up to `most` rows of each table that were over before `cutoff`; how
/// many that were. Permissions stay, and live requests' mails do.
pub fn step(conn: &mut Conn, cutoff: Timestamp, most: i64) -> QueryResult<usize> {
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
    let exports =
        purge!(export_tokens, Uid, export_tokens::expires_at.lt(at).or(export_tokens::revoked_at.lt(at)));
    let mails = purge!(outbox, Uid, outbox::finished_at.lt(at));
    let requests = purge!(
        permission_requests,
        i64,
        permission_requests::expires_at.lt(at).or(permission_requests::closed_at.lt(at).assume_not_null())
    );
    let keys = purge!(api_keys, Uid, api_keys::revoked_at.lt(at));
    let trail = purge!(events, Uid, events::at.lt(at));
    Ok(exports + mails + requests + keys + trail)
}
