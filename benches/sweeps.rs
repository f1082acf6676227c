//! The sweeps of a million active permissions that end, or the number in `--tokens`: passes in which nothing is due,
//! compared with those of ten thousand, and how many permissions a second get their reminders.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use countersign::domain::rate_limit::RequestLimits;
use countersign::store::sweeps::{self, LAG_SECONDS, Sweep};
use countersign::store::{Clock, Store};

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::{Database, Value};
use harness::fixtures;
use harness::load::RunResult;

/// The number of permissions to compare with.
const SMALL_COUNT: usize = 10_000;
/// The number of permissions that get reminders.
const REMINDED: i64 = 10_000;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// The first permission ends this long after the start of the bench, and each other one a second after the one before.
const FIRST_END: i64 = 30 * DAY;

fn main() {
    harness::run("sweeps", |bench| {
        let cluster = Rc::new(Cluster::start());
        let many = bench.options.tokens(50_000);
        run_on(bench, [SMALL_COUNT, many].map(|count| Stage::new(Database::postgres(&cluster), count)));
        run_on(bench, [SMALL_COUNT, many].map(|count| Stage::new(Database::sqlite(), count)));
    });
}

/// A database that has this number of permissions, with a clock that the bench sets.
struct Stage {
    database: Database,
    store: Store,
    count: usize,
    started_at: i64,
    clock: Arc<AtomicI64>,
}

impl Stage {
    fn new(database: Database, count: usize) -> Self {
        eprintln!("seeding {count} permissions on {}", database.backend.name());
        let started_at = fixtures::now();
        let people = fixtures::insert_users(&database, 2 * (count as f64).sqrt().ceil() as usize);
        let end = |nth| Value::Time(started_at + FIRST_END + nth * SECOND);
        fixtures::insert_permissions_with_ends(&database, &people, count, end);
        database.checkpoint();
        let clock = Arc::new(AtomicI64::new(started_at));
        let manual = Clock::Manual(Arc::clone(&clock));
        let store = Store::connect(&database.url.parse().unwrap(), 4, manual).unwrap();
        let stage = Self { database, store, count, started_at, clock };
        assert_eq!(stage.sweep(), 0, "sweeps that have never run start now");
        stage.clock.fetch_add(DAY, Ordering::SeqCst);
        stage
    }

    /// One step of each sweep. Returns the number of rows that were due.
    fn sweep(&self) -> usize {
        let limits = RequestLimits::default();
        let step = |sweep| self.store.write_in_background(|conn| sweeps::step(conn, sweep, &limits)).unwrap();
        Sweep::ALL.into_iter().map(step).sum()
    }

    /// Sweeps at the time at which the reminders of the first permissions are due. Returns how many of these permissions
    /// a second are handled.
    fn remind(&self) -> f64 {
        let last_end = self.started_at + FIRST_END + (REMINDED - 1) * SECOND;
        self.clock.store(last_end - 7 * DAY + LAG_SECONDS * SECOND, Ordering::SeqCst);
        let started = Instant::now();
        let handled: usize = std::iter::repeat_with(|| self.sweep()).take_while(|rows| *rows > 0).sum();
        assert_eq!(handled as i64, REMINDED, "the reminders of seven days before the end");
        REMINDED as f64 / started.elapsed().as_secs_f64()
    }
}

fn run_on(bench: &mut Bench, stages: [Stage; 2]) {
    let backend = stages[0].database.backend.name();
    let mut comparison = bench.comparison();
    let [few, many] = stages.each_ref().map(|stage| {
        comparison.add(&format!("sweeps, {backend}"), &format!("{} permissions", stage.count), 1, |window| {
            let started = Instant::now();
            let mut operations = 0;
            while started.elapsed() < window.measured {
                assert_eq!(stage.sweep(), 0, "nothing is due");
                operations += 1;
            }
            RunResult { operations, elapsed: started.elapsed(), latencies: None }
        })
    });
    comparison.run(bench, stages[0].database.directory());
    let what = format!("{backend}, passes: {} ÷ {} permissions", stages[1].count, stages[0].count);
    bench.ratio(&what, many, few, Target::Unbounded);
    for stage in &stages {
        let what = format!("{backend}, reminders of {} permissions", stage.count);
        bench.metric(&what, &[stage.remind()], "/s", Target::Unbounded);
    }
}
