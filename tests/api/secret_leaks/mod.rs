//! Searches all output of a server for secrets. The test uses recognisable secrets in every place
//! where a secret can be, calls every function of a real server with the most verbose logging, and
//! then searches the logs, responses, mails and database files.

mod captured_output;
mod pages;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::domain::rights::Role;
use countersign::domain::token::Keyring;
use countersign::store::api_keys::Scope;
use countersign::store::signing_keys;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::collector::{Answer, Collector};
use crate::helpers::{Backend, TestApp};
use crate::smtp::SmtpCatcher;
use captured_output::{CapturedOutput, KnownSecrets};

const SERVER_SECRET: &str = "canary of the server's secret, 32 bytes & more";
const ADAS_PASSWORD: &str = "canary/ada's password +1";
const GRACES_PASSWORD: &str = "canary/grace's password +1";
const ADAS_NEXT_PASSWORD: &str = "canary/ada's next password +1";
const AUTHZEN: &str = "/.well-known/authzen-configuration";
const WRONG_PASSWORD: &str = "canary/a wrong password +1";
const SMTP_PASSWORD: &str = "canary/smtp +password";
const COLLECTOR_KEY: &str = "canary/collector +key";
const DATABASE_PASSWORD: &str = "canary-database-password";

/// The secrets in mails, one mail each.
const MAILED: &[&str] =
    &["redeem token 0", "redeem token 1", "redeem token 2", "password link", "first password link"];

/// The secret of the link that turns off mails. All mails of a kind to one user have the same.
const UNSUBSCRIBE: &str = "unsubscribe token";

/// A server whose output is written to a file.
struct WatchedServer {
    child: Child,
    url: String,
}

impl WatchedServer {
    fn start(evidence: &mut CapturedOutput, environment: &[(&str, &str)]) -> Self {
        let said = evidence.file("stdout");
        let mut log = std::fs::File::create(evidence.file("stderr")).unwrap();
        // Core dumps are enabled, in case the server fails to disable them.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "ulimit -c unlimited 2>/dev/null; exec \"$0\" serve",
                env!("CARGO_BIN_EXE_countersign"),
            ])
            .current_dir(evidence.directory())
            .env_clear()
            .env("BIND", "127.0.0.1:0")
            .env("PUBLIC_URL", "https://countersign.test")
            .env("COUNTERSIGN_SECRET", SERVER_SECRET)
            .env("RUST_LOG", "trace,actix_http=trace")
            .env("RUST_BACKTRACE", "full")
            .envs(environment.iter().copied())
            .stdout(std::fs::File::create(said).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writeln!(log, "{line}").unwrap();
                if let Some((_, address)) = line.split_once("listening address=") {
                    // Only the first address is awaited.
                    let _ = tell.send(format!("http://{}", address.trim()));
                }
            }
        });
        let url = told.recv().expect("the server logs its address");
        Self { child, url }
    }

    /// Sends bytes that are not a valid request.
    fn send_raw(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        // The server may close the connection before it has read everything, and without a response.
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

impl Drop for WatchedServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, its captured output and the known secrets.
struct LeakFixture {
    app: TestApp,
    server: WatchedServer,
    captured: CapturedOutput,
    secrets: KnownSecrets,
    /// The secrets that a response may contain, because its caller is authorized to see them.
    permitted: BTreeMap<PathBuf, Vec<String>>,
    catcher: SmtpCatcher,
    mails: Vec<String>,
}

/// The token with this prefix in a text.
fn token_in(text: &str, prefix: &str) -> String {
    let (_, rest) = text.split_once(prefix).unwrap_or_else(|| panic!("{prefix} in {text}"));
    let body: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("{prefix}{body}")
}

impl LeakFixture {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.request(method, &format!("{}{path}", self.server.url))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Sends a request and returns the status. The response may contain these secrets.
    async fn send(&mut self, request: RequestBuilder, permitted: &[&str]) -> u16 {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let (file, _) = self.captured.save_response(answer).await;
        self.permitted.insert(file, permitted.iter().map(|name| (*name).to_owned()).collect());
        status
    }

    /// Sends a request whose response contains a token with this prefix, and registers the token
    /// under this name.
    async fn send_for_secret(&mut self, request: RequestBuilder, name: &str, prefix: &str) -> String {
        let (file, text) = self.captured.save_response(request.send().await.unwrap()).await;
        self.permitted.insert(file, vec![name.to_owned()]);
        self.secrets.add(name, &token_in(&text, prefix))
    }

    /// The next mail.
    fn next_mail(&mut self) -> &str {
        // Quoted-printable breaks long lines with an equals sign.
        let mail = self.catcher.next_mail().to_string().replace("=\\r\\n", "").replace("=3D", "=");
        self.mails.push(mail);
        &self.mails[self.mails.len() - 1]
    }

    /// Waits for the next mail with a token that has this prefix, and registers the token.
    fn next_mailed_secret(&mut self, name: &str, prefix: &str) -> String {
        while !self.next_mail().contains(prefix) {}
        let token = token_in(&self.mails[self.mails.len() - 1], prefix);
        self.secrets.add(name, &token)
    }

    /// Runs a command of the operator.
    fn run_command(&mut self, arguments: &[&str], stdin: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(arguments)
            .current_dir(self.captured.directory())
            .env_clear()
            .env("DATABASE_URL", &self.app.database_url)
            .env("RUST_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        command.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = command.wait_with_output().unwrap();
        let name = format!("operator-{}", self.captured.files.len());
        std::fs::write(self.captured.file(&name), [output.stdout, output.stderr].concat()).unwrap();
    }
}

/// The data directory of the cluster with this URL.
fn data_directory(url: &str) -> PathBuf {
    let (_, rest) = url.split_once('@').unwrap();
    let (host, _) = rest.split_once('/').unwrap();
    percent_encoding::percent_decode_str(host).decode_utf8().unwrap().as_ref().into()
}

/// The URL with a recognisable password, which the cluster ignores.
fn with_password(url: &str) -> String {
    url.replacen('@', &format!(":{DATABASE_PASSWORD}@"), 1)
}

fn wal_file(app: &TestApp) -> String {
    app.query_text("SELECT pg_walfile_name(pg_current_wal_insert_lsn()) AS t")
}

/// A key for access decisions, under this name.
fn checker_key(fixture: &mut LeakFixture, name: &str) -> String {
    let service = fixture.app.user("checker@example.org");
    let key = fixture.app.key(&service.user, Scope::Check);
    fixture.secrets.add(name, &key)
}

/// Sends a request whose response shows the secret of a webhook. Returns the response.
async fn webhook_secret(fixture: &mut LeakFixture, name: &str, request: RequestBuilder) -> String {
    let (file, text) = fixture.captured.save_response(request.send().await.unwrap()).await;
    fixture.permitted.insert(file, vec![name.to_owned(), format!("{name}, encoded")]);
    let shown = text.split("whsec_").nth(1).unwrap_or_else(|| panic!("a secret in {text}"));
    let encoded = shown.split(['"', '<']).next().unwrap().replace("&#x2f;", "/");
    fixture.secrets.add_bytes(name, &STANDARD.decode(&encoded).unwrap());
    fixture.secrets.add(&format!("{name}, encoded"), &encoded);
    text
}

/// Manages webhooks. Their secrets are shown once.
async fn exercise_webhooks(fixture: &mut LeakFixture, key: &str) {
    let new = json!({ "url": "https://hooks.example.org/", "events": ["request.*"] });
    let made = fixture.post("/api/webhook/").bearer_auth(key).json(&new);
    let made = webhook_secret(fixture, "webhook secret", made).await;
    let (_, uri) = made.split_once("\"resource_uri\":\"").unwrap();
    let uri = uri.split('"').next().unwrap().to_owned();
    let rotate = fixture.post(&format!("{uri}secret/")).bearer_auth(key);
    webhook_secret(fixture, "next webhook secret", rotate).await;
    let change = json!({ "description": "Changed" });
    let changed = fixture.request(Method::PATCH, &uri).bearer_auth(key).json(&change);
    assert_eq!(fixture.send(changed, &[]).await, 202);
    let replay = fixture.post(&format!("{uri}replay/")).bearer_auth(key);
    assert_eq!(fixture.send(replay.json(&json!({ "since": "2030-01-01T00:00:00Z" })), &[]).await, 202);
    for path in ["/api/webhook/", &uri, "/api/audit/"] {
        assert_eq!(fixture.send(fixture.get(path).bearer_auth(key), &[]).await, 200);
    }
    fixture.run_command(&["webhook", "list", "ada@example.org"], "");
}

/// Calls every function of the server with valid secrets, with invalid ones, and with secrets in
/// the wrong places.
async fn exercise_server(fixture: &mut LeakFixture) {
    let app = &fixture.app;
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let (root, gone) = (app.staff("root@example.org"), app.user("gone@example.org"));
    app.disable(&gone);
    app.grant_role("observatory", &ada, Role::Admin);
    let bundles = ["Sleep", "Heart", "Steps"].map(|name| app.bundle(name, 6).id.0);
    let inspector = app.key(&root.user, Scope::Introspect);
    for (name, key) in [("ada's key", &ada.key), ("grace's key", &grace.key), ("gone's key", &gone.key)] {
        fixture.secrets.add(name, key);
    }
    fixture.secrets.add("root's key", &root.key);
    fixture.secrets.add("inspector's key", &inspector);
    fixture.run_command(
        &["user", "passwd", "ada@example.org", "--password-stdin", "--keep-keys"],
        ADAS_PASSWORD,
    );
    fixture.run_command(
        &["user", "passwd", "grace@example.org", "--password-stdin", "--keep-keys"],
        GRACES_PASSWORD,
    );
    fixture.run_command(&["user", "passwd", "nobody@example.org", "--password-stdin"], WRONG_PASSWORD);
    fixture.run_command(&["key", "list", "ada@example.org"], "");

    // Authentication.
    let account = "/api/account/";
    for (email, password, status) in [
        ("ada@example.org", ADAS_PASSWORD, 200),
        ("ada@example.org", WRONG_PASSWORD, 401),
        ("nobody@example.org", WRONG_PASSWORD, 401),
        ("gone@example.org", WRONG_PASSWORD, 401),
        (WRONG_PASSWORD, "ada@example.org", 401),
    ] {
        assert_eq!(fixture.send(fixture.get(account).basic_auth(email, Some(password)), &[]).await, status);
    }
    for header in [
        format!("Bearer {WRONG_PASSWORD}"),
        format!("Basic {WRONG_PASSWORD}"),
        format!("ApiKey grace@example.org:{}", ada.key),
        format!("Token {}", ada.key),
        format!("Bearer {}", gone.key),
    ] {
        assert_eq!(fixture.send(fixture.get(account).header("Authorization", header), &[]).await, 401);
    }
    let own = format!("ApiKey ada@example.org:{}", ada.key);
    assert_eq!(fixture.send(fixture.get(account).header("Authorization", own), &[]).await, 200);
    assert_eq!(fixture.send(fixture.get(account).bearer_auth(&inspector), &[]).await, 403);

    // Export tokens.
    let svc = |name: &str| format!("/-/svc/mfs_api.{name}");
    let new = json!({ "hub_id": "observatory", "nid": "photos" });
    let created = fixture.post(&svc("create_token")).bearer_auth(&ada.key).json(&new).send().await.unwrap();
    let created: serde_json::Value = created.json().await.unwrap();
    let export = fixture.secrets.add("export token", created["data"]["token"].as_str().unwrap());
    for (hub, expiry) in [("observatory", export.as_str()), ("elsewhere", "1")] {
        let asked = fixture.post(&svc("create_token")).bearer_auth(&ada.key);
        let asked = asked.json(&json!({ "hub_id": hub, "nid": "x", "expiry_hours": expiry }));
        assert!(fixture.send(asked, &[]).await >= 400);
    }
    let broken = format!("{{\"hub_id\": \"{export}\", \"password\": \"{WRONG_PASSWORD}\"");
    let broken = fixture.post(&svc("create_token")).bearer_auth(&ada.key).body(broken);
    assert_eq!(fixture.send(broken.header("Content-Type", "application/json"), &[]).await, 400);
    assert_eq!(
        fixture.send(fixture.get(&svc("list")).basic_auth("ada@example.org", Some(ADAS_PASSWORD)), &[]).await,
        200
    );
    // The envelope repeats the name of the call.
    let called = fixture.get(&svc(&format!("list{export}"))).bearer_auth(&ada.key);
    assert_eq!(fixture.send(called, &["export token"]).await, 404);
    let at = |right: &str| format!("/authz?hub_id=observatory&nid=photos&right={right}");
    for (header, status) in [("X-Param-Mfs-Token", 204), ("x-param-token", 401)] {
        assert_eq!(fixture.send(fixture.get(&at("read")).header(header, &export), &[]).await, status);
    }
    assert_eq!(fixture.send(fixture.get(&at("admin")).bearer_auth(&export), &[]).await, 403);
    assert_eq!(fixture.send(fixture.get(&at(&export)).bearer_auth(&ada.key), &[]).await, 400);
    assert_eq!(fixture.send(fixture.get(&at("read")).bearer_auth(&ada.key), &[]).await, 401);
    for (caller, status) in [(&inspector, 200), (&root.key, 200), (&ada.key, 403), (&export, 401)] {
        for token in [&export, &ada.key, WRONG_PASSWORD] {
            let asked = fixture.post("/oauth2/introspect").bearer_auth(caller).form(&[("token", token)]);
            assert_eq!(fixture.send(asked, &[]).await, status);
        }
    }
    let checker = checker_key(fixture, "checker's key");
    for (caller, status) in
        [(&checker, 200), (&inspector, 200), (&root.key, 200), (&ada.key, 403), (&export, 401)]
    {
        for token in [&export, &ada.key, WRONG_PASSWORD] {
            for node in ["photos", "elsewhere", token] {
                let resource =
                    json!({ "type": "node", "id": node, "properties": { "hub_id": "observatory" } });
                let evaluation = json!({
                    "subject": { "type": "export_token", "id": token }, "action": { "name": "read" }, "resource": resource,
                });
                let asked = fixture.post("/access/v1/evaluation").bearer_auth(caller).json(&evaluation);
                assert_eq!(fixture.send(asked, &[]).await, status);
                let batch = json!({ "evaluations": [evaluation, { "action": token }, { "subject": { "type": token, "id": [token] } }] });
                let asked = fixture.post("/access/v1/evaluations").bearer_auth(caller).json(&batch);
                assert_eq!(fixture.send(asked, &[]).await, status);
            }
        }
    }
    for body in [
        json!({ "subject": export, "action": { "name": "read" }, "resource": { "type": "node", "id": "photos" } }),
        json!({ "subject": { "type": "export_token", "id": export }, "action": { "name": [export] } }),
        json!({ "evaluations": export }),
        json!({ "evaluations": [export] }),
        json!({ "evaluations": [{}], "options": { "evaluations_semantic": export } }),
        json!({ "subject": { "type": "user" }, "action": { "name": export }, "resource": { "type": "user", "id": export },
            "page": { "token": export } }),
    ] {
        for path in ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"] {
            let asked = fixture.post(&format!("/access/v1/{path}")).bearer_auth(&checker).json(&body);
            assert_eq!(fixture.send(asked.header("x-request-id", "mine"), &[]).await, 400, "{path}");
        }
    }
    let broken = format!("{{\"subject\": {{\"id\": \"{export}\"");
    let broken = fixture.post("/access/v1/evaluation").bearer_auth(&checker).body(broken);
    assert_eq!(fixture.send(broken.header("Content-Type", "application/json"), &[]).await, 400);

    // Requests, their mails and their redeem tokens.
    let requests = "/api/bundle_permission_request/";
    for bundle in bundles {
        let wish = json!({ "user_allowed": ada.id(), "user_target": grace.id(), "bundle": bundle });
        let ask =
            fixture.post(requests).bearer_auth(&ada.key).header("Idempotency-Key", format!("once-{bundle}"));
        assert_eq!(fixture.send(ask.json(&wish), &[]).await, 201);
    }
    let listed = fixture.get(requests).bearer_auth(&grace.key).send().await.unwrap();
    let listed: serde_json::Value = listed.json().await.unwrap();
    let mut tokens = Vec::new();
    for nth in 0..3 {
        let url = listed["objects"][nth]["redeem_url"].as_str().unwrap();
        let token = url.split_once("token=").unwrap().1;
        tokens.push(fixture.secrets.add(&format!("redeem token {nth}"), token));
    }
    let all = ["redeem token 0", "redeem token 1", "redeem token 2"];
    assert_eq!(fixture.send(fixture.get(requests).bearer_auth(&grace.key), &all).await, 200);
    assert_eq!(fixture.send(fixture.get(requests).bearer_auth(&ada.key), &[]).await, 200);
    let number = listed["objects"][0]["resource_uri"].as_str().unwrap();
    assert_eq!(fixture.send(fixture.get(number).bearer_auth(&grace.key), &all[..1]).await, 200);
    assert_eq!(fixture.send(fixture.get(number).bearer_auth(&ada.key), &[]).await, 200);
    let one = |token: &str| format!("{requests}{token}/");
    for (method, key, nth, status) in [
        (Method::GET, &ada.key, 0, 404),
        (Method::PUT, &root.key, 0, 404),
        (Method::POST, &grace.key, 0, 405),
        (Method::PATCH, &grace.key, 0, 405),
        (Method::GET, &grace.key, 0, 200),
        (Method::PUT, &grace.key, 0, 200),
        (Method::PUT, &grace.key, 0, 404),
        (Method::DELETE, &grace.key, 1, 204),
        (Method::GET, &grace.key, 1, 404),
    ] {
        let permitted: &[&str] = if method == Method::GET && status == 200 { &all[..1] } else { &[] };
        assert_eq!(
            fixture.send(fixture.request(method, &one(&tokens[nth])).bearer_auth(key), permitted).await,
            status
        );
    }
    // A receipt, and the private key that signs it.
    let receipt = number.replace("_request", "") + "receipt/";
    for key in [&ada.key, &grace.key] {
        assert_eq!(fixture.send(fixture.get(&receipt).bearer_auth(key), &[]).await, 200);
    }
    let keyring = Keyring::new(SERVER_SECRET.as_bytes(), None).unwrap();
    let key = fixture.app.store.read(|conn| signing_keys::current(conn, &keyring)).unwrap().unwrap().unwrap();
    fixture.secrets.add_bytes("private key of receipts", key.secret_bytes().expose_secret());

    assert_eq!(fixture.send(fixture.get(&one(&tokens[2])), &[]).await, 401);
    assert_eq!(
        fixture.send(fixture.get(&format!("/api/nowhere/{}/", tokens[2])).bearer_auth(&ada.key), &[]).await,
        404
    );
    assert_eq!(fixture.send(fixture.get(&format!("/{}", tokens[2])), &[]).await, 404);
    for field in ["redeem_url", "ttl"] {
        let wish = json!({
            "user_allowed": ada.id(), "user_target": grace.id(), "bundle": bundles[1],
            field: format!("https://countersign.test/redeem?token={}", tokens[2]),
        });
        assert_eq!(fixture.send(fixture.post(requests).bearer_auth(&ada.key).json(&wish), &[]).await, 400);
    }
    let user = json!({ "email": "new@example.org", "password": WRONG_PASSWORD, "first_name": "New" });
    assert_eq!(fixture.send(fixture.post("/api/user/").bearer_auth(&root.key).json(&user), &[]).await, 201);
    assert_eq!(fixture.send(fixture.post("/api/user/").bearer_auth(&root.key).json(&user), &[]).await, 400);
    assert_eq!(fixture.send(fixture.get("/api/user/").bearer_auth(&root.key), &[]).await, 200);
    let large = fixture.post(requests).bearer_auth(&ada.key).body(WRONG_PASSWORD.repeat(4_000));
    assert_eq!(fixture.send(large, &[]).await, 413);

    // The pages. A page may show a token to the user who sent it.
    assert_eq!(fixture.send(fixture.get(&format!("/redeem?token={}", tokens[2])), &all[2..]).await, 200);
    let visitor = pages::sign_in(fixture, "grace", GRACES_PASSWORD).await;
    let look = fixture.get(&format!("/redeem?token={}", tokens[2])).header("cookie", &visitor.cookie);
    assert_eq!(fixture.send(look, &all[2..]).await, 200);
    for (decision, status) in [(GRACES_PASSWORD, 400), ("approve", 200), ("approve", 404)] {
        let form = [("token", tokens[2].as_str()), ("decision", decision), ("right", "read")];
        assert_eq!(
            fixture
                .send(visitor.post(&fixture.app, &format!("{}/redeem", fixture.server.url), &form), &[])
                .await,
            status
        );
    }
    let revoke = fixture.post(&svc("revoke")).bearer_auth(&ada.key).query(&[("token", &export)]);
    assert_eq!(fixture.send(revoke, &[]).await, 200);
    let revoke = fixture.post("/oauth2/revoke").bearer_auth(&ada.key).form(&[("token", &tokens[2])]);
    assert_eq!(fixture.send(revoke, &[]).await, 200);
    for probe in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/.well-known/jwks.json",
        "/openapi.json",
        "/api/",
        "/api/user/schema/",
        AUTHZEN,
    ] {
        fixture.send(fixture.get(probe), &[]).await;
    }

    exercise_webhooks(fixture, &ada.key).await;

    // The mails about the decisions, after those of the requests.
    let unsubscribe = fixture.next_mailed_secret(UNSUBSCRIBE, "csu_");
    pages::unsubscribe(fixture, &unsubscribe).await;
    pages::exercise_pages(fixture, &export).await;

    // Invalid HTTP, and interrupted requests.
    let credentials = format!("Authorization: Bearer {}\r\nX: {WRONG_PASSWORD}\r\n", ada.key);
    for text in [
        format!("GET / HTTP/1.1\r\n{credentials}no header\r\n\r\n"),
        format!("GET /redeem?token={} HTTP/9.9\r\n{credentials}\r\n", tokens[2]),
        format!("{}\r\n\r\n", tokens[2]),
        format!("POST /redeem HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\npassword={WRONG_PASSWORD}"),
        format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\n{credentials}Transfer-Encoding: chunked\r\n\r\nzz",
            one(&tokens[2])
        ),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n{credentials}\r\n", "x".repeat(200_000)),
    ] {
        fixture.server.send_raw(text.as_bytes());
    }

    // Database errors.
    fixture.app.execute_raw("ALTER TABLE permission_requests RENAME TO away");
    fixture.app.execute_raw("ALTER TABLE export_tokens RENAME TO away_too");
    fixture.send(fixture.request(Method::PUT, &one(&tokens[2])).bearer_auth(&grace.key), &[]).await;
    fixture.send(fixture.get(&one(&tokens[2])).bearer_auth(&grace.key), &[]).await;
    fixture.send(fixture.get(&at("read")).bearer_auth(&export), &[]).await;
    for (kind, resource) in [("export_token", "node"), ("user", "user")] {
        let resource = json!({ "type": resource, "id": export, "properties": { "hub_id": "observatory" } });
        let evaluation = json!({
            "subject": { "type": kind, "id": if kind == "user" { "1" } else { &export } },
            "action": { "name": "read" },
            "resource": resource,
        });
        fixture
            .send(fixture.post("/access/v1/evaluation").bearer_auth(&checker).json(&evaluation), &[])
            .await;
    }
    fixture.send(fixture.post(&svc("create_token")).bearer_auth(&ada.key).json(&new), &[]).await;
    fixture.app.execute_raw("ALTER TABLE away_too RENAME TO export_tokens");
    fixture.app.execute_raw("ALTER TABLE away RENAME TO permission_requests");
}

async fn check_for_leaks(backend: Backend) {
    let app = TestApp::without_server(backend);
    let catcher = SmtpCatcher::start(&["--auth"]);
    let (mut evidence, mut secrets) = (CapturedOutput::new(), KnownSecrets::default());
    for (name, secret) in [
        ("server's secret", SERVER_SECRET),
        ("ada's password", ADAS_PASSWORD),
        ("grace's password", GRACES_PASSWORD),
        ("ada's next password", ADAS_NEXT_PASSWORD),
        ("wrong password", WRONG_PASSWORD),
        ("smtp password", SMTP_PASSWORD),
        ("collector's key", COLLECTOR_KEY),
        ("database's password", DATABASE_PASSWORD),
    ] {
        secrets.add(name, secret);
    }
    let smtp_url = format!("smtp://relay:canary%2Fsmtp%20%2Bpassword@127.0.0.1:{}", catcher.port);
    let (mut database_url, mut first_wal) = (app.database_url.clone(), String::new());
    if matches!(backend, Backend::Postgres) {
        // The most verbose settings of the database. Its log may contain data, but it must not
        // contain a secret.
        app.execute_raw(&format!(
            "ALTER DATABASE {} SET log_statement = 'all'",
            app.query_text("SELECT current_database()::text AS t")
        ));
        database_url = with_password(&database_url);
        // Keeps the write-ahead log until it is searched.
        app.execute_raw("SELECT pg_create_physical_replication_slot('canaries', true)");
        first_wal = wal_file(&app);
    }
    let collector = Collector::start(Answer::Accept);
    // Its URL and a header both have the key.
    let traces_url = format!("{}/canary%2Fcollector%20%2Bkey", collector.url);
    let environment = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces_url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=canary%2Fcollector%20%2Bkey"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("DATABASE_URL", database_url.as_str()),
        ("SMTP_URL", smtp_url.as_str()),
        ("MAIL_FROM", "noreply@countersign.test"),
        // Its lines are searched as the rest of the output.
        ("COUNTERSIGN_AUDIT_STREAM_TO", "stdout"),
    ];
    let server = WatchedServer::start(&mut evidence, &environment);
    let mut fixture = LeakFixture {
        app,
        server,
        captured: evidence,
        secrets,
        permitted: BTreeMap::new(),
        catcher,
        mails: Vec::new(),
    };
    exercise_server(&mut fixture).await;

    let LeakFixture { app, mut server, captured: mut evidence, secrets, permitted, mails, .. } = fixture;
    let mut mailed = Vec::new();
    for (nth, mail) in mails.iter().enumerate() {
        mailed.push(evidence.file(&format!("mail-{nth}")));
        std::fs::write(&mailed[nth], mail).unwrap();
    }

    // Those of the last milliseconds may be missing.
    let mut spans = collector.next_export().body;
    spans.extend(collector.received().into_iter().flat_map(|export| export.body));
    std::fs::write(evidence.file("spans"), spans).unwrap();

    let abort = Command::new("kill").args(["-ABRT", &server.child.id().to_string()]).status().unwrap();
    assert!(abort.success());
    let ended = server.child.wait().unwrap();
    assert_eq!(ended.signal(), Some(6), "{ended:?}");
    assert!(!ended.core_dumped(), "the server writes no core dump");

    let streamed = std::fs::read_to_string(evidence.directory().join("stdout")).unwrap();
    assert!(streamed.contains("\"type\":\"audit.entry\""), "the audit stream is searched");

    match backend {
        Backend::Sqlite => {
            let path = app.database_url.trim_start_matches("sqlite://").to_owned();
            assert!(std::fs::metadata(format!("{path}-wal")).unwrap().len() > 0);
            evidence
                .files
                .extend([path.clone(), format!("{path}-wal"), format!("{path}-shm")].map(PathBuf::from));
        }
        Backend::Postgres => {
            let cluster = data_directory(&app.database_url);
            let last_wal = wal_file(&app);
            let wal =
                std::fs::read_dir(cluster.join("data/pg_wal")).unwrap().map(|entry| entry.unwrap().path());
            let written = wal.filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                (first_wal.as_str()..=last_wal.as_str()).contains(&name)
            });
            evidence.files.extend(written);
            evidence.files.push(cluster.join("log"));
            let dump = evidence.file("dump.sql");
            let dumped =
                Command::new(pg_dump()).args(["--dbname", &app.database_url, "--file"]).arg(&dump).status();
            assert!(dumped.unwrap().success());
        }
    }

    let found = secrets.search_files(&evidence.files);
    if matches!(backend, Backend::Postgres) {
        app.execute_raw("SELECT pg_drop_replication_slot('canaries')");
    }
    let is_meant = |finding: &captured_output::Leak| {
        permitted.get(&finding.file).is_some_and(|names| names.contains(&finding.secret))
    };
    for name in MAILED {
        let its: Vec<_> = found
            .iter()
            .filter(|finding| finding.secret == *name && mailed.contains(&finding.file))
            .collect();
        let mut its_mails: Vec<_> = its.iter().map(|finding| &finding.file).collect();
        its_mails.dedup();
        assert_eq!(its_mails.len(), 1, "{name} is in its mail, and in no other: {its:?}");
    }
    let mails_own = |finding: &captured_output::Leak| {
        let is_mailed = finding.secret == UNSUBSCRIBE || MAILED.contains(&finding.secret.as_str());
        is_mailed && mailed.contains(&finding.file)
    };
    let leaks: Vec<_> = found.iter().filter(|finding| !is_meant(finding) && !mails_own(finding)).collect();
    assert!(leaks.is_empty(), "{}", describe(&leaks));
    assert!(found.iter().any(is_meant), "responses with secrets were searched");
}

/// The leaks, each with the surrounding text.
fn describe(leaks: &[&captured_output::Leak]) -> String {
    let mut text = String::new();
    for captured_output::Leak { secret, encoding: clothes, file, offset } in leaks {
        let content = std::fs::read(file).unwrap();
        let at = *offset as usize;
        let around = &content[at.saturating_sub(160)..content.len().min(at + 80)];
        text += &format!("{secret} ({clothes}) in {}: …{}…\n", file.display(), around.escape_ascii());
    }
    text
}

/// The path of pg_dump: Debian has a directory per version, not in PATH.
fn pg_dump() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut programs: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin/pg_dump"))
        .filter(|path| path.exists())
        .collect();
    programs.sort();
    programs.pop().unwrap_or_else(|| "pg_dump".into())
}

#[actix_web::test]
async fn no_secret_leaks_on_sqlite() {
    check_for_leaks(Backend::Sqlite).await;
}

#[actix_web::test]
async fn no_secret_leaks_on_postgresql() {
    check_for_leaks(Backend::Postgres).await;
}
