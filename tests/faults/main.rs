//! Tests of the real program under faults of its database, disk, mail server and clients, and with
//! panics in its own code.
//!
//! With `COUNTERSIGN_CHAOS=long` in the environment, the tests take longer and inject more faults.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../benches/harness/cleanup.rs"]
mod cleanup;
#[path = "../../benches/harness/cluster.rs"]
#[expect(dead_code, reason = "the benches use the rest")]
mod cluster;
#[path = "../api/helpers.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod helpers;
#[path = "../support/nginx.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod nginx_process;

mod connections;
mod database;
mod disk;
mod load;
mod mail;
mod mutants;
mod overload;
mod panics;
mod rolling_restart;
mod server;
mod smtp_server;
mod sqlite;
mod standby;
mod startup;

/// `long` in the long version of the tests, otherwise `short`.
pub fn short_or_long<T>(short: T, long: T) -> T {
    if std::env::var("COUNTERSIGN_CHAOS").is_ok_and(|form| form == "long") { long } else { short }
}

/// Runs a closure on its own thread: the PostgreSQL client must not run on a thread of an async
/// runtime.
pub fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}
