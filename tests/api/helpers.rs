//! A server of its own for each test, and shorthands for what every test does.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use countersign::app::{Application, Dependencies};
use countersign::auth::password;
use countersign::config::{CliOverrides, Config, DatabaseUrl};
use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::{Bundle, BundleName, Description};
use countersign::domain::export_token::{ExpiryHours, ExportToken, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::password_link::{LinkReason, PasswordLink};
use countersign::domain::permission::{Mask, Role};
use countersign::domain::permission_request::{NewPermissionRequest, PermissionRequest};
use countersign::domain::terms::Terms;
use countersign::domain::token::{ApiKeyId, Keyring, Token, TokenKind};
use countersign::domain::user::{Email, PersonName, User};
use countersign::entropy;
use countersign::mail::transport::{MemoryMailbox, SentMail, Transport};
use countersign::store::api_keys::{ApiKey, Scope};
use countersign::store::ledger::{self, AnyOperation, Command, CreateExport, CreateRequest, Operation};
use countersign::store::users::NewUser;
use countersign::store::{Clock, Store, StoreError, api_keys, bundles, hubs, password_links, users};
use countersign::{entropy, password};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use reqwest::{Client, Method, RequestBuilder};

/// Where every test's time begins: 2030-01-01T00:00:00Z, in microseconds.
pub const START_MICROS: i64 = 1_893_456_000_000_000;
/// The password of every user that a test adds.
pub const PASSWORD: &str = "correct horse battery staple";

/// The servers' key.
pub const SECRET: &str = "a secret of the tests, 32 bytes or more";

/// Declares each test twice: once on SQLite, once on PostgreSQL.
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($($mutable:ident)+: TestApp) $body:block)+) => {
        $(async fn $name($($mutable)+: $crate::helpers::TestApp) $body)+
        mod sqlite {
            $($(#[$attribute])* #[actix_web::test] async fn $name() {
                super::$name($crate::helpers::TestApp::spawn($crate::helpers::Backend::Sqlite)).await;
            })+
        }
        mod postgres {
            $($(#[$attribute])* #[actix_web::test] async fn $name() {
                super::$name($crate::helpers::TestApp::spawn($crate::helpers::Backend::Postgres)).await;
            })+
        }
    };
}

/// What each table holds, a line for each row.
pub type TableRows = BTreeMap<String, String>;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    /// A file in a temporary directory.
    Sqlite,
    /// A database of the test's own, in the cluster that `COUNTERSIGN_TEST_POSTGRES` names.
    Postgres,
}

/// A server on a free port, with a database, a clock and a mailbox of its own.
pub struct TestApp {
    /// Where it listens, e.g. `http://127.0.0.1:40123`.
    pub url: String,
    /// Its database.
    pub store: Store,
    /// The URL of its database.
    pub database_url: String,
    /// What has been mailed.
    pub mailbox: MemoryMailbox,
    client: Client,
    clock: Arc<AtomicI64>,
    running: Vec<Running>,
    database: TestDatabase,
}

struct Running {
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Goes with the test.
pub enum TestDatabase {
    Sqlite(#[expect(dead_code, reason = "removed when dropped")] tempfile::TempDir),
    Postgres {
        maintenance: String,
        name: String,
    },
    /// Somebody else's.
    External,
}

/// Who follows no redirect, and uses no connection of which the server may be tired.
fn client() -> Client {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.pool_idle_timeout(Duration::from_secs(1)).build().unwrap()
}

impl TestApp {
    /// A server as an operator would have it, but for clock and mail.
    pub fn spawn(kind: Backend) -> Self {
        Self::spawn_with(kind, "")
    }

    /// A server with this `countersign.toml`.
    pub fn spawn_with(kind: Backend, toml: &str) -> Self {
        let micros = Arc::new(AtomicI64::new(START_MICROS));
        let mut app = Self::prepare(kind, Clock::Manual(Arc::clone(&micros)), micros);
        app.url = app.spawn_replica_with(toml);
        app
    }

    /// A server with this `countersign.toml` that a browser can use: its public URL is where
    /// it listens.
    pub fn spawn_for_browser(kind: Backend, toml: &str) -> Self {
        let micros = Arc::new(AtomicI64::new(START_MICROS));
        let mut app = Self::prepare(kind, Clock::Manual(Arc::clone(&micros)), micros);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = config(&app.database_url, &format!("public_url = \"{url}\"\n{toml}"));
        app.url = app.serve(listener, config);
        app
    }

    /// A database without a server, and with its own clock, for the processes
    /// that a test starts.
    pub fn without_server(kind: Backend) -> Self {
        Self::prepare(kind, Clock::Database, Arc::default())
    }

    fn prepare(kind: Backend, clock: Clock, micros: Arc<AtomicI64>) -> Self {
        let (database, database_url) = TestDatabase::create(kind);
        let mut app = Self::with_database(database_url, clock, micros);
        app.database = database;
        app
    }

    /// A database that somebody else has made and removes, without a server.
    pub fn with_database(database_url: String, clock: Clock, micros: Arc<AtomicI64>) -> Self {
        let store = connect(&database_url.parse().unwrap(), 8, clock);
        store.migrate().unwrap();
        Self {
            url: String::new(),
            store,
            database_url,
            mailbox: MemoryMailbox::default(),
            client: client(),
            clock: micros,
            running: Vec::new(),
            database: TestDatabase::External,
        }
    }

    /// Another server on the same database; its URL.
    pub fn spawn_replica(&mut self) -> String {
        self.spawn_replica_with("")
    }

    /// Another server on the same database, with this `countersign.toml`; its URL.
    pub fn spawn_replica_with(&mut self, toml: &str) -> String {
        self.spawn_replica_at(&self.database_url.clone(), toml)
    }

    /// Another server on the same database, reached by this URL; its own URL.
    pub fn spawn_replica_at(&mut self, database_url: &str, toml: &str) -> String {
        self.serve(TcpListener::bind("127.0.0.1:0").unwrap(), config(database_url, toml))
    }

    fn serve(&mut self, listener: TcpListener, config: Config) -> String {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let store = connect(&config.database_url, 8, Clock::Manual(Arc::clone(&self.clock)));
        let keyring = config.keyring().unwrap();
        let transport = Transport::Memory(self.mailbox.clone());
        let parts = Dependencies { keyring, listener, store, transport };
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let application = Application::start(config, parts).unwrap();
                sender.send(application.handle()).unwrap();
                application.run().await.unwrap();
            });
        });
        let handle = receiver.recv().unwrap();
        self.running.push(Running { handle, thread: Some(thread) });
        url
    }

    /// Lets time pass for the servers.
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// A request to a path of this server, or to a whole URL.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http://") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.client.request(method, url)
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> RequestBuilder {
        self.request(Method::PUT, path)
    }

    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    /// Adds a user, who has [`PASSWORD`] for a password and an API key.
    pub fn user(&self, email: &str) -> TestUser {
        self.user_with_name(email, [local_part(email), "Test"], false)
    }

    /// Adds a user who administers the server.
    pub fn staff(&self, email: &str) -> TestUser {
        self.user_with_name(email, [local_part(email), "Test"], true)
    }

    /// Adds a user by their first and last name.
    pub fn user_with_name(&self, email: &str, [first, last]: [&str; 2], staff: bool) -> TestUser {
        let new = NewUser {
            email: Email::new(email).unwrap(),
            first_name: PersonName::new(first).unwrap(),
            last_name: PersonName::new(last).unwrap(),
            staff,
            password: Some(password_hash()),
        };
        let user = self
            .store
            .write(|conn| {
                let now = conn.now()?;
                users::insert(conn, &new, now)
            })
            .unwrap()
            .expect("the address is free");
        let key = self.key(&user, Scope::All);
        TestUser { user, key }
    }

    /// Makes an API key.
    pub fn key(&self, user: &User, scope: Scope) -> String {
        let entropy = entropy::token();
        self.store
            .write(|conn| {
                let now = conn.now()?;
                let token = Token::random(TokenKind::ApiKey, entropy.uuid(now), &entropy);
                let key = ApiKey {
                    id: ApiKeyId(token.id()),
                    user: user.id,
                    label: "test".to_owned(),
                    scope,
                    created_at: now,
                    revoked_at: None,
                };
                api_keys::insert(conn, &key, &token.digest())?;
                Ok(token.expose())
            })
            .unwrap()
    }

    /// Adds a hub if there is none of this id, and gives a user a role in it.
    pub fn grant_role(&self, hub: &str, user: &TestUser, role: Role) {
        let hub = HubId::new(hub).unwrap();
        self.store
            .write(|conn| {
                let now = conn.now()?;
                hubs::insert(conn, &hub, "", now)?;
                hubs::set_role(conn, &hub, user.user.id, role)
            })
            .unwrap();
    }

    /// Takes a user's role in a hub.
    pub fn remove_role(&self, hub: &str, user: &TestUser) {
        let hub = HubId::new(hub).unwrap();
        assert!(self.store.write(|conn| hubs::remove_role(conn, &hub, user.user.id)).unwrap());
    }

    /// Disables a user.
    pub fn disable(&self, user: &TestUser) {
        assert!(self.store.write(|conn| users::set_active(conn, user.user.id, false)).unwrap());
    }

    /// Stops all servers, which lets them write down what is only in memory, and
    /// starts another one.
    pub fn restart(&mut self) {
        self.stop();
        self.url = self.spawn_replica();
    }

    /// Stops all servers.
    pub fn stop(&mut self) {
        for mut running in self.running.drain(..) {
            // Not graceful: what matters is in the database, or is written down after.
            drop(running.handle.stop(false));
            if let Some(thread) = running.thread.take() {
                let _ = thread.join();
            }
        }
    }

    /// Adds a bundle.
    pub fn bundle(&self, name: &str, mask: i64) -> Bundle {
        let new = bundles::NewBundle {
            name: BundleName::new(name).unwrap(),
            description: Description::new("What is measured at night.").unwrap(),
            permission: Mask::new(mask).unwrap(),
        };
        self.store.write(|conn| bundles::insert(conn, &new)).unwrap()
    }

    /// Has somebody who may make an export token of a node of `hub`: for what may be
    /// read and downloaded, for a day.
    pub fn export(&self, creator: &TestUser) -> (ExportToken, Token) {
        let new = NewExportToken {
            creator: creator.user.id,
            hub: HubId::new("hub").unwrap(),
            node: NodeId::new("n").unwrap(),
            mask: Mask::new(6).unwrap(),
            expiry: ExpiryHours::DEFAULT,
        };
        match self.commit(CreateExport(new)) {
            Ok(created) => created,
            Err(error) => panic!("not created: {error}"),
        }
    }

    /// Has somebody ask for a permission, for an hour.
    pub fn create_request(
        &self,
        grantee: &TestUser,
        target: &TestUser,
        bundle: &Bundle,
    ) -> PermissionRequest {
        let terms = Terms { target: target.user.id, grantee: grantee.user.id, bundle: bundle.id };
        let new = NewPermissionRequest {
            terms,
            asked_by: grantee.user.id,
            lifetime_seconds: 3_600,
            redeem_page: None,
            idempotency_key: None,
        };
        match self.commit(CreateRequest(new)) {
            Ok((request, ..)) => request,
            Err(error) => panic!("not created: {error}"),
        }
    }

    /// Commits a command, as the servers do.
    pub fn commit<C: Command>(&self, command: C) -> C::Reply {
        ledger::commit_one(&self.store, Operation::new(command, AuditContext::default())).unwrap()
    }

    /// The redeem token that a request's mail carries.
    pub fn redeem_token(&self, request: &PermissionRequest) -> String {
        Keyring::new(SECRET.as_bytes(), None).unwrap().redeem_token(request.redeem_id).expose()
    }

    /// A link by which this user can set a new password; its mail is owed.
    pub fn password_link(&self, user: &TestUser) -> PasswordLink {
        let issued = self.store.write(|conn| {
            let now = conn.now()?;
            password_links::create(
                conn,
                user.user.id,
                LinkReason::ForgottenPassword,
                &AuditContext::OPERATOR,
                now,
            )
        });
        issued.unwrap()
    }

    pub fn password_token(&self, link: &PasswordLink) -> String {
        Keyring::new(SECRET.as_bytes(), None).unwrap().password_link_token(link.id).expose()
    }

    /// What each table holds: what a refusal leaves as it was. [`kept`] tells what is not
    /// looked at.
    pub fn rows(&self) -> TableRows {
        #[derive(QueryableByName)]
        struct Table {
            #[diesel(sql_type = diesel::sql_types::Text)]
            name: String,
            #[diesel(sql_type = diesel::sql_types::Text)]
            content: String,
        }
        let tables: Vec<Table> = query_rows(&self.database_url, table_contents_query(&self.database_url));
        tables.into_iter().map(|table| (table.name, table.content)).collect()
    }

    /// The same, but for a table that the test itself writes meanwhile.
    pub fn rows_except(&self, table: &str) -> TableRows {
        let mut rows = self.rows();
        assert!(rows.remove(table).is_some(), "there is no table {table}");
        rows
    }

    /// What a query counts, in a column `n`.
    pub fn count(&self, sql: &str) -> i64 {
        self.query_i64s(sql)[0]
    }

    /// What a query finds, in a column `n`.
    pub fn query_i64s(&self, sql: &str) -> Vec<i64> {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        query_rows(&self.database_url, sql).into_iter().map(|number: Number| number.n).collect()
    }

    /// What a query of PostgreSQL says, in a column `t`.
    pub fn query_text(&self, sql: &str) -> String {
        #[derive(QueryableByName)]
        struct Text {
            #[diesel(sql_type = diesel::sql_types::Text)]
            t: String,
        }
        let mut conn = PgConnection::establish(&self.database_url).unwrap();
        let text: Text = diesel::sql_query(sql).get_result(&mut conn).unwrap();
        text.t
    }

    /// That the tallies are what counting gives.
    pub fn assert_user_counters(&self) {
        let wrong = "SELECT count(*) AS n FROM users AS u WHERE \
            (SELECT coalesce(sum(t.open_requests), 0) FROM user_counters AS t WHERE t.user_id = u.id) <> \
            (SELECT count(*) FROM permission_requests AS r \
             WHERE r.closed_at IS NULL AND u.id IN (r.user_target, r.user_allowed)) \
            OR (SELECT coalesce(sum(t.active_permissions), 0) FROM user_counters AS t WHERE t.user_id = u.id) <> \
            (SELECT count(*) FROM bundle_permissions AS p WHERE u.id IN (p.user_target, p.user_allowed))";
        assert_eq!(self.count(wrong), 0, "the counters of some users are wrong");
    }
    /// Does to the database what no server would.
    pub fn execute_raw(&self, sql: &str) {
        match self.database_url.strip_prefix("sqlite://") {
            Some(path) => sqlite(path).batch_execute(sql).unwrap(),
            None => execute(&self.database_url, sql),
        }
    }

    /// Waits until as many mails have been sent, and returns them all.
    pub async fn mails(&self, wanted: usize) -> Vec<SentMail> {
        let waiting = async {
            loop {
                let sent = self.mailbox.sent();
                if sent.len() >= wanted {
                    return sent;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.expect("the mail is sent")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
        self.database.remove();
    }
}

/// A user, with credentials.
#[derive(Clone, Debug)]
pub struct TestUser {
    /// The user.
    pub user: User,
    /// An API key that does all that its user may.
    pub key: String,
}

impl TestUser {
    /// The number.
    pub fn id(&self) -> i64 {
        self.user.id.0
    }

    /// The address.
    pub fn email(&self) -> &str {
        self.user.email.as_str()
    }

    /// The user's URI under `/api/`.
    pub fn uri(&self) -> String {
        format!("/api/user/{}/", self.id())
    }
}

/// Signs a request.
pub trait AsUser {
    /// As this user, with their API key.
    fn as_user(self, user: &TestUser) -> Self;
}

impl AsUser for RequestBuilder {
    fn as_user(self, user: &TestUser) -> Self {
        self.bearer_auth(&user.key)
    }
}

/// Sends requests all at once, and each again for as long as the server is too busy
/// to do anything; their statuses. What must not be done twice carries a key.
pub async fn send_concurrently(requests: impl IntoIterator<Item = RequestBuilder>) -> Vec<u16> {
    let sent = requests.into_iter().map(|request| {
        actix_web::rt::spawn(async move {
            loop {
                let status = request.try_clone().unwrap().send().await.unwrap().status().as_u16();
                if status != 503 {
                    return status;
                }
            }
        })
    });
    let sent: Vec<_> = sent.collect();
    futures_util::future::join_all(sent).await.into_iter().map(Result::unwrap).collect()
}

/// The token in the link of a mail.
pub fn token_in(mail: &SentMail) -> String {
    let (_, rest) = mail.text.split_once("token=csr_").expect("the mail has a link");
    let token: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("csr_{token}")
}

fn local_part(email: &str) -> &str {
    email.split('@').next().unwrap_or_default()
}

/// Argon2 is made to be slow: once for all tests is enough.
fn password_hash() -> String {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| password::hash(PASSWORD).unwrap()).clone()
}

fn config(database_url: &str, toml: &str) -> Config {
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let env = |name: &str| match name {
        "DATABASE_URL" => Some(database_url.to_owned()),
        "COUNTERSIGN_SECRET" => Some(SECRET.to_owned()),
        "PUBLIC_URL" if !toml.contains("public_url") => Some("https://countersign.test".to_owned()),
        // What a test does is often more than a limit allows; those of limits set them.
        "COUNTERSIGN_LIMITS" if !toml.contains("[limits]") => Some("off".to_owned()),
        _ => None,
    };
    Config::load(Some(file.path()), env, CliOverrides::default()).unwrap()
}

/// Opens a database that is there, on however busy a machine: a server gives up after a
/// second.
fn connect(url: &DatabaseUrl, size: u32, clock: Clock) -> Store {
    let mut tries = 0..20;
    loop {
        match Store::connect(url, size, clock.clone()) {
            Ok(store) => return store,
            Err(_) if tries.next().is_some() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

impl TestDatabase {
    /// A database with all tables.
    fn create(kind: Backend) -> (Self, String) {
        Self::create_named(kind, |maintenance| format!(" TEMPLATE {}", postgres_template(maintenance)))
    }

    /// A database with nothing in it.
    pub fn empty(kind: Backend) -> (Self, String) {
        Self::create_named(kind, |_| String::new())
    }

    fn create_named(kind: Backend, like: impl Fn(&str) -> String) -> (Self, String) {
        match kind {
            Backend::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", directory.path().join("test.db").display());
                (Self::Sqlite(directory), url)
            }
            Backend::Postgres => {
                static NEXT: AtomicU32 = AtomicU32::new(0);
                let maintenance = std::env::var("COUNTERSIGN_TEST_POSTGRES").expect(
                    "COUNTERSIGN_TEST_POSTGRES names a throwaway cluster: run the tests by `make test`",
                );
                let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
                execute(&maintenance, &format!("CREATE DATABASE {name}{}", like(&maintenance)));
                let url = url_of_database(&maintenance, &name);
                (Self::Postgres { maintenance, name }, url)
            }
        }
    }

    /// Removes what does not go by itself.
    pub fn remove(&self) {
        if let Self::Postgres { maintenance, name } = self {
            execute(maintenance, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

/// A migrated database to copy: migrating one for each test takes longer.
fn postgres_template(maintenance: &str) -> &'static str {
    static TEMPLATE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = format!("template_{}", std::process::id());
        execute(maintenance, &format!("CREATE DATABASE {name}"));
        let url: DatabaseUrl = url_of_database(maintenance, &name).parse().unwrap();
        connect(&url, 1, Clock::Database).migrate().unwrap();
        name
    })
}

/// The URL of another database of the same cluster.
pub fn url_of_database(maintenance: &str, name: &str) -> String {
    let (server, _) = maintenance.rsplit_once('/').expect("a URL with a database");
    format!("{server}/{name}")
}

/// Each column that `src/store/schema.rs` declares: its table, its name and its type.
pub fn schema_columns() -> Vec<[&'static str; 3]> {
    let mut columns = Vec::new();
    let mut table = "";
    for line in include_str!("../../src/store/schema.rs").lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            table = name;
        } else if let Some((column, kind)) = line.split_once(" -> ").filter(|_| line.ends_with(',')) {
            columns.push([table, column, kind.trim_end_matches(',')]);
        }
    }
    assert!(columns.len() > 60, "the source was read");
    columns
}

/// What is compared of a column before and after a refusal: all that does not change by
/// itself, and that no refusal may change.
fn compared_expression(table: &str, column: &str) -> Option<String> {
    match (table, column) {
        // Refused attempts are counted. Uses and looks are, and are written down some time later.
        ("rate_limits" | "export_uses" | "link_views", _) => None,
        // Mails that are owed leave.
        ("outbox", "due_at" | "attempts" | "lease" | "finished_at" | "result" | "last_error") => None,
        // What has expired is closed.
        ("permission_requests", "closed_at" | "outcome") => {
            Some(format!("CASE WHEN outcome <> 'expired' THEN {column} END"))
        }
        _ => Some(column.to_owned()),
    }
}

/// Where it is to be read. Tallies are added up, and closing what has expired lowers them.
fn row_source(table: &str) -> &str {
    match table {
        "user_counters" => {
            "(SELECT user_id, sum(open_requests) AS open_requests, sum(active_permissions) AS active_permissions FROM \
             (SELECT user_id, open_requests, active_permissions FROM user_counters \
             UNION ALL SELECT user_target, 1, 0 FROM permission_requests WHERE outcome = 'expired' \
             UNION ALL SELECT user_allowed, 1, 0 FROM permission_requests WHERE outcome = 'expired') AS t \
             GROUP BY user_id) AS t"
        }
        _ => table,
    }
}

/// The query for what each table holds, in one statement: one row each, in the columns
/// `name` and `content`.
fn table_contents_query(url: &str) -> &'static str {
    static QUERIES: std::sync::OnceLock<[String; 2]> = std::sync::OnceLock::new();
    let [sqlite, postgres] = QUERIES.get_or_init(|| {
        let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for [table, column, _] in schema_columns() {
            if let Some(kept) = compared_expression(table, column) {
                tables.entry(table).or_default().push(kept);
            }
        }
        let all = |line: fn(&[String]) -> String, together: &str| {
            let each = tables.iter().map(|(table, columns)| {
                format!(
                    "SELECT '{table}' AS name, coalesce({together}, '') AS content FROM \
                     (SELECT {} AS line FROM {}) AS l",
                    line(columns),
                    row_source(table),
                )
            });
            each.collect::<Vec<_>>().join(" UNION ALL ")
        };
        let quoted = |columns: &[String]| format!("quote({})", columns.join(") || ',' || quote("));
        let row = |columns: &[String]| format!("ROW({})::text", columns.join(", "));
        // SQLite reads a table twice in the same order.
        [all(quoted, "group_concat(line, char(10))"), all(row, "string_agg(line, chr(10) ORDER BY line)")]
    });
    if url.starts_with("sqlite") { sqlite } else { postgres }
}

/// Opens a file of SQLite's; whoever writes there is waited for.
pub fn sqlite(path: &str) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    conn
}

/// What a query finds, on whichever database this is.
pub fn query_rows<T>(url: &str, sql: &str) -> Vec<T>
where
    T: QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg> + 'static,
{
    let query = diesel::sql_query(sql);
    match url.strip_prefix("sqlite://") {
        Some(path) => query.load(&mut sqlite(path)).unwrap(),
        None => query.load(&mut PgConnection::establish(url).unwrap()).unwrap(),
    }
}

/// Runs SQL on PostgreSQL.
pub fn execute(url: &str, sql: &str) {
    PgConnection::establish(url).unwrap().batch_execute(sql).unwrap();
}

/// Commits operations as one batch: the result of each, in order.
pub fn commit_batch<C: Command>(
    store: &Store,
    operations: Vec<Operation<C>>,
) -> Vec<Result<C::Reply, StoreError>> {
    let operations: Vec<Arc<Operation<C>>> = operations.into_iter().map(Arc::new).collect();
    let batch: Vec<Arc<dyn AnyOperation>> =
        operations.iter().map(|operation| Arc::clone(operation) as _).collect();
    let results = ledger::commit(store, &batch);
    results
        .into_iter()
        .zip(operations)
        .map(|(result, operation)| result.and_then(|()| operation.take_reply()))
        .collect()
}
