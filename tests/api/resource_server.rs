//! The API for resource servers: introspection and revocation.

use countersign::domain::rights::Role;
use countersign::store::api_keys::Scope;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::helpers::{ByUser, START_MICROS, TestApp, TestUser};
use crate::mfs::{self, count_revoked, create, create_token, hub_owner};

const NOW: i64 = START_MICROS / 1_000_000;

/// Introspects a token with an introspection key.
async fn introspect(app: &TestApp, token: &str) -> Value {
    let asker = app.user(&format!("asker-{}@example.org", app.count("SELECT count(*) AS n FROM users")));
    introspect_by(app, &app.key(&asker.user, Scope::Introspect), token).await
}

async fn introspect_by(app: &TestApp, key: &str, token: &str) -> Value {
    let ask = app.post("/oauth2/introspect").bearer_auth(key).form(&[("token", token)]);
    let answer = ask.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

async fn revoke(app: &TestApp, by: &TestUser, token: &str) -> Response {
    app.post("/oauth2/revoke").by_user(by).form(&[("token", token)]).send().await.unwrap()
}

/// Asserts that a call is rejected with this status in the OAuth format. Returns the headers.
async fn expect_refusal(request: RequestBuilder, status: u16, error: &str) -> HeaderMap {
    let answer = request.send().await.unwrap();
    let (answered, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body: Value = answer.json().await.unwrap();
    assert_eq!((answered, &body["error"]), (status, &json!(error)), "{body}");
    assert!(!body["error_description"].as_str().unwrap().is_empty());
    headers
}

on_both_databases! {
    async fn an_active_token_is_described_in_full(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, id) = create_token(&app, &ada, "n", 6).await;
        let expected = json!({
            "active": true,
            "token_type": "export",
            "scope": "read get",
            "permission": 6,
            "hub_id": "hub",
            "nid": "n",
            "sub": ada.uri(),
            "iat": NOW,
            "exp": NOW + 86_400,
            "jti": id,
        });
        assert_eq!(introspect(&app, &secret).await, expected);
        let staff = app.staff("staff@example.org");
        assert_eq!(introspect_by(&app, &staff.key, &secret).await, expected);
    }

    async fn a_token_that_never_expires_has_no_exp(app: TestApp) {
        let ada = hub_owner(&app);
        let data = create(&app, &ada, json!({ "hub_id": "hub", "nid": "n", "expiry_hours": 0 })).await;
        let told = introspect(&app, data["token"].as_str().unwrap()).await;
        assert_eq!((&told["active"], told.get("exp")), (&json!(true), None));
    }

    async fn a_tokens_rights_follow_its_creators_role(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 14).await;
        for (role, scope) in [
            (Role::Owner, "read get write"),
            (Role::Designer, "read get"),
            (Role::Contributor, "read"),
            (Role::Admin, "read get write"),
        ] {
            app.grant_role("hub", &ada, role);
            assert_eq!(introspect(&app, &secret).await["scope"], scope);
        }
        app.grant_role("hub", &ada, Role::Guest);
        assert_eq!(introspect(&app, &secret).await, json!({ "active": false }), "no rights remain");
    }

    async fn a_creator_without_a_role_or_disabled_makes_the_token_inactive(app: TestApp) {
        let (ada, grace) = (hub_owner(&app), app.user("grace@example.org"));
        app.grant_role("hub", &grace, Role::Admin);
        let (of_ada, _) = create_token(&app, &ada, "n", 2).await;
        let (of_grace, _) = create_token(&app, &grace, "n", 2).await;
        app.remove_role("hub", &ada);
        app.disable(&grace);
        for gone in [&of_ada, &of_grace] {
            assert_eq!(introspect(&app, gone).await, json!({ "active": false }));
        }
        app.grant_role("hub", &ada, Role::Contributor);
        assert_eq!(introspect(&app, &of_ada).await["active"], true);
    }

    async fn anything_but_an_active_export_token_is_inactive(app: TestApp) {
        let (ada, grace) = (hub_owner(&app), app.user("grace@example.org"));
        let (expired, _) = create_token(&app, &ada, "n", 2).await;
        app.advance(86_400);
        let (revoked, _) = create_token(&app, &ada, "n", 2).await;
        assert_eq!(revoke(&app, &ada, &revoked).await.status(), 200);
        let (live, id) = create_token(&app, &ada, "n", 2).await;
        let redeem = app.redeem_token(&app.create_request(&grace, &ada, &app.bundle("Sleep", 2)));
        let asker = app.key(&grace.user, Scope::Introspect);
        let before = app.rows();
        for dead in [
            &expired,
            &revoked,
            &redeem,
            &ada.key,
            &id,
            &live[..47],
            &format!("{live}A"),
            &format!("{live}=="),
            &format!("{live}\n"),
            &live.replace("cse_", "csr_"),
            &live.replace("cse_", "CSE_"),
            &format!("{}{}", &live[..47], if live.ends_with('A') { "B" } else { "A" }),
            "cse_",
            "nonsense",
            "\0",
            "☃",
            &"x".repeat(60_000),
        ] {
            assert_eq!(introspect_by(&app, &asker, dead).await, json!({ "active": false }), "{dead}");
        }
        let ask = app.post("/oauth2/introspect").bearer_auth(&asker);
        let ask = ask.header("content-type", "application/x-www-form-urlencoded");
        let answer = ask.body("token=%ff&token_type_hint=access_token").send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "active": false }));
        assert_eq!(introspect_by(&app, &asker, &live).await["active"], true);
        assert_eq!(app.rows(), before);
    }

    async fn only_staff_and_introspection_keys_can_introspect(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        let ask = || app.post("/oauth2/introspect").form(&[("token", &secret)]);
        let nobody = expect_refusal(ask(), 401, "invalid_client").await;
        assert_eq!(nobody["www-authenticate"], "Basic realm=\"countersign\", charset=\"UTF-8\"");
        expect_refusal(ask().bearer_auth(&secret), 401, "invalid_client").await;
        expect_refusal(ask().by_user(&ada), 403, "access_denied").await;
        expect_refusal(app.post("/oauth2/introspect").by_user(&ada), 403, "access_denied").await;
    }

    async fn an_introspection_key_can_only_introspect(app: TestApp) {
        let ada = hub_owner(&app);
        let key = app.key(&app.staff("staff@example.org").user, Scope::Introspect);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        let before = app.rows();
        mfs::expect_refusal(app.get(mfs::LIST).bearer_auth(&key), 403, "forbidden").await;
        let ask = app.post("/oauth2/revoke").bearer_auth(&key).form(&[("token", &secret)]);
        expect_refusal(ask, 403, "access_denied").await;
        assert_eq!((app.rows(), count_revoked(&app)), (before, 0));
    }

    async fn only_a_form_with_one_token_is_accepted(app: TestApp) {
        let staff = app.staff("staff@example.org");
        let before = app.rows();
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            let form = |body: &'static str| {
                let form = app.post(path).by_user(&staff).header("content-type", "application/x-www-form-urlencoded");
                form.body(body)
            };
            for body in ["", "token=", "token", "token_type_hint=x", "token=a&token=b", "token=a&token=a", "TOKEN=a"] {
                expect_refusal(form(body), 400, "invalid_request").await;
            }
            expect_refusal(app.post(path).by_user(&staff).header("content-type", "application/json"), 400, "invalid_request").await;
            expect_refusal(app.post(&format!("{path}?token=a")).by_user(&staff), 400, "invalid_request").await;
            expect_refusal(app.post(path).by_user(&staff).json(&json!({ "token": "a" })), 415, "invalid_request").await;
            expect_refusal(app.post(path).by_user(&staff).body("token=a"), 415, "invalid_request").await;
            expect_refusal(app.post(path).by_user(&staff).body(vec![b'a'; 10 << 20]), 413, "invalid_request").await;
            let get = expect_refusal(app.get(path), 405, "invalid_request").await;
            assert_eq!(get["allow"], "POST");
            let foreign = form("token=a").header("sec-fetch-site", "cross-site");
            expect_refusal(foreign, 403, "access_denied").await;
        }
        expect_refusal(app.post("/oauth2/token").by_user(&staff), 404, "invalid_request").await;
        assert_eq!(app.rows(), before);
    }

    async fn a_creator_can_revoke_their_tokens(app: TestApp) {
        let ada = hub_owner(&app);
        for by_id in [false, true] {
            let (secret, id) = create_token(&app, &ada, "n", 2).await;
            for _ in 0..2 {
                let answer = revoke(&app, &ada, if by_id { &id } else { &secret }).await;
                assert_eq!(answer.status(), 200);
                assert!(answer.bytes().await.unwrap().is_empty());
            }
            assert_eq!(introspect(&app, &secret).await, json!({ "active": false }));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'export.revoked'"), 2);
    }

    async fn revoking_a_foreign_token_reveals_nothing(app: TestApp) {
        let (ada, eve) = (hub_owner(&app), app.staff("eve@example.org"));
        app.grant_role("hub", &eve, Role::Owner);
        let (secret, id) = create_token(&app, &ada, "n", 2).await;
        let before = app.rows();
        for theirs in [&secret, &id, &ada.key, "nonsense", "\0", &secret[..47], &"x".repeat(60_000)] {
            assert_eq!(revoke(&app, &eve, theirs).await.status(), 200);
        }
        let nobody = app.post("/oauth2/revoke").form(&[("token", &secret)]);
        expect_refusal(nobody, 401, "invalid_client").await;
        assert_eq!((app.rows(), count_revoked(&app)), (before, 0));
        assert_eq!(introspect(&app, &secret).await["active"], true);
        assert_eq!(mfs::send_for_data(app.get(mfs::LIST).by_user(&ada)).await.0, 200, "API keys are not revoked by this endpoint");
    }

    async fn a_token_revoked_on_one_replica_is_inactive_on_every_other(mut app: TestApp) {
        let ada = hub_owner(&app);
        let staff = app.staff("staff@example.org");
        let other = app.spawn_replica();
        for round in 0..10 {
            let (secret, id) = create_token(&app, &ada, "n", 2).await;
            let active = async || {
                let ask = app.post(&format!("{other}/oauth2/introspect")).by_user(&staff).form(&[("token", &secret)]);
                ask.send().await.unwrap().json::<Value>().await.unwrap()["active"].take()
            };
            let passes = async || {
                let ask = app.get(&format!("{other}/authz?hub_id=hub&nid=n&right=read")).bearer_auth(&secret);
                ask.send().await.unwrap().status().as_u16()
            };
            assert_eq!((active().await, passes().await), (json!(true), 204));
            if round % 2 == 0 {
                let ask = app.post(mfs::REVOKE).by_user(&ada).json(&json!({ "token": id }));
                assert_eq!(mfs::send_for_data(ask).await.0, 200);
            } else {
                assert_eq!(revoke(&app, &ada, &secret).await.status(), 200);
            }
            assert_eq!((active().await, passes().await), (json!(false), 401));
        }
    }

    async fn uses_are_counted_and_denials_are_not(mut app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, id) = create_token(&app, &ada, "n", 2).await;
        let asker = app.key(&ada.user, Scope::Introspect);
        for _ in 0..3 {
            assert_eq!(introspect_by(&app, &asker, &secret).await["active"], true);
        }
        app.advance(60);
        for (right, status) in [("read", 204), ("write", 403), ("read", 204)] {
            let ask = app.get(&format!("/authz?hub_id=hub&nid=n&right={right}")).bearer_auth(&secret);
            assert_eq!(ask.send().await.unwrap().status(), status);
        }
        app.advance(60);
        let refused = app.get("/authz?hub_id=hub&nid=other&right=read").bearer_auth(&secret);
        assert_eq!(refused.send().await.unwrap().status(), 403);
        app.restart();
        let (_, data) = mfs::send_for_data(app.get(mfs::LIST).by_user(&ada)).await;
        let told = &data["tokens"][0];
        assert_eq!((&told["id"], &told["uses"], &told["last_used_at"]), (&json!(id), &json!(5), &json!(NOW + 60)));
        assert_eq!(introspect_by(&app, &asker, &secret).await["active"], true);
        app.restart();
        let (_, data) = mfs::send_for_data(app.get(mfs::LIST).by_user(&ada)).await;
        assert_eq!((&data["tokens"][0]["uses"], &data["tokens"][0]["last_used_at"]), (&json!(6), &json!(NOW + 120)));
        let audit = app.get("/api/audit/?action=export.first_used").by_user(&ada).send().await.unwrap();
        let first = audit.json::<Value>().await.unwrap()["objects"].take();
        assert_eq!(first.as_array().unwrap().len(), 1, "{first}");
        assert_eq!((&first[0]["subject"], &first[0]["actor"]), (&json!(format!("export:{id}")), &Value::Null));
    }
}
