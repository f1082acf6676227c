//! hexo: creating permission requests.

use serde_json::{Value, json};

use crate::helpers::{Backend, ByUser, TestApp, TestUser, token_in};
use crate::hexo::{
    HexoFixture, REQUESTS, expect_error, expect_field_error, expect_refusal, expect_response, resource_id,
};

const RESOURCE: &str = "bundle_permission_request";
const WEEK_SECONDS: i64 = 604_800;

/// A request with this body.
fn post_request(app: &TestApp, who: &TestUser, body: &Value) -> reqwest::RequestBuilder {
    app.post(REQUESTS).by_user(who).json(body)
}

on_both_databases! {
    async fn creating_a_request_mails_the_target_and_returns_its_fields(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let response = post_request(&app, &scene.ada, &scene.request_body()).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let cache = response.headers()["cache-control"].to_str().unwrap().to_owned();
        let request: Value = response.json().await.unwrap();
        assert_eq!(cache, "no-store");
        let user = |user: &TestUser| {
            json!({
                "id": user.id(), "email": user.email(), "username": user.email(),
                "first_name": user.user.first_name.as_str(), "last_name": "Test", "resource_uri": user.uri(),
            })
        };
        assert_eq!(
            request,
            json!({
                "bundle": {
                    "id": scene.bundle.id.0,
                    "name": "Sleep",
                    "description": "What is measured at night.",
                    "permission": 6,
                    "resource_uri": scene.bundle_uri(),
                },
                "created_at": "2030-01-01T00:00:00Z",
                "decided_at": null,
                "decision": null,
                "expires_at": "2030-01-08T00:00:00Z",
                "id": resource_id(&request),
                "minimum": 0,
                "permission": 6,
                "permission_ttl": null,
                "purpose": null,
                "redeem_url": null,
                "resource_uri": location,
                "return_url": null,
                "rights": ["read", "get"],
                "state": null,
                "status": "pending",
                "ttl": WEEK_SECONDS,
                "user_allowed": user(&scene.ada),
                "user_target": user(&scene.grace),
            })
        );
        assert_eq!(location, format!("{REQUESTS}{}/", resource_id(&request)));
        let mails = app.mails(1).await;
        assert_eq!(mails[0].to, [scene.grace.email()]);
        let token = token_in(&mails[0]);
        assert!(mails[0].text.contains(&format!("https://countersign.test/redeem?token={token}")));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.created'"), 1);
    }

    async fn a_user_is_referenced_by_uri_email_or_id_and_a_bundle_by_uri_or_id(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (id, bundle) = (scene.grace.id(), scene.bundle.id.0);
        let users = [
            json!(format!("/api/user/{id}/")),
            json!(format!("/api/user/{id}")),
            json!(format!("/api/v1/user/{id}/")),
            json!(format!("https://countersign.test/api/user/{id}/")),
            json!("grace@example.org"),
            json!("Grace@Example.ORG"),
            json!(id),
            json!(id.to_string()),
        ];
        for user in users {
            let request = expect_response(post_request(&app, &scene.ada, &scene.request_body_with("user_target", user)), 201).await;
            assert_eq!(request["user_target"]["id"], id);
        }
        let bundles = [
            json!(bundle),
            json!(bundle.to_string()),
            json!(format!("/api/v1/bundle/{bundle}/")),
            json!(format!("https://countersign.test/api/bundle/{bundle}/")),
        ];
        for reference in bundles {
            let body = scene.request_body_with("bundle", reference);
            let v1 = app.post("/api/v1/bundle_permission_request").by_user(&scene.ada).json(&body);
            let request = expect_response(v1, 201).await;
            assert_eq!(request["bundle"]["resource_uri"], format!("/api/v1/bundle/{bundle}/"));
        }
    }

    async fn an_unknown_reference_creates_no_request(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let gone = app.user("gone@example.org");
        app.disable(&gone);
        let root = app.staff("root@example.org");
        let bundle = scene.bundle_uri();
        for field in ["user_allowed", "user_target"] {
            let given = [
                "/api/user/4711/",
                "4711",
                "nobody@example.org",
                "gone@example.org",
                &gone.uri(),
                &bundle,
                "x",
                "9223372036854775808",
                "https://elsewhere.example/api/user/1/",
                "-1",
                "/api/user/1;2/",
            ];
            for given in given {
                let error = format!("Could not find the provided user object via resource URI '{given}'.");
                expect_error(&app, post_request(&app, &root, &scene.request_body_with(field, given)), 400, &error).await;
            }
            let error = "Could not find the provided user object via resource URI '4711'.";
            expect_error(&app, post_request(&app, &root, &scene.request_body_with(field, 4_711)), 400, error).await;
        }
        for given in ["/api/bundle/4711/", "4711", "Sleep", &scene.ada.uri(), "/api/bundle_permission/1/"] {
            let error = format!("Could not find the provided bundle object via resource URI '{given}'.");
            expect_error(&app, post_request(&app, &scene.ada, &scene.request_body_with("bundle", given)), 400, &error).await;
        }
    }

    async fn missing_fields_are_named_in_the_error(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for field in ["bundle", "user_allowed", "user_target"] {
            let error = format!("The '{field}' field has no data and doesn't allow a default or null value.");
            for nothing in [json!(null), json!("")] {
                expect_error(&app, post_request(&app, &scene.ada, &scene.request_body_with(field, nothing)), 400, &error).await;
            }
            let mut without = scene.request_body();
            without.as_object_mut().unwrap().remove(field);
            expect_error(&app, post_request(&app, &scene.ada, &without), 400, &error).await;
        }
        let error = "The 'bundle' field has no data and doesn't allow a default or null value.";
        expect_error(&app, app.post(REQUESTS).by_user(&scene.ada), 400, error).await;
        expect_error(&app, post_request(&app, &scene.ada, &json!({})), 400, error).await;
    }

    async fn only_the_grantee_or_staff_can_create_a_request(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        for who in [&scene.grace, &scene.eve] {
            expect_refusal(&app, post_request(&app, who, &scene.request_body()), 403).await;
            let nobody = scene.request_body_with("user_target", "nobody@example.org");
            expect_refusal(&app, post_request(&app, who, &nobody), 403).await;
        }
        let asked = expect_response(post_request(&app, &root, &scene.request_body()), 201).await;
        assert_eq!(
            (&asked["user_allowed"]["id"], &asked["redeem_url"]),
            (&json!(scene.ada.id()), &Value::Null)
        );
        let of_root = expect_response(post_request(&app, &root, &scene.request_body_with("user_target", root.uri())), 201).await;
        assert!(of_root["redeem_url"].is_string(), "the target sees the link");
        assert_eq!(
            expect_response(app.get(REQUESTS).by_user(&root), 200).await["meta"]["total_count"],
            1,
            "only what is theirs"
        );
    }

    async fn a_user_cannot_request_from_themself(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for user in [json!(scene.ada.uri()), json!(scene.ada.email()), json!(scene.ada.id())] {
            expect_field_error(
                &app,
                post_request(&app, &scene.ada, &scene.request_body_with("user_target", user)),
                RESOURCE,
                "user_target",
            )
            .await;
        }
    }

    async fn an_active_permission_cannot_be_requested_again(app: TestApp) {
        let scene = HexoFixture::new(&app);
        expect_response(app.post("/api/bundle_permission/").by_user(&scene.grace).json(&scene.request_body()), 201).await;
        expect_field_error(&app, post_request(&app, &scene.ada, &scene.request_body()), RESOURCE, "bundle").await;
    }

    async fn a_request_expires_after_the_requested_lifetime(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for (ttl, lives) in [
            (json!(null), WEEK_SECONDS),
            (json!(""), WEEK_SECONDS),
            (json!(60), 60),
            (json!("60"), 60),
            (json!(2_592_000), 2_592_000),
        ] {
            let request = expect_response(post_request(&app, &scene.ada, &scene.request_body_with("ttl", ttl)), 201).await;
            assert_eq!(request["ttl"], lives);
        }
        for ttl in [
            json!(59),
            json!(0),
            json!(-1),
            json!(2_592_001),
            json!(1.9),
            json!(60.0),
            json!("abc"),
            json!("1e3"),
            json!(true),
            json!([60]),
            json!({}),
            json!(i64::MAX),
            json!(u64::MAX),
            json!("9223372036854775808"),
        ] {
            expect_field_error(&app, post_request(&app, &scene.ada, &scene.request_body_with("ttl", ttl)), RESOURCE, "ttl").await;
        }
    }

    async fn a_redeem_url_must_be_on_the_public_origin_by_default(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (long, short) =
            (format!("https://countersign.test/{}", "x".repeat(900)), "https://countersign.test/");
        for (url, link) in [
            (json!(null), "https://countersign.test/redeem?token="),
            (json!(""), "https://countersign.test/redeem?token="),
            (json!("https://countersign.test/ours"), "https://countersign.test/ours?token="),
            (json!("https://COUNTERSIGN.test:443/a%20b/../ours"), "https://countersign.test/ours?token="),
            (json!(short), "https://countersign.test/?token="),
        ] {
            let request = expect_response(post_request(&app, &scene.ada, &scene.request_body_with("redeem_url", url)), 201).await;
            assert_eq!(request["redeem_url"], Value::Null);
            let seen =
                expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 200).await;
            assert!(seen["redeem_url"].as_str().unwrap().starts_with(&format!("{link}csr_")), "{seen}");
        }
        for url in [
            "/redeem",
            "redeem",
            "//countersign.test/x",
            "https:countersign.test",
            "https:\\\\countersign.test",
            "http://countersign.test/",
            "https://countersign.test:8443/",
            "https://countersign.test/-/svc/mfs_api.create_token?hub_id=h&nid=n",
            "https://countersign.test/?",
            "https://elsewhere.example/",
            "https://countersign.test.elsewhere.example/",
            "https://countersign.test@elsewhere.example/",
            "https://u@countersign.test/",
            "https://u:p@countersign.test/",
            "https://countersign.test/#x",
            "https://countersign.test/#",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://countersign.test/",
            "file:///etc/passwd",
            " https://countersign.test/",
            "https://countersign.test/\r\nBcc: x",
            "https://countersign.test/?token=x",
            "https://countersign.test/?x=1&t%6Fken=x",
            "https://",
            "x",
            &long,
        ] {
            expect_field_error(
                &app,
                post_request(&app, &scene.ada, &scene.request_body_with("redeem_url", url)),
                RESOURCE,
                "redeem_url",
            )
            .await;
        }
        for url in [json!(1), json!(true), json!(["https://countersign.test/"]), json!({})] {
            expect_field_error(
                &app,
                post_request(&app, &scene.ada, &scene.request_body_with("redeem_url", url)),
                RESOURCE,
                "redeem_url",
            )
            .await;
        }
    }
}

#[actix_web::test]
async fn a_redeem_url_may_be_on_a_configured_origin() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::spawn_with(
            backend,
            "[requests]\nredeem_origins = ['https://app.example']\nmax_ttl = 3600",
        );
        let scene = HexoFixture::new(&app);
        let body = scene.request_body_with("redeem_url", "https://APP.example/consent?lang=fr");
        let request = expect_response(post_request(&app, &scene.ada, &body), 201).await;
        assert_eq!(request["ttl"], 3_600, "the default is never above the cap");
        assert!(app.mails(1).await[0].text.contains("https://app.example/consent?lang=fr&token=csr_"));
        let body = scene.request_body_with("redeem_url", "https://www.app.example/consent");
        expect_field_error(&app, post_request(&app, &scene.ada, &body), RESOURCE, "redeem_url").await;
        expect_field_error(
            &app,
            post_request(&app, &scene.ada, &scene.request_body_with("ttl", 3_601)),
            RESOURCE,
            "ttl",
        )
        .await;
    }
}
