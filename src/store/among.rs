//! Rows of certain terms: all three columns together. Three lists side by side
//! would mean every combination of them, which for a full batch are millions.

use std::marker::PhantomData;

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool};
use diesel::sqlite::Sqlite;

use crate::domain::grant::Terms;

/// Whether the terms of a row of the table `T` are among these.
pub(super) struct Among<T> {
    targets: Vec<i64>,
    allowed: Vec<i64>,
    bundles: Vec<i64>,
    table: PhantomData<T>,
}

/// Whether the terms of a row of this table are among these. Nothing else in the
/// query may have columns of the same names.
pub(super) fn among<T>(_: T, terms: &[Terms]) -> Among<T> {
    Among {
        targets: terms.iter().map(|terms| terms.target.0).collect(),
        allowed: terms.iter().map(|terms| terms.allowed.0).collect(),
        bundles: terms.iter().map(|terms| terms.bundle.0).collect(),
        table: PhantomData,
    }
}

impl<T> Expression for Among<T> {
    type SqlType = Bool;
}

impl<T> SelectableExpression<T> for Among<T> {}
impl<T> AppearsOnTable<T> for Among<T> {}

impl<T> ValidGrouping<()> for Among<T> {
    type IsAggregate = is_aggregate::No;
}

impl<T: QueryId> QueryId for Among<T> {
    type QueryId = Among<T::QueryId>;
    // On SQLite its text grows with the terms.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> QueryFragment<Pg> for Among<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(user_target, user_allowed, bundle_id) IN (SELECT * FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.targets)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.allowed)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.bundles)?;
        out.push_sql("))");
        Ok(())
    }
}

impl<T> QueryFragment<Sqlite> for Among<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql("(user_target, user_allowed, bundle_id) IN (VALUES ");
        let mut separator = "(";
        for ((target, allowed), bundle) in self.targets.iter().zip(&self.allowed).zip(&self.bundles) {
            out.push_sql(separator);
            out.push_bind_param::<BigInt, _>(target)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(allowed)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(bundle)?;
            separator = "), (";
        }
        out.push_sql("))");
        Ok(())
    }
}
