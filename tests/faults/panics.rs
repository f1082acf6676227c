//! Panics, a thousand of each kind: the call that has one fails, whoever comes after
//! finds everything as it was; or the process ends, and says why.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::crowd::{ANSWERED, assert_sound};
use crate::helpers::{Backend, TestApp, TestUser};
use crate::measure;
use crate::server::Server;

/// Panics of a kind.
const PANICS: usize = 1_000;
/// Calls at a time: more than there are threads or places that a panic could take away.
const AT_ONCE: usize = 16;
/// How soon a process ends whose actor is dead: it may have to tidy up.
const ENDS: Duration = Duration::from_secs(3);

struct Scene {
    app: TestApp,
    server: Server,
    client: Client,
    ada: TestUser,
    grace: TestUser,
}

impl Scene {
    fn set(faults: &str) -> Self {
        let app = TestApp::without_server(Backend::Sqlite);
        let server = Server::start(&app.database_url, &[("FAILPOINTS", faults)]);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { app, server, client, ada, grace }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.server.url))
    }

    /// Status and body of each of so many of the same calls, in no order.
    async fn all(&self, times: usize, call: impl Fn(usize) -> RequestBuilder) -> Vec<(u16, String)> {
        let calls = (0..times).map(|nth| {
            let call = call(nth);
            async move {
                let begun = Instant::now();
                let answer = call.send().await.expect("an answer, whatever it is");
                let status = answer.status().as_u16();
                let body = answer.text().await.unwrap();
                assert!(begun.elapsed() < ANSWERED, "{status} after {:?}", begun.elapsed());
                (status, body)
            }
        });
        stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await
    }

    /// Calls until nobody fails any more; how many did, and that none of them was told
    /// anything else than this.
    async fn until_all_is_well(&self, failure: u16, call: impl Fn(usize) -> RequestBuilder) -> usize {
        let mut failed = 0;
        loop {
            let answers = self.all(100, &call).await;
            let well = answers.iter().filter(|(status, _)| *status < 400).count();
            for (status, body) in &answers {
                assert!(*status < 400 || *status == failure, "{status}: {body}");
            }
            failed += answers.len() - well;
            if well == answers.len() {
                return failed;
            }
            assert!(failed <= PANICS, "a panic fails more than its own call");
        }
    }

    /// As much as ever can be done at a time.
    async fn assert_whole(&self) {
        assert!(self.server.is_alive());
        let requests: Vec<_> = (0..200)
            .map(|nth| self.app.ask(&self.ada, &self.grace, &self.app.bundle(&format!("Whole {nth}"), 6)))
            .collect();
        let redeem = |nth: usize| {
            let token = self.app.redeem_token(&requests[nth]);
            let path = format!("/api/bundle_permission_request/{token}/");
            self.request(Method::PUT, &path).bearer_auth(&self.grace.key)
        };
        let redeemed = self.all(200, redeem).await;
        assert!(redeemed.iter().all(|(status, _)| *status == 200), "{redeemed:?}");
        let ready: Value = self.request(Method::GET, "/readyz").send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["status"], "ready");
        assert_sound(&self.app);
    }
}

#[tokio::test]
async fn a_handler_that_panics_fails_one_call_and_says_so_in_its_dialect() {
    let scene = Scene::set(&format!("handler.panic={PANICS}*panic"));
    for (path, said) in [
        ("/-/svc/mfs_api.list", "internal_error"),
        ("/api/account/", "Internal server error."),
        ("/oauth2/introspect", "server_error"),
        ("/redeem?token=x", "There was a problem on our side."),
        ("/healthz", "Internal server error."),
    ] {
        let answer = scene.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 500, "{path}");
        assert!(answer.headers().contains_key("x-request-id"), "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        let body = answer.text().await.unwrap();
        assert!(body.contains(said), "{path}: {body}");
    }
    let account = |_| scene.request(Method::GET, "/api/account/").bearer_auth(&scene.ada.key);
    assert_eq!(scene.until_all_is_well(500, account).await, PANICS - 5);
    scene.assert_whole().await;
}

#[tokio::test]
async fn a_ledger_that_panics_fails_the_deed_and_keeps_its_places() {
    let scene = Scene::set(&format!("ledger.panic={PANICS}*panic"));
    let bundle = scene.app.bundle("Sleep", 6).id.0;
    let (ada, grace) = (&scene.ada, &scene.grace);
    let body = json!({ "user_allowed": ada.id(), "user_target": grace.id(), "bundle": bundle });
    let ask =
        |_| scene.request(Method::POST, "/api/bundle_permission_request/").bearer_auth(&ada.key).json(&body);
    assert!(scene.until_all_is_well(503, ask).await > 0);
    scene.assert_whole().await;
}

#[tokio::test]
async fn a_look_up_that_panics_fails_the_question_and_keeps_its_places() {
    a_look_up_panics("").await;
}

/// The same, with mistakes planted.
pub async fn a_look_up_panics(planted: &str) {
    let scene = Scene::set(&format!("lookup.panic={PANICS}*panic;{planted}"));
    let request = scene.app.ask(&scene.ada, &scene.grace, &scene.app.bundle("Sleep", 6));
    let path = format!("/api/bundle_permission_request/{}/", scene.app.redeem_token(&request));
    let look = |_| scene.request(Method::GET, &path).bearer_auth(&scene.grace.key);
    assert!(scene.until_all_is_well(503, look).await > 0);
    scene.assert_whole().await;
}

#[tokio::test]
async fn a_thread_of_the_directory_that_panics_gives_its_permit_back() {
    let scene = Scene::set(&format!("directory.panic={PANICS}*panic"));
    let account = |_| scene.request(Method::GET, "/api/account/").bearer_auth(&scene.ada.key);
    // The mailer's rounds are read by such threads too.
    assert!(scene.until_all_is_well(503, account).await > PANICS / 2);
    scene.assert_whole().await;
}

#[tokio::test]
async fn a_mail_whose_sending_panics_is_sent_when_its_lease_has_run_out() {
    let (mails, panics) = measure((100, 300), (200, PANICS));
    let scene = Scene::set(&format!("delivery.panic={panics}*panic"));
    for nth in 0..mails {
        scene.app.ask(&scene.ada, &scene.grace, &scene.app.bundle(&format!("Bundle {nth}"), 6));
    }
    let unsent = "SELECT count(*) AS n FROM outbox WHERE result IS NULL";
    let begun = Instant::now();
    while scene.app.count(unsent) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} are not sent", scene.app.count(unsent));
        // A minute goes by.
        scene.app.tamper("UPDATE outbox SET due_at = due_at - 60000000 WHERE result IS NULL");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    scene.assert_whole().await;
}

/// Whoever watches processes starts another one; this one must not linger as half of one.
#[tokio::test]
async fn a_process_whose_actor_panics_ends_and_says_which() {
    for (faults, actor) in [
        ("registry.panic=panic", "the registry stopped unexpectedly"),
        ("mailer.panic=panic", "the mailer stopped unexpectedly"),
    ] {
        let scene = Scene::set(faults);
        let bundle = scene.app.bundle("Sleep", 6).id.0;
        let body =
            json!({ "user_allowed": scene.ada.id(), "user_target": scene.grace.id(), "bundle": bundle });
        let ask = scene.request(Method::POST, "/api/bundle_permission_request/");
        let asked = tokio::spawn(ask.bearer_auth(&scene.ada.key).json(&body).send());
        let (status, took) = scene.server.end(Duration::from_secs(20)).await.expect("it ends");
        eprintln!("{actor}: ended after {took:?}");
        assert_eq!(status.code(), Some(1));
        assert!(took < ENDS, "{took:?}");
        // The log is read by a thread of its own.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(scene.server.said(actor).len(), 1, "{:?}", scene.server.said(""));
        // The caller was told, or hung up on; not left hanging.
        let _ = asked.await.unwrap();
    }
}
