//! hexo: a token, which is single use and for its target alone.

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::helpers::By;
use crate::hexo::{REQUESTS, Scene, answered, refused, refused_so};

/// Sends them all at once; their statuses.
async fn race(requests: impl Iterator<Item = RequestBuilder>) -> Vec<u16> {
    let sent = requests
        .map(|request| actix_web::rt::spawn(async { request.send().await.unwrap().status().as_u16() }));
    join_all(sent.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect()
}

fn count(statuses: &[u16], wanted: u16) -> usize {
    statuses.iter().filter(|status| **status == wanted).count()
}

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
        for action in ["request.redeemed", "grant.created"] {
            assert_eq!(app.count(&format!("SELECT count(*) AS n FROM events WHERE action = '{action}'")), 1);
        }
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

    async fn of_64_simultaneous_puts_of_one_token_exactly_one_is_answered_200(app: TestApp) {
        let scene = Scene::set(&app);
        for round in 1..=3 {
            let scene = Scene { bundle: app.bundle(&format!("Bundle {round}"), 6), ..Scene::of(&scene) };
            let (_, token) = scene.ask(&app).await;
            let statuses = race((0..64).map(|_| app.put(&Scene::at(&token)).by(&scene.grace))).await;
            assert_eq!((count(&statuses, 200), count(&statuses, 404)), (1, 63), "{statuses:?}");
            assert_eq!(app.count(GRANTS), round);
            assert_eq!(
                app.count("SELECT count(*) AS n FROM events WHERE action = 'request.redeemed'"),
                round
            );
        }
    }

    async fn two_replicas_redeem_a_token_once(mut app: TestApp) {
        let urls = [app.url.clone(), app.replica()];
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let puts =
            (0..64).map(|nth| app.put(&format!("{}{}", urls[nth % 2], Scene::at(&token))).by(&scene.grace));
        let statuses = race(puts).await;
        assert_eq!((count(&statuses, 200), count(&statuses, 404)), (1, 63), "{statuses:?}");
        assert_eq!(app.count(GRANTS), 1);
    }

    async fn approving_declining_and_withdrawing_at_once_has_one_winner(app: TestApp) {
        let scene = Scene::set(&app);
        let (request, token) = scene.ask(&app).await;
        let uri = request["resource_uri"].as_str().unwrap();
        let requests = (0..48).map(|nth| match nth % 3 {
            0 => app.put(&Scene::at(&token)).by(&scene.grace),
            1 => app.delete(&Scene::at(&token)).by(&scene.grace),
            _ => app.delete(uri).by(&scene.ada),
        });
        let statuses = race(requests).await;
        assert_eq!(count(&statuses, 200) + count(&statuses, 204), 1, "{statuses:?}");
        assert_eq!(count(&statuses, 404), 47, "{statuses:?}");
        assert_eq!(app.count(GRANTS), count(&statuses, 200) as i64);
    }

    async fn asking_and_redeeming_at_once_leaves_at_most_one_open_request(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let requests = (0..32).map(|nth| match nth % 2 {
            0 => app.post(REQUESTS).by(&scene.ada).json(&scene.wish()),
            _ => app.put(&Scene::at(&token)).by(&scene.grace),
        });
        let statuses = race(requests).await;
        assert!(statuses.iter().all(|status| [200, 201, 400, 404].contains(status)), "{statuses:?}");
        assert!(count(&statuses, 200) <= 1);
        assert_eq!(app.count(GRANTS), count(&statuses, 200) as i64);
        assert!(app.count("SELECT count(*) AS n FROM permission_requests WHERE closed_at IS NULL") <= 1);
    }
}
