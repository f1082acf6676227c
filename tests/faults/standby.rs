//! A primary and its standby: no response acknowledges what a synchronous standby does not have,
//! and a failover leaves no connection with the previous primary.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign::store::Clock;
use reqwest::{Client, Method};

use crate::cleanup::ScratchDirectory;
use crate::cluster::Cluster;
use crate::helpers::TestApp;
use crate::load::LoadFixture;
use crate::on_own_thread;
use crate::server::Server;

/// How long the standby is frozen: less than a caller waits.
const STANDBY_PAUSE: Duration = Duration::from_millis(1_000);

/// A server on a primary with a synchronous standby.
struct StandbyFixture {
    // Fields are dropped in this order.
    server: Server,
    load: LoadFixture,
    standby: Cluster,
    primary: Cluster,
    client: Client,
}

impl StandbyFixture {
    fn new() -> Self {
        Self::new_with_failpoints("")
    }

    /// A fixture whose server has these fail points.
    fn new_with_failpoints(failpoints: &str) -> Self {
        crate::server::clean_up_on_interrupt();
        let (primary, standby) = on_own_thread(|| {
            let primary = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
            let standby = primary.start_standby("standby");
            (primary, standby)
        });
        let app = TestApp::with_database(primary.url("postgres"), Clock::Database, Arc::default());
        let load = LoadFixture::new(app, 10);
        on_own_thread(|| {
            let mut client = primary.connect("postgres");
            client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'").unwrap();
            client.batch_execute("SELECT pg_reload_conf()").unwrap();
        });
        let server = Server::start(&primary.url("postgres"), &[("FAILPOINTS", failpoints)]);
        Self { server, load, standby, primary, client: Client::builder().no_proxy().build().unwrap() }
    }

    /// Calls a function of PostgreSQL on the sessions that have waited for the standby for some time,
    /// once there is one: the server takes a short wait for no sign of a fault. Only the server writes.
    async fn signal_waiting_sessions(&self, function: &str) {
        let started = Instant::now();
        let query = format!(
            "SELECT {function}(pid) FROM pg_stat_activity \
             WHERE wait_event = 'SyncRep' AND query_start < clock_timestamp() - interval '300 ms'"
        );
        while on_own_thread(|| self.primary.connect("postgres").query(&query, &[]).unwrap().is_empty()) {
            assert!(started.elapsed() < STANDBY_PAUSE * 3 / 2, "no session waits for the standby");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until mails and background tasks have written what they had to, so that only the session
    /// of a call waits for the standby.
    async fn wait_until_nothing_is_written(&self) {
        let position = || {
            let query = "SELECT pg_current_wal_insert_lsn()::text, \
                (SELECT count(*) FROM outbox WHERE finished_at IS NULL AND due_at <= clock_timestamp())";
            on_own_thread(|| {
                let row = self.primary.connect("postgres").query_one(query, &[]).unwrap();
                (row.get::<_, String>(0), row.get::<_, i64>(1))
            })
        };
        let mut last = position();
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let next = position();
            if next == last && next.1 == 0 {
                return;
            }
            last = next;
        }
    }

    /// Calls an endpoint. Returns the status.
    async fn call(&self, method: Method, path: &str, key: &str) -> u16 {
        let request = self.client.request(method, format!("{}{path}", self.server.url)).bearer_auth(key);
        let response = request.header("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324").send().await;
        response.unwrap().status().as_u16()
    }

    /// Calls an endpoint while the standby is frozen, and asserts that the response comes after
    /// the standby has confirmed. Returns the status.
    async fn call_while_frozen(&self, method: Method, path: &str, key: &str, signal: Option<&str>) -> u16 {
        self.wait_until_nothing_is_written().await;
        self.standby.set_frozen(true);
        let started = Instant::now();
        let call = async {
            let status = self.call(method.clone(), path, key).await;
            (status, started.elapsed())
        };
        let standby = async {
            if let Some(function) = signal {
                self.signal_waiting_sessions(function).await;
            }
            tokio::time::sleep(STANDBY_PAUSE.saturating_sub(started.elapsed())).await;
            self.standby.set_frozen(false);
        };
        let ((status, took), ()) = tokio::join!(call, standby);
        eprintln!("{method} {signal:?}: {status} after {took:?}");
        assert!(
            took >= STANDBY_PAUSE,
            "{method} {path}: {status} before the standby confirmed, after {took:?}"
        );
        status
    }
}

/// The row of the terminated session is visible: its outcome is looked up.
#[tokio::test]
async fn a_terminated_commit_is_not_acknowledged_before_the_standby_has_it() {
    check_terminated_commit("").await;
}

/// The check of the test above, for a server with these fail points.
pub async fn check_terminated_commit(failpoints: &str) {
    let fixture = StandbyFixture::new_with_failpoints(failpoints);
    let (_, token, target) = fixture.load.open_request(0);
    let path = format!("/api/bundle_permission_request/{token}/");
    let signal = Some("pg_terminate_backend");
    assert_eq!(fixture.call_while_frozen(Method::PUT, &path, target, signal).await, 200);
    let (id, ..) = fixture.load.open_request(1);
    let path = format!("/api/bundle_permission_request/{id}/");
    let requester = fixture.load.requester_key();
    assert_eq!(fixture.call_while_frozen(Method::DELETE, &path, requester, signal).await, 204);
}

/// PostgreSQL ends the wait for the standby with a warning and reports success.
#[tokio::test]
async fn a_cancelled_wait_for_the_standby_is_not_taken_for_its_confirmation() {
    let fixture = StandbyFixture::new();
    let (_, token, target) = fixture.load.open_request(0);
    let path = format!("/api/bundle_permission_request/{token}/");
    let signal = Some("pg_cancel_backend");
    assert_eq!(fixture.call_while_frozen(Method::PUT, &path, target, signal).await, 200);
    let (id, ..) = fixture.load.open_request(1);
    let path = format!("/api/bundle_permission_request/{id}/");
    let requester = fixture.load.requester_key();
    assert_eq!(fixture.call_while_frozen(Method::DELETE, &path, requester, signal).await, 204);
}

/// Each of these calls writes nothing.
#[tokio::test]
async fn a_repeated_call_is_not_acknowledged_before_the_standby_has_what_it_confirms() {
    let fixture = StandbyFixture::new();
    let (_, token, target) = fixture.load.open_request(0);
    let (withdrawn, ..) = fixture.load.open_request(1);
    let requester = fixture.load.requester_key();
    let redeem = format!("/api/bundle_permission_request/{token}/");
    let permission = format!("/api/bundle_permission/{}/", fixture.load.open_request(0).0);
    let withdraw = format!("/api/bundle_permission_request/{withdrawn}/");
    for (method, path, key, first, second) in [
        (Method::PUT, &redeem, target, 200, 200),
        (Method::DELETE, &withdraw, requester, 204, 404),
        (Method::DELETE, &permission, target, 204, 404),
    ] {
        assert_eq!(fixture.call(method.clone(), path, key).await, first, "{method} {path}");
        assert_eq!(fixture.call_while_frozen(method, path, key, None).await, second);
    }
}

/// An address that follows the primary without closing the connections to the previous one, as a
/// virtual address does.
struct FollowingAddress {
    directory: ScratchDirectory,
    target: Arc<Mutex<PathBuf>>,
}

impl FollowingAddress {
    fn new(cluster: &Cluster) -> Self {
        let directory = ScratchDirectory::new();
        let target = Arc::new(Mutex::new(socket(cluster.directory())));
        let listener = UnixListener::bind(socket(directory.path())).unwrap();
        let current = Arc::clone(&target);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, target) = (client.unwrap(), current.lock().unwrap().clone());
                let server = UnixStream::connect(target).unwrap();
                forward(client.try_clone().unwrap(), server.try_clone().unwrap());
                forward(server, client);
            }
        });
        Self { directory, target }
    }

    fn follow(&self, cluster: &Cluster) {
        *self.target.lock().unwrap() = socket(cluster.directory());
    }

    fn url(&self) -> String {
        let directory = self.directory.path().display().to_string();
        format!("postgres://countersign@{}/postgres", directory.replace('/', "%2F"))
    }
}

/// Forwards bytes until either side closes its connection.
fn forward(mut from: UnixStream, mut to: UnixStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

fn socket(directory: &std::path::Path) -> PathBuf {
    directory.join(".s.PGSQL.5432")
}

/// The previous primary keeps its connections, and refuses to write.
#[tokio::test]
async fn connections_to_a_demoted_server_are_replaced() {
    let fixture = StandbyFixture::new();
    let address = FollowingAddress::new(&fixture.primary);
    let server = Server::start(&address.url(), &[]);
    let redeem = async |nth| {
        let (_, token, key) = fixture.load.open_request(nth);
        let url = format!("{}/api/bundle_permission_request/{token}/", server.url);
        fixture.client.put(url).bearer_auth(key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(redeem(0).await, 200);
    on_own_thread(|| {
        fixture.standby.connect("postgres").query("SELECT pg_promote()", &[]).unwrap();
        let mut previous = fixture.primary.connect("postgres");
        previous.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").unwrap();
        previous.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
        previous.batch_execute("SELECT pg_reload_conf()").unwrap();
        write_alone(&mut fixture.standby.connect("postgres"));
    });
    address.follow(&fixture.standby);
    assert_eq!(redeem(1).await, 200, "the call after the failover");
    let (status, _) = fixture.load.health_check(&server, "/readyz").await;
    assert_eq!(status, Some(200));
    // Connections of the other pool.
    let (id, ..) = fixture.load.open_request(2);
    let url = format!("{}/api/bundle_permission_request/{id}/", server.url);
    let requester = fixture.load.requester_key();
    assert_eq!(fixture.client.delete(url).bearer_auth(requester).send().await.unwrap().status(), 204);
}

/// The previous primary has not noticed that it was replaced, and answers reads with what it has.
#[tokio::test]
async fn a_previous_primary_is_not_asked_once_the_next_one_is_known() {
    let fixture = StandbyFixture::new();
    let address = FollowingAddress::new(&fixture.primary);
    let server = Server::start(&address.url(), &[]);
    on_own_thread(|| {
        fixture.standby.connect("postgres").query("SELECT pg_promote()", &[]).unwrap();
        write_alone(&mut fixture.standby.connect("postgres"));
    });
    address.follow(&fixture.standby);
    on_own_thread(|| {
        let mut previous = fixture.primary.connect("postgres");
        write_alone(&mut previous);
        close_connections(&mut previous);
    });
    fixture.load.wait_until_recovered(&server).await;
    address.follow(&fixture.primary);
    on_own_thread(|| close_connections(&mut fixture.standby.connect("postgres")));
    fixture.load.assert_not_ready_for(&server, Duration::from_secs(2)).await;
    address.follow(&fixture.standby);
    fixture.load.wait_until_recovered(&server).await;
}

/// Its open connections are in use until one is opened to the next primary.
#[tokio::test]
async fn open_connections_to_a_previous_primary_are_dropped_once_the_next_one_is_known() {
    let fixture = StandbyFixture::new();
    let address = FollowingAddress::new(&fixture.primary);
    let server = Server::start(&address.url(), &[]);
    fixture.server.kill();
    let key = fixture.load.requester_key();
    let get = async |path: &str, key: &str| {
        let request = fixture.client.get(format!("{}{path}", server.url)).bearer_auth(key);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/api/user/", key).await.0, 200);
    on_own_thread(|| {
        fixture.standby.connect("postgres").query("SELECT pg_promote()", &[]).unwrap();
        let mut promoted = fixture.standby.connect("postgres");
        write_alone(&mut promoted);
        promoted.batch_execute("UPDATE permission_requests SET expires_at = now()").unwrap();
        promoted.batch_execute("UPDATE users SET first_name = 'Promoted'").unwrap();
        write_alone(&mut fixture.primary.connect("postgres"));
    });
    address.follow(&fixture.standby);
    let (_, token, target) = fixture.load.open_request(0);
    let request = format!("/api/bundle_permission_request/{token}/");
    let reads_promoted = async || {
        let (status, body) = get("/api/user/", key).await;
        assert_eq!(status, 200);
        [body.contains("Promoted"), get(&request, target).await.0 == 404]
    };
    assert_eq!(reads_promoted().await, [false, false], "the previous primary is still in use");
    // One session at a time: the first one that is opened to the next primary ends the use of all.
    let terminate = "SELECT pg_terminate_backend(pid, 5000) FROM (SELECT pid FROM pg_stat_activity \
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY backend_start LIMIT 1) AS oldest";
    while reads_promoted().await == [false, false] {
        let ended =
            on_own_thread(|| fixture.primary.connect("postgres").query(terminate, &[]).unwrap().len());
        assert_eq!(ended, 1, "no session is left, and none was opened to the next primary");
    }
    for _ in 0..16 {
        assert_eq!(reads_promoted().await, [true, true]);
    }
}

/// Lets a server write without a standby: a promoted one has the settings of its primary.
fn write_alone(client: &mut postgres::Client) {
    client.batch_execute("SET synchronous_commit = local").unwrap();
    client.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
}

fn close_connections(client: &mut postgres::Client) {
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    client.query(others, &[]).unwrap();
}

/// One session hangs, and the others work.
#[tokio::test]
async fn a_session_that_hangs_does_not_make_the_server_unready() {
    let fixture = StandbyFixture::new();
    let (status, _) = fixture.load.health_check(&fixture.server, "/readyz").await;
    assert_eq!(status, Some(200));
    // Its last query, for `/readyz`, is the one about the readers of the audit log.
    let query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT \"audit_log\".\"at\" FROM%' \
        ORDER BY state_change DESC LIMIT 1";
    // A session can end between the query and the signal.
    let hung = loop {
        let pid: i32 =
            on_own_thread(|| fixture.primary.connect("postgres").query(query, &[]).unwrap()[0].get(0));
        let session = rustix::process::Pid::from_raw(pid).unwrap();
        if rustix::process::kill_process(session, rustix::process::Signal::STOP).is_ok() {
            break session;
        }
    };
    for _ in 0..6 {
        let (status, took) = fixture.load.health_check(&fixture.server, "/readyz").await;
        assert_eq!(status, Some(200), "after {took:?}");
        tokio::time::sleep(Duration::from_millis(550)).await;
    }
    rustix::process::kill_process(hung, rustix::process::Signal::CONT).unwrap();
}
