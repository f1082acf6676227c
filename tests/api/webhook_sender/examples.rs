//! The receivers in `examples/`.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use countersign::domain::audit::AuditAction;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::webhook::{AttemptOutcome, FailureReason, WebhookSecret, payload};
use countersign::store::system_now;
use countersign::webhook::{Delivery, WebhookSender};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::libraries::variable;
use super::{Setup, secret};

/// A receiver that runs until it is dropped.
struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    sender: WebhookSender,
}

impl Example {
    fn start(mut command: Command) -> Self {
        let secret = secret(1).text();
        let command = command.env("WEBHOOK_SECRET", secret.expose_secret()).env("PORT", "0");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.strip_prefix("listening on ").unwrap().to_owned();
        // A slow machine.
        let sender = Setup::local().sender().with_timeout(Duration::from_secs(60));
        Self { child, lines, url, sender }
    }

    /// The status for an event that is signed by these secrets at this time.
    async fn status(&self, id: u128, action: AuditAction, secrets: &[WebhookSecret], at: Timestamp) -> u16 {
        let body = payload(action.name(), at, &json!({"request": format!("/request/{id}/")})).unwrap();
        let url = self.url.parse().unwrap();
        let delivery =
            Delivery { url: &url, secrets, id: Uuid::from_u128(id), body: &body, traceparent: None };
        match self.sender.send(&delivery, at).await.outcome {
            AttemptOutcome::Delivered { status } => status,
            AttemptOutcome::Failed { reason: FailureReason::Status, status: Some(status), .. } => status,
            other => panic!("{other:?}"),
        }
    }

    fn next_line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn acts_on_genuine_deliveries_once(mut example: Example) {
    use AuditAction::{RequestApproved, RequestDeclined};
    let now = system_now();
    let (ours, old) = ([secret(1)], [secret(2), secret(1)]);
    assert_eq!(example.status(1, RequestApproved, &ours, now).await, 204);
    assert_eq!(example.next_line().replace(' ', ""), r#"approved:{"request":"/request/1/"}"#);
    // None of these prints a line.
    assert_eq!(example.status(1, RequestApproved, &ours, now).await, 204, "another attempt");
    assert_eq!(example.status(2, RequestDeclined, &ours, now).await, 204);
    assert_eq!(example.status(3, RequestApproved, &[secret(2)], now).await, 401);
    assert_eq!(example.status(4, RequestApproved, &[], now).await, 401);
    for seconds in [-3_600, 3_600] {
        assert_eq!(example.status(5, RequestApproved, &ours, now.plus_seconds(seconds)).await, 401);
    }
    assert_eq!(example.status(6, RequestApproved, &old, now).await, 204, "the secret was rotated");
    assert_eq!(example.next_line().replace(' ', ""), r#"approved:{"request":"/request/6/"}"#);
}

fn example_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

#[actix_web::test]
async fn the_receiver_in_python_acts_on_approvals() {
    let mut command = Command::new(variable("COUNTERSIGN_TEST_PYTHON"));
    command.arg(example_file("webhook_receiver.py"));
    acts_on_genuine_deliveries_once(Example::start(command)).await;
}

#[actix_web::test]
async fn the_receiver_in_typescript_acts_on_approvals() {
    let directory = tempfile::tempdir().unwrap();
    let packages = Path::new(&variable("COUNTERSIGN_TEST_JOSE")).join("node_modules");
    let compiled = Command::new("node")
        .arg(packages.join("typescript/bin/tsc"))
        .args([
            "--strict",
            "--skipLibCheck",
            "--target",
            "es2022",
            "--module",
            "nodenext",
            "--types",
            "node",
            "--typeRoots",
        ])
        .arg(packages.join("@types"))
        .arg("--outDir")
        .arg(directory.path())
        .arg(example_file("webhook_receiver.ts"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    let mut command = Command::new("node");
    command.arg(directory.path().join("webhook_receiver.js"));
    acts_on_genuine_deliveries_once(Example::start(command)).await;
}
