//! hexo: permissions with rights and an end of their own, their expiry, and their renewal.

use countersign::domain::bundle::Bundle;
use countersign::domain::terms::Terms;
use countersign::domain::timestamp::Timestamp;
use countersign::store::ledger::GrantPermission;
use countersign::store::{purge, requests};
use serde_json::{Value, json};

use crate::helpers::{Backend, ByUser, START_MICROS, TestApp, TestUser};
use crate::hexo::{
    HexoFixture, REQUESTS, expect_error, expect_field_error, expect_refusal, expect_response, resource_id,
};

const PERMISSIONS: &str = "/api/bundle_permission/";
const RESOURCE: &str = "bundle_permission";
const REQUEST_RESOURCE: &str = "bundle_permission_request";
const START: Timestamp = Timestamp::from_micros(START_MICROS);
const DAY: i64 = 86_400;

fn grant(app: &TestApp, scene: &HexoFixture, fields: Value) -> reqwest::RequestBuilder {
    let mut body = scene.request_body();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.post(PERMISSIONS).by_user(&scene.grace).json(&body)
}

fn count_entries(app: &TestApp, action: &str) -> i64 {
    app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE action = '{action}'"))
}

async fn total(app: &TestApp, path: &str, who: &TestUser) -> i64 {
    let list = expect_response(app.get(path).by_user(who), 200).await;
    let total = list["meta"]["total_count"].as_i64().unwrap();
    assert_eq!(list["objects"].as_array().unwrap().len() as i64, total, "{path}");
    total
}

/// Marks expired permissions as ended, and returns the number of those that the server's own task
/// has left.
fn sweep(app: &TestApp) -> usize {
    app.store
        .write(|conn| {
            let now = conn.now()?;
            requests::expire_permissions_batch(conn, now)
        })
        .unwrap()
}

on_both_databases! {
    async fn an_expired_permission_disappears_at_once(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let (request, token) = scene.ask(&app, json!({ "permission_ttl": 3_600 })).await;
        let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        let uri = granted["resource_uri"].as_str().unwrap();
        let stays = scene.with_bundle(&app, "Stays", 6);
        let later = scene.with_bundle(&app, "Later", 6);
        expect_response(grant(&app, &stays, json!({})), 201).await;
        expect_response(grant(&app, &later, json!({ "expires_at": "2030-01-01T02:00:00Z" })), 201).await;
        let eve = HexoFixture { ada: scene.eve.clone(), ..scene.clone() };
        expect_response(grant(&app, &eve, json!({ "expires_at": "2030-01-01T01:00:00Z" })), 201).await;
        let filtered = format!("{PERMISSIONS}?bundle={}", scene.bundle.id);
        let all = format!("{PERMISSIONS}?all=1");
        app.advance(3_599);
        for (path, who, wanted) in [
            (PERMISSIONS, &scene.ada, 3), (PERMISSIONS, &scene.grace, 4), (PERMISSIONS, &scene.eve, 1),
            (&filtered, &scene.grace, 2), (&all, &root, 4), ("/api/user/", &scene.eve, 2),
        ] {
            assert_eq!(total(&app, path, who).await, wanted, "{path}");
        }
        assert_eq!(expect_response(app.get(uri).by_user(&scene.ada), 200).await, granted);
        expect_refusal(&app, app.delete(&scene.bundle_uri()).by_user(&root), 409).await;
        app.advance(1);
        for _ in 0..2 {
            for (path, who, wanted) in [
                (PERMISSIONS, &scene.ada, 2), (PERMISSIONS, &scene.grace, 2), (PERMISSIONS, &scene.eve, 0),
                (&filtered, &scene.grace, 0), (&all, &root, 2), ("/api/user/", &scene.eve, 1),
            ] {
                assert_eq!(total(&app, path, who).await, wanted, "{path}");
            }
            for who in [&scene.ada, &scene.grace] {
                expect_error(&app, app.get(uri).by_user(who), 404, "Not found.").await;
                expect_error(&app, app.delete(uri).by_user(who), 404, "Not found.").await;
                let seen = expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(who), 200).await;
                assert_eq!(
                    (&seen["status"], &seen["decision"]["bundle_permission"], &seen["decision"]["expires_at"]),
                    (&json!("approved"), &Value::Null, &json!("2030-01-01T01:00:00Z"))
                );
            }
            let set = expect_response(app.get(&format!("{PERMISSIONS}set/{}/", resource_id(&granted))).by_user(&scene.ada), 200).await;
            assert_eq!((&set["objects"], set["not_found"].as_array().unwrap().len()), (&json!([]), 1));
            sweep(&app);
        }
        app.assert_user_counters();
        assert_eq!(count_entries(&app, "permission.expired"), 2);
        let ended = "SELECT count(*) AS n FROM permission_requests \
            WHERE end_cause = 'expired' AND ended_at = permission_expires_at AND NOT active";
        assert_eq!(app.count(ended), 2);
        let log = expect_response(app.get("/api/audit/?action=permission.expired").by_user(&scene.ada), 200).await;
        assert_eq!(log["objects"][0]["subject"], format!("permission:{}", resource_id(&granted)));
        assert_eq!((&log["meta"]["total_count"], &log["objects"][0]["actor"]), (&json!(1), &Value::Null));
        expect_response(app.delete(&scene.bundle_uri()).by_user(&root), 204).await;
    }

    async fn several_processes_record_each_expiry_once(mut app: TestApp) {
        let scene = HexoFixture::new(&app);
        let bundles: Vec<Bundle> = (0..60).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        for bundle in &bundles {
            app.create_request(&scene.ada, &scene.grace, bundle);
            let terms = Terms { target: scene.ada.user.id, grantee: scene.eve.user.id, bundle: bundle.id };
            let end = Some(START.plus_seconds(3_600));
            app.commit(GrantPermission { expires_at: end, ..GrantPermission::without_end(terms, bundle.permission) }).unwrap();
        }
        app.spawn_replica();
        app.advance(3_600);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    app.store
                        .write(|conn| {
                            let now = conn.now()?;
                            Ok(requests::expire_batch(conn, now)? + requests::expire_permissions_batch(conn, now)?)
                        })
                        .unwrap()
                });
            }
        });
        // Rows that one process has locked are left to it.
        assert_eq!(sweep(&app), 0);
        assert_eq!((count_entries(&app, "request.expired"), count_entries(&app, "permission.expired")), (60, 60));
        let subjects = "SELECT count(DISTINCT subject) AS n FROM audit_log WHERE action LIKE '%.expired'";
        assert_eq!(app.count(subjects), 120);
        app.assert_user_counters();
        for who in [&scene.ada, &scene.grace, &scene.eve] {
            assert_eq!((total(&app, PERMISSIONS, who).await, total(&app, REQUESTS, who).await), (0, 0));
        }
    }

    async fn a_direct_grant_has_rights_and_an_end(app: TestApp) {
        let scene = HexoFixture::new(&app).with_bundle(&app, "Heart", 14);
        for permission in [
            json!(0), json!(64), json!(15), json!(16), json!(-1), json!("x"), json!(1.5), json!([]), json!(["fly"]), json!(["admin"]),
            json!({}), json!(true),
        ] {
            expect_field_error(&app, grant(&app, &scene, json!({ "permission": permission })), RESOURCE, "permission").await;
        }
        for end in [
            json!("2030-01-01T00:00:00Z"), json!("2029-12-31T00:00:00Z"), json!("2030-01-02"), json!("2030-01-02T00:00:00"),
            json!("x"), json!(1_893_542_400), json!([]), json!(true),
        ] {
            expect_field_error(&app, grant(&app, &scene, json!({ "expires_at": end })), RESOURCE, "expires_at").await;
        }
        let given = expect_response(grant(&app, &scene, json!({ "permission": ["read"], "expires_at": "2030-01-02T00:00:00+01:00" })), 201).await;
        assert_eq!(
            json!([given["permission"], given["rights"], given["expires_at"], given["granted_at"], given["request"]]),
            json!([2, ["read"], "2030-01-01T23:00:00Z", "2030-01-01T00:00:00Z", null])
        );
        expect_field_error(&app, grant(&app, &scene, json!({ "permission": 14 })), RESOURCE, "bundle").await;
        app.advance(23 * 3_600);
        // Another one can be granted at once, whether or not the first one has been marked as ended.
        let again = expect_response(grant(&app, &scene, json!({ "permission": "14", "expires_at": null })), 201).await;
        assert_eq!((&again["permission"], &again["expires_at"]), (&json!(14), &Value::Null));
        assert_ne!(again["resource_uri"], given["resource_uri"]);
        assert_eq!((count_entries(&app, "permission.expired"), count_entries(&app, "permission.replaced")), (1, 0));
        assert_eq!(total(&app, PERMISSIONS, &scene.ada).await, 1);
        app.assert_user_counters();
    }

    async fn a_permission_can_be_requested_again_in_its_last_week_or_for_more_rights(app: TestApp) {
        let scene = HexoFixture::new(&app).with_bundle(&app, "Heart", 14);
        let given = expect_response(grant(&app, &scene, json!({ "permission": 6, "expires_at": "2030-01-09T00:00:00Z" })), 201).await;
        let ask = |fields: Value| {
            let mut body = scene.request_body();
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            app.post(REQUESTS).by_user(&scene.ada).json(&body)
        };
        for permission in [json!(6), json!(2), json!(["get"])] {
            expect_field_error(&app, ask(json!({ "permission": permission })), REQUEST_RESOURCE, "bundle").await;
        }
        // A right that is not active.
        for permission in [json!(null), json!(14), json!(["write"])] {
            let asked = expect_response(ask(json!({ "permission": permission })), 201).await;
            expect_response(app.delete(asked["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 204).await;
        }
        app.advance(DAY - 1);
        expect_field_error(&app, ask(json!({ "permission": 2 })), REQUEST_RESOURCE, "bundle").await;
        app.advance(1);
        let (request, token) = scene.ask(&app, json!({ "permission": 2, "permission_ttl": 30 * DAY })).await;
        let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        assert_eq!(
            json!([granted["permission"], granted["expires_at"], granted["request"]]),
            json!([2, "2030-02-01T00:00:00Z", request["resource_uri"]])
        );
        expect_error(&app, app.get(given["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 404, "Not found.").await;
        let list = expect_response(app.get(PERMISSIONS).by_user(&scene.ada), 200).await;
        assert_eq!((&list["meta"]["total_count"], &list["objects"]), (&json!(1), &json!([granted])));
        let log = expect_response(app.get("/api/audit/?action=permission.replaced").by_user(&scene.ada), 200).await;
        assert_eq!(
            json!([log["meta"]["total_count"], log["objects"][0]["subject"], log["objects"][0]["actor"]]),
            json!([1, format!("permission:{}", resource_id(&given)), scene.grace.uri()])
        );
        app.assert_user_counters();
    }

    async fn approving_a_renewal_replaces_the_earlier_permission(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (first, token) = scene.ask(&app, json!({ "permission_ttl": DAY })).await;
        let old = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        app.advance(10);
        let (second, token) = scene.ask(&app, json!({ "permission_ttl": 2 * DAY })).await;
        let beyond = scene.decide(&app, &token, "approve", &json!({ "permission_ttl": 3 * DAY }));
        expect_field_error(&app, beyond, REQUEST_RESOURCE, "permission_ttl").await;
        assert_eq!(expect_response(app.get(old["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await, old);
        let new = expect_response(scene.decide(&app, &token, "approve", &json!({ "permission": 2 })), 200).await;
        for (request, uri, mask) in [(&first, &Value::Null, 6), (&second, &new["resource_uri"], 2)] {
            let seen = expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await;
            assert_eq!(
                json!([seen["status"], seen["decision"]["bundle_permission"], seen["decision"]["permission"]]),
                json!(["approved", uri, mask])
            );
        }
        let replaced = "SELECT count(*) AS n FROM permission_requests AS old JOIN permission_requests AS new \
            ON old.terms = new.terms WHERE old.end_cause = 'replaced' AND new.active AND old.ended_at = new.closed_at";
        assert_eq!(app.count(replaced), 1, "at the same moment");
        assert_eq!((count_entries(&app, "permission.replaced"), count_entries(&app, "permission.expired")), (1, 0));
        // The old end has no effect on the new permission.
        app.advance(DAY);
        assert_eq!((sweep(&app), total(&app, PERMISSIONS, &scene.ada).await), (0, 1));
        // A renewal that is approved after the old permission has expired replaces nothing.
        let (_, token) = scene.ask(&app, json!({})).await;
        app.advance(2 * DAY);
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        assert_eq!((count_entries(&app, "permission.replaced"), count_entries(&app, "permission.expired")), (1, 1));
        assert_eq!(total(&app, PERMISSIONS, &scene.grace).await, 1);
        app.assert_user_counters();
    }

    async fn a_later_grant_that_covers_an_approval_stays(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let all = json!({});
        let day = json!({ "expires_at": "2030-01-02T00:00:00Z" });
        for (nth, (given, approval, stays)) in [
            (&all, json!({}), true),
            (&all, json!({ "permission": 2, "permission_ttl": 60 }), true),
            (&day, json!({ "permission_ttl": 3_600 }), true),
            (&day, json!({ "expires_at": "2030-01-02T00:00:00Z" }), true),
            (&day, json!({}), false),
            (&day, json!({ "expires_at": "2030-01-02T00:00:01Z" }), false),
            (&json!({ "permission": 2 }), json!({}), false),
            (&json!({ "permission": 2 }), json!({ "permission": 4 }), false),
            (&json!({ "permission": 2 }), json!({ "permission": 2 }), true),
        ]
        .into_iter()
        .enumerate()
        {
            let scene = scene.with_bundle(&app, &format!("Bundle {nth}"), 6);
            let (request, token) = scene.ask(&app, json!({})).await;
            let direct = expect_response(grant(&app, &scene, given.clone()), 201).await;
            let granted = expect_response(scene.decide(&app, &token, "approve", &approval), 200).await;
            assert_eq!(granted == direct, stays, "{given} {approval}");
            let seen = expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await;
            assert_eq!(
                json!([seen["status"], seen["decision"]["bundle_permission"], seen["decision"]["permission"], seen["decision"]["expires_at"]]),
                json!(["approved", granted["resource_uri"], granted["permission"], granted["expires_at"]])
            );
            let path = format!("{PERMISSIONS}?bundle={}", scene.bundle.id);
            assert_eq!(expect_response(app.get(&path).by_user(&scene.ada), 200).await["objects"], json!([granted]));
            expect_error(&app, app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
        }
        assert_eq!((count_entries(&app, "permission.replaced"), count_entries(&app, "request.approved")), (4, 9));
        app.assert_user_counters();
    }

    async fn a_later_permission_is_not_the_outcome_of_an_earlier_approval(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (request, token) = scene.ask(&app, json!({})).await;
        let kept = expect_response(grant(&app, &scene, json!({})), 201).await;
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        app.advance(1);
        expect_response(app.delete(kept["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
        expect_response(grant(&app, &scene, json!({})), 201).await;
        let seen = expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await;
        assert_eq!((&seen["status"], &seen["decision"]["bundle_permission"]), (&json!("approved"), &Value::Null));
    }

    async fn a_permission_that_ended_lately_is_not_purged(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let given = expect_response(grant(&app, &scene, json!({})), 201).await;
        let ended = scene.with_bundle(&app, "Ended", 6);
        let old = expect_response(grant(&app, &ended, json!({ "expires_at": "2030-01-01T00:01:00Z" })), 201).await;
        app.advance(100 * DAY);
        sweep(&app);
        expect_response(app.delete(given["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
        let purged = app.store.write(|conn| {
            let now = conn.now()?;
            purge::purge_batch(conn, now.plus_seconds(-90 * DAY), 100)
        });
        assert_eq!(purged.unwrap().requests, 1);
        let left = app.query_i64s("SELECT id AS n FROM permission_requests");
        assert_eq!((left, resource_id(&old) != resource_id(&given)), (vec![resource_id(&given)], true));
    }
}

#[actix_web::test]
async fn the_configuration_limits_how_long_a_permission_lasts() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::spawn_with(backend, "[permissions]\nmax_ttl = 86400");
        let scene = HexoFixture::new(&app);
        let beyond = grant(&app, &scene, json!({ "expires_at": "2030-01-02T00:00:01Z" }));
        expect_field_error(&app, beyond, RESOURCE, "expires_at").await;
        let given = expect_response(grant(&app, &scene, json!({})), 201).await;
        assert_eq!(given["expires_at"], "2030-01-02T00:00:00Z");

        let scene = scene.with_bundle(&app, "Asked", 6);
        for ttl in [86_401, 3_599] {
            let body = scene.request_body_with("permission_ttl", ttl);
            let ask = app.post(REQUESTS).by_user(&scene.ada).json(&body);
            expect_field_error(&app, ask, REQUEST_RESOURCE, "permission_ttl").await;
        }
        let (asked, token) = scene.ask(&app, json!({ "permission_ttl": null })).await;
        assert_eq!(asked["permission_ttl"], 86_400);
        let beyond = scene.decide(&app, &token, "approve", &json!({ "permission_ttl": 86_401 }));
        expect_field_error(&app, beyond, REQUEST_RESOURCE, "permission_ttl").await;
        app.advance(60);
        let granted = expect_response(scene.decide(&app, &token, "approve", &json!({})), 200).await;
        assert_eq!(granted["expires_at"], "2030-01-02T00:01:00Z");
    }
}
