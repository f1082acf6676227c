//! What countersign promises, asked of a real server over HTTP, on both databases.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[macro_use]
mod helpers;

mod ledger;
mod mailer;
mod mfs;
mod ops;
mod pages;
mod plans;
mod schema;
