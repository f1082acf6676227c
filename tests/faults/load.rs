//! Clients that create and redeem requests during faults. Finally their responses are compared
//! with the database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign::domain::audit::AuditContext;
use countersign::domain::permission_request::{NewPermissionRequest, PermissionRequest};
use countersign::domain::terms::Terms;
use countersign::store::ledger::{CreateRequest, CreatedRequest, Operation};
use reqwest::{Client, Method};
use serde_json::json;

use crate::helpers::{TestApp, TestUser, commit_batch};
use crate::server::Server;

/// The server promises two seconds, and a busy machine may pause for three.
pub const MAX_RESPONSE_TIME: Duration = Duration::from_secs(5);
/// The duration of faults: longer than any timeout of a caller.
pub const FAULT_DURATION: Duration = Duration::from_secs(7);
/// The maximum time from the end of a fault until the server works again.
pub const MAX_RECOVERY_TIME: Duration = Duration::from_secs(5);
/// The number of concurrent clients.
const LOAD_CLIENTS: usize = 8;
/// The pause of a client between two calls.
const THINK_TIME: Duration = Duration::from_millis(20);

/// The users and requests for the clients.
pub struct LoadFixture {
    pub app: TestApp,
    requester: TestUser,
    targets: Vec<TestUser>,
    bundles: Vec<i64>,
    /// Open requests, each with its redeem token and the index of its target.
    open_requests: Arc<Vec<(PermissionRequest, String, usize)>>,
    next_request: Arc<AtomicUsize>,
    client: Client,
}

/// Running clients.
pub struct LoadGenerator {
    stop: Arc<AtomicBool>,
    /// A separate thread, so that the test does not delay the clients.
    thread: std::thread::JoinHandle<Vec<Call>>,
}

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Get the own account.
    Account,
    /// Create a permission request.
    CreateRequest,
    /// Redeem this request.
    Redeem(i64),
}

/// A call and its result.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub kind: CallKind,
    /// The response time.
    pub elapsed: Duration,
    /// The status. `None` if there was no response.
    pub status: Option<u16>,
    /// The id of the created request.
    pub created_request: Option<i64>,
}

impl Call {
    /// Whether the call redeemed a request.
    pub fn is_redeemed(&self) -> bool {
        matches!(self.kind, CallKind::Redeem(_)) && self.status == Some(200)
    }
}

impl LoadFixture {
    /// Adds a requester and this number of open requests.
    pub fn new(app: TestApp, open: usize) -> Self {
        let requester = app.user("ada@example.org");
        let targets: Vec<TestUser> =
            (0..16).map(|nth| app.user(&format!("target{nth}@example.org"))).collect();
        let bundles: Vec<_> =
            (0..open.div_ceil(16) + 1).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let new = |nth: usize| {
            let (target, bundle) = (&targets[nth % 16], &bundles[1 + nth / 16]);
            let grantee = requester.user.id;
            let terms = Terms { target: target.user.id, grantee, bundle: bundle.id };
            NewPermissionRequest::new(terms, grantee, bundle.permission, 86_400)
        };
        let operation = |nth| Operation::new(CreateRequest(new(nth)), AuditContext::default());
        let batch = |first: usize| (first..open.min(first + 256)).map(operation).collect();
        let results = (0..open).step_by(256).flat_map(|first| commit_batch(&app.store, batch(first)));
        let open = results.enumerate().map(|(nth, result)| match result.unwrap() {
            Ok(CreatedRequest { request, .. }) => {
                let token = app.redeem_token(&request);
                (request, token, nth % 16)
            }
            Err(error) => panic!("not created: {error}"),
        });
        let open_requests = Arc::new(open.collect());
        let client = client();
        let bundles = bundles.iter().map(|bundle| bundle.id.0).collect();
        Self { app, requester, targets, bundles, open_requests, next_request: Arc::default(), client }
    }

    /// The id and the token of an open request, and the key of its target.
    pub fn open_request(&self, nth: usize) -> (i64, &str, &str) {
        let (request, token, target) = &self.open_requests[nth];
        (request.id.0, token, &self.targets[*target].key)
    }

    /// The key of the requester.
    pub fn requester_key(&self) -> &str {
        &self.requester.key
    }

    /// Starts the default number of clients.
    pub fn start_load(&self, server: &Server) -> LoadGenerator {
        self.start_load_with(&server.url, LOAD_CLIENTS, THINK_TIME)
    }

    /// Starts this number of clients of the server at this URL, with this pause between calls.
    pub fn start_load_with(&self, url: &str, clients: usize, think_time: Duration) -> LoadGenerator {
        let stop = Arc::<AtomicBool>::default();
        // Connections belong to the runtime of their thread.
        let client = client();
        let person = |nth: usize| {
            let (stop, client, url) = (Arc::clone(&stop), client.clone(), url.to_owned());
            let (open, next) = (Arc::clone(&self.open_requests), Arc::clone(&self.next_request));
            let (ada, targets, bundle) = (self.requester.clone(), self.targets.clone(), self.bundles[0]);
            async move {
                let mut calls = Vec::new();
                for turn in nth.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let call = match turn % 3 {
                        0 => {
                            let request = client.get(format!("{url}/api/account/")).bearer_auth(&ada.key);
                            call(CallKind::Account, request).await
                        }
                        1 => {
                            let target = targets[nth % 16].id();
                            let body =
                                json!({ "user_allowed": ada.id(), "user_target": target, "bundle": bundle });
                            let url = format!("{url}/api/bundle_permission_request/");
                            call(CallKind::CreateRequest, client.post(url).bearer_auth(&ada.key).json(&body))
                                .await
                        }
                        _ => {
                            let Some((request, token, target)) =
                                open.get(next.fetch_add(1, Ordering::Relaxed))
                            else {
                                continue;
                            };
                            let url = format!("{url}/api/bundle_permission_request/{token}/");
                            let redeem = client.request(Method::PUT, url).bearer_auth(&targets[*target].key);
                            call(CallKind::Redeem(request.id.0), redeem).await
                        }
                    };
                    calls.push(call);
                    tokio::time::sleep(think_time).await;
                }
                calls
            }
        };
        let people: Vec<_> = (0..clients).map(person).collect();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let told = runtime.block_on(futures_util::future::join_all(people));
            told.into_iter().flatten().collect()
        });
        LoadGenerator { stop, thread }
    }

    /// The status of a request for the requester's account.
    pub async fn get_account(&self, server: &Server) -> Option<u16> {
        let request = self.client.get(format!("{}/api/account/", server.url));
        call(CallKind::Account, request.bearer_auth(&self.requester.key)).await.status
    }

    /// The status of a health endpoint on a new connection, and the response time.
    pub async fn health_check(&self, server: &Server, path: &str) -> (Option<u16>, Duration) {
        let begun = Instant::now();
        let answer = client().get(format!("{}{path}", server.url)).send().await;
        (answer.ok().map(|answer| answer.status().as_u16()), begun.elapsed())
    }

    /// Waits until the server is not ready, which must be soon, and asserts that it stays so for
    /// this time while `/healthz` succeeds.
    pub async fn assert_not_ready_for(&self, server: &Server, time: Duration) {
        let begun = Instant::now();
        let mut red = None;
        while red.is_none_or(|red: Instant| red.elapsed() < time) {
            let (health, took) = self.health_check(server, "/healthz").await;
            assert!(
                health == Some(200) && took < MAX_RESPONSE_TIME / 2,
                "/healthz: {health:?} after {took:?}"
            );
            let (ready, took) = self.health_check(server, "/readyz").await;
            assert!(took < MAX_RESPONSE_TIME, "/readyz took {took:?}");
            match (ready, red) {
                (Some(503), None) => red = Some(Instant::now()),
                (Some(503), Some(_)) => {}
                (Some(200), None) => assert!(begun.elapsed() < MAX_RECOVERY_TIME, "/readyz still succeeds"),
                other => panic!("/readyz: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        eprintln!("/readyz failed after {:?}", red.unwrap().duration_since(begun));
    }

    /// Waits until the server is ready and calls succeed. Returns how long it took.
    pub async fn wait_until_recovered(&self, server: &Server) -> Duration {
        let begun = Instant::now();
        loop {
            let (ready, _) = self.health_check(server, "/readyz").await;
            let body = json!({
                "user_allowed": self.requester.id(),
                "user_target": self.targets[15].id(),
                "bundle": self.bundles[0],
            });
            let url = format!("{}/api/bundle_permission_request/", server.url);
            let asked = call(
                CallKind::CreateRequest,
                self.client.post(url).bearer_auth(&self.requester.key).json(&body),
            )
            .await;
            if (ready, asked.status) == (Some(200), Some(201)) {
                eprintln!("recovered after {:?}", begun.elapsed());
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < MAX_RECOVERY_TIME * 6,
                "the server does not recover: {ready:?}, {asked:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asserts that the responses match the database: acknowledged calls were executed, rejected
    /// ones were not, and the database is consistent.
    pub fn assert_matches_database(&self, calls: &[Call]) {
        let redeemed =
            self.ids("SELECT id AS n FROM permission_requests WHERE outcome = 'approved' AND active");
        let asked = self.ids("SELECT id AS n FROM permission_requests");
        for call in calls {
            match call.kind {
                CallKind::Redeem(id) if call.status == Some(200) => {
                    assert!(redeemed.contains(&id), "lost: {call:?}")
                }
                CallKind::CreateRequest if call.status == Some(201) => {
                    assert!(asked.contains(&call.created_request.unwrap()), "lost: {call:?}")
                }
                _ => {}
            }
        }
        let told: BTreeSet<i64> = calls
            .iter()
            .filter(|call| call.status.is_none_or(|status| matches!(status, 200 | 500 | 503)))
            .filter_map(|call| if let CallKind::Redeem(id) = call.kind { Some(id) } else { None })
            .collect();
        let unacknowledged: Vec<_> = redeemed.difference(&told).collect();
        assert!(unacknowledged.is_empty(), "redeemed without an acknowledged call: {unacknowledged:?}");
        assert_consistent(&self.app);
    }

    fn ids(&self, sql: &str) -> BTreeSet<i64> {
        self.app.query_i64s(sql).into_iter().collect()
    }
}

impl LoadGenerator {
    /// Stops the clients after their current calls. Returns all calls in no order.
    pub async fn stop(self) -> Vec<Call> {
        self.stop.store(true, Ordering::Relaxed);
        while !self.thread.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.thread.join().unwrap()
    }
}

/// A client that closes idle connections long before the server does: a request sent at that
/// moment would get no response.
fn client() -> Client {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(20));
    client.pool_idle_timeout(Duration::from_secs(1)).build().unwrap()
}

async fn call(wish: CallKind, request: reqwest::RequestBuilder) -> Call {
    let begun = Instant::now();
    let Ok(answer) = request.send().await else {
        return Call { kind: wish, elapsed: begun.elapsed(), status: None, created_request: None };
    };
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().await.unwrap_or_default();
    let made =
        body["resource_uri"].as_str().and_then(|uri| uri.trim_matches('/').rsplit('/').next()?.parse().ok());
    Call { kind: wish, elapsed: begun.elapsed(), status: Some(status), created_request: made }
}

/// Asserts that each call was answered in time with an expected status.
pub fn assert_all_responded(calls: &[Call]) {
    let slowest = calls.iter().map(|call| call.elapsed).max().unwrap();
    let count = |wanted: Option<u16>| calls.iter().filter(|call| call.status == wanted).count();
    eprintln!(
        "{} calls, the slowest answered after {slowest:?}; 503: {}, no answer: {}",
        calls.len(),
        count(Some(503)),
        count(None),
    );
    for call in calls {
        assert!(call.elapsed < MAX_RESPONSE_TIME, "{call:?}");
        assert!(matches!(call.status, Some(200 | 201 | 404 | 503)), "{call:?}");
    }
}

/// Asserts that the database is consistent: requests, permissions, audit log, mails and counters.
pub fn assert_consistent(app: &TestApp) {
    app.assert_user_counters();
    let told = |action: &str| format!("sum(CASE WHEN action = '{action}' THEN 1 ELSE 0 END)");
    let whole = format!(
        "permission_requests AS r \
         LEFT JOIN (SELECT subject, {} AS made, {} AS redeemed FROM audit_log GROUP BY subject) AS e \
         ON e.subject = 'request:' || r.id \
         LEFT JOIN (SELECT request_id, sum(CASE WHEN notice IS NULL THEN 1 ELSE 0 END) AS mails \
         FROM outbox GROUP BY request_id) AS o \
         ON o.request_id = r.id",
        told("request.created"),
        told("request.approved")
    );
    for (what, wrong) in [
        ("requests whose audit entries for creation do not match their rows", "coalesce(e.made, 0) <> 1"),
        (
            "requests whose audit entries for approval do not match their outcome",
            "coalesce(e.redeemed, 0) <> CASE WHEN r.outcome = 'approved' THEN 1 ELSE 0 END",
        ),
        ("permissions that stand of requests that were not redeemed", "r.active AND r.outcome <> 'approved'"),
        ("requests without their one mail", "coalesce(o.mails, 0) <> 1"),
    ] {
        let sql = format!("SELECT count(*) AS n FROM {whole} WHERE {wrong}");
        assert_eq!(app.count(&sql), 0, "{what}");
    }
    let twice = "SELECT count(*) AS n FROM (SELECT 1 FROM bundle_permissions \
        GROUP BY user_target, user_allowed, bundle_id HAVING count(*) > 1) AS twice";
    assert_eq!(app.count(twice), 0, "duplicate active permissions");
    app.assert_decision_mails();
    app.assert_audit_log_sealed();
}
