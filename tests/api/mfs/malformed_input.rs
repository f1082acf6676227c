//! mfs: malformed requests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use super::{CREATE, LIST, REVOKE, expect_refusal, hub_owner, read_envelope};
use crate::helpers::{ByUser, TestApp};

const MIB: usize = 1024 * 1024;

/// Sends these bytes and returns the response.
fn send_raw(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    // The server may reject the request before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

on_both_databases! {
    async fn a_body_over_64_kib_is_rejected(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        for size in [64 * 1024 + 1, 10 * MIB] {
            for path in [CREATE, REVOKE, LIST] {
                let ask = app.post(path).by_user(&ada).header("content-type", "application/json");
                expect_refusal(ask.body(vec![b' '; size]), 413, "payload_too_large").await;
            }
        }
        let full = format!("{{\"hub_id\":\"hub\",\"nid\":\"n\"{}}}", " ".repeat(64 * 1024 - 26));
        assert_eq!(full.len(), 64 * 1024);
        assert_eq!(app.rows(), before);
        let ask = app.post(CREATE).by_user(&ada).header("content-type", "application/json").body(full);
        assert_eq!(read_envelope(ask.send().await.unwrap()).await.0, 200);
    }

    async fn a_chunked_body_is_cut_off_at_the_limit(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        let head = format!(
            "POST {CREATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            ada.key,
        );
        let answer = send_raw(&app, (head + &format!("400\r\n{}\r\n", " ".repeat(1024)).repeat(65)).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("payload_too_large"), "{answer}");
        assert_eq!(app.rows(), before);
    }

    async fn malformed_bodies_are_bad_requests(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        let deep = "[".repeat(30_000);
        let deep_object = format!("{{\"hub_id\":{}1{}}}", "{\"a\":".repeat(200), "}".repeat(200));
        let bodies: [&[u8]; 11] = [
            b"{",
            b"[]",
            b"null",
            b"\"hub\"",
            b"{\"hub_id\":\"hub\",\"nid\":\"n\"",
            b"{\"hub_id\":\"hub\",\"nid\":\"n\"}x",
            b"{\"hub_id\":\"hub\",\"nid\":\"\xff\"}",
            b"{\"hub_id\":\"hub\",\"nid\":\"\\ud800\"}",
            b"\0",
            deep.as_bytes(),
            deep_object.as_bytes(),
        ];
        for body in bodies {
            let ask = app.post(CREATE).by_user(&ada).header("content-type", "application/json");
            expect_refusal(ask.body(body.to_vec()), 400, "bad_request").await;
        }
        for body in ["hub_id=hub&nid=%ff", "hub_id=hub&nid=n&%c0%80=1"] {
            let ask = app.post(CREATE).by_user(&ada).header("content-type", "application/x-www-form-urlencoded");
            expect_refusal(ask.body(body), 400, "bad_request").await;
        }
        for query in ["%7B", "{\"hub_id\":", "hub_id=hub&nid=%ff", "%7B%22nid%22:%22%ff%22%7D"] {
            expect_refusal(app.get(&format!("{CREATE}?{query}")).by_user(&ada), 400, "bad_request").await;
        }
        assert_eq!(app.rows(), before);
    }

    async fn other_content_types_are_not_supported(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        let body = json!({ "hub_id": "hub", "nid": "n" }).to_string();
        for content_type in ["text/plain", "text/json", "multipart/form-data; boundary=x", "", "application/xml"] {
            let ask = app.post(CREATE).by_user(&ada).header("content-type", content_type).body(body.clone());
            expect_refusal(ask, 415, "unsupported_media_type").await;
        }
        expect_refusal(app.post(CREATE).by_user(&ada).body(body), 415, "unsupported_media_type").await;
        assert_eq!(app.rows(), before);
    }

    async fn credentials_are_checked_before_parameters(app: TestApp) {
        let before = app.rows();
        for body in ["{", "[]"] {
            let ask = app.post(CREATE).header("content-type", "application/json").body(body);
            expect_refusal(ask, 401, "unauthorized").await;
        }
        expect_refusal(app.post(CREATE).body("x"), 401, "unauthorized").await;
        expect_refusal(app.get(&format!("{CREATE}?%7B")), 401, "unauthorized").await;
        assert_eq!(app.rows(), before);
    }

    async fn a_name_with_u_0000_is_rejected_in_every_source(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        for query in ["hub_id=hub%00&nid=n", "hub_id=hub&nid=%00", "%7B%22hub_id%22:%22hub%22,%22nid%22:%22%5Cu0000%22%7D"] {
            expect_refusal(app.get(&format!("{CREATE}?{query}")).by_user(&ada), 400, "invalid_parameter").await;
        }
        expect_refusal(app.post(CREATE).by_user(&ada).form(&[("hub_id", "hub"), ("nid", "\0")]), 400, "invalid_parameter").await;
        expect_refusal(app.post(REVOKE).by_user(&ada).json(&json!({ "token": "\0" })), 400, "invalid_parameter").await;
        assert_eq!(app.rows(), before);
    }

    async fn invalid_http_gets_a_400_and_the_server_survives(app: TestApp) {
        let host = "Host: x\r\n";
        for bytes in [
            "\r\n\r\n\0\0\0".to_owned(),
            "garbage\r\n\r\n".to_owned(),
            format!("POST {CREATE} HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n"),
            format!("POST {CREATE} HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ] {
            let answer = send_raw(&app, bytes.as_bytes());
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        }
        let piped = format!("GET {LIST} HTTP/1.1\r\n{host}\r\nPOST {LIST} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        assert_eq!(send_raw(&app, piped.as_bytes()).matches("HTTP/1.1 401 ").count(), 2);
    }
}
