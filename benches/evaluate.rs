//! Access decisions (AuthZEN) beside `/authz`: single ones, and batches of 256, of which each
//! decision counts as an operation.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures::{BenchExport, BenchPermission, BenchUser};
use harness::load::RunResult;
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, load};
use serde_json::{Value, json};

/// The number of active tokens and of active permissions. The requests cover all of them.
const ROWS: usize = 20_000;
/// The size of a batch, the largest that is allowed.
const BATCH: usize = 256;
/// The connections that send batches: together as many evaluations as the registry can hold.
const BATCH_CONNECTIONS: usize = 8;

fn main() {
    harness::run("evaluate", |bench| {
        let cluster = Rc::new(Cluster::start());
        run_on(bench, &Database::postgres(&cluster));
        run_on(bench, &Database::sqlite());
    });
}

/// The rows and the caller of the requests.
struct Fixture {
    people: Vec<BenchUser>,
    exports: Vec<BenchExport>,
    permissions: Vec<BenchPermission>,
    key: String,
}

impl Fixture {
    fn insert(database: &Database) -> Self {
        let people = fixtures::insert_users(database, 2_000);
        fixtures::insert_hubs(database, &people);
        let exports = fixtures::insert_exports(database, &people, ROWS, ROWS);
        let permissions = fixtures::insert_permissions(database, &people, ROWS);
        let key = fixtures::insert_key_with_scope(database, "check");
        Self { people, exports, permissions, key }
    }

    fn authz(&self) -> Requests {
        let mut requests = Requests::new(204);
        self.exports.iter().for_each(|export| fixtures::push_authz(&mut requests, &self.people, export));
        requests
    }

    fn hub(&self, export: &BenchExport) -> String {
        fixtures::hub_id(self.people[export.creator].id)
    }

    fn post(&self, path: &str, bodies: impl Iterator<Item = Value>) -> Requests {
        let mut requests = Requests::new(200);
        let headers = fixtures::json_headers(&self.key);
        bodies.for_each(|body| requests.push("POST", path, &headers, &body.to_string()));
        requests
    }

    /// Whether a token may read the node.
    fn of_token(&self, export: &BenchExport) -> Value {
        let resource = json!({ "type": "node", "id": "node1", "properties": { "hub_id": self.hub(export) } });
        json!({ "subject": { "type": "export_token", "id": export.token }, "action": { "name": "read" }, "resource": resource })
    }

    /// A token that a listing of a folder with 256 files checks.
    fn folder(&self, export: &BenchExport) -> Value {
        let mut body = self.of_token(export);
        let file = |nth: usize| {
            let properties = json!({ "hub_id": self.hub(export), "ancestors": ["node1"] });
            json!({ "resource": { "type": "node", "id": format!("file{nth}"), "properties": properties } })
        };
        body["evaluations"] = (0..BATCH).map(file).collect();
        body
    }

    /// 256 tokens.
    fn tokens(&self, exports: &[BenchExport]) -> Value {
        json!({ "evaluations": exports.iter().map(|export| self.of_token(export)).collect::<Vec<_>>() })
    }

    /// A user and 256 others.
    fn users(&self, permissions: &[BenchPermission]) -> Value {
        let mut body = fixtures::evaluation(&self.people, &permissions[0]);
        let others = permissions
            .iter()
            .map(|it| json!({ "resource": fixtures::evaluation(&self.people, it)["resource"] }));
        body["evaluations"] = others.collect();
        body
    }
}

fn run_on(bench: &mut Bench, database: &Database) {
    let backend = database.backend.name();
    let fixture = Fixture::insert(database);
    database.checkpoint();
    let server = Server::start(database);
    let address = server.address;
    let singles = [
        ("/authz", fixture.authz()),
        (
            "export token",
            fixture.post("/access/v1/evaluation", fixture.exports.iter().map(|it| fixture.of_token(it))),
        ),
        (
            "user",
            fixture.post(
                "/access/v1/evaluation",
                fixture.permissions.iter().map(|it| fixtures::evaluation(&fixture.people, it)),
            ),
        ),
    ];
    let batch = |bodies: Vec<Value>| fixture.post("/access/v1/evaluations", bodies.into_iter());
    let folders = fixture.exports.iter().step_by(ROWS / 64).map(|export| fixture.folder(export)).collect();
    let tokens = fixture.exports.chunks_exact(BATCH).map(|exports| fixture.tokens(exports)).collect();
    let users = fixture.permissions.chunks_exact(BATCH).map(|chunk| fixture.users(chunk)).collect();
    let batches = [
        ("256 files by one token", batch(folders)),
        ("256 users by one user", batch(users)),
        ("256 tokens", batch(tokens)),
    ];

    let mut comparison = bench.comparison();
    let panel = format!("decisions, {backend}");
    let singles = singles.each_ref().map(|(name, requests)| {
        comparison.add(&panel, name, 64, move |window| load::closed_loop(address, requests, 64, window))
    });
    let batches = batches.each_ref().map(|(name, requests)| {
        let id = comparison.add(&panel, name, BATCH_CONNECTIONS, move |window| {
            per_decision(load::closed_loop(address, requests, BATCH_CONNECTIONS, window))
        });
        (name, id)
    });
    comparison.run(bench, database.directory());

    let [authz, of_token, of_user] = singles;
    bench.ratio(
        &format!("{backend}, export token @64 ÷ /authz @64"),
        of_token,
        authz,
        Target::AtLeast(0.8, 1.0),
    );
    bench.ratio(&format!("{backend}, user @64 ÷ /authz @64"), of_user, authz, Target::AtLeast(0.8, 1.0));
    for ((name, id), target) in batches.into_iter().zip([10.0, 10.0, 0.0]) {
        let target = if target > 0.0 { Target::AtLeast(target, 2.0 * target) } else { Target::Unbounded };
        bench.ratio(&format!("{backend}, {name} ÷ /authz @64"), id, authz, target);
    }
}

/// Counts each decision of a batch. Latencies remain those of the whole batch.
fn per_decision(run_result: RunResult) -> RunResult {
    RunResult { operations: run_result.operations * BATCH as u64, ..run_result }
}
