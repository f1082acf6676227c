//! hexo: what a request can ask for, and where it returns to.

use serde_json::{Value, json};

use crate::helpers::{Backend, ByUser, TestApp, TestUser};
use crate::hexo::{HexoFixture, REQUESTS, expect_field_error, expect_refusal, expect_response, resource_id};

const RESOURCE: &str = "bundle_permission_request";
const RETURN_ORIGINS: &str = "[requests]\nreturn_origins = ['https://app.example', 'http://localhost:3000']";

fn post_request(app: &TestApp, who: &TestUser, body: &Value) -> reqwest::RequestBuilder {
    app.post(REQUESTS).by_user(who).json(body)
}

on_both_databases! {
    async fn a_request_for_some_rights_shows_them_in_each_response(app: TestApp) {
        let scene = HexoFixture::new(&app).with_bundle(&app, "Heart", 14);
        let purpose = "ü".repeat(500);
        let (asked, token) = scene
            .ask(&app, json!({ "purpose": purpose, "permission": ["get", "read"], "minimum": "2", "permission_ttl": "3600" }))
            .await;
        assert_eq!(
            (&asked["id"], &asked["purpose"], &asked["status"]),
            (&json!(resource_id(&asked)), &json!(purpose), &json!("pending"))
        );
        assert_eq!(
            json!([asked["permission"], asked["rights"], asked["minimum"], asked["permission_ttl"], asked["bundle"]["permission"]]),
            json!([6, ["read", "get"], 2, 3_600, 14])
        );
        assert_eq!((&asked["created_at"], &asked["expires_at"]), (&json!("2030-01-01T00:00:00Z"), &json!("2030-01-08T00:00:00Z")));
        let uri = asked["resource_uri"].as_str().unwrap();
        let of_ada = expect_response(app.get(uri).by_user(&scene.ada), 200).await;
        assert_eq!(of_ada, asked);
        let of_grace = expect_response(app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        for field in ["purpose", "permission", "rights", "minimum", "permission_ttl", "created_at", "expires_at", "status"] {
            assert_eq!(of_grace[field], asked[field], "{field}");
        }
        assert_eq!(expect_response(app.get(REQUESTS).by_user(&scene.ada), 200).await["objects"], json!([asked]));
        let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        assert_eq!((&granted["permission"], &granted["expires_at"]), (&json!(6), &json!("2030-01-01T01:00:00Z")));
    }

    async fn what_cannot_be_asked_is_rejected(app: TestApp) {
        let scene = HexoFixture::new(&app).with_bundle(&app, "Heart", 14);
        let wrong = |field: &'static str, values: Vec<Value>| (field, values);
        for (field, values) in [
            wrong("purpose", vec![json!("x".repeat(501)), json!(1), json!(true), json!(["why"]), json!({})]),
            wrong("permission", vec![
                json!(0), json!(64), json!(-1), json!(16), json!(15), json!("x"), json!(1.5), json!([]), json!(["fly"]), json!(["admin"]),
                json!({}), json!(true), json!([["read"]]),
            ]),
            wrong("minimum", vec![
                json!(64), json!(-1), json!(16), json!(15), json!("x"), json!(0.5), json!(["fly"]), json!(["owner"]), json!({}), json!(false),
            ]),
            wrong("permission_ttl", vec![
                json!(0), json!(-1), json!(3_599), json!("3599"), json!(3_153_600_001_i64), json!(i64::MAX), json!(u64::MAX),
                json!("x"), json!(3_600.5), json!([3_600]), json!({}), json!(true),
            ]),
            // No origin is allowed.
            wrong("return_url", vec![json!("https://app.example/"), json!("https://countersign.test/"), json!(1)]),
            wrong("state", vec![json!("x"), json!(1)]),
        ] {
            for value in values {
                let body = scene.request_body_with(field, value);
                expect_field_error(&app, post_request(&app, &scene.ada, &body), RESOURCE, field).await;
            }
        }
        let mut body = scene.request_body_with("permission", 6);
        body["minimum"] = json!(["write"]);
        expect_field_error(&app, post_request(&app, &scene.ada, &body), RESOURCE, "minimum").await;
        for (minimum, shown) in [(json!(0), 0), (json!("0"), 0), (json!([]), 0), (json!(null), 0), (json!(""), 0), (json!(6), 6), (json!(["get"]), 4)] {
            body["minimum"] = minimum;
            assert_eq!(expect_response(post_request(&app, &scene.ada, &body), 201).await["minimum"], shown);
        }
        for (ttl, shown) in [(json!(3_600), json!(3_600)), (json!(3_153_600_000_i64), json!(3_153_600_000_i64)), (json!(null), json!(null)), (json!(""), json!(null))] {
            let body = scene.request_body_with("permission_ttl", ttl);
            assert_eq!(expect_response(post_request(&app, &scene.ada, &body), 201).await["permission_ttl"], shown);
        }
        assert_eq!(expect_response(post_request(&app, &scene.ada, &scene.request_body_with("purpose", "")), 201).await["purpose"], Value::Null);
    }

    async fn a_key_creates_one_request_for_the_same_rights_and_purpose(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let body = |fields: Value| {
            let mut body = scene.request_body();
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            body
        };
        let post = |fields: Value| post_request(&app, &scene.ada, &body(fields)).header("idempotency-key", "one");
        let asked = json!({ "purpose": "Research", "permission": 6, "minimum": 2, "permission_ttl": 3_600 });
        let first = expect_response(post(asked), 201).await;
        for same in [
            json!({ "purpose": "Research", "permission": ["read", "get"], "minimum": ["read"], "permission_ttl": "3600" }),
            json!({ "purpose": "Research", "permission": "6", "minimum": "2", "permission_ttl": 3_600, "return_url": null, "state": "" }),
        ] {
            assert_eq!(expect_response(post(same), 201).await, first);
        }
        for other in [
            json!({ "permission": 6, "minimum": 2, "permission_ttl": 3_600 }),
            // All rights of the bundle, which may change.
            json!({ "purpose": "Research", "permission": null, "minimum": 2, "permission_ttl": 3_600 }),
            json!({ "purpose": "research", "permission": 6, "minimum": 2, "permission_ttl": 3_600 }),
            json!({ "purpose": "Research", "permission": 2, "minimum": 2, "permission_ttl": 3_600 }),
            json!({ "purpose": "Research", "permission": 6, "minimum": 0, "permission_ttl": 3_600 }),
            json!({ "purpose": "Research", "permission": 6, "minimum": 2 }),
            json!({ "purpose": "Research", "permission": 6, "minimum": 2, "permission_ttl": 3_601 }),
        ] {
            expect_refusal(&app, post(other), 422).await;
        }
    }

    async fn staff_who_posted_a_request_can_read_it_until_it_is_purged(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (root, other) = (app.staff("root@example.org"), app.staff("other@example.org"));
        let asked = expect_response(post_request(&app, &root, &scene.request_body()), 201).await;
        let uri = asked["resource_uri"].as_str().unwrap();
        assert_eq!(expect_response(app.get(uri).by_user(&root), 200).await, asked);
        for who in [&other, &scene.eve] {
            expect_refusal(&app, app.get(uri).by_user(who), 404).await;
        }
        expect_refusal(&app, app.delete(uri).by_user(&root), 404).await;
        assert_eq!(expect_response(app.get(REQUESTS).by_user(&root), 200).await["meta"]["total_count"], 0);
        expect_response(app.delete(uri).by_user(&scene.grace), 204).await;
        let seen = expect_response(app.get(uri).by_user(&root), 200).await;
        assert_eq!((&seen["status"], &seen["redeem_url"]), (&json!("declined"), &Value::Null));
    }
}

#[actix_web::test]
async fn only_the_creator_sees_the_return_url_and_the_state() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::spawn_with(backend, RETURN_ORIGINS);
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let state: String = (b' '..=b'~').map(char::from).cycle().take(512).collect();
        for creator in [&scene.ada, &root] {
            let mut body = scene.request_body_with(
                "return_url",
                "https://APP.example:443/a b/../done?x=%31".replace(' ', "%20"),
            );
            body["state"] = json!(state);
            let asked = expect_response(post_request(&app, creator, &body), 201).await;
            assert_eq!(asked["return_url"], "https://app.example/done?x=%31");
            assert_eq!(asked["state"], state);
            let uri = asked["resource_uri"].as_str().unwrap();
            assert_eq!(expect_response(app.get(uri).by_user(creator), 200).await, asked);
            for who in [&scene.ada, &scene.grace].into_iter().filter(|who| who.id() != creator.id()) {
                for path in
                    [uri.to_owned(), format!("{REQUESTS}set/{}/", resource_id(&asked)), REQUESTS.to_owned()]
                {
                    let seen = expect_response(app.get(&path).by_user(who), 200).await.to_string();
                    assert!(
                        !seen.contains("return_url")
                            && !seen.contains("app.example")
                            && !seen.contains("\"state\""),
                        "{seen}"
                    );
                }
            }
            expect_response(app.delete(uri).by_user(&scene.grace), 204).await;
            let closed = expect_response(app.get(uri).by_user(creator), 200).await;
            assert_eq!((&closed["return_url"], &closed["state"]), (&asked["return_url"], &asked["state"]));
        }
        let without_state = scene.request_body_with("return_url", "http://localhost:3000");
        let asked = expect_response(post_request(&app, &scene.ada, &without_state), 201).await;
        assert_eq!((&asked["return_url"], &asked["state"]), (&json!("http://localhost:3000/"), &Value::Null));
    }
}

#[actix_web::test]
async fn a_return_url_that_could_mislead_is_rejected() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::spawn_with(backend, RETURN_ORIGINS);
        let scene = HexoFixture::new(&app);
        let longest = format!("https://app.example/{}", "x".repeat(880));
        let asked = expect_response(
            post_request(&app, &scene.ada, &scene.request_body_with("return_url", longest.clone())),
            201,
        )
        .await;
        assert_eq!(asked["return_url"], longest);
        for url in [
            "https://elsewhere.example/",
            "https://app.example.elsewhere.example/",
            "https://www.app.example/",
            "http://app.example/",
            "https://app.example:8443/",
            "https://localhost:3000/",
            "http://localhost/",
            "https://countersign.test/",
            "https://u@app.example/",
            "https://u:p@app.example/",
            "https://@elsewhere.example/",
            "https://app.example@elsewhere.example/",
            "https://app.example/#x",
            "https://app.example/#",
            "https:\\\\app.example/",
            "https://elsewhere.example\\@app.example/",
            "https://app.example\\.elsewhere.example/",
            // A Cyrillic letter, a full-width letter, and a soft hyphen.
            "https://\u{430}pp.example/",
            "https://app.ex\u{430}mple/",
            "https://app\u{2024}example.elsewhere.example/",
            "//app.example/",
            "/done",
            "app.example",
            "https:app.example",
            "javascript:alert(1)//https://app.example/",
            "data:text/html,https://app.example/",
            "ftp://app.example/",
            "https://app.example/?state=x",
            "https://app.example/?x=1&request=2",
            "https://app.example/?status",
            "https://app.example/?st%61te=x",
            "https://app.example/?%73tatus=",
            " https://app.example/",
            "https://app.example/ ",
            "https://app.example/\r\nLocation: x",
            "https://app.exam\tple/",
            "https://app.example/a b",
            "https://",
            "x",
            &format!("{longest}x"),
            // Longer than allowed once it is encoded.
            &format!("https://app.example/{}", "ü".repeat(200)),
        ] {
            let body = scene.request_body_with("return_url", url);
            expect_field_error(&app, post_request(&app, &scene.ada, &body), RESOURCE, "return_url").await;
        }
        for url in [json!(1), json!(true), json!(["https://app.example/"]), json!({})] {
            let body = scene.request_body_with("return_url", url);
            expect_field_error(&app, post_request(&app, &scene.ada, &body), RESOURCE, "return_url").await;
        }
        for state in [
            json!("x".repeat(513)),
            json!("a\nb"),
            json!("a\r\nb"),
            json!("\t"),
            json!("\u{7f}"),
            json!("ü"),
            json!(1),
            json!(["x"]),
        ] {
            let mut body = scene.request_body_with("return_url", "https://app.example/");
            body["state"] = state;
            expect_field_error(&app, post_request(&app, &scene.ada, &body), RESOURCE, "state").await;
        }
        expect_field_error(
            &app,
            post_request(&app, &scene.ada, &scene.request_body_with("state", "x")),
            RESOURCE,
            "state",
        )
        .await;
    }
}
