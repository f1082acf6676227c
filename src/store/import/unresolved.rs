//! Lines with users who do not exist.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use crate::domain::user::Email;
use crate::store::connection::{Conn, with_backend};
use diesel::QueryResult;

/// A line with a user who does not exist or is disabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    pub line: u64,
    /// The target, if missing.
    pub target: Option<Email>,
    /// The grantee, if missing.
    pub grantee: Option<Email>,
}

#[derive(QueryableByName)]
struct UnresolvedRow {
    #[diesel(sql_type = BigInt)]
    line: i64,
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = Text)]
    allowed: String,
    #[diesel(sql_type = Bool)]
    no_target: bool,
    #[diesel(sql_type = Bool)]
    no_allowed: bool,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The statements that find the lines with missing users.
pub(super) struct UnresolvedQuery {
    /// Returns the number of lines as `n`.
    pub count: &'static str,
    /// Returns the first lines, at most `$1`.
    pub first: &'static str,
}

impl UnresolvedQuery {
    /// The first lines with missing users, at most `limit`, and the number of all.
    pub(super) fn load(&self, conn: &mut Conn, limit: i64) -> QueryResult<(Vec<Unresolved>, u64)> {
        let count: CountRow = with_backend!(conn, c => diesel::sql_query(self.count).get_result(c))?;
        if count.n == 0 {
            return Ok((Vec::new(), 0));
        }
        let first: Vec<UnresolvedRow> =
            with_backend!(conn, c => diesel::sql_query(self.first).bind::<BigInt, _>(limit).load(c))?;
        Ok((first.into_iter().map(Unresolved::from).collect(), count.n.unsigned_abs()))
    }
}

impl From<UnresolvedRow> for Unresolved {
    fn from(row: UnresolvedRow) -> Self {
        Self {
            line: row.line.unsigned_abs(),
            target: row.no_target.then(|| Email::from_db(row.target)),
            grantee: row.no_allowed.then(|| Email::from_db(row.allowed)),
        }
    }
}
