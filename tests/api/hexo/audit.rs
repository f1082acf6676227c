//! hexo: the audit log.

use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::domain::block::Block;
use countersign::domain::bundle_permission::BundlePermissionId;
use countersign::domain::rights::Role;
use countersign::domain::token::RedeemId;
use countersign::domain::user::Authority;
use countersign::store::audit_log;
use countersign::store::ledger::{self, Command, CreateBlock, Decide, Operation, RevokePermission};
use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp, TestUser};
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_refusal, expect_response};

const AUDIT: &str = "/api/audit/";

/// Does something as a user, with an address and a client, a second after the previous entry.
fn execute_as(app: &TestApp, who: &TestUser, command: impl Command) {
    app.advance(1);
    let origin = AuditContext {
        actor: Some(who.user.id),
        ip: Some([192, 0, 2, u8::try_from(who.id()).unwrap()].into()),
        user_agent: Some(format!("the client of {}", who.email())),
    };
    ledger::commit_one(&app.store, Operation::new(command, origin)).unwrap();
}

fn redeem_command(id: RedeemId, by: &TestUser) -> Decide {
    Decide::as_asked(id, by.user.id, None)
}

/// The actions that a user sees, in the order of the list.
/// The listed actions. A signing key is created when the first mail about an approval is sent, at
/// any time after it.
async fn audit_actions(app: &TestApp, who: &TestUser, query: &str) -> Vec<String> {
    let list = expect_response(app.get(&format!("{AUDIT}{query}")).by_user(who), 200).await;
    let entries = list["objects"].as_array().unwrap();
    let actions = entries.iter().map(|entry| entry["action"].as_str().unwrap());
    actions.filter(|action| *action != "signing_key.created").map(str::to_owned).collect()
}

on_both_databases! {
    async fn an_entry_has_actor_action_time_and_ip(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let post = app.post(REQUESTS).by_user(&scene.ada).header("user-agent", "a client").json(&scene.request_body());
        let asked = expect_response(post, 201).await;
        let root = app.staff("root@example.org");
        let list = expect_response(app.get(AUDIT).by_user(&root), 200).await;
        assert_eq!(list["meta"]["total_count"], 1);
        let entry = &list["objects"][0];
        let (id, uri) = (entry["id"].as_str().unwrap(), asked["resource_uri"].as_str().unwrap());
        let number = uri.trim_end_matches('/').rsplit('/').next().unwrap();
        let expected = json!({
            "id": id,
            "action": "request.created",
            "actor": scene.ada.uri(),
            "address": "127.0.0.1",
            "at": "2030-01-01T00:00:00Z",
            "client": "a client",
            "resource_uri": format!("{AUDIT}{id}/"),
            "subject": format!("request:{number}"),
            "subject_uri": uri,
        });
        assert_eq!(*entry, expected);
        assert_eq!(expect_response(app.get(&format!("{AUDIT}{id}")).by_user(&root), 200).await, expected);
        let v1 = expect_response(app.get(&format!("/api/v1/audit/{id}/")).by_user(&root), 200).await;
        assert_eq!(v1["actor"], format!("/api/v1/user/{}/", scene.ada.id()));
        let none = "01a200dc-73d4-7a7a-b284-21c95ac92fdf";
        let set = expect_response(app.get(&format!("{AUDIT}set/{id};{none};12")).by_user(&root), 200).await;
        assert_eq!(set, json!({ "not_found": [none, "12"], "objects": [expected] }));
        for missing in [none, "12", "x", "csr_x", "%00"] {
            expect_refusal(&app, app.get(&format!("{AUDIT}{missing}/")).by_user(&root), 404).await;
        }
    }

    async fn users_see_entries_of_which_they_are_actor_or_affected(app: TestApp) {
        let HexoFixture { ada, grace, eve, bundle } = &HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let asked = app.create_request(ada, grace, bundle);
        execute_as(&app, grace, redeem_command(asked.redeem_id, grace));
        execute_as(&app, ada, RevokePermission { id: BundlePermissionId(asked.id.0), by: Authority::User(ada.user.id) });
        execute_as(&app, grace, CreateBlock(Block { target: grace.user.id, blocked: ada.user.id }));
        app.grant_role("hub", eve, Role::Owner);
        app.export(eve);
        for (by, action, subject) in [
            (Some(root.user.id), AuditAction::UserRenamed, format!("user:{}", eve.id())),
            (None, AuditAction::HubGranted, format!("hub:h:x/user:{}", eve.id())),
            (None, AuditAction::HubAdded, "hub:7".to_owned()),
        ] {
            app.advance(1);
            app.store
                .write(|conn| {
                    let (now, by) = (conn.now()?, AuditContext { actor: by, ..AuditContext::default() });
                    audit_log::record(conn, &by, action, subject.clone(), now)
                })
                .unwrap();
        }
        let both = ["permission.revoked", "request.approved", "request.created"];
        assert_eq!(audit_actions(&app, ada, "").await, both);
        assert_eq!(audit_actions(&app, grace, "").await, [&["block.created"][..], &both].concat());
        assert_eq!(audit_actions(&app, eve, "").await, ["hub.granted", "user.renamed", "export.created"]);
        assert_eq!(audit_actions(&app, &root, "").await.len(), 8);
        let of_grace = format!("?subject=request:{}", asked.id);
        assert_eq!(audit_actions(&app, ada, &of_grace).await, ["request.approved", "request.created"]);
        assert_eq!(audit_actions(&app, eve, &of_grace).await, Vec::<String>::new());
        let all = expect_response(app.get(AUDIT).by_user(&root), 200).await;
        for entry in all["objects"].as_array().unwrap() {
            let uri = entry["resource_uri"].as_str().unwrap();
            let action = entry["action"].as_str().unwrap();
            for (who, theirs) in [(ada, both.as_slice()), (eve, &["export.created", "user.renamed", "hub.granted"])] {
                let status = if theirs.contains(&action) { 200 } else { 404 };
                expect_response(app.get(uri).by_user(who), status).await;
            }
        }
    }

    async fn only_staff_see_the_ip_of_others(app: TestApp) {
        let HexoFixture { ada, grace, bundle, .. } = &HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let asked = app.create_request(ada, grace, bundle);
        execute_as(&app, grace, redeem_command(asked.redeem_id, grace));
        let query = format!("{AUDIT}?action=request.approved");
        for (who, sees) in [(grace, true), (ada, false), (&root, true)] {
            let list = expect_response(app.get(&query).by_user(who), 200).await;
            let entry = &list["objects"][0];
            assert_eq!(entry["actor"], grace.uri());
            assert_eq!((entry["address"].is_string(), entry["client"].is_string()), (sees, sees), "{entry}");
            let alone = expect_response(app.get(entry["resource_uri"].as_str().unwrap()).by_user(who), 200).await;
            assert_eq!(alone, *entry);
        }
    }

    async fn the_audit_log_is_filtered_by_action_subject_actor_and_time(app: TestApp) {
        let HexoFixture { ada, grace, bundle, .. } = &HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let gift = app.bundle("A gift", 2);
        let asked = app.create_request(ada, grace, bundle);
        app.advance(59);
        execute_as(&app, grace, redeem_command(asked.redeem_id, grace));
        app.advance(60);
        let other = app.create_request(ada, grace, &gift);
        execute_as(&app, grace, Decide::decline(other.redeem_id, grace.user.id));
        let query = |query: String| { let (app, root) = (&app, &root); async move { audit_actions(app, root, &query).await } };
        assert_eq!(query("?action=request.approved".into()).await, ["request.approved"]);
        assert_eq!(query("?action__exact=request".into()).await.len(), 0);
        assert_eq!(query("?action__in=request.approved,request.declined".into()).await, ["request.declined", "request.approved"]);
        assert_eq!(query("?action__startswith=request.".into()).await.len(), 4);
        assert_eq!(query("?action__startswith=key".into()).await.len(), 0);
        assert_eq!(query(format!("?subject=request:{}", other.id)).await, ["request.declined", "request.created"]);
        assert_eq!(query("?subject=request:1&subject__exact=request:2".into()).await.len(), 0);
        for whom in [grace.uri(), grace.id().to_string(), "GRACE@example.org".to_owned()] {
            assert_eq!(query(format!("?actor={whom}")).await, ["request.declined", "request.approved"]);
        }
        let both = format!("?actor__in={},{},nobody@example.org", grace.id(), ada.email());
        assert_eq!(query(both).await.len(), 2);
        assert_eq!(query("?actor=nobody@example.org".into()).await.len(), 0);
        let day = "2030-01-01T00";
        assert_eq!(query(format!("?at__gte={day}:01:00Z")).await.len(), 3);
        assert_eq!(query(format!("?at__lt={day}:01:00Z")).await, ["request.created"]);
        assert_eq!(query(format!("?at__gte={day}:01:00Z&at__lt={day}:02:00Z")).await, ["request.approved"]);
        assert_eq!(query(format!("?at__gte=2030-01-01T01:02:00%2B01:00&actor={}", grace.id())).await, ["request.declined"]);
        assert_eq!(audit_actions(&app, ada, &format!("?actor={}", grace.id())).await.len(), 2);
        assert_eq!(audit_actions(&app, ada, "?action=request.approved").await.len(), 1);
    }

    async fn an_invalid_filter_is_rejected(app: TestApp) {
        let root = app.staff("root@example.org");
        let lookup = "Invalid resource lookup data provided (mismatched type).";
        for query in [
            "at__gte=yesterday", "at__lt=", "at__gte=2030-01-01", "at__lt=99999-01-01T00:00:00Z", "actor=x",
            "actor=/api/bundle/1/", "actor=",
        ] {
            expect_error(&app, app.get(&format!("{AUDIT}?{query}")).by_user(&root), 400, lookup).await;
        }
        let many = (1..=21).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        for query in [
            format!("actor__in={many}"), "at__gte=%00".to_owned(), "subject=%00".to_owned(),
            "subject=a&subject=b".to_owned(), "action__startswith=a&action__startswith=b".to_owned(),
        ] {
            expect_refusal(&app, app.get(&format!("{AUDIT}?{query}")).by_user(&root), 400).await;
        }
        for query in ["at__gte=0000-01-01T00:00:00Z", "at__lt=9999-12-31T23:59:60Z", "at__gte=1969-12-31T00:00:00Z"] {
            expect_response(app.get(&format!("{AUDIT}?{query}")).by_user(&root), 200).await;
        }
        assert_eq!(expect_response(app.get(AUDIT).by_user(&root), 200).await["meta"]["total_count"], 0);
    }

    async fn pages_are_newest_first_and_the_count_stops_at_ten_thousand(app: TestApp) {
        let (ada, root) = (app.user("ada@example.org"), app.staff("root@example.org"));
        let micros = if app.database_url.starts_with("sqlite") {
            "INSERT INTO audit_log (id, at, actor, action, subject) \
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 10999) \
             SELECT unhex(printf('%012x7000%016x', 1893456000000 + i, i)), 1893456000000000 + i * 1000, NULL, \
             'hub.added', 'hub:' || i FROM n"
        } else {
            "INSERT INTO audit_log (id, at, actor, action, subject) \
             SELECT (lpad(to_hex(1893456000000 + i), 12, '0') || '7000' || lpad(to_hex(i), 16, '0'))::uuid, \
             timestamptz '2030-01-01 00:00:00Z' + i * interval '1 ms', NULL, 'hub.added', 'hub:' || i \
             FROM generate_series(0, 10999) i"
        };
        app.execute_raw(micros);
        app.create_request(&ada, &root, &app.bundle("Sleep", 6));
        let list = expect_response(app.get("/api/audit/?action=hub.added&limit=2").by_user(&root), 200).await;
        assert_eq!(list["meta"]["total_count"], 10_000, "the count is capped");
        assert_eq!(list["objects"][0]["subject"], "hub:10999");
        let next = expect_response(app.get(list["meta"]["next"].as_str().unwrap()).by_user(&root), 200).await;
        assert_eq!((&next["objects"][0]["subject"], &next["objects"][1]["subject"]), (&json!("hub:10997"), &json!("hub:10996")));
        let last = expect_response(app.get("/api/audit/?action=hub.added&limit=2&offset=9998").by_user(&root), 200).await;
        assert_eq!((&last["objects"][1]["subject"], &last["meta"]["next"]), (&json!("hub:1000"), &Value::Null));
        let older = "/api/audit/?at__lt=2030-01-01T00:00:01Z&action=hub.added&limit=1";
        let older = expect_response(app.get(older).by_user(&root), 200).await;
        assert_eq!((&older["objects"][0]["subject"], &older["meta"]["total_count"]), (&json!("hub:999"), &json!(1_000)));
        for query in ["", "?action__startswith=h", "?action__in=request.created,hub.added"] {
            assert_eq!(expect_response(app.get(&format!("{AUDIT}{query}")).by_user(&root), 200).await["meta"]["total_count"], 10_000);
        }
        assert_eq!(expect_response(app.get(AUDIT).by_user(&ada), 200).await["meta"]["total_count"], 1);
    }
}
