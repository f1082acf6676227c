//! What countersign promises, asked of a real server over HTTP, on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[macro_use]
mod helpers;

mod authz;
mod command_line;
mod ledger;
mod mailer;
mod mfs;
mod nginx;
mod ops;
mod pages;
mod plans;
mod processes;
mod resource_server;
mod schema;
mod smtp;
