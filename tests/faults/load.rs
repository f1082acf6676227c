//! People who go on asking and redeeming whatever happens, and what they were told:
//! in the end it is held against what the database has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign::domain::audit::AuditContext;
use countersign::domain::permission_request::{NewPermissionRequest, PermissionRequest};
use countersign::store::ledger::{CreateRequest, Operation};
use reqwest::{Client, Method};
use serde_json::json;

use crate::helpers::{TestApp, TestUser, commit_batch};
use crate::server::Server;

/// Every request is answered within two seconds; and a machine that has other things
/// to do may stall for three.
pub const MAX_RESPONSE_TIME: Duration = Duration::from_secs(5);
/// For how long things go wrong every day: whoever waits for them to be mended is late.
pub const FAULT_DURATION: Duration = Duration::from_secs(7);
/// How soon all is well again when a fault is over.
pub const MAX_RECOVERY_TIME: Duration = Duration::from_secs(5);
/// How many do so at a time.
const LOAD_CLIENTS: usize = 8;
/// How long each of them thinks between two calls.
const THINK_TIME: Duration = Duration::from_millis(20);

/// Who and what there is.
pub struct LoadFixture {
    /// The database.
    pub app: TestApp,
    requester: TestUser,
    targets: Vec<TestUser>,
    bundles: Vec<i64>,
    /// Open requests, with their targets, each to be redeemed once.
    open_requests: Arc<Vec<(PermissionRequest, String, usize)>>,
    next_request: Arc<AtomicUsize>,
    client: Client,
}

/// People at work.
pub struct LoadGenerator {
    stop: Arc<AtomicBool>,
    /// One that is theirs: what a test does meanwhile is not to hold them up.
    thread: std::thread::JoinHandle<Vec<Call>>,
}

/// What somebody wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// To know who they are.
    Account,
    /// To ask for a permission.
    CreateRequest,
    /// To redeem this request.
    Redeem(i64),
}

/// A call, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// What was wanted.
    pub kind: CallKind,
    /// How long the answer took.
    pub elapsed: Duration,
    /// Its status; `None` when there was no answer.
    pub status: Option<u16>,
    /// The request that was made.
    pub created_request: Option<i64>,
}

impl Call {
    /// Whether a request was redeemed by it.
    pub fn is_redeemed(&self) -> bool {
        matches!(self.kind, CallKind::Redeem(_)) && self.status == Some(200)
    }
}

impl LoadFixture {
    /// A requester, and so many open requests.
    pub fn new(app: TestApp, open: usize) -> Self {
        let requester = app.user("ada@example.org");
        let targets: Vec<TestUser> =
            (0..16).map(|nth| app.user(&format!("target{nth}@example.org"))).collect();
        let bundles: Vec<_> =
            (0..open.div_ceil(16) + 1).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let new = |nth: usize| NewPermissionRequest {
            terms: Terms {
                target: targets[nth % 16].user.id,
                grantee: requester.user.id,
                bundle: bundles[1 + nth / 16].id,
            },
            asked_by: requester.user.id,
            lifetime_seconds: 86_400,
            redeem_page: None,
            idempotency_key: None,
        };
        let operation = |nth| Operation::new(CreateRequest(new(nth)), AuditContext::default());
        let batch = |first: usize| (first..open.min(first + 256)).map(operation).collect();
        let results = (0..open).step_by(256).flat_map(|first| commit_batch(&app.store, batch(first)));
        let open = results.enumerate().map(|(nth, result)| match result.unwrap() {
            Ok((request, ..)) => {
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

    /// Sends people at work with a server.
    pub fn start_load(&self, server: &Server) -> LoadGenerator {
        self.start_load_with(server, LOAD_CLIENTS, THINK_TIME)
    }

    /// So many people, who think for so long between two calls.
    pub fn start_load_with(&self, server: &Server, clients: usize, think_time: Duration) -> LoadGenerator {
        let stop = Arc::<AtomicBool>::default();
        // Its connections are their thread's.
        let client = client();
        let person = |nth: usize| {
            let (stop, client, url) = (Arc::clone(&stop), client.clone(), server.url.clone());
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

    /// What the requester is answered who wants to know who they are.
    pub async fn get_account(&self, server: &Server) -> Option<u16> {
        let request = self.client.get(format!("{}/api/account/", server.url));
        call(CallKind::Account, request.bearer_auth(&self.requester.key)).await.status
    }

    /// What a probe answers, over a connection of its own, and how long that takes.
    pub async fn health_check(&self, server: &Server, path: &str) -> (Option<u16>, Duration) {
        let begun = Instant::now();
        let answer = client().get(format!("{}{path}", server.url)).send().await;
        (answer.ok().map(|answer| answer.status().as_u16()), begun.elapsed())
    }

    /// Waits until the server says that it is not ready, which it must soon; then for so
    /// long, in which it must stay so. It lives, and says so at once, all the time.
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
                (Some(200), None) => assert!(begun.elapsed() < MAX_RECOVERY_TIME, "/readyz stays green"),
                other => panic!("/readyz: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        eprintln!("/readyz was red after {:?}", red.unwrap().duration_since(begun));
    }

    /// How long it takes from now until the server is ready, and does what it is asked.
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
                eprintln!("all was well again after {:?}", begun.elapsed());
                return begun.elapsed();
            }
            assert!(begun.elapsed() < MAX_RECOVERY_TIME * 6, "it does not recover: {ready:?}, {asked:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// That what people were told is so: what was acknowledged is there, what was
    /// refused is not, and nothing has come apart.
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
        let untold: Vec<_> = redeemed.difference(&told).collect();
        assert!(untold.is_empty(), "redeemed by nobody: {untold:?}");
        assert_consistent(&self.app);
    }

    fn ids(&self, sql: &str) -> BTreeSet<i64> {
        self.app.query_i64s(sql).into_iter().collect()
    }
}

impl LoadGenerator {
    /// Lets them finish what they are at; what they were told, in no order.
    pub async fn stop(self) -> Vec<Call> {
        self.stop.store(true, Ordering::Relaxed);
        while !self.thread.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.thread.join().unwrap()
    }
}

/// Its connections are put away long before the server hangs up on them: who sends
/// something at that very moment has no answer.
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

/// That each call was answered in time, and as calls may be.
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

/// That nothing in a database has come apart: deeds, their trail, their mails and
/// what is kept of their number.
pub fn assert_consistent(app: &TestApp) {
    app.assert_user_counters();
    let told = |action: &str| format!("sum(CASE WHEN action = '{action}' THEN 1 ELSE 0 END)");
    let whole = format!(
        "permission_requests AS r \
         LEFT JOIN (SELECT subject, {} AS made, {} AS redeemed FROM audit_log GROUP BY subject) AS e \
         ON e.subject = 'request:' || r.id \
         LEFT JOIN (SELECT request_id, count(*) AS mails FROM outbox GROUP BY request_id) AS o \
         ON o.request_id = r.id",
        told("request.created"),
        told("request.approved")
    );
    for (what, wrong) in [
        ("requests whose trail does not say once that they were made", "coalesce(e.made, 0) <> 1"),
        (
            "requests whose trail does not say once that they were redeemed, or does although they were not",
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
    assert_eq!(app.count(twice), 0, "permissions that stand twice");
}
