//! The pages below a path of a host, behind nginx.

use countersign::domain::rights::Role;
use serde_json::json;

use crate::browser::{Browser, BrowserOptions, Proxy, link_in, with_browser};
use crate::helpers::{ByUser, TestApp};

/// Asserts that every link, form and file of the current page is below the public URL.
async fn assert_links(browser: &Browser) {
    let script = "return [...document.querySelectorAll('[href], [src], form')]
        .map((element) => element.src || element.href || element.action)";
    let links = browser.driver().execute(script, []).await.unwrap();
    let links = links.json().as_array().unwrap().clone();
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        let link = link.as_str().unwrap();
        assert!(link.starts_with(&format!("{}/", browser.base_url())), "{link}");
    }
}

async fn use_everything(app: &TestApp, browser: &Browser) {
    let (ada, grace) = (app.user("ada@example.org"), app.staff("grace@example.org"));
    app.grant_role("hub", &grace, Role::Owner);
    let bundle = app.bundle("Sleep", 6);
    let api = format!("{}/api", browser.base_url());
    let body = json!({ "bundle": bundle.id.0, "user_target": grace.id(), "user_allowed": ada.id() });
    let asked = app.post(&format!("{api}/bundle_permission_request/")).by_user(&ada).json(&body);
    let asked = asked.send().await.unwrap();
    assert_eq!(asked.headers()["location"], "/consent/api/bundle_permission_request/1/");

    browser.go_to(&link_in(&app.mails(1).await[0])).await;
    browser.wait_for_title("Sign in").await;
    assert_links(browser).await;
    browser.sign_in(&grace).await;
    browser.wait_for_title("Permission request").await;
    let cookie = browser.driver().get_named_cookie("countersign_session").await.unwrap();
    assert_eq!(cookie.path.as_deref(), Some("/consent"));
    let rules = browser.driver().execute("return document.styleSheets[0].cssRules.length", []).await.unwrap();
    assert!(rules.json().as_u64().unwrap() > 10, "the style sheet is loaded");
    browser.click_and_navigate("button[value=approve]").await;
    browser.wait_for_title("Request approved").await;

    for (link, form) in [("/access", 1), ("/tokens", 0), ("/keys", 0), ("/account", 1), ("/staff", 0)] {
        browser.click_and_navigate(&format!("header a[href='/consent{link}']")).await;
        assert_eq!(browser.current_path().await, link);
        assert_links(browser).await;
        assert!(browser.count("main form").await >= form, "{link}");
    }
    browser.go_to("/tokens/").await;
    assert_eq!(browser.current_path().await, "/tokens");
    browser.click_and_navigate("main a.primary").await;
    browser.fill_in("node", "n").await;
    browser.tick("[name=right][value=read]").await;
    browser.click_and_navigate("main button.primary").await;
    browser.wait_for_title("Token created").await;
    browser.click_and_navigate("main a").await;
    browser.click(".confirm summary").await;
    browser.click_and_navigate(".confirm button").await;
    assert_eq!(browser.current_path().await, "/tokens?flash=token-revoked");
    assert_ne!(browser.text_of("[role=status]").await, "");

    browser.click_and_navigate(".current-user button").await;
    browser.wait_for_title("Sign in").await;
    browser.go_to("/").await;
    browser.wait_for_title("Sign in").await;
    browser.go_to("/docs").await;
    assert_ne!(browser.text_of(".opblock-summary-path").await, "");
}

#[actix_web::test]
async fn everything_works_behind_a_proxy_that_keeps_the_path() {
    let options = BrowserOptions { proxy: Some(Proxy::KeepsPath), ..BrowserOptions::default() };
    with_browser(options, use_everything).await;
}

#[actix_web::test]
async fn everything_works_behind_a_proxy_that_removes_the_path() {
    let options = BrowserOptions { proxy: Some(Proxy::RemovesPath), ..BrowserOptions::default() };
    with_browser(options, use_everything).await;
}
