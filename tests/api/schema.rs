//! `src/store/schema.rs` is written by hand for two databases: here it is held
//! against both.

use countersign::domain::block::Block;
use countersign::domain::permission::Role;
use countersign::store::ledger::Deed;
use countersign::store::requests;
use diesel::prelude::*;

use crate::helpers::{TestApp, columns, load};

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
    let columns = columns().into_iter().map(|[table, column, kind]| {
        let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
        let name = inner.unwrap_or(kind).rsplit("::").next().unwrap();
        let (_, kind) =
            types.iter().find(|(ours, _)| *ours == name).expect("a type that both databases have");
        Column {
            table: table.to_owned(),
            column: column.to_owned(),
            kind: (*kind).to_owned(),
            nullable: inner.is_some(),
        }
    });
    let mut columns: Vec<Column> = columns.collect();
    columns.sort();
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

    async fn whatever_a_refusal_might_change_would_be_seen(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        app.role("hub", &ada, Role::Admin);
        app.export(&ada);
        app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        app.commit(Deed::Block(Block { target: grace.user.id, blocked: eve.user.id }));
        app.password_link(&ada);
        app.signed_in(&ada);
        app.tamper("INSERT INTO meters (key, until) SELECT 'meter', created_at FROM users WHERE id = 1");
        for change in [
            "users SET language = 'de'",
            "api_keys SET label = 'another'",
            "sessions SET client = 'another'",
            "hubs SET name = 'another'",
            "hub_members SET role = 'owner'",
            "bundles SET permission = 2",
            "export_tokens SET revoked_at = created_at",
            "permission_requests SET redeem_page = 'another'",
            "tallies SET standing = standing + 1",
            "blocks SET created_at = (SELECT min(expires_at) FROM sessions)",
            "password_links SET used_at = created_at",
            "outbox SET created_at = (SELECT min(expires_at) FROM sessions)",
            "events SET subject = 'another'",
            "permission_requests SET outcome = 'declined', closed_at = created_at",
        ] {
            let mut before = app.rows();
            app.tamper(&format!("UPDATE {change}"));
            let table = change.split(' ').next().unwrap();
            assert_ne!(app.rows(), before, "{change}");
            before.remove(table);
            assert_eq!(app.rows_but(table), before, "{change}");
        }
        app.tamper("UPDATE permission_requests SET outcome = NULL, closed_at = NULL");
        let before = app.rows();
        app.tamper("UPDATE outbox SET attempts = 7; DELETE FROM meters");
        app.advance(3_600);
        app.store.write(|conn| { let now = conn.now()?; requests::expire(conn, now) }).unwrap();
        assert_eq!(app.rows(), before, "what changes by itself is not looked at");
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
