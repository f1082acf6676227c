//! The mfs API: its tests, and what they share.

mod create;
mod error_status;
mod list;
mod malformed_input;
mod params;
mod revoke;

use countersign::domain::rights::Role;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp, TestUser};

pub const CREATE: &str = "/-/svc/mfs_api.create_token";
pub const REVOKE: &str = "/-/svc/mfs_api.revoke";
pub const LIST: &str = "/-/svc/mfs_api.list";

/// Sends a request, checks the envelope of its response, and returns the status and `data`.
pub async fn send_for_data(request: RequestBuilder) -> (u16, Value) {
    read_envelope(request.send().await.unwrap()).await
}

/// Checks the envelope of a response and returns the status and `data`.
pub async fn read_envelope(response: Response) -> (u16, Value) {
    let asked = response.url().path().trim_start_matches("/-/svc").trim_matches('/').to_owned();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "application/json");
    let mut envelope: Value = response.json().await.unwrap();
    assert_eq!(envelope["__ack__"], asked);
    assert_eq!(envelope["__status__"], "online");
    assert!(envelope["__timestamp__"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds");
    assert_eq!(envelope.as_object().unwrap().len(), 4);
    (status, envelope["data"].take())
}

/// Asserts that a call is rejected with this status and error code, and that the error has a
/// message.
pub async fn expect_refusal(request: RequestBuilder, status: u16, code: &str) {
    let (answered, data) = send_for_data(request).await;
    assert_eq!((answered, data["error"].as_str()), (status, Some(code)), "{data}");
    assert_eq!(data["status"], "error");
    assert!(!data["message"].as_str().unwrap().is_empty());
    assert_eq!(data.as_object().unwrap().len(), 3);
}

/// Creates a token with a JSON body and returns the `data` of the response.
pub async fn create(app: &TestApp, creator: &TestUser, body: Value) -> Value {
    let (status, data) = send_for_data(app.post(CREATE).by_user(creator).json(&body)).await;
    assert_eq!((status, &data["status"]), (200, &json!("ok")), "{data}");
    data
}

/// Creates a token for this node of `hub` with this mask. Returns its secret and its id.
pub async fn create_token(app: &TestApp, creator: &TestUser, nid: &str, permission: i64) -> (String, String) {
    let data = create(app, creator, json!({ "hub_id": "hub", "nid": nid, "permission": permission })).await;
    (data["token"].as_str().unwrap().to_owned(), data["id"].as_str().unwrap().to_owned())
}

/// Adds the owner of `hub`.
pub fn hub_owner(app: &TestApp) -> TestUser {
    let owner = app.user("ada@example.org");
    app.grant_role("hub", &owner, Role::Owner);
    owner
}

pub fn count_revoked(app: &TestApp) -> i64 {
    app.count("SELECT count(*) AS n FROM export_tokens WHERE revoked_at IS NOT NULL")
}
