//! One attempt to deliver a webhook, to receivers of the tests' own.

mod examples;
mod libraries;
pub mod receiver;
mod targets;

use std::path::PathBuf;
use std::time::Duration;

use countersign::config::{ProxyNet, WebhookProxy, WebhookSettings};
use countersign::domain::timestamp::Timestamp;
use countersign::domain::webhook::{
    AttemptOutcome, FailureReason, WebhookSecret, WebhookUrl, signature_header,
};
use countersign::webhook::{Delivery, Report, Resolver, WebhookSender};
use uuid::Uuid;

use receiver::{Behaviour, Received, Receiver, TestCa, self_signed_server};

const ID: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0007);
const BODY: &str = r#"{"type":"request.approved","timestamp":"2030-01-01T00:00:00Z","data":{"name":"Ä"}}"#;
/// 2030-01-01.
const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

/// A sender that may use these networks, and trusts a CA.
struct Setup {
    allow: &'static [&'static str],
    resolver: Resolver,
    proxy: Option<WebhookProxy>,
    ca: Option<PathBuf>,
}

impl Setup {
    /// This machine is allowed, and `hooks.test` leads to it.
    fn local() -> Self {
        Self {
            allow: &["127.0.0.0/8"],
            resolver: Resolver::Manual(std::sync::Arc::new(|name| match name {
                "hooks.test" | "eu.hooks.test" => vec!["127.0.0.1".parse().unwrap()],
                _ => Vec::new(),
            })),
            proxy: None,
            ca: None,
        }
    }

    fn sender(self) -> WebhookSender {
        let allow = self.allow.iter().map(|net| net.parse::<ProxyNet>().unwrap()).collect();
        let settings = WebhookSettings { allow, proxy: self.proxy, ca: self.ca };
        WebhookSender::new(&settings, self.resolver).unwrap()
    }

    async fn send(self, url: &str) -> Report {
        send_by(&self.sender(), url).await
    }
}

fn secret(byte: u8) -> WebhookSecret {
    WebhookSecret::new([byte; 32])
}

async fn send_by(sender: &WebhookSender, url: &str) -> Report {
    let url: WebhookUrl = url.parse().unwrap();
    sender
        .send(&Delivery { url: &url, secrets: &[secret(1)], id: ID, body: BODY, traceparent: None }, NOW)
        .await
}

fn failed(reason: FailureReason) -> AttemptOutcome {
    AttemptOutcome::failed(reason)
}

const DELIVERED: AttemptOutcome = AttemptOutcome::Delivered { status: 200 };
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn responds(response: &str) -> Behaviour {
    Behaviour::Respond(response.to_owned())
}

#[actix_web::test]
async fn a_delivery_is_a_signed_post_request() {
    let mut receiver = Receiver::start(responds(OK)).await;
    let report = Setup::local().send(&receiver.url("http", "hooks.test")).await;
    assert_eq!(report.outcome, DELIVERED);
    assert!(report.duration > Duration::ZERO);
    let Received { head, body } = receiver.next().await;
    let lines: Vec<&str> = head.lines().collect();
    let signature = signature_header(&[secret(1)], ID, NOW, BODY.as_bytes());
    assert_eq!(
        lines,
        [
            "POST /hook?from=countersign HTTP/1.1",
            &format!("Host: hooks.test:{}", receiver.address.port()),
            concat!("User-Agent: countersign/", env!("CARGO_PKG_VERSION")),
            "Content-Type: application/json",
            &format!("Content-Length: {}", BODY.len()),
            "Connection: close",
            &format!("webhook-id: {ID}"),
            "webhook-timestamp: 1893456000",
            &format!("webhook-signature: {signature}"),
        ]
    );
    assert_eq!(body, BODY);
}

#[actix_web::test]
async fn the_status_decides() {
    use FailureReason::{Redirect, Status};
    let failed = |reason, status, seconds: Option<u64>| AttemptOutcome::Failed {
        reason,
        status: Some(status),
        retry_after: seconds.map(Duration::from_secs),
    };
    let elsewhere = Receiver::start(responds(OK)).await;
    let location = format!("Location: {}\r\n", elsewhere.url("http", "127.0.0.1"));
    for (status, header, outcome) in [
        (200, "", DELIVERED),
        (202, "", AttemptOutcome::Delivered { status: 202 }),
        (204, "", AttemptOutcome::Delivered { status: 204 }),
        (299, "", AttemptOutcome::Delivered { status: 299 }),
        (301, &*location, failed(Redirect, 301, None)),
        (302, &location, failed(Redirect, 302, None)),
        (303, &location, failed(Redirect, 303, None)),
        (304, "", failed(Redirect, 304, None)),
        (307, &location, failed(Redirect, 307, None)),
        (308, &location, failed(Redirect, 308, None)),
        (400, "", failed(Status, 400, None)),
        (401, "WWW-Authenticate: Basic\r\n", failed(Status, 401, None)),
        (404, "", failed(Status, 404, None)),
        (407, "", failed(Status, 407, None)),
        (410, "Retry-After: 5\r\n", AttemptOutcome::Gone),
        (429, "Retry-After: 120\r\n", failed(Status, 429, Some(120))),
        (429, "Retry-After: 864000\r\n", failed(Status, 429, Some(86_400))),
        (500, "", failed(Status, 500, None)),
        (503, "retry-after: Tue, 01 Jan 2030 00:10:00 GMT\r\n", failed(Status, 503, Some(600))),
        (503, "Retry-After: soon\r\n", failed(Status, 503, None)),
        // The receiver's clock is wrong.
        (200, "Date: Tue, 01 Jan 2030 01:00:00 GMT\r\n", DELIVERED),
        (
            503,
            "Date: Mon, 31 Dec 2029 23:00:00 GMT\r\nRetry-After: Mon, 31 Dec 2029 23:10:00 GMT\r\n",
            failed(Status, 503, Some(0)),
        ),
        (503, "Retry-After: Tue, 01 Jan 2030 01:10:00 GMT\r\n", failed(Status, 503, Some(4_200))),
        (503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", failed(Status, 503, Some(86_400))),
        (503, "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", failed(Status, 503, Some(0))),
    ] {
        let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n{header}\r\n");
        let receiver = Receiver::start(responds(&response)).await;
        let report = Setup::local().send(&receiver.url("http", "127.0.0.1")).await;
        assert_eq!((report.outcome, receiver.connections()), (outcome, 1), "{status} {header}");
    }
    assert_eq!(elsewhere.connections(), 0, "no redirect is followed");
}

#[actix_web::test]
async fn a_receiver_can_respond_in_other_ways() {
    for (behaviour, outcome) in [
        (responds("HTTP/1.0 200\r\n\r\n"), DELIVERED),
        (responds("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), DELIVERED),
        (Behaviour::Hasty, DELIVERED),
        (responds("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"), DELIVERED),
        (responds("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense"), DELIVERED),
        (responds("SSH-2.0-OpenSSH_9.2\r\n"), failed(FailureReason::Protocol)),
        (responds("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), failed(FailureReason::Protocol)),
        (responds("HTTP/1.1 200 OK\r\nContent-Le"), failed(FailureReason::Connect)),
        (responds(""), failed(FailureReason::Connect)),
        (Behaviour::HangUp, failed(FailureReason::Connect)),
    ] {
        let receiver = Receiver::start(behaviour).await;
        let report = Setup::local().send(&receiver.url("http", "127.0.0.1")).await;
        assert_eq!(report.outcome, outcome);
    }
}

#[actix_web::test]
async fn a_receiver_that_stalls_is_given_up() {
    let limit = Duration::from_millis(300);
    for text in ["", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
        let receiver = Receiver::start(Behaviour::Stall(text)).await;
        let sender = Setup::local().sender().with_timeout(limit);
        // Over TLS, the receiver also stalls: it waits for a request in plain text.
        for scheme in ["http", "https"] {
            let report = send_by(&sender, &receiver.url(scheme, "127.0.0.1")).await;
            assert_eq!(report.outcome, failed(FailureReason::Timeout), "{scheme}");
            assert!(report.duration >= limit);
        }
    }
}

#[actix_web::test]
async fn a_body_without_end_is_not_read() {
    let chunk: &str = "x\n".repeat(1_000).leak();
    for (start, outcome) in [
        ("HTTP/1.1 200 OK\r\n\r\n", DELIVERED),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", DELIVERED),
        ("HTTP/1.1 410 Gone\r\n\r\n", AttemptOutcome::Gone),
        // Neither is a head without end.
        ("HTTP/1.1 200 OK\r\nx: ", failed(FailureReason::Protocol)),
    ] {
        let receiver = Receiver::start(Behaviour::Endless(start, chunk)).await;
        let report = Setup::local().send(&receiver.url("http", "127.0.0.1")).await;
        assert_eq!(report.outcome, outcome, "{start}");
        // Most of it is in the buffers of the two sockets.
        let sent = receiver.sent.load(std::sync::atomic::Ordering::SeqCst);
        assert!(sent < 16_000_000, "{sent}");
    }
    // A body that stalls holds the sender for half a second, and does not count.
    let receiver = Receiver::start(Behaviour::Stall("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")).await;
    assert_eq!(Setup::local().send(&receiver.url("http", "127.0.0.1")).await.outcome, DELIVERED);
}

#[actix_web::test]
async fn a_certificate_must_be_valid_for_the_host_and_from_a_trusted_ca() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    for (tls, host, outcome) in [
        (ca.server("hooks.test"), "hooks.test", DELIVERED),
        (ca.server("127.0.0.1"), "127.0.0.1", DELIVERED),
        (ca.server("*.hooks.test"), "eu.hooks.test", DELIVERED),
        (ca.server("other.test"), "hooks.test", failed(FailureReason::Certificate)),
        (ca.server("hooks.test"), "127.0.0.1", failed(FailureReason::Certificate)),
        (ca.server_until("hooks.test", 2020), "hooks.test", failed(FailureReason::Certificate)),
        (other.server("hooks.test"), "hooks.test", failed(FailureReason::Certificate)),
        (self_signed_server("hooks.test"), "hooks.test", failed(FailureReason::Certificate)),
    ] {
        let receiver = Receiver::start_at("127.0.0.1:0", responds(OK), Some(tls)).await;
        let setup = Setup { ca: Some(ca.file()), ..Setup::local() };
        assert_eq!(setup.send(&receiver.url("https", host)).await.outcome, outcome, "{host}");
    }
    let receiver = Receiver::start_at("127.0.0.1:0", responds(OK), Some(ca.server("hooks.test"))).await;
    let report = Setup::local().send(&receiver.url("https", "hooks.test")).await;
    assert_eq!(report.outcome, failed(FailureReason::Certificate), "the CA must be configured");
    let plain = Receiver::start(Behaviour::Hasty).await;
    let report = Setup::local().send(&plain.url("https", "hooks.test")).await;
    assert_eq!(report.outcome, failed(FailureReason::Tls), "the receiver does not speak TLS");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [("empty.pem", Some("")), ("text.pem", Some("hello")), ("missing.pem", None)] {
        let path = directory.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let settings = WebhookSettings { ca: Some(path), ..WebhookSettings::default() };
        let error = WebhookSender::new(&settings, Resolver::System).err().unwrap().to_string();
        assert!(error.starts_with("webhooks.ca: ") && error.contains(name), "{error}");
    }
}
