//! The command line: runs the program on a database of its own.

use std::io::Write;
use std::path::Path;
use std::process::{self, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use countersign::auth::password;
use countersign::config::DatabaseUrl;
use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::BundleId;
use countersign::domain::export_token::{ExpiryHours, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission_request::{NewPermissionRequest, PermissionRequest};
use countersign::domain::rights::Mask;
use countersign::domain::terms::Terms;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::token::{ApiKeyId, Keyring, SessionId, Token, TokenKind};
use countersign::domain::user::{Authority, Email, UserId};
use countersign::entropy;
use countersign::store::api_keys::ApiKeyAuth;
use countersign::store::ledger::{self, CloseRequest, Command, CreateExport, CreateRequest, Operation};
use countersign::store::lookup::{self, LookupKey};
use countersign::store::outbox::OutboxResult;
use countersign::store::sessions::Session;
use countersign::store::{Clock, Store, api_keys, outbox, seals, sessions, users};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{SECRET, execute, query_rows, sqlite, url_of_database};

const DAY: i64 = 24 * 3_600;

/// A database for one test.
struct CliDatabase {
    url: String,
    directory: tempfile::TempDir,
    /// The URL of the PostgreSQL server and the name of the database.
    postgres: Option<(String, String)>,
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    entry: String,
}

impl CliDatabase {
    fn sqlite() -> Self {
        Self::without_database().migrated()
    }

    /// A directory in which no command has run yet.
    fn without_database() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("countersign.db").display());
        Self { url, directory, postgres: None }
    }

    fn postgres(server: String) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("command_line_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Empty, because the program migrates it.
        execute(&server, &format!("CREATE DATABASE {name}"));
        let url = url_of_database(&server, &name);
        Self { url, directory: tempfile::tempdir().unwrap(), postgres: Some((server, name)) }.migrated()
    }

    fn migrated(self) -> Self {
        self.text(&["migrate"]);
        self
    }

    /// The program in an empty directory. Its environment contains the database URL.
    fn command(&self, arguments: &[&str]) -> process::Command {
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).current_dir(self.directory.path()).env("DATABASE_URL", &self.url);
        for variable in ["RUST_LOG", "SMTP_URL", "MAIL_FROM", "PUBLIC_URL", "BIND", "COUNTERSIGN_SECRET"] {
            command.env_remove(variable);
        }
        // A purge of audit entries and a verification need the server's secret.
        if arguments.first().is_some_and(|command| ["purge", "audit"].contains(command)) {
            command.env("COUNTERSIGN_SECRET", SECRET);
        }
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::from(self.command(arguments).output().unwrap())
    }

    fn run_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> CommandOutput {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        CommandOutput::from(child.wait_with_output().unwrap())
    }

    /// The text output of a successful command.
    fn text(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// The JSON output of a successful command: one document, and nothing on stderr.
    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{arguments:?}: {}", ended.stdout);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// The error message of a failing command. Asserts that it is the same in both output formats,
    /// that stdout is empty, and that no audit entry is added.
    fn run_refused(&self, arguments: &[&str]) -> String {
        let before = self.audit_log();
        let (people, program) = (self.run(arguments), self.run(&[arguments, &["--json"]].concat()));
        assert_eq!((people.code, people.stdout.as_str()), (1, ""), "{arguments:?}");
        assert_eq!((program.code, program.stdout.as_str()), (1, ""), "{arguments:?}");
        let document: Value = serde_json::from_str(&program.stderr).unwrap();
        let error = document["error"].as_str().unwrap();
        assert_eq!(people.stderr, format!("error: {error}\n"), "{arguments:?}");
        assert_eq!(document, json!({ "error": error }));
        assert_eq!(self.audit_log(), before, "{arguments:?}");
        error.to_owned()
    }

    /// Opens the same database in this process.
    fn store(&self, clock: Clock) -> Store {
        let url: DatabaseUrl = self.url.parse().unwrap();
        let store = Store::connect(&url, 1, clock).unwrap();
        store.migrate().unwrap();
        store
    }

    /// The audit log, oldest entry first.
    fn audit_log(&self) -> Vec<String> {
        drop(self.store(Clock::Database));
        self.query_text("SELECT action || ' ' || subject AS entry FROM audit_log ORDER BY id")
    }

    /// The rows of a query in its column `entry`.
    fn query_text(&self, sql: &str) -> Vec<String> {
        query_rows(&self.url, sql).into_iter().map(|entry: TextRow| entry.entry).collect()
    }

    /// Adds a user with a password, so that no mail is sent.
    fn add_user(&self, email: &str) {
        let added = self.run_with_stdin(&["user", "add", email, "--password-stdin"], b"a password");
        assert_eq!(added.code, 0, "{}", added.stderr);
    }

    /// Adds Ada (user 1), who owns the hub `attic`, Bob (user 2), and a bundle.
    fn with_users(self) -> Self {
        self.add_user("ada@example.org");
        self.add_user("bob@example.org");
        self.text(&["hub", "add", "attic", "--owner", "ada@example.org"]);
        self.text(&["bundle", "add", "Heart rate"]);
        self
    }

    /// Ada, Bob, the hub and the bundle, without audit entries.
    fn with_users_and_no_audit_log(self) -> Self {
        let database = self.with_users();
        database.execute("DELETE FROM audit_log");
        database
    }

    /// Seals all audit entries. The transactions of other tests in the same cluster hold the seals back.
    fn seal_audit_log(&self) {
        let store = self.store(Clock::Database);
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        let unsealed = "SELECT CAST(count(*) AS text) AS entry FROM audit_log AS l JOIN audit_cursors AS c \
                        ON c.name = 'seals' WHERE (l.position, l.id) > (c.position, c.last_id)";
        let started = Instant::now();
        while self.query_text(unsealed) != ["0"] {
            assert!(started.elapsed() < Duration::from_secs(60), "not sealed");
            seals::seal_all(&store, &keyring).unwrap();
        }
    }

    fn execute(&self, sql: &str) {
        match self.url.strip_prefix("sqlite://") {
            Some(path) => sqlite(path).batch_execute(sql).unwrap(),
            None => execute(&self.url, sql),
        }
    }

    /// Creates an export token of Ada for a node of her hub.
    fn export(&self, node: &str, clock: Clock) -> Token {
        let new = NewExportToken {
            creator: UserId(1),
            hub: HubId::new("attic").unwrap(),
            node: NodeId::new(node).unwrap(),
            mask: Mask::new(6).unwrap(),
            expiry: ExpiryHours::new(24).unwrap(),
        };
        match commit(&self.store(clock), CreateExport(new)) {
            Ok((_, token)) => token,
            Err(error) => panic!("{error}"),
        }
    }

    /// Creates a request: Bob requests the bundle from Ada.
    fn request(&self, clock: Clock) -> PermissionRequest {
        let terms = Terms { target: UserId(1), grantee: UserId(2), bundle: BundleId(1) };
        let new = NewPermissionRequest::new(terms, UserId(2), Mask::READ, 7 * DAY);
        match commit(&self.store(clock), CreateRequest(new)) {
            Ok(created) => created.request,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for CliDatabase {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.postgres {
            execute(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn commit<C: Command>(store: &Store, command: C) -> C::Reply {
    ledger::commit_one(store, Operation::new(command, AuditContext::OPERATOR)).unwrap()
}

/// The result of a run of the program.
#[derive(Debug)]
struct CommandOutput {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs a test on SQLite, and on PostgreSQL if it is configured.
fn for_each_database(test: fn(CliDatabase)) {
    test(CliDatabase::sqlite());
    if let Ok(server) = std::env::var("COUNTERSIGN_TEST_POSTGRES") {
        test(CliDatabase::postgres(server));
    }
}

fn email(text: &str) -> Email {
    Email::new(text).unwrap()
}

/// A clock at this number of days before the database's time.
fn days_ago(database: &CliDatabase, days: i64) -> Clock {
    let now: Timestamp = database.store(Clock::Database).read(|conn| conn.now()).unwrap();
    Clock::Manual(Arc::new(AtomicI64::new(now.plus_seconds(-days * DAY).micros())))
}

/// The rows of a text table, split into columns.
fn parse_rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect()
}

fn is_rfc3339(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == "2030-01-01T00:00:00Z".len() && text.ends_with('Z') && text.contains('T')
}

#[test]
fn the_first_command_creates_the_database() {
    for_each_database(|database| {
        assert_eq!(database.json(&["user", "list"]), json!([]));
        assert_eq!(database.json(&["migrate"]), json!({ "status": "migrated" }));
        assert_eq!(database.text(&["migrate"]), "The database schema is up to date.\n");
        assert_eq!(database.audit_log(), [""; 0]);
    });
}

#[test]
fn a_user_can_be_added_only_once() {
    for_each_database(|database| {
        let added = database.json(&[
            "user",
            "add",
            "Ada@Example.ORG",
            "--first-name",
            "Ada",
            "--last-name",
            "Lovelace",
            "--staff",
        ]);
        let ada = json!({
            "id": 1, "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace",
            "active": true, "staff": true,
        });
        assert_eq!(added, ada);
        let error = database.run_refused(&["user", "add", "ADA@example.org"]);
        assert!(error.contains("ada@example.org") && error.contains("user list"), "{error}");
        assert!(database.text(&["user", "add", "bob@example.org"]).contains("user passwd bob@example.org"));

        let list = database.json(&["user", "list"]);
        assert_eq!(list[0], ada);
        assert_eq!(list[1]["email"], "bob@example.org");
        assert_eq!(list.as_array().unwrap().len(), 2);
        let text = database.text(&["user", "list"]);
        let titles = vec!["ID", "EMAIL", "FIRST NAME", "LAST NAME", "ACTIVE", "STAFF"];
        let line = vec!["1", "ada@example.org", "Ada", "Lovelace", "yes", "yes"];
        assert_eq!(parse_rows(&text)[..2], [titles, line]);
        assert!(database.audit_log().contains(&"user.added user:1".to_owned()));
    });
}

#[test]
fn a_password_is_read_from_stdin_and_never_printed() {
    for_each_database(|database| {
        let kept = |database: &CliDatabase| {
            let store = database.store(Clock::Database);
            let found =
                store.read(|conn| users::by_email_with_password(conn, &email("ada@example.org"))).unwrap();
            found.unwrap().1
        };
        let add = ["user", "add", "ada@example.org", "--password-stdin"];
        let passwd = ["user", "passwd", "ada@example.org", "--password-stdin"];

        let refused = database.run_with_stdin(&add, b"7 bytes\n");
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains("at least 8 bytes"), "{}", refused.stderr);
        assert_eq!(database.json(&["user", "list"]), json!([]));

        let added = database.run_with_stdin(&add, b" correct horse\n");
        assert_eq!(added.code, 0, "{}", added.stderr);
        assert!(!format!("{added:?}").contains("horse"));
        let first = kept(&database).unwrap();
        assert!(password::Argon2Memory::default().verify(" correct horse", Some(&first)));

        for (stdin, reason) in [
            (&b""[..], "at least 8 bytes"),
            (b"two lines\nof it\n", "control character"),
            (b"not \xff text\n", "could not read"),
            (&[b'x'; 1_025], "at most 1024 bytes"),
        ] {
            let refused = database.run_with_stdin(&passwd, stdin);
            assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
            assert!(refused.stderr.contains(reason), "{}", refused.stderr);
        }
        assert_eq!(kept(&database).as_ref(), Some(&first));
        assert!(database.run_refused(&["user", "passwd", "ada@example.org"]).contains("--password-stdin"));
        assert!(database.run_refused(&["user", "passwd", "eve@example.org"]).contains("eve@example.org"));

        let changed = database.run_with_stdin(&passwd, b"battery staple\r\n");
        assert_eq!(changed.code, 0, "{}", changed.stderr);
        let second = kept(&database).unwrap();
        assert!(password::Argon2Memory::default().verify("battery staple", Some(&second)));
        assert!(!password::Argon2Memory::default().verify(" correct horse", Some(&second)));
        assert_eq!(database.audit_log(), ["user.added user:1", "user.password_set user:1"]);
        assert!(!database.text(&["user", "list", "--json"]).contains("argon2"));
    });
}

#[test]
fn disabling_and_setting_a_password_report_the_credentials_that_they_end() {
    for_each_database(|database| {
        database.add_user("ada@example.org");
        let add_key = || drop(database.text(&["key", "add", "ada@example.org"]));
        let passwd = |options: &[&str]| {
            let command =
                [&["user", "passwd", "ada@example.org", "--password-stdin", "--json"], options].concat();
            let run = database.run_with_stdin(&command, b"a rare new password");
            assert_eq!(run.code, 0, "{}", run.stderr);
            serde_json::from_str::<Value>(&run.stdout).unwrap()["ended"]["api_keys"].clone()
        };
        add_key();
        passwd(&["--keep-keys"]);
        assert_eq!(passwd(&["--keep-keys"]), 0);
        assert_eq!(passwd(&[]), 1);
        add_key();
        let disabled = database.json(&["user", "disable", "ada@example.org"]);
        assert_eq!(
            disabled["ended"],
            json!({ "sessions": 0, "api_keys": 1, "password_links": 0, "export_tokens": 0 })
        );
        assert!(database.run_refused(&["user", "enable", "eve@example.org"]).contains("eve@example.org"));
        database.text(&["user", "enable", "ada@example.org"]);
        let disabled = database.text(&["user", "disable", "ada@example.org", "--revoke-tokens"]);
        assert!(disabled.contains("Ended: 0 sessions, 0 API keys"), "{disabled}");
        database.text(&["user", "add", "root@example.org", "--staff"]);
        let refused = database.run_refused(&["user", "disable", "root@example.org"]);
        assert!(refused.contains("last active administrator"), "{refused}");
        database.text(&["user", "add", "boss@example.org", "--staff"]);
        database.text(&["user", "disable", "root@example.org"]);
    });
}

#[test]
fn a_user_is_disabled_and_enabled() {
    for_each_database(|database| {
        database.add_user("ada@example.org");
        assert_eq!(database.json(&["user", "disable", "ada@example.org"])["active"], false);
        assert_eq!(database.json(&["user", "disable", "ada@example.org"])["active"], false);
        assert_eq!(database.json(&["user", "list"])[0]["active"], false);
        assert_eq!(database.text(&["user", "enable", "ada@example.org"]), "ada@example.org is enabled.\n");
        assert_eq!(database.json(&["user", "list"])[0]["active"], true);
        assert_eq!(
            database.audit_log(),
            ["user.added user:1", "user.disabled user:1", "user.enabled user:1"]
        );
        assert!(database.run_refused(&["user", "disable", "eve@example.org"]).contains("eve@example.org"));
        assert!(database.run_refused(&["user", "enable", "eve@example.org"]).contains("eve@example.org"));
    });
}

#[test]
fn an_api_key_is_shown_once() {
    for_each_database(|database| {
        database.text(&["user", "add", "ada@example.org"]);
        let made = database.run(&["key", "add", "ada@example.org", "--label", "laptop"]);
        let secret = made.stdout.strip_suffix('\n').unwrap();
        let key = Token::parse(TokenKind::ApiKey, secret).unwrap();
        assert!(made.stderr.contains(&key.id().to_string()) && !made.stderr.contains(secret));

        let store = database.store(Clock::Database);
        let id = ApiKeyId(key.id());
        let found = lookup::resolve_together(&store, &[LookupKey::ApiKey(id)]).unwrap();
        let ApiKeyAuth { user, scope, digest } = found.api_key(id).unwrap();
        assert_eq!((user.id, *scope), (UserId(1), api_keys::Scope::All));
        assert!(digest.matches(&key.digest()));

        let second = database.json(&["key", "add", "ada@example.org", "--scope", "introspect"]);
        let second_secret = second["key"].as_str().unwrap();
        assert_eq!(
            Token::parse(TokenKind::ApiKey, second_secret).unwrap().id().to_string(),
            second["id"].as_str().unwrap()
        );
        assert_eq!((&second["email"], &second["scope"]), (&json!("ada@example.org"), &json!("introspect")));
        assert!(is_rfc3339(&second["created_at"]));
        let third = database.json(&["key", "add", "ada@example.org", "--scope", "check"]);
        assert_eq!(third["scope"], "check");

        let list = database.json(&["key", "list", "ada@example.org"]);
        assert_eq!(
            list[0],
            json!({
                "id": key.id().to_string(), "label": "laptop", "scope": null,
                "created_at": list[0]["created_at"], "revoked_at": null,
            })
        );
        assert_eq!((&list[1]["scope"], &list[2]["scope"]), (&json!("introspect"), &json!("check")));
        let text = database.text(&["key", "list", "ada@example.org"]);
        assert!(text.contains("laptop") && text.contains(&key.id().to_string()));
        for secret in [secret, second_secret] {
            assert!(!text.contains(secret) && !list.to_string().contains(secret));
        }
        assert!(database.run_refused(&["key", "add", "eve@example.org"]).contains("eve@example.org"));
        assert!(database.run_refused(&["key", "list", "eve@example.org"]).contains("eve@example.org"));
    });
}

#[test]
fn an_api_key_is_revoked_by_its_id_or_by_the_key() {
    for_each_database(|database| {
        database.text(&["user", "add", "ada@example.org"]);
        let keys = [(); 2].map(|()| database.json(&["key", "add", "ada@example.org"]));
        let (first, second) = (keys[0]["id"].as_str().unwrap(), keys[1]["id"].as_str().unwrap());
        let revoked = database.json(&["key", "revoke", first]);
        assert_eq!(revoked, json!({ "id": first, "status": "revoked" }));
        let revoked = database.json(&["key", "revoke", keys[1]["key"].as_str().unwrap()]);
        assert_eq!(revoked, json!({ "id": second, "status": "revoked" }));
        // Revoking is idempotent.
        database.text(&["key", "revoke", first]);
        let list = database.json(&["key", "list", "ada@example.org"]);
        assert!(is_rfc3339(&list[0]["revoked_at"]) && is_rfc3339(&list[1]["revoked_at"]));
        let store = database.store(Clock::Database);
        let id = ApiKeyId(first.parse().unwrap());
        assert!(lookup::resolve_together(&store, &[LookupKey::ApiKey(id)]).unwrap().api_key(id).is_none());

        let unknown = Uuid::nil().to_string();
        assert!(database.run_refused(&["key", "revoke", &unknown]).contains(&unknown));
        let trail = database.audit_log();
        for id in [first, second] {
            let revoked = trail.iter().filter(|entry| **entry == format!("key.revoked key:{id}"));
            assert_eq!(revoked.count(), 1, "{trail:?}");
        }
    });
}

#[test]
fn the_operator_manages_webhooks_of_any_user() {
    for_each_database(|database| {
        database.add_user("ada@example.org");
        database.text(&["user", "add", "root@example.org", "--staff"]);
        let url = "https://hooks.example.org/x";
        let add =
            |rest: &[&'static str]| [&["webhook", "add", "ada@example.org", url, "--events"], rest].concat();
        std::fs::create_dir_all(database.directory.path().join("data")).unwrap();
        std::fs::write(
            database.directory.path().join("data/secret"),
            "a server's secret of 32 bytes or more",
        )
        .unwrap();
        let toml = format!("secret_file = '{}'", database.directory.path().join("data/secret").display());
        std::fs::write(database.directory.path().join("countersign.toml"), toml).unwrap();
        let made = database.run(&add(&["request.*,user.renamed"]));
        let secret = made.stdout.strip_suffix('\n').unwrap();
        assert!(
            made.code == 0 && secret.starts_with("whsec_") && !made.stderr.contains(secret),
            "{}",
            made.stderr
        );
        let root = [
            "webhook",
            "add",
            "root@example.org",
            url,
            "--events",
            "key.*",
            "--all",
            "--description",
            "SIEM",
        ];
        let second = database.json(&root);
        assert!(second["secret"].as_str().unwrap().starts_with("whsec_"));

        let list = database.json(&["webhook", "list"]);
        assert_eq!(
            list[0],
            json!({
                "id": 1, "owner": "ada@example.org", "url": url, "events": ["request.*", "user.renamed"], "scope": "own",
                "description": "", "created_at": list[0]["created_at"], "active": true, "disabled_reason": null,
                "failures": 0,
            })
        );
        assert_eq!((&list[1]["scope"], &list[1]["description"]), (&json!("all"), &json!("SIEM")));
        assert_eq!(database.json(&["webhook", "list", "root@example.org"]), json!([list[1]]));
        let text = database.text(&["webhook", "list"]);
        assert!(text.contains(url) && !text.contains("whsec_"), "{text}");

        assert!(database.run_refused(&add(&["key.*", "--all"])).contains("is not an administrator"));
        let private = ["webhook", "add", "ada@example.org", "https://10.0.0.1/", "--events", "key.*"];
        assert!(
            database
                .run_refused(&private)
                .contains("must lead to a public address; see the setting webhooks.allow")
        );
        let unknown = ["webhook", "add", "eve@example.org", url, "--events", "key.*"];
        assert!(database.run_refused(&unknown).contains("eve@example.org"));
        assert!(database.run_refused(&["webhook", "list", "eve@example.org"]).contains("eve@example.org"));
        for wrong in ["nothing.*", "", "key.*,,"] {
            assert_eq!(database.run(&["webhook", "add", "ada@example.org", url, "--events", wrong]).code, 2);
        }

        assert_eq!(database.json(&["webhook", "delete", "1"]), json!({ "id": 1, "status": "deleted" }));
        assert_eq!(database.audit_log().last().unwrap(), "webhook.deleted webhook:1");
        assert!(database.run_refused(&["webhook", "delete", "1"]).contains("webhook 1 not found"));
    });
}

#[test]
fn the_operator_lists_and_ends_sessions() {
    for_each_database(|database| {
        database.add_user("ada@example.org");
        assert_eq!(database.json(&["user", "sessions", "ada@example.org"]), json!([]));
        let store = database.store(Clock::Database);
        let ids = [1, 2, 3].map(|nth| {
            let entropy = entropy::token();
            let opened = store.write(|conn| {
                let now = conn.now()?;
                let token = Token::random(TokenKind::Session, entropy.uuid(now), &entropy);
                let session = Session {
                    id: SessionId(token.id()),
                    user: UserId(1),
                    created_at: now,
                    expires_at: now.plus_seconds(DAY),
                    ip: Some(format!("192.0.2.{nth}")),
                    user_agent: Some("Firefox".to_owned()),
                };
                sessions::insert(conn, &session, &token.digest())?;
                Ok(session.id.to_string())
            });
            opened.unwrap()
        });
        let list = database.json(&["user", "sessions", "ada@example.org"]);
        assert_eq!(list.as_array().unwrap().len(), 3);
        assert_eq!((&list[0]["id"], &list[0]["address"]), (&json!(ids[2]), &json!("192.0.2.3")));
        assert!(is_rfc3339(&list[0]["created_at"]) && list[0]["client"] == "Firefox");
        let ended = database.json(&["user", "sign-out", "ada@example.org", "--session", &ids[0]]);
        assert_eq!(ended, json!({ "email": "ada@example.org", "ended": 1 }));
        let refused = database.run_refused(&["user", "sign-out", "ada@example.org", "--session", &ids[0]]);
        assert!(refused.contains(&ids[0]), "{refused}");
        for ended in [2, 0] {
            assert_eq!(database.json(&["user", "sign-out", "ada@example.org"])["ended"], ended);
        }
        assert!(database.run_refused(&["user", "sessions", "eve@example.org"]).contains("eve@example.org"));
        let closed = database.audit_log();
        assert_eq!(closed.iter().filter(|entry| entry.starts_with("session.closed session:")).count(), 3);
    });
}

#[test]
fn a_hub_has_members_with_roles() {
    for_each_database(|database| {
        database.add_user("ada@example.org");
        database.add_user("bob@example.org");
        let added =
            database.json(&["hub", "add", "attic", "--name", "The attic", "--owner", "ada@example.org"]);
        let owner = json!({ "email": "ada@example.org", "role": "owner" });
        assert_eq!(added, json!({ "id": "attic", "name": "The attic", "members": [owner] }));
        assert!(
            database.run_refused(&["hub", "add", "attic", "--owner", "bob@example.org"]).contains("attic")
        );
        assert!(
            database.run_refused(&["hub", "add", "cellar", "--owner", "eve@example.org"]).contains("eve@")
        );

        let granted = database.json(&["hub", "grant", "attic", "bob@example.org", "guest"]);
        assert_eq!(granted, json!({ "hub_id": "attic", "email": "bob@example.org", "role": "guest" }));
        database.text(&["hub", "grant", "attic", "bob@example.org", "admin"]);
        let bob = json!({ "email": "bob@example.org", "role": "admin" });
        let list = database.json(&["hub", "list"]);
        assert_eq!(list, json!([{ "id": "attic", "name": "The attic", "members": [owner, bob] }]));
        let text = database.text(&["hub", "list"]);
        assert_eq!(parse_rows(&text)[1][2], "ada@example.org (owner), bob@example.org (admin)");

        let revoked = database.json(&["hub", "revoke", "attic", "bob@example.org"]);
        assert_eq!(revoked, json!({ "hub_id": "attic", "email": "bob@example.org", "role": null }));
        assert!(database.run_refused(&["hub", "revoke", "attic", "bob@example.org"]).contains("no role"));
        assert!(
            database
                .run_refused(&["hub", "revoke", "cellar", "bob@example.org"])
                .contains("hub cellar not found")
        );
        assert!(
            database
                .run_refused(&["hub", "grant", "cellar", "bob@example.org", "guest"])
                .contains("hub cellar not found")
        );
        assert!(
            database.run_refused(&["hub", "grant", "attic", "eve@example.org", "guest"]).contains("eve@")
        );
        // Entries of one transaction have the same time, and no order.
        let mut trail = database.audit_log();
        trail[2..4].sort();
        assert_eq!(
            trail[2..],
            [
                "hub.added hub:attic",
                "hub.granted hub:attic/user:1=owner",
                "hub.granted hub:attic/user:2=guest",
                "hub.granted hub:attic/user:2=admin",
                "hub.revoked hub:attic/user:2",
            ]
        );
    });
}

#[test]
fn a_bundle_has_a_mask_by_number_or_name() {
    for_each_database(|database| {
        let first = database.json(&["bundle", "add", "Heart rate"]);
        assert_eq!(first, json!({ "id": 1, "name": "Heart rate", "description": "", "permission": 2 }));
        let arguments = ["bundle", "add", "Sleep", "--description", "All nights", "--permission", "6"];
        let second = database.json(&arguments);
        assert_eq!(second, json!({ "id": 2, "name": "Sleep", "description": "All nights", "permission": 6 }));
        let third = database.json(&["bundle", "add", "Sleep", "--permission", "write"]);
        assert_eq!(third["permission"], 8);
        assert_eq!(database.json(&["bundle", "list"]), json!([first, second, third]));
        let text = database.text(&["bundle", "list"]);
        assert_eq!(parse_rows(&text)[2], ["2", "Sleep", "6", "read get", "All nights"]);
        assert_eq!(
            database.audit_log(),
            ["bundle.added bundle:1", "bundle.added bundle:2", "bundle.added bundle:3"]
        );
    });
}

#[test]
fn the_operator_can_revoke_any_token() {
    for_each_database(|database| {
        let database = database.with_users();
        let first = database.export("photos", Clock::Database);
        let second = database.export("let\u{1b}[2Jters", Clock::Database);
        let list = database.json(&["token", "list"]);
        assert_eq!(
            list[1],
            json!({
                "id": first.id().to_string(), "hub_id": "attic", "node_id": "photos", "permission": 6,
                "creator": "ada@example.org", "status": "active", "created_at": list[1]["created_at"],
                "expires_at": list[1]["expires_at"], "uses": 0, "last_used_at": null,
            })
        );
        assert!(is_rfc3339(&list[1]["created_at"]) && is_rfc3339(&list[1]["expires_at"]));
        assert_eq!(list[0]["id"], json!(second.id().to_string()));
        assert_eq!(database.json(&["token", "list", "--hub", "attic"]), list);
        assert_eq!(database.json(&["token", "list", "--hub", "cellar"]), json!([]));
        let text = database.text(&["token", "list"]);
        assert!(!text.contains('\u{1b}'), "{text}");
        for token in [&first, &second] {
            assert!(!text.contains(&token.expose()) && !list.to_string().contains(&token.expose()));
        }
        let shortened = database.run(&["token", "list", "--limit", "1"]);
        assert_eq!(shortened.stdout.lines().count(), 2);
        assert!(shortened.stderr.contains("--limit"), "{}", shortened.stderr);
        assert_eq!(database.json(&["token", "list", "--limit", "1"]).as_array().unwrap().len(), 1);

        let id = first.id().to_string();
        for _ in 0..2 {
            let revoked = database.json(&["token", "revoke", &id]);
            assert_eq!(revoked, json!({ "id": id, "status": "revoked" }));
        }
        database.text(&["token", "revoke", &second.expose()]);
        let list = database.json(&["token", "list"]);
        assert_eq!((&list[0]["status"], &list[1]["status"]), (&json!("revoked"), &json!("revoked")));
        let unknown = Uuid::nil().to_string();
        assert!(database.run_refused(&["token", "revoke", &unknown]).contains(&unknown));
        let revocations =
            database.audit_log().iter().filter(|entry| entry.starts_with("export.revoked")).count();
        assert_eq!(revocations, 2);
    });
}

#[test]
fn the_operator_can_withdraw_any_request() {
    for_each_database(|database| {
        let database = database.with_users();
        let request = database.request(Clock::Database);
        let list = database.json(&["request", "list"]);
        assert_eq!(
            list,
            json!([{
                "id": 1, "status": "pending", "user_allowed": "bob@example.org",
                "user_target": "ada@example.org", "bundle": 1, "bundle_name": "Heart rate",
                "created_at": list[0]["created_at"], "expires_at": list[0]["expires_at"],
            }])
        );
        let text = database.text(&["request", "list"]);
        assert_eq!(
            parse_rows(&text)[1][..5],
            ["1", "pending", "bob@example.org", "ada@example.org", "Heart rate"]
        );
        assert!(!text.contains(&request.redeem_id.to_string()));

        let withdrawn = database.json(&["request", "withdraw", "1"]);
        assert_eq!(withdrawn, json!({ "id": 1, "status": "withdrawn" }));
        assert_eq!(database.json(&["request", "list"])[0]["status"], "withdrawn");
        assert!(database.run_refused(&["request", "withdraw", "1"]).contains("pending request 1 not found"));
        assert!(
            database
                .run_refused(&["request", "withdraw", "9223372036854775807"])
                .contains("pending request 9223372036854775807 not found")
        );
        assert_eq!(database.audit_log().last().unwrap(), "request.withdrawn request:1");
    });
}

#[test]
fn a_failed_mail_can_be_resent() {
    for_each_database(|database| {
        let database = database.with_users();
        let request = database.request(Clock::Database);
        let list = database.json(&["mail", "list"]);
        let id = list[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(
            list,
            json!([{
                "id": id, "about": "request", "request": 1, "to": "ada@example.org", "status": "waiting", "attempts": 0,
                "created_at": list[0]["created_at"], "due_at": list[0]["due_at"], "last_error": null,
            }])
        );
        assert!(!list.to_string().contains(&request.redeem_id.to_string()));

        let lease = Uuid::from_u128(7);
        let store = database.store(Clock::Database);
        store
            .write(|conn| {
                let now = conn.now()?;
                outbox::claim(conn, outbox::OutboxKind::Mail, lease, 1, now, now.plus_seconds(60))
            })
            .unwrap();
        assert_eq!(database.json(&["mail", "list"])[0]["status"], "sending");
        assert!(database.run_refused(&["mail", "retry", &id]).contains("being sent now"));
        let finish = |result: OutboxResult, error: Option<&'static str>| {
            store
                .write(|conn| {
                    let now = conn.now()?;
                    outbox::finish(conn, lease, &[id.parse().unwrap()], result, error, now)
                })
                .unwrap()
        };
        assert_eq!(finish(OutboxResult::Failed, Some("550 no such\nmailbox")).len(), 1);
        let text = database.text(&["mail", "list"]);
        assert_eq!(parse_rows(&text)[1][1], "failed");
        assert!(text.contains("550 no such mailbox"), "{text}");
        assert_eq!(database.json(&["mail", "list"])[0]["due_at"], Value::Null);

        let retried = database.json(&["mail", "retry", &id]);
        assert_eq!(retried, json!({ "id": id, "status": "waiting" }));
        assert_eq!(database.json(&["mail", "list"])[0]["status"], "waiting");
        assert_eq!(*database.audit_log().last().unwrap(), format!("mail.retried mail:{id}"));
        store
            .write(|conn| {
                let now = conn.now()?;
                outbox::claim(conn, outbox::OutboxKind::Mail, lease, 1, now, now.plus_seconds(60))
            })
            .unwrap();
        assert_eq!(database.json(&["mail", "retry", "--all"]), json!({ "retried": 0 }), "it is being sent");
        assert_eq!(finish(OutboxResult::Failed, Some("550 no such\nmailbox")).len(), 1);
        assert_eq!(database.json(&["mail", "retry", "--all"]), json!({ "retried": 1 }));
        assert_eq!(database.json(&["mail", "list"])[0]["status"], "waiting");
        assert_eq!(database.audit_log().last().unwrap(), "mail.retried mail:all");
        let unknown = Uuid::nil().to_string();
        assert!(database.run_refused(&["mail", "retry", &unknown]).contains(&unknown));
    });
}

#[test]
fn a_user_without_a_password_is_mailed_a_link_to_set_one() {
    for_each_database(|database| {
        let text = database.text(&["user", "add", "ada@example.org"]);
        assert!(
            text.contains("with a link to set a password is queued; the link works for 7 days"),
            "{text}"
        );
        let list = database.json(&["mail", "list"]);
        let id = list[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(
            list,
            json!([{
                "id": id, "about": "password", "request": null, "to": "ada@example.org", "status": "waiting",
                "attempts": 0, "created_at": list[0]["created_at"], "due_at": list[0]["due_at"],
                "last_error": null,
            }])
        );
        assert_eq!(parse_rows(&database.text(&["mail", "list"]))[1][2], "password");
        let added =
            database.run_with_stdin(&["user", "add", "bob@example.org", "--password-stdin"], b"a password");
        assert!(!added.stdout.contains("link"), "{}", added.stdout);
        assert_eq!(database.json(&["mail", "list"]).as_array().unwrap().len(), 1);
        // Entries of one transaction have the same time, and no order.
        let mut trail = database.audit_log();
        trail[..2].sort();
        assert_eq!(trail, ["user.added user:1", "user.password_link_sent user:1", "user.added user:2"]);
        // Setting a password in another way cancels the link and its mail.
        let set = database
            .run_with_stdin(&["user", "passwd", "ada@example.org", "--password-stdin"], b"a password");
        assert_eq!(set.code, 0, "{}", set.stderr);
        let live = "SELECT CASE WHEN replaced_at IS NULL THEN 'live' ELSE 'replaced' END AS entry FROM password_links";
        assert_eq!(database.query_text(live), ["replaced"]);
    });
}

#[test]
fn purge_uses_the_audit_retention_if_one_is_set() {
    for_each_database(|database| {
        let database = database.with_users_and_no_audit_log();
        database.export("older", days_ago(&database, 100));
        database.export("old", days_ago(&database, 50));
        database.seal_audit_log();
        let configuration = database.directory.path().join("countersign.toml");
        for (days, purged) in [(200, 0), (60, 1), (40, 1), (1, 0)] {
            std::fs::write(&configuration, format!("[audit]\nkeep_days = {days}")).unwrap();
            let report = database.json(&["purge", "--older-than", "200"]);
            assert_eq!(
                (&report["audit_entries"], &report["export_tokens"]),
                (&json!(purged), &json!(0)),
                "{days}"
            );
        }
        std::fs::write(&configuration, "[audit]\nkeep_days = -1").unwrap();
        assert!(database.run_refused(&["purge"]).starts_with("audit.keep_days"));
    });
}

#[test]
fn the_audit_log_is_verified_with_an_anchor() {
    for_each_database(|database| {
        let database = database.with_users();
        assert!(database.run_refused(&["audit", "anchor"]).starts_with("the audit log has no seal yet"));
        let verify = || database.json(&["audit", "verify"]);
        let unsealed = verify()["unsealed"].as_i64().unwrap();
        assert!(verify()["valid"] == json!(true) && unsealed > 0);
        database.seal_audit_log();
        let report = verify();
        assert_eq!((&report["own_key"], &report["anchor"]), (&json!(true), &json!(null)), "{report}");
        assert_eq!(report["entries"], json!(unsealed + 1), "the first seal created its key");
        let path = database.directory.path().join("anchor");
        std::fs::write(&path, database.text(&["audit", "anchor"])).unwrap();
        let with_anchor = ["audit", "verify", "--anchor", "anchor"];
        assert!(database.text(&with_anchor).contains("is that of the anchor."));
        database.execute("UPDATE audit_log SET actor = 7 WHERE subject = 'hub:attic'");
        let refused = database.run_refused(&["audit", "verify"]);
        assert!(
            refused.starts_with("entry ") && refused.contains(" was changed after it was sealed"),
            "{refused}"
        );
        database.execute("DELETE FROM seals; DELETE FROM audit_log; UPDATE audit_cursors SET position = 0, last_id = (SELECT last_id \
             FROM audit_cursors WHERE name = 'webhooks') WHERE name = 'seals'");
        assert_eq!(verify()["seals"], json!(0), "everything was removed");
        let refused = database.run_refused(&with_anchor);
        assert!(refused.contains("lacks seal") && refused.contains("an older backup"), "{refused}");
        std::fs::write(&path, "{}\n").unwrap();
        assert!(
            database
                .run_refused(&with_anchor)
                .ends_with("it contains no seal; `countersign audit anchor` prints one")
        );
    });
}

#[test]
fn purge_deletes_only_rows_closed_before_the_cutoff() {
    for_each_database(|database| {
        let database = database.with_users_and_no_audit_log();
        database.export("old", days_ago(&database, 100));
        database.request(days_ago(&database, 100));
        database.export("new", days_ago(&database, 50));
        database.seal_audit_log();
        let kept = database.json(&["purge", "--older-than", "200"]);
        let nothing = json!({
            "before": kept["before"], "export_tokens": 0, "requests": 0, "mails": 0, "api_keys": 0,
            "sessions": 0, "password_links": 0, "webhook_deliveries": 0, "audit_entries": 0,
        });
        assert_eq!(kept, nothing);
        let before = database.audit_log().len();

        let purged = database.json(&["purge"]);
        assert!(is_rfc3339(&purged["before"]));
        // The unsent mail is deleted with its request.
        assert_eq!(
            purged,
            json!({
                "before": purged["before"], "export_tokens": 1, "requests": 1, "mails": 0, "api_keys": 0,
                "sessions": 0, "password_links": 0, "webhook_deliveries": 0, "audit_entries": 2,
            })
        );
        assert_eq!(database.json(&["token", "list"])[0]["node_id"], "new");
        assert_eq!(database.json(&["token", "list"])[0]["status"], "expired");
        assert_eq!(database.json(&["request", "list"]), json!([]));
        assert_eq!(database.json(&["mail", "list"]), json!([]));
        assert_eq!(database.json(&["user", "list"]).as_array().unwrap().len(), 2);
        let trail = database.audit_log();
        // The old request expired first.
        assert_eq!(trail.len(), before - 2 + 2);
        assert!(trail.last().unwrap().starts_with("records.purged before:"));
        let report = database.json(&["audit", "verify"]);
        assert_eq!((&report["valid"], &report["purged_seals"]), (&json!(true), &json!(1)), "{report}");
        assert!(database.text(&["purge"]).contains("0 export tokens, 0 requests"));
    });
}

#[test]
fn wrong_usage_exits_with_2_and_changes_nothing() {
    let database = CliDatabase::without_database();
    let uuid = Uuid::nil().to_string();
    let wrong: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["user"],
        &["user", "add"],
        &["user", "add", "ada"],
        &["user", "add", "ada@example.org", "--nonsense"],
        &["user", "add", "ada@example.org", "--first-name", "A\nda"],
        &["user", "disable", "ada@"],
        &["key", "add", "ada@example.org", "--scope", "everything"],
        &["key", "revoke", "1"],
        &["hub", "add", "attic"],
        &["hub", "add", "", "--owner", "ada@example.org"],
        &["hub", "grant", "attic", "ada@example.org", "king"],
        &["hub", "grant", "attic", "ada@example.org", "Owner"],
        &["bundle", "add", ""],
        &["bundle", "add", "All", "--permission", "0"],
        &["bundle", "add", "All", "--permission", "64"],
        &["bundle", "add", "All", "--permission", "+1"],
        &["token", "revoke", "cse_short"],
        &["token", "list", "--limit", "0"],
        &["request", "withdraw", "0"],
        &["request", "withdraw", &uuid],
        &["request", "withdraw", "9223372036854775808"],
        &["mail", "retry", "1"],
        &["mail", "test", "ada"],
        &["purge", "--older-than", "0"],
        &["purge", "--older-than", "-1"],
        &["purge", "--older-than", "1.5"],
    ];
    for arguments in wrong {
        let people = database.run(arguments);
        assert_eq!((people.code, people.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!people.stderr.is_empty(), "{arguments:?}");
        let program = database.run(&[&["--json"], *arguments].concat());
        assert_eq!((program.code, program.stdout.as_str()), (2, ""), "{arguments:?}");
        let document: Value = serde_json::from_str(&program.stderr).unwrap();
        assert!(document["error"].is_string(), "{arguments:?}");
    }
    assert!(!database.directory.path().join("countersign.db").exists());
}

#[test]
fn help_and_version_exit_with_0() {
    let database = CliDatabase::sqlite();
    for arguments in [&["--help"][..], &["help", "hub", "grant"], &["purge", "-h"], &["--version"]] {
        let ended = database.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!ended.stdout.is_empty());
    }
}

#[test]
fn a_flag_overrides_the_environment() {
    let (database, other) = (CliDatabase::sqlite(), CliDatabase::sqlite());
    database.text(&["user", "add", "ada@example.org", "--database-url", &other.url]);
    assert_eq!(database.json(&["user", "list"]), json!([]));
    assert_eq!(other.json(&["user", "list"])[0]["email"], "ada@example.org");
}

#[test]
fn an_unreachable_database_is_reported_in_one_sentence() {
    let database = CliDatabase::sqlite();
    for url in [
        "sqlite:///dev/null/countersign.db",
        "postgres://nobody@%2Fnowhere/nothing",
        "mysql://localhost/countersign",
    ] {
        let people = database.run(&["user", "list", "--database-url", url]);
        assert_eq!((people.code, people.stdout.as_str()), (1, ""), "{url}");
        assert_eq!(people.stderr.lines().count(), 1, "{url}: {}", people.stderr);
        let program = database.run(&["user", "list", "--json", "--database-url", url]);
        assert_eq!(program.code, 1);
        assert!(serde_json::from_str::<Value>(&program.stderr).unwrap()["error"].is_string());
    }
}

#[test]
fn a_test_mail_uses_the_configured_transport() {
    let database = CliDatabase::sqlite();
    let sent = database.json(&["mail", "test", "ada@example.org"]);
    let id = sent["id"].as_str().unwrap();
    let file = format!("data/outbox/{id}.eml");
    assert_eq!(sent, json!({ "id": id, "to": "ada@example.org", "status": "written", "file": file }));
    let path = database.directory.path().join(file);
    assert!(std::fs::read_to_string(path).unwrap().contains("To: ada@example.org"));
    assert!(database.text(&["mail", "test", "ada@example.org"]).contains("data/outbox/"));

    let mut command = database.command(&["mail", "test", "ada@example.org"]);
    let ended = CommandOutput::from(command.env("SMTP_URL", "smtp://127.0.0.1:1").output().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("could not send the mail") && ended.stderr.contains("SMTP_URL"));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let database = CliDatabase::sqlite();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = database.run(&["serve", "--bind", &address]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{}", ended.stderr);
    let away = "postgres://nobody@%2Fnowhere/nothing";
    let mut command = database.command(&["serve", "--bind", "127.0.0.1:0", "--database-url", away]);
    let ended = CommandOutput::from(command.env("COUNTERSIGN_SECRET", SECRET).output().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains("error: the database is not available"), "{}", ended.stderr);
    std::fs::write(database.directory.path().join("countersign.toml"), "colour = 'red'").unwrap();
    let ended = database.run(&["serve"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains("colour"), "{}", ended.stderr);
}

#[test]
fn a_closed_stdout_pipe_is_not_an_error() {
    let database = CliDatabase::sqlite();
    database.text(&["user", "add", "ada@example.org"]);
    let mut command = database.command(&["user", "list"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));

    if Path::new("/dev/full").exists() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let ended = CommandOutput::from(database.command(&["user", "list"]).stdout(full).output().unwrap());
        assert_eq!(ended.code, 1);
        assert!(ended.stderr.contains("could not be written"), "{}", ended.stderr);
    }
}

#[test]
fn the_demo_runs_both_loops_and_exits() {
    let database = CliDatabase::sqlite();
    let ended = database.run(&["demo", "--once"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for step in [
        "# Ada revokes the token",
        "# Grace approves the request",
        "# The token works only once",
        "redeem?token=csr_",
    ] {
        assert!(ended.stdout.contains(step), "{step}: {}", ended.stdout);
    }
}

#[test]
fn the_demo_listens_on_the_address_of_bind_or_reports_that_it_is_taken() {
    let database = CliDatabase::sqlite();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = database.run(&["demo", "--once", "--bind", &address.to_string()]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{}", refused.stderr);
    let expected = format!("error: cannot listen on {address}: ");
    assert!(refused.stderr.starts_with(&expected), "{}", refused.stderr);
    assert_eq!(database.run(&["demo", "--once", "--bind", "localhost"]).code, 2);

    drop(taken);
    // On a loopback address of its own, so that no other test takes the port meanwhile.
    let own = format!("127.0.0.3:{}", address.port());
    for (bind, url) in
        [(own.clone(), format!("http://{own}/")), ("0.0.0.0:0".to_owned(), "http://localhost:".to_owned())]
    {
        let ended = database.run(&["demo", "--once", "--bind", &bind]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stdout.contains(&url), "{bind}: {}", ended.stdout);
        assert!(!ended.stdout.contains("is in use"), "{bind}: {}", ended.stdout);
    }
}

#[test]
fn the_demo_reports_another_port_if_the_usual_one_is_taken() {
    // If another process has it, it is taken as well.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8080");
    let ended = CliDatabase::sqlite().run(&["demo", "--once"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (first, _) = ended.stdout.split_once('\n').unwrap();
    let (_, port) = first.split_once("Port 8080 is in use, so the demo listens on port ").expect(first);
    let (port, advice) = port.split_once('.').unwrap();
    assert_eq!(advice, " Choose another one with --bind.");
    assert!(ended.stdout.contains(&format!("http://127.0.0.1:{port}/")), "{}", ended.stdout);
}

/// The program in an empty directory with this environment.
fn run_in(directory: &std::path::Path, arguments: &[&str], environment: &[(&str, &str)]) -> CommandOutput {
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).current_dir(directory).env_clear().envs(environment.iter().copied());
    CommandOutput::from(command.stdin(Stdio::null()).output().unwrap())
}

#[test]
fn a_command_without_a_database_reports_where_it_looked_and_creates_no_file() {
    for arguments in [
        &["user", "add", "boss@example.org", "--staff"][..],
        &["user", "list"],
        &["key", "list", "boss@example.org"],
        &["hub", "list"],
        &["bundle", "list"],
        &["token", "list"],
        &["request", "list"],
        &["mail", "list"],
        &["purge", "--older-than", "30"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let ended = run_in(directory.path(), arguments, &[]);
        let expected = directory.path().canonicalize().unwrap().join("data/countersign.db");
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(ended.stderr.contains(&format!("no database at {}", expected.display())), "{}", ended.stderr);
        assert!(ended.stderr.contains("countersign migrate"), "{}", ended.stderr);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{arguments:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("x.db"), "").unwrap();
    let empty_file = run_in(directory.path(), &["user", "list"], &[("DATABASE_URL", "sqlite://x.db")]);
    assert!(empty_file.stderr.contains("no database at "), "{}", empty_file.stderr);
    assert_eq!(std::fs::metadata(directory.path().join("x.db")).unwrap().len(), 0);
    assert_eq!(run_in(directory.path(), &["migrate"], &[]).code, 0);
    assert_eq!(run_in(directory.path(), &["user", "add", "boss@example.org", "--staff"], &[]).code, 0);
}

#[test]
fn a_lost_secret_file_is_not_replaced_while_sent_links_depend_on_it() {
    let database = CliDatabase::sqlite();
    // Not an address of this machine, so that the program ends also if it replaces the secret.
    let serve = ["serve", "--bind", "192.0.2.1:1"];
    database.text(&["user", "add", "ada@example.org"]);
    let (store, lease) = (database.store(Clock::Database), Uuid::from_u128(7));
    let claimed = store
        .write(|conn| {
            let now = conn.now()?;
            outbox::claim(conn, outbox::OutboxKind::Mail, lease, 1, now, now.plus_seconds(60))
        })
        .unwrap();
    let refused = database.run(&serve);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("data/secret is missing, but links in mails"), "{}", refused.stderr);
    assert!(!database.directory.path().join("data/secret").exists());
    store
        .write(|conn| {
            let now = conn.now()?;
            outbox::release(conn, lease, &[claimed[0].id], now)
        })
        .unwrap();
    let started = database.run(&serve);
    assert!(started.stderr.contains("cannot listen on 192.0.2.1:1"), "{}", started.stderr);
    assert!(database.directory.path().join("data/secret").exists());
}

#[test]
fn a_lost_secret_file_is_not_replaced_while_webhooks_depend_on_it() {
    let database = CliDatabase::sqlite().with_users();
    let serve = ["serve", "--bind", "192.0.2.1:1"];
    let add = ["webhook", "add", "ada@example.org", "https://hooks.example.org/", "--events", "request.*"];
    let set = [
        ("DATABASE_URL", database.url.as_str()),
        ("COUNTERSIGN_SECRET", "another secret of the server, 32 bytes"),
    ];
    let added = run_in(database.directory.path(), &add, &set);
    assert_eq!(added.code, 0, "{}", added.stderr);
    let refused = database.run(&serve);
    let error = "data/secret is missing, but links in mails or the secrets of webhooks depend on it";
    assert!(refused.code == 1 && refused.stderr.contains(error), "{}", refused.stderr);
    assert!(!database.directory.path().join("data/secret").exists());
    database.text(&["webhook", "delete", "1"]);
    assert!(database.run(&serve).stderr.contains("cannot listen on 192.0.2.1:1"));
    assert!(database.directory.path().join("data/secret").exists());
}

/// Claims the oldest mail and marks it as sent.
fn send_a_mail(store: &Store) {
    let lease = Uuid::from_u128(7);
    let sent = store.write(|conn| {
        let now = conn.now()?;
        let claimed = outbox::claim(conn, outbox::OutboxKind::Mail, lease, 1, now, now.plus_seconds(60))?;
        outbox::finish(conn, lease, &[claimed[0].id], OutboxResult::Sent, None, now)
    });
    assert_eq!(sent.unwrap().len(), 1);
}

#[test]
fn a_purge_keeps_the_mails_of_links_that_still_work() {
    for_each_database(|database| {
        let database = database.with_users();
        let created = days_ago(&database, 3);
        let request = database.request(created.clone());
        send_a_mail(&database.store(created));
        assert_eq!(database.json(&["purge", "--older-than", "1"])["mails"], 0);
        assert_eq!(database.json(&["mail", "list"])[0]["status"], "sent");
        if database.url.starts_with("sqlite") {
            let refused = database.run(&["serve", "--bind", "192.0.2.1:1"]);
            assert!(refused.stderr.contains("data/secret is missing"), "{}", refused.stderr);
        }
        let close = CloseRequest { id: request.id, by: Authority::Operator };
        commit(&database.store(days_ago(&database, 2)), close).unwrap();
        assert_eq!(database.json(&["purge", "--older-than", "1"])["mails"], 1);
    });
}

#[test]
fn a_mail_that_failed_and_is_retried_still_counts_as_a_sent_link() {
    let database = CliDatabase::sqlite();
    database.text(&["user", "add", "ada@example.org"]);
    let (store, lease) = (database.store(Clock::Database), Uuid::from_u128(7));
    let failed = store.write(|conn| {
        let now = conn.now()?;
        let claimed = outbox::claim(conn, outbox::OutboxKind::Mail, lease, 1, now, now.plus_seconds(60))?;
        let error = Some("no response to the content");
        outbox::finish(conn, lease, &[claimed[0].id], OutboxResult::Failed, error, now)
    });
    assert_eq!(failed.unwrap().len(), 1);
    assert_eq!(database.json(&["mail", "retry", "--all"]), json!({ "retried": 1 }));
    let refused = database.run(&["serve", "--bind", "192.0.2.1:1"]);
    assert!(refused.stderr.contains("data/secret is missing"), "{}", refused.stderr);
}

#[test]
fn a_log_filter_that_would_switch_logging_off_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for filter in ["warning", "loud", "error;info"] {
        let ended = run_in(directory.path(), &["migrate"], &[("RUST_LOG", filter)]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{filter}");
        assert!(
            ended.stderr.starts_with("error: RUST_LOG must be off, error, warn, info"),
            "{}",
            ended.stderr
        );
    }
}
