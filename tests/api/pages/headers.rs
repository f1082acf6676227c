//! The headers of every response and the CSRF token of every form. The tests use the route table,
//! so that they cover new routes.

use reqwest::Method;

use crate::authorization_matrix::is_page;
use crate::helpers::{Backend, TestApp};
use crate::routes;

/// A path that matches this pattern.
fn example_path(pattern: &str) -> String {
    if pattern.is_empty() { "/".to_owned() } else { pattern.replace("{}", "1") }
}

#[actix_web::test]
async fn every_response_has_the_security_headers() {
    let app = TestApp::spawn(Backend::Sqlite);
    let root = app.staff("root@example.org");
    let visitor = app.signed_in(&root);
    let mut seen = 0;
    for (method, pattern) in routes::registered_routes().await {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for request in [
            app.request(method.clone(), &example_path(&pattern)),
            app.request(method.clone(), &example_path(&pattern)).bearer_auth(&root.key),
            visitor.request(&app, method.clone(), &example_path(&pattern)),
        ] {
            let answer = request.send().await.unwrap();
            let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
            let what = format!("{method} {pattern}: {}", answer.status());
            let policy = header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{what}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
            assert!(!policy.contains("unsafe"), "{what}: {policy}");
            assert_eq!(header("x-frame-options"), "DENY", "{what}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
            assert_eq!(header("referrer-policy"), "same-origin", "{what}");
            let is_public = pattern.starts_with("/assets") || pattern == "/.well-known/jwks.json";
            let is_cached = is_public && answer.status() == 200;
            assert!(header("cache-control") == "no-store" || is_cached, "{what}");
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}

#[actix_web::test]
async fn every_form_is_rejected_without_its_csrf_token_and_cross_site() {
    let app = TestApp::spawn(Backend::Sqlite);
    let root = app.staff("root@example.org");
    let (visitor, other) = (app.signed_in(&root), app.signed_in(&root));
    let before = app.rows();
    let mut forms = 0;
    for (method, pattern) in routes::registered_routes().await {
        if !is_page(&pattern) || matches!(method.as_str(), "GET" | "HEAD") {
            continue;
        }
        assert_eq!(method, "POST", "{pattern}: forms send POST alone");
        forms += 1;
        // Mail providers send it: its token authorizes it.
        if pattern == "/unsubscribe" {
            continue;
        }
        let path = example_path(&pattern);
        // Forms for signed-out visitors are shown again; here they are incomplete.
        let is_anonymous = ["/sign-in", "/forgot-password", "/set-password"].contains(&path.as_str());
        for request in [
            visitor.request(&app, Method::POST, &path).form(&[("x", "y")]),
            visitor.request(&app, Method::POST, &path).form(&[("csrf", "")]),
            visitor.request(&app, Method::POST, &path).form(&[("csrf", &other.csrf_token)]),
        ] {
            assert_eq!(
                request.send().await.unwrap().status(),
                if is_anonymous { 400 } else { 403 },
                "{path}"
            );
        }
        // Without a session, a form leads to the sign-in page.
        let answer = app.post(&path).form(&[("csrf", &visitor.csrf_token)]).send().await.unwrap();
        match answer.status().as_u16() {
            400 => {}
            303 => assert!(answer.headers()["location"].to_str().unwrap().starts_with("/sign-in"), "{path}"),
            other => panic!("{path}: {other}"),
        }
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://127.0.0.1:1"),
            ("origin", "null"),
            ("referer", "http://127.0.0.1:1/page"),
        ] {
            let request = visitor.post(&app, &path, &[]).header(name, value);
            assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
        }
    }
    let document = serde_json::to_value(countersign::http::openapi::document::document()).unwrap();
    let told = routes::documented_routes(&document).into_iter();
    assert_eq!(forms, told.filter(|(method, path)| method == "POST" && is_page(path)).count());
    assert_eq!(app.rows(), before);
}
