//! The cost of a million active tokens, or the number in `--tokens`: memory, startup time, and the
//! slowdown of redemptions and checks.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::cell::RefCell;
use std::rc::Rc;

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures::{BenchExport, BenchUser, OpenRequest, RowSupply};
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, load};

/// The number of tokens to compare with.
const SMALL_COUNT: usize = 10_000;
/// The number of tokens that are checked.
const CHECKED_TOKENS: usize = 10_000;
/// The number of starts for measuring the startup time.
const SERVER_STARTS: usize = 5;

fn main() {
    harness::run("scale", |bench| {
        let cluster = Rc::new(Cluster::start());
        let many = bench.options.tokens(50_000);
        run_on(bench, [SMALL_COUNT, many].map(|count| ScaleBench::new(Database::postgres(&cluster), count)));
        run_on(bench, [SMALL_COUNT, many].map(|count| ScaleBench::new(Database::sqlite(), count)));
    });
}

/// The minimum number of open requests: a fast machine redeems tens of thousands during one
/// measurement.
const MIN_OPEN_REQUESTS: usize = 60_000;

/// A server whose database has this number of active export tokens and as many open requests.
struct ScaleBench {
    database: Database,
    users: Vec<BenchUser>,
    exports: Vec<BenchExport>,
    open: RefCell<Vec<OpenRequest>>,
    count: usize,
    server: Server,
    /// The time until the first response of each start, in milliseconds.
    startup_times_ms: Vec<f64>,
}

impl ScaleBench {
    fn new(database: Database, count: usize) -> Self {
        eprintln!("seeding {count} tokens and as many requests, or more, on {}", database.backend.name());
        // Enough that no pair of users has two requests.
        let users = fixtures::insert_users(&database, 2 * (count as f64).sqrt().ceil().max(1_000.0) as usize);
        fixtures::insert_hubs(&database, &users);
        let exports = fixtures::insert_exports(&database, &users, count, CHECKED_TOKENS);
        let open =
            RefCell::new(fixtures::insert_open_requests(&database, &users, count.max(MIN_OPEN_REQUESTS)));
        database.checkpoint();
        let startup_times_ms =
            (0..SERVER_STARTS).map(|_| Server::start(&database).startup_time.as_secs_f64() * 1e3).collect();
        let server = Server::start(&database);
        Self { database, users, exports, open, count, server, startup_times_ms }
    }

    /// Redemptions of open requests. A small set is created again when it runs low, a large one is
    /// sufficient.
    fn redemptions(&self, count: usize) -> Requests {
        let mut open = self.open.borrow_mut();
        let all = self.count.max(MIN_OPEN_REQUESTS);
        if open.len() < count.min(all) {
            *open = fixtures::insert_open_requests(&self.database, &self.users, all);
            self.database.checkpoint();
        }
        let rest = open.len() - count.min(open.len());
        fixtures::redeem_requests(&self.users, &open.split_off(rest))
    }

    fn authz(&self) -> Requests {
        let mut requests = Requests::new(204);
        for export in &self.exports {
            let hub = fixtures::hub_id(self.users[export.creator].id);
            let path = format!("/authz?hub_id={hub}&nid=node1&right=read");
            requests.push("GET", &path, &[("X-Param-Mfs-Token", &export.token)], "");
        }
        requests
    }
}

fn run_on(bench: &mut Bench, stages: [ScaleBench; 2]) {
    let backend = stages[0].database.backend.name();
    let mut comparison = bench.comparison();
    let told = [64, 256].map(|connections| {
        stages.each_ref().map(|stage| {
            let series = format!("{} tokens", stage.count);
            let mut row_supply = RowSupply::new(connections);
            let redeem = comparison.add(&format!("redeem, {backend}"), &series, connections, move |window| {
                let requests = stage.redemptions(row_supply.rows());
                let run_result = load::closed_loop(stage.server.address, &requests, connections, window);
                row_supply.observe(run_result, window)
            });
            let requests = stage.authz();
            let authz = comparison.add(&format!("authz, {backend}"), &series, connections, move |window| {
                load::closed_loop(stage.server.address, &requests, connections, window)
            });
            [redeem, authz]
        })
    });
    comparison.run(bench, stages[0].database.directory());
    let [few, many] = &stages;
    for ([few_at, many_at], connections) in told.iter().zip([64, 256]) {
        for (nth, what) in ["redeem", "authz"].into_iter().enumerate() {
            let what = format!("{backend}, {what} @{connections}: {} ÷ {} tokens", many.count, few.count);
            bench.ratio(&what, many_at[nth], few_at[nth], Target::Unbounded);
        }
    }
    for stage in &stages {
        let on = |what: &str| format!("{backend}, {} tokens: {what}", stage.count);
        let resident = stage.server.peak_resident_bytes() as f64 / 1e6;
        bench.metric(&on("most in memory"), &[resident], " MB", Target::AtMost(80.0, 40.0));
        bench.metric(&on("first answer"), &stage.startup_times_ms, " ms", Target::AtMost(150.0, 50.0));
        let bytes = stage.database.size_bytes() as f64 / 1e6;
        bench.metric(&on("on disk, with what was redeemed"), &[bytes], " MB", Target::Unbounded);
    }
}
