//! Calls every route as every kind of caller, and compares with `authorization_matrix.txt`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use countersign::domain::audit::AuditContext;
use countersign::domain::block::Block;
use countersign::domain::bundle::Bundle;
use countersign::domain::mail_kinds::{MailKinds, Unsubscription};
use countersign::domain::password_link::LinkReason;
use countersign::domain::permission_request::{PermissionRequest, RequestId};
use countersign::domain::rights::Role;
use countersign::domain::terms::Terms;
use countersign::domain::token::{ApiKeyId, Keyring, Token, TokenKind};
use countersign::domain::user::UserId;
use countersign::domain::webhook::WebhookId;
use countersign::entropy;
use countersign::store::api_keys::{self, Scope};
use countersign::store::audit_log::{self, AuditLogFilter};
use countersign::store::ledger::{CreateBlock, GrantPermission};
use countersign::store::webhooks;
use countersign::store::{LimitOffset, password_links, sessions, webhook_deliveries};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{Backend, PASSWORD, SECRET, TableRows, TestApp, TestUser};
use crate::page_client::PageClient;
use crate::routes::{self, Route, normalize};

const MATRIX: &str = include_str!("authorization_matrix.txt");
/// The columns of the table, in order.
const CALLERS: [&str; 14] = [
    "none", "wrong", "off", "eve", "ada", "grace", "carol", "dan", "root", "scope", "check", "gone", "cse",
    "csr",
];

/// A row of the table.
#[derive(Clone, Copy)]
struct MatrixRow {
    method: &'static str,
    /// The path and the query. Braces name an object that is created for the request.
    path: &'static str,
    /// The form of a POST, or the header of a GET.
    payload: Option<&'static str>,
    expected: [ExpectedOutcome; CALLERS.len()],
}

/// A cell of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ExpectedOutcome {
    status: u16,
    changes: bool,
}

impl MatrixRow {
    fn all() -> Vec<Self> {
        let mut lines = MATRIX.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(header, CALLERS);
        lines.map(Self::parse).collect()
    }

    fn parse(line: &'static str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (request, cells) = words.split_at(words.len() - CALLERS.len());
        let expected: Vec<ExpectedOutcome> = cells.iter().map(|cell| ExpectedOutcome::parse(cell)).collect();
        let expected = expected.try_into().unwrap_or_else(|_| panic!("a cell for each caller: {line}"));
        Self { method: request[0], path: request[1], payload: request.get(2).copied(), expected }
    }

    fn route(&self) -> Route {
        let path = self.path.split('?').next().unwrap();
        (self.method.to_owned(), normalize(path))
    }
}

impl ExpectedOutcome {
    fn parse(cell: &str) -> Self {
        let status = cell.trim_end_matches('+');
        Self { status: status.parse().unwrap(), changes: status != cell }
    }
}

impl Display for ExpectedOutcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.status, if self.changes { "+" } else { "" })
    }
}

/// A server with one user per kind of caller.
struct MatrixFixture {
    app: TestApp,
    off: TestUser,
    eve: TestUser,
    ada: TestUser,
    grace: TestUser,
    carol: TestUser,
    dan: TestUser,
    root: TestUser,
    /// An active export token, as a credential.
    export: String,
    /// An active redeem token, as a credential.
    redeem: String,
    /// A counter for unique names.
    next_name: Cell<u32>,
    /// The rows of the last check, if nothing has changed since.
    rows: RefCell<Option<TableRows>>,
}

impl MatrixFixture {
    fn new() -> Self {
        let app = TestApp::spawn(Backend::Sqlite);
        let off = app.staff("off@example.org");
        let [eve, ada, grace, carol, dan] =
            ["eve", "ada", "grace", "carol", "dan"].map(|name| app.user(&format!("{name}@example.org")));
        let root = app.staff("root@example.org");
        app.grant_role("hub", &carol, Role::Owner);
        app.grant_role("hub", &off, Role::Owner);
        app.grant_role("hub", &dan, Role::Contributor);
        app.disable(&off);
        // An active permission keeps Ada and Grace linked.
        let standing = app.create_request(&ada, &grace, &app.bundle("Standing", 2));
        let redeem = app.redeem_token(&standing);
        let (names, rows) = (Cell::new(0), RefCell::new(None));
        let mut world = Self {
            app,
            off,
            eve,
            ada,
            grace,
            carol,
            dan,
            root,
            export: String::new(),
            redeem,
            next_name: names,
            rows,
        };
        world.export = world.new_export(&world.carol).0;
        // Otherwise the first receipt would create it.
        world.app.create_signing_key();
        world
    }

    fn unique_name(&self, what: &str) -> String {
        self.next_name.set(self.next_name.get() + 1);
        format!("{what}{}", self.next_name.get())
    }

    fn new_bundle(&self) -> Bundle {
        self.app.bundle(&self.unique_name("bundle"), 6)
    }

    fn new_request(&self) -> PermissionRequest {
        self.app.create_request(&self.ada, &self.grace, &self.new_bundle())
    }

    /// A request whose mail has been sent.
    fn mailed_request(&self) -> RequestId {
        let id = self.new_request().id;
        self.app.execute_raw(&format!(
            "UPDATE outbox SET result = 'sent', finished_at = created_at, lease = NULL WHERE request_id = {id}"
        ));
        id
    }

    /// A request to Grace from a user with no other link to her.
    fn request_from_stranger(&self) -> RequestId {
        let stranger = self.app.user(&format!("{}@example.org", self.unique_name("stranger")));
        self.app.create_request(&stranger, &self.grace, &self.new_bundle()).id
    }

    fn new_grant(&self) -> i64 {
        let (target, allowed) = (self.grace.user.id, self.ada.user.id);
        let bundle = self.new_bundle();
        let terms = Terms { target, grantee: allowed, bundle: bundle.id };
        match self.app.commit(GrantPermission::without_end(terms, bundle.permission)) {
            Ok((grant, _)) => grant.id.0,
            Err(error) => panic!("not granted: {error}"),
        }
    }

    fn stranger(&self) -> i64 {
        self.new_user().id()
    }

    fn new_user(&self) -> TestUser {
        self.rows.replace(None);
        self.app.user(&format!("{}@example.org", self.unique_name("stranger")))
    }

    fn disabled_user(&self) -> TestUser {
        let user = self.new_user();
        self.app.disable(&user);
        user
    }

    /// A user with a role in the hub.
    fn new_member(&self) -> TestUser {
        let user = self.new_user();
        self.app.grant_role("hub", &user, Role::Guest);
        user
    }

    /// A mail that the mail server rejected permanently.
    fn dead_mail(&self) -> Uuid {
        let (id, request) = (entropy::uuid(), self.new_request().id);
        self.app.execute_raw(&format!(
            "INSERT INTO outbox (id, kind, request_id, created_at, due_at, attempts, finished_at, result) \
             SELECT X'{}', 'mail', id, created_at, created_at, 1, created_at, 'failed' \
             FROM permission_requests WHERE id = {request}",
            id.simple()
        ));
        id
    }

    /// A user whom Grace blocks.
    fn new_block(&self) -> i64 {
        let block = Block { target: self.grace.user.id, blocked: UserId(self.stranger()) };
        assert!(self.app.commit(CreateBlock(block)));
        block.blocked.0
    }

    /// Grace's webhook and its latest delivery.
    fn hook_with_delivery(&self) -> (i64, Uuid) {
        let page = LimitOffset { limit: 1, offset: 0 };
        let owned =
            self.app.store.read(|conn| webhooks::list_by_owner(conn, self.grace.user.id, page)).unwrap();
        let hook = owned.rows.first().map_or_else(|| self.new_webhook(), |webhook| webhook.id.0);
        let delivery = self.app.store.write(|conn| {
            let now = conn.now()?;
            match webhook_deliveries::list(
                conn,
                WebhookId(hook),
                webhook_deliveries::DeliveryFilter::default(),
                page,
            )?
            .rows
            .pop()
            {
                Some(latest) => Ok(latest.id),
                None => webhook_deliveries::queue_test(conn, WebhookId(hook), now),
            }
        });
        (hook, delivery.unwrap().0)
    }

    /// A webhook of Grace, her only one. Its URL is not allowed, so that nothing is sent.
    fn new_webhook(&self) -> i64 {
        self.app.execute_raw(&format!("DELETE FROM webhooks WHERE owner = {}", self.grace.id()));
        self.app.webhook(&self.grace)
    }

    /// An audit entry of a new request.
    fn new_entry(&self) -> String {
        let subject = format!("request:{}", self.new_request().id);
        let filter = AuditLogFilter { subject: Some(subject), ..AuditLogFilter::default() };
        self.app.store.read(|conn| audit_log::list_newest(conn, &filter, 1)).unwrap()[0].id.to_string()
    }

    /// Creates an export token and returns its secret and its id.
    fn new_export(&self, creator: &TestUser) -> (String, String) {
        let (export, token) = self.app.export(creator);
        (token.expose(), export.id.to_string())
    }

    /// A token that Dan created before he lost the admin role.
    fn export_of_demoted_creator(&self) -> (String, String) {
        self.app.grant_role("hub", &self.dan, Role::Admin);
        let token = self.new_export(&self.dan);
        self.app.grant_role("hub", &self.dan, Role::Contributor);
        token
    }

    /// The token of a new password link.
    fn new_password_link(&self) -> String {
        let user = UserId(self.stranger());
        let issued = self.app.store.write(|conn| {
            let now = conn.now()?;
            password_links::create(conn, user, LinkReason::ForgottenPassword, &AuditContext::OPERATOR, now)
        });
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        keyring.password_link_token(issued.unwrap().id).expose()
    }

    /// Creates the objects that the text names in braces.
    fn fill_placeholders(&self, text: &str) -> String {
        let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
        let (what, after) = rest.split_once('}').expect("a brace is closed");
        let made = match what {
            "file" => return format!("{before}swagger-ui.css{after}"),
            "asset" => return format!("{before}style.css{after}"),
            "grace" => return self.fill_placeholders(&format!("{before}{}{after}", self.grace.id())),
            "bundle" => self.new_bundle().id.to_string(),
            "used" => self.new_request().terms.bundle.to_string(),
            "request" => self.new_request().id.to_string(),
            "mailed" => self.mailed_request().to_string(),
            "strangers" => self.request_from_stranger().to_string(),
            "redeem" => self.app.redeem_token(&self.new_request()),
            "grant" => self.new_grant().to_string(),
            "webhook" => self.new_webhook().to_string(),
            "block" => self.new_block().to_string(),
            "entry" => self.new_entry(),
            "hook" => self.hook_with_delivery().0.to_string(),
            "delivery" => self.hook_with_delivery().1.to_string(),
            "export" => self.new_export(&self.carol).0,
            "export-id" => self.new_export(&self.carol).1,
            "dans" => self.export_of_demoted_creator().0,
            "dans-id" => self.export_of_demoted_creator().1,
            "password" => self.new_password_link(),
            "unsubscribe" => {
                let link = Unsubscription { user: UserId(self.stranger()), kinds: MailKinds::ALL };
                Keyring::new(SECRET.as_bytes(), None).unwrap().unsubscribe_token(link).expose()
            }
            "session" => self.app.signed_in(&self.grace).session.unwrap().to_string(),
            "key" => self.app.key(&self.grace.user, Scope::All),
            "new" => self.unique_name("new"),
            "stranger" => self.stranger().to_string(),
            "signed-in" => {
                let user = self.new_user();
                self.app.signed_in(&user);
                user.id().to_string()
            }
            "address" => self.new_user().email().to_owned(),
            "disabled" => self.disabled_user().id().to_string(),
            "member" => self.new_member().email().to_owned(),
            "mail" => self.dead_mail().to_string(),
            "key-id" => {
                let key = self.app.key(&self.grace.user, Scope::All);
                Token::parse(TokenKind::ApiKey, &key).unwrap().id().to_string()
            }
            _ => panic!("unknown placeholder {what}"),
        };
        self.rows.replace(None);
        self.fill_placeholders(&format!("{before}{made}{after}"))
    }

    /// The JSON body of a route.
    fn json_body(&self, route: &Route) -> Option<Value> {
        let (method, path) = route;
        let terms = || {
            self.rows.replace(None);
            let (ada, grace, bundle) = (self.ada.uri(), self.grace.uri(), self.new_bundle().id.0);
            json!({ "user_allowed": ada, "user_target": grace, "bundle": bundle })
        };
        match (method.as_str(), path.trim_start_matches("/api").trim_start_matches("/v1")) {
            ("POST", "/bundle_permission_request" | "/bundle_permission") => Some(terms()),
            ("POST", "/block") => Some(json!({ "user": self.stranger() })),
            ("POST", "/bundle") => Some(json!({ "name": self.unique_name("Bundle ") })),
            ("PUT", "/bundle/{}") => Some(json!({ "description": self.unique_name("In other words ") })),
            ("POST", "/user") => Some(json!({ "email": format!("{}@example.org", self.unique_name("new")) })),
            ("POST", "/access/v1/evaluations") => Some(json!({ "evaluations": [self.access_question()] })),
            ("POST", path) if path.starts_with("/access/v1/") => Some(self.access_question()),
            ("POST", "/webhook") => {
                Some(json!({ "url": "https://hooks.example.org/", "events": ["request.*"] }))
            }
            ("POST", "/webhook/{}/replay") => Some(json!({ "since": "2030-01-01T00:00:00Z" })),
            ("PATCH", "/webhook/{}") => Some(json!({ "description": self.unique_name("Receiver ") })),
            ("PUT" | "PATCH", "/user/{}") => Some(json!({ "first_name": self.unique_name("Grace") })),
            _ => None,
        }
    }

    /// Whether Ada may see Grace's data. Searches ignore what they are for.
    fn access_question(&self) -> Value {
        json!({
            "subject": { "type": "user", "id": self.ada.uri() },
            "action": { "name": "read" },
            "resource": { "type": "user", "id": self.grace.uri() },
        })
    }

    /// The user who may perform this request, so that only the scope of a key can prevent it.
    fn permitted_user(&self, path: &str) -> &TestUser {
        match path {
            _ if path.starts_with("/-/svc") || path.starts_with("/oauth2/revoke") => &self.carol,
            _ if ["/block", "/bundle_permission", "/webhook"].iter().any(|part| path.contains(part)) => {
                &self.grace
            }
            _ => &self.root,
        }
    }

    /// A revoked API key of this user.
    fn revoked_key(&self, owner: &TestUser) -> String {
        let key = self.app.key(&owner.user, Scope::All);
        let id = ApiKeyId(Token::parse(TokenKind::ApiKey, &key).unwrap().id());
        let revoked = self.app.store.write(|conn| {
            let now = conn.now()?;
            api_keys::revoke(conn, id, None, &AuditContext::OPERATOR, now)
        });
        assert!(revoked.unwrap());
        self.rows.replace(None);
        key
    }

    fn restricted_key(&self, owner: &TestUser, scope: Scope) -> String {
        self.rows.replace(None);
        self.app.key(&owner.user, scope)
    }

    fn user_of(&self, caller: &str) -> Option<&TestUser> {
        let everybody = [&self.off, &self.eve, &self.ada, &self.grace, &self.carol, &self.dan, &self.root];
        let address = format!("{caller}@example.org");
        everybody.into_iter().find(|user| user.email() == address)
    }

    /// The key or token of a caller.
    fn credential_of(&self, caller: &str, path: &str) -> Option<String> {
        match caller {
            "none" | "wrong" => None,
            "scope" => Some(self.restricted_key(self.permitted_user(path), Scope::Introspect)),
            "check" => Some(self.restricted_key(self.permitted_user(path), Scope::Check)),
            "gone" => Some(self.revoked_key(self.permitted_user(path))),
            "cse" => Some(self.export.clone()),
            "csr" => Some(self.redeem.clone()),
            _ => Some(self.user_of(caller).unwrap().key.clone()),
        }
    }

    /// Adds the caller's credentials to a request.
    fn with_credentials(&self, request: RequestBuilder, caller: &str, path: &str) -> RequestBuilder {
        match (caller, self.credential_of(caller, path)) {
            (_, Some(secret)) => request.bearer_auth(secret),
            ("wrong", None) => request.basic_auth(self.grace.email(), Some("a wrong password")),
            (_, None) => request,
        }
    }

    /// The caller as a user of the pages, which accept only cookies.
    fn page_client(&self, caller: &str) -> PageClient {
        self.rows.replace(None);
        match (caller, self.user_of(caller)) {
            (_, Some(user)) => self.app.signed_in(user),
            ("gone", None) => {
                let visitor = self.app.signed_in(&self.root);
                let closed = visitor.session.unwrap();
                let root = self.root.user.id;
                assert!(self.app.store.write(|conn| sessions::delete(conn, closed, root)).unwrap());
                visitor
            }
            _ => self.app.signed_out(),
        }
    }

    /// The form of a page as the caller submits it.
    fn filled_form(&self, path: &str, sent: Option<String>, caller: &str) -> Vec<(String, String)> {
        let mut form: Vec<_> =
            form_urlencoded::parse(sent.unwrap_or_default().as_bytes()).into_owned().collect();
        if path == "/account/sessions/end"
            && let Some(user) = self.user_of(caller)
        {
            // The form ends other sessions: this creates one.
            self.app.signed_in(user);
            self.rows.replace(None);
        }
        if path == "/account/mails" {
            // An earlier row has changed it.
            self.app.execute_raw("UPDATE users SET muted = 0");
            self.rows.replace(None);
        }
        if path == "/account/password" {
            // An earlier row has changed it.
            if let Some(user) = self.user_of(caller) {
                let hash = countersign::auth::password::hash(PASSWORD).unwrap();
                self.app
                    .execute_raw(&format!("UPDATE users SET password = '{hash}' WHERE id = {}", user.id()));
            }
            let new = "nine purple llamas rowing";
            let fields = [("current", PASSWORD), ("new", new), ("confirm", new)];
            form.extend(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        if path == "/sign-in" {
            let (email, password) = match (self.user_of(caller), caller) {
                (Some(user), _) => (user.email(), PASSWORD.to_owned()),
                (None, "none") => ("", String::new()),
                (None, "wrong") => (self.grace.email(), "a wrong password".to_owned()),
                (None, _) => (self.grace.email(), self.credential_of(caller, path).unwrap()),
            };
            form.push(("email".to_owned(), email.to_owned()));
            form.push(("password".to_owned(), password));
        }
        form
    }

    /// The request of a row by this caller.
    fn request(&self, method: &str, row: &MatrixRow, caller: &str) -> RequestBuilder {
        let path = self.fill_placeholders(row.path);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let sent = row.payload.map(|sent| self.fill_placeholders(sent));
        if is_page(row.path) {
            let visitor = self.page_client(caller);
            let form = self.filled_form(row.path, sent, caller);
            let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let request = match method {
                Method::POST => visitor.post(&self.app, &path, &form),
                _ => visitor.request(&self.app, method, &path),
            };
            return match self.credential_of(caller, row.path) {
                Some(secret) if self.user_of(caller).is_none() => request.bearer_auth(secret),
                _ => request,
            };
        }
        let request = self.app.request(method, &path);
        let request = self.with_credentials(request, caller, row.path);
        match (row.method, sent, self.json_body(&row.route())) {
            ("GET", Some(header), None) => {
                let (name, value) = header.split_once('=').unwrap();
                request.header(name, value)
            }
            (_, Some(form), None) => {
                request.header("content-type", "application/x-www-form-urlencoded").body(form)
            }
            (_, None, Some(body)) => request.json(&body),
            (_, None, None) => request,
            (_, Some(_), Some(_)) => panic!("a form or JSON"),
        }
    }

    /// Sends the request of a row as each caller. Collects all failures.
    async fn check_row(&self, method: &str, row: &MatrixRow, failures: &mut Vec<String>) {
        for (caller, expected) in CALLERS.iter().zip(row.expected) {
            let request = self.request(method, row, caller);
            let before = self.rows.take().unwrap_or_else(|| self.app.rows());
            let status = request.send().await.unwrap().status().as_u16();
            let after = self.app.rows();
            let got = ExpectedOutcome { status, changes: before != after };
            if got != expected {
                let changed: Vec<&String> =
                    after.keys().filter(|table| before[*table] != after[*table]).collect();
                failures
                    .push(format!("{method} {} by {caller}: {got}, not {expected} {changed:?}", row.path));
            }
            self.rows.replace(Some(after));
        }
    }
}

/// Checks the rows that the filter selects, with an optional path prefix.
async fn check_rows(filter: fn(&str) -> bool, prefix: &str) {
    let there = routes::registered_routes().await;
    let mut wrong = Vec::new();
    let mut rows: Vec<MatrixRow> = MatrixRow::all().into_iter().filter(|row| filter(row.path)).collect();
    // A new fixture every few rows: each cell reads all tables, which grow.
    for rows in rows.chunks_mut(8) {
        let world = MatrixFixture::new();
        for row in rows {
            row.path = row.path.replacen("/api/", prefix, 1).leak();
            world.check_row(row.method, row, &mut wrong).await;
            if row.method == "GET" && there.contains(&("HEAD".to_owned(), row.route().1)) {
                world.check_row("HEAD", row, &mut wrong).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

fn is_hexo(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Whether this path is a page, which accepts only a session.
pub fn is_page(path: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "/api",
        "/-/svc",
        "/oauth2",
        "/authz",
        "/access/v1",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
    ];
    !OTHERS.iter().any(|root| path.starts_with(root))
}

fn is_mfs(path: &str) -> bool {
    path.starts_with("/-/svc/")
}

#[actix_web::test]
async fn every_route_has_a_matrix_row_and_every_row_a_route() {
    let rows: BTreeSet<Route> = MatrixRow::all().iter().map(MatrixRow::route).collect();
    assert_eq!(rows, routes::distinct_routes().await);
}

#[actix_web::test]
async fn mfs_routes_match_the_matrix() {
    check_rows(is_mfs, "/api/").await;
}

#[actix_web::test]
async fn hexo_routes_match_the_matrix() {
    check_rows(is_hexo, "/api/").await;
}

#[actix_web::test]
async fn hexo_v1_routes_match_the_matrix() {
    check_rows(is_hexo, "/api/v1/").await;
}

#[actix_web::test]
async fn pages_match_the_matrix() {
    check_rows(is_page, "/api/").await;
}

#[actix_web::test]
async fn other_routes_match_the_matrix() {
    check_rows(|path| !is_hexo(path) && !is_mfs(path) && !is_page(path), "/api/").await;
}
