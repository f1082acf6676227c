//! One who tries things: sends a request, and writes down what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, Outcome, Response};
use crate::dice::Dice;
use crate::ground::{HUB, NODE, People, Sort, Subject};
use crate::history::{Act, Answer, Entry, now};
use crate::replica::Replica;

/// How often somebody who has heard nothing tries again under the same key.
const TRIES: usize = 5;

/// Something to be tried.
#[derive(Clone, Debug)]
pub struct Try {
    /// On which token: an index.
    pub subject: usize,
    pub act: Act,
    pub key: Option<String>,
    /// Where first.
    pub replica: usize,
    /// When the client hangs up before it has heard anything, if it does.
    pub hang_up: Option<Duration>,
}

pub struct Racer<'a> {
    number: usize,
    people: &'a People,
    subjects: &'a [Subject],
    client: Client<'a>,
    replicas: &'a [Replica],
    ids: &'a AtomicU64,
    dice: Dice,
    /// What this one has seen, each beside the token it is about.
    pub history: Vec<(usize, Entry)>,
}

impl<'a> Racer<'a> {
    pub fn new(
        number: usize,
        people: &'a People,
        subjects: &'a [Subject],
        replicas: &'a [Replica],
        ids: &'a AtomicU64,
        dice: Dice,
    ) -> Self {
        let client = Client::of(replicas);
        Self { number, people, subjects, client, replicas, ids, dice, history: Vec::new() }
    }

    /// Tries it, and again elsewhere, under the same key, as long as nothing is known;
    /// then looks, elsewhere again, whether what was done is seen there.
    pub fn attempt(&mut self, what: &Try) {
        let mut at = Try { ..what.clone() };
        for _ in 0..TRIES {
            let answer = self.once(&at);
            at = Try { replica: (at.replica + 1) % self.replicas.len(), hang_up: None, ..at };
            match answer {
                // Nothing was sent; or it may be sent again, since the key sees to it
                // that it is done once.
                Answer::NotDone => {}
                Answer::Unknown if at.key.is_some() => {}
                Answer::Done(_) if at.key.is_some() && self.dice.percent(10) => {}
                Answer::Done(_) => return self.look_elsewhere(&at),
                Answer::Unknown | Answer::Refused | Answer::Odd(..) => return,
            }
        }
    }

    fn look_elsewhere(&mut self, done: &Try) {
        let act = match done.act {
            Act::Redeem | Act::Decline | Act::Withdraw | Act::Ask => Act::Look,
            Act::Revoke => Act::Use,
            Act::Steal | Act::Look | Act::Use => return,
        };
        self.once(&Try { act, key: None, ..done.clone() });
    }

    fn once(&mut self, what: &Try) -> Answer {
        let replica = self.ready(what.replica);
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let request = self.request(what, id);
        let invoked = now();
        let outcome = self.client.send(replica, &request, what.hang_up);
        let returned = now();
        let answer = match outcome {
            Outcome::Answered(response) => read(what.act, response),
            Outcome::Unsent => Answer::NotDone,
            Outcome::Silence => Answer::Unknown,
        };
        let entry = Entry {
            id,
            racer: self.number,
            replica,
            act: what.act,
            key: what.key.clone(),
            invoked,
            returned,
            answer: answer.clone(),
        };
        self.history.push((what.subject, entry));
        answer
    }

    /// This replica, or the next one that is ready.
    fn ready(&self, first: usize) -> usize {
        let turns = (0..self.replicas.len()).map(|turn| (first + turn) % self.replicas.len());
        turns.into_iter().find(|replica| self.replicas[*replica].is_ready()).unwrap_or(first)
    }

    fn request(&self, what: &Try, id: u64) -> Vec<u8> {
        const REQUESTS: &str = "/api/bundle_permission_request/";
        let subject = &self.subjects[what.subject];
        let People { targets, requesters, owner, stranger } = self.people;
        let (target, requester) = (&targets[subject.target], &requesters[subject.requester]);
        let by_token = format!("{REQUESTS}{}/", subject.secret);
        let (method, path, by, more, body) = match what.act {
            Act::Redeem => ("PUT", by_token, target, String::new(), String::new()),
            Act::Steal => ("PUT", by_token, stranger, String::new(), String::new()),
            Act::Decline => ("DELETE", by_token, target, String::new(), String::new()),
            Act::Look => ("GET", by_token, target, String::new(), String::new()),
            Act::Withdraw => {
                ("DELETE", format!("{REQUESTS}{}/", subject.number), requester, String::new(), String::new())
            }
            Act::Ask => {
                let body = serde_json::json!({
                    "user_allowed": requester.id(), "user_target": target.id(), "bundle": subject.bundle,
                });
                let json = "Content-Type: application/json\r\n".to_owned();
                ("POST", REQUESTS.to_owned(), requester, json, body.to_string())
            }
            Act::Use => {
                let path = format!("/authz?hub_id={HUB}&nid={NODE}&right=read");
                ("GET", path, owner, format!("X-Param-Mfs-Token: {}\r\n", subject.secret), String::new())
            }
            Act::Revoke => {
                let token = format!("X-Param-Token: {}\r\n", subject.secret);
                ("POST", "/-/svc/mfs_api.revoke".to_owned(), owner, token, String::new())
            }
        };
        let key = what.key.as_ref().map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: countersign\r\nAuthorization: Bearer {}\r\n\
             User-Agent: chaos-{id}\r\n{key}{more}Content-Length: {}\r\n\r\n{body}",
            by.key,
            body.len()
        )
        .into_bytes()
    }
}

/// What can be tried on a token of this sort, by chance: mostly what it is for.
pub fn any_act(sort: Sort, dice: &mut Dice) -> Act {
    match (sort, dice.below(100)) {
        (Sort::Request, 0..4) => Act::Steal,
        (Sort::Request, 4..10) => Act::Decline,
        (Sort::Request, 10..16) => Act::Withdraw,
        (Sort::Request, 16..20) => Act::Ask,
        (Sort::Request, 20..28) => Act::Look,
        (Sort::Request, _) => Act::Redeem,
        (Sort::Export, 0..15) => Act::Revoke,
        (Sort::Export, _) => Act::Use,
    }
}

/// What an answer means.
fn read(act: Act, Response { status, body, .. }: Response) -> Answer {
    let uri = || {
        let value: Value = serde_json::from_str(&body).unwrap_or_default();
        value["resource_uri"].as_str().unwrap_or("none").to_owned()
    };
    match (act, status) {
        (Act::Redeem | Act::Steal, 200) => Answer::Done(format!("{} {body}", uri())),
        // Its `ttl` is told anew each time.
        (Act::Ask, 201) => Answer::Done(uri()),
        (Act::Decline | Act::Withdraw | Act::Use, 204) | (Act::Look | Act::Revoke, 200) => {
            Answer::Done(String::new())
        }
        (Act::Redeem | Act::Steal | Act::Decline | Act::Withdraw | Act::Look, 404) => Answer::Refused,
        (Act::Ask, 400) if body.contains("already active") => Answer::Refused,
        (Act::Use, 401) if body.contains("not active") => Answer::Refused,
        (Act::Revoke, 404) => Answer::Refused,
        (_, 503) if body.contains("Nothing was done") => Answer::NotDone,
        (_, 503) if body.contains("outcome is unknown") => Answer::Unknown,
        _ => Answer::Odd(status, body),
    }
}
