//! Access decisions (OpenID AuthZEN Authorization API 1.0): their tests, and what they share.

mod conformance;
mod evaluations;
mod export_tokens;
mod input;
mod permissions;
mod search;

use countersign::domain::bundle::Bundle;
use countersign::domain::rights::Mask;
use countersign::domain::terms::Terms;
use countersign::store::api_keys::Scope;
use countersign::store::ledger::GrantPermission;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::helpers::{TestApp, TestUser};

pub const EVALUATION: &str = "/access/v1/evaluation";
pub const EVALUATIONS: &str = "/access/v1/evaluations";
pub const SUBJECTS: &str = "/access/v1/search/subject";
pub const RESOURCES: &str = "/access/v1/search/resource";
pub const ACTIONS: &str = "/access/v1/search/action";
/// All endpoints for questions.
pub const ALL: [&str; 5] = [EVALUATION, EVALUATIONS, SUBJECTS, RESOURCES, ACTIONS];

/// A server, and a service that asks it for decisions.
pub struct Asker<'a> {
    pub app: &'a TestApp,
    pub key: String,
}

impl<'a> Asker<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        let service = app.user("service@example.org");
        Self { app, key: app.key(&service.user, Scope::Check) }
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.app.post(path).bearer_auth(&self.key)
    }

    /// The status and the JSON body of the response.
    pub async fn ask(&self, path: &str, body: Value) -> (u16, Value) {
        send(self.post(path).json(&body)).await
    }

    /// The body of a response whose status is 200.
    pub async fn answer(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(path, body.clone()).await;
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    /// A single decision.
    pub async fn decision(&self, body: Value) -> bool {
        let answer = self.answer(EVALUATION, body).await;
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        answer["decision"].as_bool().unwrap()
    }

    /// The decisions of a batch.
    pub async fn decisions(&self, body: Value) -> Vec<bool> {
        let answer = self.answer(EVALUATIONS, body).await;
        let decisions = answer["evaluations"].as_array().unwrap_or_else(|| panic!("{answer}"));
        decisions.iter().map(|decision| decision["decision"].as_bool().unwrap()).collect()
    }

    /// Whether a user has a right over another one.
    pub async fn may(&self, subject: &TestUser, right: &str, target: &TestUser) -> bool {
        self.decision(question(subject.email(), right, target.email())).await
    }

    /// The ids or names that a search returns on its only page.
    pub async fn found(&self, path: &str, body: Value) -> Vec<String> {
        let answer = self.answer(path, body).await;
        assert_eq!(answer["page"]["next_token"], "", "{answer}");
        let results: Vec<String> = results(&answer);
        assert_eq!(answer["page"]["count"], results.len(), "{answer}");
        results
    }
}

/// The ids or names in the response to a search.
pub fn results(answer: &Value) -> Vec<String> {
    let text = |result: &Value| match result["name"].as_str() {
        Some(name) => name.to_owned(),
        None => {
            assert_eq!(result["type"], "user");
            result["id"].as_str().unwrap().to_owned()
        }
    };
    answer["results"].as_array().unwrap().iter().map(text).collect()
}

/// Sends a request and returns the status and the JSON body.
pub async fn send(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    (status, response.json().await.unwrap())
}

/// Asserts that a request is refused with this status and a message as a JSON string, and returns
/// the message.
pub async fn expect_refusal(request: RequestBuilder, status: u16) -> String {
    let (answered, body) = send(request).await;
    assert_eq!(answered, status, "{body}");
    let message = body.as_str().unwrap_or_else(|| panic!("not a string: {body}"));
    assert!(!message.is_empty());
    message.to_owned()
}

/// Whether a user has a right over another one.
pub fn question(subject: &str, right: &str, target: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": right },
        "resource": { "type": "user", "id": target },
    })
}

/// Whether an export token allows an access to a node of `hub`.
pub fn token_question(token: &str, right: &str, node: &str) -> Value {
    json!({
        "subject": { "type": "export_token", "id": token },
        "action": { "name": right },
        "resource": { "type": "node", "id": node, "properties": { "hub_id": "hub" } },
    })
}

/// Gives one user a bundle over another, without a request.
pub fn grant(app: &TestApp, grantee: &TestUser, target: &TestUser, bundle: &Bundle) -> i64 {
    grant_part(app, grantee, target, bundle, bundle.permission.bits().into(), None)
}

/// The same with these rights of the bundle, for this number of seconds.
pub fn grant_part(
    app: &TestApp,
    grantee: &TestUser,
    target: &TestUser,
    bundle: &Bundle,
    rights: i64,
    seconds: Option<i64>,
) -> i64 {
    let terms = Terms { target: target.user.id, grantee: grantee.user.id, bundle: bundle.id };
    let now = app.store.read(|conn| conn.now()).unwrap();
    let grant = GrantPermission {
        expires_at: seconds.map(|seconds| now.plus_seconds(seconds)),
        ..GrantPermission::without_end(terms, Mask::new(rights).unwrap())
    };
    match app.commit(grant) {
        Ok((permission, _)) => permission.id.0,
        Err(error) => panic!("not granted: {error}"),
    }
}
