//! Linearizability tests: server processes on one PostgreSQL, concurrent clients, and injected
//! faults. The checker compares the responses of all clients with the final state of the database.
//! Mutants of the server show that the checker detects mistakes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "shared with tests/api, which uses all of it")]
#[path = "../api/helpers.rs"]
mod helpers;

mod checker;
mod client;
mod database_state;
mod deliveries;
mod fault_proxy;
mod history;
mod http_client;
mod invariants;
mod mutants;
mod receiver;
mod replica;
mod rng;
mod scenario;
