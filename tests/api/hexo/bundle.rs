//! hexo: bundles, which staff manage and every user sees.

use serde_json::{Value, json};

use crate::helpers::ByUser;
use crate::hexo::{
    HexoFixture, expect_error, expect_field_error, expect_refusal, expect_response, resource_id,
};

on_both_databases! {
    async fn every_user_sees_every_bundle(app: TestApp) {
        let HexoFixture { eve, bundle, .. } = HexoFixture::new(&app);
        let seen = expect_response(app.get(&format!("/api/bundle/{}/", bundle.id)).by_user(&eve), 200).await;
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
        assert_eq!(expect_response(app.get("/api/bundle/").by_user(&eve), 200).await["objects"], json!([seen]));
        expect_error(&app, app.get("/api/bundle/4711/").by_user(&eve), 404, "Not found.").await;
    }

    async fn staff_can_create_update_and_delete_a_bundle(app: TestApp) {
        let root = app.staff("root@example.org");
        let body = json!({ "name": "Heart", "description": "Its rate.", "permission": 6, "id": 99, "x": {} });
        let response = app.post("/api/bundle").by_user(&root).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let made: Value = response.json().await.unwrap();
        assert_eq!(made["resource_uri"], location);
        assert_eq!(
            (&made["name"], &made["description"], &made["permission"]),
            (&json!("Heart"), &json!("Its rate."), &json!(6))
        );
        let put = expect_response(app.put(&location).by_user(&root).json(&json!({ "permission": "7" })), 200).await;
        assert_eq!(
            (&put["name"], &put["permission"]),
            (&json!("Heart"), &json!(7)),
            "fields that a PUT omits are unchanged"
        );
        let put =
            expect_response(app.put(&location).by_user(&root).json(&json!({ "name": "Pulse", "description": "" })), 200)
                .await;
        assert_eq!(
            (&put["name"], &put["description"], &put["permission"]),
            (&json!("Pulse"), &json!(""), &json!(7))
        );
        assert_eq!(expect_response(app.put(&location).by_user(&root), 200).await, put);
        assert_eq!(expect_response(app.delete(&location).by_user(&root).body("{}"), 204).await, Value::Null);
        expect_error(&app, app.delete(&location).by_user(&root), 404, "Not found.").await;
        expect_error(&app, app.put(&location).by_user(&root).json(&json!({ "name": "x" })), 404, "Not found.").await;
        for action in ["added", "deleted"] {
            assert_eq!(
                app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE action = 'bundle.{action}'")),
                1
            );
        }
        let plain = expect_response(app.post("/api/bundle/").by_user(&root).json(&json!({ "name": "Plain" })), 201).await;
        assert_eq!(
            (&plain["description"], &plain["permission"]),
            (&json!(""), &json!(2)),
            "read by default"
        );
    }

    async fn only_staff_can_change_bundles(app: TestApp) {
        let HexoFixture { ada, bundle, .. } = HexoFixture::new(&app);
        let uri = format!("/api/bundle/{}/", bundle.id);
        for request in [
            app.post("/api/bundle/").json(&json!({ "name": "x" })),
            app.post("/api/bundle/").json(&json!({})),
            app.put(&uri).json(&json!({ "name": "x" })),
            app.delete(&uri),
            app.delete("/api/bundle/4711/"),
        ] {
            expect_refusal(&app, request.by_user(&ada), 403).await;
        }
        assert_eq!(expect_response(app.get(&uri).by_user(&ada), 200).await["name"], "Sleep");
    }

    async fn an_invalid_bundle_is_rejected(app: TestApp) {
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
            expect_field_error(&app, app.post("/api/bundle/").by_user(&root).json(&body), "bundle", field).await;
            expect_field_error(&app, app.put(&uri).by_user(&root).json(&body), "bundle", field).await;
        }
        expect_field_error(&app, app.put(&uri).by_user(&root).json(&json!({ "name": "" })), "bundle", "name").await;
        let missing = "The 'name' field has no data and doesn't allow a default or null value.";
        expect_error(&app, app.post("/api/bundle/").by_user(&root).json(&json!({ "permission": 1 })), 400, missing)
            .await;
        expect_error(&app, app.post("/api/bundle/").by_user(&root), 400, missing).await;
        assert_eq!(expect_response(app.get(&uri).by_user(&root), 200).await["permission"], 6);
    }

    async fn a_bundle_in_use_cannot_be_deleted_or_changed(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let uri = scene.bundle_uri();
        let request = app.create_request(&scene.ada, &scene.grace, &scene.bundle);
        let locked = async || {
            expect_refusal(&app, app.delete(&uri).by_user(&root), 409).await;
            for (field, value) in [("permission", json!(63)), ("description", json!("In other words.")), ("name", json!("Sleeps"))] {
                expect_refusal(&app, app.put(&uri).by_user(&root).json(&json!({ field: value })), 409).await;
            }
            let same = json!({ "name": "Sleep", "description": "What is measured at night.", "permission": 6 });
            assert_eq!(expect_response(app.put(&uri).by_user(&root).json(&same), 200).await["name"], "Sleep");
            assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'bundle.changed'"), 0);
        };
        locked().await;
        let grant = expect_response(app.put(&HexoFixture::token_path(&app.redeem_token(&request))).by_user(&scene.grace), 200).await;
        locked().await;
        expect_response(app.delete(grant["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
        assert_eq!(
            expect_response(app.put(&uri).by_user(&root).json(&json!({ "permission": 63 })), 200).await["permission"],
            63
        );
        expect_response(app.delete(&uri).by_user(&root), 204).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests"), 0);
        assert!(resource_id(&grant) > 0);
    }

    async fn a_closed_request_keeps_the_words_that_it_was_about(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let (uri, put) = (scene.bundle_uri(), |name: &str| json!({ "name": name, "description": "", "permission": 63 }));
        let request = app.create_request(&scene.ada, &scene.grace, &scene.bundle);
        let grant = expect_response(app.put(&HexoFixture::token_path(&app.redeem_token(&request))).by_user(&scene.grace), 200).await;
        expect_response(app.delete(grant["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
        for name in ["Second version", "Third version"] {
            app.advance(60);
            expect_response(app.put(&uri).by_user(&root).json(&put(name)), 200).await;
        }
        app.advance(60);
        let late = app.create_request(&scene.ada, &scene.grace, &scene.bundle);
        let grace = app.signed_in(&scene.grace);
        let (_, page) = grace.get_page(&app, &format!("/requests/{}", request.id)).await;
        assert!(page.contains("Sleep") && page.contains("What is measured at night.") && !page.contains("version"), "{page}");
        let (_, page) = grace.get_page(&app, &format!("/requests/{}", late.id)).await;
        assert!(page.contains("Third version") && !page.contains("Sleep"), "{page}");
        let (_, page) = app.signed_in(&scene.ada).get_page(&app, "/requests").await;
        assert!(page.contains("Sleep") && page.contains("Third version"), "{page}");
        let (_, page) = app.signed_in(&root).get_page(&app, &format!("/staff/bundles/{}", scene.bundle.id)).await;
        for words in ["Sleep", "What is measured at night.", "Second version", "Third version"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        expect_response(app.delete(&format!("/api/bundle_permission_request/{}/", late.id)).by_user(&scene.ada), 204).await;
        expect_response(app.delete(&uri).by_user(&root), 204).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_versions"), 0);
    }

    async fn a_closed_request_does_not_keep_its_bundle_in_use(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        app.create_request(&scene.ada, &scene.grace, &scene.bundle);
        app.advance(3_600);
        expect_response(app.delete(&scene.bundle_uri()).by_user(&root), 204).await;
    }
}
