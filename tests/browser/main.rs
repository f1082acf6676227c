//! The pages in Chromium, controlled by WebDriver with the mouse and keyboard actions of a user.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../benches/harness/cleanup.rs"]
#[expect(dead_code, reason = "the benches use the rest")]
mod cleanup;
#[path = "../api/helpers.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod helpers;
#[path = "../support/nginx.rs"]
mod nginx_process;

#[path = "../api/webhook_sender/receiver.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod receiver;

mod accessibility;
mod application;
mod base_path;
mod browser;
mod chromedriver;
mod cross_site;
mod fixtures;
mod page_list;
mod passwords;
mod redeem;
mod screenshots;
mod sign_in;
mod tokens;
mod webhooks;
