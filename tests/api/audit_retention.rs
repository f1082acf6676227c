//! Retention of the audit log.

use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::store::audit_log;

use crate::helpers::TestApp;
use crate::mailer::wait_for_count;

const COUNT_AUDIT_ENTRIES: &str = "SELECT count(*) AS n FROM audit_log WHERE action <> 'signing_key.created'";

/// Inserts entries of the operator with the current time, and seals them.
fn insert_entries(app: &TestApp, entries: usize) {
    app.store
        .write(|conn| {
            let now = conn.now()?;
            for nth in 0..entries {
                audit_log::record(
                    conn,
                    &AuditContext::OPERATOR,
                    AuditAction::HubAdded,
                    format!("hub:{nth}"),
                    now,
                )?;
            }
            Ok(())
        })
        .unwrap();
    app.seal_audit_log();
}

on_both_databases! {
    /// The deletion takes three batches.
    async fn a_server_deletes_entries_older_than_the_retention(mut app: TestApp) {
        insert_entries(&app, 2_100);
        app.advance(3 * 86_400 + 1);
        insert_entries(&app, 7);
        app.spawn_replica();
        app.spawn_replica_with("[audit]\nkeep_days = 0");
        app.spawn_replica_with("[audit]\nkeep_days = 4");
        assert_eq!(app.count(COUNT_AUDIT_ENTRIES), 2_107, "the retention applies to all replicas");
        app.spawn_replica_with("[audit]\nkeep_days = 3");
        wait_for_count(&app, COUNT_AUDIT_ENTRIES, 7).await;
    }

    async fn two_replicas_delete_old_entries_concurrently(mut app: TestApp) {
        insert_entries(&app, 3_000);
        app.advance(86_401);
        insert_entries(&app, 1);
        app.spawn_replica_with("[audit]\nkeep_days = 1");
        app.spawn_replica_with("[audit]\nkeep_days = 1");
        wait_for_count(&app, COUNT_AUDIT_ENTRIES, 1).await;
    }
}
