//! Queries for the rows of many keys.
//!
//! PostgreSQL gets the keys as one array, so the text of such a query is always the same. diesel does not know that of
//! `eq_any`, and would build the text each time to find the prepared statement.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A query whose text on PostgreSQL depends on nothing but the type `Id`.
pub(super) struct ConstantQuery<Id, Q>(Q, PhantomData<Id>);

impl<Id, Q> ConstantQuery<Id, Q> {
    /// The query of [`load_by_keys!`].
    pub fn new(query: Q) -> Self {
        Self(query, PhantomData)
    }
}

impl<Id: 'static, Q> QueryId for ConstantQuery<Id, Q> {
    type QueryId = Id;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Id, Q: Query> Query for ConstantQuery<Id, Q> {
    type SqlType = Q::SqlType;
}

impl<Id, Q> RunQueryDsl<PgConnection> for ConstantQuery<Id, Q> {}

impl<Id, Q: QueryFragment<Pg>> QueryFragment<Pg> for ConstantQuery<Id, Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

/// Loads the rows of a query with `eq_any`, and no other part that depends on a value without being a bound parameter. A
/// query for each database, or one for both.
macro_rules! load_by_keys {
    ($conn:expr, $query:expr) => {
        $crate::store::by_keys::load_by_keys!($conn, postgres: $query, sqlite: $query)
    };
    ($conn:expr, postgres: $postgres:expr, sqlite: $sqlite:expr) => {{
        struct Id;
        match &mut $conn.backend {
            $crate::store::connection::Backend::Postgres(pg) => {
                $crate::store::by_keys::ConstantQuery::<Id, _>::new($postgres).load(&mut **pg)
            }
            $crate::store::connection::Backend::Sqlite(sqlite) => $sqlite.load(&mut **sqlite),
        }
    }};
}
pub(super) use load_by_keys;
