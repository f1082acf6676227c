//! hexo: the same thing said twice under one `Idempotency-Key`.

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::helpers::{By, TestApp, TestUser};
use crate::hexo::{REQUESTS, Scene, answered, refused, refused_so};

fn ask(app: &TestApp, who: &TestUser, key: &str, body: &Value) -> RequestBuilder {
    app.post(REQUESTS).by(who).header("idempotency-key", key).json(body)
}

fn put(app: &TestApp, who: &TestUser, key: &str, token: &str) -> RequestBuilder {
    app.put(&Scene::at(token)).by(who).header("idempotency-key", key)
}

const REQUESTED: &str = "SELECT count(*) AS n FROM permission_requests";
const OWED: &str = "SELECT count(*) AS n FROM outbox";

on_both_databases! {
    async fn the_same_request_under_the_same_key_is_made_and_mailed_once(app: TestApp) {
        let scene = Scene::set(&app);
        let first = answered(ask(&app, &scene.ada, "one", &scene.wish()), 201).await;
        let other_words = json!({
            "bundle": scene.bundle.id.0, "user_target": scene.grace.email(), "user_allowed": scene.ada.id(),
            "ttl": null, "redeem_url": "",
        });
        app.advance(10);
        for body in [&scene.wish(), &other_words] {
            let response = ask(&app, &scene.ada, "one", body).send().await.unwrap();
            assert_eq!(response.headers()["location"], first["resource_uri"].as_str().unwrap());
            let again: Value = response.json().await.unwrap();
            assert_eq!(
                (&again["resource_uri"], &again["ttl"]),
                (&first["resource_uri"], &json!(604_790)),
                "rendered anew"
            );
        }
        assert_eq!((app.count(REQUESTED), app.count(OWED)), (1, 1));
        assert_eq!(app.mails(1).await.len(), 1);
    }

    async fn another_body_under_the_same_key_is_refused(app: TestApp) {
        let scene = Scene::set(&app);
        answered(ask(&app, &scene.ada, "one", &scene.wish()), 201).await;
        for body in [
            scene.wish_but("user_target", scene.eve.uri()),
            scene.wish_but("bundle", app.bundle("Heart", 6).id.0),
            scene.wish_but("ttl", 60),
            scene.wish_but("redeem_url", "https://countersign.test/ours"),
        ] {
            refused(&app, ask(&app, &scene.ada, "one", &body), 422).await;
        }
        assert_eq!(app.count(REQUESTED), 1);
    }

    async fn a_key_is_its_callers_own_and_kept_for_a_day(app: TestApp) {
        let scene = Scene::set(&app);
        let first = answered(ask(&app, &scene.ada, "one", &scene.wish()), 201).await;
        let of_eve = scene.wish_but("user_allowed", scene.eve.uri());
        let second = answered(ask(&app, &scene.eve, "one", &of_eve), 201).await;
        assert_ne!(first["resource_uri"], second["resource_uri"]);
        let third = answered(ask(&app, &scene.ada, "two", &scene.wish()), 201).await;
        assert_ne!(first["resource_uri"], third["resource_uri"]);
        app.advance(86_400);
        let fourth = answered(ask(&app, &scene.ada, "one", &scene.wish_but("ttl", 60)), 201).await;
        assert_ne!(first["resource_uri"], fourth["resource_uri"]);
    }

    async fn a_request_that_was_settled_meanwhile_is_answered_as_it_is(app: TestApp) {
        let scene = Scene::set(&app);
        let first = answered(ask(&app, &scene.ada, "one", &scene.wish()), 201).await;
        let token = crate::helpers::token_in(&app.mails(1).await[0]);
        answered(app.put(&Scene::at(&token)).by(&scene.grace), 200).await;
        let before = app.rows();
        let again = answered(ask(&app, &scene.ada, "one", &scene.wish()), 201).await;
        assert_eq!(again["resource_uri"], first["resource_uri"]);
        assert_eq!((&again["ttl"], &again["redeem_url"]), (&json!(0), &Value::Null));
        assert_eq!(app.rows(), before);
        let short =
            answered(ask(&app, &scene.ada, "two", &scene.wish_but("user_target", scene.eve.uri())), 201)
                .await;
        answered(app.delete(short["resource_uri"].as_str().unwrap()).by(&scene.ada), 204).await;
        let again =
            answered(ask(&app, &scene.ada, "two", &scene.wish_but("user_target", scene.eve.uri())), 201)
                .await;
        assert_eq!((&again["resource_uri"], &again["ttl"]), (&short["resource_uri"], &json!(0)));
    }

    async fn of_many_at_once_under_one_key_one_is_made_and_all_are_told(mut app: TestApp) {
        let urls = [app.url.clone(), app.replica()];
        let scene = Scene::set(&app);
        let asked = (0..32).map(|nth| {
            let url = format!("{}{REQUESTS}", urls[nth % 2]);
            let request = app.post(&url).by(&scene.ada).header("idempotency-key", "one").json(&scene.wish());
            actix_web::rt::spawn(async { answered(request, 201).await["resource_uri"].clone() })
        });
        let uris: Vec<Value> =
            join_all(asked.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        assert!(uris.iter().all(|uri| *uri == uris[0]), "{uris:?}");
        assert_eq!((app.count(REQUESTED), app.count(OWED)), (1, 1));
    }

    async fn the_winners_key_is_told_its_200_again(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let first = answered(put(&app, &scene.grace, "one", &token), 200).await;
        let before = app.rows();
        for _ in 0..3 {
            assert_eq!(answered(put(&app, &scene.grace, "one", &token), 200).await, first);
        }
        assert_eq!(app.rows(), before, "no second grant, and nothing to tell of");
        refused_so(&app, put(&app, &scene.grace, "two", &token), 404, "Not found.").await;
        refused_so(&app, app.put(&Scene::at(&token)).by(&scene.grace), 404, "Not found.").await;
        refused_so(&app, put(&app, &scene.ada, "one", &token), 404, "Not found.").await;
        app.advance(86_400);
        refused_so(&app, put(&app, &scene.grace, "one", &token), 404, "Not found.").await;
    }

    async fn of_many_puts_at_once_only_those_with_the_winners_key_are_answered_200(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let puts = (0..64).map(|nth| {
            let key = format!("key {}", nth % 4);
            let request = put(&app, &scene.grace, &key, &token);
            actix_web::rt::spawn(async move { (nth % 4, request.send().await.unwrap().status().as_u16()) })
        });
        let answers: Vec<(usize, u16)> =
            join_all(puts.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        let winner = answers.iter().find(|(_, status)| *status == 200).expect("one wins").0;
        for (key, status) in &answers {
            assert_eq!(*status, if *key == winner { 200 } else { 404 }, "{answers:?}");
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn a_key_that_is_none_is_refused(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let (long, longest) = ("x".repeat(256), "x".repeat(255));
        for key in [b"".as_slice(), long.as_bytes(), b"\xc3\xa4", b"\xff", b"a\tb"] {
            let key = reqwest::header::HeaderValue::from_bytes(key).unwrap();
            let body = scene.wish();
            let ask = app.post(REQUESTS).by(&scene.ada).header("idempotency-key", key.clone()).json(&body);
            assert!(refused(&app, ask, 400).await["error"].is_string());
            let put = app.put(&Scene::at(&token)).by(&scene.grace).header("idempotency-key", key);
            assert!(refused(&app, put, 400).await["error"].is_string());
        }
        let twice = ask(&app, &scene.ada, "one", &scene.wish()).header("idempotency-key", "one");
        refused(&app, twice, 400).await;
        let body = scene.wish_but("user_target", scene.eve.uri());
        answered(ask(&app, &scene.ada, &longest, &body), 201).await;
        answered(put(&app, &scene.grace, &longest, &token), 200).await;
    }
}
