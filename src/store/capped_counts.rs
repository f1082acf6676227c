//! Numbers of users and mails for the operator. Each counts at most [`MAX_COUNTED`] rows, so
//! that it takes some hundredths of a second however large the tables are.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::connection::{Conn, with_backend};

/// The highest number that is counted.
pub const MAX_COUNTED: i64 = 100_000;

/// Each number is exact up to [`MAX_COUNTED`], and one more if there are more rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CappedCounts {
    pub users: i64,
    /// Mails that are still to be sent.
    pub pending_mails: i64,
    /// Mails that the mail server rejected permanently.
    pub failed_mails: i64,
}

/// Counts users and mails, each in an index.
pub fn load(conn: &mut Conn) -> QueryResult<CappedCounts> {
    Ok(CappedCounts {
        users: count(conn, "users")?,
        pending_mails: count(conn, "outbox WHERE kind = 'mail' AND finished_at IS NULL")?,
        failed_mails: count(conn, "outbox WHERE kind = 'mail' AND result = 'failed'")?,
    })
}

/// The number of these rows, at most one more than [`MAX_COUNTED`].
pub(super) fn count(conn: &mut Conn, rows: &str) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct CountRow {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let limit = MAX_COUNTED + 1;
    let query = format!("SELECT count(*) AS n FROM (SELECT 1 AS one FROM {rows} LIMIT {limit}) AS found");
    let count: CountRow = with_backend!(conn, c => diesel::sql_query(query).get_result(c))?;
    Ok(count.n)
}
