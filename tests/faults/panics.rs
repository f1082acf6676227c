//! A thousand panics of each kind: only the call that panics fails, and later calls are not
//! affected. If an actor panics, the process exits and reports why.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::helpers::{Backend, TestApp, TestUser};
use crate::load::{MAX_RESPONSE_TIME, assert_consistent};
use crate::server::{CORS_ORIGIN, Server};
use crate::short_or_long;

/// The number of panics per kind.
const PANICS_PER_KIND: usize = 1_000;
/// The number of concurrent calls: more than the threads or permits that panics could leak.
const CONCURRENT_CALLS: usize = 16;
/// The maximum time until the process exits after an actor has panicked, including cleanup.
const EXIT_TIMEOUT: Duration = Duration::from_secs(3);

struct PanicFixture {
    app: TestApp,
    server: Server,
    client: Client,
    ada: TestUser,
    grace: TestUser,
}

impl PanicFixture {
    fn new(faults: &str) -> Self {
        let app = TestApp::without_server(Backend::Sqlite);
        let server = Server::start(&app.database_url, &[("FAILPOINTS", faults)]);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { app, server, client, ada, grace }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.server.url))
    }

    /// The status and body of this number of equal calls, in no order.
    async fn call_repeatedly(
        &self,
        times: usize,
        call: impl Fn(usize) -> RequestBuilder,
    ) -> Vec<(u16, String)> {
        let calls = (0..times).map(|nth| {
            let call = call(nth);
            async move {
                let begun = Instant::now();
                let answer = call.send().await.expect("a response with any status");
                let status = answer.status().as_u16();
                let body = answer.text().await.unwrap();
                assert!(begun.elapsed() < MAX_RESPONSE_TIME, "{status} after {:?}", begun.elapsed());
                (status, body)
            }
        });
        stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_CALLS).collect().await
    }

    /// Repeats a call until it succeeds. Returns how often it failed, and asserts that each
    /// failure has this status.
    async fn call_until_recovered(&self, failure: u16, call: impl Fn(usize) -> RequestBuilder) -> usize {
        let mut failed = 0;
        loop {
            let answers = self.call_repeatedly(100, &call).await;
            let well = answers.iter().filter(|(status, _)| *status < 400).count();
            for (status, body) in &answers {
                assert!(*status < 400 || *status == failure, "{status}: {body}");
            }
            failed += answers.len() - well;
            if well == answers.len() {
                return failed;
            }
            assert!(failed <= PANICS_PER_KIND, "a panic fails more than its own call");
        }
    }

    /// Asserts that the server still reaches its full concurrency.
    async fn assert_full_capacity(&self) {
        assert!(self.server.is_alive());
        let requests: Vec<_> = (0..200)
            .map(|nth| {
                self.app.create_request(&self.ada, &self.grace, &self.app.bundle(&format!("Whole {nth}"), 6))
            })
            .collect();
        let redeem = |nth: usize| {
            let token = self.app.redeem_token(&requests[nth]);
            let path = format!("/api/bundle_permission_request/{token}/");
            self.request(Method::PUT, &path).bearer_auth(&self.grace.key)
        };
        let redeemed = self.call_repeatedly(200, redeem).await;
        assert!(redeemed.iter().all(|(status, _)| *status == 200), "{redeemed:?}");
        let ready: Value = self.request(Method::GET, "/readyz").send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["status"], "ready");
        assert_consistent(&self.app);
    }
}

#[tokio::test]
async fn a_handler_panic_fails_one_call_in_its_error_format() {
    let scene = PanicFixture::new(&format!("handler.panic={PANICS_PER_KIND}*panic"));
    for (path, said) in [
        ("/-/svc/mfs_api.list", "internal_error"),
        ("/api/account/", "Internal server error."),
        ("/oauth2/introspect", "server_error"),
        ("/access/v1/evaluation", "\"Internal server error."),
        ("/redeem?token=x", "There was a problem on our side."),
        ("/healthz", "Internal server error."),
    ] {
        let request = scene.request(Method::GET, path).header("origin", CORS_ORIGIN);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 500, "{path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], CORS_ORIGIN, "{path}");
        assert!(answer.headers().contains_key("x-request-id"), "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        let body = answer.text().await.unwrap();
        assert!(body.contains(said), "{path}: {body}");
    }
    let account = |_| scene.request(Method::GET, "/api/account/").bearer_auth(&scene.ada.key);
    assert_eq!(scene.call_until_recovered(500, account).await, PANICS_PER_KIND - 6);
    scene.assert_full_capacity().await;
}

#[tokio::test]
async fn a_ledger_panic_fails_one_command_and_releases_its_permits() {
    let scene = PanicFixture::new(&format!("ledger.panic={PANICS_PER_KIND}*panic"));
    let bundle = scene.app.bundle("Sleep", 6).id.0;
    let (ada, grace) = (&scene.ada, &scene.grace);
    let body = json!({ "user_allowed": ada.id(), "user_target": grace.id(), "bundle": bundle });
    let ask =
        |_| scene.request(Method::POST, "/api/bundle_permission_request/").bearer_auth(&ada.key).json(&body);
    assert!(scene.call_until_recovered(503, ask).await > 0);
    scene.assert_full_capacity().await;
}

#[tokio::test]
async fn a_lookup_panic_fails_one_lookup_and_releases_its_permits() {
    check_lookup_panic("").await;
}

/// The check of the test above, for a server with these fail points.
pub async fn check_lookup_panic(failpoints: &str) {
    let scene = PanicFixture::new(&format!("lookup.panic={PANICS_PER_KIND}*panic;{failpoints}"));
    let request = scene.app.create_request(&scene.ada, &scene.grace, &scene.app.bundle("Sleep", 6));
    let path = format!("/api/bundle_permission_request/{}/", scene.app.redeem_token(&request));
    let look = |_| scene.request(Method::GET, &path).bearer_auth(&scene.grace.key);
    assert!(scene.call_until_recovered(503, look).await > 0);
    scene.assert_full_capacity().await;
}

#[tokio::test]
async fn a_store_thread_panic_releases_its_permit() {
    let scene = PanicFixture::new(&format!("async_store.panic={PANICS_PER_KIND}*panic"));
    let account = |_| scene.request(Method::GET, "/api/account/").bearer_auth(&scene.ada.key);
    // The same threads execute the outbox syncs.
    assert!(scene.call_until_recovered(503, account).await > PANICS_PER_KIND / 2);
    scene.assert_full_capacity().await;
}

#[tokio::test]
async fn a_delivery_panic_is_retried_after_the_lease_expires() {
    let (mails, panics) = short_or_long((100, 300), (200, PANICS_PER_KIND));
    let scene = PanicFixture::new(&format!("delivery.panic={panics}*panic"));
    for nth in 0..mails {
        scene.app.create_request(&scene.ada, &scene.grace, &scene.app.bundle(&format!("Bundle {nth}"), 6));
    }
    let unsent = "SELECT count(*) AS n FROM outbox WHERE result IS NULL";
    let begun = Instant::now();
    while scene.app.count(unsent) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} are not sent", scene.app.count(unsent));
        // As a minute later.
        scene.app.execute_raw("UPDATE outbox SET due_at = due_at - 60000000 WHERE result IS NULL");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    scene.assert_full_capacity().await;
}

/// The process must exit completely, so that a supervisor starts it again.
#[tokio::test]
async fn an_actor_panic_ends_the_process_and_is_logged() {
    for (faults, actor) in [
        ("registry.panic=panic", "the registry stopped unexpectedly"),
        ("mailer.panic=panic", "the mailer stopped unexpectedly"),
    ] {
        let scene = PanicFixture::new(faults);
        let bundle = scene.app.bundle("Sleep", 6).id.0;
        let body =
            json!({ "user_allowed": scene.ada.id(), "user_target": scene.grace.id(), "bundle": bundle });
        let ask = scene.request(Method::POST, "/api/bundle_permission_request/");
        let asked = tokio::spawn(ask.bearer_auth(&scene.ada.key).json(&body).send());
        let (status, took) =
            scene.server.wait_for_exit(Duration::from_secs(20)).await.expect("the server exits");
        eprintln!("{actor}: ended after {took:?}");
        assert_eq!(status.code(), Some(1));
        assert!(took < EXIT_TIMEOUT, "{took:?}");
        // Another thread reads the log.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(scene.server.log_lines_with(actor).len(), 1, "{:?}", scene.server.log_lines_with(""));
        // The caller got a response or a closed connection. It does not wait.
        let _ = asked.await.unwrap();
    }
}
