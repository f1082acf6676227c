//! PostgreSQL's plans for the queries of frequent requests.

use countersign::actors::outbox_sync::OutboxSync;
use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::domain::block::Block;
use countersign::domain::bundle::BundleName;
use countersign::domain::creation_key::{CreationKey, Fingerprint};
use countersign::domain::export_token::{ExpiryHours, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission_request::{NewPermissionRequest, RequestStatus};
use countersign::domain::rate_limit::{RateLimit, RequestLimits};
use countersign::domain::rights::{Mask, Right, Role};
use countersign::domain::seal::Place;
use countersign::domain::terms::Terms;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::user::UserId;
use countersign::domain::validated_text::IdempotencyKey;
use countersign::domain::webhook::WebhookId;
use countersign::store::access::{self, AccessQuestion, AccessSearch, BundleRef, SearchedSide};
use countersign::store::audit_log::{self, AuditLogFilter};
use countersign::store::ledger::{
    self, AnyOperation, Command, CreateBlock, CreateExport, CreateRequest, Decide, GrantPermission, Operation,
};
use countersign::store::lookup::{self, LookupKey, UserRef};
use countersign::store::requests::{self, RequestFilter};
use countersign::store::sweeps::{self, Sweep};
use countersign::store::webhook_deliveries::{self, DeliveryFilter, DeliveryStatus, Slots};
use countersign::store::{AsyncStore, Clock, LimitOffset, Store, TermsFilter, permissions};
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::helpers::{Backend, START_MICROS, TestApp, commit_batch};

fn operation<C: Command>(command: C) -> Arc<Operation<C>> {
    Arc::new(Operation::new(command, AuditContext::default()))
}

/// A plan for `= ANY` that was created while the table was small stays a sequential scan, unless
/// the index is the only option.
#[actix_web::test]
async fn a_lookup_uses_the_index_after_the_table_grew() {
    let app = TestApp::spawn(Backend::Postgres);
    let ada = app.user("ada@example.org");
    app.grant_role("hub", &ada, Role::Owner);
    let deed = CreateExport(NewExportToken {
        creator: ada.user.id,
        hub: HubId::new("hub").unwrap(),
        node: NodeId::new("node").unwrap(),
        mask: Mask::READ,
        expiry: ExpiryHours::DEFAULT,
    });
    let Ok((export, _)) = app.commit(deed) else { panic!("no token") };
    let asked: Vec<LookupKey> = std::iter::repeat_n(LookupKey::ExportToken(export.id), 64).collect();
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    // Enough executions for the connection to cache the statement and a generic plan.
    for _ in 0..20 {
        lookup::resolve_together(&store, &asked).unwrap();
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
        assert!(lookup::resolve_together(&store, &asked).unwrap().export_token(export.id).is_some());
    }
    // A PostgreSQL backend reports its statistics at the latest when it exits.
    drop(store);
    let patience = Instant::now() + Duration::from_secs(20);
    let (mut end_to_end, mut by_index) = scan_counts(&mut conn);
    while end_to_end + by_index < 40 && Instant::now() < patience {
        std::thread::yield_now();
        (end_to_end, by_index) = scan_counts(&mut conn);
    }
    assert_eq!(end_to_end + by_index, 40, "every lookup is counted");
    assert!(by_index >= 20, "lookups in a large table use the index: {by_index}");
}

/// The ledger on a connection that was opened while the tables were small: each of its statements uses an index, also
/// before the next ANALYZE, which autovacuum runs within a minute.
#[actix_web::test]
async fn a_batch_reads_only_its_own_rows() {
    const TABLES: [&str; 3] = ["permission_requests", "bundles", "blocks"];
    const LEAST_READ: [i64; 3] = [20, 10, 10];
    let app = TestApp::spawn(Backend::Postgres);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let asked: Vec<_> = (0..30)
        .map(|nth| app.create_request(&ada, &grace, &app.bundle(&format!("Bundle {nth}"), 6)))
        .collect();
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    freeze_statistics(&mut conn, &TABLES);
    let batch = |nth: usize| {
        let redeem = Decide::as_asked(asked[nth].redeem_id, grace.user.id, None);
        let new = NewPermissionRequest {
            creation_key: Some(CreationKey {
                key: IdempotencyKey::new(&nth.to_string()).unwrap(),
                fingerprint: Fingerprint::of(&[]),
            }),
            ..NewPermissionRequest::new(asked[nth + 1].terms, ada.user.id, Mask::READ, 3_600)
        };
        // Of the other direction.
        let block = Block { target: ada.user.id, blocked: grace.user.id };
        let mixed: [Arc<dyn AnyOperation>; 5] = [
            operation(redeem.clone()),
            operation(redeem.clone()),
            operation(CreateRequest(new.clone())),
            operation(GrantPermission::without_end(asked[nth].terms, Mask::READ)),
            operation(CreateBlock(block)),
        ];
        let optimistic = [operation(CreateRequest(new)) as _, operation(redeem.clone()) as _];
        for operations in [mixed.as_slice(), &optimistic, &[operation(redeem) as _]] {
            ledger::commit(&store, operations).into_iter().for_each(|result| result.unwrap());
        }
    };
    (0..10).for_each(batch);
    let (target, allowed) = (grace.user.id, ada.user.id);
    // They expire a year after the server's time, so that the server does not close them during
    // the test.
    conn.batch_execute(&format!(
        "INSERT INTO users (id, email, first_name, last_name, active, staff, created_at) OVERRIDING SYSTEM VALUE \
         SELECT 999 + i, 'many' || i || '@example.org', '', '', true, false, now() FROM generate_series(1, 200) i; \
         INSERT INTO blocks SELECT t.id, b.id, now() FROM users t, users b WHERE t.id > 999 AND b.id > 999 AND t.id <> b.id; \
         INSERT INTO bundles (name, description, permission) SELECT 'b', '', 1 FROM generate_series(1, 40000); \
         INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, \
         created_at, expires_at, closed_at, outcome, granted_permission, active, create_key, create_digest) \
         SELECT gen_random_uuid(), {target}, {allowed}, i, 1, {allowed}, now(), '2031-01-01', \
         CASE WHEN i % 2 = 0 THEN now() END, CASE WHEN i % 2 = 0 THEN 'approved' END, \
         CASE WHEN i % 2 = 0 THEN 1 END, i % 2 = 0, \
         '{allowed}:many-' || i, '' FROM generate_series(100, 40000) i"
    ))
    .unwrap();
    let before = TABLES.map(|table| rows_read(&mut conn, table));
    (10..20).for_each(batch);
    // A PostgreSQL backend reports its statistics at the latest when it exits.
    drop(store);
    for ((table, least), before) in TABLES.into_iter().zip(LEAST_READ).zip(before) {
        let read = rows_read_since(&mut conn, table, before);
        assert!((least..2_000).contains(&read), "thirty batches read {read} rows or entries of {table}");
    }
}

/// PostgreSQL compiles no statement, whatever it estimates that it costs: that would take longer than the statement.
#[actix_web::test]
async fn no_statement_is_compiled() {
    let app = TestApp::spawn(Backend::Postgres);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let asked = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
    app.execute_raw(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = on', current_database()); \
         EXECUTE format('ALTER DATABASE %I SET jit_above_cost = 0', current_database()); END $$",
    );
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    conn.batch_execute("SELECT count(*) FROM users").unwrap();
    let jit_available: bool =
        diesel::select(sql::<Bool>("pg_jit_available()")).get_result(&mut conn).unwrap();
    let before = backends_with_compiler(&mut conn);
    assert_eq!(before.len(), usize::from(jit_available), "of this connection");
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    let decide = operation(Decide::as_asked(asked.redeem_id, grace.user.id, None));
    ledger::commit(&store, &[decide as _]).into_iter().for_each(|result| result.unwrap());
    let by_id = LookupKey::UsersAndBundle(vec![UserRef::Id(ada.user.id)], None);
    lookup::resolve_together(&store, &[by_id]).unwrap();
    let filter = RequestFilter::default();
    let page = LimitOffset { limit: 20, offset: 0 };
    let now = Timestamp::from_micros(START_MICROS);
    store.read(|conn| requests::list_for_party(conn, ada.user.id, &filter, page, now)).unwrap();
    assert_eq!(backends_with_compiler(&mut conn), before);
}

/// Decisions and searches about permissions, of a user who has many: on connections that were opened
/// while the table was small.
#[actix_web::test]
async fn an_access_decision_reads_only_its_own_rows() {
    let app = TestApp::spawn(Backend::Postgres);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let bundle = app.bundle("Sleep", 6).id;
    let terms = Terms { target: grace.user.id, grantee: ada.user.id, bundle };
    app.commit(GrantPermission::without_end(terms, Mask::READ)).unwrap();
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    freeze_statistics(&mut conn, &["permission_requests"]);
    let question = |target: i64, right: Right, bundle: Option<BundleRef>| AccessQuestion {
        grantee: UserRef::Email(ada.user.email.clone()),
        target: UserRef::Id(UserId(target)),
        bundle,
        right,
    };
    let decide = |_| {
        let unknown = (0..62).map(|target| question(1_000 + target, Right::Get, None));
        let of_bundle = [BundleRef::Id(bundle), BundleRef::Name(BundleName::new("Sleep").unwrap())];
        let known = of_bundle.map(|bundle| question(grace.id(), Right::Read, Some(bundle)));
        let questions: Vec<AccessQuestion> = unknown.chain(known.clone()).collect();
        let results =
            lookup::resolve_together(&store, &[LookupKey::Access { exports: Vec::new(), questions }])
                .unwrap();
        assert!(known.iter().all(|question| results.is_granted(question)));
    };
    let search = |_| {
        for (known, searched) in [(&ada, SearchedSide::Targets), (&grace, SearchedSide::Grantees)] {
            let search = AccessSearch {
                known: UserRef::Id(known.user.id),
                searched,
                right: Right::Read,
                bundle: None,
            };
            let found = store.read(|conn| {
                let now = conn.now()?;
                access::search(conn, &search, 0, 21, now)
            });
            let found = found.unwrap();
            assert!((1..=21).contains(&found.len()));
        }
    };
    (0..10).for_each(decide);
    (0..10).for_each(search);
    // Ada has two permissions of each of many users.
    conn.batch_execute(&format!(
        "INSERT INTO users (id, email, first_name, last_name, active, staff, created_at) OVERRIDING SYSTEM VALUE \
         SELECT 999 + i, 'many' || i || '@example.org', '', '', true, false, now() FROM generate_series(1, 20000) i; \
         INSERT INTO bundles (name, description, permission) VALUES ('Heart', '', 2); \
         INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, \
         created_at, expires_at, closed_at, outcome, granted_permission, active) \
         SELECT gen_random_uuid(), 999 + i, {ada}, b.id, 2, {ada}, now(), '2031-01-01', now(), 'granted', 2, true \
         FROM generate_series(1, 20000) i, bundles b ORDER BY i",
        ada = ada.id()
    ))
    .unwrap();
    let before = rows_read(&mut conn, "permission_requests");
    // Also before the next ANALYZE, which autovacuum runs within a minute.
    (0..10).for_each(search);
    conn.batch_execute("ANALYZE permission_requests, users, bundles").unwrap();
    (0..10).for_each(decide);
    (0..10).for_each(search);
    // A PostgreSQL backend reports its statistics at the latest when it exits.
    drop(store);
    let read = rows_read_since(&mut conn, "permission_requests", before);
    assert!((40..5_000).contains(&read), "ten batches of 64 and forty searches read {read} rows or entries");
}

/// The lists of requests and permissions, their totals, and the closing of expired rows, among
/// many rows of other users.
#[actix_web::test]
async fn lists_and_expiry_read_only_their_own_rows() {
    let app = TestApp::spawn(Backend::Postgres);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    // Of five requests one is pending, three are approved (until 2031, without an end, revoked), and
    // one is declined. The first 60 are Ada's to Grace. Six more of hers are overdue at two o'clock,
    // by which the server's clock has not arrived.
    conn.batch_execute(&format!(
        "INSERT INTO users (email, first_name, last_name, active, staff, created_at) \
         SELECT 'user' || i || '@example.org', '', '', true, false, now() FROM generate_series(1, 1000) i; \
         INSERT INTO bundles (name, description, permission) SELECT 'b', '', 1 FROM generate_series(1, 50006); \
         INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, \
         created_at, expires_at, closed_at, outcome, granted_permission, permission_expires_at, ended_at, end_cause, active) \
         SELECT gen_random_uuid(), \
         CASE WHEN i <= 60 OR i > 50000 THEN {target} ELSE 3 + i % 1000 END, \
         CASE WHEN i <= 60 OR i > 50000 THEN {allowed} ELSE 3 + (i + 1) % 1000 END, i, 1, {allowed}, '2030-01-01Z', \
         CASE WHEN i > 50000 THEN timestamptz '2030-01-01 01:00Z' ELSE '2031-01-01Z' END, \
         CASE WHEN kind > 0 THEN timestamptz '2030-01-01Z' END, \
         CASE WHEN kind BETWEEN 1 AND 3 THEN 'approved' WHEN kind = 4 THEN 'declined' END, \
         CASE WHEN kind BETWEEN 1 AND 3 THEN 1 END, \
         CASE WHEN i > 50000 AND kind = 1 THEN timestamptz '2030-01-01 01:00Z' WHEN kind = 1 THEN '2031-01-01Z' END, \
         CASE WHEN kind = 3 THEN timestamptz '2030-01-01Z' END, CASE WHEN kind = 3 THEN 'revoked' END, kind IN (1, 2) \
         FROM (SELECT i, CASE WHEN i > 50000 THEN i % 2 ELSE i % 5 END AS kind FROM generate_series(1, 50006) i) AS k; \
         INSERT INTO user_counters VALUES ({target}, 15, 27), ({allowed}, 15, 27); \
         ANALYZE",
        target = grace.id(),
        allowed = ada.id(),
    ))
    .unwrap();
    let now = Timestamp::from_micros(START_MICROS).plus_seconds(7_200);
    let page = LimitOffset { limit: 20, offset: 0 };
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    let before = rows_read(&mut conn, "permission_requests");
    for viewer in [ada.user.id, grace.user.id] {
        let requests = |statuses: Option<Vec<RequestStatus>>, created_from| {
            let filter = RequestFilter { statuses, created_from, ..RequestFilter::default() };
            store.read(|conn| requests::list_for_party(conn, viewer, &filter, page, now)).unwrap().total
        };
        let by_status: Vec<i64> =
            RequestStatus::ALL.into_iter().map(|status| requests(Some(vec![status]), None)).collect();
        assert_eq!(by_status, [12, 39, 12, 0, 3, 0]);
        assert_eq!(requests(Some(RequestStatus::ALL.to_vec()), None), 66);
        assert_eq!((requests(None, None), requests(None, Some(now))), (12, 0));
        for (bundles, total) in [(None, 24), (Some(vec![1]), 1)] {
            let filter = TermsFilter { bundles, ..TermsFilter::default() };
            let listed =
                store.read(|conn| permissions::list_for_party(conn, viewer, &filter, page, now)).unwrap();
            assert_eq!(listed.total, total);
        }
    }
    for (grantees, total) in [(None, 24), (Some(vec![ada.id()]), 24)] {
        let filter = TermsFilter { grantees, ..TermsFilter::default() };
        let listed = store.read(|conn| permissions::list_all(conn, &filter, page, now)).unwrap();
        assert_eq!((listed.total, listed.rows.len()), (total, 20));
    }
    assert_eq!(store.write(|conn| requests::expire_batch(conn, now)).unwrap(), 3);
    assert_eq!(store.write(|conn| requests::expire_permissions_batch(conn, now)).unwrap(), 3);
    drop(store);
    let read = rows_read_since(&mut conn, "permission_requests", before);
    assert!((500..10_000).contains(&read), "{read} rows or entries were read");
}

/// The rate limits, which have a row per pair of users.
#[actix_web::test]
async fn a_limit_check_reads_only_its_own_rows() {
    let app = TestApp::spawn(Backend::Postgres);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let bundle = app.bundle("Sleep", 6);
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    freeze_statistics(&mut conn, &["rate_limits"]);
    let limit = RateLimit::new(1_000, 86_400).ok();
    let limits = RequestLimits {
        pair: limit,
        requester: limit,
        target: limit,
        unknown_references: limit,
        unlinked_references: limit,
    };
    let batch = |_| {
        let terms = Terms { target: grace.user.id, grantee: ada.user.id, bundle: bundle.id };
        let new = NewPermissionRequest::new(terms, ada.user.id, bundle.permission, 3_600);
        let operations = [(); 4].map(|()| {
            Operation::new(CreateRequest(new.clone()), AuditContext::default()).with_limits(limits)
        });
        for result in commit_batch(&store, operations.into()) {
            assert!(matches!(result, Ok(Ok(created)) if created.quotas.len() == 3));
        }
    };
    (0..10).for_each(batch);
    conn.batch_execute(
        "INSERT INTO rate_limits SELECT 'pair:' || i || ':1', now() + '1 day' FROM generate_series(100, 50000) i",
    )
    .unwrap();
    let before = rows_read(&mut conn, "rate_limits");
    (10..20).for_each(batch);
    drop(store);
    let read = rows_read_since(&mut conn, "rate_limits", before);
    assert!((20..2_000).contains(&read), "ten batches of four read {read} rows or entries");
}

/// The audit log, which is the largest table: a query uses an index, however many newer entries of
/// other users there are.
#[actix_web::test]
async fn the_audit_log_reads_only_the_requested_page() {
    let app = TestApp::spawn(Backend::Postgres);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let asked = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    // The planner knows how many they are, but not that all of them are newer.
    conn.batch_execute(&format!(
        "INSERT INTO audit_log (id, at, actor, action, subject, affected_user_1) \
         SELECT (lpad(to_hex(1893456060000 + i), 12, '0') || '7000' || lpad(to_hex(i), 16, '0'))::uuid, \
         timestamptz '2030-01-01 00:01:00Z' + i * interval '1 ms', 1000 + i % 7, 'export.created', 'export:' || i, \
         1000 + i % 3 FROM generate_series(1, 100000) i; \
         UPDATE audit_log SET actor = {} WHERE subject = 'request:{}'; ANALYZE audit_log",
        ada.id(),
        asked.id
    ))
    .unwrap();
    let subject = Some(format!("request:{}", asked.id));
    let filters = [
        AuditLogFilter { viewer: Some(ada.user.id), ..AuditLogFilter::default() },
        AuditLogFilter { viewer: Some(grace.user.id), ..AuditLogFilter::default() },
        AuditLogFilter { subject, viewer: Some(ada.user.id), ..AuditLogFilter::default() },
        AuditLogFilter { actors: Some(vec![ada.user.id]), ..AuditLogFilter::default() },
        AuditLogFilter { actions: Some(vec![AuditAction::RequestCreated]), ..AuditLogFilter::default() },
        AuditLogFilter { until: Some(asked.created_at.plus_seconds(1)), ..AuditLogFilter::default() },
    ];
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    let before = rows_read(&mut conn, "audit_log");
    for filter in &filters {
        let found =
            store.read(|conn| audit_log::list(conn, filter, LimitOffset { limit: 20, offset: 0 })).unwrap();
        assert_eq!((found.total, found.rows[0].action.as_str()), (1, "request.created"), "{filter:?}");
    }
    let all = store.read(|conn| audit_log::list_newest(conn, &AuditLogFilter::default(), 20)).unwrap();
    assert_eq!(all.len(), 20);
    drop(store);
    let read = rows_read_since(&mut conn, "audit_log", before);
    assert!((20..1_000).contains(&read), "{read} rows or entries were read");
}

/// A page of the audit log reads its own entries, also if the statistics do not know of the newer ones.
#[test]
fn a_reader_of_the_audit_log_reads_only_its_page() {
    let app = TestApp::without_server(Backend::Postgres);
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    let mut insert = |from: i32, to: i32| {
        conn.batch_execute(&format!(
            "INSERT INTO audit_log (id, at, action, subject) SELECT lpad(to_hex(i), 32, '0')::uuid, now(), \
             'export.created', 'export:' || i FROM generate_series({from}, {to}) i"
        ))
        .unwrap();
    };
    insert(1, 2_000);
    insert(2_001, 2_001);
    app.execute_raw("ANALYZE audit_log");
    insert(2_002, 20_000);
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    // By an index, so that it does not read what the reader must not.
    let after =
        app.count(&format!("SELECT position AS n FROM audit_log WHERE id = '{}'", Uuid::from_u128(2_001)));
    let after = Place { position: after, id: Uuid::from_u128(2_001) };
    let before = rows_read(&mut conn, "audit_log");
    let page = store.read(|conn| audit_log::page(conn, after, Place::END, 10)).unwrap();
    assert_eq!(page.entries.len(), 10);
    drop(store);
    let read = rows_read_since(&mut conn, "audit_log", before);
    assert!((10..100).contains(&read), "{read} rows or entries were read");
}

/// The sweeps and the content of daily mails: due rows are found by an index, however many end later.
#[actix_web::test]
async fn a_sweep_reads_only_what_is_due() {
    const TABLES: [&str; 2] = ["permission_requests", "export_tokens"];
    let app = TestApp::without_server(Backend::Postgres);
    let [ada, grace, eve, dan] =
        ["ada", "grace", "eve", "dan"].map(|name| app.user(&format!("{name}@example.org")));
    app.grant_role("hub", &ada, Role::Owner);
    let store = Store::connect(&app.database_url.parse().unwrap(), 2, Clock::Database).unwrap();
    let sweep_all = || {
        let step =
            |sweep| store.write_in_background(|conn| sweeps::step(conn, sweep, &RequestLimits::default()));
        Sweep::ALL.map(|sweep| step(sweep).unwrap())
    };
    assert_eq!(sweep_all(), [0; 6], "each cursor starts now");
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    for table in TABLES {
        conn.batch_execute(&format!("VACUUM ANALYZE {table}")).unwrap();
    }
    // The plans of empty tables.
    for _ in 0..10 {
        sweep_all();
    }
    let [ada, grace, eve, dan] = [ada.id(), grace.id(), eve.id(), dan.id()];
    // Of each kind: 50,000 rows that end later, and a few that are due, of other users.
    conn.batch_execute(&format!(
        "INSERT INTO bundles (name, description, permission) SELECT 'b', '', 1 FROM generate_series(1, 50010); \
         CREATE TEMPORARY TABLE ends AS SELECT i, {eve} AS target, {dan} AS grantee, \
         now() + interval '40 days' + i * interval '1 minute' AS at FROM generate_series(1, 50000) i \
         UNION ALL SELECT 50000 + row_number() OVER (), {grace}, {ada}, now() + lead - interval '30 minutes' \
         FROM unnest(ARRAY[interval '0', interval '1 day', interval '7 days']) lead, generate_series(1, 3); \
         INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, asked_by, created_at, \
         expires_at, permission, closed_at, outcome, active, granted_permission, permission_expires_at) \
         SELECT gen_random_uuid(), target, grantee, i, grantee, now() - interval '60 days', \
         CASE WHEN kind = 0 THEN at ELSE now() END, 1, CASE WHEN kind = 1 THEN now() - interval '50 days' END, \
         CASE WHEN kind = 1 THEN 'approved' END, kind = 1, CASE WHEN kind = 1 THEN 1 END, CASE WHEN kind = 1 THEN at END \
         FROM ends, generate_series(0, 1) kind; \
         INSERT INTO export_tokens (id, creator, hub_id, node_id, permission, digest, created_at, expires_at) \
         SELECT gen_random_uuid(), target, 'hub', 'n', 2, sha256('x'), now() - interval '60 days', at FROM ends; \
         UPDATE sweep_cursors SET position = now() - interval '1 hour'; \
         ANALYZE permission_requests; ANALYZE export_tokens"
    ))
    .unwrap();
    let before = TABLES.map(|table| rows_read(&mut conn, table));
    assert_eq!(sweep_all(), [3; 6]);
    assert_eq!(sweep_all(), [0; 6]);
    let claim = OutboxSync { reports: Vec::new(), renewals: Vec::new(), claim_limit: 10 };
    let mails = claim.run(&AsyncStore::new(store.clone(), 1)).await.mails;
    assert_eq!(mails.len(), 2, "one for each party");
    drop((mails, store));
    for (table, before) in TABLES.into_iter().zip(before) {
        let read = rows_read_since(&mut conn, table, before);
        assert!((10..1_000).contains(&read), "{read} rows or entries of {table} were read");
    }
}

/// However many deliveries wait for a webhook that does not respond, those of another one are found.
#[actix_web::test]
async fn a_claim_reads_only_the_next_deliveries_of_each_webhook() {
    const TABLE: &str = "webhook_deliveries";
    let app = TestApp::without_server(Backend::Postgres);
    let ada = app.user("ada@example.org");
    let store = Store::connect(&app.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
    let mut conn = PgConnection::establish(&app.database_url).unwrap();
    conn.batch_execute(&format!(
        "INSERT INTO webhooks (owner, url, events, scope, description, created_at, secret) \
         SELECT {}, 'https://hooks.example.org/', 'request.*', 'own', '', now(), '' FROM generate_series(1, 2)",
        ada.id()
    ))
    .unwrap();
    let [dead, good] = app.query_i64s("SELECT id AS n FROM webhooks ORDER BY id")[..] else { panic!() };
    let slots = Slots { total: 16, failing: 64 };
    let claim = || {
        let claimed = store.write(|conn| {
            let now = conn.now()?;
            for status in [DeliveryStatus::Sending, DeliveryStatus::Failed] {
                let page = LimitOffset { limit: 20, offset: 0 };
                let filter = DeliveryFilter { status: Some(status), event: None };
                webhook_deliveries::list(conn, WebhookId(dead), filter, page)?;
            }
            webhook_deliveries::claim(conn, slots, countersign::entropy::uuid(), now)
        });
        let mut webhooks: Vec<i64> =
            claimed.unwrap().into_iter().map(|delivery| delivery.webhook.webhook.id.0).collect();
        webhooks.sort_unstable();
        webhooks
    };
    conn.batch_execute(&format!("VACUUM ANALYZE {TABLE}")).unwrap();
    // The plans of an empty table.
    for _ in 0..10 {
        assert_eq!(claim(), [0; 0]);
    }
    let insert = |webhook: i64, rows: i64| {
        format!(
            "INSERT INTO {TABLE} (id, webhook, event_id, event_type, created_at, due_at, attempts) \
             SELECT gen_random_uuid(), {webhook}, gen_random_uuid(), 'webhook.test', now(), \
             now() - i * interval '1 second', 0 FROM generate_series(1, {rows}) i;"
        )
    };
    conn.batch_execute(&format!("{}{}ANALYZE {TABLE}", insert(dead, 100_000), insert(good, 6))).unwrap();
    let end = |webhook: i64| {
        let finished = "finished_at = now(), result = 'delivered', lease = NULL";
        format!("UPDATE {TABLE} SET {finished} WHERE webhook = {webhook} AND lease IS NOT NULL;")
    };
    let before = rows_read(&mut conn, TABLE);
    assert_eq!(claim(), [dead, dead, dead, dead, good, good, good, good]);
    conn.batch_execute(&end(good)).unwrap();
    // Those of the other one are in flight.
    assert_eq!(claim(), [good, good]);
    drop(store);
    let read = rows_read_since(&mut conn, TABLE, before);
    assert!((10..1_000).contains(&read), "{read} rows or entries were read");
}

/// Plans that are made from now on are those of tables as small as they are now.
fn freeze_statistics(conn: &mut PgConnection, tables: &[&str]) {
    for table in tables {
        let freeze = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        conn.batch_execute(&freeze).unwrap();
        conn.batch_execute(&format!("VACUUM ANALYZE {table}")).unwrap();
    }
}

/// The rows and index entries that were read since `before`, once the statistics include them.
fn rows_read_since(conn: &mut PgConnection, table: &str, before: i64) -> i64 {
    let patience = Instant::now() + Duration::from_secs(20);
    let mut read = 0;
    while read == 0 && Instant::now() < patience {
        std::thread::yield_now();
        read = rows_read(conn, table) - before;
    }
    read
}

/// The rows and index entries of a table that were read so far.
fn rows_read(conn: &mut PgConnection, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let read: Read = diesel::sql_query(format!(
        "SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = '{table}') \
         + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = '{table}')::bigint AS n",
    ))
    .get_result(conn)
    .unwrap();
    read.n
}

/// The processes with connections to this database that have loaded PostgreSQL's compiler.
fn backends_with_compiler(conn: &mut PgConnection) -> Vec<i32> {
    #[derive(QueryableByName)]
    struct Process {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        pid: i32,
    }
    let all = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() ORDER BY pid";
    let processes: Vec<Process> = diesel::sql_query(all).load(conn).unwrap();
    let has_compiler = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains("llvmjit"))
    };
    processes.into_iter().map(|process| process.pid).filter(has_compiler).collect()
}

/// The number of sequential scans and index scans of `export_tokens`.
fn scan_counts(conn: &mut PgConnection) -> (i64, i64) {
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
