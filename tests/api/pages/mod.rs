//! The pages.

mod access;
mod account;
mod headers;
mod home;
mod keys;
pub mod mailbox;
mod password;
mod redeem;
mod requests;
mod session;
mod staff;
mod timeline;
mod tokens;
mod trail;

use reqwest::RequestBuilder;

/// A page without what sets its names apart.
fn plain(page: &str) -> String {
    page.replace("<bdi>", "").replace("</bdi>", "")
}

/// Where a browser is led that sends this.
async fn led_to(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}
