//! Instructions and allocations of the server for one request, which arrives alone, compared with the budgets in
//! `instructions.toml`. The bench fails if a request takes more instructions than its budget and 2 %.
//!
//! The debug server has budgets of its own, so that the tests can check them without a release build.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use harness::bench::{Bench, Target, median, report_directory};
use harness::callgrind::{CountedServer, environment};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures;
use harness::load::SequentialClient;
use harness::options::Options;
use harness::requests::Requests;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Requests in a round. The debug server is ten times slower.
const REQUESTS_PER_ROUND: usize = if cfg!(debug_assertions) { 4 } else { 40 };
/// Requests before the first round, which fill caches and prepare statements.
const WARM_UP: usize = if cfg!(debug_assertions) { 6 } else { 40 };
/// Requests before the first round that cause a mail. The mail server never responds: soon the server is sending as
/// many mails as it may, and then only queues them.
const WARM_UP_WITH_MAILS: usize = 24 + WARM_UP;
/// Open requests of each target, more than fit on a page.
const OPEN_REQUESTS: usize = 30;
/// Evaluations in a batch.
const BATCH: usize = 16;
/// The deviation from the budget that fails the bench, or asks for a lower budget.
const TOLERANCE: f64 = if cfg!(debug_assertions) { 0.05 } else { 0.02 };
/// The same with another compiler, C library or Valgrind than that of the budgets.
const TOLERANCE_ELSEWHERE: f64 = 0.1;

/// The counts of one request in each round.
#[derive(Debug, Default)]
struct Measurement {
    instructions: Vec<f64>,
    allocations: Vec<f64>,
}

/// What was measured, by what the request does and the database: `redeem, SQLite`.
type Results = BTreeMap<String, Measurement>;

fn main() -> ExitCode {
    let mut complaints = Vec::new();
    harness::run("instructions", |bench| {
        let options = &bench.options;
        // Together, because the counts do not depend on the load of the machine.
        let results = std::thread::scope(|scope| {
            let on_sqlite = scope.spawn(|| count_on(&Database::sqlite(), options));
            let mut results = count_on(&Database::postgres(&Rc::new(Cluster::start())), options);
            results.append(&mut on_sqlite.join().unwrap());
            results
        });
        complaints = report(bench, &results);
    });
    complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Counts requests of each kind on this database.
fn count_on(database: &Database, options: &Options) -> Results {
    // No user sends two requests, so that each one looks its caller up. Only the caller of the evaluations is always
    // the same, as a resource server is.
    let count = WARM_UP_WITH_MAILS + REQUESTS_PER_ROUND * options.rounds();
    let half = 3 * count + OPEN_REQUESTS;
    let users = fixtures::insert_users(database, 2 * half);
    fixtures::insert_hubs(database, &users);
    let cookies = fixtures::insert_sessions(database, &users);
    let exports = fixtures::insert_exports(database, &users, count, count);
    let permissions = fixtures::insert_permissions(database, &users, count + BATCH);
    let key = fixtures::insert_key_with_scope(database, "check");
    database.checkpoint();

    let silent_mail_server = TcpListener::bind("127.0.0.1:0").unwrap();
    let smtp_url = format!("smtp://{}", silent_mail_server.local_addr().unwrap());
    let server = CountedServer::start(database, &[("SMTP_URL", &smtp_url)]);
    let mut counter = Counter { server, database: database.backend.name(), options, results: Results::new() };

    let [mut evaluation, mut evaluations] = [200; 2].map(Requests::new);
    let headers = fixtures::json_headers(&key);
    for batch in permissions.windows(BATCH) {
        let mut body = fixtures::evaluation(&users, &batch[0]);
        evaluation.push("POST", "/access/v1/evaluation", &headers, &body.to_string());
        let resource =
            |permission| json!({ "resource": fixtures::evaluation(&users, permission)["resource"] });
        body["evaluations"] = batch.iter().map(resource).collect();
        evaluations.push("POST", "/access/v1/evaluations", &headers, &body.to_string());
    }
    counter.count("evaluation", &evaluation, WARM_UP);
    counter.count(&format!("{BATCH} evaluations"), &evaluations, WARM_UP);

    let open = fixtures::insert_open_requests(database, &users, half * OPEN_REQUESTS);
    database.checkpoint();
    let [mut list, mut home, mut ask, mut create, mut authz] = [200, 200, 201, 200, 204].map(Requests::new);
    for (nth, export) in exports.iter().enumerate() {
        // The targets of the first requests redeem them.
        let (reader, creator, asker) = (count + nth, 2 * count + nth, 2 * half - 1 - nth);
        let authorization = [("Authorization", users[reader].authorization.as_str())];
        list.push("GET", "/api/bundle_permission_request/?limit=20", &authorization, "");
        home.push("GET", "/", &[("Cookie", &cookies[reader])], "");
        fixtures::push_ask(&mut ask, &users[asker], &users[reader].email);
        fixtures::push_create_export(&mut create, &users[creator]);
        fixtures::push_authz(&mut authz, &users, export);
    }
    counter.count("list", &list, WARM_UP);
    counter.count("home page", &home, WARM_UP);
    counter.count("redeem", &fixtures::redeem_requests(&users, &open[..count]), WARM_UP);
    counter.count("create", &create, WARM_UP);
    counter.count("authz", &authz, WARM_UP);
    counter.count("ask", &ask, WARM_UP_WITH_MAILS);
    counter.results
}

/// Counts the requests to a server.
struct Counter<'a> {
    server: CountedServer,
    database: &'static str,
    options: &'a Options,
    results: Results,
}

impl Counter<'_> {
    /// Sends these requests one after the other. Keeps the profile of the last round.
    fn count(&mut self, what: &str, requests: &Requests, warm_up: usize) {
        let what = format!("{what}, {}", self.database);
        if !self.options.is_selected(&what) {
            return;
        }
        let mut client = SequentialClient::connect(self.server.server.address);
        let mut next = 0..requests.len();
        let mut send = |count: usize| {
            for nth in next.by_ref().take(count) {
                let status = client.send(requests.get(nth).unwrap());
                let response = String::from_utf8_lossy(client.response());
                assert_eq!(status, requests.status, "{what}: {response}");
            }
        };
        send(warm_up);
        let mut measurement = Measurement::default();
        let mut last_profile = None;
        for _ in 0..self.options.rounds() {
            let (counts, profile) = self.server.count(|| send(REQUESTS_PER_ROUND));
            measurement.instructions.push(counts.instructions as f64 / REQUESTS_PER_ROUND as f64);
            measurement.allocations.push(counts.allocations as f64 / REQUESTS_PER_ROUND as f64);
            last_profile = Some(profile);
        }
        let directory = report_directory().join("instructions");
        std::fs::create_dir_all(&directory).unwrap();
        let file_name = what.to_lowercase().replace(", ", "-").replace(' ', "_");
        std::fs::copy(last_profile.unwrap(), directory.join(file_name)).unwrap();
        self.results.insert(what, measurement);
    }
}

/// The instructions that each request may take.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Budgets {
    debug: ProfileBudgets,
    release: ProfileBudgets,
}

/// The budgets of the server with a Cargo profile.
#[derive(Debug, Default, Deserialize, Serialize)]
struct ProfileBudgets {
    /// Where the requests were counted.
    environment: String,
    instructions: BTreeMap<String, u64>,
}

/// The comment of the file.
const BUDGETS_HEADER: &str = "\
# Instructions of the server for one request: the budgets of the bench `instructions`. These commands write them:
#
#   UPDATE_BUDGETS=1 make bench ARGS=instructions                 the release server
#   UPDATE_BUDGETS=1 make test ARGS='--bench instructions'        the debug server, which `make test` checks

";

impl Budgets {
    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml")
    }

    fn load() -> Self {
        toml::from_str(&std::fs::read_to_string(Self::path()).unwrap()).unwrap()
    }

    fn save(&self) {
        std::fs::write(Self::path(), format!("{BUDGETS_HEADER}{}", toml::to_string(self).unwrap())).unwrap();
    }

    /// The budgets of this build.
    fn current(&mut self) -> &mut ProfileBudgets {
        if cfg!(debug_assertions) { &mut self.debug } else { &mut self.release }
    }
}

/// Reports the counts beside their budgets. Returns a line for each budget that is exceeded. If `UPDATE_BUDGETS` is set,
/// writes new budgets instead.
fn report(bench: &mut Bench, results: &Results) -> Vec<String> {
    let mut file = Budgets::load();
    let budgets = file.current();
    let environment = environment();
    let is_update = std::env::var_os("UPDATE_BUDGETS").is_some();
    if is_update {
        budgets.environment.clone_from(&environment);
        let medians =
            results.iter().map(|(what, of)| (what.clone(), median(&of.instructions).round() as u64));
        budgets.instructions.extend(medians);
    }
    let tolerance = if budgets.environment == environment { TOLERANCE } else { TOLERANCE_ELSEWHERE };
    if tolerance > TOLERANCE {
        eprintln!(
            "counted with {environment}, but the budgets with {}: {} % more is allowed",
            budgets.environment,
            100.0 * tolerance
        );
    }
    let mut complaints = Vec::new();
    for (what, measurement) in results {
        let count = median(&measurement.instructions);
        let Some(budget) = budgets.instructions.get(what).map(|budget| *budget as f64) else {
            complaints.push(format!("{what}: {count:.0} instructions, but no budget; set UPDATE_BUDGETS=1"));
            continue;
        };
        let most = budget * (1.0 + tolerance);
        bench.metric(what, &measurement.instructions, " instructions", Target::AtMost(most, budget));
        let change = 100.0 * (count / budget - 1.0);
        if count > most {
            complaints.push(format!("{what}: {count:.0} instructions, {change:.1} % more than the budget"));
        } else if count < budget * (1.0 - tolerance) {
            eprintln!(
                "{what}: {count:.0} instructions, {:.1} % less than the budget; set UPDATE_BUDGETS=1",
                -change
            );
        }
    }
    for (what, measurement) in results {
        bench.metric(what, &measurement.allocations, " allocations", Target::Unbounded);
    }
    if is_update {
        file.save();
    }
    complaints
}
