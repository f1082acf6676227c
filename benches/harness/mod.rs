//! What the benches share.
//!
//! A bench is a program of its own, `cargo bench --bench NAME -- OPTIONS`, that
//! goes like this:
//!
//! ```ignore
//! //! What it measures.
//! #![expect(clippy::unwrap_used, …, reason = "a bench that cannot go on has failed")]
//!
//! #[expect(dead_code, reason = "no bench uses all of it")]
//! mod harness;
//!
//! fn main() {
//!     harness::run("redeem", |bench| {
//!         let cluster = Rc::new(Cluster::start());            // PostgreSQL, durable
//!         let database = Database::postgres(&cluster);        // with our tables; or `Database::sqlite()`
//!         let people = seed::people(&database, 2_000);        // users with API keys
//!         let server = Server::start(&database);              // the release server
//!         let mut race = bench.race();
//!         let ours = race.enter("redeem, PostgreSQL", "countersign", 64, |window| {
//!             let open = seed::open_requests(&database, &people, 60_000); // not timed
//!             database.settle();
//!             load::closed(server.address, &seed::redemptions(&people, &open), 64, window)
//!         });
//!         let theirs = race.enter(…, |window| pgbench::run(&database, "UPDATE …", 64, window));
//!         race.run(bench, cluster.directory());               // all of them, round by round
//!         bench.ratio("redeem @64, against …", ours, theirs, Target::AtLeast(1.5, 2.5));
//!     });
//! }
//! ```
//!
//! `run` parses the options, prints the table and writes `target/bench/NAME.txt`,
//! `.json` and `.svg`. A figure that is measured in another way is told with
//! [`bench::Bench::figure`]. Processes are started through
//! [`leftovers::Process`], files made in [`leftovers::Directory`]: both are gone
//! when they are dropped, and when the bench is interrupted. What goes wrong
//! panics: a bench has no caller to tell.

pub mod bench;
pub mod cleanup;
pub mod cluster;
pub mod database;
pub mod fixtures;
pub mod load;
pub mod machine_probe;
pub mod options;
pub mod pgbench;
pub mod plot;
pub mod reference;
pub mod report;
pub mod requests;
pub mod server;

use clap::Parser;

use bench::Bench;
use options::Options;

/// Runs a bench: what is entered, raced and told in `work` is printed and
/// written down in the end.
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
