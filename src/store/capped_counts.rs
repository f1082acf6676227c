//! Numbers of users and mails for the operator. Each counts at most [`MAX_COUNTED`] rows, so
//! that it takes some hundredths of a second however large the tables are.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{Conn, with_backend};

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
    #[derive(QueryableByName)]
    struct CountRow {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let mut count = |rows: &str| {
        let limit = MAX_COUNTED + 1;
        let query = format!("SELECT count(*) AS n FROM (SELECT 1 AS one FROM {rows} LIMIT {limit}) AS found");
        let count: CountRow = with_backend!(conn, c => diesel::sql_query(query).get_result(c))?;
        QueryResult::Ok(count.n)
    };
    Ok(CappedCounts {
        users: count("users")?,
        pending_mails: count("outbox WHERE kind = 'mail' AND finished_at IS NULL")?,
        failed_mails: count("outbox WHERE kind = 'mail' AND result = 'failed'")?,
    })
}
