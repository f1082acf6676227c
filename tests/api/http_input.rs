//! HTTP as browsers, proxies and libraries send it: cookies, credentials, encodings and paths.

use countersign::domain::audit::AuditContext;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::helpers::{Backend, TestApp, TestUser};

fn basic(pair: &[u8]) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// Sends a request whose path no URL parser has changed, and returns the response.
fn send_raw(app: &TestApp, head: &str) -> String {
    use std::io::{Read, Write};
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    // In one write, as `write!` would not do: the server may answer and close the connection after the first line.
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// The HTTP parser answers these itself, before any handler: docs/reference/http.md.
#[actix_web::test]
async fn what_is_not_http_gets_an_empty_answer_and_the_connection_ends() {
    let app = TestApp::spawn(Backend::Sqlite);
    let many: String = (0..120).map(|n| format!("\r\nx{n}: y")).collect();
    for (head, status) in [
        ("GET /healthz HTTP/9.9", "400 Bad Request"),
        ("G\u{7f}T /healthz HTTP/1.1", "400 Bad Request"),
        ("POST /healthz HTTP/1.1\r\nContent-Length: x", "400 Bad Request"),
        ("POST /healthz HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", "400 Bad Request"),
        (&format!("GET /healthz HTTP/1.1{many}"), "431 Request Header Fields Too Large"),
    ] {
        let response = send_raw(&app, head);
        let (response_head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(response_head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{response}");
        assert!(response_head.contains("content-length: 0"), "{response}");
        assert_eq!(body, "", "{response}");
    }
}

#[actix_web::test]
async fn a_byte_beyond_ascii_in_another_cookie_does_not_hide_the_session() {
    let app = TestApp::spawn(Backend::Sqlite);
    let visitor = app.signed_in(&app.user("ada@example.org"));
    let request = visitor.get(&app, "/account").build().unwrap();
    let cookie = request.headers()["cookie"].as_bytes();
    for other in [&b"x=\xe9; "[..], b"x; =; ", b"x=\"; "] {
        let cookie = HeaderValue::from_bytes(&[other, cookie].concat()).unwrap();
        assert_eq!(status(app.get("/account").header("cookie", cookie)).await, 200);
    }
}

#[actix_web::test]
async fn basic_credentials_in_latin_1_and_form_encoded_are_accepted() {
    let app = TestApp::spawn(Backend::Sqlite);
    let staff: TestUser = app.staff("ada@example.org");
    let hash = countersign::auth::password::hash("Gr\u{fc}\u{df}e: 100%").unwrap();
    let changed = app.store.write(|conn| {
        countersign::store::users::set_password(conn, staff.user.id, &hash, &AuditContext::OPERATOR)
    });
    changed.unwrap();
    for pair in [
        "ada@example.org:Gr\u{fc}\u{df}e: 100%".as_bytes(),
        b"ada@example.org:Gr\xfc\xdfe: 100%",
        b"ada%40example.org:Gr%C3%BC%C3%9Fe%3A+100%25",
    ] {
        let form = app.post("/oauth2/introspect").form(&[("token", "x")]);
        assert_eq!(status(form.header("authorization", basic(pair))).await, 200, "{pair:?}");
        assert_eq!(
            status(app.get("/api/account/").header("authorization", basic(pair))).await,
            200,
            "{pair:?}"
        );
    }
    let refused = app.get("/api/account/").send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"countersign\", charset=\"UTF-8\"");
}

#[actix_web::test]
async fn json_may_start_with_a_byte_order_mark() {
    let app = TestApp::spawn(Backend::Sqlite);
    let staff = app.staff("ada@example.org");
    let body = format!("\u{feff}{}", json!({"name": "Sleep", "description": "", "permission": 4}));
    let post = app.post("/api/bundle/").bearer_auth(&staff.key).header("content-type", "application/json");
    assert_eq!(status(post.body(body)).await, 201);
    let list = app.post("/-/svc/mfs_api.list").bearer_auth(&staff.key);
    assert_eq!(status(list.header("content-type", "application/json").body("\u{feff}{}")).await, 200);
}

#[actix_web::test]
async fn a_content_encoding_is_415_with_accept_encoding() {
    let app = TestApp::spawn(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    for path in ["/api/bundle_permission_request/", "/-/svc/mfs_api.list", "/oauth2/introspect", "/sign-in"] {
        for (coding, expected) in
            [("gzip", Some("identity")), ("identity, br", Some("identity")), ("Identity", None)]
        {
            let post = app.post(path).bearer_auth(&ada.key).header("content-encoding", coding).body("{}");
            let response = post.send().await.unwrap();
            let accepted = response.headers().get("accept-encoding").map(|value| value.to_str().unwrap());
            assert_eq!(accepted, expected, "{path} {coding}");
            assert!(expected.is_none() || response.status() == 415, "{path} {coding}");
        }
    }
}

#[actix_web::test]
async fn each_path_has_one_spelling() {
    let app = TestApp::spawn(Backend::Sqlite);
    for path in ["/metrics", "/healthz", "/sign-in", "/openapi.json"] {
        assert!(send_raw(&app, &format!("GET {path} HTTP/1.1")).starts_with("HTTP/1.1 200"), "{path}");
        let encoded = path.replacen(|c: char| c.is_alphabetic(), &format!("%{:x}", path.as_bytes()[1]), 1);
        for other in [
            encoded.as_str(),
            &format!("/{path}"),
            &format!("//{path}"),
            &format!("/{path}/"),
            &format!("{path}//"),
            &format!("/.{path}"),
            &format!("/x/..{path}"),
            &format!("{path}%2f"),
            &format!("{path}%00"),
            &format!("{path};x"),
        ] {
            let response = send_raw(&app, &format!("GET {other} HTTP/1.1"));
            assert!(response.starts_with("HTTP/1.1 404"), "{other}: {response}");
        }
        let response = send_raw(&app, &format!("GET {path}/?a=b HTTP/1.1"));
        assert!(response.starts_with("HTTP/1.1 308"), "{path}/: {response}");
        assert!(response.contains(&format!("location: {path}?a=b\r\n")), "{path}/: {response}");
        assert!(send_raw(&app, &format!("PUT {path}/ HTTP/1.1")).starts_with("HTTP/1.1 404"), "{path}/");
    }
    let ada = app.user("ada@example.org");
    for (path, expected) in [
        ("/api/account/", 200),
        ("/api/account", 200),
        ("/api//account/", 404),
        ("/api/%61ccount/", 404),
        ("/-/svc/mfs_api.list/", 200),
        ("/-/svc/mfs_api%2elist", 404),
    ] {
        let response = app.get(path).bearer_auth(&ada.key).send().await.unwrap();
        assert_eq!(response.status(), expected, "{path}");
        if expected == 404 {
            assert!(response.json::<Value>().await.unwrap().is_object(), "{path}: in the format of its API");
        }
    }
}

#[actix_web::test]
async fn a_browsers_get_with_stored_credentials_changes_nothing_over_plain_http() {
    let app = TestApp::spawn(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let before = app.rows();
    for method in [Method::GET, Method::HEAD] {
        for (name, value) in [("user-agent", "Mozilla/5.0 (X11)"), ("referer", "http://127.0.0.1:1/")] {
            let get = app.request(method.clone(), "/-/svc/mfs_api.create_token?hub_id=h&nid=n");
            let get = get.basic_auth(ada.email(), Some(crate::helpers::PASSWORD)).header(name, value);
            let status = status(get).await;
            assert!(status == 403 || status == 405, "{method} {name}: {status}");
        }
    }
    assert_eq!(app.rows(), before);
}

#[actix_web::test]
async fn upgrades_are_ignored_and_content_length_ends_the_body() {
    use std::io::{Read, Write};
    let app = TestApp::spawn(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let address = app.url.strip_prefix("http://").unwrap();
    for (connection, upgrade) in [
        ("upgrade", "websocket"),
        ("Upgrade, HTTP2-Settings", "h2c"),
        ("keep-alive", "websocket"),
        ("upgrade", "TLS/1.3, websocket"),
    ] {
        for (method, body, expected) in [("POST", "{}", 200), ("GET", "", 200), ("POST", "{", 400)] {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            let length =
                if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            write!(
                stream,
                "{method} /-/svc/mfs_api.list HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\
                 Upgrade: {upgrade}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{length}\r\n{body}",
                ada.key
            )
            .unwrap();
            let mut response = Vec::new();
            stream.read_to_end(&mut response).expect("the connection is closed, as announced");
            let response = String::from_utf8(response).unwrap().to_lowercase();
            let what = format!("{method} {connection} {upgrade}: {response}");
            assert!(response.starts_with(&format!("http/1.1 {expected} ")), "{what}");
            assert!(response.contains("connection: close\r\n"), "{what}");
        }
    }
}

#[actix_web::test]
async fn metrics_are_for_this_machine_and_listed_addresses() {
    let app = TestApp::spawn(Backend::Sqlite);
    assert_eq!(status(app.get("/metrics")).await, 200);
    for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        assert_eq!(status(app.get("/metrics").header(header, "127.0.0.1")).await, 404, "{header}");
    }
    let toml = "trusted_proxies = ['127.0.0.1']\n[metrics]\nallow = ['192.0.2.0/24']";
    let app = TestApp::spawn_with(Backend::Sqlite, toml);
    for (client, expected) in [("192.0.2.7", 200), ("198.51.100.7", 404), ("192.0.2.7, 198.51.100.7", 404)] {
        assert_eq!(status(app.get("/metrics").header("x-forwarded-for", client)).await, expected, "{client}");
    }
}

#[actix_web::test]
async fn errors_and_refused_preflights_of_a_listed_origin_can_be_read() {
    let app = TestApp::spawn_with(Backend::Sqlite, "cors.origins = ['https://app.example']");
    let large = "x".repeat(70_000);
    for (path, expected) in [("/api/bundle/", 413), ("/-/svc/mfs_api.list", 413), ("/oauth2/introspect", 413)]
    {
        let post =
            app.post(path).header("origin", "https://app.example").header("content-type", "application/json");
        let response = post.body(large.clone()).send().await.unwrap();
        assert_eq!(response.status(), expected, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example", "{path}");
    }
    for (path, member) in
        [("/api/account/", "error"), ("/-/svc/mfs_api.list", "data"), ("/oauth2/introspect", "error")]
    {
        for (origin, method, expected) in [
            ("https://app.example", "PUT", 200),
            ("https://other.example", "PUT", 403),
            ("https://app.example", "TRACE", 403),
            ("null", "PUT", 403),
        ] {
            let preflight = app.request(Method::OPTIONS, path).header("origin", origin);
            let preflight = preflight.header("access-control-request-method", method);
            let response = preflight.send().await.unwrap();
            assert_eq!(response.status(), expected, "{path} {origin} {method}");
            let allowed = response.headers().get("access-control-allow-origin").cloned();
            assert_eq!(allowed.is_some_and(|allowed| allowed == origin), origin == "https://app.example");
            if expected == 403 {
                let body: Value = response.json().await.unwrap();
                assert!(body.get(member).is_some(), "{path}: {body}");
            }
        }
    }
}

#[actix_web::test]
async fn strict_transport_security_is_sent_if_the_public_url_is_https() {
    let mut app = TestApp::spawn(Backend::Sqlite);
    let plain = app.spawn_replica_with("public_url = 'http://name.test'");
    let tls = app.spawn_replica_with("public_url = 'https://name.test'");
    for path in ["/sign-in", "/api/account/", "/healthz", "/nowhere"] {
        let response = app.get(&format!("{tls}{path}")).send().await.unwrap();
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000", "{path}");
        let response = app.get(&format!("{plain}{path}")).send().await.unwrap();
        assert!(!response.headers().contains_key("strict-transport-security"), "{path}");
    }
}
