//! Tests of a real server over HTTP, on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[macro_use]
#[expect(dead_code, reason = "other tests use the rest")]
mod helpers;
mod http_input;

mod api_document;
mod audit_retention;
mod audit_seals;
mod audit_stream;
mod audit_tail;
mod authorization_matrix;
mod authz;
mod authzen;
mod base_path;
mod collector;
mod command_line;
mod counters;
mod daily_mails;
mod database_outage;
mod decision_mails;
mod examples;
mod health;
mod hexo;
mod host_header;
mod import;
mod indistinguishable;
mod ledger;
mod log;
mod mail_headers;
mod mailer;
mod mfs;
mod monitoring;
mod nginx;
#[path = "../support/nginx.rs"]
mod nginx_process;
mod openapi;
mod outbox_sync;
mod page_client;
mod pages;
mod processes;
mod query_plans;
mod rate_limits;
mod receipts;
mod resource_server;
mod routes;
mod schema;
mod secret_leaks;
mod security_txt;
mod sign_in;
mod smtp;
mod traces;
mod webhook_sender;
mod webhooks;
