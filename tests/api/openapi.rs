//! The OpenAPI document and the page that displays it.

use serde_json::Value;

/// The files that the page `/docs` loads, each with the start of its content type.
const FILES: [(&str, &str); 3] = [
    ("swagger-ui.css", "text/css"),
    ("swagger-ui-bundle.js", "text/javascript"),
    ("docs.js", "text/javascript"),
];

on_both_databases! {
    async fn the_document_is_served_as_json_without_credentials(app: TestApp) {
        let answer = app.get("/openapi.json").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let document: Value = answer.json().await.unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document, serde_json::to_value(countersign::http::openapi::document::document()).unwrap());
    }

    async fn the_docs_page_loads_only_local_files_and_no_inline_script(app: TestApp) {
        let page = app.get("/docs").send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers()["x-content-type-options"], "nosniff");
        assert_eq!(page.headers()["x-frame-options"], "DENY");
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let html = page.text().await.unwrap();
        for piece in html.split("<script").skip(1) {
            let (attributes, rest) = piece.split_once('>').unwrap();
            assert!(attributes.contains("src=\"/docs/") && rest.starts_with("</script>"), "{piece}");
        }
        for piece in html.split("href=\"").skip(1) {
            assert!(piece.starts_with("/docs/") || piece.starts_with("data:"), "{piece}");
        }
        assert!(FILES.iter().all(|(name, _)| html.contains(&format!("\"/docs/{name}\""))), "{html}");
    }

    async fn only_the_files_of_the_docs_page_are_served(app: TestApp) {
        for (name, kind) in FILES {
            let file = app.get(&format!("/docs/{name}")).send().await.unwrap();
            assert_eq!(file.status(), 200, "{name}");
            assert!(file.headers()["content-type"].to_str().unwrap().starts_with(kind), "{name}");
            assert_eq!(file.headers()["x-content-type-options"], "nosniff");
            assert!(!file.bytes().await.unwrap().is_empty(), "{name}");
        }
        for path in ["/docs/index.html", "/docs/oauth2-redirect.html", "/docs/..%2fopenapi.json", "/docs/a/b"] {
            let missing = app.get(path).send().await.unwrap();
            assert_eq!(missing.status(), 404, "{path}");
            assert_eq!(missing.json::<Value>().await.unwrap()["error"], "Not found.");
        }
    }
}
