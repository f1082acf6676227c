//! The pages: their tests, and what they share.

mod account;
mod api_keys;
mod audit_log;
pub mod dev_mail;
mod export_tokens;
mod headers;
mod home;
mod hub_tokens;
pub mod mail_settings;
pub mod password;
mod permissions;
mod redeem;
mod repeated_forms;
mod requests;
mod session;
mod staff;
mod staff_user;
mod timeline;
mod webhooks;

use reqwest::RequestBuilder;

/// The page without the elements that isolate names.
fn without_isolates(page: &str) -> String {
    page.replace("<bdi>", "").replace("</bdi>", "")
}

/// Sends a request, asserts that it is answered with a redirect, and returns the location.
async fn redirect_target(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 303, "{}", answer.text().await.unwrap());
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// The secret with this prefix in a page, if there is one.
fn find_secret(page: &str, prefix: &str) -> Option<String> {
    let rest = page.split(prefix).nth(1)?;
    let rest: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    Some(format!("{prefix}{rest}"))
}

/// The ids of the `keys` or `tokens` with a revoke button on a page.
fn ids(page: &str, what: &str) -> Vec<String> {
    page.split(&format!("action=\"/{what}/")).skip(1).map(|rest| rest[..36].to_owned()).collect()
}
