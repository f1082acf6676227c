//! Compares the handwritten `src/store/schema.rs` with both databases.

use countersign::domain::block::Block;
use countersign::domain::rights::Role;
use countersign::store::ledger::CreateBlock;
use countersign::store::requests;
use diesel::prelude::*;

use crate::helpers::{TestApp, query_rows, schema_columns};

#[derive(QueryableByName, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SchemaColumn {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    column: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    kind: String,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    nullable: bool,
}

/// The tables in `schema.rs`, with the type names of a database.
fn declared_columns(types: &[(&str, &str)]) -> Vec<SchemaColumn> {
    let columns = schema_columns().into_iter().map(|[table, column, kind]| {
        let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
        let name = inner.unwrap_or(kind).rsplit("::").next().unwrap();
        let (_, kind) = types.iter().find(|(ours, _)| *ours == name).expect("a type of both databases");
        SchemaColumn {
            table: table.to_owned(),
            column: column.to_owned(),
            kind: (*kind).to_owned(),
            nullable: inner.is_some(),
        }
    });
    let mut columns: Vec<SchemaColumn> = columns.collect();
    columns.sort();
    columns
}

fn database_columns(app: &TestApp, sql: &str) -> Vec<SchemaColumn> {
    let mut columns: Vec<SchemaColumn> = query_rows(&app.database_url, sql);
    columns.sort();
    columns
}

on_both_databases! {
    async fn schema_rs_matches_the_database(app: TestApp) {
        if app.database_url.starts_with("sqlite") {
            let types = [
                ("BigInt", "bigint"), ("Text", "text"), ("Bool", "boolean"), ("SqlUuid", "blob"), ("Binary", "blob"),
                ("SmallInt", "smallint"), ("Integer", "integer"), ("SqlTimestamp", "bigint"),
            ];
            let mut columns = database_columns(&app, "SELECT m.name AS \"table\", p.name AS \"column\", lower(p.type) AS kind, \
                p.\"notnull\" = 0 AND p.pk = 0 AND (m.type = 'table' OR p.name = 'expires_at') AS nullable FROM sqlite_master m, pragma_table_xinfo(m.name) p \
                WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '__diesel%'");
            for column in &mut columns {
                // SQLite requires this name for an alias of the row id.
                if ["id", "position"].contains(&column.column.as_str()) && column.kind == "integer" {
                    column.kind = "bigint".to_owned();
                }
            }
            columns.sort();
            assert_eq!(columns, declared_columns(&types));
        } else {
            let types = [
                ("BigInt", "bigint"), ("Text", "text"), ("Bool", "boolean"), ("SqlUuid", "uuid"), ("Binary", "bytea"),
                ("SmallInt", "smallint"), ("Integer", "integer"), ("SqlTimestamp", "timestamp with time zone"),
            ];
            let columns = database_columns(&app, "SELECT table_name::text AS \"table\", column_name::text AS \"column\", \
                data_type::text AS kind, is_nullable = 'YES' AND (table_type = 'BASE TABLE' OR column_name = 'expires_at') AS nullable \
                FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) \
                WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%'");
            assert_eq!(columns, declared_columns(&types));
        }
    }

    async fn the_row_comparison_covers_every_column(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        app.grant_role("hub", &ada, Role::Admin);
        app.export(&ada);
        app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        app.commit(CreateBlock(Block { target: grace.user.id, blocked: eve.user.id }));
        app.password_link(&ada);
        app.signed_in(&ada);
        app.execute_raw("INSERT INTO rate_limits (key, theoretical_arrival) SELECT 'meter', created_at FROM users WHERE id = 1");
        app.create_signing_key();
        for change in [
            "users SET language = 'de'",
            "users SET muted = 1",
            "api_keys SET label = 'another'",
            "sessions SET user_agent = 'another'",
            "hubs SET name = 'another'",
            "hub_members SET role = 'owner'",
            "bundles SET permission = 2",
            "export_tokens SET revoked_at = created_at",
            "permission_requests SET redeem_page = 'another'",
            "user_counters SET active_permissions = active_permissions + 1",
            "blocks SET created_at = (SELECT min(expires_at) FROM sessions)",
            "password_links SET used_at = created_at",
            "outbox SET created_at = (SELECT min(expires_at) FROM sessions)",
            "audit_log SET subject = 'another'",
            "permission_requests SET outcome = 'declined', closed_at = created_at",
            "permission_requests SET outcome = 'approved', granted_permission = permission, ended_at = created_at, \
             end_cause = 'revoked'",
        ] {
            let mut before = app.rows();
            app.execute_raw(&format!("UPDATE {change}"));
            let table = change.split(' ').next().unwrap();
            assert_ne!(app.rows(), before, "{change}");
            before.remove(table);
            assert_eq!(app.rows_except(table), before, "{change}");
        }
        app.execute_raw("UPDATE permission_requests SET outcome = NULL, closed_at = NULL, granted_permission = NULL, ended_at = NULL, \
            end_cause = NULL");
        let before = app.rows();
        app.execute_raw("UPDATE outbox SET attempts = 7; DELETE FROM rate_limits");
        app.advance(3_600);
        app.store.write(|conn| { let now = conn.now()?; requests::expire_batch(conn, now) }).unwrap();
        assert_eq!(app.rows(), before, "columns that change in the background are not compared");
    }

    async fn migrations_can_run_repeatedly_and_concurrently(app: TestApp) {
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| app.store.migrate())).collect();
            for run in runs {
                run.join().unwrap().unwrap();
            }
        });
    }
}
