//! The real program: several processes on one database, and failures at startup.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::helpers::{Backend, ByUser, SECRET, TestApp, TestDatabase, server_program};

/// A server process. It is killed when it is dropped.
pub struct Server {
    child: Child,
    pub url: String,
    /// The lines of the log.
    pub log: Receiver<String>,
    /// The working directory.
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts a server with this environment and waits until it listens.
    pub fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_with("", environment)
    }

    /// Starts a server with this environment and this `countersign.toml`.
    pub fn start_with(toml: &str, environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("countersign.toml"), toml).unwrap();
        let mut child = Command::new(server_program(environment.iter().copied()))
            .arg("serve")
            .current_dir(directory.path())
            .env_clear()
            .env("BIND", "127.0.0.1:0")
            .env("PUBLIC_URL", "https://countersign.test")
            .env("COUNTERSIGN_SECRET", SECRET)
            .env("RUST_LOG", "info")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        let url = loop {
            let line = lines.next().expect("the server logs its address").unwrap();
            // As text or as JSON.
            let address = line.split_once("address=").or_else(|| line.split_once("\"address\":\""));
            let address = address.map(|(_, rest)| rest.split('"').next().unwrap_or_default().trim());
            let address = address.map(|address| format!("http://{address}"));
            sender.send(line).unwrap();
            if let Some(url) = address {
                break url;
            }
        };
        // The log must be read, or the server would block on writing it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Self { child, url, log, _directory: directory }
    }

    /// Sends a signal by its name, and waits until the process ends.
    pub fn stop(&mut self, signal: &str) -> ExitStatus {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap()
    }

    /// Waits for the next line of the log that contains a text.
    pub fn next_log_line(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(20)).expect(text);
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[actix_web::test]
async fn two_processes_on_one_postgresql_redeem_a_token_once() {
    let app = TestApp::without_server(Backend::Postgres);
    let replicas = [(); 2].map(|()| Server::start(&[("DATABASE_URL", &app.database_url)]));
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    for round in 1..=3 {
        let request = app.create_request(&ada, &grace, &app.bundle(&format!("Bundle {round}"), 6));
        let token = app.redeem_token(&request);
        let race = (0..128).map(|nth| {
            let url = format!("{}/api/bundle_permission_request/{token}/", replicas[nth % 2].url);
            let put = app.put(&url).by_user(&grace).header("idempotency-key", format!("{round}-{nth}"));
            actix_web::rt::spawn(async move {
                // A busy server may not process a request in time (503).
                loop {
                    match put.try_clone().unwrap().send().await.unwrap().status().as_u16() {
                        503 => {}
                        status => return status,
                    }
                }
            })
        });
        let statuses = futures_util::future::join_all(race.collect::<Vec<_>>()).await;
        let statuses: Vec<u16> = statuses.into_iter().map(Result::unwrap).collect();
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(200), count(404)), (1, 127), "{statuses:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), round);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), round);
        app.assert_user_counters();
    }
}

#[actix_web::test]
async fn a_secret_is_rotated_over_replicas_in_two_steps() {
    const NEXT: &str = "the next secret of the server, 32 bytes";
    let app = TestApp::without_server(Backend::Postgres);
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let start = |secret, previous| {
        Server::start(&[
            ("DATABASE_URL", &app.database_url),
            ("COUNTERSIGN_SECRET", secret),
            ("COUNTERSIGN_SECRET_PREVIOUS", previous),
        ])
    };
    let replicas = [start(SECRET, ""), start(SECRET, NEXT), start(NEXT, SECRET)];
    for (issuer, verifier) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        let request =
            app.create_request(&ada, &grace, &app.bundle(&format!("Bundle {issuer} {verifier}"), 6));
        let (issuer, verifier) = (&replicas[issuer].url, &replicas[verifier].url);
        let url = format!("{issuer}/api/bundle_permission_request/{}/", request.id);
        let shown: Value = app.get(&url).by_user(&grace).send().await.unwrap().json().await.unwrap();
        let (_, token) = shown["redeem_url"].as_str().unwrap().split_once("token=").unwrap();
        let url = format!("{verifier}/api/bundle_permission_request/{token}/");
        assert_eq!(app.put(&url).by_user(&grace).send().await.unwrap().status(), 200, "{issuer} {verifier}");
    }
}

#[actix_web::test]
async fn several_processes_start_concurrently_on_an_empty_database() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let (database, url) = TestDatabase::empty(backend);
        let servers: Vec<Server> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..4).map(|_| scope.spawn(|| Server::start(&[("DATABASE_URL", &url)]))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        for server in &servers {
            let ready: Value =
                reqwest::get(format!("{}/readyz", server.url)).await.unwrap().json().await.unwrap();
            assert_eq!(ready["status"], "ready");
        }
        drop(servers);
        database.remove();
    }
}

#[test]
fn mail_files_are_deleted_after_the_configured_days() {
    let (database, url) = TestDatabase::empty(Backend::Sqlite);
    let directory = tempfile::tempdir().unwrap();
    let write = |id: u128, age_days: u64| {
        let path = directory.path().join(format!("{}.eml", uuid::Uuid::from_u128(id)));
        let age = Duration::from_secs(age_days * 86_400);
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() - age).unwrap();
        path
    };
    let (old, new) = (write(1, 8), write(2, 6));
    let environment = [
        ("DATABASE_URL", url.as_str()),
        ("COUNTERSIGN_MAIL_DIRECTORY", directory.path().to_str().unwrap()),
        ("COUNTERSIGN_MAIL_KEEP_DAYS", "7"),
    ];
    let server = Server::start(&environment);
    server.next_log_line("old mail files deleted files=1");
    assert!(!old.exists() && new.exists());
    drop(server);
    database.remove();
}

/// The stderr output and the exit code of a command.
pub fn run_failing(arguments: &[&str], environment: &[(&str, &str)]) -> (String, Option<i32>) {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn an_unreachable_database_at_startup_is_reported() {
    let nobody = "postgres://nobody:hunter2@127.0.0.1:9/nothing";
    let (said, code) = run_failing(&["serve"], &[("DATABASE_URL", nobody), ("COUNTERSIGN_SECRET", SECRET)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("database"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_bad_configuration_names_the_key_and_the_reason() {
    for (name, value, reason) in [
        ("BIND", "nowhere", "an IP address and port"),
        ("DATABASE_URL", "mysql://x", "postgres://"),
        ("SMTP_URL", "http://x", "smtp"),
        ("COUNTERSIGN_SECRET", "short", "32"),
        ("PUBLIC_URL", "ftp://x", "http"),
        ("PUBLIC_URL", "https://x/a//b", "the path must consist of"),
        ("PUBLIC_URL", "https://x/api/consent", "`/api`"),
        ("PUBLIC_URL", "https://x/assets", "`/assets`"),
    ] {
        let (said, code) = run_failing(&["serve"], &[(name, value)]);
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains(name) && said.contains(reason), "{name}: {said}");
    }
    let (said, code) = run_failing(&["serve"], &[("DATABASE_URL", "postgres://127.0.0.1:9/x")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("COUNTERSIGN_SECRET"), "{said}");
}
