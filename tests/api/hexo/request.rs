//! hexo: the life of a permission request.

use countersign::mail::transport::SendError;
use serde_json::{Value, json};

use crate::helpers::{ByUser, token_in};
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_refusal, expect_response, resource_id};

on_both_databases! {
    async fn requests_of_a_disabled_requester_are_hidden_until_they_are_enabled(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, bundle } = &scene;
        let request = app.create_request(ada, grace, bundle);
        app.create_request(eve, grace, bundle);
        app.create_request(grace, ada, bundle);
        let (token, number) = (HexoFixture::token_path(&app.redeem_token(&request)), format!("{REQUESTS}{}/", request.id));
        let total = async || expect_response(app.get(REQUESTS).by_user(grace), 200).await["meta"]["total_count"].as_i64().unwrap();
        let home = app.signed_in(grace);
        assert_eq!(total().await, 3);
        app.disable(ada);
        assert_eq!(total().await, 2);
        assert_eq!(expect_response(app.get(REQUESTS).by_user(grace), 200).await["objects"].as_array().unwrap().len(), 2);
        assert!(!home.get_page(&app, "/").await.1.contains("ada Test"));
        let (approve, decline) = (format!("{token}approve/"), format!("{token}decline/"));
        for refused in [app.get(&token), app.put(&token), app.post(&approve), app.post(&decline), app.delete(&token), app.delete(&number)] {
            expect_refusal(&app, refused.by_user(grace), 404).await;
        }
        let seen = expect_response(app.get(&number).by_user(grace), 200).await;
        assert_eq!(seen["redeem_url"], serde_json::Value::Null);
        app.assert_user_counters();
        app.execute_raw("UPDATE users SET active = true");
        assert_eq!(total().await, 3);
        assert!(home.get_page(&app, "/").await.1.contains("ada Test"));
        expect_response(app.put(&token).by_user(grace), 200).await;
    }

    async fn only_the_target_sees_the_link(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let (request, token) = scene.create_request(&app).await;
        let uri = request["resource_uri"].as_str().unwrap();
        let link = json!(format!("https://countersign.test/redeem?token={token}"));
        assert!(!request.to_string().contains("csr_"), "not for the requester");
        for (who, shown) in [(&scene.ada, &Value::Null), (&scene.grace, &link)] {
            let seen = expect_response(app.get(uri).by_user(who), 200).await;
            assert_eq!(seen["redeem_url"], *shown);
            let list = expect_response(app.get(REQUESTS).by_user(who), 200).await;
            assert_eq!(list["objects"], json!([seen]));
        }
        for who in [&scene.eve, &root] {
            expect_error(&app, app.get(uri).by_user(who), 404, "Not found.").await;
            assert_eq!(expect_response(app.get(REQUESTS).by_user(who), 200).await["meta"]["total_count"], 0);
        }
    }

    async fn a_repeated_request_replaces_the_older_one(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (first, old) = scene.create_request(&app).await;
        let (second, new) = scene.create_request(&app).await;
        assert_ne!((&first["resource_uri"], &old), (&second["resource_uri"], &new));
        expect_error(&app, app.get(&HexoFixture::token_path(&old)).by_user(&scene.grace), 404, "Not found.").await;
        expect_error(&app, app.put(&HexoFixture::token_path(&old)).by_user(&scene.grace), 404, "Not found.").await;
        let replaced = expect_response(app.get(first["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await;
        assert_eq!((&replaced["status"], &replaced["decision"]), (&json!("replaced"), &Value::Null));
        assert_eq!(expect_response(app.get(REQUESTS).by_user(&scene.ada), 200).await["meta"]["total_count"], 1);
        expect_response(app.put(&HexoFixture::token_path(&new)).by_user(&scene.grace), 200).await;
    }

    async fn a_request_expires(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let request = expect_response(app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body_with("ttl", 60)), 201).await;
        let token = token_in(&app.mails(1).await[0]);
        let uri = request["resource_uri"].as_str().unwrap();
        app.advance(59);
        assert_eq!(expect_response(app.get(uri).by_user(&scene.ada), 200).await["ttl"], 1);
        assert_eq!(expect_response(app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await["ttl"], 1);
        app.advance(1);
        expect_error(&app, app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
        for path in [uri, &HexoFixture::token_path(&token)] {
            expect_error(&app, app.put(path).by_user(&scene.grace), 404, "Not found.").await;
            expect_error(&app, app.delete(path).by_user(&scene.grace), 404, "Not found.").await;
        }
        let expired = expect_response(app.get(uri).by_user(&scene.grace), 200).await;
        assert_eq!((&expired["status"], &expired["ttl"], &expired["redeem_url"]), (&json!("expired"), &json!(0), &Value::Null));
        assert_eq!(expect_response(app.get(REQUESTS).by_user(&scene.ada), 200).await["objects"], json!([]));
    }

    async fn either_party_can_close_a_request_by_id_once(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        for (who, outcome) in [(&scene.ada, "withdrawn"), (&scene.grace, "declined")] {
            let (request, token) = scene.create_request(&app).await;
            let uri = request["resource_uri"].as_str().unwrap();
            for other in [&scene.eve, &root] {
                expect_error(&app, app.delete(uri).by_user(other), 404, "Not found.").await;
            }
            assert_eq!(expect_response(app.delete(uri).by_user(who).json(&json!({})), 204).await, Value::Null);
            expect_error(&app, app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
            assert_eq!(expect_response(app.get(uri).by_user(&scene.grace), 200).await["status"], outcome);
            for path in [uri, &HexoFixture::token_path(&token)] {
                expect_error(&app, app.put(path).by_user(&scene.grace), 404, "Not found.").await;
                expect_error(&app, app.delete(path).by_user(&scene.grace), 404, "Not found.").await;
            }
            let sql = format!("SELECT count(*) AS n FROM permission_requests WHERE outcome = '{outcome}'");
            assert_eq!(app.count(&sql), 1);
            let sql = format!("SELECT count(*) AS n FROM audit_log WHERE action = 'request.{outcome}'");
            assert_eq!(app.count(&sql), 1);
        }
    }

    async fn a_request_id_cannot_be_redeemed(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (request, _) = scene.create_request(&app).await;
        for who in [&scene.ada, &scene.grace, &scene.eve] {
            expect_error(&app, app.put(request["resource_uri"].as_str().unwrap()).by_user(who), 404, "Not found.")
                .await;
        }
        for path in [
            "/api/bundle_permission_request/0/",
            "/api/bundle_permission_request/9223372036854775808/",
            "/api/bundle_permission_request/-1/",
        ] {
            for request in [app.get(path), app.put(path), app.delete(path)] {
                expect_error(&app, request.by_user(&scene.grace), 404, "Not found.").await;
            }
        }
    }

    async fn a_request_is_created_when_mail_cannot_be_sent(app: TestApp) {
        let scene = HexoFixture::new(&app);
        app.mailbox.refuse(scene.grace.email(), SendError::transient("451 later"), 1);
        expect_response(app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body()), 201).await;
        let deferred = "SELECT count(*) AS n FROM outbox WHERE last_error LIKE '451%'";
        while app.count(deferred) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        app.advance(60);
        assert_eq!(app.mails(1).await[0].to, [scene.grace.email()]);
    }

    async fn a_long_list_is_paged_in_its_order(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for nth in 0..25 {
            app.create_request(&scene.ada, &scene.grace, &app.bundle(&format!("Bundle {nth}"), 2));
        }
        let first = expect_response(app.get(REQUESTS).by_user(&scene.grace), 200).await;
        assert_eq!(first["meta"]["total_count"], 25);
        assert_eq!(first["meta"]["next"], format!("{REQUESTS}?limit=20&offset=20"));
        let second = expect_response(app.get(first["meta"]["next"].as_str().unwrap()).by_user(&scene.grace), 200).await;
        let objects = |page: &Value| page["objects"].as_array().unwrap().clone();
        let numbers: Vec<i64> = objects(&first).iter().chain(&objects(&second)).map(resource_id).collect();
        assert_eq!(numbers.len(), 25);
        assert!(numbers.is_sorted());
    }
}
