//! hexo: bundles, which staff makes and everybody sees.

use serde_json::{Value, json};

use crate::helpers::By;
use crate::hexo::{Scene, answered, number, refused, refused_field, refused_so};

on_both_databases! {
    async fn everybody_sees_every_bundle(app: TestApp) {
        let Scene { eve, bundle, .. } = Scene::set(&app);
        let seen = answered(app.get(&format!("/api/bundle/{}/", bundle.id)).by(&eve), 200).await;
        assert_eq!(
            seen,
            json!({
                "id": bundle.id.0,
                "name": "Sleep",
                "description": "What is measured at night.",
                "permission": 6,
                "resource_uri": format!("/api/bundle/{}/", bundle.id),
            })
        );
        assert_eq!(answered(app.get("/api/bundle/").by(&eve), 200).await["objects"], json!([seen]));
        refused_so(&app, app.get("/api/bundle/4711/").by(&eve), 404, "Not found.").await;
    }

    async fn staff_makes_changes_and_deletes_a_bundle(app: TestApp) {
        let root = app.staff("root@example.org");
        let body = json!({ "name": "Heart", "description": "Its rate.", "permission": 6, "id": 99, "x": {} });
        let response = app.post("/api/bundle").by(&root).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let made: Value = response.json().await.unwrap();
        assert_eq!(made["resource_uri"], location);
        assert_eq!(
            (&made["name"], &made["description"], &made["permission"]),
            (&json!("Heart"), &json!("Its rate."), &json!(6))
        );
        let put = answered(app.put(&location).by(&root).json(&json!({ "permission": "7" })), 200).await;
        assert_eq!(
            (&put["name"], &put["permission"]),
            (&json!("Heart"), &json!(7)),
            "what a PUT does not name stays"
        );
        let put =
            answered(app.put(&location).by(&root).json(&json!({ "name": "Pulse", "description": "" })), 200)
                .await;
        assert_eq!(
            (&put["name"], &put["description"], &put["permission"]),
            (&json!("Pulse"), &json!(""), &json!(7))
        );
        assert_eq!(answered(app.put(&location).by(&root), 200).await, put);
        assert_eq!(answered(app.delete(&location).by(&root).body("{}"), 204).await, Value::Null);
        refused_so(&app, app.delete(&location).by(&root), 404, "Not found.").await;
        refused_so(&app, app.put(&location).by(&root).json(&json!({ "name": "x" })), 404, "Not found.").await;
        for action in ["added", "deleted"] {
            assert_eq!(
                app.count(&format!("SELECT count(*) AS n FROM events WHERE action = 'bundle.{action}'")),
                1
            );
        }
        let plain = answered(app.post("/api/bundle/").by(&root).json(&json!({ "name": "Plain" })), 201).await;
        assert_eq!(
            (&plain["description"], &plain["permission"]),
            (&json!(""), &json!(2)),
            "to read, unless it says"
        );
    }

    async fn nobody_but_staff_changes_bundles(app: TestApp) {
        let Scene { ada, bundle, .. } = Scene::set(&app);
        let uri = format!("/api/bundle/{}/", bundle.id);
        for request in [
            app.post("/api/bundle/").json(&json!({ "name": "x" })),
            app.post("/api/bundle/").json(&json!({})),
            app.put(&uri).json(&json!({ "name": "x" })),
            app.delete(&uri),
            app.delete("/api/bundle/4711/"),
        ] {
            refused(&app, request.by(&ada), 403).await;
        }
        assert_eq!(answered(app.get(&uri).by(&ada), 200).await["name"], "Sleep");
    }

    async fn a_bundle_that_cannot_be_made_is_not(app: TestApp) {
        let root = app.staff("root@example.org");
        let uri = format!("/api/bundle/{}/", app.bundle("Sleep", 6).id);
        for (field, value) in [
            ("name", json!(1)),
            ("name", json!(["x"])),
            ("name", json!("a\tb")),
            ("name", json!("x".repeat(101))),
            ("description", json!(1)),
            ("description", json!("x".repeat(1_001))),
            ("permission", json!(0)),
            ("permission", json!(64)),
            ("permission", json!(-1)),
            ("permission", json!(1.5)),
            ("permission", json!("read")),
            ("permission", json!([6])),
            ("permission", json!(true)),
            ("permission", json!(u64::MAX)),
        ] {
            let mut body = json!({ "name": "Heart" });
            body[field] = value;
            refused_field(&app, app.post("/api/bundle/").by(&root).json(&body), "bundle", field).await;
            refused_field(&app, app.put(&uri).by(&root).json(&body), "bundle", field).await;
        }
        refused_field(&app, app.put(&uri).by(&root).json(&json!({ "name": "" })), "bundle", "name").await;
        let missing = "The 'name' field has no data and doesn't allow a default or null value.";
        refused_so(&app, app.post("/api/bundle/").by(&root).json(&json!({ "permission": 1 })), 400, missing)
            .await;
        refused_so(&app, app.post("/api/bundle/").by(&root), 400, missing).await;
        assert_eq!(answered(app.get(&uri).by(&root), 200).await["permission"], 6);
    }

    async fn a_bundle_in_use_is_neither_deleted_nor_given_other_rights(app: TestApp) {
        let scene = Scene::set(&app);
        let root = app.staff("root@example.org");
        let uri = scene.bundle_uri();
        let request = app.ask(&scene.ada, &scene.grace, &scene.bundle);
        let locked = async || {
            refused(&app, app.delete(&uri).by(&root), 409).await;
            refused(&app, app.put(&uri).by(&root).json(&json!({ "permission": 63 })), 409).await;
            let put =
                app.put(&uri).by(&root).json(&json!({ "description": "In other words.", "permission": 6 }));
            assert_eq!(answered(put, 200).await["description"], "In other words.");
        };
        locked().await;
        let grant = answered(app.put(&Scene::at(&app.redeem_token(&request))).by(&scene.grace), 200).await;
        locked().await;
        answered(app.delete(grant["resource_uri"].as_str().unwrap()).by(&scene.grace), 204).await;
        assert_eq!(
            answered(app.put(&uri).by(&root).json(&json!({ "permission": 63 })), 200).await["permission"],
            63
        );
        answered(app.delete(&uri).by(&root), 204).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests"), 0);
        assert!(number(&grant) > 0);
    }

    async fn a_request_that_is_over_does_not_hold_its_bundle(app: TestApp) {
        let scene = Scene::set(&app);
        let root = app.staff("root@example.org");
        app.ask(&scene.ada, &scene.grace, &scene.bundle);
        app.advance(3_600);
        answered(app.delete(&scene.bundle_uri()).by(&root), 204).await;
    }
}
