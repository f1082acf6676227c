//! hexo: what users have given each other.

use serde_json::{Value, json};

use crate::helpers::By;
use crate::hexo::{Scene, answered, refused, refused_field, refused_so};

const PERMISSIONS: &str = "/api/bundle_permission/";

on_both_databases! {
    async fn a_target_gives_a_permission_unasked(app: TestApp) {
        let scene = Scene::set(&app);
        let response = app.post(PERMISSIONS).by(&scene.grace).json(&scene.wish()).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let given: Value = response.json().await.unwrap();
        let user = |user: &crate::helpers::TestUser| {
            json!({
                "id": user.id(), "email": user.email(), "username": user.email(),
                "first_name": user.user.first_name.as_str(), "last_name": "Test", "resource_uri": user.uri(),
            })
        };
        assert_eq!(
            given,
            json!({
                "bundle": scene.bundle_uri(),
                "name": "Sleep",
                "resource_uri": location,
                "user_allowed": user(&scene.ada),
                "user_target": user(&scene.grace),
            })
        );
        for who in [&scene.ada, &scene.grace] {
            assert_eq!(answered(app.get(&location).by(who), 200).await, given);
            assert_eq!(answered(app.get(PERMISSIONS).by(who), 200).await["objects"], json!([given]));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'grant.created'"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 0, "nobody has to be asked");
        refused_field(
            &app,
            app.post(PERMISSIONS).by(&scene.grace).json(&scene.wish()),
            "bundle_permission",
            "bundle",
        )
        .await;
    }

    async fn staff_gives_in_anybodys_name_and_nobody_else_does(app: TestApp) {
        let scene = Scene::set(&app);
        let root = app.staff("root@example.org");
        for who in [&scene.ada, &scene.eve] {
            refused(&app, app.post(PERMISSIONS).by(who).json(&scene.wish()), 403).await;
        }
        let given = answered(app.post(PERMISSIONS).by(&root).json(&scene.wish()), 201).await;
        let uri = given["resource_uri"].as_str().unwrap();
        for who in [&root, &scene.eve] {
            refused_so(&app, app.get(uri).by(who), 404, "Not found.").await;
            refused_so(&app, app.delete(uri).by(who), 404, "Not found.").await;
            assert_eq!(answered(app.get(PERMISSIONS).by(who), 200).await["meta"]["total_count"], 0);
        }
    }

    async fn either_party_ends_a_permission_once(app: TestApp) {
        let scene = Scene::set(&app);
        for who in [&scene.ada, &scene.grace] {
            let given = answered(app.post(PERMISSIONS).by(&scene.grace).json(&scene.wish()), 201).await;
            let uri = given["resource_uri"].as_str().unwrap();
            assert_eq!(answered(app.delete(uri).by(who).json(&json!({})), 204).await, Value::Null);
            refused_so(&app, app.delete(uri).by(who), 404, "Not found.").await;
            refused_so(&app, app.get(uri).by(who), 404, "Not found.").await;
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'grant.deleted'"), 2);
        refused_so(&app, app.delete("/api/bundle_permission/csr_x/").by(&scene.ada), 404, "Not found.").await;
    }

    async fn what_names_nobody_is_not_given(app: TestApp) {
        let scene = Scene::set(&app);
        let post = |body: &Value| app.post(PERMISSIONS).by(&scene.grace).json(body);
        for field in ["bundle", "user_allowed", "user_target"] {
            let kind = if field == "bundle" { "bundle" } else { "user" };
            let error =
                format!("Could not find the provided {kind} object via resource URI '/api/{kind}/4711/'.");
            let body = scene.wish_but(field, format!("/api/{kind}/4711/"));
            refused_so(&app, post(&body), 400, &error).await;
            let mut body = scene.wish();
            body.as_object_mut().unwrap().remove(field);
            let error = format!("The '{field}' field has no data and doesn't allow a default or null value.");
            refused_so(&app, post(&body), 400, &error).await;
            refused_field(&app, post(&scene.wish_but(field, json!([1]))), "bundle_permission", field).await;
        }
        let body = scene.wish_but("user_allowed", scene.grace.uri());
        refused_field(&app, post(&body), "bundle_permission", "user_target").await;
    }

    async fn permissions_are_filtered_by_bundle_and_by_either_party(app: TestApp) {
        let scene = Scene::set(&app);
        let other = app.bundle("Heart", 6);
        let Scene { ada, grace, eve, bundle } = &scene;
        for (target, allowed, bundle) in [(grace, ada, bundle), (grace, eve, bundle), (ada, grace, &other)] {
            let body =
                json!({ "user_target": target.id(), "user_allowed": allowed.email(), "bundle": bundle.id.0 });
            answered(app.post(PERMISSIONS).by(target).json(&body), 201).await;
        }
        for (query, found) in [
            (String::new(), 3),
            (format!("bundle={}", scene.bundle_uri()), 2),
            (format!("bundle={}", other.id), 1),
            (format!("bundle__in={},/api/v1/bundle/{}/", bundle.id, other.id), 3),
            ("bundle=4711".to_owned(), 0),
            (format!("user_allowed={}", ada.uri()), 1),
            (format!("user_allowed={}", eve.id()), 1),
            (format!("user_allowed={}", "EVE@example.org"), 1),
            (format!("user_allowed__in={},ada@example.org", eve.id()), 2),
            (format!("user_target={}", "grace@example.org"), 2),
            (format!("user_target__exact=https://countersign.test{}", ada.uri()), 1),
            (format!("user_target={}&user_target__in=grace@example.org,ada@example.org", grace.id()), 2),
            (format!("user_target={}&user_allowed={}", grace.id(), eve.id()), 1),
            ("user_target=nobody@example.org".to_owned(), 0),
            ("user_target__in=".to_owned(), 0),
        ] {
            let list = answered(app.get(&format!("{PERMISSIONS}?{query}")).by(grace), 200).await;
            assert_eq!(list["meta"]["total_count"], found, "{query}");
            assert_eq!(list["objects"].as_array().unwrap().len(), found, "{query}");
        }
        let list =
            answered(app.get(&format!("{PERMISSIONS}?user_target=grace@example.org")).by(ada), 200).await;
        assert_eq!(list["meta"]["total_count"], 1, "others' rows are nobody's business");
        for query in [
            "bundle=x",
            "bundle=/api/user/1/",
            "user_target=x",
            "user_target=/api/bundle/1/",
            "user_allowed=9223372036854775808",
            "user_allowed=1,2",
        ] {
            let list = app.get(&format!("{PERMISSIONS}?{query}")).by(grace);
            refused_so(&app, list, 400, "Invalid resource lookup data provided (mismatched type).").await;
        }
    }
}
