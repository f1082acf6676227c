//! The rows in a database before a measurement.

use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::Description;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::token::{Entropy, Keyring, RedeemId, Token, TokenKind};
use countersign::domain::user::UserId;
use countersign::domain::webhook::{EventFilter, EventScope};
use countersign::entropy;
use countersign::store::webhooks::{self, NewWebhook};
use countersign::store::{Clock, Store, system_now};
use serde_json::json;
use uuid::Uuid;

use super::database::{Database, Value};
use super::load::{MeasurementWindow, RunResult};
use super::requests::Requests;
use super::server::SECRET;

/// The bundle of all requests.
pub const BUNDLE_ID: i64 = 1;
/// The lifetime of requests and tokens, in seconds.
pub const LIFETIME_SECONDS: i64 = 604_800;

/// A user with an API key.
#[derive(Clone, Debug)]
pub struct BenchUser {
    pub id: i64,
    pub email: String,
    /// The value of the `Authorization` header.
    pub authorization: String,
}

/// An open request.
#[derive(Clone, Copy, Debug)]
pub struct OpenRequest {
    /// The id.
    pub number: i64,
    /// The id in its redeem token.
    pub redeem_id: Uuid,
    /// The index of the target in the users.
    pub target: usize,
    /// The index of the grantee in the users.
    pub grantee: usize,
}

/// The number of single-use rows for a run: many at first, then twice the number that the fastest
/// run so far would use.
#[derive(Debug)]
pub struct RowSupply {
    rows: usize,
    least: usize,
}

impl RowSupply {
    /// Enough for this number of connections on any machine.
    pub fn new(connections: usize) -> Self {
        let rows = match connections {
            1 => 8_000,
            2..32 => 40_000,
            _ => 60_000,
        };
        Self { rows, least: rows / 2 }
    }

    /// The number for the next run.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Doubles the number after a run that ran out of rows.
    pub fn double(&mut self) {
        self.rows *= 2;
        self.least = self.rows;
    }

    /// Adapts the number to a run and returns the run's result.
    pub fn observe(&mut self, run_result: RunResult, window: MeasurementWindow) -> RunResult {
        let seconds = (window.warm_up + window.measured).as_secs_f64() + 0.5;
        self.least = self.least.max((run_result.throughput() * seconds * 2.0) as usize);
        self.rows = self.least;
        run_result
    }
}

/// The current time in microseconds.
pub fn now() -> i64 {
    system_now().micros()
}

/// A version 7 UUID of this time.
pub fn uuid_at(micros: i64) -> Uuid {
    entropy::token().uuid(Timestamp::from_micros(micros))
}

/// The keyring of the servers.
pub fn keyring() -> Keyring {
    Keyring::new(SECRET.as_bytes(), None).unwrap()
}

/// Inserts users 1, 2, 3, … with an API key each, and a bundle.
pub fn insert_users(database: &Database, count: usize) -> Vec<BenchUser> {
    let (now, entropy): (i64, Vec<Entropy>) = (now(), (0..count).map(|_| entropy::token()).collect());
    let keys: Vec<Token> = entropy
        .iter()
        .map(|entropy| Token::random(TokenKind::ApiKey, entropy.uuid(Timestamp::from_micros(now)), entropy))
        .collect();
    let people: Vec<BenchUser> = keys
        .iter()
        .zip(1..)
        .map(|(key, id)| BenchUser {
            id,
            email: format!("person{id}@example.org"),
            authorization: format!("Bearer {}", key.expose()),
        })
        .collect();
    database.insert(
        "users",
        ["id", "email", "first_name", "last_name", "active", "staff", "created_at"],
        people.iter().map(|person| {
            [
                Value::Int(person.id),
                Value::text(&person.email),
                Value::text("Pat"),
                Value::text(format!("Person {}", person.id)),
                Value::Bool(true),
                Value::Bool(false),
                Value::Time(now),
            ]
        }),
    );
    database.insert(
        "api_keys",
        ["id", "user_id", "label", "digest", "created_at"],
        people.iter().zip(&keys).map(|(person, key)| {
            [
                Value::Id(key.id()),
                Value::Int(person.id),
                Value::text("bench"),
                Value::Bytes(key.digest().as_bytes().to_vec()),
                Value::Time(now),
            ]
        }),
    );
    database.insert(
        "bundles",
        ["id", "name", "description", "permission"],
        [[Value::Int(BUNDLE_ID), Value::text("Read"), Value::text("See what is there."), Value::Int(2)]],
    );
    people
}

/// Open requests numbered 1, 2, 3, …, that are not in a database yet. The first half of the users are the
/// targets, the second half the requesters, each in turn.
pub fn open_requests(people: &[BenchUser], count: usize) -> Vec<OpenRequest> {
    let (half, start) = (people.len() / 2, now());
    assert!(count <= half * half, "{} people ask for {count} permissions", people.len());
    let open = |nth| OpenRequest {
        number: nth as i64 + 1,
        redeem_id: uuid_at(start + nth as i64),
        target: nth % half,
        grantee: half + nth / half,
    };
    (0..count).map(open).collect()
}

/// Replaces all requests by those of [`open_requests`].
pub fn insert_open_requests(database: &Database, people: &[BenchUser], count: usize) -> Vec<OpenRequest> {
    let (start, open) = (now(), open_requests(people, count));
    database.truncate(&["outbox", "audit_log", "permission_requests"]);
    database.insert(
        "permission_requests",
        [
            "id",
            "redeem_id",
            "user_target",
            "user_allowed",
            "bundle_id",
            "permission",
            "asked_by",
            "created_at",
            "expires_at",
        ],
        open.iter().map(|open| {
            [
                Value::Int(open.number),
                Value::Id(open.redeem_id),
                Value::Int(people[open.target].id),
                Value::Int(people[open.grantee].id),
                Value::Int(BUNDLE_ID),
                Value::Int(2),
                Value::Int(people[open.grantee].id),
                Value::Time(start),
                Value::Time(start + LIFETIME_SECONDS * 1_000_000),
            ]
        }),
    );
    update_user_counters(database);
    open
}

/// An active permission.
#[derive(Clone, Copy, Debug)]
pub struct BenchPermission {
    /// The index of the target in the users.
    pub target: usize,
    /// The index of the grantee in the users.
    pub grantee: usize,
}

/// Replaces all requests by active permissions to read. The first half of the users are the targets,
/// each of a number of permissions; each of the second half has one of every target, as far as the
/// count goes.
pub fn insert_permissions(database: &Database, people: &[BenchUser], count: usize) -> Vec<BenchPermission> {
    insert_permissions_with_ends(database, people, count, |_| Value::Null)
}

/// The same, with the end of each, by its place in the list.
pub fn insert_permissions_with_ends(
    database: &Database,
    people: &[BenchUser],
    count: usize,
    end: impl Fn(i64) -> Value,
) -> Vec<BenchPermission> {
    let half = people.len() / 2;
    assert!(count <= half * half, "{} people have {count} permissions", people.len());
    let start = now();
    let permissions: Vec<BenchPermission> =
        (0..count).map(|nth| BenchPermission { target: nth % half, grantee: half + nth / half }).collect();
    database.truncate(&["outbox", "audit_log", "permission_requests"]);
    database.insert(
        "permission_requests",
        [
            "redeem_id",
            "user_target",
            "user_allowed",
            "bundle_id",
            "permission",
            "asked_by",
            "created_at",
            "expires_at",
            "closed_at",
            "outcome",
            "granted_permission",
            "active",
            "permission_expires_at",
        ],
        permissions.iter().zip(0..).map(|(permission, nth)| {
            [
                Value::Id(uuid_at(start + nth)),
                Value::Int(people[permission.target].id),
                Value::Int(people[permission.grantee].id),
                Value::Int(BUNDLE_ID),
                Value::Int(2),
                Value::Int(people[permission.grantee].id),
                Value::Time(start),
                Value::Time(start + LIFETIME_SECONDS * 1_000_000),
                Value::Time(start),
                Value::text("granted"),
                Value::Int(2),
                Value::Bool(true),
                end(nth),
            ]
        }),
    );
    update_user_counters(database);
    permissions
}

/// Stores the numbers of open requests and active permissions of each user.
pub fn update_user_counters(database: &Database) {
    database.truncate(&["user_counters"]);
    database.execute(
        "INSERT INTO user_counters SELECT party, sum(CASE WHEN active THEN 0 ELSE 1 END), \
         sum(CASE WHEN active THEN 1 ELSE 0 END) FROM \
         (SELECT user_target AS party, active FROM permission_requests \
         UNION ALL SELECT user_allowed, active FROM permission_requests) AS parties GROUP BY party",
    );
}

/// An active export token.
#[derive(Clone, Debug)]
pub struct BenchExport {
    pub id: Uuid,
    /// The token with its secret.
    pub token: String,
    /// The index of its creator in the users. The token is for the creator's hub.
    pub creator: usize,
}

/// The hub of this user.
pub fn hub_id(user_id: i64) -> String {
    format!("hub{user_id}")
}

/// Inserts a hub for each user.
pub fn insert_hubs(database: &Database, people: &[BenchUser]) {
    let now = now();
    let hubs = people.iter().map(|person| {
        [Value::text(hub_id(person.id)), Value::text(format!("Hub {}", person.id)), Value::Time(now)]
    });
    database.insert("hubs", ["id", "name", "created_at"], hubs);
    let owners = people
        .iter()
        .map(|person| [Value::text(hub_id(person.id)), Value::Int(person.id), Value::text("owner")]);
    database.insert("hub_members", ["hub_id", "user_id", "role"], owners);
}

/// Inserts export tokens of the users in turn, for the node `node1` of their hubs. Returns `known`
/// of them, evenly distributed.
pub fn insert_exports(
    database: &Database,
    people: &[BenchUser],
    count: usize,
    returned: usize,
) -> Vec<BenchExport> {
    let (start, step, mut exports) = (now(), count.div_ceil(returned.max(1)), Vec::with_capacity(returned));
    let rows = (0..count).map(|nth| {
        let (creator, entropy) = (nth % people.len(), entropy::token());
        let id = entropy.uuid(Timestamp::from_micros(start + nth as i64));
        let token = Token::random(TokenKind::Export, id, &entropy);
        if nth % step == 0 {
            exports.push(BenchExport { id, token: token.expose(), creator });
        }
        [
            Value::Id(id),
            Value::Int(people[creator].id),
            Value::text(hub_id(people[creator].id)),
            Value::text("node1"),
            Value::Int(2),
            Value::Bytes(token.digest().as_bytes().to_vec()),
            Value::Time(start),
            Value::Time(start + LIFETIME_SECONDS * 1_000_000),
        ]
    });
    let columns = ["id", "creator", "hub_id", "node_id", "permission", "digest", "created_at", "expires_at"];
    database.insert("export_tokens", columns, rows);
    exports
}

/// Registers a webhook that receives one kind of event, whoever it concerns. Its owner becomes staff.
/// Returns its number.
pub fn insert_webhook(database: &Database, owner: i64, url: &str, event: &str) -> i64 {
    database.execute(&format!("UPDATE users SET staff = true WHERE id = {owner}"));
    let store = Store::connect(&database.url.parse().unwrap(), 1, Clock::Database).unwrap();
    let new = NewWebhook {
        owner: UserId(owner),
        url: url.parse().unwrap(),
        events: EventFilter::new([event]).unwrap(),
        scope: EventScope::All,
        description: Description::new("").unwrap(),
        active: true,
    };
    let inserted = store.write(|conn| {
        let now = conn.now()?;
        webhooks::insert(conn, &new, &keyring(), &AuditContext::default(), now)
    });
    inserted.unwrap().unwrap().0.id.0
}

/// Inserts a user with an API key of this scope and returns the value of the `Authorization` header.
pub fn insert_key_with_scope(database: &Database, scope: &str) -> String {
    let (now, entropy) = (now(), entropy::token());
    let key = Token::random(TokenKind::ApiKey, entropy.uuid(Timestamp::from_micros(now)), &entropy);
    database.execute(
        "INSERT INTO users (email, first_name, last_name, active, staff, created_at) \
         SELECT 'inspector@example.org', '', '', active, staff, created_at FROM users WHERE id = 1",
    );
    let user = database.query_i64("SELECT max(id) FROM users");
    database.insert(
        "api_keys",
        ["id", "user_id", "label", "scope", "digest", "created_at"],
        [[
            Value::Id(key.id()),
            Value::Int(user),
            Value::text("bench"),
            Value::text(scope),
            Value::Bytes(key.digest().as_bytes().to_vec()),
            Value::Time(now),
        ]],
    );
    format!("Bearer {}", key.expose())
}

/// The redeem token of a request.
pub fn redeem_token(keyring: &Keyring, open: &OpenRequest) -> String {
    keyring.redeem_token(RedeemId(open.redeem_id)).expose()
}

/// A redemption of each request by its target.
pub fn redeem_requests(people: &[BenchUser], open: &[OpenRequest]) -> Requests {
    let (keyring, mut requests) = (keyring(), Requests::single_use(200));
    for open in open {
        let path = format!("/api/bundle_permission_request/{}/", redeem_token(&keyring, open));
        requests.push("PUT", &path, &[("Authorization", &people[open.target].authorization)], "");
    }
    requests
}

/// A look at each request by its target, with its token.
pub fn look_requests(people: &[BenchUser], open: &[OpenRequest]) -> Requests {
    let (keyring, mut requests) = (keyring(), Requests::new(200));
    for open in open {
        let path = format!("/api/bundle_permission_request/{}/", redeem_token(&keyring, open));
        requests.push("GET", &path, &[("Authorization", &people[open.target].authorization)], "");
    }
    requests
}

/// This number of new requests. Each of the second half of the users asks all of the first half.
pub fn ask_requests(people: &[BenchUser], count: usize) -> Requests {
    let half = people.len() / 2;
    assert!(count <= half * half, "each pair of users has one request");
    let mut requests = Requests::single_use(201);
    for nth in 0..count {
        push_ask(&mut requests, &people[half + nth / half], &people[nth % half].email);
    }
    requests
}

/// Adds a new request for the bundle, by this user.
pub fn push_ask(requests: &mut Requests, asker: &BenchUser, target: &str) {
    let headers = json_headers(&asker.authorization);
    let body = format!(
        r#"{{"bundle":"/api/bundle/{BUNDLE_ID}/","user_allowed":"/api/user/{}/","user_target":"{target}"}}"#,
        asker.id
    );
    requests.push("POST", "/api/bundle_permission_request/", &headers, &body);
}

/// Adds a POST that creates an export token for the creator's hub.
pub fn push_create_export(requests: &mut Requests, creator: &BenchUser) {
    let body = format!(r#"{{"hub_id":"{}","nid":"node1","permission":2}}"#, hub_id(creator.id));
    requests.push("POST", "/-/svc/mfs_api.create_token", &json_headers(&creator.authorization), &body);
}

/// Adds a proxy's check of an export token.
pub fn push_authz(requests: &mut Requests, people: &[BenchUser], export: &BenchExport) {
    let hub = hub_id(people[export.creator].id);
    let path = format!("/authz?hub_id={hub}&nid=node1&right=read");
    requests.push("GET", &path, &[("X-Param-Mfs-Token", &export.token)], "");
}

/// The question of AuthZEN whether the grantee of a permission may read the target's data.
pub fn evaluation(people: &[BenchUser], permission: &BenchPermission) -> serde_json::Value {
    let user = |index: usize| json!({ "type": "user", "id": people[index].id.to_string() });
    json!({ "subject": user(permission.grantee), "action": { "name": "read" }, "resource": user(permission.target) })
}

/// The headers of a request with a JSON body.
pub fn json_headers(authorization: &str) -> [(&'static str, &str); 2] {
    [("Authorization", authorization), ("Content-Type", "application/json")]
}

/// Inserts a session of each user. Returns the values of their `Cookie` headers.
pub fn insert_sessions(database: &Database, people: &[BenchUser]) -> Vec<String> {
    let now = now();
    let tokens: Vec<Token> = people
        .iter()
        .map(|_| entropy::token())
        .map(|entropy| Token::random(TokenKind::Session, entropy.uuid(Timestamp::from_micros(now)), &entropy))
        .collect();
    database.insert(
        "sessions",
        ["id", "user_id", "digest", "created_at", "expires_at"],
        people.iter().zip(&tokens).map(|(person, token)| {
            [
                Value::Id(token.id()),
                Value::Int(person.id),
                Value::Bytes(token.digest().as_bytes().to_vec()),
                Value::Time(now),
                Value::Time(now + LIFETIME_SECONDS * 1_000_000),
            ]
        }),
    );
    tokens.iter().map(|token| format!("countersign_session={}", token.expose())).collect()
}
