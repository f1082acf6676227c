//! Mail over a third-party SMTP server (aiosmtpd).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use countersign::mail::Message;
use countersign::mail::transport::Transport;
use countersign::store::outbox;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::helpers::{Backend, TestApp};
use crate::processes::Server;

/// An SMTP server that prints each mail. It exits when its stdin is closed.
pub struct SmtpCatcher {
    child: Child,
    mails: std::io::Lines<BufReader<ChildStdout>>,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl SmtpCatcher {
    pub fn start(arguments: &[&str]) -> Self {
        let python = std::env::var("COUNTERSIGN_TEST_PYTHON")
            .expect("COUNTERSIGN_TEST_PYTHON names a Python with aiosmtpd: run the tests by `make test`");
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp_catcher.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut mails = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = mails.next().expect("the SMTP server prints its port").unwrap().parse().unwrap();
        Self { child, mails, port }
    }

    /// Waits for the next mail.
    pub fn next_mail(&mut self) -> Value {
        serde_json::from_str(&self.mails.next().expect("a mail").unwrap()).unwrap()
    }
}

impl Drop for SmtpCatcher {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Starts a server with this `SMTP_URL` and creates a request. Asserts that its mail contains the
/// link.
fn assert_mail_arrives(catcher: &mut SmtpCatcher, smtp_url: &str) {
    let app = TestApp::without_server(Backend::Sqlite);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
    let _server = Server::start(&[
        ("DATABASE_URL", &app.database_url),
        ("SMTP_URL", smtp_url),
        ("MAIL_FROM", "Countersign <noreply@countersign.test>"),
    ]);
    let mail = catcher.next_mail();
    assert_eq!(mail["ehlo"], "countersign.test", "the host of public_url");
    assert_eq!(mail["mail_from"], "noreply@countersign.test");
    assert_eq!(mail["rcpt_tos"], serde_json::json!(["grace@example.org"]));
    let data = mail["data"].as_str().unwrap();
    let id = app.store.read(|conn| outbox::newest(conn, 1)).unwrap()[0].id;
    assert!(data.contains(&format!("Message-ID: <{id}@countersign.test>")), "{data}");
    assert!(
        data.contains(&format!("https://countersign.test/redeem?token={}", app.redeem_token(&request))),
        "{data}"
    );
    assert!(data.contains("multipart/alternative"));
}

/// Creates a private CA and a certificate for 127.0.0.1, and returns their files.
fn write_certificates(directory: &Path) -> [String; 3] {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    [("ca.pem", ca.pem()), ("leaf.pem", leaf.pem()), ("key.pem", key.serialize_pem())].map(|(name, pem)| {
        let path = directory.join(name);
        std::fs::File::create(&path).unwrap().write_all(pem.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

#[actix_web::test]
async fn a_mail_arrives_in_plain_text() {
    let mut catcher = SmtpCatcher::start(&[]);
    let url = format!("smtp://127.0.0.1:{}", catcher.port);
    assert_mail_arrives(&mut catcher, &url);
}

#[actix_web::test]
async fn a_refusal_of_this_server_is_logged_reported_and_counted() {
    let reply = "554 5.7.1 <grace@example.org>: Relay access denied to grace";
    let catcher = SmtpCatcher::start(&["--refuse", reply]);
    let app = TestApp::without_server(Backend::Sqlite);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
    let smtp_url = format!("smtp://127.0.0.1:{}", catcher.port);
    let server = Server::start(&[("DATABASE_URL", &app.database_url), ("SMTP_URL", &smtp_url)]);
    let line = server.next_log_line("WARN");
    assert!(line.contains("code=554") && line.contains("5.7.1 … Relay access denied to …"), "{line}");
    assert!(line.contains("RCPT TO") && !line.contains("grace") && !line.contains('@'), "{line}");
    let get =
        async |path: &str| reqwest::get(format!("{}{path}", server.url)).await.unwrap().text().await.unwrap();
    let ready: Value = serde_json::from_str(&get("/readyz").await).unwrap();
    assert_eq!((&ready["status"], &ready["mail"]["failed"]), (&"ready".into(), &0.into()));
    let refusal = &ready["mail"]["refusal"];
    assert_eq!((&refusal["command"], &refusal["code"]), (&"RCPT TO".into(), &554.into()), "{ready}");
    let metrics = get("/metrics").await;
    let (_, count) = metrics.split_once("countersign_mail_attempts_total{outcome=\"refused\"} ").unwrap();
    // Retried after five seconds.
    assert!(!count.starts_with('0'), "{metrics}");
}

#[actix_web::test]
async fn a_mail_arrives_by_starttls() {
    let directory = tempfile::tempdir().unwrap();
    let [ca, certificate, key] = write_certificates(directory.path());
    let mut catcher = SmtpCatcher::start(&["--starttls", &certificate, &key]);
    let url = format!("smtp+starttls://127.0.0.1:{}?ca={ca}", catcher.port);
    assert_mail_arrives(&mut catcher, &url);
}

/// Creates a self-signed certificate for 127.0.0.1 that is marked as a CA's, as `openssl req -x509` does, and returns
/// its files.
fn write_self_signed(directory: &Path, name: &str) -> [String; 2] {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    [("pem", certificate.pem()), ("key", key.serialize_pem())].map(|(kind, pem)| {
        let path = directory.join(format!("{name}.{kind}"));
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

#[actix_web::test]
async fn a_mail_arrives_at_a_server_whose_self_signed_certificate_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let [certificate, key] = write_self_signed(directory.path(), "server");
    for (option, scheme) in [("--starttls", "smtp+starttls"), ("--tls", "smtps")] {
        let mut catcher = SmtpCatcher::start(&[option, &certificate, &key]);
        let url = format!("{scheme}://127.0.0.1:{}?ca={certificate}", catcher.port);
        assert_mail_arrives(&mut catcher, &url);
    }
}

#[actix_web::test]
async fn another_self_signed_certificate_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let [certificate, key] = write_self_signed(directory.path(), "server");
    let [other, _] = write_self_signed(directory.path(), "other");
    let message = Message::builder()
        .from("a@example.org".parse().unwrap())
        .to("b@example.org".parse().unwrap())
        .body(String::new())
        .unwrap();
    for (option, scheme) in [("--starttls", "smtp+starttls"), ("--tls", "smtps")] {
        let catcher = SmtpCatcher::start(&[option, &certificate, &key]);
        let url = format!("{scheme}://user:password@127.0.0.1:{}?ca={other}", catcher.port);
        let transport = Transport::smtp(&url.parse().unwrap()).unwrap();
        let error = transport.send(&message, uuid::Uuid::nil()).await.unwrap_err().to_string();
        assert!(
            error.contains("CaUsedAsEndEntity") && error.contains("name this certificate in `ca`"),
            "{error}"
        );
    }
}

#[actix_web::test]
async fn a_mail_arrives_by_implicit_tls() {
    let directory = tempfile::tempdir().unwrap();
    let [ca, certificate, key] = write_certificates(directory.path());
    let mut catcher = SmtpCatcher::start(&["--tls", &certificate, &key]);
    let url = format!("smtps://127.0.0.1:{}?ca={ca}", catcher.port);
    assert_mail_arrives(&mut catcher, &url);
}
