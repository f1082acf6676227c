//! What the readers of the audit log cost redemptions: mails about decisions, webhooks and seals, compared with a database
//! that has no readers, and no order for them. A webhook receives other events, so that all entries are read.
//!
//! The log is sealed every ten seconds: `--seconds 10` contains the whole cost.
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
use std::time::{Duration, Instant};

use harness::bench::{Bench, Comparison, SeriesId, Target};
use harness::cluster::Cluster;
use harness::database::{Backend, Database};
use harness::fixtures::{self, BenchUser, RowSupply};
use harness::load;
use harness::server::Server;

/// How long the readers may take to catch up after a measurement.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(120);
/// The position of entries that are in no order. The index exists for the readers alone.
const WITHOUT_ORDER: &str =
    "ALTER TABLE audit_log ALTER COLUMN position SET DEFAULT 0; DROP INDEX audit_log_position";

const STILL_OPEN: &str = "SELECT count(*) FROM permission_requests WHERE closed_at IS NULL";

fn main() {
    harness::run("audit_readers", |bench| {
        let cluster = Rc::new(Cluster::start());
        measure(bench, || Database::postgres(&cluster));
        measure(bench, Database::sqlite);
    });
}

fn measure(bench: &mut Bench, database: impl Fn() -> Database) {
    let with = Contestant::start(database(), true);
    let without = Contestant::start(database(), false);
    let backend = with.database.backend.name();
    let mut comparison = bench.comparison();
    let series = [64, 256].map(|connections| {
        [&with, &without].map(|contestant| contestant.redeem(&mut comparison, connections))
    });
    comparison.run(bench, with.database.directory());
    for (nth, (connections, [redeem_with, redeem_without])) in [64, 256].into_iter().zip(series).enumerate() {
        let what = format!("{backend}, redeem @{connections} with readers ÷ without");
        bench.ratio(&what, redeem_with, redeem_without, Target::AtLeast(0.95, 1.0));
        let costs = [&with, &without].map(|contestant| contestant.micros[nth].borrow());
        let ratios: Vec<f64> =
            costs[0].iter().zip(costs[1].iter()).map(|(with, without)| with / without).collect();
        if !ratios.is_empty() {
            let what = format!("{backend}, CPU a redemption @{connections} with readers ÷ without");
            bench.metric(&what, &ratios, "×", Target::AtMost(1.05, 1.0));
            bench.metric(
                &format!("{backend}, CPU a redemption @{connections} without"),
                &costs[1],
                " µs",
                Target::Unbounded,
            );
        }
    }
}

/// A server, with or without readers.
struct Contestant {
    database: Database,
    users: Vec<BenchUser>,
    server: Server,
    has_readers: bool,
    /// The CPU time of server and database a redemption, in microseconds, of the runs @64 and @256.
    micros: [RefCell<Vec<f64>>; 2],
}

impl Contestant {
    fn start(database: Database, has_readers: bool) -> Self {
        let users = fixtures::insert_users(&database, 2_000);
        if has_readers {
            fixtures::insert_webhook(&database, users[0].id, "http://127.0.0.1:9/", "export.created");
        } else {
            if database.backend == Backend::Postgres {
                database.execute(WITHOUT_ORDER);
            }
            database.execute("DELETE FROM audit_cursors");
        }
        let server = Server::start(&database);
        Self { database, users, server, has_readers, micros: [RefCell::default(), RefCell::default()] }
    }

    fn redeem<'a>(&'a self, comparison: &mut Comparison<'a>, connections: usize) -> SeriesId {
        let panel = format!("redeem, {}", self.database.backend.name());
        let series = if self.has_readers { "with readers" } else { "without" };
        let mut row_supply = RowSupply::new(connections);
        comparison.add(&panel, series, connections, move |window| {
            let open = fixtures::insert_open_requests(&self.database, &self.users, row_supply.rows());
            self.database.checkpoint();
            let requests = fixtures::redeem_requests(&self.users, &open);
            let cpu_time = self.server.cpu_time() + self.database.cpu_time();
            let run_result = load::closed_loop(self.server.address, &requests, connections, window);
            self.wait_for_readers();
            let cpu_time = self.server.cpu_time() + self.database.cpu_time() - cpu_time;
            let redeemed = open.len() as i64 - self.database.query_i64(STILL_OPEN);
            self.micros[usize::from(connections > 64)]
                .borrow_mut()
                .push(cpu_time.as_micros() as f64 / redeemed as f64);
            row_supply.observe(run_result, window)
        })
    }

    /// What is left to read must not slow the next measurement.
    fn wait_for_readers(&self) {
        let behind =
            "SELECT count(*) FROM audit_cursors WHERE position < (SELECT max(position) FROM audit_log)";
        let started = Instant::now();
        while self.database.query_i64(behind) > 0 {
            assert!(started.elapsed() < CATCH_UP_TIMEOUT, "the readers are behind");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
