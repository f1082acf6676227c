//! Links use the configured public URL, whatever the Host header of a request contains.

use serde_json::Value;

use crate::helpers::{TestApp, TestUser, token_in};
use crate::hexo::{HexoFixture, REQUESTS, send_raw};

/// Sends a raw request and returns the status, head and body of the response.
async fn raw_request(
    app: &TestApp,
    who: &TestUser,
    method: &str,
    target: &str,
    more: &str,
    body: &str,
) -> (u16, String, Value) {
    let request = format!(
        "{method} {target} HTTP/1.1\r\n{more}Authorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        who.key,
        body.len(),
    );
    let answer = send_raw(app, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Ways to name another host, in headers and in the request target.
const HOST_VARIANTS: [(&str, &str); 13] = [
    ("Host: evil.example\r\n", ""),
    ("Host: evil.example:8443\r\n", ""),
    ("Host: countersign.test.evil.example\r\n", ""),
    ("Host: x\r\nX-Forwarded-Host: evil.example\r\n", ""),
    ("Host: x\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 81\r\n", ""),
    ("Host: x\r\nForwarded: for=192.0.2.1;host=evil.example;proto=http\r\n", ""),
    ("Host: x\r\nX-Host: evil.example\r\nX-Forwarded-Server: evil.example\r\n", ""),
    ("Host: x\r\nX-Original-URL: http://evil.example/\r\nX-Rewrite-URL: //evil.example/\r\n", ""),
    ("Host: x\r\nX-Forwarded-Prefix: //evil.example\r\nReferer: http://evil.example/\r\n", ""),
    ("Host: x\r\nOrigin: http://evil.example\r\n", ""),
    ("Host: x\r\n", "http://evil.example"),
    (
        "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n",
        "https://evil.example:8443",
    ),
    ("Host: countersign.test\r\n", "http://user:password@evil.example"),
];

on_both_databases! {
    async fn the_host_header_does_not_change_links(mut app: TestApp) {
        // Also if a trusted proxy forwards the request.
        app.url = app.spawn_replica_with("trusted_proxies = ['127.0.0.1']");
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, .. } = &scene;
        let mut served = 0;
        for (headers, origin) in HOST_VARIANTS {
            let target = format!("{origin}{REQUESTS}");
            let (status, head, request) = raw_request(&app, ada, "POST", &target, headers, &scene.request_body().to_string()).await;
            if status != 201 {
                // The server rejects a target that it cannot parse and a page of another origin,
                // without side effects.
                let is_other_page = headers.contains("Origin:") || headers.contains("Referer:");
                assert_eq!(status, if is_other_page { 403 } else { 400 }, "{headers}{target}");
                continue;
            }
            served += 1;
            let uri = request["resource_uri"].as_str().unwrap();
            assert!(uri.starts_with(REQUESTS) && head.contains(&format!("\r\nlocation: {uri}\r\n")), "{head}");
            let mail = app.mails(served).await.pop().unwrap();
            assert!(mail.text.contains(&format!("https://countersign.test/redeem?token={}", token_in(&mail))));
            let (_, _, seen) = raw_request(&app, grace, "GET", &format!("{origin}{uri}"), headers, "").await;
            let link = seen["redeem_url"].as_str().unwrap();
            assert!(link.starts_with("https://countersign.test/redeem?token=csr_"), "{link}");
            let (_, _, list) = raw_request(&app, grace, "GET", &format!("{target}?limit=1"), headers, "").await;
            assert_eq!(list["objects"][0]["resource_uri"], uri);
            for told in [head, request.to_string(), mail.text, seen.to_string(), list.to_string()] {
                assert!(!told.contains("evil"), "{told}");
            }
        }
        assert!(served >= HOST_VARIANTS.len() - 3, "most requests are served: {served}");
    }

    async fn uris_of_another_host_are_rejected_whatever_the_host_header(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for (name, status) in [("countersign.test", 201), ("evil.example", 400)] {
            let uri = format!("https://{name}/api/user/{}/", scene.grace.id());
            let wish = scene.request_body_with("user_target", uri).to_string();
            let (got, ..) = raw_request(&app, &scene.ada, "POST", REQUESTS, "Host: evil.example\r\n", &wish).await;
            assert_eq!(got, status, "{name}");
        }
    }
}
