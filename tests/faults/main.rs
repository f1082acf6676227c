//! What countersign promises while things break: asked of the real program, whose
//! database, disk, mail server, clients and own code are made to fail under it.
//!
//! The short form is for every day. With `COUNTERSIGN_CHAOS=long` in the environment
//! everything lasts longer, and happens oftener.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "../../benches/harness/cleanup.rs"]
mod cleanup;
#[path = "../../benches/harness/cluster.rs"]
#[expect(dead_code, reason = "the benches need more of it")]
mod cluster;
#[path = "../api/helpers.rs"]
#[expect(dead_code, reason = "tests/api needs more of it")]
mod helpers;

mod connections;
mod database;
mod disk;
mod load;
mod mail;
mod mutants;
mod overload;
mod panics;
mod server;
mod smtp_server;
mod sqlite;

/// So much of something: a little every day, or much in the long form.
pub fn short_or_long<T>(short: T, long: T) -> T {
    if std::env::var("COUNTERSIGN_CHAOS").is_ok_and(|form| form == "long") { long } else { short }
}
