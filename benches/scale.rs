//! What a million live tokens cost, or as many as `--tokens` says: memory, the
//! time to the first answer, and how much slower a redemption or a check gets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has failed"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::cell::RefCell;
use std::rc::Rc;

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::requests::Requests;
use harness::seed::{Export, Open, Person, Stock};
use harness::server::Server;
use harness::{load, seed};

/// What the many are compared with.
const FEW: usize = 10_000;
/// Tokens that are asked about.
const ASKED: usize = 10_000;
/// How often the server is started for its first answer.
const STARTS: usize = 5;

fn main() {
    harness::run("scale", |bench| {
        let cluster = Rc::new(Cluster::start());
        let many = if bench.options.quick { 50_000 } else { bench.options.tokens };
        on(bench, [FEW, many].map(|count| Stage::new(Database::postgres(&cluster), count)));
        on(bench, [FEW, many].map(|count| Stage::new(Database::sqlite(), count)));
    });
}

/// Open requests, at the least: a fast machine redeems tens of thousands while it is
/// measured once.
const LEAST_OPEN: usize = 60_000;

/// A server on a database with so many export tokens that live, and as many
/// requests that are open.
struct Stage {
    database: Database,
    people: Vec<Person>,
    exports: Vec<Export>,
    open: RefCell<Vec<Open>>,
    count: usize,
    server: Server,
    /// Until the first answer, in milliseconds, start by start.
    starts: Vec<f64>,
}

impl Stage {
    fn new(database: Database, count: usize) -> Self {
        eprintln!("seeding {count} tokens and as many requests, or more, on {}", database.backend.name());
        // Enough that each asks each no more than once.
        let people = seed::people(&database, 2 * (count as f64).sqrt().ceil().max(1_000.0) as usize);
        seed::hubs(&database, &people);
        let exports = seed::exports(&database, &people, count, ASKED);
        let open = RefCell::new(seed::open_requests(&database, &people, count.max(LEAST_OPEN)));
        database.settle();
        let starts = (0..STARTS).map(|_| Server::start(&database).first_answer.as_secs_f64() * 1e3).collect();
        let server = Server::start(&database);
        Self { database, people, exports, open, count, server, starts }
    }

    /// Redemptions of requests that are still open. The few are made anew when they
    /// run low, the many outlast the bench.
    fn redemptions(&self, count: usize) -> Requests {
        let mut open = self.open.borrow_mut();
        let all = self.count.max(LEAST_OPEN);
        if open.len() < count.min(all) {
            *open = seed::open_requests(&self.database, &self.people, all);
            self.database.settle();
        }
        let rest = open.len() - count.min(open.len());
        seed::redemptions(&self.people, &open.split_off(rest))
    }

    fn authz(&self) -> Requests {
        let mut requests = Requests::new(204);
        for export in &self.exports {
            let hub = seed::hub(self.people[export.creator].id);
            let path = format!("/authz?hub_id={hub}&nid=node1&right=read");
            requests.push("GET", &path, &[("X-Param-Mfs-Token", &export.token)], "");
        }
        requests
    }
}

fn on(bench: &mut Bench, stages: [Stage; 2]) {
    let backend = stages[0].database.backend.name();
    let mut race = bench.race();
    let told = [64, 256].map(|connections| {
        stages.each_ref().map(|stage| {
            let series = format!("{} tokens", stage.count);
            let mut stock = Stock::new(connections);
            let redeem = race.enter(&format!("redeem, {backend}"), &series, connections, move |window| {
                let requests = stage.redemptions(stock.rows());
                let lap = load::closed(stage.server.address, &requests, connections, window);
                stock.after(lap, window)
            });
            let requests = stage.authz();
            let authz = race.enter(&format!("authz, {backend}"), &series, connections, move |window| {
                load::closed(stage.server.address, &requests, connections, window)
            });
            [redeem, authz]
        })
    });
    race.run(bench, stages[0].database.directory());
    let [few, many] = &stages;
    for ([few_at, many_at], connections) in told.iter().zip([64, 256]) {
        for (nth, what) in ["redeem", "authz"].into_iter().enumerate() {
            let what = format!("{backend}, {what} @{connections}: {} ÷ {} tokens", many.count, few.count);
            bench.ratio(&what, many_at[nth], few_at[nth], Target::None);
        }
    }
    for stage in &stages {
        let on = |what: &str| format!("{backend}, {} tokens: {what}", stage.count);
        let resident = stage.server.most_resident_bytes() as f64 / 1e6;
        bench.figure(&on("most in memory"), &[resident], " MB", Target::AtMost(80.0, 40.0));
        bench.figure(&on("first answer"), &stage.starts, " ms", Target::AtMost(150.0, 50.0));
        let bytes = stage.database.bytes() as f64 / 1e6;
        bench.figure(&on("on disk, with what was redeemed"), &[bytes], " MB", Target::None);
    }
}
