//! A database that becomes unavailable while a server runs, and returns.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use countersign::domain::rights::Role;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::authzen;
use crate::helpers::{Backend, ByUser, TestApp, TestUser};

/// The file name of PostgreSQL's socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// A proxy to PostgreSQL that can be interrupted.
struct OutageProxy {
    directory: tempfile::TempDir,
    connected: Arc<AtomicBool>,
    frozen: Arc<AtomicBool>,
    /// A marker: the next response with it is dropped, and its connection is closed.
    drop_next: Arc<Mutex<Option<&'static [u8]>>>,
    held_message: Arc<Mutex<Option<HeldMessage>>>,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

/// A message that is held back on its way to the database while its sender loses the connection.
struct HeldMessage {
    marker: &'static [u8],
    let_go: mpsc::Receiver<()>,
    response_seen: mpsc::Sender<()>,
}

impl OutageProxy {
    /// Starts a proxy to the cluster with this URL. Returns the URL through the proxy.
    fn start(url: &str) -> (Self, String) {
        let (before, rest) = url.split_once('@').unwrap();
        let (host, database) = rest.split_once('/').unwrap();
        let there = PathBuf::from(percent_encoding::percent_decode_str(host).decode_utf8().unwrap().as_ref())
            .join(SOCKET);
        let directory = tempfile::Builder::new().prefix("wire-").tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let wire = Self {
            directory,
            connected: Arc::new(AtomicBool::new(true)),
            frozen: Arc::default(),
            drop_next: Arc::default(),
            held_message: Arc::default(),
            streams: Arc::default(),
        };
        let (whole, frozen, doomed, withheld, streams) = (
            Arc::clone(&wire.connected),
            Arc::clone(&wire.frozen),
            Arc::clone(&wire.drop_next),
            Arc::clone(&wire.held_message),
            Arc::clone(&wire.streams),
        );
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // An interrupted proxy closes connections at once.
                if whole.load(Ordering::SeqCst)
                    && let Ok(far) = UnixStream::connect(&there)
                {
                    streams.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                    let (there, back) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                    pump(there, back, &frozen, &Arc::default(), &withheld);
                    pump(far, near, &frozen, &doomed, &Arc::default());
                }
            }
        });
        let here = wire.directory.path().to_str().unwrap().replace('/', "%2F");
        (wire, format!("{before}@{here}/{database}"))
    }

    fn disconnect(&self) {
        self.connected.store(false, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            // The connection may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Keeps all connections open, and forwards nothing.
    fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
    }

    /// Drops the next response that contains this marker.
    fn drop_next_response(&self, answer: &'static [u8]) {
        *self.drop_next.lock().unwrap() = Some(answer);
    }

    /// Holds back the next message that contains this marker, until the returned sender is used.
    /// The returned receiver signals that the database has answered it.
    fn hold_next_message(&self, mark: &'static [u8]) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
        let ((go, let_go), (answered, hear)) = (mpsc::channel(), mpsc::channel());
        *self.held_message.lock().unwrap() =
            Some(HeldMessage { marker: mark, let_go, response_seen: answered });
        (go, hear)
    }

    /// Whether the response has been dropped.
    fn has_dropped(&self) -> bool {
        self.drop_next.lock().unwrap().is_none()
    }

    fn reconnect(&self) {
        self.connected.store(true, Ordering::SeqCst);
    }
}

/// Forwards bytes until either side closes. Pauses while the proxy is frozen, and closes at a
/// response to drop.
fn pump(
    mut from: UnixStream,
    mut to: UnixStream,
    frozen: &Arc<AtomicBool>,
    doomed: &Arc<Mutex<Option<&'static [u8]>>>,
    withheld: &Arc<Mutex<Option<HeldMessage>>>,
) {
    let (frozen, doomed, withheld) = (Arc::clone(frozen), Arc::clone(doomed), Arc::clone(withheld));
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while frozen.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            let holds = |mark: &[u8]| buffer[..read].windows(mark.len()).any(|bytes| bytes == mark);
            let kept = withheld.lock().unwrap().take_if(|withheld| holds(withheld.marker));
            if let Some(HeldMessage { let_go, response_seen: answered, .. }) = kept {
                let _ = (from.shutdown(Shutdown::Both), let_go.recv());
                let _ = (to.write_all(&buffer[..read]), to.shutdown(Shutdown::Write));
                let _ = (to.read_to_end(&mut Vec::new()), answered.send(()));
                break;
            }
            if doomed.lock().unwrap().take_if(|lost| holds(lost)).is_some()
                || to.write_all(&buffer[..read]).is_err()
            {
                break;
            }
        }
        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    });
}

/// A server whose database connections use the proxy, and its URL.
fn app_behind_proxy() -> (TestApp, OutageProxy, String) {
    let mut app = TestApp::spawn(Backend::Postgres);
    let (wire, through) = OutageProxy::start(&app.database_url);
    let url = app.spawn_replica_at(&through, "");
    (app, wire, url)
}

/// Creates a request and measures the response time.
async fn create_request(
    app: &TestApp,
    url: &str,
    by: &TestUser,
    target: &TestUser,
    bundle: i64,
) -> (StatusCode, Duration) {
    let body = serde_json::json!({ "user_allowed": by.id(), "user_target": target.id(), "bundle": bundle });
    let started = Instant::now();
    let answer = app
        .post(&format!("{url}/api/bundle_permission_request/"))
        .by_user(by)
        .json(&body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        assert!(answer.headers().contains_key("retry-after"));
        let said: serde_json::Value = answer.json().await.unwrap();
        assert!(said["error"].as_str().unwrap().contains("Nothing was done"), "{said}");
    }
    (status, started.elapsed())
}

#[actix_web::test]
async fn every_call_is_answered_during_an_outage_and_succeeds_after_it() {
    let (app, wire, url) = app_behind_proxy();
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let bundle = app.bundle("Sleep", 6).id.0;
    assert_eq!(create_request(&app, &url, &ada, &grace, bundle).await.0, StatusCode::CREATED);

    wire.disconnect();
    let before = app.rows();
    for _ in 0..3 {
        let (status, took) = create_request(&app, &url, &ada, &grace, bundle).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
    assert_eq!(app.get(&format!("{url}/readyz")).send().await.unwrap().status(), 503);
    assert_eq!(app.get(&format!("{url}/healthz")).send().await.unwrap().status(), 200);
    assert_eq!(app.rows(), before);

    wire.reconnect();
    let mended = Instant::now();
    while create_request(&app, &url, &ada, &grace, bundle).await.0 != StatusCode::CREATED {
        assert!(mended.elapsed() < Duration::from_secs(20), "the server recovers without a restart");
    }
    // The readiness check caches its result for half a second.
    while app.get(&format!("{url}/readyz")).send().await.unwrap().status() != 200 {
        assert!(mended.elapsed() < Duration::from_secs(20), "the server is ready again");
    }
    assert!(Path::new(wire.directory.path()).exists(), "the proxy still runs");
}

/// A malformed token is looked up like an unknown one: a faster response would distinguish them.
#[actix_web::test]
async fn a_malformed_token_is_looked_up_like_any_other() {
    let (app, wire, url) = app_behind_proxy();
    let authz = |token: &str| {
        app.get(&format!("{url}/authz?hub_id=hub&nid=n&right=read")).header("x-param-mfs-token", token)
    };
    let unknown = format!("cse_E{}", "x".repeat(43));
    for token in ["nonsense", &unknown] {
        assert_eq!(authz(token).send().await.unwrap().status(), 401);
    }
    wire.disconnect();
    for token in ["nonsense", &unknown] {
        assert_eq!(authz(token).send().await.unwrap().status(), 503, "{token}");
    }
}

/// An access that cannot be decided is not denied.
#[actix_web::test]
async fn access_is_not_denied_while_the_database_is_unavailable() {
    let (app, wire, url) = app_behind_proxy();
    let root = app.staff("root@example.org");
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    app.grant_role("hub", &ada, Role::Owner);
    authzen::grant(&app, &ada, &grace, &app.bundle("Sleep", 6));
    let of_token = authzen::token_question(&app.export(&ada).1.expose(), "read", "n");
    let of_user = authzen::question(ada.email(), "read", grace.email());
    let ask = async |path: &str, body: &Value| {
        authzen::send(app.post(&format!("{url}{path}")).by_user(&root).json(body)).await
    };
    for question in [&of_token, &of_user] {
        assert_eq!(ask(authzen::EVALUATION, question).await, (200, json!({ "decision": true })));
    }
    wire.disconnect();
    let batch = json!({ "evaluations": [of_token, of_user] });
    for (path, body) in
        [(authzen::EVALUATION, &of_token), (authzen::EVALUATION, &of_user), (authzen::EVALUATIONS, &batch)]
    {
        let (status, message) = ask(path, body).await;
        assert_eq!((status, message.is_string()), (503, true), "{path}: {message}");
    }
    for path in [authzen::SUBJECTS, authzen::RESOURCES, authzen::ACTIONS] {
        let (status, message) = ask(path, &of_user).await;
        assert_eq!((status, message.is_string()), (503, true), "{path}: {message}");
    }
}

/// A restart closes every pooled connection. Callers must not notice.
#[actix_web::test]
async fn a_restart_of_the_database_between_two_calls_fails_neither() {
    let (app, wire, url) = app_behind_proxy();
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let bundle = app.bundle("Sleep", 6).id.0;
    assert_eq!(create_request(&app, &url, &ada, &grace, bundle).await.0, StatusCode::CREATED);
    wire.disconnect();
    wire.reconnect();
    assert_eq!(create_request(&app, &url, &ada, &grace, bundle).await.0, StatusCode::CREATED);
}

/// A statement that was sent before the freeze may still run: no caller gets the response that it
/// was not executed, and it runs once.
#[actix_web::test]
async fn a_call_during_a_freeze_has_an_unknown_outcome_and_runs_once() {
    let (app, wire, url) = app_behind_proxy();
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
    let withdraw =
        || app.delete(&format!("{url}/api/bundle_permission_request/{}/", request.id)).by_user(&ada);
    // Caches the caller's credentials.
    assert_eq!(app.get(&format!("{url}/api/account/")).by_user(&ada).send().await.unwrap().status(), 200);

    wire.set_frozen(true);
    let started = Instant::now();
    let frozen = withdraw().send().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(frozen.status(), 503);
    let said: serde_json::Value = frozen.json().await.unwrap();
    assert!(said["error"].as_str().unwrap().contains("outcome is unknown"), "{said}");

    wire.set_frozen(false);
    let thawed = Instant::now();
    while !matches!(withdraw().send().await.unwrap().status().as_u16(), 204 | 404) {
        assert!(thawed.elapsed() < Duration::from_secs(20), "the server recovers without a restart");
    }
    assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.withdrawn'"), 1);
    assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE closed_at IS NULL"), 0);
}

/// The response to a COMMIT is lost: the server looks up the outcome and returns the result. The
/// same applies to a statement in autocommit mode.
#[actix_web::test]
async fn a_lost_commit_response_is_resolved() {
    let (app, wire, url) = app_behind_proxy();
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let (first, second) = (
        app.create_request(&ada, &grace, &app.bundle("Sleep", 6)),
        app.create_request(&ada, &grace, &app.bundle("Heart", 6)),
    );
    for caller in [&ada, &grace] {
        assert_eq!(
            app.get(&format!("{url}/api/account/")).by_user(caller).send().await.unwrap().status(),
            200
        );
    }

    wire.drop_next_response(b"COMMIT\0");
    let withdraw = app.delete(&format!("{url}/api/bundle_permission_request/{}/", first.id)).by_user(&ada);
    assert_eq!(withdraw.send().await.unwrap().status(), 204);
    assert!(wire.has_dropped());

    wire.drop_next_response(b"assert_true\0");
    let token = app.redeem_token(&second);
    let redeem = app.put(&format!("{url}/api/bundle_permission_request/{token}/")).by_user(&grace);
    assert_eq!(redeem.send().await.unwrap().status(), 200);
    assert!(wire.has_dropped());

    assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.withdrawn'"), 1);
    assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), 1);
    assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    app.assert_user_counters();
}

/// A statement is delayed in the network. Meanwhile its sender loses the connection, looks up the
/// outcome, fails to run it again, and reports that nothing was done. The late statement must not
/// change that.
#[actix_web::test]
async fn a_statement_that_arrives_late_does_nothing() {
    let (app, wire, url) = app_behind_proxy();
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
    let token = app.redeem_token(&request);
    let redeem = || app.put(&format!("{url}/api/bundle_permission_request/{token}/")).by_user(&grace);
    assert_eq!(app.get(&format!("{url}/api/account/")).by_user(&grace).send().await.unwrap().status(), 200);

    // A lock on the row prevents the second attempt.
    let mut holder = PgConnection::establish(&app.database_url).unwrap();
    holder.batch_execute("BEGIN; SELECT id FROM permission_requests FOR UPDATE").unwrap();
    let (let_go, answered) = wire.hold_next_message(b"request.approved");
    let said = redeem().send().await.unwrap();
    assert_eq!(said.status(), 503);
    assert!(said.text().await.unwrap().contains("Nothing was done"));
    holder.batch_execute("ROLLBACK").unwrap();

    let_go.send(()).unwrap();
    answered.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), 0);
    assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
    app.assert_user_counters();
    assert_eq!(redeem().send().await.unwrap().status(), 200, "the token can still be redeemed");
    assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'operation.abandoned'"), 1);
}
