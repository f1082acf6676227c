//! Every route, whoever calls it: `callers.txt` is the table, this runs it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use countersign::domain::block::Block;
use countersign::domain::bundle::Bundle;
use countersign::domain::event::Origin;
use countersign::domain::grant::Terms;
use countersign::domain::password_link::Occasion;
use countersign::domain::permission::Role;
use countersign::domain::request::{PermissionRequest, RequestId};
use countersign::domain::token::{ApiKeyId, Keyring, Kind, Token};
use countersign::domain::user::UserId;
use countersign::entropy;
use countersign::store::keys::{self, Scope};
use countersign::store::ledger::{Deed, Verdict};
use countersign::store::trail::{self, TrailFilter};
use countersign::store::{password_links, sessions};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{Backend, PASSWORD, Rows, SECRET, TestApp, TestUser};
use crate::routes::{self, Route, pattern};
use crate::visitor::Visitor;

const TABLE: &str = include_str!("callers.txt");
/// The table's columns, in its order.
const CALLERS: [&str; 13] =
    ["none", "wrong", "off", "eve", "ada", "grace", "carol", "dan", "root", "scope", "gone", "cse", "csr"];

/// A line of the table.
#[derive(Clone, Copy)]
struct Row {
    method: &'static str,
    /// The path and the query, in which braces name what is made for the request.
    path: &'static str,
    /// What goes with it: the form of a POST, the header of a GET.
    sent: Option<&'static str>,
    expected: [Outcome; CALLERS.len()],
}

/// A cell of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Outcome {
    status: u16,
    changes: bool,
}

impl Row {
    /// All of them.
    fn all() -> Vec<Self> {
        let mut lines = TABLE.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(header, CALLERS);
        lines.map(Self::read).collect()
    }

    fn read(line: &'static str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (request, cells) = words.split_at(words.len() - CALLERS.len());
        let expected: Vec<Outcome> = cells.iter().map(|cell| Outcome::read(cell)).collect();
        let expected = expected.try_into().unwrap_or_else(|_| panic!("a cell for each caller: {line}"));
        Self { method: request[0], path: request[1], sent: request.get(2).copied(), expected }
    }

    fn route(&self) -> Route {
        let path = self.path.split('?').next().unwrap();
        (self.method.to_owned(), pattern(path))
    }
}

impl Outcome {
    fn read(cell: &str) -> Self {
        let status = cell.trim_end_matches('+');
        Self { status: status.parse().unwrap(), changes: status != cell }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.status, if self.changes { "+" } else { "" })
    }
}

/// A server, and everybody who may call.
struct World {
    app: TestApp,
    off: TestUser,
    eve: TestUser,
    ada: TestUser,
    grace: TestUser,
    carol: TestUser,
    dan: TestUser,
    root: TestUser,
    /// An export token that lives, for its bearer to call with.
    export: String,
    /// A redeem token that lives.
    redeem: String,
    /// How many names have been made up.
    names: Cell<u32>,
    /// The rows that there are, if nothing was done since they were read.
    rows: RefCell<Option<Rows>>,
}

impl World {
    fn new() -> Self {
        let app = TestApp::spawn(Backend::Sqlite);
        let off = app.staff("off@example.org");
        let [eve, ada, grace, carol, dan] =
            ["eve", "ada", "grace", "carol", "dan"].map(|name| app.user(&format!("{name}@example.org")));
        let root = app.staff("root@example.org");
        app.role("hub", &carol, Role::Owner);
        app.role("hub", &off, Role::Owner);
        app.role("hub", &dan, Role::Contributor);
        app.disable(&off);
        // So that Ada and Grace have to do with each other whatever becomes of the rest.
        let standing = app.ask(&ada, &grace, &app.bundle("Standing", 2));
        let redeem = app.redeem_token(&standing);
        let (names, rows) = (Cell::new(0), RefCell::new(None));
        let mut world =
            Self { app, off, eve, ada, grace, carol, dan, root, export: String::new(), redeem, names, rows };
        world.export = world.new_export(&world.carol).0;
        world
    }

    fn name(&self, what: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{what}{}", self.names.get())
    }

    fn new_bundle(&self) -> Bundle {
        self.app.bundle(&self.name("bundle"), 6)
    }

    fn new_request(&self) -> PermissionRequest {
        self.app.ask(&self.ada, &self.grace, &self.new_bundle())
    }

    /// A request whose mail has left.
    fn mailed(&self) -> RequestId {
        let id = self.new_request().id;
        self.app.tamper(&format!(
            "UPDATE outbox SET result = 'sent', finished_at = created_at, lease = NULL WHERE request_id = {id}"
        ));
        id
    }

    /// What somebody asks of Grace with whom she has nothing to do else.
    fn strangers_request(&self) -> RequestId {
        let stranger = self.app.user(&format!("{}@example.org", self.name("stranger")));
        self.app.ask(&stranger, &self.grace, &self.new_bundle()).id
    }

    fn new_grant(&self) -> i64 {
        let (target, allowed) = (self.grace.user.id, self.ada.user.id);
        match self.app.commit(Deed::Give(Terms { target, allowed, bundle: self.new_bundle().id })) {
            Verdict::Given(Some(grant)) => grant.id.0,
            verdict => panic!("not given: {verdict:?}"),
        }
    }

    fn stranger(&self) -> i64 {
        self.new_user().id()
    }

    fn new_user(&self) -> TestUser {
        self.rows.replace(None);
        self.app.user(&format!("{}@example.org", self.name("stranger")))
    }

    /// A user who is disabled.
    fn disabled(&self) -> TestUser {
        let user = self.new_user();
        self.app.disable(&user);
        user
    }

    /// A user who has a role in the hub.
    fn member(&self) -> TestUser {
        let user = self.new_user();
        self.app.role("hub", &user, Role::Guest);
        user
    }

    /// A mail that the mail server refused for good.
    fn dead_mail(&self) -> Uuid {
        let (id, request) = (entropy::uuid(), self.new_request().id);
        self.app.tamper(&format!(
            "INSERT INTO outbox (id, request_id, created_at, due_at, attempts, finished_at, result) \
             SELECT X'{}', id, created_at, created_at, 1, created_at, 'dead' \
             FROM permission_requests WHERE id = {request}",
            id.simple()
        ));
        id
    }

    /// Somebody whom Grace blocks.
    fn new_block(&self) -> i64 {
        let block = Block { target: self.grace.user.id, blocked: UserId(self.stranger()) };
        match self.app.commit(Deed::Block(block)) {
            Verdict::Blocked(true) => block.blocked.0,
            verdict => panic!("not blocked: {verdict:?}"),
        }
    }

    /// What the trail has of a new request.
    fn new_entry(&self) -> String {
        let subject = format!("request:{}", self.new_request().id);
        let filter = TrailFilter { subject: Some(subject), ..TrailFilter::default() };
        self.app.store.read(|conn| trail::latest(conn, &filter, 1)).unwrap()[0].id.to_string()
    }

    /// A new export token: its secret and its id.
    fn new_export(&self, creator: &TestUser) -> (String, String) {
        let (export, token) = self.app.export(creator);
        (token.reveal(), export.id.to_string())
    }

    /// What Dan made before he lost admin.
    fn dans_export(&self) -> String {
        self.app.role("hub", &self.dan, Role::Admin);
        let (token, _) = self.new_export(&self.dan);
        self.app.role("hub", &self.dan, Role::Contributor);
        token
    }

    /// The token by which somebody may set their password.
    fn new_password_link(&self) -> String {
        let user = UserId(self.stranger());
        let issued = self.app.store.write(|conn| {
            let now = conn.now()?;
            password_links::issue(conn, user, Occasion::Forgotten, &Origin::OPERATOR, now)
        });
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        keyring.password_token(issued.unwrap().id).reveal()
    }

    /// Makes what a text names in braces.
    fn filled(&self, text: &str) -> String {
        let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
        let (what, after) = rest.split_once('}').expect("a brace is closed");
        let made = match what {
            "file" => return format!("{before}swagger-ui.css{after}"),
            "asset" => return format!("{before}style.css{after}"),
            "grace" => return format!("{before}{}{after}", self.grace.id()),
            "bundle" => self.new_bundle().id.to_string(),
            "used" => self.new_request().terms.bundle.to_string(),
            "request" => self.new_request().id.to_string(),
            "mailed" => self.mailed().to_string(),
            "strangers" => self.strangers_request().to_string(),
            "redeem" => self.app.redeem_token(&self.new_request()),
            "grant" => self.new_grant().to_string(),
            "block" => self.new_block().to_string(),
            "entry" => self.new_entry(),
            "export" => self.new_export(&self.carol).0,
            "export-id" => self.new_export(&self.carol).1,
            "dans" => self.dans_export(),
            "password" => self.new_password_link(),
            "session" => self.app.signed_in(&self.grace).session.unwrap().to_string(),
            "key" => self.app.key(&self.grace.user, Scope::All),
            "new" => self.name("new"),
            "stranger" => self.stranger().to_string(),
            "address" => self.new_user().email().to_owned(),
            "disabled" => self.disabled().id().to_string(),
            "member" => self.member().email().to_owned(),
            "mail" => self.dead_mail().to_string(),
            "key-id" => {
                let key = self.app.key(&self.grace.user, Scope::All);
                Token::parse(Kind::ApiKey, &key).unwrap().id().to_string()
            }
            _ => panic!("nobody knows how to make {what}"),
        };
        self.rows.replace(None);
        format!("{before}{made}{after}")
    }

    /// The JSON that a route wants.
    fn body(&self, route: &Route) -> Option<Value> {
        let (method, path) = route;
        let terms = || {
            self.rows.replace(None);
            let (ada, grace, bundle) = (self.ada.uri(), self.grace.uri(), self.new_bundle().id.0);
            json!({ "user_allowed": ada, "user_target": grace, "bundle": bundle })
        };
        match (method.as_str(), path.trim_start_matches("/api").trim_start_matches("/v1")) {
            ("POST", "/bundle_permission_request" | "/bundle_permission") => Some(terms()),
            ("POST", "/block") => Some(json!({ "user": self.stranger() })),
            ("POST", "/bundle") => Some(json!({ "name": self.name("Bundle ") })),
            ("PUT", "/bundle/{}") => Some(json!({ "description": self.name("In other words ") })),
            ("POST", "/user") => Some(json!({ "email": format!("{}@example.org", self.name("new")) })),
            ("PUT" | "PATCH", "/user/{}") => Some(json!({ "first_name": self.name("Grace") })),
            _ => None,
        }
    }

    /// Who may do what a row asks for, so that nothing but their key stands against it.
    fn whoever_may(&self, path: &str) -> &TestUser {
        match path {
            _ if path.starts_with("/-/svc") || path.starts_with("/oauth2/revoke") => &self.carol,
            _ if path.contains("/block") || path.contains("/bundle_permission") => &self.grace,
            _ => &self.root,
        }
    }

    /// A revoked key of theirs.
    fn gone(&self, owner: &TestUser) -> String {
        let key = self.app.key(&owner.user, Scope::All);
        let id = ApiKeyId(Token::parse(Kind::ApiKey, &key).unwrap().id());
        let revoked = self.app.store.write(|conn| {
            let now = conn.now()?;
            keys::revoke(conn, id, None, &Origin::OPERATOR, now)
        });
        assert!(revoked.unwrap());
        self.rows.replace(None);
        key
    }

    fn scoped(&self, owner: &TestUser) -> String {
        self.rows.replace(None);
        self.app.key(&owner.user, Scope::Introspect)
    }

    fn person(&self, caller: &str) -> Option<&TestUser> {
        let everybody = [&self.off, &self.eve, &self.ada, &self.grace, &self.carol, &self.dan, &self.root];
        let address = format!("{caller}@example.org");
        everybody.into_iter().find(|user| user.email() == address)
    }

    /// A caller's key or token, if they have one.
    fn secret(&self, caller: &str, path: &str) -> Option<String> {
        match caller {
            "none" | "wrong" => None,
            "scope" => Some(self.scoped(self.whoever_may(path))),
            "gone" => Some(self.gone(self.whoever_may(path))),
            "cse" => Some(self.export.clone()),
            "csr" => Some(self.redeem.clone()),
            _ => Some(self.person(caller).unwrap().key.clone()),
        }
    }

    /// Signs a request as the caller does.
    fn signed(&self, request: RequestBuilder, caller: &str, path: &str) -> RequestBuilder {
        match (caller, self.secret(caller, path)) {
            (_, Some(secret)) => request.bearer_auth(secret),
            ("wrong", None) => request.basic_auth(self.grace.email(), Some("a wrong password")),
            (_, None) => request,
        }
    }

    /// The caller as somebody at the pages, where a cookie counts alone.
    fn visitor(&self, caller: &str) -> Visitor {
        self.rows.replace(None);
        match (caller, self.person(caller)) {
            (_, Some(user)) => self.app.signed_in(user),
            ("gone", None) => {
                let visitor = self.app.signed_in(&self.root);
                let closed = visitor.session.unwrap();
                let root = self.root.user.id;
                assert!(self.app.store.write(|conn| sessions::delete(conn, closed, root)).unwrap());
                visitor
            }
            _ => self.app.visitor(),
        }
    }

    /// A page's form as the caller fills it in.
    fn form(&self, path: &str, sent: Option<String>, caller: &str) -> Vec<(String, String)> {
        let mut form: Vec<_> =
            form_urlencoded::parse(sent.unwrap_or_default().as_bytes()).into_owned().collect();
        if path == "/account/sessions/end"
            && let Some(user) = self.person(caller)
        {
            // So that there is another one to be ended.
            self.app.signed_in(user);
            self.rows.replace(None);
        }
        if path == "/account/password" {
            // Theirs again, so that the next row finds them as they were.
            let fields = ["current", "new", "again"].map(|name| (name.to_owned(), PASSWORD.to_owned()));
            form.extend(fields);
        }
        if path == "/sign-in" {
            let (email, password) = match (self.person(caller), caller) {
                (Some(user), _) => (user.email(), PASSWORD.to_owned()),
                (None, "none") => ("", String::new()),
                (None, "wrong") => (self.grace.email(), "a wrong password".to_owned()),
                (None, _) => (self.grace.email(), self.secret(caller, path).unwrap()),
            };
            form.push(("email".to_owned(), email.to_owned()));
            form.push(("password".to_owned(), password));
        }
        form
    }

    /// A row's request by this caller.
    fn request(&self, method: &str, row: &Row, caller: &str) -> RequestBuilder {
        let path = self.filled(row.path);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let sent = row.sent.map(|sent| self.filled(sent));
        if is_page(row.path) {
            let visitor = self.visitor(caller);
            let form = self.form(row.path, sent, caller);
            let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let request = match method {
                Method::POST => visitor.post(&self.app, &path, &form),
                _ => visitor.asks(&self.app, method, &path),
            };
            return match self.secret(caller, row.path) {
                Some(secret) if self.person(caller).is_none() => request.bearer_auth(secret),
                _ => request,
            };
        }
        let request = self.app.request(method, &path);
        let request = self.signed(request, caller, row.path);
        match (row.method, sent, self.body(&row.route())) {
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

    /// Asks for what a row says, as each caller. What comes otherwise than it
    /// should is told at the end, all of it.
    async fn try_row(&self, method: &str, row: &Row, wrong: &mut Vec<String>) {
        for (caller, expected) in CALLERS.iter().zip(row.expected) {
            let request = self.request(method, row, caller);
            let before = self.rows.take().unwrap_or_else(|| self.app.rows());
            let status = request.send().await.unwrap().status().as_u16();
            let after = self.app.rows();
            let got = Outcome { status, changes: before != after };
            if got != expected {
                let changed: Vec<&String> =
                    after.keys().filter(|table| before[*table] != after[*table]).collect();
                wrong.push(format!("{method} {} by {caller}: {got}, not {expected} {changed:?}", row.path));
            }
            self.rows.replace(Some(after));
        }
    }
}

/// Tries those rows of the table that a test takes, under another prefix perhaps.
async fn try_rows(taken: fn(&str) -> bool, prefix: &str) {
    let there = routes::registered().await;
    let mut wrong = Vec::new();
    let mut rows: Vec<Row> = Row::all().into_iter().filter(|row| taken(row.path)).collect();
    // In a new world now and then: all that there is in one is read for each cell.
    for rows in rows.chunks_mut(8) {
        let world = World::new();
        for row in rows {
            row.path = row.path.replacen("/api/", prefix, 1).leak();
            world.try_row(row.method, row, &mut wrong).await;
            if row.method == "GET" && there.contains(&("HEAD".to_owned(), row.route().1)) {
                world.try_row("HEAD", row, &mut wrong).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

fn is_hexo(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Whether this is a page: where a session counts, and nothing else.
pub fn is_page(path: &str) -> bool {
    const OTHERS: [&str; 9] =
        ["/api", "/-/svc", "/oauth2", "/authz", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"];
    !OTHERS.iter().any(|root| path.starts_with(root))
}

fn is_mfs(path: &str) -> bool {
    path.starts_with("/-/svc/")
}

#[actix_web::test]
async fn every_route_has_a_row_and_every_row_a_route() {
    let rows: BTreeSet<Route> = Row::all().iter().map(Row::route).collect();
    assert_eq!(rows, routes::told_once().await);
}

#[actix_web::test]
async fn who_may_use_the_mfs_dialect() {
    try_rows(is_mfs, "/api/").await;
}

#[actix_web::test]
async fn who_may_use_the_hexo_dialect() {
    try_rows(is_hexo, "/api/").await;
}

#[actix_web::test]
async fn who_may_use_the_hexo_dialect_under_its_other_prefix() {
    try_rows(is_hexo, "/api/v1/").await;
}

#[actix_web::test]
async fn who_may_use_the_pages() {
    try_rows(is_page, "/api/").await;
}

#[actix_web::test]
async fn who_may_use_all_that_is_none_of_these() {
    try_rows(|path| !is_hexo(path) && !is_mfs(path) && !is_page(path), "/api/").await;
}
