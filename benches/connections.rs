//! Many keep-alive connections that each ask now and then: the memory of a connection, and the
//! latency from the time at which a request was due.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;
use std::time::Duration;

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures::{BenchExport, BenchUser};
use harness::load::{MeasurementWindow, RunResult};
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, load};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How often each connection asks.
const PERIOD: Duration = Duration::from_secs(10);
/// The numbers of connections.
const CONNECTIONS: [usize; 2] = [1_000, 10_000];
/// The number of active tokens.
const TOKENS: usize = 20_000;

fn main() {
    harness::run("connections", |bench| {
        // A connection takes a file descriptor here, and one in the server.
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
        let cluster = Rc::new(Cluster::start());
        run_on(bench, &Database::postgres(&cluster));
        run_on(bench, &Database::sqlite());
    });
}

/// A proxy's check of a request.
fn authz(exports: &[BenchExport], people: &[BenchUser]) -> Requests {
    let mut requests = Requests::new(204);
    for export in exports {
        let hub = fixtures::hub_id(people[export.creator].id);
        let path = format!("/authz?hub_id={hub}&nid=node1&right=read");
        requests.push("GET", &path, &[("X-Param-Mfs-Token", export.token.as_str())], "");
    }
    requests
}

fn run_on(bench: &mut Bench, database: &Database) {
    let backend = database.backend.name();
    let people = fixtures::insert_users(database, 2_000);
    fixtures::insert_hubs(database, &people);
    let exports = fixtures::insert_exports(database, &people, TOKENS, TOKENS);
    database.checkpoint();
    let requests = authz(&exports, &people);
    let mut results = CONNECTIONS.map(|_| (Vec::new(), Vec::new()));
    let bar = harness::bench::progress((bench.options.rounds() * CONNECTIONS.len()) as u64);
    for round in 0..bench.options.rounds() {
        for (connections, (memory, latency)) in CONNECTIONS.into_iter().zip(&mut results) {
            bar.set_message(format!("round {} · {backend} @{connections}", round + 1));
            let (bytes, run) = measure(database, &requests, connections, bench.options.quick);
            memory.push(bytes / 1_024.0);
            let latencies = run.latencies.unwrap();
            assert!(latencies.len() as usize >= connections / 2, "{} answers", latencies.len());
            latency.push(latencies.value_at_quantile(0.99) as f64 / 1e6);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for (connections, (memory, latency)) in CONNECTIONS.into_iter().zip(results) {
        let on = |what: &str| format!("{backend}, {connections} connections: {what}");
        bench.metric(&on("memory of a connection"), &memory, " KiB", Target::Unbounded);
        bench.metric(&on("p99 of a check"), &latency, " ms", Target::Unbounded);
    }
}

/// Starts a server, opens the connections, and sends a request over each of them in every
/// [`PERIOD`]. Returns the memory of a connection in bytes, too.
fn measure(database: &Database, requests: &Requests, connections: usize, quick: bool) -> (f64, RunResult) {
    let server = Server::start(database);
    let warm = MeasurementWindow { warm_up: Duration::ZERO, measured: Duration::from_millis(500) };
    load::closed_loop(server.address, requests, 64, warm);
    let before = server.peak_resident_bytes() as f64;
    let rate = connections as f64 / PERIOD.as_secs_f64();
    let measured = if quick { PERIOD / 2 } else { PERIOD };
    let window = MeasurementWindow { warm_up: Duration::from_millis(300), measured };
    let run = load::now_and_then(server.address, requests, connections, rate, window);
    let grown = server.peak_resident_bytes() as f64 - before;
    (grown / connections as f64, run)
}
