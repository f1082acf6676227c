//! Events that are sent to receivers of the tests' own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::domain::approval::Approval;
use countersign::domain::permission_request::{Decision, PermissionRequest};
use countersign::domain::timestamp::Timestamp;
use countersign::domain::webhook::{WebhookId, WebhookSecret, signature_header};
use countersign::entropy;
use countersign::store::Conn;
use countersign::store::ledger::Decide;
use countersign::store::webhook_deliveries::{self, Slots};
use secrecy::SecretSlice;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::helpers::{Backend, ByUser, SECRET, TestApp, TestUser};
use crate::mailer::wait_for_count;
use crate::processes::Server;
use crate::webhook_sender::receiver::{Received, read_request};

pub(crate) const TOML: &str = "[webhooks]\nallow = ['127.0.0.0/8']";
const UNFINISHED: &str = "SELECT count(*) AS n FROM webhook_deliveries WHERE finished_at IS NULL";
pub(crate) const UNREAD: &str = "SELECT count(*) AS n FROM audit_log AS l JOIN audit_cursors AS c ON c.name = 'webhooks' \
                      WHERE (l.position, l.id) > (c.position, c.last_id)";
pub(crate) const OK: &str = "200 OK";

/// A receiver whose response can change. Without a response it keeps connections open.
pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    response: tokio::sync::watch::Sender<Option<&'static str>>,
    received: Arc<Mutex<Vec<Received>>>,
    task: actix_web::rt::task::JoinHandle<()>,
}

impl Hook {
    pub(crate) async fn start(response: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (response, watched) = tokio::sync::watch::channel(response);
        let received = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&received);
        let task = actix_web::rt::spawn(async move {
            // Dropped with the task, which closes the connections.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut watched, requests) = (watched.clone(), Arc::clone(&requests));
                connections.spawn_local(async move {
                    let Some(request) = read_request(&mut stream).await else { return };
                    requests.lock().unwrap().push(request);
                    let Ok(status) = watched.wait_for(Option::is_some).await.map(|status| status.unwrap())
                    else {
                        return;
                    };
                    let _ = stream
                        .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())
                        .await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, response, received, task }
    }

    pub(crate) fn respond(&self, status: &'static str) {
        self.response.send_replace(Some(status));
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The types of the events so far, sorted.
    pub(crate) fn types(&self) -> Vec<String> {
        let mut types: Vec<String> = self
            .received()
            .iter()
            .map(|request| content(request)["type"].as_str().unwrap().to_owned())
            .collect();
        types.sort_unstable();
        types
    }

    /// How often each event was received.
    pub(crate) fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for request in self.received() {
            *ids.entry(request.header("webhook-id").to_owned()).or_default() += 1;
        }
        ids
    }

    /// Waits for this number of requests.
    pub(crate) async fn wait_for(&self, wanted: usize) {
        let waiting = async {
            while self.received.lock().unwrap().len() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the request is received");
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn content(received: &Received) -> Value {
    serde_json::from_str(&received.body).unwrap()
}

/// A registered webhook.
pub(crate) struct Registered {
    pub(crate) uri: String,
    secret: WebhookSecret,
}

impl Registered {
    pub(crate) fn id(&self) -> i64 {
        self.uri.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap()
    }

    pub(crate) async fn shown(&self, app: &TestApp, user: &TestUser) -> Value {
        app.get(&self.uri).by_user(user).send().await.unwrap().json().await.unwrap()
    }

    /// Its deliveries, newest first.
    pub(crate) async fn deliveries(&self, app: &TestApp, user: &TestUser, query: &str) -> Vec<Value> {
        let path = format!("{}delivery/?{query}", self.uri);
        let list: Value = app.get(&path).by_user(user).send().await.unwrap().json().await.unwrap();
        list["objects"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
    }
}

pub(crate) async fn register(
    app: &TestApp,
    user: &TestUser,
    hook: &Hook,
    events: &[&str],
    scope: &str,
) -> Registered {
    let url = format!("http://{}/hook", hook.address);
    let body = json!({"url": url, "events": events, "scope": scope});
    let response = app.post("/api/webhook/").by_user(user).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let webhook: Value = response.json().await.unwrap();
    let secret = webhook["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap();
    let secret = WebhookSecret::from_bytes(SecretSlice::from(STANDARD.decode(secret).unwrap())).unwrap();
    Registered { uri: webhook["resource_uri"].as_str().unwrap().to_owned(), secret }
}

/// Restarts the server with this machine as an allowed network.
pub(crate) fn allow_local(app: &mut TestApp) {
    app.stop();
    app.url = app.spawn_replica_with(TOML);
}

fn approve(app: &TestApp, request: &PermissionRequest, by: &TestUser) {
    let decision = Decision::Approve(Approval::AS_ASKED, None);
    let decide = Decide { id: request.redeem_id, by: by.user.id, decision, idempotency_key: None };
    app.commit(decide).unwrap_or_else(|error| panic!("not decided: {error}"));
}

/// Creates requests, each of which is one event.
pub(crate) fn create_requests(app: &TestApp, by: &TestUser, to: &TestUser, number: usize) {
    for nth in 0..number {
        app.create_request(by, to, &app.bundle(&format!("Sleep {nth} {}", by.id()), 6));
    }
}

/// Waits until every entry of the audit log is read and nothing waits.
pub(crate) async fn wait_until_idle(app: &TestApp) {
    wait_for_count(app, UNREAD, 0).await;
    wait_for_count(app, UNFINISHED, 0).await;
}

on_both_databases! {
    async fn each_event_is_sent_once_to_each_webhook_whose_owner_sees_it(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace, eve) = (app.user("ada@example.org"), app.user("grace@example.org"), app.user("eve@example.org"));
        let (root, former) = (app.staff("root@example.org"), app.staff("former@example.org"));
        let bundle = app.bundle("Sleep", 6);
        app.create_request(&ada, &grace, &app.bundle("Before the webhooks", 6));
        app.advance(1);
        let hook = [(); 7].map(|()| Hook::start(Some(OK)));
        let [to_ada, to_grace, to_eve, to_root, to_all, to_former, also_ada] = futures_util::future::join_all(hook).await.try_into().ok().unwrap();
        let webhook = register(&app, &ada, &to_ada, &["request.*"], "own").await;
        register(&app, &grace, &to_grace, &["request.created", "bundle.*"], "own").await;
        register(&app, &eve, &to_eve, &["request.*"], "own").await;
        register(&app, &root, &to_root, &["request.*"], "own").await;
        register(&app, &root, &to_all, &["request.*"], "all").await;
        register(&app, &former, &to_former, &["request.*"], "all").await;
        register(&app, &ada, &also_ada, &["request.approved"], "own").await;
        app.execute_raw(&format!("UPDATE users SET staff = false WHERE id = {}", former.id()));
        let request = app.create_request(&ada, &grace, &bundle);
        let put = app.put(&format!("/api/bundle_permission_request/{}/", app.redeem_token(&request))).by_user(&grace);
        assert_eq!(put.send().await.unwrap().status(), 200);
        wait_until_idle(&app).await;
        assert_eq!(to_ada.types(), ["request.approved", "request.created"]);
        assert_eq!(to_all.types(), ["request.approved", "request.created"]);
        assert_eq!(to_grace.types(), ["request.created"]);
        assert_eq!(also_ada.types(), ["request.approved"]);
        for nothing in [to_eve, to_root, to_former] {
            assert_eq!(nothing.types(), [""; 0]);
        }
        let received = to_ada.received().into_iter().find(|request| request.body.contains("approved")).unwrap();
        let at = Timestamp::from_micros(1_893_456_001_000_000);
        let id: uuid::Uuid = received.header("webhook-id").parse().unwrap();
        let path = format!("/api/audit/{id}/");
        let entry: Value = app.get(&path).by_user(&ada).send().await.unwrap().json().await.unwrap();
        assert_eq!(
            content(&received),
            json!({
                "type": "request.approved",
                "timestamp": at.rfc3339(),
                "data": {
                    "id": id.to_string(),
                    "resource_uri": path,
                    "actor": grace.uri(),
                    "subject": entry["subject"],
                    "subject_uri": entry["subject_uri"],
                    "permission": format!("/api/bundle_permission/{}/", request.id),
                },
            })
        );
        assert_eq!(received.header("webhook-timestamp"), at.seconds().to_string());
        let signature = signature_header(&[webhook.secret], id, at, received.body.as_bytes());
        assert_eq!(received.header("webhook-signature"), signature);
    }

    async fn an_event_that_was_not_delivered_is_sent_again_with_its_id(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some("503 No")).await;
        let webhook = register(&app, &ada, &hook, &["request.*"], "own").await;
        create_requests(&app, &ada, &grace, 1);
        let idle = |attempts| format!("SELECT count(*) AS n FROM webhook_deliveries WHERE lease IS NULL AND attempts = {attempts}");
        wait_for_count(&app, &idle(1), 1).await;
        let delivery = webhook.deliveries(&app, &ada, "status=waiting").await.remove(0);
        assert_eq!((&delivery["http_status"], &delivery["reason"]), (&json!(503), &json!("error_status")));
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("waiting"), &json!(1)));
        app.advance(6);
        wait_for_count(&app, &idle(2), 1).await;
        assert_eq!(webhook.shown(&app, &ada).await["failures"], 2);
        hook.respond(OK);
        app.advance(331);
        wait_until_idle(&app).await;
        let received = hook.received();
        let id = received[0].header("webhook-id");
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|request| request.header("webhook-id") == id && request.body == received[0].body));
        let times: Vec<i64> = received.iter().map(|request| request.header("webhook-timestamp").parse().unwrap()).collect();
        assert_eq!([times[1] - times[0], times[2] - times[1]], [6, 331]);
        let delivery = webhook.deliveries(&app, &ada, "status=delivered").await.remove(0);
        assert_eq!((&delivery["event"], &delivery["event_id"]), (&json!("request.created"), &json!(id)));
        assert_eq!((&delivery["http_status"], &delivery["attempts"]), (&json!(200), &json!(3)));
        assert_eq!((&delivery["reason"], &delivery["next_attempt_at"]), (&Value::Null, &Value::Null));
        assert_eq!(webhook.shown(&app, &ada).await["failures"], 0);
    }

    async fn a_receiver_that_is_gone_disables_its_webhook(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(None).await;
        let webhook = register(&app, &ada, &hook, &["request.*", "webhook.*"], "own").await;
        create_requests(&app, &ada, &grace, 10);
        hook.wait_for(1).await;
        hook.respond("410 Gone");
        wait_until_idle(&app).await;
        let shown = webhook.shown(&app, &ada).await;
        assert_eq!((&shown["active"], &shown["disabled_reason"]), (&json!(false), &json!("gone")));
        let failed = webhook.deliveries(&app, &ada, "status=failed").await;
        let cancelled = webhook.deliveries(&app, &ada, "status=cancelled").await;
        assert_eq!(failed.len(), hook.received().len());
        assert!(failed.iter().all(|delivery| delivery["http_status"] == 410));
        // The webhook's own creation is an event as well. Entries that are read after it was disabled are not queued.
        let queued = failed.len() + cancelled.len();
        assert!((1..=11).contains(&queued), "{queued}");
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'webhook.disabled'"), 1);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE notice = 'webhook-disabled' AND result = 'sent'", 1).await;
        assert!(app.mailbox.sent().iter().any(|mail| mail.to == [ada.email()] && mail.text.contains("Subject: A webhook was disabled\r\n")));
        app.create_request(&ada, &grace, &app.bundle("Later", 6));
        wait_for_count(&app, UNREAD, 0).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM webhook_deliveries"), queued as i64);
        let path = format!("{}delivery/{}/replay/", webhook.uri, failed[0]["id"].as_str().unwrap());
        assert_eq!(app.post(&path).by_user(&ada).send().await.unwrap().status(), 409);
    }

    async fn a_receiver_that_fails_for_three_days_disables_its_webhook(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some("500 No")).await;
        let webhook = register(&app, &ada, &hook, &["request.created"], "own").await;
        create_requests(&app, &ada, &grace, 1);
        for (delay, attempts) in [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].into_iter().zip(1..) {
            let deferred = format!("SELECT count(*) AS n FROM webhook_deliveries WHERE lease IS NULL AND attempts = {attempts}");
            wait_for_count(&app, &deferred, 1).await;
            assert_eq!(webhook.shown(&app, &ada).await["active"], true);
            app.advance(delay * 11 / 10 + 1);
        }
        wait_for_count(&app, "SELECT count(*) AS n FROM webhooks WHERE disabled_reason = 'failing'", 1).await;
        assert_eq!(hook.received().len(), 10);
        let delivery = webhook.deliveries(&app, &ada, "status=failed").await.remove(0);
        assert_eq!((&delivery["attempts"], &delivery["next_attempt_at"]), (&json!(10), &Value::Null));
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE notice = 'webhook-disabled' AND result = 'sent'", 1).await;
        // Its owner sees it in the audit log, sets it to active and replays the delivery.
        let query = format!("/api/audit/?action=webhook.disabled&subject=webhook:{}", webhook.id());
        let audit: Value = app.get(&query).by_user(&ada).send().await.unwrap().json().await.unwrap();
        assert_eq!(audit["meta"]["total_count"], 1);
        hook.respond(OK);
        let patch = app.request(reqwest::Method::PATCH, &webhook.uri).by_user(&ada).json(&json!({"active": true}));
        assert_eq!(patch.send().await.unwrap().status(), 202);
        let replay = format!("{}delivery/{}/replay/", webhook.uri, delivery["id"].as_str().unwrap());
        assert_eq!(app.post(&replay).by_user(&ada).send().await.unwrap().status(), 202);
        wait_until_idle(&app).await;
        assert_eq!(hook.ids().into_values().collect::<Vec<_>>(), [11]);
        assert_eq!(webhook.deliveries(&app, &ada, "status=delivered").await[0]["attempts"], 1);
    }

    async fn a_receiver_that_does_not_respond_delays_no_other(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, eve, grace) = (app.user("ada@example.org"), app.user("eve@example.org"), app.user("grace@example.org"));
        let (dead, good) = (Hook::start(None).await, Hook::start(Some(OK)).await);
        let dead_webhook = register(&app, &ada, &dead, &["request.created"], "own").await;
        register(&app, &eve, &good, &["request.created"], "own").await;
        create_requests(&app, &ada, &grace, 40);
        dead.wait_for(4).await;
        create_requests(&app, &eve, &grace, 40);
        let delivered = "SELECT count(*) AS n FROM webhook_deliveries WHERE result = 'delivered'";
        wait_for_count(&app, delivered, 40).await;
        assert_eq!(good.ids().into_values().collect::<Vec<_>>(), [1; 40]);
        assert_eq!(dead.received().len(), 4);
        let sending = dead_webhook.deliveries(&app, &ada, "status=sending").await;
        assert_eq!((sending.len(), dead_webhook.deliveries(&app, &ada, "status=waiting&limit=0").await.len()), (4, 36));
    }

    async fn replicas_send_each_event_once(mut app: TestApp) {
        allow_local(&mut app);
        app.spawn_replica_with(TOML);
        app.spawn_replica_with(TOML);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some(OK)).await;
        register(&app, &grace, &hook, &["request.*"], "own").await;
        for nth in 0..30 {
            approve(&app, &app.create_request(&ada, &grace, &app.bundle(&format!("Sleep {nth}"), 6)), &grace);
        }
        wait_until_idle(&app).await;
        assert_eq!(hook.ids().into_values().collect::<Vec<_>>(), [1; 60]);
    }

    async fn an_owner_tests_a_webhook_and_replays_deliveries(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, eve, grace) = (app.user("ada@example.org"), app.user("eve@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some(OK)).await;
        let webhook = register(&app, &ada, &hook, &["request.created"], "own").await;
        let other = register(&app, &ada, &hook, &["user.*"], "own").await;
        let test = app.post(&format!("{}test/", webhook.uri)).by_user(&ada).send().await.unwrap();
        assert_eq!(test.status(), 202);
        let test: Value = test.json().await.unwrap();
        assert_eq!(test["event"], "webhook.test");
        wait_until_idle(&app).await;
        let received = hook.received().remove(0);
        assert_eq!(received.header("webhook-id"), test["event_id"].as_str().unwrap());
        assert_eq!(
            content(&received),
            json!({"type": "webhook.test", "timestamp": "2030-01-01T00:00:00Z", "data": {"webhook": webhook.uri}})
        );
        app.advance(1);
        create_requests(&app, &ada, &grace, 1);
        wait_until_idle(&app).await;
        let deliveries = webhook.deliveries(&app, &ada, "").await;
        let events: Vec<&Value> = deliveries.iter().map(|delivery| &delivery["event"]).collect();
        assert_eq!(events, ["request.created", "webhook.test"]);
        let id = deliveries[0]["id"].as_str().unwrap();
        let replay = |webhook: &str, id: &str| format!("{webhook}delivery/{id}/replay/");
        assert_eq!(app.post(&replay(&webhook.uri, id)).by_user(&ada).send().await.unwrap().status(), 202);
        wait_until_idle(&app).await;
        assert_eq!(hook.ids()[deliveries[0]["event_id"].as_str().unwrap()], 2);
        // Neither another user nor another webhook of the owner leads to it.
        let rows = app.rows();
        let unknown = uuid::Uuid::nil().to_string();
        for (user, path) in [
            (&eve, replay(&webhook.uri, id)),
            (&ada, replay(&other.uri, id)),
            (&ada, replay("/api/webhook/999/", id)),
            (&ada, replay("/api/webhook/x/", id)),
            (&ada, replay("/api/webhook/99999999999999999999/", id)),
            (&ada, replay(&webhook.uri, &unknown)),
            (&ada, replay(&webhook.uri, "x")),
            (&ada, replay(&webhook.uri, "%ff%00")),
            (&eve, format!("{}test/", webhook.uri)),
            (&ada, "/api/webhook/999/test/".to_owned()),
            (&ada, "/api/webhook/x/test/".to_owned()),
        ] {
            assert_eq!(app.post(&path).by_user(user).send().await.unwrap().status(), 404, "{path}");
        }
        for (user, path) in [(&eve, format!("{}delivery/", webhook.uri)), (&ada, "/api/webhook/999/delivery/".to_owned())] {
            assert_eq!(app.get(&path).by_user(user).send().await.unwrap().status(), 404, "{path}");
        }
        let unknown_status = format!("{}delivery/?status=lost", webhook.uri);
        assert_eq!(app.get(&unknown_status).by_user(&ada).send().await.unwrap().status(), 400);
        assert_eq!(app.rows(), rows);
        assert_eq!(hook.received().len(), 3);
    }

    async fn an_event_whose_entry_is_deleted_or_hidden_is_cancelled(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, root) = (app.user("ada@example.org"), app.staff("root@example.org"));
        let hook = Hook::start(Some("500 No")).await;
        register(&app, &ada, &hook, &["request.created"], "own").await;
        register(&app, &root, &hook, &["request.created"], "all").await;
        let waiting = "SELECT count(*) AS n FROM webhook_deliveries WHERE lease IS NULL AND attempts = 1";
        create_requests(&app, &ada, &app.user("grace@example.org"), 1);
        wait_for_count(&app, waiting, 2).await;
        app.execute_raw(&format!("UPDATE users SET staff = false WHERE id = {}", root.id()));
        app.advance(6);
        wait_for_count(&app, "SELECT count(*) AS n FROM webhook_deliveries WHERE result = 'cancelled' AND attempts = 1", 1).await;
        wait_for_count(&app, "SELECT count(*) AS n FROM webhook_deliveries WHERE lease IS NULL AND attempts = 2", 1).await;
        app.execute_raw("DELETE FROM audit_log WHERE action = 'request.created'");
        app.advance(331);
        wait_for_count(&app, "SELECT count(*) AS n FROM webhook_deliveries WHERE result = 'cancelled'", 2).await;
        assert_eq!(hook.received().len(), 3);
    }

    async fn old_deliveries_are_deleted(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some(OK)).await;
        register(&app, &ada, &hook, &["request.created"], "own").await;
        create_requests(&app, &ada, &grace, 3);
        wait_until_idle(&app).await;
        app.advance(30 * 86_400);
        app.create_request(&ada, &grace, &app.bundle("New", 6));
        wait_until_idle(&app).await;
        app.advance(1);
        // The server deletes at start.
        allow_local(&mut app);
        wait_for_count(&app, "SELECT count(*) AS n FROM webhook_deliveries", 1).await;
    }

    async fn metrics_and_readiness_report_deliveries_and_the_lag(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(None).await;
        register(&app, &ada, &hook, &["request.created"], "own").await;
        create_requests(&app, &ada, &grace, 5);
        hook.wait_for(4).await;
        wait_for_count(&app, UNREAD, 0).await;
        // Less than a lease.
        app.advance(20);
        let metrics = app.get("/metrics").send().await.unwrap().text().await.unwrap();
        for line in [
            "countersign_webhook_waiting 5",
            "countersign_webhook_oldest_due_seconds 20",
            "countersign_webhook_attempts_total{outcome=\"delivered\"} 0",
            "countersign_audit_lag_seconds{reader=\"webhooks\"} 0",
        ] {
            assert!(metrics.contains(&format!("{line}\n")), "{line}: {metrics}");
        }
        hook.respond(OK);
        wait_until_idle(&app).await;
        let metrics = app.get("/metrics").send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("countersign_webhook_attempts_total{outcome=\"delivered\"} 5\n"), "{metrics}");
        assert!(metrics.contains("countersign_webhook_waiting 0\n"), "{metrics}");
        // A reader of a database without a server falls behind.
        app.stop();
        create_requests(&app, &grace, &ada, 1);
        app.advance(77);
        app.execute_raw("UPDATE audit_cursors SET position = 9000000000000000000 WHERE name = 'decision_mails'");
        let report = app.store.check_readiness().unwrap().unwrap();
        assert_eq!(report.audit_lag_seconds[..3], [Some(0), Some(77), None]);
        app.url = app.spawn_replica_with(TOML);
        wait_until_idle(&app).await;
        let metrics = app.get("/metrics").send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("countersign_audit_lag_seconds{reader=\"webhooks\"} 0\n"), "{metrics}");
        assert!(metrics.contains("countersign_audit_lag_seconds{reader=\"seals\"} "), "{metrics}");
    }

    async fn without_a_webhook_the_log_is_skipped(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        create_requests(&app, &ada, &grace, 3);
        wait_for_count(&app, UNREAD, 0).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM webhook_deliveries"), 0);
    }
}

#[actix_web::test]
async fn a_replica_that_is_killed_loses_no_event() {
    const EVENTS: usize = 60;
    let mut app = TestApp::without_server(Backend::Postgres);
    let start = || Server::start_with(TOML, &[("DATABASE_URL", &app.database_url)]);
    let replicas: Vec<Server> = [(); 3].iter().map(|()| start()).collect();
    let url = replicas[0].url.clone();
    app.url = url;
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let hook = Hook::start(None).await;
    register(&app, &ada, &hook, &["request.created"], "own").await;
    create_requests(&app, &ada, &grace, EVENTS);
    hook.wait_for(4).await;
    drop(replicas);
    let again = Server::start_with(TOML, &[("DATABASE_URL", &app.database_url)]);
    hook.respond(OK);
    // Until the leases end, four deliveries are in flight as far as the others know.
    assert_eq!(hook.received().len(), 4, "the replicas together send four at a time");
    assert_eq!(app.count("SELECT count(*) AS n FROM webhook_deliveries WHERE lease IS NOT NULL"), 4);
    app.execute_raw("UPDATE webhook_deliveries SET due_at = now() WHERE finished_at IS NULL");
    wait_until_idle(&app).await;
    drop(again);
    let ids = hook.ids();
    assert_eq!(ids.len(), EVENTS);
    assert_eq!(ids.values().filter(|times| **times == 2).count(), 4, "{ids:?}");
    assert_eq!(ids.values().sum::<usize>(), EVENTS + 4);
}

#[actix_web::test]
async fn with_another_server_secret_a_delivery_waits_and_shows_why() {
    let mut app = TestApp::without_server(Backend::Sqlite);
    let database_url = app.database_url.clone();
    let start = |secret: &str, previous: &str| {
        let secrets = [("COUNTERSIGN_SECRET", secret), ("COUNTERSIGN_SECRET_PREVIOUS", previous)];
        Server::start_with(TOML, &[&[("DATABASE_URL", database_url.as_str())], &secrets[..]].concat())
    };
    let other = "another secret of the server, 32 bytes";
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let hook = Hook::start(Some(OK)).await;
    let server = start(SECRET, "");
    app.url = server.url.clone();
    let webhook = register(&app, &ada, &hook, &["request.created"], "own").await;
    drop(server);

    let server = start(other, "");
    app.url = server.url.clone();
    let error =
        "nothing is sent to some webhooks, because their secrets are sealed under another server secret";
    assert!(server.next_log_line(error).contains("ERROR"));
    create_requests(&app, &ada, &grace, 1);
    wait_for_count(&app, "SELECT count(*) AS n FROM webhook_deliveries WHERE reason IS NOT NULL", 1).await;
    let delivery = webhook.deliveries(&app, &ada, "status=waiting").await.remove(0);
    assert_eq!((&delivery["reason"], &delivery["attempts"]), (&json!("secret_unreadable"), &json!(1)));
    assert_eq!(hook.received().len(), 0);
    drop(server);

    // With the secret before, it is sent.
    let server = start(other, SECRET);
    app.execute_raw("UPDATE webhook_deliveries SET due_at = created_at");
    app.execute_raw("UPDATE webhooks SET paused_until = NULL");
    wait_until_idle(&app).await;
    assert_eq!(hook.types(), ["request.created"]);
    drop(server);
}

/// Queues this number of tests of a webhook.
fn queue_tests(app: &TestApp, webhook: WebhookId, number: usize) {
    let queued = app.store.write(|conn| {
        let now = conn.now()?;
        (0..number).try_for_each(|_| webhook_deliveries::queue_test(conn, webhook, now).map(drop))
    });
    queued.unwrap();
}

/// Inserts a webhook whose deliveries are not made.
fn insert_webhook(app: &TestApp, owner: &TestUser) -> WebhookId {
    app.execute_raw(&format!(
        "INSERT INTO webhooks (owner, url, events, scope, description, created_at, secret) \
         VALUES ({}, 'https://hooks.example.org/', 'request.*', 'own', '', CURRENT_TIMESTAMP, '')",
        owner.id()
    ));
    WebhookId(app.query_i64s("SELECT max(id) AS n FROM webhooks")[0])
}

/// Claims under this lease. Returns the number of deliveries.
fn claim(app: &TestApp, lease: Uuid) -> usize {
    let claimed = app.store.write(|conn| {
        let now = conn.now()?;
        webhook_deliveries::claim(conn, Slots { total: 16, failing: 64 }, lease, now)
    });
    claimed.unwrap().len()
}

#[test]
fn a_claim_whose_outcome_is_unknown_is_given_back() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::without_server(backend);
        let ada = app.user("ada@example.org");
        queue_tests(&app, insert_webhook(&app, &ada), 6);
        queue_tests(&app, insert_webhook(&app, &ada), 1);
        let (lost, other) = (entropy::uuid(), entropy::uuid());
        app.execute_raw(
            "UPDATE webhooks SET disabled_at = created_at, disabled_reason = 'owner' WHERE id = 1",
        );
        assert_eq!(claim(&app, other), 1);
        app.execute_raw("UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL");
        assert_eq!(claim(&app, lost), 4);
        assert_eq!(claim(&app, entropy::uuid()), 0);
        let release = |conn: &mut Conn| {
            let now = conn.now()?;
            webhook_deliveries::release(conn, &[lost, entropy::uuid()], now)
        };
        app.store.write(release).unwrap();
        assert_eq!(app.count("SELECT count(*) AS n FROM webhook_deliveries WHERE attempts = 1"), 1);
        assert_eq!(claim(&app, entropy::uuid()), 4, "the other lease has not ended");
    }
}

#[test]
fn a_purge_deletes_deliveries_that_ended_before_the_cutoff() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::without_server(backend);
        let webhook = WebhookId(1);
        let days_ago = |conn: &mut Conn, days: i64| conn.now().map(|now| now.plus_seconds(-days * 86_400));
        for days in [40, 40, 10, 40] {
            let queue = |conn: &mut Conn| {
                let at = days_ago(conn, days)?;
                webhook_deliveries::queue_test(conn, webhook, at).map(drop)
            };
            app.store.write(queue).unwrap();
        }
        let number = |nth: i64| {
            format!("id = (SELECT id FROM webhook_deliveries ORDER BY created_at LIMIT 1 OFFSET {nth})")
        };
        let end = |nth: i64, at: &str| {
            let set = format!("finished_at = {at}, result = 'delivered'");
            app.execute_raw(&format!("UPDATE webhook_deliveries SET {set} WHERE {}", number(nth)));
        };
        // One waits, one ended at once, one after thirty days; the last one is newer.
        end(1, "created_at");
        end(2, "(SELECT max(created_at) FROM webhook_deliveries)");
        end(3, "created_at");
        let purge = |days: i64| {
            let purged = app.store.write(|conn| {
                let cutoff = days_ago(conn, days)?;
                countersign::store::purge::purge_batch(conn, cutoff, 1)
            });
            purged.unwrap().webhook_deliveries
        };
        assert_eq!([50, 30, 30, 5, 5, 5, 1].map(purge), [0, 1, 0, 1, 1, 0, 0]);
        let left = "SELECT count(*) AS n FROM webhook_deliveries WHERE finished_at IS NULL";
        assert_eq!(app.count(left), 1);
    }
}

#[test]
fn replicas_that_claim_at_the_same_time_make_four_deliveries_to_a_webhook() {
    const REPLICAS: usize = 6;
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::without_server(backend);
        let ada = app.user("ada@example.org");
        for _ in 0..2 {
            queue_tests(&app, insert_webhook(&app, &ada), 40);
        }
        for failures in [0, 1, 0, 0] {
            app.execute_raw(&format!("UPDATE webhooks SET failures = {failures}"));
            let barrier = Barrier::new(REPLICAS);
            let claimed: Vec<usize> = std::thread::scope(|scope| {
                let claims = [(); REPLICAS].map(|()| {
                    scope.spawn(|| {
                        barrier.wait();
                        claim(&app, entropy::uuid())
                    })
                });
                claims.map(|claim| claim.join().unwrap()).into()
            });
            let expected = if failures > 0 { 2 } else { 8 };
            assert_eq!(claimed.iter().sum::<usize>(), expected, "{backend:?} {claimed:?}");
            assert_eq!(claim(&app, entropy::uuid()), 0, "all are in flight");
            app.execute_raw("UPDATE webhook_deliveries SET lease = NULL, due_at = created_at");
        }
    }
}
