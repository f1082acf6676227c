//! The database of a scenario: its initial content, and its state after each round.

use std::collections::HashMap;
use std::sync::Arc;

use countersign::domain::rights::Role;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::token::{Keyring, RedeemId, Token, TokenKind};
use countersign::entropy;
use postgres::{IsolationLevel, NoTls, Transaction};
use uuid::Uuid;

use crate::checker::{EndReason, StoredDecision, Successor, TokenRecord};
use crate::helpers::{Backend, SECRET, TestApp, TestUser};
use crate::history::now_micros;

/// The number of targets and of requesters. Each pair has at most one open request per bundle.
const USERS_PER_SIDE: usize = 40;
/// The hub of all export tokens.
pub const HUB: &str = "hub";
/// The node of all export tokens.
pub const NODE: &str = "node";
/// The lifetime of a token that must not expire during the test, in microseconds.
const DEFAULT_LIFETIME_MICROS: i64 = 3_600_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestTokenKind {
    Request,
    Export,
}

/// A token that clients operate on.
#[derive(Clone, Debug)]
pub struct TestToken {
    pub kind: TestTokenKind,
    id: Uuid,
    pub secret: String,
    /// The id of the request.
    pub request_id: i64,
    /// The index of the target.
    pub target: usize,
    /// The index of the requester.
    pub requester: usize,
    pub bundle: i64,
}

/// The kind of a token to create, and its lifetime in microseconds if it is short.
pub type TestTokenSpec = (TestTokenKind, Option<i64>);

/// The users in the database.
pub struct TestUsers {
    pub targets: Vec<TestUser>,
    pub requesters: Vec<TestUser>,
    /// The creator of the export tokens.
    pub owner: TestUser,
    /// A user who is not a party of any token.
    pub stranger: TestUser,
}

pub struct DatabaseState {
    pub app: TestApp,
    db: postgres::Client,
    keyring: Keyring,
    pub users: Arc<TestUsers>,
    bundles: Vec<i64>,
    created_requests: usize,
}

impl DatabaseState {
    pub fn new() -> Self {
        let app = TestApp::without_server(Backend::Postgres);
        let side = |name: &str| -> Vec<TestUser> {
            (0..USERS_PER_SIDE).map(|nth| app.user(&format!("{name}{nth}@example.org"))).collect()
        };
        let (targets, requesters) = (side("target"), side("requester"));
        let (owner, stranger) = (app.user("owner@example.org"), app.user("stranger@example.org"));
        app.grant_role(HUB, &owner, Role::Owner);
        let db = connect(&app.database_url);
        let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
        let users = Arc::new(TestUsers { targets, requesters, owner, stranger });
        Self { app, db, keyring, users, bundles: Vec::new(), created_requests: 0 }
    }

    pub fn database_url(&self) -> &str {
        &self.app.database_url
    }

    /// Creates open tokens.
    pub fn create_tokens(&mut self, wishes: &[TestTokenSpec]) -> Vec<TestToken> {
        let mut subjects: Vec<TestToken> = wishes.iter().map(|(sort, _)| self.new_token(*sort)).collect();
        let expiries: Vec<i64> =
            wishes.iter().map(|(_, life)| now_micros() + life.unwrap_or(DEFAULT_LIFETIME_MICROS)).collect();
        let mut transaction = self.db.transaction().unwrap();
        insert_requests(&mut transaction, &mut subjects, &expiries, &self.users);
        insert_exports(&mut transaction, &subjects, &expiries, self.users.owner.id());
        transaction.commit().unwrap();
        subjects
    }

    fn new_token(&mut self, sort: TestTokenKind) -> TestToken {
        let entropy = entropy::token();
        let id = entropy.uuid(Timestamp::from_micros(now_micros()));
        let plain = TestToken {
            kind: sort,
            id,
            secret: String::new(),
            request_id: 0,
            target: 0,
            requester: 0,
            bundle: 0,
        };
        match sort {
            TestTokenKind::Export => {
                TestToken { secret: Token::random(TokenKind::Export, id, &entropy).expose(), ..plain }
            }
            TestTokenKind::Request => {
                let (pair, bundle) = (
                    self.created_requests % (USERS_PER_SIDE * USERS_PER_SIDE),
                    self.created_requests / (USERS_PER_SIDE * USERS_PER_SIDE),
                );
                self.created_requests += 1;
                if bundle == self.bundles.len() {
                    self.bundles.push(self.app.bundle(&format!("Bundle {bundle}"), 6).id.0);
                }
                TestToken {
                    secret: self.keyring.redeem_token(RedeemId(id)).expose(),
                    target: pair % USERS_PER_SIDE,
                    requester: pair / USERS_PER_SIDE,
                    bundle: self.bundles[bundle],
                    ..plain
                }
            }
        }
    }

    /// The state of these tokens in one snapshot.
    pub fn read_records(&mut self, subjects: &[TestToken]) -> Vec<TokenRecord> {
        let snapshot = self.db.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let mut snapshot = snapshot.read_only(true).start().unwrap();
        let read_at = now_micros();
        let mut records: HashMap<Uuid, TokenRecord> = HashMap::new();
        let ids = |sort| -> Vec<Uuid> {
            subjects.iter().filter(|subject| subject.kind == sort).map(|subject| subject.id).collect()
        };
        let requests = ids(TestTokenKind::Request);
        for row in snapshot.query(SELECT_REQUESTS, &[&requests]).unwrap() {
            let outcome: Option<&str> = row.get("outcome");
            let record = TokenRecord {
                request_id: row.get("id"),
                end_reason: outcome.map(end_reason),
                redeem_key: row.get("decision_key"),
                decision: StoredDecision {
                    rights: row.get("granted_permission"),
                    seconds: row.get("lasts"),
                    reason: row.get("reason"),
                },
                permissions: row.get("grants"),
                expires_at: Some(row.get("dies")),
                read_at,
                ..TokenRecord::default()
            };
            records.insert(row.get("redeem_id"), record);
        }
        for row in snapshot.query(SELECT_EXPORTS, &[&ids(TestTokenKind::Export)]).unwrap() {
            let end = row.get::<_, bool>("revoked").then_some(EndReason::Revoked);
            let expires_at = Some(row.get("dies"));
            records.insert(
                row.get("id"),
                TokenRecord { end_reason: end, expires_at, read_at, ..TokenRecord::default() },
            );
        }
        let mut successors: HashMap<i64, Vec<Successor>> = HashMap::new();
        for row in snapshot.query(SELECT_SUCCESSORS, &[&requests]).unwrap() {
            let successor =
                Successor { request_id: row.get("id"), mails: row.get("mails"), created_by: Vec::new() };
            successors.entry(row.get("of")).or_default().push(successor);
        }
        let trail = read_audit_log(&mut snapshot, subjects, &successors);
        let told = |name: String| trail.get(&name).cloned().unwrap_or_default();
        for successor in successors.values_mut().flatten() {
            let entries = told(format!("request:{}", successor.request_id)).into_iter();
            successor.created_by =
                entries.filter(|(action, _)| action == "request.created").map(|(_, by)| by).collect();
        }
        let complete = |subject: &TestToken| {
            let record = records.remove(&subject.id).unwrap();
            let successors = successors.remove(&record.request_id).unwrap_or_default();
            TokenRecord { audit_entries: told(subject.audit_subject()), successors, ..record }
        };
        subjects.iter().map(complete).collect()
    }

    /// The inconsistencies of the database as a whole: rows that contradict each other, and
    /// counters that differ from the counted rows.
    pub fn find_inconsistencies(&mut self) -> Vec<String> {
        self.app.schedule_decision_mails();
        let snapshot = self.db.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let mut snapshot = snapshot.read_only(true).start().unwrap();
        let mut count = |sql: &str| -> i64 { snapshot.query_one(sql, &[]).unwrap().get(0) };
        let found = CONSISTENCY_CHECKS.map(|(what, sql)| (what, count(sql)));
        found.into_iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what}")).collect()
    }
}

impl TestToken {
    /// The subject in the audit log.
    fn audit_subject(&self) -> String {
        match self.kind {
            TestTokenKind::Request => format!("request:{}", self.request_id),
            TestTokenKind::Export => format!("export:{}", self.id),
        }
    }
}

/// A connection that fault injection does not terminate.
pub fn connect(url: &str) -> postgres::Client {
    let mut db = postgres::Client::connect(url, NoTls).unwrap();
    db.batch_execute("SET application_name = 'chaos'").unwrap();
    db
}

fn insert_requests(
    transaction: &mut Transaction,
    subjects: &mut [TestToken],
    expiries: &[i64],
    people: &TestUsers,
) {
    let (mut ids, mut dies) = (Vec::new(), Vec::new());
    let (mut to, mut by, mut bundles) = (Vec::new(), Vec::new(), Vec::new());
    for (subject, expires_at) in subjects.iter().zip(expiries) {
        if subject.kind == TestTokenKind::Request {
            ids.push(subject.id);
            dies.push(*expires_at);
            to.push(people.targets[subject.target].id());
            by.push(people.requesters[subject.requester].id());
            bundles.push(subject.bundle);
        }
    }
    let rows = transaction.query(INSERT_REQUESTS, &[&ids, &to, &by, &bundles, &dies]).unwrap();
    let numbers: HashMap<Uuid, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    transaction.execute(INSERT_USER_COUNTERS, &[&[to, by].concat()]).unwrap();
    for subject in subjects {
        subject.request_id = numbers.get(&subject.id).copied().unwrap_or_default();
    }
}

fn insert_exports(transaction: &mut Transaction, subjects: &[TestToken], expiries: &[i64], owner: i64) {
    let (mut ids, mut digests, mut dies) = (Vec::new(), Vec::new(), Vec::new());
    for (subject, expires_at) in subjects.iter().zip(expiries) {
        if subject.kind == TestTokenKind::Export {
            let token = Token::parse(TokenKind::Export, &subject.secret).unwrap();
            ids.push(subject.id);
            digests.push(token.digest().as_bytes().to_vec());
            dies.push(*expires_at);
        }
    }
    transaction.execute(INSERT_EXPORTS, &[&ids, &digests, &dies, &owner, &HUB, &NODE]).unwrap();
}

/// The actions in the audit log by subject, each with the id of its operation, which the client
/// sends as `User-Agent`.
fn read_audit_log(
    snapshot: &mut Transaction,
    subjects: &[TestToken],
    successors: &HashMap<i64, Vec<Successor>>,
) -> HashMap<String, Vec<(String, Option<u64>)>> {
    let mut names: Vec<String> = subjects.iter().map(TestToken::audit_subject).collect();
    names.extend(successors.values().flatten().map(|successor| format!("request:{}", successor.request_id)));
    let mut trail: HashMap<String, Vec<(String, Option<u64>)>> = HashMap::new();
    for row in snapshot.query(SELECT_AUDIT_LOG, &[&names]).unwrap() {
        let client: Option<&str> = row.get("user_agent");
        let by = client.and_then(|client| client.strip_prefix("chaos-")?.parse().ok());
        trail.entry(row.get("subject")).or_default().push((row.get("action"), by));
    }
    trail
}

fn end_reason(outcome: &str) -> EndReason {
    match outcome {
        "approved" => EndReason::Redeemed,
        "declined" => EndReason::Declined,
        "withdrawn" => EndReason::Withdrawn,
        "replaced" => EndReason::Replaced,
        "expired" => EndReason::Expired,
        other => panic!("unexpected outcome {other}"),
    }
}

const INSERT_REQUESTS: &str = "INSERT INTO permission_requests (redeem_id, user_target, user_allowed, \
    bundle_id, permission, asked_by, created_at, expires_at) \
    SELECT i, t, a, b, 6, a, now(), to_timestamp(0) + e * interval '1 microsecond' \
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS w (i, t, a, b, e) \
    RETURNING redeem_id, id";
const INSERT_USER_COUNTERS: &str = "INSERT INTO user_counters (user_id, open_requests, active_permissions) \
    SELECT u, count(*), 0 FROM unnest($1::bigint[]) AS w (u) GROUP BY u";
const INSERT_EXPORTS: &str = "INSERT INTO export_tokens (id, creator, hub_id, node_id, permission, digest, \
    created_at, expires_at) SELECT i, $4, $5, $6, 2, d, now(), to_timestamp(0) + e * interval '1 microsecond' \
    FROM unnest($1::uuid[], $2::bytea[], $3::bigint[]) AS w (i, d, e)";
const SELECT_REQUESTS: &str = "SELECT r.id, r.redeem_id, r.outcome, r.decision_key, r.granted_permission, r.reason, \
    extract(epoch FROM r.permission_expires_at - r.closed_at)::bigint AS lasts, \
    (extract(epoch FROM r.expires_at) * 1000000)::bigint AS dies, \
    (SELECT count(*) FROM bundle_permissions AS p WHERE p.id = r.id) \
    + (SELECT count(*) FROM permission_requests AS p WHERE p.terms = r.terms AND p.active AND p.id <> r.id) \
    AS grants FROM permission_requests AS r WHERE r.redeem_id = ANY ($1)";
const SELECT_EXPORTS: &str = "SELECT id, revoked_at IS NOT NULL AS revoked, \
    (extract(epoch FROM expires_at) * 1000000)::bigint AS dies FROM export_tokens WHERE id = ANY ($1)";
const SELECT_SUCCESSORS: &str = "SELECT r.id AS of, s.id, \
    (SELECT count(*) FROM outbox AS o WHERE o.request_id = s.id AND o.notice IS NULL) AS mails \
    FROM permission_requests AS r JOIN permission_requests AS s ON s.terms = r.terms AND s.id > r.id \
    WHERE r.redeem_id = ANY ($1)";
/// Entries of fenced batches are excluded: they mark batches that were not executed. So are expiries
/// and first uses of export tokens, which the server records itself.
const SELECT_AUDIT_LOG: &str = "SELECT subject, action, user_agent FROM audit_log \
     WHERE subject = ANY ($1) AND action NOT IN ('operation.abandoned', 'export.expired', 'export.first_used')";
const CONSISTENCY_CHECKS: [(&str, &str); 6] = [
    (
        "requests that are redeemed and stand for nothing, or the other way round",
        "SELECT count(*) FROM permission_requests WHERE active <> coalesce(outcome = 'approved', false)",
    ),
    (
        "redemptions that the trail does not tell of just once",
        "SELECT count(*) FROM (SELECT 'request:' || id AS subject FROM permission_requests \
         WHERE outcome = 'approved') AS r FULL JOIN (SELECT subject, count(*) AS n FROM audit_log \
         WHERE action = 'request.approved' GROUP BY subject) AS e USING (subject) \
         WHERE r.subject IS NULL OR e.n IS DISTINCT FROM 1",
    ),
    (
        "terms that two permissions stand for",
        "SELECT count(*) FROM (SELECT 1 FROM bundle_permissions \
         GROUP BY user_target, user_allowed, bundle_id HAVING count(*) > 1) AS twice",
    ),
    (
        "expiries and first uses that are recorded more than once",
        "SELECT count(*) FROM (SELECT subject FROM audit_log \
         WHERE action LIKE '%.expired' OR action = 'export.first_used' \
         GROUP BY subject, action HAVING count(*) > 1) AS twice",
    ),
    (
        "requesters whose mails do not name each of their decisions once",
        "SELECT count(*) FROM (SELECT user_allowed AS user_id, count(*) AS n FROM permission_requests \
         WHERE outcome IN ('approved', 'declined') GROUP BY user_allowed) AS r FULL JOIN \
         (SELECT user_id, sum(cardinality(string_to_array(split_part(decided_requests, ' +', 1), ' ')) \
         + coalesce(nullif(split_part(decided_requests, '+', 2), '')::int, 0)) AS n FROM outbox \
         WHERE decided_requests IS NOT NULL GROUP BY user_id) AS o USING (user_id) WHERE r.n IS DISTINCT FROM o.n",
    ),
    (
        "users whose tallies are not what counting gives",
        "SELECT count(*) FROM (SELECT user_id FROM ( \
         SELECT user_id, open_requests, active_permissions FROM user_counters \
         UNION ALL SELECT unnest(ARRAY[user_target, user_allowed]), -1, 0 \
         FROM permission_requests WHERE closed_at IS NULL \
         UNION ALL SELECT unnest(ARRAY[user_target, user_allowed]), 0, -1 FROM bundle_permissions \
         ) AS t GROUP BY user_id HAVING sum(open_requests) <> 0 OR sum(active_permissions) <> 0) AS wrong",
    ),
];
