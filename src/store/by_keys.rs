//! Queries for the rows of one key or of many, whose statements stay prepared on both databases.
//!
//! PostgreSQL gets many keys as one array, so the text of such a query is always the same. diesel does not know that of
//! `eq_any`: it builds the text each time to find the prepared statement, and on SQLite prepares it each time.

use std::marker::PhantomData;

use diesel::expression::{AsExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Bool, SqlType};
use diesel::sqlite::Sqlite;

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

/// Loads the rows whose column is one of these keys, each once, by a query with that condition. Nothing else in it may
/// depend on a value without being a bound parameter. On SQLite, which runs in this process, the query runs once per key:
/// diesel keeps no prepared statement of one with `IN`. A part of the query can differ between the databases.
macro_rules! load_by_keys {
    ($conn:expr, $column:expr, $keys:expr, $is_key:ident => $query:expr) => {
        $crate::store::by_keys::load_by_keys!(
            $conn, $column, $keys, _part: { postgres: (), sqlite: () }, $is_key => $query
        )
    };
    (
        $conn:expr, $column:expr, $keys:expr,
        $part:ident: { postgres: $postgres:expr, sqlite: $sqlite:expr $(,)? }, $is_key:ident => $query:expr
    ) => {{
        struct Id;
        match &mut $conn.backend {
            $crate::store::connection::Backend::Postgres(pg) => {
                let ($is_key, $part) = ($column.eq_any(&$keys), $postgres);
                $crate::store::by_keys::ConstantQuery::<Id, _>::new($query).load(&mut **pg)
            }
            $crate::store::connection::Backend::Sqlite(sqlite) => {
                let keys: std::collections::BTreeSet<_> = $keys.iter().copied().collect();
                let load = |key| {
                    let ($is_key, $part) = ($column.eq(key), $sqlite);
                    $query.load(&mut **sqlite)
                };
                let found: QueryResult<Vec<Vec<_>>> = keys.into_iter().map(load).collect();
                found.map(|found| found.into_iter().flatten().collect())
            }
        }
    }};
}
pub(super) use load_by_keys;

/// The condition of [`equals`].
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub(super) struct Equals<C, V>(C, V);

/// A condition: the column has this value. Only for the first column of an index that contains the rows in the wanted
/// order. With `=`, PostgreSQL may follow another index in that order, through the rows of all values.
pub(super) fn equals<C, V>(column: C, value: V) -> Equals<C, V::Expression>
where
    C: Expression,
    C::SqlType: SqlType,
    V: AsExpression<C::SqlType>,
{
    Equals(column, value.as_expression())
}

impl<C, V> Expression for Equals<C, V> {
    type SqlType = Bool;
}

impl<C, V, T> AppearsOnTable<T> for Equals<C, V>
where
    C: AppearsOnTable<T>,
    V: AppearsOnTable<T>,
{
}

impl<C, V, T> SelectableExpression<T> for Equals<C, V>
where
    C: SelectableExpression<T>,
    V: SelectableExpression<T>,
{
}

impl<C: QueryFragment<Pg>, V: QueryFragment<Pg>> QueryFragment<Pg> for Equals<C, V> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY (ARRAY[");
        self.1.walk_ast(out.reborrow())?;
        out.push_sql("])");
        Ok(())
    }
}

impl<C: QueryFragment<Sqlite>, V: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Equals<C, V> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" = ");
        self.1.walk_ast(out)
    }
}
