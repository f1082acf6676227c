//! Signatures, verified by the libraries of Standard Webhooks for Python and JavaScript.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign::domain::timestamp::Timestamp;
use countersign::domain::webhook::{WebhookSecret, WebhookUrl};
use countersign::store::system_now;
use countersign::webhook::Delivery;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::receiver::{Received, Receiver};
use super::{BODY, ID, OK, Setup, responds, secret};

/// A variable that `tests/run` sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
}

/// A verifier of PyPI or npm.
fn library(name: &str) -> Command {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/webhooks");
    let mut command = match name {
        "verify.py" => Command::new(variable("COUNTERSIGN_TEST_PYTHON")),
        _ => Command::new("node"),
    };
    command.arg(directory.join(name)).env("COUNTERSIGN_TEST_JOSE", variable("COUNTERSIGN_TEST_JOSE"));
    command
}

/// Has a library verify the deliveries. For each: its content, or the error.
fn verify(mut library: Command, deliveries: &[Value]) -> Vec<Value> {
    let mut child = library.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!(deliveries).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a receiver gets if the server has these secrets and sends at this time.
async fn received(secrets: &[WebhookSecret], at: Timestamp) -> Received {
    let mut receiver = Receiver::start(responds(OK)).await;
    let url: WebhookUrl = receiver.url("http", "127.0.0.1").parse().unwrap();
    Setup::local()
        .sender()
        .send(&Delivery { url: &url, secrets, id: ID, body: BODY, traceparent: None }, at)
        .await;
    receiver.next().await
}

/// The input of a verifier that knows this secret.
fn input(received: &Received, known: u8) -> Value {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), received.header(name).into())).collect();
    json!({"secret": secret(known).text().expose_secret(), "headers": headers, "body": received.body})
}

#[actix_web::test]
async fn the_standard_libraries_verify_deliveries() {
    let now = system_now();
    let plain = received(&[secret(1)], now).await;
    let rotated = received(&[secret(2), secret(1)], now).await;
    let changed = Received { body: plain.body.replace("approved", "declined"), ..plain.clone() };
    let mut replayed = input(&plain, 1);
    replayed["headers"]["webhook-id"] = "another".into();
    let mut shifted = input(&plain, 1);
    shifted["headers"]["webhook-timestamp"] = (now.seconds() + 1).to_string().into();
    let deliveries = [
        input(&plain, 1),
        input(&rotated, 1),
        input(&rotated, 2),
        input(&plain, 2),
        input(&rotated, 3),
        input(&changed, 1),
        replayed,
        shifted,
        // The clocks of the server and the receiver differ by an hour.
        input(&received(&[secret(1)], now.plus_seconds(-3_600)).await, 1),
        input(&received(&[secret(1)], now.plus_seconds(3_600)).await, 1),
    ];
    let content: Value = serde_json::from_str(BODY).unwrap();
    let (mismatch, accepted) = ("No matching signature found", [(); 3].map(|()| content.clone()));
    let mut expected = accepted.to_vec();
    expected.extend([mismatch; 5].map(Value::from));
    expected.extend(["Message timestamp too old", "Message timestamp too new"].map(Value::from));
    for name in ["verify.py", "verify.cjs"] {
        assert_eq!(verify(library(name), &deliveries), expected, "{name}");
    }
}
