//! hexo: a token, which is single use and for its target alone.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::By;
use crate::hexo::{REQUESTS, Scene, answered, refused, refused_so};

const GRANTS: &str = "SELECT count(*) AS n FROM bundle_permissions";

on_both_databases! {
    async fn looking_at_a_token_consumes_nothing_however_often(app: TestApp) {
        let scene = Scene::set(&app);
        let (request, token) = scene.ask(&app).await;
        let before = app.rows();
        for _ in 0..20 {
            let seen = answered(app.get(&Scene::at(&token)).by(&scene.grace), 200).await;
            assert_eq!(seen["resource_uri"], request["resource_uri"]);
            assert_eq!(seen["redeem_url"], format!("https://countersign.test/redeem?token={token}"));
            assert_eq!(seen.as_object().unwrap().len(), 6);
            let head = app.request(Method::HEAD, &Scene::at(&token)).by(&scene.grace);
            assert_eq!(head.send().await.unwrap().status(), 200);
        }
        assert_eq!(app.rows(), before);
        answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await;
    }

    async fn the_target_redeems_a_token_once(app: TestApp) {
        let scene = Scene::set(&app);
        let (request, token) = scene.ask(&app).await;
        let granted = answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await;
        assert_eq!(granted["bundle"], scene.bundle_uri());
        assert_eq!((&granted["name"], &granted["user_allowed"]), (&json!("Sleep"), &request["user_allowed"]));
        assert_eq!(granted["user_target"], request["user_target"]);
        let uri = granted["resource_uri"].as_str().unwrap();
        for who in [&scene.ada, &scene.grace] {
            assert_eq!(answered(app.get(uri).by(who), 200).await, granted);
        }
        for path in [&Scene::at(&token), request["resource_uri"].as_str().unwrap()] {
            for request in [app.get(path), app.put(path), app.delete(path)] {
                refused_so(&app, request.by(&scene.grace), 404, "Not found.").await;
            }
        }
        assert_eq!(answered(app.get(REQUESTS).by(&scene.grace), 200).await["objects"], json!([]));
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'request.redeemed'"), 1);
    }

    async fn a_token_is_for_its_target_alone(app: TestApp) {
        let scene = Scene::set(&app);
        let root = app.staff("root@example.org");
        let (_, token) = scene.ask(&app).await;
        for who in [&scene.ada, &scene.eve, &root] {
            for request in
                [app.get(&Scene::at(&token)), app.put(&Scene::at(&token)), app.delete(&Scene::at(&token))]
            {
                refused_so(&app, request.by(who), 404, "Not found.").await;
            }
        }
        for request in
            [app.get(&Scene::at(&token)), app.put(&Scene::at(&token)), app.delete(&Scene::at(&token))]
        {
            refused(&app, request, 401).await;
        }
        answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await;
    }

    async fn what_is_no_token_is_answered_like_a_dead_one(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
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
                [app.get(&Scene::at(&token)), app.put(&Scene::at(&token)), app.delete(&Scene::at(&token))]
            {
                refused_so(&app, request.by(&scene.grace), 404, "Not found.").await;
            }
        }
        answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await;
    }

    async fn a_body_of_any_kind_is_never_looked_at(app: TestApp) {
        let scene = Scene::set(&app);
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
            let (_, token) = scene.ask(&app).await;
            let put = app.put(&Scene::at(&token)).by(&scene.grace).header("content-type", kind).body(body);
            let granted = answered(put, 200).await;
            answered(app.delete(granted["resource_uri"].as_str().unwrap()).by(&scene.grace), 204).await;
        }
        let (_, token) = scene.ask(&app).await;
        let put = || app.put(&Scene::at(&token)).by(&scene.grace);
        refused(&app, put().body(vec![0; 64 * 1024 + 1]), 413).await;
        answered(put().header("content-length", "0").header("content-type", "application/json"), 200).await;
    }

    async fn curl_sends_neither_length_nor_type(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            Scene::at(&token),
            scene.grace.key
        );
        let answer = crate::hexo::raw(&app, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(app.count(GRANTS), 1);
    }

    async fn the_target_declines_by_the_token_once(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        assert_eq!(answered(app.delete(&Scene::at(&token)).by(&scene.grace), 204).await, Value::Null);
        for request in
            [app.get(&Scene::at(&token)), app.put(&Scene::at(&token)), app.delete(&Scene::at(&token))]
        {
            refused_so(&app, request.by(&scene.grace), 404, "Not found.").await;
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome = 'declined'"), 1);
    }

    async fn a_permission_that_stands_by_other_means_is_answered_and_the_token_is_consumed(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let given =
            answered(app.post("/api/bundle_permission/").by(&scene.grace).json(&scene.wish()), 201).await;
        assert_eq!(answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await, given);
        refused_so(&app, app.put(&Scene::at(&token)).by(&scene.grace), 404, "Not found.").await;
        assert_eq!(app.count(GRANTS), 1);
    }

    async fn a_permission_that_was_deleted_can_be_asked_for_again(app: TestApp) {
        let scene = Scene::set(&app);
        for _ in 0..2 {
            let (_, token) = scene.ask(&app).await;
            let granted = answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await;
            answered(app.delete(granted["resource_uri"].as_str().unwrap()).by(&scene.ada), 204).await;
            refused_so(&app, app.put(&Scene::at(&token)).by(&scene.grace), 404, "Not found.").await;
        }
        assert_eq!(app.count(GRANTS), 0);
    }

    async fn a_token_outlives_a_restart_and_is_dead_after_another(mut app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        app.restart();
        answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await;
        app.restart();
        refused_so(&app, app.put(&Scene::at(&token)).by(&scene.grace), 404, "Not found.").await;
        assert_eq!(app.count(GRANTS), 1);
    }
}
