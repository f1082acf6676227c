//! More than can be done, and clients that take their time: whoever behaves is served.

use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;

use crate::connections::{connect, read_head, read_to_the_end, send};
use crate::crowd::{ANSWERED, Scene};
use crate::helpers::{Backend, TestApp};
use crate::measure;
use crate::server::Server;

/// How long a connection is kept over which nothing comes to its end, and then some.
const KEPT: Duration = Duration::from_secs(30);

/// Makes room for so many connections; how many there is room for.
fn room_for(connections: u64) -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let room = maximum.unwrap_or(u64::MAX).saturating_sub(1_000);
    if room < connections {
        eprintln!("only {room} connections instead of {connections}: the limit of open files is lower");
    }
    room.min(connections)
}

/// That somebody who behaves is served; how long it takes, at the worst of some times.
async fn assert_served(scene: &Scene, server: &Server) -> Duration {
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let (status, took) = scene.probe(server, "/healthz").await;
        assert_eq!(status, Some(200));
        worst = worst.max(took);
    }
    scene.recover(server).await;
    assert!(worst < ANSWERED, "{worst:?}");
    worst
}

/// A way to hold a connection for ever: what is sent at first, then again and again.
const SLOW: [(&str, &str, &str); 5] = [
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
async fn a_client_that_takes_its_time_is_hung_up_on_and_others_are_served() {
    let each = room_for(measure(500, 5_000)) as usize / SLOW.len();
    let scene = Scene::set(TestApp::without_server(Backend::Sqlite), 16);
    let server = Server::start(&scene.app.database_url, &[]);
    assert_served(&scene, &server).await;
    let before = server.resident();
    let slow = SLOW.iter().flat_map(|way| std::iter::repeat_n(way, each));
    let held = slow.map(|(name, first, then)| {
        let url = server.url.clone();
        tokio::spawn(async move {
            let mut stream = connect(&url).await.unwrap();
            let begun = Instant::now();
            let mut taken = send(&mut stream, first).await;
            let (mut heard, mut reading) = (String::new(), true);
            while taken && reading && begun.elapsed() < KEPT {
                match read_to_the_end(&mut stream, Duration::from_millis(500)).await {
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
    let during = server.resident();
    for held in held {
        let (name, took) = held.await.unwrap();
        assert!(took < KEPT, "{name} holds a connection for {took:?}");
    }
    let clients = each * SLOW.len();
    eprintln!(
        "{clients} slow clients: a call took {worst:?} at the worst, and {before} kB became {during} kB"
    );
    // What each has sent so far is kept, and room for more.
    assert!(during < before * 2 + 32 * clients as u64, "{before} kB became {during} kB");
}

#[tokio::test]
async fn a_second_request_that_does_not_come_in_time_is_hung_up_on() {
    a_second_request_does_not_come("").await;
}

/// The same, with mistakes planted.
pub async fn a_second_request_does_not_come(planted: &str) {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("FAILPOINTS", planted)]);
    let mut stream = connect(&server.url).await.unwrap();
    let (_, first, then) = SLOW[3];
    let mut taken = send(&mut stream, first).await;
    let begun = Instant::now();
    while taken && read_to_the_end(&mut stream, Duration::from_millis(500)).await.is_none() {
        assert!(begun.elapsed() < KEPT, "it is kept");
        taken = send(&mut stream, then).await;
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_told_so() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[]);
    let begin = SLOW[1].1;
    let mut stream = connect(&server.url).await.unwrap();
    assert!(send(&mut stream, begin).await);
    let said = read_to_the_end(&mut stream, KEPT).await.expect("it is hung up on");
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    // One that is merely slow is read.
    let mut stream = connect(&server.url).await.unwrap();
    let body = "token=csr_of_nobody&decision=approve&once=01a200dc&x=y";
    let head = begin.replace("60000", &body.len().to_string());
    assert!(send(&mut stream, head).await);
    for piece in body.as_bytes().chunks(10) {
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(send(&mut stream, piece).await);
    }
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 403 "), "it is no form of ours");
}

/// Each check wants 19 MiB, whose allocator would keep them for each thread that had some.
#[tokio::test]
async fn passwords_are_checked_in_the_memory_of_two() {
    let app = TestApp::without_server(Backend::Sqlite);
    let server = Server::start(&app.database_url, &[("COUNTERSIGN_LIMITS", "off")]);
    let (before, client) = (server.resident(), Client::builder().no_proxy().build().unwrap());
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
    for round in 0..measure(12, 120) {
        let guesses = (0..32).map(|nth| guess(round * 32 + nth));
        let answers = futures_util::future::join_all(guesses).await;
        checked += answers.iter().filter(|status| **status == 401).count();
    }
    let after = server.resident();
    eprintln!("{checked} passwords checked: {before} kB became {after} kB");
    assert!(checked > 0 && after < before + 70_000, "{checked} passwords: {before} kB became {after} kB");
}

#[tokio::test]
async fn ten_thousand_who_say_nothing_cost_little_and_keep_nobody_out() {
    let many = room_for(10_000) as usize;
    let scene = Scene::set(TestApp::without_server(Backend::Sqlite), 16);
    let server = Server::start(&scene.app.database_url, &[]);
    assert_served(&scene, &server).await;
    let before = server.resident();
    let begun = Instant::now();
    let mut idle: Vec<TcpStream> = Vec::new();
    while idle.len() < many {
        // Fewer than the kernel queues: whom it drops believes to be connected for minutes.
        let more = (0..(many - idle.len()).min(100)).map(|_| connect(&server.url));
        idle.extend(futures_util::future::join_all(more).await.into_iter().map(Result::unwrap));
        // Whoever is answered came after them in the queue.
        assert_eq!(scene.probe(&server, "/healthz").await.0, Some(200));
    }
    let connected = begun.elapsed();
    let during = server.resident();
    let worst = assert_served(&scene, &server).await;
    eprintln!(
        "{many} connected within {connected:?}; a call took {worst:?} at the worst, and {before} kB became {during} kB"
    );
    assert!(during < before + 20 * many as u64, "{before} kB became {during} kB");
    // They are hung up on by and by.
    for stream in &mut idle {
        assert!(read_to_the_end(stream, KEPT).await.is_some(), "one that says nothing is kept");
    }
    // And so are others after them: nothing is kept of those before.
    let after = server.resident();
    for _ in 0..measure(1, 10) {
        let more = (0..many.min(2_000)).map(|_| connect(&server.url));
        let more: Vec<_> =
            futures_util::future::join_all(more).await.into_iter().map(Result::unwrap).collect();
        drop(more);
    }
    assert_served(&scene, &server).await;
    assert!(server.resident() < after + 20_000, "{after} kB became {} kB", server.resident());
}

/// Ten times as many as can be served at a time, who come back at once.
#[tokio::test]
async fn ten_times_too_much_is_refused_in_time_and_the_rest_is_done() {
    const TOO_MANY: usize = 960;
    room_for(3 * TOO_MANY as u64);
    let app = TestApp::without_server(Backend::Postgres);
    let scene = Scene::set(app, measure(4_000, 100_000));
    let server = Server::start(&scene.app.database_url, &[]);
    assert_served(&scene, &server).await;
    let crowd = scene.hurried_crowd(&server, TOO_MANY, Duration::ZERO);
    let time = measure(Duration::from_secs(5), Duration::from_secs(180));
    let (begun, mut resident) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let (health, took) = scene.probe(&server, "/healthz").await;
        assert!(health == Some(200) && took < ANSWERED, "/healthz: {health:?} after {took:?}");
        resident.push(server.resident());
        tokio::time::sleep(time / 20).await;
    }
    let mut calls = crowd.go_home().await;
    calls.sort_by_key(|call| call.took);
    let done = calls.iter().filter(|call| call.status.is_some_and(|status| status < 300)).count();
    let refused = calls.iter().filter(|call| call.status == Some(503)).count();
    let redeemed = calls.iter().filter(|call| call.is_redeemed()).count();
    let p = |hundredth: usize| calls[(calls.len() - 1) * hundredth / 100].took;
    eprintln!(
        "{done} done ({redeemed} redeemed), {refused} refused of {}; p50 {:?}, p99 {:?}, the last {:?}; {resident:?} kB",
        calls.len(),
        p(50),
        p(99),
        p(100)
    );
    assert!(done + refused == calls.len(), "each was answered");
    assert!(redeemed > 0);
    // The generator is on the same machine, has as much to do, and counts its own queue.
    assert!(p(99) < 4 * ANSWERED, "{:?}", p(99));
    let (first, last) = (resident[resident.len() / 2], resident[resident.len() - 1]);
    assert!(last < first + 30_000, "{resident:?} kB");
    scene.recover(&server).await;
    scene.hold_against(&calls);
}
