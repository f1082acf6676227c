//! What countersign promises, asked of a real server over HTTP, on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[macro_use]
#[expect(dead_code, reason = "other tests need more of it")]
mod helpers;

mod alike;
mod audit;
mod authz;
mod callers;
mod canaries;
mod command_line;
mod hexo;
mod hexo_ask;
mod hexo_audit;
mod hexo_block;
mod hexo_bundle;
mod hexo_idempotency;
mod hexo_index;
mod hexo_input;
mod hexo_list;
mod hexo_permission;
mod hexo_race;
mod hexo_redeem;
mod hexo_request;
mod hexo_user;
mod import;
mod ledger;
mod limits;
mod link_host;
mod mail_headers;
mod mailer;
mod mfs;
mod nginx;
mod openapi;
mod ops;
mod outage;
mod pages;
mod plans;
mod processes;
mod resource_server;
mod rounds;
mod routes;
mod schema;
mod schemathesis;
mod sign_in;
mod smtp;
mod totals;
mod visitor;
