//! The harness of the benches.
//!
//! A bench is a program, `cargo bench --bench NAME -- OPTIONS`:
//!
//! ```ignore
//! //! Describes the measurement.
//! #![expect(clippy::unwrap_used, …, reason = "a bench fails by panicking")]
//!
//! #[expect(dead_code, reason = "no bench uses all of it")]
//! mod harness;
//!
//! fn main() {
//!     harness::run("redeem", |bench| {
//!         let cluster = Rc::new(Cluster::start());            // PostgreSQL, durable
//!         let database = Database::postgres(&cluster);        // or `Database::sqlite()`
//!         let users = fixtures::insert_users(&database, 2_000);
//!         let server = Server::start(&database);              // the release server
//!         let mut comparison = bench.comparison();
//!         let ours = comparison.add("redeem, PostgreSQL", "countersign", 64, |window| {
//!             let open = fixtures::insert_open_requests(&database, &users, 60_000); // not timed
//!             database.checkpoint();
//!             load::closed_loop(server.address, &fixtures::redeem_requests(&users, &open), 64, window)
//!         });
//!         let theirs = comparison.add(…, |window| pgbench::run(&database, "UPDATE …", 64, window));
//!         comparison.run(bench, cluster.directory());         // all series, round by round
//!         bench.ratio("redeem @64, compared with …", ours, theirs, Target::AtLeast(1.5, 2.5));
//!     });
//! }
//! ```
//!
//! `run` parses the options, prints the table and writes `target/bench/NAME.txt`, `.json` and
//! `.svg`. Report a figure that is measured in another way with [`bench::Bench::metric`]. Start
//! processes with [`cleanup::ChildProcess`] and create files in a [`cleanup::ScratchDirectory`]:
//! both are removed when they are dropped, and when the bench is interrupted. Errors panic.

pub mod bench;
pub mod callgrind;
pub mod cleanup;
pub mod cluster;
pub mod cpu_time;
pub mod database;
pub mod fixtures;
pub mod load;
pub mod machine_probe;
pub mod options;
pub mod peer;
pub mod pgbench;
pub mod plot;
pub mod reference;
pub mod report;
pub mod requests;
pub mod server;

use clap::Parser;

use bench::Bench;
use options::Options;

/// Runs a bench and reports the results of `work`.
pub fn run(name: &'static str, work: impl FnOnce(&mut Bench)) {
    if reference::is_reference_process() {
        return reference::serve();
    }
    let options = Options::parse();
    cleanup::clean_up_on_interrupt();
    let mut bench = Bench::new(name, options);
    work(&mut bench);
    bench.finish();
}
