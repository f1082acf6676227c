//! hexo: redeem tokens, which only the target can use, and only once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::ByUser;
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_refusal, expect_response};

const COUNT_PERMISSIONS: &str = "SELECT count(*) AS n FROM bundle_permissions";

on_both_databases! {
    async fn reading_a_token_repeatedly_does_not_consume_it(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (request, token) = scene.create_request(&app).await;
        let before = app.rows();
        for _ in 0..20 {
            let seen = expect_response(app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
            assert_eq!(seen["resource_uri"], request["resource_uri"]);
            assert_eq!(seen["redeem_url"], format!("https://countersign.test/redeem?token={token}"));
            assert_eq!(seen, expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 200).await);
            let head = app.request(Method::HEAD, &HexoFixture::token_path(&token)).by_user(&scene.grace);
            assert_eq!(head.send().await.unwrap().status(), 200);
        }
        assert_eq!(app.rows(), before);
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
    }

    async fn the_target_can_redeem_a_token_once(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (request, token) = scene.create_request(&app).await;
        let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        assert_eq!(granted["bundle"], scene.bundle_uri());
        assert_eq!((&granted["name"], &granted["user_allowed"]), (&json!("Sleep"), &request["user_allowed"]));
        assert_eq!(granted["user_target"], request["user_target"]);
        let uri = granted["resource_uri"].as_str().unwrap();
        for who in [&scene.ada, &scene.grace] {
            assert_eq!(expect_response(app.get(uri).by_user(who), 200).await, granted);
        }
        let (path, number) = (&HexoFixture::token_path(&token), request["resource_uri"].as_str().unwrap());
        for refused in [app.get(path), app.put(path), app.delete(path), app.put(number), app.delete(number)] {
            expect_error(&app, refused.by_user(&scene.grace), 404, "Not found.").await;
        }
        for who in [&scene.ada, &scene.grace] {
            let seen = expect_response(app.get(number).by_user(who), 200).await;
            assert_eq!((&seen["status"], &seen["ttl"], &seen["redeem_url"]), (&json!("approved"), &json!(0), &Value::Null));
            assert_eq!(seen["decision"]["bundle_permission"], uri);
        }
        assert_eq!(expect_response(app.get(REQUESTS).by_user(&scene.grace), 200).await["objects"], json!([]));
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), 1);
    }

    async fn only_the_target_can_use_a_token(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let (_, token) = scene.create_request(&app).await;
        for who in [&scene.ada, &scene.eve, &root] {
            for request in
                [app.get(&HexoFixture::token_path(&token)), app.put(&HexoFixture::token_path(&token)), app.delete(&HexoFixture::token_path(&token))]
            {
                expect_error(&app, request.by_user(who), 404, "Not found.").await;
            }
        }
        for request in
            [app.get(&HexoFixture::token_path(&token)), app.put(&HexoFixture::token_path(&token)), app.delete(&HexoFixture::token_path(&token))]
        {
            expect_refusal(&app, request, 401).await;
        }
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
    }

    async fn a_malformed_token_is_answered_like_a_used_one(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let changed = |at: usize, to: &str| {
            let mut token = token.clone();
            token.replace_range(at..at + 1, to);
            token
        };
        let other =
            |at: usize| if token.as_bytes()[at] == b'A' { changed(at, "B") } else { changed(at, "A") };
        let mut wrong = vec![
            "x".to_owned(),
            "csr_".to_owned(),
            "csr".to_owned(),
            token[..47].to_owned(),
            token[1..].to_owned(),
            format!("{token}A"),
            format!("{token}="),
            format!("{token}%20"),
            format!("%20{token}"),
            format!("{token}%00"),
            format!("{token};1"),
            format!("{token}.json"),
            token.to_uppercase(),
            token.replace("csr_", "cse_"),
            token.replace("csr_", "csk_"),
            token.replace("csr_", ""),
            scene.grace.key.clone(),
            scene.grace.key.replace("csk_", "csr_"),
            "%ff%fe".to_owned(),
            "..%2f..".to_owned(),
            "%E2%98%83".to_owned(),
            "a".repeat(8_000),
            "schema ".to_owned(),
            "00000000-0000-7000-8000-000000000000".to_owned(),
            "1.0".to_owned(),
            "1e3".to_owned(),
            "+1".to_owned(),
        ];
        wrong.extend([4, 10, 26, 27, 47].map(other));
        for token in wrong {
            for request in
                [app.get(&HexoFixture::token_path(&token)), app.put(&HexoFixture::token_path(&token)), app.delete(&HexoFixture::token_path(&token))]
            {
                expect_error(&app, request.by_user(&scene.grace), 404, "Not found.").await;
            }
        }
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
    }

    async fn the_body_is_ignored(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let bodies: [(&str, Vec<u8>); 11] = [
            ("application/json", b"".to_vec()),
            ("application/json", b"{}".to_vec()),
            ("application/json", b"null".to_vec()),
            ("application/json", b"{broken".to_vec()),
            ("application/json", "[".repeat(60_000).into_bytes()),
            ("application/json", b"\"\\u0000\"".to_vec()),
            ("application/x-www-form-urlencoded", b"a=b".to_vec()),
            ("text/html", vec![0xff, 0xfe, 0]),
            ("nonsense", b"x".to_vec()),
            ("multipart/form-data", b"--".to_vec()),
            ("application/octet-stream", vec![0; 64 * 1024]),
        ];
        for (kind, body) in bodies {
            let (_, token) = scene.create_request(&app).await;
            let put = app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("content-type", kind).body(body);
            let granted = expect_response(put, 200).await;
            expect_response(app.delete(granted["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
        }
        let (_, token) = scene.create_request(&app).await;
        let put = || app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace);
        expect_refusal(&app, put().body(vec![0; 64 * 1024 + 1]), 413).await;
        expect_response(put().header("content-length", "0").header("content-type", "application/json"), 200).await;
    }

    async fn a_put_without_content_length_and_type_is_accepted(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            HexoFixture::token_path(&token),
            scene.grace.key
        );
        let answer = crate::hexo::send_raw(&app, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn the_target_can_decline_with_the_token_once(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        assert_eq!(expect_response(app.delete(&HexoFixture::token_path(&token)).by_user(&scene.grace), 204).await, Value::Null);
        for request in
            [app.get(&HexoFixture::token_path(&token)), app.put(&HexoFixture::token_path(&token)), app.delete(&HexoFixture::token_path(&token))]
        {
            expect_error(&app, request.by_user(&scene.grace), 404, "Not found.").await;
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome = 'declined'"), 1);
    }

    async fn redeeming_with_an_active_permission_returns_it_and_consumes_the_token(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let given =
            expect_response(app.post("/api/bundle_permission/").by_user(&scene.grace).json(&scene.request_body()), 201).await;
        assert_eq!(expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await, given);
        expect_error(&app, app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn a_revoked_permission_can_be_requested_again(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for _ in 0..2 {
            let (_, token) = scene.create_request(&app).await;
            let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
            expect_response(app.delete(granted["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 204).await;
            expect_error(&app, app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
        }
        assert_eq!(app.count(COUNT_PERMISSIONS), 0);
    }

    async fn a_token_survives_a_restart_and_stays_used_after_another(mut app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        app.restart();
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        app.restart();
        expect_error(&app, app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }
}
