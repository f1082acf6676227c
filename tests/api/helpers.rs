//! Starts a server for each test and has shorthands for common steps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use countersign::app::{Application, Dependencies};
use countersign::auth::password;
use countersign::config::{CliOverrides, Config, DatabaseUrl};
use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::{Bundle, BundleName, Description};
use countersign::domain::export_token::{ExpiryHours, ExportToken, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::password_link::{LinkReason, PasswordLink};
use countersign::domain::permission_request::{NewPermissionRequest, PermissionRequest};
use countersign::domain::rights::{Mask, Role};
use countersign::domain::terms::Terms;
use countersign::domain::token::{ApiKeyId, Keyring, Token, TokenKind};
use countersign::domain::user::{Email, PersonName, User};
use countersign::domain::webhook::{EventFilter, EventScope};
use countersign::entropy;
use countersign::mail::transport::{MemoryMailbox, SentMail, Transport};
use countersign::store::api_keys::{ApiKey, Scope};
use countersign::store::ledger::{self, AnyOperation, Command, CreateExport, CreateRequest, Operation};
use countersign::store::outbox::RequestList;
use countersign::store::users::NewUser;
use countersign::store::webhooks::NewWebhook;
use countersign::store::{
    Clock, Store, StoreError, api_keys, audit_log, bundles, decision_mails, hubs, password_links, seals,
    signing_keys, users, webhooks,
};
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use diesel::sql_types::Integer;
use reqwest::{Client, Method, RequestBuilder};

/// The time at which the clock of every test starts: 2030-01-01T00:00:00Z, in microseconds.
pub const START_MICROS: i64 = 1_893_456_000_000_000;
/// The password of every test user.
pub const PASSWORD: &str = "correct horse battery staple";

/// The server secret.
pub const SECRET: &str = "a secret of the tests, 32 bytes or more";

/// Declares each test twice: on SQLite and on PostgreSQL.
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

/// The content of each table, with one line per row.
pub type TableRows = BTreeMap<String, String>;

/// The database of a test.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    /// A file in a temporary directory.
    Sqlite,
    /// A new database in the cluster that `COUNTERSIGN_TEST_POSTGRES` names.
    Postgres,
}

/// A server on a free port, with its own database, clock and mailbox.
pub struct TestApp {
    /// The address, e.g. `http://127.0.0.1:40123`.
    pub url: String,
    pub store: Store,
    pub database_url: String,
    /// The mails that the server has sent.
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

/// A database that is removed at the end of the test.
pub enum TestDatabase {
    Sqlite(#[expect(dead_code, reason = "removed when dropped")] tempfile::TempDir),
    Postgres {
        maintenance: String,
        name: String,
    },
    /// The caller creates and removes the database.
    External,
}

/// A client that follows no redirects, and reuses no connection that the server may be closing.
fn client() -> Client {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.pool_idle_timeout(Duration::from_secs(1)).build().unwrap()
}

impl TestApp {
    /// Starts a server with the default configuration, except for clock and mail.
    pub fn spawn(kind: Backend) -> Self {
        Self::spawn_with(kind, "")
    }

    /// Starts a server with this `countersign.toml`.
    pub fn spawn_with(kind: Backend, toml: &str) -> Self {
        Self::spawn_on(TcpListener::bind("127.0.0.1:0").unwrap(), kind, toml)
    }

    /// Starts a server with this `countersign.toml` on a listener, whose address the file can contain. The server and the
    /// test share connections, because opening twice as many takes twice the time.
    pub fn spawn_on(listener: TcpListener, kind: Backend, toml: &str) -> Self {
        let micros = Arc::new(AtomicI64::new(START_MICROS));
        let mut app = Self::prepare(kind, Clock::Manual(Arc::clone(&micros)), micros);
        let config = config(&app.database_url, toml);
        app.url = app.serve(listener, config, app.store.clone());
        app
    }

    /// A database without a server, for server processes that the test starts. It uses the
    /// database's clock.
    pub fn without_server(kind: Backend) -> Self {
        Self::prepare(kind, Clock::Database, Arc::default())
    }

    fn prepare(kind: Backend, clock: Clock, micros: Arc<AtomicI64>) -> Self {
        let (database, database_url) = TestDatabase::create(kind);
        let mut app = Self::with_database(database_url, clock, micros);
        app.database = database;
        app
    }

    /// A database without a server. The caller creates and removes the database.
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

    /// Starts another server on the same database and returns its URL.
    pub fn spawn_replica(&mut self) -> String {
        self.spawn_replica_with("")
    }

    /// Starts another server with this `countersign.toml` on the same database and returns its
    /// URL.
    pub fn spawn_replica_with(&mut self, toml: &str) -> String {
        self.spawn_replica_at(&self.database_url.clone(), toml)
    }

    /// Starts another server on the database with this URL and returns the server's URL.
    pub fn spawn_replica_at(&mut self, database_url: &str, toml: &str) -> String {
        let config = config(database_url, toml);
        let store = connect(&config.database_url, 8, Clock::Manual(Arc::clone(&self.clock)));
        self.serve(TcpListener::bind("127.0.0.1:0").unwrap(), config, store)
    }

    fn serve(&mut self, listener: TcpListener, config: Config, store: Store) -> String {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keyring = config.keyring().unwrap();
        let transport = Transport::Memory(self.mailbox.clone());
        let parts = Dependencies { keyring, listener: listener.into(), store, transport };
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

    /// Advances the clock of the servers.
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Schedules the mails about all decisions so far.
    pub fn schedule_decision_mails(&self) {
        let unread = "SELECT count(*) AS n FROM audit_log AS l JOIN audit_cursors AS c ON c.name = 'decision_mails' \
                      WHERE (l.position, l.id) > (c.position, c.last_id)";
        while self.count(unread) > 0 {
            decision_mails::schedule_all(&self.store).unwrap();
        }
    }

    /// Seals all audit entries, those of now in one seal. They can come late: the transactions of other tests in the same
    /// cluster hold readers back, and the database may be busy.
    pub fn seal_audit_log(&self) {
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        let unsealed = "SELECT count(*) AS n FROM audit_log AS l JOIN audit_cursors AS c ON c.name = 'seals' \
                        WHERE (l.position, l.id) > (c.position, c.last_id)";
        let started = Instant::now();
        let is_held_back = || {
            let end = self.store.read(audit_log::end).map(|end| end.map_or(0, |end| end.position));
            end.map_or(true, |end| {
                self.count(&format!("SELECT count(*) AS n FROM audit_log WHERE position > {end}")) > 0
            })
        };
        while is_held_back() {
            assert!(started.elapsed() < Duration::from_secs(60), "readers of the audit log are held back");
        }
        while self.count(unsealed) > 0 {
            let sealed = seals::seal_all(&self.store, &keyring);
            assert!(started.elapsed() < Duration::from_secs(90), "not sealed: {sealed:?}");
        }
    }

    /// Asserts that each audit entry is in one seal.
    pub fn assert_audit_log_sealed(&self) {
        self.seal_audit_log();
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        let report =
            self.store.read(|conn| seals::verify(conn, Some(&keyring), &[], &|_, _| ())).unwrap().unwrap();
        let entries = self.count("SELECT count(*) AS n FROM audit_log");
        assert_eq!(report.entries + report.unsealed, entries, "{report:?}");
    }

    /// Asserts that each decision so far is in one mail to its requester.
    pub fn assert_decision_mails(&self) {
        self.schedule_decision_mails();
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            user_id: i64,
            #[diesel(sql_type = diesel::sql_types::Text)]
            value: String,
        }
        let (mut listed, mut decided) = (BTreeMap::<i64, Vec<i64>>::new(), BTreeMap::<i64, Vec<i64>>::new());
        let mut more = BTreeMap::<i64, usize>::new();
        for Row { user_id, value } in query_rows::<Row>(
            &self.database_url,
            "SELECT user_id, decided_requests AS value FROM outbox WHERE decided_requests IS NOT NULL",
        ) {
            let list = RequestList::from_column(&value);
            listed.entry(user_id).or_default().extend(list.ids.iter().map(|id| id.0));
            *more.entry(user_id).or_default() += list.more;
        }
        for Row { user_id, value } in query_rows::<Row>(
            &self.database_url,
            "SELECT user_allowed AS user_id, CAST(id AS text) AS value FROM permission_requests \
             WHERE outcome IN ('approved', 'declined')",
        ) {
            decided.entry(user_id).or_default().push(value.parse().unwrap());
        }
        assert!(listed.keys().eq(decided.keys()), "{listed:?} {decided:?}");
        for (user, mut listed) in listed {
            let total = listed.len() + more[&user];
            listed.sort_unstable();
            assert!(listed.windows(2).all(|pair| pair[0] < pair[1]), "mailed twice: {listed:?}");
            assert!(listed.iter().all(|id| decided[&user].contains(id)), "{listed:?}");
            assert_eq!(total, decided[&user].len(), "decisions of user {user} that are mailed");
        }
    }

    /// A request to a path of this server, or to a full URL.
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

    /// Adds a user with an API key and the password [`PASSWORD`].
    pub fn user(&self, email: &str) -> TestUser {
        self.user_with_name(email, [local_part(email), "Test"], false)
    }

    /// Adds a staff user.
    pub fn staff(&self, email: &str) -> TestUser {
        self.user_with_name(email, [local_part(email), "Test"], true)
    }

    /// Adds a user with a first and a last name.
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

    /// Creates an API key.
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

    /// Adds the hub if it does not exist, and grants a user a role in it.
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

    /// Removes a user's role in a hub.
    pub fn remove_role(&self, hub: &str, user: &TestUser) {
        let hub = HubId::new(hub).unwrap();
        assert!(self.store.write(|conn| hubs::remove_role(conn, &hub, user.user.id)).unwrap());
    }

    pub fn disable(&self, user: &TestUser) {
        assert!(self.store.write(|conn| users::set_active(conn, user.user.id, false)).unwrap());
    }

    /// Stops all servers, which makes them store the counters that they hold in memory, and starts
    /// another one.
    pub fn restart(&mut self) {
        self.stop();
        self.url = self.spawn_replica();
    }

    pub fn stop(&mut self) {
        for mut running in self.running.drain(..) {
            // An immediate stop: the server still stores its counters.
            drop(running.handle.stop(false));
            if let Some(thread) = running.thread.take() {
                let _ = thread.join();
            }
        }
    }

    pub fn bundle(&self, name: &str, mask: i64) -> Bundle {
        let new = bundles::NewBundle {
            name: BundleName::new(name).unwrap(),
            description: Description::new("What is measured at night.").unwrap(),
            permission: Mask::new(mask).unwrap(),
        };
        self.store.write(|conn| bundles::insert(conn, &new)).unwrap()
    }

    /// Creates a webhook and returns its number. Its URL is not allowed, so that nothing is sent.
    pub fn webhook(&self, owner: &TestUser) -> i64 {
        let new = NewWebhook {
            owner: owner.user.id,
            url: "https://127.0.0.1/".parse().unwrap(),
            events: EventFilter::new(["request.*"]).unwrap(),
            scope: EventScope::Own,
            description: Description::default(),
            active: true,
        };
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        let inserted = self.store.write(|conn| {
            let now = conn.now()?;
            webhooks::insert(conn, &new, &keyring, &AuditContext::OPERATOR, now)
        });
        inserted.unwrap().unwrap().0.id.0
    }

    /// Creates an export token for a node of `hub`. Its rights are read and download; it is valid
    /// for a day.
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

    /// Creates a permission request that expires after an hour.
    pub fn create_request(
        &self,
        grantee: &TestUser,
        target: &TestUser,
        bundle: &Bundle,
    ) -> PermissionRequest {
        let terms = Terms { target: target.user.id, grantee: grantee.user.id, bundle: bundle.id };
        let new = NewPermissionRequest::new(terms, grantee.user.id, bundle.permission, 3_600);
        match self.commit(CreateRequest(new)) {
            Ok(created) => created.request,
            Err(error) => panic!("not created: {error}"),
        }
    }

    /// Commits a command, as the servers do.
    pub fn commit<C: Command>(&self, command: C) -> C::Reply {
        ledger::commit_one(&self.store, Operation::new(command, AuditContext::default())).unwrap()
    }

    /// The redeem token in the mail of a request.
    pub fn redeem_token(&self, request: &PermissionRequest) -> String {
        Keyring::new(SECRET.as_bytes(), None).unwrap().redeem_token(request.redeem_id).expose()
    }

    /// Creates the key that signs receipts, as the first receipt does.
    pub fn create_signing_key(&self) {
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        let created = self.store.write(|conn| {
            let now = conn.now()?;
            signing_keys::create_first(conn, &keyring, now)
        });
        created.unwrap();
    }

    /// Creates a password link for this user and queues its mail.
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

    /// The content of each table, to assert that a rejected call changed nothing.
    /// [`compared_expression`] defines which columns are compared.
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

    /// [`Self::rows`] without one table, which the test itself changes.
    pub fn rows_except(&self, table: &str) -> TableRows {
        let mut rows = self.rows();
        assert!(rows.remove(table).is_some(), "there is no table {table}");
        rows
    }

    /// The result of a query in its column `n`.
    pub fn count(&self, sql: &str) -> i64 {
        self.query_i64s(sql)[0]
    }

    /// The results of a query in its column `n`.
    pub fn query_i64s(&self, sql: &str) -> Vec<i64> {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        query_rows(&self.database_url, sql).into_iter().map(|number: Number| number.n).collect()
    }

    /// The result of a PostgreSQL query in its column `t`.
    pub fn query_text(&self, sql: &str) -> String {
        #[derive(QueryableByName)]
        struct Text {
            #[diesel(sql_type = diesel::sql_types::Text)]
            t: String,
        }
        let text: Text = query_rows(&self.database_url, sql).remove(0);
        text.t
    }

    /// Asserts that the stored counters equal the counted rows.
    pub fn assert_user_counters(&self) {
        let wrong = "SELECT count(*) AS n FROM users AS u WHERE \
            (SELECT coalesce(sum(t.open_requests), 0) FROM user_counters AS t WHERE t.user_id = u.id) <> \
            (SELECT count(*) FROM permission_requests AS r \
             WHERE r.closed_at IS NULL AND u.id IN (r.user_target, r.user_allowed)) \
            OR (SELECT coalesce(sum(t.active_permissions), 0) FROM user_counters AS t WHERE t.user_id = u.id) <> \
            (SELECT count(*) FROM bundle_permissions AS p WHERE u.id IN (p.user_target, p.user_allowed))";
        assert_eq!(self.count(wrong), 0, "the counters of some users are wrong");
    }
    /// Executes SQL that no server would execute.
    pub fn execute_raw(&self, sql: &str) {
        match self.database_url.strip_prefix("sqlite://") {
            Some(path) => sqlite(path).batch_execute(sql).unwrap(),
            None => execute(&self.database_url, sql),
        }
    }

    /// Waits for a mail with the link of a request, after this number of mails.
    pub async fn request_mail_after(&self, earlier: usize) -> SentMail {
        let is_request = |mail: &SentMail| mail.text.contains("token=csr_");
        for wanted in earlier + 1.. {
            let mails = self.mails(wanted).await;
            if let Some(mail) = mails.into_iter().skip(earlier).find(is_request) {
                return mail;
            }
        }
        unreachable!()
    }

    /// Waits until this number of mails has been sent, and returns all mails.
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
        tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.expect("the mail is sent")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
        self.database.remove();
    }
}

/// A user with credentials.
#[derive(Clone, Debug)]
pub struct TestUser {
    pub user: User,
    /// An API key with all scopes.
    pub key: String,
}

impl TestUser {
    pub fn id(&self) -> i64 {
        self.user.id.0
    }

    pub fn email(&self) -> &str {
        self.user.email.as_str()
    }

    /// The user's URI under `/api/`.
    pub fn uri(&self) -> String {
        format!("/api/user/{}/", self.id())
    }
}

/// Authenticates a request.
pub trait ByUser {
    /// Adds the API key of this user.
    fn by_user(self, user: &TestUser) -> Self;
}

impl ByUser for RequestBuilder {
    fn by_user(self, user: &TestUser) -> Self {
        self.bearer_auth(&user.key)
    }
}

/// Sends requests concurrently and returns their statuses. A request that is answered with 503 is
/// sent again, so requests that must not run twice need an idempotency key.
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

/// The redeem token in a mail.
pub fn token_in(mail: &SentMail) -> String {
    let (_, rest) = mail.text.split_once("token=csr_").expect("the mail has a link");
    let token: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("csr_{token}")
}

fn local_part(email: &str) -> &str {
    email.split('@').next().unwrap_or_default()
}

/// One hash for all tests, because argon2 is slow by design.
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
        // Only tests of rate limits enable them.
        "COUNTERSIGN_LIMITS" if !toml.contains("[limits]") => Some("off".to_owned()),
        _ => None,
    };
    Config::load(Some(file.path()), env, CliOverrides::default()).unwrap()
}

/// Opens an existing database. Retries, because `Store::connect` gives up after a second, which is
/// too short on a busy machine.
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
    /// A migrated database.
    fn create(kind: Backend) -> (Self, String) {
        Self::create_named(kind, postgres_template)
    }

    /// A database without tables.
    pub fn empty(kind: Backend) -> (Self, String) {
        Self::create_named(kind, |_| "")
    }

    fn create_named(kind: Backend, options: impl Fn(&str) -> &'static str) -> (Self, String) {
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
                execute(&maintenance, &format!("CREATE DATABASE {name} {}", options(&maintenance)));
                let url = url_of_database(&maintenance, &name);
                (Self::Postgres { maintenance, name }, url)
            }
        }
    }

    /// Removes the database. A temporary directory is removed when it is dropped.
    pub fn remove(&self) {
        if let Self::Postgres { maintenance, name } = self {
            execute(maintenance, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

/// The options that create a copy of a migrated database, which is faster than migrating one per test. By default
/// PostgreSQL 15 and later write a copy to the log, which takes longer than copying files, as earlier ones do.
fn postgres_template(maintenance: &str) -> &'static str {
    static OPTIONS: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    OPTIONS.get_or_init(|| {
        let name = format!("template_{}", std::process::id());
        execute(maintenance, &format!("CREATE DATABASE {name}"));
        let url: DatabaseUrl = url_of_database(maintenance, &name).parse().unwrap();
        connect(&url, 1, Clock::Database).migrate().unwrap();
        let version = sql::<Integer>("current_setting('server_version_num')::integer");
        let mut conn = PgConnection::establish(maintenance).unwrap();
        let version: i32 = diesel::select(version).get_result(&mut conn).unwrap();
        let strategy = if version < 150_000 { "" } else { "STRATEGY file_copy" };
        format!("TEMPLATE {name} {strategy}")
    })
}

/// The URL of another database in the same cluster.
pub fn url_of_database(maintenance: &str, name: &str) -> String {
    let (server, _) = maintenance.rsplit_once('/').expect("a URL with a database");
    format!("{server}/{name}")
}

/// The table, name and type of each column in `src/store/schema.rs`.
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
    assert!(columns.len() > 60, "schema.rs was parsed");
    columns
}

/// The SQL expression that is compared before and after a rejected call. `None` for columns that
/// change in the background or may change for a rejected call.
fn compared_expression(table: &str, column: &str) -> Option<String> {
    match (table, column) {
        // Rejected attempts count. Uses and link views are stored with a delay, and sweeps run in the
        // background.
        ("rate_limits" | "export_uses" | "link_views" | "sweep_cursors" | "audit_cursors", _) => None,
        // Events are sent in the background, and fail.
        (
            "webhook_deliveries",
            "due_at" | "attempts" | "lease" | "finished_at" | "result" | "http_status" | "duration_ms"
            | "reason",
        ) => None,
        ("webhooks", "failures" | "failing_since" | "paused_until") => None,
        // The mail of the first approval creates the key, or the first seal.
        ("signing_keys" | "seals", _) => None,
        // Delivery changes pending mails.
        ("outbox", "due_at" | "attempts" | "lease" | "finished_at" | "result" | "last_error") => None,
        // Expired requests are closed in the background.
        ("permission_requests", "closed_at" | "outcome") => {
            Some(format!("CASE WHEN outcome <> 'expired' THEN {column} END"))
        }
        // Expired permissions are marked as ended in the background.
        ("permission_requests", "ended_at" | "end_cause") => {
            Some(format!("CASE WHEN end_cause <> 'expired' THEN {column} END"))
        }
        ("permission_requests", "active") => {
            Some("(active OR coalesce(end_cause = 'expired', false))".to_owned())
        }
        _ => Some(column.to_owned()),
    }
}

/// The FROM clause for a table. Counter deltas are summed, because they are compacted, and
/// counters of expired requests and permissions are added back, because closing them lowers them and
/// writes audit entries.
fn row_source(table: &str) -> &str {
    match table {
        // Daily mails and those about decisions are scheduled in the background.
        "outbox" => "(SELECT * FROM outbox WHERE day IS NULL AND decided_requests IS NULL) AS t",
        // Other events are queued in the background.
        "webhook_deliveries" => "(SELECT * FROM webhook_deliveries WHERE event_type = 'webhook.test') AS t",
        "user_counters" => {
            "(SELECT user_id, sum(open_requests) AS open_requests, sum(active_permissions) AS active_permissions FROM \
             (SELECT user_id, open_requests, active_permissions FROM user_counters \
             UNION ALL SELECT user_target, 1, 0 FROM permission_requests WHERE outcome = 'expired' \
             UNION ALL SELECT user_allowed, 1, 0 FROM permission_requests WHERE outcome = 'expired' \
             UNION ALL SELECT user_target, 0, 1 FROM permission_requests WHERE end_cause = 'expired' \
             UNION ALL SELECT user_allowed, 0, 1 FROM permission_requests WHERE end_cause = 'expired') AS t \
             GROUP BY user_id) AS t"
        }
        "audit_log" => {
            "(SELECT * FROM audit_log WHERE action NOT LIKE '%.expired' AND action NOT IN ('export.first_used', 'signing_key.created')) AS t"
        }
        _ => table,
    }
}

/// The program for a server with this environment: the one with the patches of `tests/mutants` if
/// `FAILPOINTS` enables a mutant, otherwise the product.
pub fn server_program<'a>(environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> PathBuf {
    let patches = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants");
    let is_mutant = |setting: &str| {
        let (name, _) = setting.split_once('=').unwrap_or_default();
        patches.join(format!("{name}.patch")).exists()
    };
    let enables_mutant =
        |(name, value): (&str, &str)| name == "FAILPOINTS" && value.split(';').any(is_mutant);
    if !environment.into_iter().any(enables_mutant) {
        return env!("CARGO_BIN_EXE_countersign").into();
    }
    let program = std::env::var("COUNTERSIGN_TEST_MUTANTS");
    program.expect("COUNTERSIGN_TEST_MUTANTS names a program: run the tests by `make test`").into()
}

/// The query for the content of all tables in one statement: a row per table with the columns
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
        // SQLite returns the rows of a table in a stable order.
        [all(quoted, "group_concat(line, char(10))"), all(row, "string_agg(line, chr(10) ORDER BY line)")]
    });
    if url.starts_with("sqlite") { sqlite } else { postgres }
}

/// Opens a SQLite file. Waits long for other writers: the lock is not fair, and a busy server rarely releases it.
pub fn sqlite(path: &str) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
    conn
}

/// The rows of a query on either database.
pub fn query_rows<T>(url: &str, sql: &str) -> Vec<T>
where
    T: QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg> + 'static,
{
    let query = diesel::sql_query(sql);
    match url.strip_prefix("sqlite://") {
        Some(path) => query.load(&mut sqlite(path)).unwrap(),
        None => on_kept_connection(url, |conn| query.load(conn)).unwrap(),
    }
}

/// Runs a query on PostgreSQL, on the connection of this thread's last query if it can be used: some tests ask a hundred
/// times, and connecting takes longer than most queries.
fn on_kept_connection<T>(url: &str, query: impl FnOnce(&mut PgConnection) -> T) -> T {
    thread_local! {
        static LAST: RefCell<Option<(String, PgConnection)>> = const { RefCell::new(None) };
    }
    let last = LAST.take().filter(|(last_url, _)| last_url == url);
    let kept = last.and_then(|(_, mut conn)| conn.ping().is_ok().then_some(conn));
    let mut conn = kept.unwrap_or_else(|| PgConnection::establish(url).unwrap());
    let result = query(&mut conn);
    LAST.set(Some((url.to_owned(), conn)));
    result
}

/// Executes SQL on PostgreSQL.
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
