//! hexo: the `Idempotency-Key` header.

use countersign::domain::permission_request::{PermissionRequest, RequestId};
use countersign::store::ledger::GrantPermission;
use countersign::store::requests;
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp, TestUser};
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_refusal, expect_response, resource_id};

fn post_with_key(app: &TestApp, who: &TestUser, key: &str, body: &Value) -> RequestBuilder {
    app.post(REQUESTS).by_user(who).header("idempotency-key", key).json(body)
}

fn put_with_key(app: &TestApp, who: &TestUser, key: &str, token: &str) -> RequestBuilder {
    app.put(&HexoFixture::token_path(token)).by_user(who).header("idempotency-key", key)
}

/// A request as it is in the database.
fn stored(app: &TestApp, request: &Value) -> PermissionRequest {
    let id = RequestId(resource_id(request));
    app.store.read(|conn| requests::by_ids(conn, &[id])).unwrap().remove(0)
}

const COUNT_REQUESTS: &str = "SELECT count(*) AS n FROM permission_requests";
const COUNT_OUTBOX: &str = "SELECT count(*) AS n FROM outbox";

on_both_databases! {
    async fn the_same_request_with_the_same_key_is_created_and_mailed_once(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let first = expect_response(post_with_key(&app, &scene.ada, "one", &scene.request_body()), 201).await;
        let other_words = json!({
            "bundle": scene.bundle.id.0, "user_target": scene.grace.email(), "user_allowed": scene.ada.id(),
            "ttl": null, "redeem_url": "",
        });
        app.advance(10);
        for body in [&scene.request_body(), &other_words] {
            let response = post_with_key(&app, &scene.ada, "one", body).send().await.unwrap();
            assert_eq!(response.headers()["location"], first["resource_uri"].as_str().unwrap());
            let again: Value = response.json().await.unwrap();
            assert_eq!(
                (&again["resource_uri"], &again["ttl"]),
                (&first["resource_uri"], &json!(604_790)),
                "rendered anew"
            );
        }
        assert_eq!((app.count(COUNT_REQUESTS), app.count(COUNT_OUTBOX)), (1, 1));
        assert_eq!(app.mails(1).await.len(), 1);
    }

    async fn a_key_approves_one_request_only(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, bundle } = &scene;
        let tokens: Vec<String> = [app.create_request(ada, grace, bundle), app.create_request(eve, grace, bundle)]
            .iter()
            .map(|request| app.redeem_token(request))
            .collect();
        let first = expect_response(put_with_key(&app, grace, "one", &tokens[0]), 200).await;
        expect_refusal(&app, put_with_key(&app, grace, "one", &tokens[1]), 422).await;
        assert_eq!(expect_response(put_with_key(&app, grace, "one", &tokens[0]), 200).await, first);
        // Another user's key is another key; a token of nobody stays unknown.
        let of_eve = app.redeem_token(&app.create_request(ada, eve, bundle));
        expect_response(put_with_key(&app, eve, "one", &of_eve), 200).await;
        expect_refusal(&app, put_with_key(&app, eve, "one", &tokens[1]), 404).await;
        expect_response(put_with_key(&app, grace, "two", &tokens[1]), 200).await;
        // After a day the key can be used again.
        app.advance(86_400);
        let late = app.redeem_token(&app.create_request(ada, grace, &app.bundle("Late", 6)));
        expect_response(put_with_key(&app, grace, "one", &late), 200).await;
        expect_refusal(&app, put_with_key(&app, grace, "one", &tokens[0]), 422).await;
    }

    async fn one_key_for_many_tokens_at_once_approves_one(mut app: TestApp) {
        let scene = HexoFixture::new(&app);
        let urls = [app.url.clone(), app.spawn_replica()];
        let tokens: Vec<String> = (0..12)
            .map(|nth| app.redeem_token(&app.create_request(&scene.ada, &scene.grace, &app.bundle(&format!("Bundle {nth}"), 6))))
            .collect();
        let puts = tokens.iter().enumerate().map(|(nth, token)| {
            let url = format!("{}{}", urls[nth % 2], HexoFixture::token_path(token));
            app.put(&url).by_user(&scene.grace).header("idempotency-key", "one")
        });
        let statuses = crate::helpers::send_concurrently(puts).await;
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(200), count(422)), (1, 11), "{statuses:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn another_body_with_the_same_key_is_rejected(app: TestApp) {
        let scene = HexoFixture::new(&app);
        expect_response(post_with_key(&app, &scene.ada, "one", &scene.request_body()), 201).await;
        for body in [
            scene.request_body_with("user_target", scene.eve.uri()),
            scene.request_body_with("bundle", app.bundle("Heart", 6).id.0),
            scene.request_body_with("ttl", 60),
            scene.request_body_with("redeem_url", "https://countersign.test/ours"),
        ] {
            expect_refusal(&app, post_with_key(&app, &scene.ada, "one", &body), 422).await;
        }
        assert_eq!(app.count(COUNT_REQUESTS), 1);
    }

    async fn a_key_is_scoped_to_its_caller_and_kept_for_a_day(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let first = expect_response(post_with_key(&app, &scene.ada, "one", &scene.request_body()), 201).await;
        let of_eve = scene.request_body_with("user_allowed", scene.eve.uri());
        let second = expect_response(post_with_key(&app, &scene.eve, "one", &of_eve), 201).await;
        assert_ne!(first["resource_uri"], second["resource_uri"]);
        let third = expect_response(post_with_key(&app, &scene.ada, "two", &scene.request_body()), 201).await;
        assert_ne!(first["resource_uri"], third["resource_uri"]);
        app.advance(86_400);
        let fourth = expect_response(post_with_key(&app, &scene.ada, "one", &scene.request_body_with("ttl", 60)), 201).await;
        assert_ne!(first["resource_uri"], fourth["resource_uri"]);
    }

    async fn a_replay_returns_the_current_state_of_a_closed_request(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let first = expect_response(post_with_key(&app, &scene.ada, "one", &scene.request_body()), 201).await;
        let token = crate::helpers::token_in(&app.mails(1).await[0]);
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        let before = app.rows();
        let again = expect_response(post_with_key(&app, &scene.ada, "one", &scene.request_body()), 201).await;
        assert_eq!(again["resource_uri"], first["resource_uri"]);
        assert_eq!((&again["ttl"], &again["redeem_url"]), (&json!(0), &Value::Null));
        assert_eq!(app.rows(), before);
        let short =
            expect_response(post_with_key(&app, &scene.ada, "two", &scene.request_body_with("user_target", scene.eve.uri())), 201)
                .await;
        expect_response(app.delete(short["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 204).await;
        let again =
            expect_response(post_with_key(&app, &scene.ada, "two", &scene.request_body_with("user_target", scene.eve.uri())), 201)
                .await;
        assert_eq!((&again["resource_uri"], &again["ttl"]), (&short["resource_uri"], &json!(0)));
    }

    async fn a_replay_shows_the_permission_and_the_bundle_of_its_request(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let rights = [json!(null), json!(6)];
        for (nth, (is_kept, rights)) in [false, true].into_iter().zip(rights).enumerate() {
            let scene = scene.with_bundle(&app, &format!("Bundle {nth}"), 6);
            let (key, body) = (format!("key {nth}"), scene.request_body_with("permission", rights));
            let ask = async || expect_response(post_with_key(&app, &scene.ada, &key, &body), 201).await;
            let get = async |request: &Value| {
                expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await
            };
            let first = ask().await;
            let request = stored(&app, &first);
            if is_kept {
                app.commit(GrantPermission::without_end(request.terms, scene.bundle.permission)).unwrap();
            }
            let token = app.redeem_token(&request);
            let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
            assert_eq!(granted["request"].is_null(), is_kept);
            let again = ask().await;
            assert_eq!((&again["id"], &again["decision"]["bundle_permission"]), (&first["id"], &granted["resource_uri"]));
            assert_eq!(again, get(&first).await);
            expect_response(app.delete(granted["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
            app.advance(60);
            let change = json!({ "name": format!("Other {nth}"), "permission": 2 });
            expect_response(app.put(&scene.bundle_uri()).by_user(&root).json(&change), 200).await;
            let again = ask().await;
            assert_eq!(again, get(&first).await);
            assert_eq!((&again["id"], &again["bundle"]), (&first["id"], &first["bundle"]), "as it was then");
            assert_eq!(
                again["decision"],
                json!({
                    "permission": 6, "rights": ["read", "get"], "expires_at": null,
                    "bundle_permission": null, "reason": null,
                })
            );
        }
        assert_eq!(app.count(COUNT_REQUESTS), 3);
    }

    async fn an_approval_that_kept_another_permission_replays_only_itself(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (request, token) = scene.ask(&app, json!({ "permission_ttl": 7_200 })).await;
        let terms = stored(&app, &request).terms;
        app.commit(GrantPermission::without_end(terms, scene.bundle.permission)).unwrap();
        let approve = |body: &Value| scene.decide(&app, &token, "approve", body).header("idempotency-key", "one");
        let body = json!({ "permission": 2 });
        let kept = expect_response(approve(&body), 200).await;
        assert_eq!((&kept["permission"], &kept["request"]), (&json!(6), &Value::Null));
        app.advance(10);
        for same in [body, json!({ "permission": ["read"], "permission_ttl": 7_200 })] {
            assert_eq!(expect_response(approve(&same), 200).await, kept, "{same}");
        }
        for other in [json!({}), json!({ "permission": 4 }), json!({ "permission": 2, "permission_ttl": 7_100 })] {
            expect_refusal(&app, approve(&other), 422).await;
        }
        expect_refusal(&app, put_with_key(&app, &scene.grace, "one", &token), 422).await;
        let decision = async || {
            let request = app.get(request["resource_uri"].as_str().unwrap()).by_user(&scene.ada);
            expect_response(request, 200).await["decision"].clone()
        };
        assert_eq!(decision().await["permission"], 6);
        expect_response(app.delete(kept["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
        assert_eq!(
            decision().await,
            json!({
                "permission": 2, "rights": ["read"], "expires_at": "2030-01-01T02:00:00Z",
                "bundle_permission": null, "reason": null,
            })
        );
        app.assert_user_counters();
    }

    async fn concurrent_requests_with_one_key_create_one_and_all_get_it(mut app: TestApp) {
        let urls = [app.url.clone(), app.spawn_replica()];
        let scene = HexoFixture::new(&app);
        let asked = (0..32).map(|nth| {
            let url = format!("{}{REQUESTS}", urls[nth % 2]);
            let request = app.post(&url).by_user(&scene.ada).header("idempotency-key", "one").json(&scene.request_body());
            actix_web::rt::spawn(async { expect_response(request, 201).await["resource_uri"].clone() })
        });
        let uris: Vec<Value> =
            join_all(asked.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        assert!(uris.iter().all(|uri| *uri == uris[0]), "{uris:?}");
        assert_eq!((app.count(COUNT_REQUESTS), app.count(COUNT_OUTBOX)), (1, 1));
    }

    async fn a_replay_with_the_winning_key_returns_200_again(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let first = expect_response(put_with_key(&app, &scene.grace, "one", &token), 200).await;
        let before = app.rows();
        for _ in 0..3 {
            assert_eq!(expect_response(put_with_key(&app, &scene.grace, "one", &token), 200).await, first);
        }
        assert_eq!(app.rows(), before, "no second permission, and nothing to return");
        expect_error(&app, put_with_key(&app, &scene.grace, "two", &token), 404, "Not found.").await;
        expect_error(&app, app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
        expect_error(&app, put_with_key(&app, &scene.ada, "one", &token), 404, "Not found.").await;
        app.advance(86_400);
        expect_error(&app, put_with_key(&app, &scene.grace, "one", &token), 404, "Not found.").await;
    }

    async fn of_concurrent_puts_only_those_with_the_winning_key_get_200(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let puts = (0..64).map(|nth| {
            let key = format!("key {}", nth % 4);
            let request = put_with_key(&app, &scene.grace, &key, &token);
            actix_web::rt::spawn(async move { (nth % 4, request.send().await.unwrap().status().as_u16()) })
        });
        let answers: Vec<(usize, u16)> =
            join_all(puts.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        let winner = answers.iter().find(|(_, status)| *status == 200).expect("exactly one wins").0;
        for (key, status) in &answers {
            assert_eq!(*status, if *key == winner { 200 } else { 404 }, "{answers:?}");
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn an_invalid_key_is_rejected(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let (long, longest) = ("x".repeat(256), "x".repeat(255));
        for key in [b"".as_slice(), long.as_bytes(), b"\xc3\xa4", b"\xff", b"a\tb"] {
            let key = reqwest::header::HeaderValue::from_bytes(key).unwrap();
            let body = scene.request_body();
            let ask = app.post(REQUESTS).by_user(&scene.ada).header("idempotency-key", key.clone()).json(&body);
            assert!(expect_refusal(&app, ask, 400).await["error"].is_string());
            let put = app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("idempotency-key", key);
            assert!(expect_refusal(&app, put, 400).await["error"].is_string());
        }
        let twice = post_with_key(&app, &scene.ada, "one", &scene.request_body()).header("idempotency-key", "one");
        expect_refusal(&app, twice, 400).await;
        let body = scene.request_body_with("user_target", scene.eve.uri());
        expect_response(post_with_key(&app, &scene.ada, &longest, &body), 201).await;
        expect_response(put_with_key(&app, &scene.grace, &longest, &token), 200).await;
    }
}
