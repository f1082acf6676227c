//! A client that sends requests and records the outcomes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::checker::{LIMITED_SECONDS, REASON};
use crate::database_state::{HUB, NODE, TestToken, TestTokenKind, TestUsers};
use crate::history::{HistoryEntry, Outcome, Terms, TokenAction, now_micros};
use crate::http_client::{HttpClient, HttpResponse, SendResult};
use crate::replica::Replica;
use crate::rng::Rng;

/// The number of attempts with the same idempotency key if the outcome is unknown.
const MAX_ATTEMPTS: usize = 5;

/// An operation to perform.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The index of the token.
    pub token: usize,
    pub action: TokenAction,
    pub terms: Terms,
    pub idempotency_key: Option<String>,
    /// The replica of the first attempt.
    pub replica: usize,
    /// When the client disconnects before it has received a response.
    pub disconnect_after: Option<Duration>,
}

pub struct Client<'a> {
    index: usize,
    users: &'a TestUsers,
    tokens: &'a [TestToken],
    http: HttpClient<'a>,
    replicas: &'a [Replica],
    next_id: &'a AtomicU64,
    rng: Rng,
    /// The recorded operations, each with the index of its token.
    pub history: Vec<(usize, HistoryEntry)>,
}

impl<'a> Client<'a> {
    pub fn new(
        index: usize,
        users: &'a TestUsers,
        tokens: &'a [TestToken],
        replicas: &'a [Replica],
        next_id: &'a AtomicU64,
        rng: Rng,
    ) -> Self {
        let http = HttpClient::new(replicas);
        Self { index, users, tokens, http, replicas, next_id, rng, history: Vec::new() }
    }

    /// Performs an operation. With an idempotency key, repeats it at other replicas while its
    /// outcome is unknown. Then checks at another replica that the result is visible.
    pub fn run(&mut self, what: &Attempt) {
        let mut at = Attempt { ..what.clone() };
        for _ in 0..MAX_ATTEMPTS {
            let answer = self.send_once(&at);
            at = Attempt { replica: (at.replica + 1) % self.replicas.len(), disconnect_after: None, ..at };
            match answer {
                // Nothing was sent. Or it may have been, and the idempotency key prevents that it
                // runs twice.
                Outcome::NotExecuted => {}
                Outcome::Unknown if at.idempotency_key.is_some() => {}
                Outcome::Done(_) if at.idempotency_key.is_some() && self.rng.percent(10) => {}
                Outcome::Done(_) => return self.verify_on_other_replica(&at),
                Outcome::Unknown | Outcome::Rejected | Outcome::Unexpected(..) => return,
            }
        }
    }

    fn verify_on_other_replica(&mut self, done: &Attempt) {
        let act = match done.action {
            TokenAction::Redeem | TokenAction::Decline | TokenAction::Withdraw | TokenAction::CreateAgain => {
                TokenAction::View
            }
            TokenAction::Revoke => TokenAction::Authorize,
            TokenAction::RedeemAsStranger | TokenAction::View | TokenAction::Authorize => return,
        };
        self.send_once(&Attempt { action: act, idempotency_key: None, ..done.clone() });
    }

    fn send_once(&mut self, what: &Attempt) -> Outcome {
        let replica = self.pick_ready_replica(what.replica);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = self.build_request(what, id);
        let invoked = now_micros();
        let outcome = self.http.send(replica, &request, what.disconnect_after);
        let returned = now_micros();
        let answer = match outcome {
            SendResult::Received(response) => interpret_response(what.action, response),
            SendResult::NotSent => Outcome::NotExecuted,
            SendResult::NoResponse => Outcome::Unknown,
        };
        let entry = HistoryEntry {
            id,
            client: self.index,
            replica,
            action: what.action,
            terms: what.terms,
            idempotency_key: what.idempotency_key.clone(),
            invoked,
            returned,
            outcome: answer.clone(),
        };
        self.history.push((what.token, entry));
        answer
    }

    /// This replica, or the next one that is ready.
    fn pick_ready_replica(&self, first: usize) -> usize {
        let turns = (0..self.replicas.len()).map(|turn| (first + turn) % self.replicas.len());
        turns.into_iter().find(|replica| self.replicas[*replica].is_ready()).unwrap_or(first)
    }

    fn build_request(&self, what: &Attempt, id: u64) -> Vec<u8> {
        const REQUESTS: &str = "/api/bundle_permission_request/";
        let subject = &self.tokens[what.token];
        let TestUsers { targets, requesters, owner, stranger } = self.users;
        let (target, requester) = (&targets[subject.target], &requesters[subject.requester]);
        let by_token = format!("{REQUESTS}{}/", subject.secret);
        let json = "Content-Type: application/json\r\n".to_owned();
        let (method, path, by, more, body) = match what.action {
            TokenAction::Redeem if what.terms != Terms::AsAsked => {
                let body = match what.terms {
                    Terms::FewerRights => serde_json::json!({ "permission": ["read"] }),
                    _ => serde_json::json!({ "permission_ttl": LIMITED_SECONDS }),
                };
                ("POST", format!("{by_token}approve/"), target, json, body.to_string())
            }
            TokenAction::Decline if what.terms != Terms::AsAsked => {
                let body = serde_json::json!({ "reason": REASON });
                ("POST", format!("{by_token}decline/"), target, json, body.to_string())
            }
            TokenAction::Redeem => ("PUT", by_token, target, String::new(), String::new()),
            TokenAction::RedeemAsStranger => ("PUT", by_token, stranger, String::new(), String::new()),
            TokenAction::Decline => ("DELETE", by_token, target, String::new(), String::new()),
            TokenAction::View => ("GET", by_token, target, String::new(), String::new()),
            TokenAction::Withdraw => (
                "DELETE",
                format!("{REQUESTS}{}/", subject.request_id),
                requester,
                String::new(),
                String::new(),
            ),
            TokenAction::CreateAgain => {
                // A right that each approval grants: a request for more would be accepted.
                let body = serde_json::json!({
                    "user_allowed": requester.id(), "user_target": target.id(), "bundle": subject.bundle,
                    "permission": ["read"],
                });
                ("POST", REQUESTS.to_owned(), requester, json, body.to_string())
            }
            TokenAction::Authorize => {
                let path = format!("/authz?hub_id={HUB}&nid={NODE}&right=read");
                ("GET", path, owner, format!("X-Param-Mfs-Token: {}\r\n", subject.secret), String::new())
            }
            TokenAction::Revoke => {
                let token = format!("X-Param-Token: {}\r\n", subject.secret);
                ("POST", "/-/svc/mfs_api.revoke".to_owned(), owner, token, String::new())
            }
        };
        let key = what
            .idempotency_key
            .as_ref()
            .map(|key| format!("Idempotency-Key: {key}\r\n"))
            .unwrap_or_default();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: countersign\r\nAuthorization: Bearer {}\r\n\
             User-Agent: chaos-{id}\r\n{key}{more}Content-Length: {}\r\n\r\n{body}",
            by.key,
            body.len()
        )
        .into_bytes()
    }
}

/// A random operation on a token of this kind, usually its main one.
pub fn random_action(sort: TestTokenKind, rng: &mut Rng) -> TokenAction {
    match (sort, rng.below(100)) {
        (TestTokenKind::Request, 0..4) => TokenAction::RedeemAsStranger,
        (TestTokenKind::Request, 4..10) => TokenAction::Decline,
        (TestTokenKind::Request, 10..16) => TokenAction::Withdraw,
        (TestTokenKind::Request, 16..20) => TokenAction::CreateAgain,
        (TestTokenKind::Request, 20..28) => TokenAction::View,
        (TestTokenKind::Request, _) => TokenAction::Redeem,
        (TestTokenKind::Export, 0..15) => TokenAction::Revoke,
        (TestTokenKind::Export, _) => TokenAction::Authorize,
    }
}

/// The outcome that a response means.
fn interpret_response(act: TokenAction, HttpResponse { status, body, .. }: HttpResponse) -> Outcome {
    let uri = || {
        let value: Value = serde_json::from_str(&body).unwrap_or_default();
        value["resource_uri"].as_str().unwrap_or("none").to_owned()
    };
    match (act, status) {
        (TokenAction::Redeem | TokenAction::RedeemAsStranger, 200) => {
            Outcome::Done(format!("{} {body}", uri()))
        }
        // The `ttl` differs in every response.
        (TokenAction::CreateAgain, 201) => Outcome::Done(uri()),
        (TokenAction::Decline | TokenAction::Withdraw | TokenAction::Authorize, 204)
        | (TokenAction::View | TokenAction::Revoke, 200) => Outcome::Done(String::new()),
        (
            TokenAction::Redeem
            | TokenAction::RedeemAsStranger
            | TokenAction::Decline
            | TokenAction::Withdraw
            | TokenAction::View,
            404,
        ) => Outcome::Rejected,
        (TokenAction::CreateAgain, 400) if body.contains("already active") => Outcome::Rejected,
        (TokenAction::Authorize, 401) if body.contains("not active") => Outcome::Rejected,
        (TokenAction::Revoke, 404) => Outcome::Rejected,
        (_, 503) if body.contains("Nothing was done") => Outcome::NotExecuted,
        // On a busy machine, the server has not read the request in time.
        (_, 408) => Outcome::NotExecuted,
        (_, 503) if body.contains("outcome is unknown") => Outcome::Unknown,
        _ => Outcome::Unexpected(status, body),
    }
}
