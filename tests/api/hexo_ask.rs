//! hexo: asking for a permission.

use serde_json::{Value, json};

use crate::helpers::{Backend, By, TestApp, TestUser, token_in};
use crate::hexo::{REQUESTS, Scene, answered, number, refused, refused_field, refused_so};

const KIND: &str = "bundle_permission_request";
/// Seven days, in seconds.
const WEEK: i64 = 604_800;

/// Asks with a body.
fn post(app: &TestApp, who: &TestUser, body: &Value) -> reqwest::RequestBuilder {
    app.post(REQUESTS).by(who).json(body)
}

on_both_databases! {
    async fn asking_mails_the_target_and_answers_with_six_fields(app: TestApp) {
        let scene = Scene::set(&app);
        let response = post(&app, &scene.ada, &scene.wish()).send().await.unwrap();
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
                "redeem_url": null,
                "resource_uri": location,
                "ttl": WEEK,
                "user_allowed": user(&scene.ada),
                "user_target": user(&scene.grace),
            })
        );
        assert_eq!(location, format!("{REQUESTS}{}/", number(&request)));
        let mails = app.mails(1).await;
        assert_eq!(mails[0].to, [scene.grace.email()]);
        let token = token_in(&mails[0]);
        assert!(mails[0].text.contains(&format!("https://countersign.test/redeem?token={token}")));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'request.created'"), 1);
    }

    async fn a_user_is_named_by_uri_address_or_id_and_a_bundle_by_uri_or_id(app: TestApp) {
        let scene = Scene::set(&app);
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
            let request = answered(post(&app, &scene.ada, &scene.wish_but("user_target", user)), 201).await;
            assert_eq!(request["user_target"]["id"], id);
        }
        let bundles = [
            json!(bundle),
            json!(bundle.to_string()),
            json!(format!("/api/v1/bundle/{bundle}/")),
            json!(format!("https://countersign.test/api/bundle/{bundle}/")),
        ];
        for reference in bundles {
            let body = scene.wish_but("bundle", reference);
            let v1 = app.post("/api/v1/bundle_permission_request").by(&scene.ada).json(&body);
            let request = answered(v1, 201).await;
            assert_eq!(request["bundle"]["resource_uri"], format!("/api/v1/bundle/{bundle}/"));
        }
    }

    async fn what_names_nobody_is_not_asked(app: TestApp) {
        let scene = Scene::set(&app);
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
                refused_so(&app, post(&app, &root, &scene.wish_but(field, given)), 400, &error).await;
            }
            let error = "Could not find the provided user object via resource URI '4711'.";
            refused_so(&app, post(&app, &root, &scene.wish_but(field, 4_711)), 400, error).await;
        }
        for given in ["/api/bundle/4711/", "4711", "Sleep", &scene.ada.uri(), "/api/bundle_permission/1/"] {
            let error = format!("Could not find the provided bundle object via resource URI '{given}'.");
            refused_so(&app, post(&app, &scene.ada, &scene.wish_but("bundle", given)), 400, &error).await;
        }
    }

    async fn what_is_missing_is_named(app: TestApp) {
        let scene = Scene::set(&app);
        for field in ["bundle", "user_allowed", "user_target"] {
            let error = format!("The '{field}' field has no data and doesn't allow a default or null value.");
            for nothing in [json!(null), json!("")] {
                refused_so(&app, post(&app, &scene.ada, &scene.wish_but(field, nothing)), 400, &error).await;
            }
            let mut without = scene.wish();
            without.as_object_mut().unwrap().remove(field);
            refused_so(&app, post(&app, &scene.ada, &without), 400, &error).await;
        }
        let error = "The 'bundle' field has no data and doesn't allow a default or null value.";
        refused_so(&app, app.post(REQUESTS).by(&scene.ada), 400, error).await;
        refused_so(&app, post(&app, &scene.ada, &json!({})), 400, error).await;
    }

    async fn only_the_one_who_receives_asks_or_staff(app: TestApp) {
        let scene = Scene::set(&app);
        let root = app.staff("root@example.org");
        for who in [&scene.grace, &scene.eve] {
            refused(&app, post(&app, who, &scene.wish()), 403).await;
            let nobody = scene.wish_but("user_target", "nobody@example.org");
            refused(&app, post(&app, who, &nobody), 403).await;
        }
        let asked = answered(post(&app, &root, &scene.wish()), 201).await;
        assert_eq!(
            (&asked["user_allowed"]["id"], &asked["redeem_url"]),
            (&json!(scene.ada.id()), &Value::Null)
        );
        let of_root = answered(post(&app, &root, &scene.wish_but("user_target", root.uri())), 201).await;
        assert!(of_root["redeem_url"].is_string(), "who is the target sees the link");
        assert_eq!(
            answered(app.get(REQUESTS).by(&root), 200).await["meta"]["total_count"],
            1,
            "only what is theirs"
        );
    }

    async fn nobody_asks_themself(app: TestApp) {
        let scene = Scene::set(&app);
        for user in [json!(scene.ada.uri()), json!(scene.ada.email()), json!(scene.ada.id())] {
            refused_field(
                &app,
                post(&app, &scene.ada, &scene.wish_but("user_target", user)),
                KIND,
                "user_target",
            )
            .await;
        }
    }

    async fn what_stands_already_is_not_asked_for(app: TestApp) {
        let scene = Scene::set(&app);
        answered(app.post("/api/bundle_permission/").by(&scene.grace).json(&scene.wish()), 201).await;
        refused_field(&app, post(&app, &scene.ada, &scene.wish()), KIND, "bundle").await;
    }

    async fn a_request_lives_as_long_as_it_asks(app: TestApp) {
        let scene = Scene::set(&app);
        for (ttl, lives) in [
            (json!(null), WEEK),
            (json!(""), WEEK),
            (json!(60), 60),
            (json!("60"), 60),
            (json!(2_592_000), 2_592_000),
        ] {
            let request = answered(post(&app, &scene.ada, &scene.wish_but("ttl", ttl)), 201).await;
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
            refused_field(&app, post(&app, &scene.ada, &scene.wish_but("ttl", ttl)), KIND, "ttl").await;
        }
    }

    async fn a_redeem_url_is_one_of_our_own_unless_the_operator_says_more(app: TestApp) {
        let scene = Scene::set(&app);
        let (long, short) =
            (format!("https://countersign.test/{}", "x".repeat(900)), "https://countersign.test/");
        for (url, link) in [
            (json!(null), "https://countersign.test/redeem?token="),
            (json!(""), "https://countersign.test/redeem?token="),
            (json!("https://countersign.test/ours"), "https://countersign.test/ours?token="),
            (json!("https://COUNTERSIGN.test:443/a%20b/../ours"), "https://countersign.test/ours?token="),
            (json!(short), "https://countersign.test/?token="),
        ] {
            let request = answered(post(&app, &scene.ada, &scene.wish_but("redeem_url", url)), 201).await;
            assert_eq!(request["redeem_url"], Value::Null);
            let seen =
                answered(app.get(request["resource_uri"].as_str().unwrap()).by(&scene.grace), 200).await;
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
            refused_field(
                &app,
                post(&app, &scene.ada, &scene.wish_but("redeem_url", url)),
                KIND,
                "redeem_url",
            )
            .await;
        }
        for url in [json!(1), json!(true), json!(["https://countersign.test/"]), json!({})] {
            refused_field(
                &app,
                post(&app, &scene.ada, &scene.wish_but("redeem_url", url)),
                KIND,
                "redeem_url",
            )
            .await;
        }
    }
}

#[actix_web::test]
async fn a_redeem_url_may_be_at_an_origin_that_the_operator_lists() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::spawn_with(
            backend,
            "[requests]\nredeem_origins = ['https://app.example']\nmax_ttl = 3600",
        );
        let scene = Scene::set(&app);
        let body = scene.wish_but("redeem_url", "https://APP.example/consent?lang=fr");
        let request = answered(post(&app, &scene.ada, &body), 201).await;
        assert_eq!(request["ttl"], 3_600, "the default is never above the cap");
        assert!(app.mails(1).await[0].text.contains("https://app.example/consent?lang=fr&token=csr_"));
        let body = scene.wish_but("redeem_url", "https://www.app.example/consent");
        refused_field(&app, post(&app, &scene.ada, &body), KIND, "redeem_url").await;
        refused_field(&app, post(&app, &scene.ada, &scene.wish_but("ttl", 3_601)), KIND, "ttl").await;
    }
}
