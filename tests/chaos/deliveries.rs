//! The checker of webhooks: compares what a receiver got with the audit log.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::Description;
use countersign::domain::token::Keyring;
use countersign::domain::webhook::{EventFilter, EventScope, WebhookId};
use countersign::store::webhooks::{self, NewWebhook};
use serde_json::Value;

use crate::database_state::connect;
use crate::helpers::{SECRET, TestApp};
use crate::receiver::{Delivery, WebhookReceiver};

/// The events of the webhooks.
const EVENTS: [&str; 3] = ["request.*", "permission.*", "export.*"];
/// How long the servers may take to send what waits, at the least.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
/// The interval at which what waits for another attempt is made due.
const HURRY_INTERVAL: Duration = Duration::from_millis(50);

/// The webhooks of a scenario, with a receiver each. Their deliveries do not wait for the next attempt or for the
/// lease of a server that was killed, but are made due by a thread, until this is dropped.
pub struct Webhooks {
    database_url: String,
    receivers: Vec<(WebhookId, WebhookReceiver)>,
    hurry: Option<(Sender<()>, JoinHandle<()>)>,
}

/// An event in the audit log.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub action: String,
    /// What became of its delivery; `None` if it waits or was not queued.
    pub result: Option<String>,
}

/// What a receiver got.
#[derive(Debug, Default)]
pub struct DeliveryReport {
    pub requests: usize,
    pub events: usize,
    pub failed: usize,
    pub violations: Vec<DeliveryViolation>,
}

/// A violated invariant of deliveries, with the id of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryViolation {
    /// The receiver has not accepted an event, and it is not shown as failed.
    Lost(String),
    /// An event that is not in the audit log.
    Invented(String),
    /// Two requests for an event have different bodies.
    ChangedBody(String),
    /// The body is about another event.
    WrongBody(String),
    WrongSignature(String),
}

impl Webhooks {
    /// Registers webhooks for the events of all users: one whose receiver always accepts them, and one whose receiver
    /// does not.
    pub fn register(app: &TestApp) -> Self {
        let staff = app.staff("webhooks@example.org");
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        let receivers = [false, true].map(|is_flaky| {
            let receiver = WebhookReceiver::start(is_flaky);
            let new = NewWebhook {
                owner: staff.user.id,
                url: receiver.url().parse().unwrap(),
                events: EventFilter::new(EVENTS).unwrap(),
                scope: EventScope::All,
                description: Description::new("").unwrap(),
                active: true,
            };
            let inserted = app.store.write(|conn| {
                let now = conn.now()?;
                webhooks::insert(conn, &new, &keyring, &AuditContext::default(), now)
            });
            let (webhook, secret) = inserted.unwrap().unwrap();
            receiver.set_secret(secret);
            (webhook.id, receiver)
        });
        let (over, is_over) = channel();
        let database_url = app.database_url.clone();
        let url = database_url.clone();
        let hurry = std::thread::spawn(move || {
            let mut db = connect(&url);
            while let Err(RecvTimeoutError::Timeout) = is_over.recv_timeout(HURRY_INTERVAL) {
                db.batch_execute(MAKE_DUE).unwrap();
            }
        });
        Self { database_url, receivers: receivers.into(), hurry: Some((over, hurry)) }
    }

    /// Stops or starts the receivers.
    pub fn set_down(&self, is_down: bool) {
        self.receivers.iter().for_each(|(_, receiver)| receiver.set_down(is_down));
    }

    /// Waits until each event is delivered or has failed, and checks what the receivers have got.
    pub fn check(&self) -> Vec<DeliveryReport> {
        let mut db = connect(&self.database_url);
        let (started, mut unfinished, mut progress) = (Instant::now(), i64::MAX, Instant::now());
        // As long as there is progress.
        while started.elapsed() < SETTLE_TIMEOUT || progress.elapsed() < Duration::from_secs(10) {
            let now: i64 = db.query_one(COUNT_UNFINISHED, &[]).unwrap().get(0);
            if now < unfinished {
                (unfinished, progress) = (now, Instant::now());
            }
            if now == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let receivers = self.receivers.iter();
        receivers
            .map(|(id, receiver)| {
                let expected = read_events(&mut db, *id);
                let deliveries = receiver.deliveries();
                // Includes what was written in between.
                let known = read_events(&mut db, *id);
                check(&expected, &known, &deliveries)
            })
            .collect()
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        if let Some((over, hurry)) = self.hurry.take() {
            drop(over);
            let _ = hurry.join();
        }
    }
}

fn read_events(db: &mut postgres::Client, webhook: WebhookId) -> BTreeMap<String, Event> {
    let rows = db.query(SELECT_EVENTS, &[&webhook.0]).unwrap();
    let event = |row: &postgres::Row| Event { action: row.get("action"), result: row.get("result") };
    rows.iter().map(|row| (row.get("id"), event(row))).collect()
}

/// All violations: `expected` has the events that must have been received, `known` those that can have been.
pub fn check(
    expected: &BTreeMap<String, Event>,
    known: &BTreeMap<String, Event>,
    deliveries: &[Delivery],
) -> DeliveryReport {
    let mut violations = Vec::new();
    let mut received: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    for Delivery { id, body, is_signed, is_accepted } in deliveries {
        let (first_body, accepted) = received.entry(id).or_insert((body, false));
        *accepted |= is_accepted;
        if first_body != body {
            violations.push(DeliveryViolation::ChangedBody(id.clone()));
        }
        if !is_signed {
            violations.push(DeliveryViolation::WrongSignature(id.clone()));
        }
    }
    for (id, (body, _)) in &received {
        let Some(event) = known.get(*id) else {
            violations.push(DeliveryViolation::Invented((*id).to_owned()));
            continue;
        };
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if body["type"] != event.action || body["data"]["id"] != **id {
            violations.push(DeliveryViolation::WrongBody((*id).to_owned()));
        }
    }
    let has_failed = |event: &Event| event.result.as_deref() == Some("failed");
    for (id, event) in expected {
        let is_accepted = received.get(id.as_str()).is_some_and(|(_, accepted)| *accepted);
        if !is_accepted && !has_failed(event) {
            violations.push(DeliveryViolation::Lost(id.clone()));
        }
    }
    let failed = expected.values().filter(|event| has_failed(event)).count();
    DeliveryReport { requests: deliveries.len(), events: received.len(), failed, violations }
}

/// As later: another attempt is due, the last one after a few, the lease of a server that was killed has ended, and so
/// has the pause of a webhook that fails.
/// Waits for nothing that a server has locked.
const MAKE_DUE: &str = "UPDATE webhook_deliveries SET due_at = now(), \
    attempts = CASE WHEN attempts > 2 THEN greatest(attempts, 9) ELSE attempts END WHERE id IN (SELECT id FROM webhook_deliveries \
    WHERE finished_at IS NULL AND due_at > now() \
    AND (lease IS NULL OR due_at < now() + interval '29.5 seconds') FOR UPDATE SKIP LOCKED); \
    UPDATE webhooks SET paused_until = NULL, failures = 0, failing_since = NULL WHERE id IN (SELECT id FROM webhooks \
    WHERE paused_until IS NOT NULL FOR UPDATE SKIP LOCKED)";
const COUNT_UNFINISHED: &str = "SELECT (SELECT count(*) FROM audit_log AS l, audit_cursors AS c \
    WHERE c.name = 'webhooks' AND (l.position, l.id) > (c.position, c.last_id)) \
    + (SELECT count(*) FROM webhook_deliveries WHERE finished_at IS NULL)";
const SELECT_EVENTS: &str = "SELECT l.id::text, l.action, d.result FROM audit_log AS l \
    LEFT JOIN webhook_deliveries AS d ON d.event_id = l.id AND d.webhook = $1 \
    WHERE split_part(l.action, '.', 1) IN ('request', 'permission', 'export')";

mod tests {
    use super::*;

    fn delivery(id: &str, is_accepted: bool) -> Delivery {
        let body = format!(r#"{{"type":"request.approved","timestamp":"…","data":{{"id":"{id}"}}}}"#);
        Delivery { id: id.to_owned(), body, is_signed: true, is_accepted }
    }

    fn events(ids: &[(&str, Option<&str>)]) -> BTreeMap<String, Event> {
        let event = |result: &Option<&str>| Event {
            action: "request.approved".to_owned(),
            result: result.map(str::to_owned),
        };
        ids.iter().map(|(id, result)| ((*id).to_owned(), event(result))).collect()
    }

    /// The violations if events `a` and `b` are in the audit log, `c` has failed, and `d` was written at the end.
    fn violations(deliveries: &[Delivery]) -> Vec<DeliveryViolation> {
        let delivered = Some("delivered");
        let expected = [("a", delivered), ("b", delivered), ("c", Some("failed"))];
        let known = [&expected[..], &[("d", None)]].concat();
        check(&events(&expected), &events(&known), deliveries).violations
    }

    #[test]
    fn deliveries_without_a_mistake_are_accepted() {
        let all = [("a", false), ("b", true), ("a", true), ("a", true), ("c", false), ("d", true)];
        assert_eq!(violations(&all.map(|(id, accepted)| delivery(id, accepted))), []);
    }

    #[test]
    fn each_planted_mistake_is_detected() {
        use DeliveryViolation::*;
        let (a, b) = (delivery("a", true), delivery("b", true));
        let other = |change: fn(&mut Delivery)| {
            let mut changed = delivery("b", true);
            change(&mut changed);
            changed
        };
        let id = |id: &str| id.to_owned();
        for (planted, expected) in [
            (vec![], vec![Lost(id("b"))]),
            (vec![delivery("b", false)], vec![Lost(id("b"))]),
            (vec![b.clone(), delivery("x", true)], vec![Invented(id("x"))]),
            (vec![b.clone(), other(|b| b.body.push(' '))], vec![ChangedBody(id("b"))]),
            (vec![other(|b| b.is_signed = false)], vec![WrongSignature(id("b"))]),
            (vec![other(|b| b.body = b.body.replace("approved", "declined"))], vec![WrongBody(id("b"))]),
            (vec![other(|b| b.body = b.body.replace("\"b\"", "\"a\""))], vec![WrongBody(id("b"))]),
            (vec![other(|b| b.body.clear())], vec![WrongBody(id("b"))]),
        ] {
            assert_eq!(violations(&[vec![a.clone()], planted].concat()), expected);
        }
    }
}
