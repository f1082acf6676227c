//! Once or not at all, under fire: real server processes on one PostgreSQL, racers
//! from all sides, and everything that can break meanwhile. What each client was told
//! is held against what the database has; and that this would show a mistake is
//! shown by mistakes that are planted.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[expect(dead_code, reason = "shared with tests/api, which uses all of it")]
#[path = "../api/helpers.rs"]
mod helpers;

mod checker;
mod client;
mod database_state;
mod fault_proxy;
mod history;
mod http_client;
mod invariants;
mod mutants;
mod replica;
mod rng;
mod scenario;
