//! How PostgreSQL goes about the queries that every request pays for.

use countersign::domain::export::{ExpiryHours, NewExport};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission::{Mask, Role};
use countersign::store::ledger::{Deed, Verdict};
use countersign::store::lookup::{self, Question};
use countersign::store::{Clock, Store};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use std::time::{Duration, Instant};

use crate::helpers::{Backend, TestApp};

/// A plan of `= ANY` that was made while the table was tiny stays a sequential
/// scan, unless it has no other way than the index.
#[actix_web::test]
async fn a_look_up_stays_fast_when_a_table_grows_under_an_open_connection() {
    let app = TestApp::spawn(Backend::Postgres);
    let ada = app.user("ada@example.org");
    app.role("hub", &ada, Role::Owner);
    let deed = Deed::CreateExport(NewExport {
        creator: ada.user.id,
        hub: HubId::new("hub").unwrap(),
        node: NodeId::new("node").unwrap(),
        mask: Mask::READ,
        expiry: ExpiryHours::DEFAULT,
    });
    let Verdict::ExportCreated(Ok((export, _))) = app.commit(deed) else { panic!("no token") };
    let asked: Vec<Question> = std::iter::repeat_n(Question::Export(export.id), 64).collect();
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    // Enough for the connection to keep the statement, and a generic plan if it may.
    for _ in 0..20 {
        lookup::find(&store, &asked).unwrap();
    }
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    conn.batch_execute(&format!(
        "INSERT INTO export_tokens (id, creator, hub_id, node_id, permission, digest, created_at) \
         SELECT gen_random_uuid(), {}, 'hub', 'node', 2, sha256(i::text::bytea), now() \
         FROM generate_series(1, 50000) i",
        ada.id()
    ))
    .unwrap();
    for _ in 0..20 {
        assert!(lookup::find(&store, &asked).unwrap().export(export.id).is_some());
    }
    // A back end tells its statistics when it ends, at the latest.
    drop(store);
    let patience = Instant::now() + Duration::from_secs(20);
    let (mut end_to_end, mut by_index) = scans(&mut conn);
    while end_to_end + by_index < 40 && Instant::now() < patience {
        std::thread::yield_now();
        (end_to_end, by_index) = scans(&mut conn);
    }
    assert_eq!(end_to_end + by_index, 40, "every look-up is counted");
    assert!(by_index >= 20, "once the table is large, every look-up goes by the index: {by_index}");
}

/// How often `export_tokens` was read from end to end, and by an index.
fn scans(conn: &mut PgConnection) -> (i64, i64) {
    #[derive(QueryableByName)]
    struct Scans {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        seq: i64,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        idx: i64,
    }
    let scans: Scans = diesel::sql_query(
        "SELECT seq_scan AS seq, coalesce(idx_scan, 0) AS idx FROM pg_stat_user_tables WHERE relname = 'export_tokens'",
    )
    .get_result(conn)
    .unwrap();
    (scans.seq, scans.idx)
}
