//! The audit stream: files and a syslog server, restarts, failures and several replicas.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::domain::seal::Anchor;
use countersign::domain::user::UserId;
use countersign::store::{audit_log, seals};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::helpers::{Backend, ByUser, TestApp};
use crate::processes::Server;
use crate::webhook_sender::receiver::TestCa;

/// Adds an entry for each of these numbers.
fn record(app: &TestApp, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        let context = AuditContext {
            actor: Some(UserId(7)),
            ip: Some("192.0.2.1".parse().unwrap()),
            user_agent: Some("Mozilla \"ä\"".to_owned()),
        };
        let subject = format!("user:{number}");
        let recorded = || {
            app.store.write(|conn| {
                let now = conn.now()?;
                audit_log::record(conn, &context, AuditAction::UserRenamed, subject.clone(), now)
            })
        };
        while recorded().is_err() {}
    }
}

/// The `[audit.stream]` section for a file.
fn to_file(path: &Path) -> String {
    format!("[audit.stream]\nto = 'file:{}'\n", path.display())
}

/// The complete lines of a file.
fn all_lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The complete lines of a file, without those of the seals and their key.
fn lines_of(path: &Path) -> Vec<Value> {
    all_lines_of(path).into_iter().filter(is_not_of_seals).collect()
}

/// Whether a line is not one that a seal causes, which the server makes after ten seconds.
fn is_not_of_seals(line: &Value) -> bool {
    line["type"] != "audit.seal" && line["action"] != "signing_key.created"
}

/// Waits until the lines satisfy a condition, and returns them.
async fn wait_for(lines: impl Fn() -> Vec<Value>, is_done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let lines = lines();
        if is_done(&lines) {
            return lines;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{lines:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The numbers of the entries, in the order of the lines.
fn numbers(lines: &[Value]) -> Vec<u32> {
    let subjects = lines.iter().filter_map(|line| line["subject"].as_str());
    subjects.map(|subject| subject.trim_start_matches("user:").parse().unwrap()).collect()
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

/// The metrics of a server whose database answers, which it may not do at once on a busy machine.
async fn metrics(app: &TestApp, url: &str) -> String {
    loop {
        let text = app.get(&format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
        if text.contains("countersign_database_ready 1\n") && text.contains("countersign_audit_lag_seconds{")
        {
            return text;
        }
    }
}

on_both_databases! {
    async fn a_seal_follows_its_entries_and_is_an_anchor(mut app: TestApp) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        app.stop();
        app.url = app.spawn_replica_with(&to_file(&path));
        wait_for(|| all_lines_of(&path), |lines| !lines.is_empty()).await;
        record(&app, 1..=3);
        app.seal_audit_log();
        let is_seal = |line: &Value| line["type"] == "audit.seal";
        let seals = |lines: &[Value]| lines.iter().filter(|line| is_seal(line)).cloned().collect::<Vec<_>>();
        let latest = app.store.read(seals::latest).unwrap().unwrap();
        let is_latest = |line: &Value| line["number"] == latest.seal.number;
        let lines = wait_for(|| all_lines_of(&path), |lines| seals(lines).iter().any(is_latest)).await;
        let ends = |entry: &Value, seal: &Value| entry["id"] == seal["last"]["id"];
        for seal in seals(&lines) {
            assert!(lines.iter().take_while(|line| **line != seal).any(|line| ends(line, &seal)), "{lines:?}");
        }
        let anchor = Anchor::parse(&seals(&lines).iter().find(|line| is_latest(line)).unwrap().to_string());
        assert!(anchor.unwrap().is(&latest));
    }

    async fn a_stream_starts_with_a_marker_and_goes_on_after_a_restart(mut app: TestApp) {
        let staff = app.staff("staff@example.org");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let text = metrics(&app, &app.url).await;
        assert!(!text.contains("reader=\"stream\""), "{text}");
        record(&app, 1..=2);
        app.stop();
        app.url = app.spawn_replica_with(&to_file(&path));
        let file = || lines_of(&path);
        wait_for(file, |lines| !lines.is_empty()).await;
        record(&app, 3..=5);
        let lines = wait_for(file, |lines| numbers(lines).contains(&5)).await;
        assert_eq!(lines[0]["type"], "audit.stream_started");
        // Readers of PostgreSQL may get entries late, so that the first ones can be after the marker.
        let first = numbers(&lines);
        assert!(first.ends_with(&[3, 4, 5]), "{first:?}");
        for line in &lines[1..] {
            let mut entry = line.clone();
            assert_eq!(entry.as_object_mut().unwrap().remove("type").unwrap(), "audit.entry");
            let path = entry["resource_uri"].as_str().unwrap();
            let shown: Value = app.get(path).by_user(&staff).send().await.unwrap().json().await.unwrap();
            assert_eq!(entry, shown);
            assert_eq!(entry["address"], "192.0.2.1");
        }
        let text = metrics(&app, &app.url).await;
        let written = text.lines().find_map(|line| line.strip_prefix("countersign_audit_stream_lines_total "));
        let written: usize = written.unwrap().parse().unwrap();
        // Seals may have added lines.
        assert!((lines.len()..=all_lines_of(&path).len()).contains(&written), "{written}: {text}");
        assert!(text.contains("countersign_audit_lag_seconds{reader=\"stream\"}"), "{text}");

        // A restart.
        app.stop();
        record(&app, 6..=7);
        app.url = app.spawn_replica_with(&to_file(&path));
        let lines = wait_for(file, |lines| numbers(lines).contains(&7)).await;
        assert!(numbers(&lines).ends_with(&[5, 6, 7]), "{lines:?}");

        // Off, and on again. The server that is still running goes on.
        app.spawn_replica();
        record(&app, 8..=8);
        wait_for(file, |lines| numbers(lines).contains(&8)).await;
        app.restart();
        record(&app, 9..=9);
        let text = metrics(&app, &app.url).await;
        assert!(!text.contains("reader=\"stream\""), "{text}");
        assert!(text.contains("countersign_audit_stream_lines_total 0\n"), "{text}");
        app.schedule_decision_mails();
        app.stop();
        let before = file().len();
        app.url = app.spawn_replica_with(&to_file(&path));
        wait_for(file, |lines| lines.len() > before).await;
        record(&app, 10..=10);
        let lines = wait_for(file, |lines| numbers(lines).contains(&10)).await;
        assert_eq!(types(&lines[before..]), ["audit.stream_started", "audit.entry"]);
        assert!(lines[before]["after"].is_string(), "{lines:?}");
        assert_eq!(types(&lines).iter().filter(|name| **name == "audit.stream_started").count(), 2);
    }
}

#[actix_web::test]
async fn two_replicas_write_each_entry_once_in_the_order_of_the_log() {
    let mut app = TestApp::spawn(Backend::Postgres);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    app.stop();
    let replicas = [(); 2].map(|()| app.spawn_replica_with(&to_file(&path)));
    let file = || lines_of(&path);
    wait_for(file, |lines| !lines.is_empty()).await;
    for round in 0..4 {
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let (app, first) = (&app, round * 90 + writer * 30);
                scope.spawn(move || record(app, first..first + 30));
            }
        });
        let done = |lines: &[Value]| numbers(lines).len() >= (round as usize + 1) * 90;
        wait_for(file, done).await;
        // Each line is in the file before the cursor has moved.
        let unread = "SELECT count(*) AS n FROM audit_log AS l JOIN audit_cursors AS c ON c.name = 'stream' \
                      WHERE (l.position, l.id) > (c.position, c.last_id)";
        while app.count(unread) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The stream is free for the other one.
        app.advance(31);
    }
    let lines = file();
    assert_eq!(types(&lines).iter().filter(|name| **name == "audit.stream_started").count(), 1);
    let written: Vec<&str> = lines[1..].iter().map(|line| line["id"].as_str().unwrap()).collect();
    let order = "SELECT string_agg(id::text, ' ' ORDER BY position, id) AS t FROM audit_log";
    assert_eq!(written.join(" "), app.query_text(order));
    let mut total = 0;
    for url in &replicas {
        let text = metrics(&app, url).await;
        let (_, rest) = text.split_once("countersign_audit_stream_lines_total ").unwrap();
        total += rest.lines().next().unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(total, lines.len());
}

#[actix_web::test]
async fn a_full_disk_and_a_killed_process_lose_no_entry() {
    let app = TestApp::without_server(Backend::Sqlite);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let environment = [("DATABASE_URL", app.database_url.as_str())];
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut server = Server::start_with(&to_file(&path), &environment);
    record(&app, 1..=3);
    server.next_log_line("audit stream cannot write");
    let text = metrics(&app, &server.url).await;
    assert!(text.contains("countersign_registry_alive 1\n"), "{text}");
    assert!(!text.contains("countersign_audit_stream_failures_total 0\n"), "{text}");
    std::fs::remove_file(&path).unwrap();
    assert!(!server.next_log_line("audit stream").contains("cannot write"), "it is logged once");
    let file = || lines_of(&path);
    let lines = wait_for(file, |lines| numbers(lines).contains(&3)).await;
    assert_eq!(lines[0]["type"], "audit.stream_started");
    assert_eq!(numbers(&lines), [1, 2, 3]);

    // It is killed while it writes, in the middle of a line.
    record(&app, 4..=60);
    wait_for(file, |lines| numbers(lines).contains(&4)).await;
    server.stop("KILL");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"type\":\"audit");
    std::fs::write(&path, text).unwrap();
    record(&app, 61..=61);
    // The server that was killed holds the stream for some seconds.
    app.execute_raw("UPDATE audit_cursors SET holder = NULL, held_until = NULL");
    let _server = Server::start_with(&to_file(&path), &environment);
    let lines = wait_for(file, |lines| numbers(lines).contains(&61)).await;
    let mut written = numbers(&lines);
    written.dedup();
    written.sort_unstable();
    written.dedup();
    assert_eq!(written, (1..=61).collect::<Vec<_>>());
}

/// A syslog server that parses what it receives.
struct SyslogServer {
    port: u16,
    messages: Arc<Mutex<Vec<String>>>,
    task: actix_web::rt::task::JoinHandle<()>,
}

impl SyslogServer {
    /// Closes each of the first connections after this number of messages, without an answer.
    async fn start(address: &str, tls: TlsAcceptor, mut hang_ups: Vec<usize>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let messages = Arc::<Mutex<Vec<String>>>::default();
        let received = Arc::clone(&messages);
        let task = actix_web::rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let limit = if hang_ups.is_empty() { usize::MAX } else { hang_ups.remove(0) };
                let Ok(mut stream) = tls.accept(stream).await else { continue };
                let mut count = 0;
                while count < limit {
                    let Some(message) = next_message(&mut stream).await else { break };
                    received.lock().unwrap().push(message);
                    count += 1;
                }
            }
        });
        Self { port, messages, task }
    }

    fn lines(&self) -> Vec<Value> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .map(|message| serde_json::from_str(&message[message.find('{').unwrap()..]).unwrap())
            .filter(is_not_of_seals)
            .collect()
    }
}

impl Drop for SyslogServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn next_message(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut length = 0;
    loop {
        match stream.read_u8().await.ok()? {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(String::from_utf8(message).unwrap())
}

fn to_syslog(port: u16, ca: &Path) -> String {
    format!("[audit.stream]\nto = 'syslog+tls://localhost:{port}'\nca = '{}'\n", ca.display())
}

#[actix_web::test]
async fn a_syslog_server_that_hangs_up_gets_every_entry() {
    let ca = TestCa::new();
    let server = SyslogServer::start("127.0.0.1:0", ca.server("localhost"), vec![1, 3]).await;
    let mut app = TestApp::spawn(Backend::Sqlite);
    app.stop();
    app.url = app.spawn_replica_with(&to_syslog(server.port, &ca.file()));
    let all = || server.lines();
    for number in 1..=9 {
        record(&app, number..=number);
        if number % 3 == 0 {
            wait_for(all, |lines| numbers(lines).contains(&number)).await;
        }
    }
    let lines = wait_for(all, |lines| (1..=9).all(|number| numbers(lines).contains(&number))).await;
    let mut first_seen = numbers(&lines);
    let mut seen = std::collections::HashSet::new();
    first_seen.retain(|number| seen.insert(*number));
    assert_eq!(first_seen, (1..=9).collect::<Vec<_>>(), "in order, with repetitions");
    let messages = server.messages.lock().unwrap().clone();
    let header = messages.iter().find(|message| message.contains("user:9")).unwrap();
    let fields: Vec<&str> = header.splitn(8, ' ').collect();
    assert_eq!((fields[0], fields[1], fields[3]), ("<109>1", "2030-01-01T00:00:00.000000Z", "countersign"));
    assert_eq!((fields[5], fields[6]), ("user.renamed", "-"));
}

#[actix_web::test]
async fn a_syslog_server_that_stalls_or_is_not_trusted_delays_nothing() {
    let ca = TestCa::new();
    // It accepts connections, and never answers the handshake.
    let stalled = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut app = TestApp::spawn(Backend::Sqlite);
    let port = stalled.local_addr().unwrap().port();
    let url = app.spawn_replica_with(&to_syslog(port, &ca.file()));
    record(&app, 1..=1);
    let connection = stalled.accept().await.unwrap();
    record(&app, 2..=4);
    metrics(&app, &url).await;
    app.stop();
    drop((connection, stalled));

    let other = TestCa::new();
    let server = SyslogServer::start("127.0.0.1:0", ca.server("localhost"), Vec::new()).await;
    app.execute_raw("UPDATE audit_cursors SET holder = NULL, held_until = NULL");
    let url = app.spawn_replica_with(&to_syslog(server.port, &other.file()));
    let waiting = async {
        while metrics(&app, &url).await.contains("countersign_audit_stream_failures_total 0\n") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
    assert!(server.lines().is_empty());
    let trusted = app.spawn_replica_with(&to_syslog(server.port, &ca.file()));
    wait_for(|| server.lines(), |lines| numbers(lines) == [1, 2, 3, 4]).await;
    assert!(metrics(&app, &trusted).await.contains("countersign_audit_stream_failures_total 0\n"));
}
