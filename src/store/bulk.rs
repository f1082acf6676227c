//! Many rows in one statement with a constant text. On PostgreSQL the columns are array
//! parameters, and each connection prepares the statement once (diesel does not cache batch
//! inserts and updates: 256 rows took 5 ms instead of 1.6). SQLite runs in this process, so
//! there the statement runs once per row.
//!
//! PostgreSQL keeps the plan of a prepared statement, and the planner may join the rows to a table that is empty then
//! by reading all of it. So each row is looked up by what an index can do in one way only: with `BETWEEN` a value and
//! itself in place of `=`, which lets the planner scan the table in the order of a key; with a scalar subquery in place
//! of `EXISTS`; or with `LATERAL` and `OFFSET 0`.

use std::io::Write as _;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryId};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, HasSqlType};

use super::types::{DbTimestamp, DbUuid};

/// A column as an array parameter. Unlike diesel's arrays, it is written without a buffer for each value and with
/// one allocation for the head: those of a redemption were a tenth of the server's instructions.
#[derive(Debug)]
pub(super) struct Column<T>(pub Vec<T>);

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// A value whose length in PostgreSQL's binary format is known before it is written. NULL has none.
pub(super) trait BinaryLength {
    fn binary_length(&self) -> Option<usize>;
}

macro_rules! fixed_length {
    ($($length:literal $rust:ty)*) => {
        $(impl BinaryLength for $rust {
            fn binary_length(&self) -> Option<usize> {
                Some($length)
            }
        })*
    };
}

fixed_length! { 1 bool 2 i16 4 i32 8 i64 8 DbTimestamp 16 DbUuid }

macro_rules! own_length {
    ($($rust:ty)*) => {
        $(impl BinaryLength for $rust {
            fn binary_length(&self) -> Option<usize> {
                Some(self.len())
            }
        })*
    };
}

own_length! { &str String &[u8] }

impl<const N: usize> BinaryLength for [u8; N] {
    fn binary_length(&self) -> Option<usize> {
        Some(N)
    }
}

impl<T: BinaryLength> BinaryLength for Option<T> {
    fn binary_length(&self) -> Option<usize> {
        self.as_ref().and_then(T::binary_length)
    }
}

/// PostgreSQL's `array_send`: dimensions, whether there are NULLs (which is not read), the type, the number of values, the
/// first index; then each value after its length.
impl<ST, T> ToSql<Array<ST>, Pg> for Column<T>
where
    Pg: HasSqlType<ST>,
    T: ToSql<ST, Pg> + BinaryLength,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let element = <Pg as HasSqlType<ST>>::metadata(out.metadata_lookup()).oid()?;
        let length = u32::try_from(self.0.len())?;
        let head = [1, 0, element, length, 1].map(u32::to_be_bytes);
        out.write_all(head.as_flattened())?;
        for value in &self.0 {
            let Some(length) = value.binary_length() else {
                out.write_all(&(-1_i32).to_be_bytes())?;
                continue;
            };
            out.write_all(&i32::try_from(length)?.to_be_bytes())?;
            value.to_sql(&mut out.reborrow())?;
        }
        Ok(IsNull::No)
    }
}

/// A statement declared by [`bulk!`], as it is for its first row alone. PostgreSQL fills a table in memory for each
/// array parameter: for one row, those were a tenth of its work.
pub(super) trait FirstRow {
    fn walk_first_row<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

/// One row of a statement declared by [`bulk!`], for SQLite.
pub(super) struct SingleRow<'r, B>(pub &'r B, pub usize);

impl<B: QueryId> QueryId for SingleRow<'_, B> {
    type QueryId = SingleRow<'static, B::QueryId>;
}

impl<B: Query> Query for SingleRow<'_, B> {
    type SqlType = B::SqlType;
}

impl<B, C> RunQueryDsl<C> for SingleRow<'_, B> {}

/// Declares a statement: its name, its columns with their SQL and Rust types, the SQL before and
/// after the rows (which the SQL calls `w`; the latter may differ for SQLite), and the SQL types that it returns, if any.
macro_rules! bulk {
    (
        $(#[$doc:meta])*
        $name:ident { $($column:ident: $sql:ty => $rust:ty),+ $(,)? }
        $before:literal w $after:literal $(sqlite $sqlite:literal)? $(returns $returns:ty)?
    ) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(in crate::store) struct $name<'a> {
            $($column: $crate::store::bulk::Column<$rust>,)+
            rows: usize,
            lifetime: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> $name<'a> {
            fn push(&mut self, ($($column),+): ($($rust),+)) {
                $(self.$column.0.push($column);)+
                self.rows += 1;
            }
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
        }

        impl<C> RunQueryDsl<C> for $name<'_> {}

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name<'_> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> QueryResult<()> {
                out.push_sql(concat!($before, " unnest"));
                let mut separator = "(";
                $(
                    out.push_sql(separator);
                    out.push_bind_param::<diesel::sql_types::Array<$sql>, _>(&self.$column)?;
                    separator = ", ";
                )+
                out.push_sql(") AS w ");
                separator = "(";
                $(
                    out.push_sql(separator);
                    out.push_sql(stringify!($column));
                    separator = ", ";
                )+
                let _ = separator;
                out.push_sql(concat!(") ", $after));
                Ok(())
            }
        }

        impl diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite>
            for $crate::store::bulk::SingleRow<'_, $name<'_>>
        {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> QueryResult<()> {
                let Self(statement, row) = self;
                $crate::store::bulk::bulk!(
                    @row out, statement, *row, $before, $crate::store::bulk::bulk!(@sqlite $after $($sqlite)?),
                    $($column: $sql),+
                );
                Ok(())
            }
        }

        impl $crate::store::bulk::FirstRow for $name<'_> {
            fn walk_first_row<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> QueryResult<()> {
                $crate::store::bulk::bulk!(@row out, self, 0, $before, $after, $($column: $sql),+);
                Ok(())
            }
        }

        $crate::store::bulk::bulk!(@run $name $($returns)?);
    };
    (@row $out:ident, $statement:expr, $row:expr, $before:literal, $after:expr, $($column:ident: $sql:ty),+) => {
        $out.push_sql($before);
        let mut separator = " (SELECT ";
        $(
            $out.push_sql(separator);
            let value = $statement.$column.0.get($row).ok_or(diesel::result::Error::NotFound)?;
            $out.push_bind_param::<$sql, _>(value)?;
            $out.push_sql(concat!(" AS ", stringify!($column)));
            separator = ", ";
        )+
        let _ = separator;
        $out.push_sql(") AS w ");
        $out.push_sql($after);
    };
    (@sqlite $after:literal) => {
        $after
    };
    (@sqlite $after:literal $sqlite:literal) => {
        $sqlite
    };
    (@run $name:ident) => {
        impl $name<'_> {
            /// Runs the statement, and returns the number of rows that it wrote.
            pub(in crate::store) fn run(self, conn: &mut $crate::store::connection::Conn) -> QueryResult<usize> {
                match &mut conn.backend {
                    $crate::store::connection::Backend::Postgres(pg) => self.execute(&mut **pg),
                    $crate::store::connection::Backend::Sqlite(sqlite) => (0..self.rows)
                        .map(|row| $crate::store::bulk::SingleRow(&self, row).execute(&mut **sqlite))
                        .sum(),
                }
            }
        }
    };
    (@run $name:ident $returns:ty) => {
        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $returns;
        }

        impl $name<'_> {
            /// Runs the statement, and returns its rows in no particular order.
            fn fetch<T>(self, conn: &mut $crate::store::connection::Conn) -> QueryResult<Vec<T>>
            where
                T: diesel::deserialize::FromSqlRow<$returns, diesel::pg::Pg>
                    + diesel::deserialize::FromSqlRow<$returns, diesel::sqlite::Sqlite>
                    + 'static,
            {
                match &mut conn.backend {
                    $crate::store::connection::Backend::Postgres(pg) => self.load(&mut **pg),
                    $crate::store::connection::Backend::Sqlite(sqlite) => {
                        let mut found = Vec::with_capacity(self.rows);
                        for row in 0..self.rows {
                            found.extend($crate::store::bulk::SingleRow(&self, row).load(&mut **sqlite)?);
                        }
                        Ok(found)
                    }
                }
            }
        }
    };
}
pub(in crate::store) use bulk;
