//! What people see and do in a browser: the pages in Chromium, which is told what to do by
//! WebDriver as a person would tell it by mouse and keyboard.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "../api/helpers.rs"]
#[expect(dead_code, reason = "tests/api needs more of it")]
mod helpers;
#[path = "../../benches/harness/leftovers.rs"]
#[expect(dead_code, reason = "the benches need more of it")]
mod leftovers;

mod barriers;
mod browser;
mod chromedriver;
mod passwords;
mod places;
mod redeem;
mod scene;
mod screenshots;
mod sign_in;
mod tokens;
