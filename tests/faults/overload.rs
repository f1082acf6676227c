//! Overload and slow clients: the server keeps serving well-behaved clients.

use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::net::TcpStream;

use crate::connections::{connect, read_head, read_until_closed, send};
use crate::helpers::{Backend, TestApp};
use crate::load::{LoadFixture, MAX_RESPONSE_TIME};
use crate::server::Server;
use crate::short_or_long;

/// The server's idle timeout plus a margin.
const IDLE_TIMEOUT_LIMIT: Duration = Duration::from_secs(30);

/// Raises the limit of open files for this number of connections. Returns the number that is
/// possible.
fn raise_fd_limit(connections: u64) -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let room = maximum.unwrap_or(u64::MAX).saturating_sub(1_000);
    if room < connections {
        eprintln!("only {room} connections instead of {connections}: the limit of open files is lower");
    }
    room.min(connections)
}

/// Asserts that a well-behaved client is served. Returns the longest of several response times.
async fn assert_served(scene: &LoadFixture, server: &Server) -> Duration {
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let (status, took) = scene.health_check(server, "/healthz").await;
        assert_eq!(status, Some(200));
        worst = worst.max(took);
    }
    scene.wait_until_recovered(server).await;
    assert!(worst < MAX_RESPONSE_TIME, "{worst:?}");
    worst
}

/// Ways to keep a connection open without finishing: the first bytes, and the bytes that are
/// repeated.
const SLOW_CLIENTS: [(&str, &str, &str); 5] = [
    ("headers that never end", "GET /healthz HTTP/1.1\r\nHost: x\r\n", "X-Y: z\r\n"),
    (
        "a body that never ends",
        "POST /redeem HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n",
        "a",
    ),
    (
        "a body in pieces that never ends",
        "POST /redeem HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\na\r\n",
    ),
    (
        "a second request whose headers never end",
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n",
        "X-Y: z\r\n",
    ),
    (
        "a body that nobody wants and that never ends",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\na\r\n",
    ),
];

#[tokio::test]
async fn slow_clients_are_disconnected_and_others_served() {
    let each = raise_fd_limit(short_or_long(500, 5_000)) as usize / SLOW_CLIENTS.len();
    let scene = LoadFixture::new(TestApp::without_server(Backend::Sqlite), 16);
    let server = Server::start(&scene.app.database_url, &[]);
    assert_served(&scene, &server).await;
    let before = server.resident_kilobytes();
    let slow = SLOW_CLIENTS.iter().flat_map(|way| std::iter::repeat_n(way, each));
    let held = slow.map(|(name, first, then)| {
        let url = server.url.clone();
        tokio::spawn(async move {
            let mut stream = connect(&url).await.unwrap();
            let begun = Instant::now();
            let mut taken = send(&mut stream, first).await;
            let (mut heard, mut reading) = (String::new(), true);
            while taken && reading && begun.elapsed() < IDLE_TIMEOUT_LIMIT {
                match read_until_closed(&mut stream, Duration::from_millis(500)).await {
                    Some(said) => (heard, reading) = (said, false),
                    None => taken = send(&mut stream, then).await,
                }
            }
            drop(heard);
            (*name, begun.elapsed())
        })
    });
    let held: Vec<_> = held.collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let worst = assert_served(&scene, &server).await;
    let during = server.resident_kilobytes();
    for held in held {
        let (name, took) = held.await.unwrap();
        assert!(took < IDLE_TIMEOUT_LIMIT, "{name} holds a connection for {took:?}");
    }
    let clients = each * SLOW_CLIENTS.len();
    eprintln!(
        "{clients} slow clients: a call took {worst:?} at the worst, and {before} kB became {during} kB"
    );
    // Each connection's buffer is kept.
    assert!(during < before * 2 + 32 * clients as u64, "{before} kB became {during} kB");
}

#[tokio::test]
async fn an_idle_keep_alive_connection_is_closed() {
    check_idle_connection("").await;
}

/// The check of the test above, for a server with these fail points.
pub async fn check_idle_connection(failpoints: &str) {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("FAILPOINTS", failpoints)]);
    let mut stream = connect(&server.url).await.unwrap();
    let (_, first, then) = SLOW_CLIENTS[3];
    let mut taken = send(&mut stream, first).await;
    let begun = Instant::now();
    while taken && read_until_closed(&mut stream, Duration::from_millis(500)).await.is_none() {
        assert!(begun.elapsed() < IDLE_TIMEOUT_LIMIT, "the connection stays open");
        taken = send(&mut stream, then).await;
    }
}

#[tokio::test]
async fn a_connection_is_kept_between_two_requests_for_longer_than_a_slow_request() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[]);
    let mut stream = connect(&server.url).await.unwrap();
    for pause in [11, 0] {
        assert!(send(&mut stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await);
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 "));
        let mut body = [0; 15];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body).await.unwrap();
        assert_eq!(body, *b"{\"status\":\"ok\"}");
        // Longer than a client may take for a request.
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

/// The server does not run for longer than a client may take to send a request.
#[tokio::test]
async fn a_request_that_waits_for_a_busy_server_is_handled() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("FAILPOINTS", "connection.idle_timeout=return(5)")]);
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(connect(&server.url).await.unwrap());
    }
    // Each worker has accepted its connections above before it reads this.
    for _ in 0..std::thread::available_parallelism().unwrap().get() {
        let mut stream = connect(&server.url).await.unwrap();
        assert!(send(&mut stream, "not HTTP\r\n\r\n").await);
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 400 "));
    }
    server.signal(Signal::STOP);
    for stream in &mut streams {
        assert!(send(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    server.signal(Signal::CONT);
    for stream in &mut streams {
        let head = read_head(stream).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
}

#[tokio::test]
async fn a_connection_is_closed_after_the_keep_alive_time() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("COUNTERSIGN_KEEP_ALIVE", "2")]);
    let mut stream = connect(&server.url).await.unwrap();
    assert!(send(&mut stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await);
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    let begun = Instant::now();
    let rest = read_until_closed(&mut stream, IDLE_TIMEOUT_LIMIT).await;
    assert_eq!(rest.as_deref(), Some("{\"status\":\"ok\"}"));
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_body_gets_a_timeout_response() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[]);
    let begin = SLOW_CLIENTS[1].1;
    let mut stream = connect(&server.url).await.unwrap();
    assert!(send(&mut stream, begin).await);
    let said = read_until_closed(&mut stream, IDLE_TIMEOUT_LIMIT).await.expect("the connection is closed");
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    // A slow but complete request is read.
    let mut stream = connect(&server.url).await.unwrap();
    let body = "token=csr_of_nobody&decision=approve&once=01a200dc&x=y";
    let head = begin.replace("60000", &body.len().to_string());
    assert!(send(&mut stream, head).await);
    for piece in body.as_bytes().chunks(10) {
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(send(&mut stream, piece).await);
    }
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 403 "), "the form is rejected");
}

/// Each password hash needs 19 MiB. The allocator must not keep them for every thread.
#[tokio::test]
async fn password_checks_use_the_memory_of_two() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("COUNTERSIGN_LIMITS", "off")]);
    let (before, client) = (server.resident_kilobytes(), Client::builder().no_proxy().build().unwrap());
    let guess = async |nth: usize| {
        let request = client.get(format!("{}/api/account/", server.url));
        request
            .basic_auth("grace@example.org", Some(format!("a guess, number {nth}")))
            .send()
            .await
            .unwrap()
            .status()
    };
    let mut checked = 0;
    for round in 0..short_or_long(12, 120) {
        let guesses = (0..32).map(|nth| guess(round * 32 + nth));
        let answers = futures_util::future::join_all(guesses).await;
        checked += answers.iter().filter(|status| **status == 401).count();
    }
    let after = server.resident_kilobytes();
    eprintln!("{checked} passwords checked: {before} kB became {after} kB");
    assert!(checked > 0 && after < before + 70_000, "{checked} passwords: {before} kB became {after} kB");
}

#[tokio::test]
async fn ten_thousand_idle_connections_use_little_memory_and_block_nobody() {
    let many = raise_fd_limit(10_000) as usize;
    let scene = LoadFixture::new(TestApp::without_server(Backend::Sqlite), 16);
    let server = Server::start(&scene.app.database_url, &[]);
    assert_served(&scene, &server).await;
    let before = server.resident_kilobytes();
    let begun = Instant::now();
    let mut idle: Vec<TcpStream> = Vec::new();
    while idle.len() < many {
        // Fewer than the kernel's queue holds: connections beyond it appear open to the client for
        // minutes.
        let more = (0..(many - idle.len()).min(100)).map(|_| connect(&server.url));
        idle.extend(futures_util::future::join_all(more).await.into_iter().map(Result::unwrap));
        // This response comes after all queued connections were accepted.
        assert_eq!(scene.health_check(&server, "/healthz").await.0, Some(200));
    }
    let connected = begun.elapsed();
    let during = server.resident_kilobytes();
    let worst = assert_served(&scene, &server).await;
    eprintln!(
        "{many} connected within {connected:?}; a call took {worst:?} at the worst, and {before} kB became {during} kB"
    );
    assert!(during < before + 20 * many as u64, "{before} kB became {during} kB");
    // The server closes the connections gradually.
    for stream in &mut idle {
        assert!(
            read_until_closed(stream, IDLE_TIMEOUT_LIMIT).await.is_some(),
            "an idle connection stays open"
        );
    }
    // Later connections need no additional memory: that of closed ones is reused.
    let after = server.resident_kilobytes();
    for _ in 0..short_or_long(1, 10) {
        let more = (0..many.min(2_000)).map(|_| connect(&server.url));
        let more: Vec<_> =
            futures_util::future::join_all(more).await.into_iter().map(Result::unwrap).collect();
        drop(more);
    }
    assert_served(&scene, &server).await;
    assert!(
        server.resident_kilobytes() < after + 20_000,
        "{after} kB became {} kB",
        server.resident_kilobytes()
    );
}

/// Ten times as many clients as can be served concurrently, without pauses.
#[tokio::test]
async fn ten_fold_overload_is_rejected_in_time_and_the_rest_served() {
    const OVERLOAD_CONNECTIONS: usize = 960;
    raise_fd_limit(3 * OVERLOAD_CONNECTIONS as u64);
    let app = TestApp::without_server(Backend::Postgres);
    let scene = LoadFixture::new(app, short_or_long(4_000, 100_000));
    let server = Server::start(&scene.app.database_url, &[]);
    assert_served(&scene, &server).await;
    let load = scene.start_load_with(&server.url, OVERLOAD_CONNECTIONS, Duration::ZERO);
    let time = short_or_long(Duration::from_secs(5), Duration::from_secs(180));
    let (begun, mut resident) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let (health, took) = scene.health_check(&server, "/healthz").await;
        assert!(health == Some(200) && took < MAX_RESPONSE_TIME, "/healthz: {health:?} after {took:?}");
        resident.push(server.resident_kilobytes());
        tokio::time::sleep(time / 20).await;
    }
    let mut calls = load.stop().await;
    calls.sort_by_key(|call| call.elapsed);
    let done = calls.iter().filter(|call| call.status.is_some_and(|status| status < 300)).count();
    let refused = calls.iter().filter(|call| call.status == Some(503)).count();
    let redeemed = calls.iter().filter(|call| call.is_redeemed()).count();
    let p = |hundredth: usize| calls[(calls.len() - 1) * hundredth / 100].elapsed;
    eprintln!(
        "{done} done ({redeemed} redeemed), {refused} refused of {}; p50 {:?}, p99 {:?}, the last {:?}; {resident:?} kB",
        calls.len(),
        p(50),
        p(99),
        p(100)
    );
    let others: Vec<_> = calls
        .iter()
        .filter(|call| !matches!(call.status, Some(200..300 | 503)))
        .map(|call| call.status)
        .collect();
    assert!(others.is_empty(), "{} calls neither done nor refused: {:?}", others.len(), others[0]);
    assert!(redeemed > 0);
    // The client runs on the same machine, and its times include its own queue.
    assert!(p(99) < 4 * MAX_RESPONSE_TIME, "{:?}", p(99));
    let (first, last) = (resident[resident.len() / 2], resident[resident.len() - 1]);
    assert!(last < first + 30_000, "{resident:?} kB");
    scene.wait_until_recovered(&server).await;
    scene.assert_matches_database(&calls);
}

/// Requests to each API and a page with wrong credentials, and what the body of a refusal contains.
const REFUSED: [(Method, &str, &str); 5] = [
    (Method::POST, "/-/svc/mfs_api.list", r#""message":"The server is busy. Nothing was done."#),
    (
        Method::PUT,
        "/api/bundle_permission_request/csr_x/",
        r#"{"error":"The server is busy. Nothing was done."#,
    ),
    (Method::POST, "/oauth2/introspect", r#""error":"temporarily_unavailable""#),
    (Method::POST, "/access/v1/evaluation", r#""The server is busy. Nothing was done."#),
    (Method::POST, "/redeem", "<!DOCTYPE html>"),
];

/// The caller is not looked up: wrong credentials and wrong bodies are refused like any others.
#[tokio::test]
async fn a_busy_server_refuses_in_the_form_of_each_api_and_answers_its_operator() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("FAILPOINTS", "admission.capacity=return(0)")]);
    let client = Client::builder().no_proxy().build().unwrap();
    let before = app.rows();
    for (method, path, body) in REFUSED {
        let url = format!("{}{path}", server.url);
        let refused = client.request(method, &url).bearer_auth("wrong").body("{").send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        let text = refused.text().await.unwrap();
        assert!(text.contains(body), "{path}: {text}");
    }
    assert_eq!(app.rows(), before);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = client.get(format!("{}{path}", server.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        if path == "/metrics" {
            let text = answer.text().await.unwrap();
            assert!(text.contains("countersign_busy_refusals_total 5\n"), "{text}");
        }
    }
}

/// The body of a refused request is skipped, and its connection takes the next one.
#[tokio::test]
async fn a_refusal_keeps_the_connection() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("FAILPOINTS", "admission.capacity=return(0)")]);
    let mut stream = connect(&server.url).await.unwrap();
    let body = "x".repeat(40_000);
    let post = format!("POST /redeem HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert!(send(&mut stream, post).await);
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 503 ") && !head.contains("connection: close"), "{head}");
    let (_, rest) = head.split_once("content-length: ").unwrap();
    let mut page = vec![0; rest.split("\r\n").next().unwrap().parse().unwrap()];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut page).await.unwrap();
    assert!(send(&mut stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await);
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

/// Each worker handles one request at a time here, and the store takes a second for it.
#[tokio::test]
async fn requests_beyond_the_capacity_are_refused_while_those_in_flight_are_handled() {
    let app = TestApp::without_server(Backend::Sqlite);
    let faults = "admission.capacity=return(1);async_store.panic=sleep(1000)";
    let server = Server::start(&app.database_url, &[("FAILPOINTS", faults)]);
    let workers = std::thread::available_parallelism().unwrap().get();
    let client = Client::builder().no_proxy().build().unwrap();
    let calls = (0..4 * workers).map(|nth| {
        let request = client.get(format!("{}/api/account/", server.url));
        let request = request.basic_auth(format!("user{nth}@example.org"), Some("a wrong password"));
        async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    });
    let calls = futures_util::future::join_all(calls).await;
    let (refused, handled): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(status, _)| *status == 503);
    assert!((1..=workers).contains(&handled.len()), "{handled:?}, {refused:?}");
    assert!(handled.iter().all(|(status, _)| *status == 401), "{handled:?}");
    assert!(refused.iter().all(|(_, body)| body.contains("The server is busy")), "{refused:?}");
    let metrics = client.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
    let counted = format!("countersign_busy_refusals_total {}\n", refused.len());
    assert!(metrics.contains(&counted), "{counted}{metrics}");
}

/// Clients that do not send their bodies take no place of others.
#[tokio::test]
async fn slow_bodies_make_the_server_refuse_nobody() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("FAILPOINTS", "admission.capacity=return(1)")]);
    let ada = app.user("ada@example.org");
    let mut slow = Vec::new();
    for _ in 0..4 * std::thread::available_parallelism().unwrap().get() {
        let mut stream = connect(&server.url).await.unwrap();
        assert!(send(&mut stream, SLOW_CLIENTS[1].1).await);
        slow.push(stream);
    }
    let client = Client::builder().no_proxy().build().unwrap();
    for _ in 0..slow.len() {
        // One at a time, so that only the slow ones could take the places.
        let request = client.get(format!("{}/api/account/", server.url)).bearer_auth(&ada.key);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}
