//! `src/store/schema.rs` is written by hand for two databases: here it is held
//! against both.

use diesel::prelude::*;

use crate::helpers::{TestApp, load};

#[derive(QueryableByName, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    column: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    kind: String,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    nullable: bool,
}

/// The tables as `schema.rs` declares them, with a database's own type names.
fn declared(types: &[(&str, &str)]) -> Vec<Column> {
    let source = include_str!("../../src/store/schema.rs");
    let mut columns = Vec::new();
    let mut table = String::new();
    for line in source.lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            table = name.to_owned();
        } else if let Some((column, kind)) = line.split_once(" -> ").filter(|_| line.ends_with(',')) {
            let kind = kind.trim_end_matches(',');
            let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
            let name = inner.unwrap_or(kind).rsplit("::").next().unwrap();
            let (_, kind) =
                types.iter().find(|(ours, _)| *ours == name).expect("a type that both databases have");
            columns.push(Column {
                table: table.clone(),
                column: column.to_owned(),
                kind: (*kind).to_owned(),
                nullable: inner.is_some(),
            });
        }
    }
    columns.sort();
    assert!(columns.len() > 60, "the source was read");
    columns
}

fn found(app: &TestApp, sql: &str) -> Vec<Column> {
    let mut columns: Vec<Column> = load(&app.database_url, sql);
    columns.sort();
    columns
}

on_both_databases! {
    async fn the_schema_is_that_of_the_database(app: TestApp) {
        if app.database_url.starts_with("sqlite") {
            let types = [
                ("BigInt", "bigint"), ("Text", "text"), ("Bool", "boolean"), ("Id", "blob"), ("Binary", "blob"),
                ("SmallInt", "smallint"), ("Integer", "integer"), ("Instant", "bigint"),
            ];
            let mut columns = found(&app, "SELECT m.name AS \"table\", p.name AS \"column\", lower(p.type) AS kind, \
                p.\"notnull\" = 0 AND p.pk = 0 AND m.type = 'table' AS nullable FROM sqlite_master m, pragma_table_xinfo(m.name) p \
                WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '__diesel%'");
            for column in &mut columns {
                // SQLite's alias of the row id has to be called so.
                if column.column == "id" && column.kind == "integer" {
                    column.kind = "bigint".to_owned();
                }
            }
            columns.sort();
            assert_eq!(columns, declared(&types));
        } else {
            let types = [
                ("BigInt", "bigint"), ("Text", "text"), ("Bool", "boolean"), ("Id", "uuid"), ("Binary", "bytea"),
                ("SmallInt", "smallint"), ("Integer", "integer"), ("Instant", "timestamp with time zone"),
            ];
            let columns = found(&app, "SELECT table_name::text AS \"table\", column_name::text AS \"column\", \
                data_type::text AS kind, is_nullable = 'YES' AND table_type = 'BASE TABLE' AS nullable \
                FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) \
                WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%'");
            assert_eq!(columns, declared(&types));
        }
    }

    async fn migrations_may_run_again_and_at_once(app: TestApp) {
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| app.store.migrate())).collect();
            for run in runs {
                run.join().unwrap().unwrap();
            }
        });
    }
}
