//! The hexo API: its tests, and what they share.

mod approve;
mod ask;
mod audit;
mod block;
mod bundle;
mod concurrency;
mod create_request;
mod idempotency;
mod index;
mod input;
mod list;
mod permission;
mod redeem;
mod renewal;
mod request;
mod request_lists;
mod user;

use countersign::domain::bundle::Bundle;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp, TestUser};

/// The path of permission requests.
pub const REQUESTS: &str = "/api/bundle_permission_request/";

/// Ada requests a bundle from Grace. Eve is neither party.
#[derive(Clone)]
pub struct HexoFixture {
    /// The requester: `user_allowed`.
    pub ada: TestUser,
    /// The target: `user_target`.
    pub grace: TestUser,
    pub eve: TestUser,
    /// The requested bundle.
    pub bundle: Bundle,
}

impl HexoFixture {
    pub fn new(app: &TestApp) -> Self {
        Self {
            ada: app.user("ada@example.org"),
            grace: app.user("grace@example.org"),
            eve: app.user("eve@example.org"),
            bundle: app.bundle("Sleep", 6),
        }
    }

    pub fn bundle_uri(&self) -> String {
        format!("/api/bundle/{}/", self.bundle.id)
    }

    /// The body of Ada's request.
    pub fn request_body(&self) -> Value {
        json!({
            "user_target": self.grace.uri(),
            "user_allowed": self.ada.uri(),
            "bundle": self.bundle_uri(),
        })
    }

    /// The body of Ada's request with one field changed.
    pub fn request_body_with(&self, field: &str, value: impl Into<Value>) -> Value {
        let mut wish = self.request_body();
        wish[field] = value.into();
        wish
    }

    /// Creates Ada's request over HTTP. Returns it with the token in its mail.
    pub async fn create_request(&self, app: &TestApp) -> (Value, String) {
        let mails = app.mailbox.sent().len();
        let request =
            expect_response(app.post(REQUESTS).by_user(&self.ada).json(&self.request_body()), 201).await;
        let mail = app.request_mail_after(mails).await;
        (request, crate::helpers::token_in(&mail))
    }

    /// Creates Ada's request with these fields over HTTP. Returns it with its token.
    pub async fn ask(&self, app: &TestApp, fields: Value) -> (Value, String) {
        let mut body = self.request_body();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request = expect_response(app.post(REQUESTS).by_user(&self.ada).json(&body), 201).await;
        let seen =
            expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(&self.grace), 200)
                .await;
        let (_, token) = seen["redeem_url"].as_str().unwrap().split_once("token=").unwrap();
        (request, token.to_owned())
    }

    /// The same people with a bundle of their own.
    pub fn with_bundle(&self, app: &TestApp, name: &str, mask: i64) -> Self {
        Self { bundle: app.bundle(name, mask), ..self.clone() }
    }

    /// A decision of Grace: `approve` or `decline`.
    pub fn decide(&self, app: &TestApp, token: &str, decision: &str, body: &Value) -> RequestBuilder {
        app.post(&format!("{}{decision}/", Self::token_path(token))).by_user(&self.grace).json(body)
    }

    /// The path of a redeem token.
    pub fn token_path(token: &str) -> String {
        format!("{REQUESTS}{token}/")
    }
}

/// The id at the end of a `resource_uri`.
pub fn resource_id(resource: &Value) -> i64 {
    let uri = resource["resource_uri"].as_str().unwrap();
    uri.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap()
}

/// Sends a request, asserts the status of its response, and returns the body, which is JSON or
/// empty.
pub async fn expect_response(request: RequestBuilder, status: u16) -> Value {
    let (got, body) = read_response(request.send().await.unwrap()).await;
    assert_eq!(got, status, "{body}");
    body
}

/// Sends a request and asserts that it is rejected with this status, changes no row and queues no
/// mail. Returns the body, which has the hexo format.
pub async fn expect_refusal(app: &TestApp, request: RequestBuilder, status: u16) -> Value {
    let rows = app.rows();
    let body = expect_response(request, status).await;
    assert_eq!(app.rows(), rows, "a rejected call changes nothing: {body}");
    // Mails that were pending before may be sent meanwhile, and again if their lease has ended.
    let owed = app.count("SELECT count(*) AS n FROM outbox");
    let sent: std::collections::HashSet<String> =
        app.mailbox.sent().into_iter().map(|mail| mail.message_id).collect();
    assert!(sent.len() as i64 <= owed, "a rejected call queues no mail");
    assert!(body.as_object().is_some_and(|body| body.len() == 1), "{body}");
    body
}

/// [`expect_refusal`] with this error text.
pub async fn expect_error(app: &TestApp, request: RequestBuilder, status: u16, error: &str) {
    assert_eq!(expect_refusal(app, request, status).await, json!({ "error": error }));
}

/// [`expect_refusal`] with an error for one field of a resource.
pub async fn expect_field_error(app: &TestApp, request: RequestBuilder, kind: &str, field: &str) {
    let body = expect_refusal(app, request, 400).await;
    let whys = body[kind][field].as_array().unwrap_or_else(|| panic!("{kind}.{field} is named: {body}"));
    assert!(whys.iter().all(Value::is_string) && whys.len() == 1, "{body}");
    assert_eq!(body[kind].as_object().unwrap().len(), 1, "{body}");
}

/// Sends these bytes and returns the response until the server closes the connection.
pub async fn send_raw(app: &TestApp, bytes: &[u8]) -> String {
    use std::io::{Read, Write};
    let (address, bytes) = (app.url.trim_start_matches("http://").to_owned(), bytes.to_vec());
    let talk = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        // The server may close the connection before it has read everything.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    talk.await.unwrap()
}

async fn read_response(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) };
    (status, body)
}
