//! How long the audit trail is kept.

use countersign::domain::event::{Action, Origin};
use countersign::store::events;

use crate::helpers::TestApp;
use crate::mailer::until;

const ENTRIES: &str = "SELECT count(*) AS n FROM events";

/// Has the operator do as much, now.
fn record(app: &TestApp, entries: usize) {
    app.store
        .write(|conn| {
            let now = conn.now()?;
            for nth in 0..entries {
                events::record(conn, &Origin::OPERATOR, Action::HubAdded, format!("hub:{nth}"), now)?;
            }
            Ok(())
        })
        .unwrap();
}

on_both_databases! {
    /// In steps, of which this takes three.
    async fn a_server_forgets_what_is_older_than_it_is_to_keep(mut app: TestApp) {
        record(&app, 2_100);
        app.advance(3 * 86_400 + 1);
        record(&app, 7);
        app.replica();
        app.replica_with("[audit]\nkeep_days = 0");
        app.replica_with("[audit]\nkeep_days = 4");
        assert_eq!(app.count(ENTRIES), 2_107, "all of them keep it");
        app.replica_with("[audit]\nkeep_days = 3");
        until(&app, ENTRIES, 7).await;
    }

    async fn two_servers_forget_together(mut app: TestApp) {
        record(&app, 3_000);
        app.advance(86_401);
        record(&app, 1);
        app.replica_with("[audit]\nkeep_days = 1");
        app.replica_with("[audit]\nkeep_days = 1");
        until(&app, ENTRIES, 1).await;
    }
}
