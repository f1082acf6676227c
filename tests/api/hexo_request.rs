//! hexo: what becomes of a request, which its parties know by its number.

use countersign::mail::transport::SendError;
use serde_json::{Value, json};

use crate::helpers::{By, token_in};
use crate::hexo::{REQUESTS, Scene, answered, number, refused_so};

on_both_databases! {
    async fn the_link_is_for_the_target_alone(app: TestApp) {
        let scene = Scene::set(&app);
        let root = app.staff("root@example.org");
        let (request, token) = scene.ask(&app).await;
        let uri = request["resource_uri"].as_str().unwrap();
        let link = json!(format!("https://countersign.test/redeem?token={token}"));
        assert!(!request.to_string().contains("csr_"), "not for the one who asks");
        for (who, shown) in [(&scene.ada, &Value::Null), (&scene.grace, &link)] {
            let seen = answered(app.get(uri).by(who), 200).await;
            assert_eq!(seen["redeem_url"], *shown);
            let list = answered(app.get(REQUESTS).by(who), 200).await;
            assert_eq!(list["objects"], json!([seen]));
        }
        for who in [&scene.eve, &root] {
            refused_so(&app, app.get(uri).by(who), 404, "Not found.").await;
            assert_eq!(answered(app.get(REQUESTS).by(who), 200).await["meta"]["total_count"], 0);
        }
    }

    async fn asking_again_is_a_new_request_and_the_older_token_dies(app: TestApp) {
        let scene = Scene::set(&app);
        let (first, old) = scene.ask(&app).await;
        let (second, new) = scene.ask(&app).await;
        assert_ne!((&first["resource_uri"], &old), (&second["resource_uri"], &new));
        refused_so(&app, app.get(&Scene::at(&old)).by(&scene.grace), 404, "Not found.").await;
        refused_so(&app, app.put(&Scene::at(&old)).by(&scene.grace), 404, "Not found.").await;
        refused_so(&app, app.get(first["resource_uri"].as_str().unwrap()).by(&scene.ada), 404, "Not found.")
            .await;
        assert_eq!(answered(app.get(REQUESTS).by(&scene.ada), 200).await["meta"]["total_count"], 1);
        answered(app.put(&Scene::at(&new)).by(&scene.grace), 200).await;
    }

    async fn a_request_dies_by_itself(app: TestApp) {
        let scene = Scene::set(&app);
        let request = answered(app.post(REQUESTS).by(&scene.ada).json(&scene.wish_but("ttl", 60)), 201).await;
        let token = token_in(&app.mails(1).await[0]);
        let uri = request["resource_uri"].as_str().unwrap();
        app.advance(59);
        assert_eq!(answered(app.get(uri).by(&scene.ada), 200).await["ttl"], 1);
        assert_eq!(answered(app.get(&Scene::at(&token)).by(&scene.grace), 200).await["ttl"], 1);
        app.advance(1);
        for path in [uri, &Scene::at(&token)] {
            refused_so(&app, app.get(path).by(&scene.grace), 404, "Not found.").await;
            refused_so(&app, app.put(path).by(&scene.grace), 404, "Not found.").await;
            refused_so(&app, app.delete(path).by(&scene.grace), 404, "Not found.").await;
        }
        assert_eq!(answered(app.get(REQUESTS).by(&scene.ada), 200).await["objects"], json!([]));
    }

    async fn either_party_ends_a_request_by_its_number_once(app: TestApp) {
        let scene = Scene::set(&app);
        let root = app.staff("root@example.org");
        for (who, outcome) in [(&scene.ada, "withdrawn"), (&scene.grace, "declined")] {
            let (request, token) = scene.ask(&app).await;
            let uri = request["resource_uri"].as_str().unwrap();
            for other in [&scene.eve, &root] {
                refused_so(&app, app.delete(uri).by(other), 404, "Not found.").await;
            }
            assert_eq!(answered(app.delete(uri).by(who).json(&json!({})), 204).await, Value::Null);
            for path in [uri, &Scene::at(&token)] {
                refused_so(&app, app.get(path).by(&scene.grace), 404, "Not found.").await;
                refused_so(&app, app.put(path).by(&scene.grace), 404, "Not found.").await;
                refused_so(&app, app.delete(path).by(&scene.grace), 404, "Not found.").await;
            }
            let sql = format!("SELECT count(*) AS n FROM permission_requests WHERE outcome = '{outcome}'");
            assert_eq!(app.count(&sql), 1);
            let sql = format!("SELECT count(*) AS n FROM events WHERE action = 'request.{outcome}'");
            assert_eq!(app.count(&sql), 1);
        }
    }

    async fn a_number_never_redeems(app: TestApp) {
        let scene = Scene::set(&app);
        let (request, _) = scene.ask(&app).await;
        for who in [&scene.ada, &scene.grace, &scene.eve] {
            refused_so(&app, app.put(request["resource_uri"].as_str().unwrap()).by(who), 404, "Not found.")
                .await;
        }
        for path in [
            "/api/bundle_permission_request/0/",
            "/api/bundle_permission_request/9223372036854775808/",
            "/api/bundle_permission_request/-1/",
        ] {
            for request in [app.get(path), app.put(path), app.delete(path)] {
                refused_so(&app, request.by(&scene.grace), 404, "Not found.").await;
            }
        }
    }

    async fn a_request_is_made_although_mail_cannot_be_sent(app: TestApp) {
        let scene = Scene::set(&app);
        app.mailbox.refuse(scene.grace.email(), SendError::transient("451 later"), 1);
        answered(app.post(REQUESTS).by(&scene.ada).json(&scene.wish()), 201).await;
        let deferred = "SELECT count(*) AS n FROM outbox WHERE last_error LIKE '451%'";
        while app.count(deferred) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        app.advance(60);
        assert_eq!(app.mails(1).await[0].to, [scene.grace.email()]);
    }

    async fn a_long_list_is_read_in_pages_of_its_own_order(app: TestApp) {
        let scene = Scene::set(&app);
        for nth in 0..25 {
            app.ask(&scene.ada, &scene.grace, &app.bundle(&format!("Bundle {nth}"), 2));
        }
        let first = answered(app.get(REQUESTS).by(&scene.grace), 200).await;
        assert_eq!(first["meta"]["total_count"], 25);
        assert_eq!(first["meta"]["next"], format!("{REQUESTS}?limit=20&offset=20"));
        let second = answered(app.get(first["meta"]["next"].as_str().unwrap()).by(&scene.grace), 200).await;
        let objects = |page: &Value| page["objects"].as_array().unwrap().clone();
        let numbers: Vec<i64> = objects(&first).iter().chain(&objects(&second)).map(number).collect();
        assert_eq!(numbers.len(), 25);
        assert!(numbers.is_sorted());
    }
}
