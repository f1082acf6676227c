//! hexo: malformed and unexpected bodies.

use serde_json::{Value, json};

use crate::helpers::ByUser;
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_refusal, expect_response, send_raw};

const JSON: &str = "application/json";

/// The head of a request with one additional header and `Connection: close`.
fn raw_head(method: &str, path: &str, key: &str, header: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: {JSON}\r\n{header}\r\nConnection: close\r\n\r\n"
    )
}

on_both_databases! {
    async fn invalid_json_is_reported(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let post = |body: Vec<u8>| app.post(REQUESTS).by_user(&scene.ada).header("content-type", JSON).body(body);
        let deep = |open: &str| open.repeat(10_000).into_bytes();
        for body in [
            b"{".to_vec(),
            b"{broken".to_vec(),
            b"{'a': 1}".to_vec(),
            b"{\"a\":1,}".to_vec(),
            b" ".to_vec(),
            b"{}{}".to_vec(),
            b"nul".to_vec(),
            b"{\"a\":\xff}".to_vec(),
            b"{\"\xc3\x28\":1}".to_vec(),
            b"{\"a\":\"\\ud800\"}".to_vec(),
            b"{\"a\":\"\0\"}".to_vec(),
            b"{\"a\":NaN}".to_vec(),
            b"{\"a\":1e999}".to_vec(),
            deep("["),
            deep("{\"a\":"),
            b"\xff\xfe{\0}\0".to_vec(),
            b"bundle=1&user_target=2".to_vec(),
        ] {
            expect_error(&app, post(body), 400, "Request is not valid JSON.").await;
        }
        for body in ["[]", "null", "1", "\"x\"", "true", "[{}]"] {
            assert!(expect_refusal(&app, post(body.into()), 400).await["error"].is_string());
        }
    }

    async fn nul_is_rejected_in_every_field(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        for field in ["bundle", "user_allowed", "user_target", "redeem_url", "ttl", "unknown"] {
            for value in [json!("\0"), json!("a\0b"), json!(["\0"]), json!({ "\0": 1 })] {
                expect_refusal(&app, app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body_with(field, value)), 400)
                    .await;
            }
        }
        let name = json!({ "first_name": "A\0da" });
        expect_refusal(&app, app.put(&scene.ada.uri()).by_user(&scene.ada).json(&name), 400).await;
        expect_refusal(&app, app.post("/api/user/").by_user(&root).json(&json!({ "email": "a\0@b.org" })), 400).await;
        expect_refusal(&app, app.post("/api/bundle/").by_user(&root).json(&json!({ "name": "\0" })), 400).await;
    }

    async fn a_list_is_rejected_for_a_scalar_field(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for field in ["bundle", "user_allowed", "user_target"] {
            for value in [
                json!([1]),
                json!([]),
                json!({}),
                json!({ "resource_uri": "/api/user/1/" }),
                json!(true),
                json!(1.5),
                json!(1e30),
                json!(u64::MAX),
            ] {
                let body =
                    expect_refusal(&app, app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body_with(field, value)), 400)
                        .await;
                assert!(body["bundle_permission_request"][field].is_array(), "{body}");
            }
        }
    }

    async fn numbers_of_any_size_are_handled(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for number in [
            json!(0),
            json!(-1),
            json!(i64::MAX),
            json!(i64::MIN),
            json!("99999999999999999999999999"),
            json!("-0"),
        ] {
            for field in ["bundle", "user_allowed", "user_target"] {
                expect_refusal(
                    &app,
                    app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body_with(field, number.clone())),
                    400,
                )
                .await;
            }
        }
        let digits = format!("{{\"ttl\":{}}}", "9".repeat(60_000));
        expect_refusal(&app, app.post(REQUESTS).by_user(&scene.ada).header("content-type", JSON).body(digits), 400).await;
    }

    async fn another_content_type_is_rejected_unless_the_body_is_empty(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let body = scene.request_body().to_string();
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "nonsense",
            "application/json5",
            "text/json",
        ] {
            let post = |body: &str| {
                app.post(REQUESTS).by_user(&scene.ada).header("content-type", kind).body(body.to_owned())
            };
            expect_refusal(&app, post(&body), 415).await;
            expect_refusal(&app, post(""), 400).await;
            let put = app.put(&scene.ada.uri()).by_user(&scene.ada).header("content-type", kind).body("{}");
            expect_refusal(&app, put, 415).await;
            for path in ["/api/user/", "/api/bundle/", "/api/bundle_permission/"] {
                expect_refusal(&app, app.post(path).by_user(&root).header("content-type", kind).body("{}"), 415).await;
            }
        }
        let odd = reqwest::header::HeaderValue::from_bytes(b"\xff").unwrap();
        expect_refusal(&app, app.post(REQUESTS).by_user(&scene.ada).header("content-type", odd).body(body.clone()), 415)
            .await;
        for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;"] {
            let post = app.post(REQUESTS).by_user(&scene.ada).header("content-type", kind).body(body.clone());
            expect_response(post, 201).await;
        }
        expect_response(app.post(REQUESTS).by_user(&scene.ada).body(body), 201).await;
    }

    async fn a_large_body_is_rejected_before_it_is_read(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for size in [64 * 1024 + 1, 10 * 1024 * 1024] {
            for path in [
                REQUESTS,
                "/api/user/",
                "/api/bundle/",
                "/api/bundle_permission/",
                "/api/connect/oauth2/token/",
            ] {
                let head = raw_head("POST", path, &scene.ada.key, &format!("Content-Length: {size}"));
                let answer = send_raw(&app, head.as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
                assert!(answer.contains("{\"error\":"), "{answer}");
            }
        }
        let padded = format!("{}{}", scene.request_body(), " ".repeat(64 * 1024 - scene.request_body().to_string().len()));
        assert_eq!(padded.len(), 64 * 1024);
        expect_response(app.post(REQUESTS).by_user(&scene.ada).header("content-type", JSON).body(padded), 201).await;
    }

    async fn a_large_chunked_body_is_rejected(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let rows = app.rows();
        for (method, path) in
            [("POST", REQUESTS.to_owned()), ("PUT", HexoFixture::token_path(&token)), ("DELETE", HexoFixture::token_path(&token))]
        {
            let mut request =
                raw_head(method, &path, &scene.grace.key, "Transfer-Encoding: chunked").into_bytes();
            for _ in 0..9 {
                request.extend(b"2000\r\n");
                request.extend([b' '; 0x2000]);
                request.extend(b"\r\n");
            }
            request.extend(b"0\r\n\r\n");
            let answer = send_raw(&app, &request).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{method}: {answer}");
        }
        assert_eq!(app.rows(), rows);
    }

    async fn unknown_and_repeated_fields_are_ignored(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let Value::Object(wish) = scene.request_body() else { panic!() };
        let known: Vec<String> = wish.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let body = format!(
            "{{\"ttl\":5,\"x\":{{\"y\":[1,{{}}]}},\"resource_uri\":7,\"id\":[],{},\"ttl\":60}}",
            known.join(",")
        );
        let post = app.post(REQUESTS).by_user(&scene.ada).header("content-type", JSON).body(body);
        assert_eq!(expect_response(post, 201).await["ttl"], 60, "the last one counts");
    }

    async fn a_cross_site_request_changes_nothing(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        for site in ["cross-site", "same-site"] {
            for request in [
                app.post(REQUESTS).json(&scene.request_body()),
                app.put(&HexoFixture::token_path(&token)),
                app.delete(&HexoFixture::token_path(&token)),
            ] {
                expect_refusal(&app, request.by_user(&scene.grace).header("sec-fetch-site", site), 403).await;
            }
        }
        expect_response(app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("sec-fetch-site", "cross-site"), 200)
            .await;
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("sec-fetch-site", "same-origin"), 200)
            .await;
    }

    async fn a_page_of_another_origin_changes_nothing_over_plain_http(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let host = app.url.strip_prefix("http://").unwrap();
        for (name, value) in [
            ("origin", "http://127.0.0.1:1"),
            ("origin", "http://other.test"),
            ("origin", "null"),
            ("origin", host),
            ("referer", "http://127.0.0.1:1/page"),
            ("referer", ""),
        ] {
            for request in [
                app.post(REQUESTS).json(&scene.request_body()),
                app.post(REQUESTS).body(scene.request_body().to_string()),
                app.put(&HexoFixture::token_path(&token)),
                app.delete(&HexoFixture::token_path(&token)),
            ] {
                expect_refusal(&app, request.by_user(&scene.grace).header(name, value), 403).await;
            }
        }
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("origin", &app.url), 200).await;
    }

    async fn a_body_without_a_content_type_is_rejected_if_it_has_an_origin(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for content_type in ["", "text/plain"] {
            let request = app.post(REQUESTS).body(scene.request_body().to_string()).header("origin", &app.url);
            let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
            expect_refusal(&app, request.by_user(&scene.ada), 415).await;
        }
        let request = app.post(REQUESTS).body(scene.request_body().to_string()).header("content-type", "");
        expect_refusal(&app, request.header("origin", &app.url).by_user(&scene.ada), 415).await;
        expect_response(app.post(REQUESTS).body(scene.request_body().to_string()).by_user(&scene.ada), 201).await;
    }

    async fn an_introspection_key_is_rejected_by_hexo(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let key = app.key(&scene.grace.user, countersign::store::api_keys::Scope::Introspect);
        for request in [
            app.get("/api/account/"),
            app.get("/api/user/"),
            app.post(REQUESTS).json(&scene.request_body()),
            app.put(&HexoFixture::token_path(&token)),
            app.delete(&HexoFixture::token_path(&token)),
        ] {
            expect_refusal(&app, request.bearer_auth(&key), 403).await;
        }
    }

    async fn a_disabled_user_cannot_authenticate(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        app.disable(&scene.grace);
        for request in [app.get("/api/account/"), app.get(&HexoFixture::token_path(&token)), app.put(&HexoFixture::token_path(&token))] {
            expect_refusal(&app, request.by_user(&scene.grace), 401).await;
        }
    }
}
