//! Export tokens: created, shown once, and revoked.

use countersign::domain::rights::Role;

use crate::browser::{Browser, BrowserOptions, with_browser};
use crate::helpers::TestApp;

/// The status of `/authz` for a token.
async fn authz_status(app: &TestApp, token: &str) -> u16 {
    let asked = app.get("/authz?hub_id=hub&nid=n&right=read").bearer_auth(token);
    asked.send().await.unwrap().status().as_u16()
}

async fn create_and_revoke(app: &TestApp, browser: &Browser) {
    let ada = app.user("ada@example.org");
    app.grant_role("hub", &ada, Role::Admin);
    browser.sign_in_at_home(&ada).await;
    browser.go_to("/tokens").await;
    browser.click_and_navigate("main a[href='/tokens/new']").await;
    browser.fill_in("node", "n").await;
    browser.tick("[name=right][value=read]").await;
    browser.click_and_navigate("main button.primary").await;
    browser.wait_for_title("Token created").await;
    let token = browser.text_of("#secret").await;
    assert_eq!(authz_status(app, &token).await, 204);
    browser.click_and_navigate("main a[href='/tokens']").await;
    assert!(!browser.driver().source().await.unwrap().contains(&token), "the token is shown once");
    // Revoking needs a confirmation.
    browser.click(".confirm summary").await;
    assert_eq!(authz_status(app, &token).await, 204);
    browser.click_and_navigate(".confirm button").await;
    assert_ne!(browser.text_of("[role=status]").await, "");
    assert_eq!(browser.count(".confirm").await, 0);
    assert_eq!(authz_status(app, &token).await, 401);
}

#[actix_web::test]
async fn a_token_is_created_shown_once_and_revoked() {
    with_browser(BrowserOptions::default(), create_and_revoke).await;
}

#[actix_web::test]
async fn a_token_is_created_and_revoked_without_scripts() {
    with_browser(BrowserOptions { scripts: false, ..BrowserOptions::default() }, create_and_revoke).await;
}
