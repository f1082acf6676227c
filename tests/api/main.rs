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

mod audit_retention;
mod authorization_matrix;
mod authz;
mod command_line;
mod counters;
mod database_outage;
mod examples;
mod health;
mod hexo;
mod hexo_audit;
mod hexo_block;
mod hexo_bundle;
mod hexo_concurrency;
mod hexo_create_request;
mod hexo_idempotency;
mod hexo_index;
mod hexo_input;
mod hexo_list;
mod hexo_permission;
mod hexo_redeem;
mod hexo_request;
mod hexo_user;
mod host_header;
mod import;
mod indistinguishable;
mod ledger;
mod mail_headers;
mod mailer;
mod mfs;
mod nginx;
mod openapi;
mod outbox_sync;
mod page_client;
mod pages;
mod processes;
mod query_plans;
mod rate_limits;
mod resource_server;
mod routes;
mod schema;
mod schemathesis;
mod secret_leaks;
mod sign_in;
mod smtp;
