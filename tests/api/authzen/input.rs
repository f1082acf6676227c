//! Who may ask, and what cannot be asked.

use countersign::store::api_keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ALL, Asker, EVALUATION, EVALUATIONS, expect_refusal, question, send};
use crate::helpers::{ByUser, PASSWORD};
use crate::mfs;

on_both_databases! {
    async fn staff_and_keys_with_a_scope_may_ask(app: TestApp) {
        let (ada, root) = (app.user("ada@example.org"), app.staff("root@example.org"));
        let (_, token) = {
            app.grant_role("hub", &ada, countersign::domain::rights::Role::Owner);
            app.export(&ada)
        };
        let body = question("1", "read", "2");
        let before = app.rows();
        for path in ALL {
            let ask = || app.post(path).json(&body);
            let keys = [Scope::Check, Scope::Introspect].map(|scope| app.key(&ada.user, scope));
            for key in keys {
                assert_eq!(send(ask().bearer_auth(&key)).await.0, 200, "{path}");
                let pair = format!("ApiKey {}:{key}", ada.email());
                assert_eq!(send(ask().header("authorization", pair)).await.0, 200, "{path}");
            }
            assert_eq!(send(ask().by_user(&root)).await.0, 200, "{path}");
            assert_eq!(send(ask().basic_auth(root.email(), Some(PASSWORD))).await.0, 200, "{path}");
            expect_refusal(ask().by_user(&ada), 403).await;
            expect_refusal(ask().basic_auth(ada.email(), Some(PASSWORD)), 403).await;
            expect_refusal(app.post(path).by_user(&ada).body("{"), 403).await;
            expect_refusal(app.post(path), 401).await;
            expect_refusal(ask().bearer_auth("nonsense"), 401).await;
            expect_refusal(ask().bearer_auth(token.expose()), 401).await;
            let refused = ask().bearer_auth(token.expose()).send().await.unwrap();
            assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"countersign\", charset=\"UTF-8\"");
        }
        assert_eq!(app.rows_except("api_keys"), { let mut rows = before; rows.remove("api_keys"); rows });
    }

    async fn a_key_with_the_check_scope_may_do_nothing_else(app: TestApp) {
        let root = app.staff("root@example.org");
        let key = app.key(&root.user, Scope::Check);
        let before = app.rows();
        for path in ["/api/account/", "/api/user/", "/api/bundle/", "/api/bundle_permission/", "/api/audit/"] {
            let refused = app.get(path).bearer_auth(&key).send().await.unwrap();
            assert_eq!(refused.status(), 403, "{path}");
            assert!(refused.text().await.unwrap().contains("only the check scope"), "{path}");
        }
        mfs::expect_refusal(app.get(mfs::LIST).bearer_auth(&key), 403, "forbidden").await;
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            let refused = app.post(path).bearer_auth(&key).form(&[("token", "x")]).send().await.unwrap();
            assert_eq!(refused.status(), 403, "{path}");
        }
        let made = app.post("/api/bundle/").bearer_auth(&key).json(&json!({ "name": "Sleep" })).send().await.unwrap();
        assert_eq!(made.status(), 403);
        assert_eq!(app.rows(), before);
    }

    async fn errors_are_json_strings(app: TestApp) {
        let asker = Asker::new(&app);
        let before = app.rows();
        for path in ALL {
            for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
                let refused = app.request(method, path).send().await.unwrap();
                assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"POST".parse().unwrap()));
                assert!(refused.json::<Value>().await.unwrap().is_string());
            }
            let typed = |media_type: &'static str, body: &'static str| asker.post(path).header("content-type", media_type).body(body);
            for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
                expect_refusal(typed(media_type, "{}"), 415).await;
            }
            expect_refusal(asker.post(path).body("{}"), 415).await;
            expect_refusal(typed("application/json", "{}").header("content-encoding", "gzip"), 415).await;
            for body in [
                "", " ", "{", "nonsense", "[]", "null", "1", "\"x\"", "[{}]", "{}{}", "{'subject': 1}", "{\"a\": \"\\ud800\"}",
                "{\"subject\": {\"type\": \"us\\u0000er\"}}", "{\"x\\u0000\": 1}",
            ] {
                expect_refusal(typed("application/json", body), 400).await;
            }
            expect_refusal(typed("APPLICATION/JSON; charset=utf-8", ""), 400).await;
            let large = format!("{{\"x\": \"{}\"}}", "x".repeat(1 << 20));
            let large = asker.post(path).header("content-type", "application/json").body(large);
            assert!(expect_refusal(large, 413).await.contains("1 MiB"));
            let deep = "[".repeat(200_000);
            expect_refusal(asker.post(path).header("content-type", "application/json").body(deep), 400).await;
            expect_refusal(asker.post(path).json(&json!({})).header("sec-fetch-site", "cross-site"), 403).await;
            let slash = app.post(&format!("{path}/")).bearer_auth(&asker.key).json(&question("1", "read", "2"));
            assert_eq!(send(slash).await.0, 200);
        }
        expect_refusal(asker.post("/access/v1/search"), 404).await;
        assert_eq!(app.rows(), before);
    }

    async fn a_body_of_up_to_a_mebibyte_is_read(app: TestApp) {
        let asker = Asker::new(&app);
        let mut body = question("1", "read", "2");
        body["context"] = json!({ "x": "x".repeat(1_000_000) });
        assert!(!asker.decision(body).await);
        let elsewhere = app.post("/oauth2/introspect").bearer_auth(&asker.key).body("x".repeat(70_000));
        assert_eq!(elsewhere.send().await.unwrap().status(), 413);
    }

    async fn a_member_that_is_there_twice_is_refused(app: TestApp) {
        let asker = Asker::new(&app);
        let valid = question("1", "read", "2").to_string();
        for member in ["subject", "action", "resource"] {
            let twice = valid.replacen('{', &format!("{{\"{member}\": null, "), 1);
            let asked = asker.post(EVALUATION).header("content-type", "application/json").body(twice);
            assert!(expect_refusal(asked, 400).await.contains("twice"), "{member}");
        }
        let ignored = valid.replacen('{', "{\"x\": 1, \"x\": 2, ", 1);
        assert_eq!(send(asker.post(EVALUATION).header("content-type", "application/json").body(ignored)).await.0, 200);
    }

    async fn a_byte_order_mark_is_skipped(app: TestApp) {
        let asker = Asker::new(&app);
        let body = format!("\u{feff}{}", question("1", "read", "2"));
        for path in [EVALUATION, EVALUATIONS] {
            let asked = asker.post(path).header("content-type", "application/json").body(body.clone());
            assert_eq!(send(asked).await, (200, json!({ "decision": false })));
        }
    }
}
