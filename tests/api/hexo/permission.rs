//! hexo: permissions between users.

use serde_json::{Value, json};

use crate::helpers::{ByUser, TestUser};
use crate::hexo::{
    HexoFixture, expect_error, expect_field_error, expect_refusal, expect_response, resource_id,
};

const PERMISSIONS: &str = "/api/bundle_permission/";

on_both_databases! {
    async fn a_target_can_grant_a_permission_without_a_request(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let response = app.post(PERMISSIONS).by_user(&scene.grace).json(&scene.request_body()).send().await.unwrap();
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
                "expires_at": null,
                "granted_at": "2030-01-01T00:00:00Z",
                "name": "Sleep",
                "permission": 6,
                "receipt": "/api/bundle_permission/1/receipt/", "request": null,
                "resource_uri": location,
                "rights": ["read", "get"],
                "user_allowed": user(&scene.ada),
                "user_target": user(&scene.grace),
            })
        );
        for who in [&scene.ada, &scene.grace] {
            assert_eq!(expect_response(app.get(&location).by_user(who), 200).await, given);
            assert_eq!(expect_response(app.get(PERMISSIONS).by_user(who), 200).await["objects"], json!([given]));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'permission.granted'"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE notice IS NULL"), 0, "no request is needed");
        expect_field_error(
            &app,
            app.post(PERMISSIONS).by_user(&scene.grace).json(&scene.request_body()),
            "bundle_permission",
            "bundle",
        )
        .await;
    }

    async fn only_staff_can_grant_on_behalf_of_another_user(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        for who in [&scene.ada, &scene.eve] {
            expect_refusal(&app, app.post(PERMISSIONS).by_user(who).json(&scene.request_body()), 403).await;
        }
        let given = expect_response(app.post(PERMISSIONS).by_user(&root).json(&scene.request_body()), 201).await;
        let uri = given["resource_uri"].as_str().unwrap();
        for who in [&root, &scene.eve] {
            expect_error(&app, app.get(uri).by_user(who), 404, "Not found.").await;
            expect_error(&app, app.delete(uri).by_user(who), 404, "Not found.").await;
            assert_eq!(expect_response(app.get(PERMISSIONS).by_user(who), 200).await["meta"]["total_count"], 0);
        }
    }

    async fn either_party_can_revoke_a_permission_once(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for who in [&scene.ada, &scene.grace] {
            let given = expect_response(app.post(PERMISSIONS).by_user(&scene.grace).json(&scene.request_body()), 201).await;
            let uri = given["resource_uri"].as_str().unwrap();
            assert_eq!(expect_response(app.delete(uri).by_user(who).json(&json!({})), 204).await, Value::Null);
            expect_error(&app, app.delete(uri).by_user(who), 404, "Not found.").await;
            expect_error(&app, app.get(uri).by_user(who), 404, "Not found.").await;
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'permission.revoked'"), 2);
        expect_error(&app, app.delete("/api/bundle_permission/csr_x/").by_user(&scene.ada), 404, "Not found.").await;
    }

    async fn the_grantee_of_a_direct_grant_gets_a_mail(app: TestApp) {
        let scene = HexoFixture::new(&app);
        expect_response(app.post(PERMISSIONS).by_user(&scene.grace).json(&scene.request_body()), 201).await;
        let mails = app.mails(1).await;
        assert_eq!((mails.len(), mails[0].to.as_slice()), (1, [scene.ada.email().to_owned()].as_slice()));
        let text = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["You now have the permission \"Sleep\"", "grace@example.org", "download", "https://countersign.test/access"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("token="), "{text}");
    }

    async fn the_target_hears_of_a_permission_that_staff_grant(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let body = json!({ "user_target": scene.grace.uri(), "user_allowed": root.uri(), "bundle": scene.bundle_uri() });
        let given = expect_response(app.post(PERMISSIONS).by_user(&root).json(&body), 201).await;
        // Revoking it at once does not keep the target from hearing of it.
        expect_response(app.delete(given["resource_uri"].as_str().unwrap()).by_user(&root), 204).await;
        let mails = app.mails(1).await;
        assert_eq!((mails.len(), mails[0].to.as_slice()), (1, [scene.grace.email().to_owned()].as_slice()));
        let text = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("An administrator of this server gave") && text.contains("root@example.org"), "{text}");
        assert!(text.contains("You were not asked."), "{text}");
        let timeline = format!("/requests/{}", resource_id(&given));
        let (status, page) = app.signed_in(&scene.grace).get_page(&app, &timeline).await;
        assert_eq!(status, 200);
        assert!(page.contains("An administrator gave <bdi>root Test</bdi> this permission"), "{page}");
        // To somebody else: both hear of it.
        let body = json!({ "user_target": scene.grace.uri(), "user_allowed": scene.eve.uri(), "bundle": scene.bundle_uri() });
        let given = expect_response(app.post(PERMISSIONS).by_user(&root).json(&body), 201).await;
        let mut to: Vec<String> = app.mails(3).await[1..].iter().flat_map(|mail| mail.to.clone()).collect();
        to.sort();
        assert_eq!(to, [scene.eve.email(), scene.grace.email()]);
        let (_, page) = app.signed_in(&scene.grace).get_page(&app, &format!("/requests/{}", resource_id(&given))).await;
        assert!(page.contains("An administrator gave <bdi>eve Test</bdi> this permission"), "{page}");
    }

    async fn a_block_refuses_a_direct_grant(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let block = |by: &TestUser, who: &TestUser| app.post("/api/block/").by_user(by).json(&json!({ "user": who.email() }));
        let root = app.staff("root@example.org");
        expect_response(block(&scene.ada, &scene.grace), 201).await;
        let give = |by: &TestUser| app.post(PERMISSIONS).by_user(by).json(&scene.request_body());
        for by in [&scene.grace, &root] {
            expect_refusal(&app, give(by), 403).await;
        }
        expect_response(app.delete(&format!("/api/block/{}/", scene.grace.id())).by_user(&scene.ada), 204).await;
        // A target's own block does not bind the target, but it binds staff.
        expect_response(block(&scene.grace, &scene.ada), 201).await;
        expect_refusal(&app, give(&root), 403).await;
        expect_response(give(&scene.grace), 201).await;
    }

    async fn an_unknown_reference_grants_nothing(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let post = |body: &Value| app.post(PERMISSIONS).by_user(&scene.grace).json(body);
        for field in ["bundle", "user_allowed", "user_target"] {
            let kind = if field == "bundle" { "bundle" } else { "user" };
            let error =
                format!("Could not find the provided {kind} object via resource URI '/api/{kind}/4711/'.");
            let body = scene.request_body_with(field, format!("/api/{kind}/4711/"));
            expect_error(&app, post(&body), 400, &error).await;
            let mut body = scene.request_body();
            body.as_object_mut().unwrap().remove(field);
            let error = format!("The '{field}' field has no data and doesn't allow a default or null value.");
            expect_error(&app, post(&body), 400, &error).await;
            expect_field_error(&app, post(&scene.request_body_with(field, json!([1]))), "bundle_permission", field).await;
        }
        let body = scene.request_body_with("user_allowed", scene.grace.uri());
        expect_field_error(&app, post(&body), "bundle_permission", "user_target").await;
    }

    async fn permissions_are_filtered_by_bundle_and_by_either_party(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let other = app.bundle("Heart", 6);
        let HexoFixture { ada, grace, eve, bundle } = &scene;
        for (target, allowed, bundle) in [(grace, ada, bundle), (grace, eve, bundle), (ada, grace, &other)] {
            let body =
                json!({ "user_target": target.id(), "user_allowed": allowed.email(), "bundle": bundle.id.0 });
            expect_response(app.post(PERMISSIONS).by_user(target).json(&body), 201).await;
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
            let list = expect_response(app.get(&format!("{PERMISSIONS}?{query}")).by_user(grace), 200).await;
            assert_eq!(list["meta"]["total_count"], found, "{query}");
            assert_eq!(list["objects"].as_array().unwrap().len(), found, "{query}");
        }
        let list =
            expect_response(app.get(&format!("{PERMISSIONS}?user_target=grace@example.org")).by_user(ada), 200).await;
        assert_eq!(list["meta"]["total_count"], 1, "rows of other users are not listed");
        for query in [
            "bundle=x",
            "bundle=/api/user/1/",
            "user_target=x",
            "user_target=/api/bundle/1/",
            "user_allowed=9223372036854775808",
            "user_allowed=1,2",
        ] {
            let list = app.get(&format!("{PERMISSIONS}?{query}")).by_user(grace);
            expect_error(&app, list, 400, "Invalid resource lookup data provided (mismatched type).").await;
        }
    }
}
