//! Export tokens: made, shown once, and revoked.

use countersign::domain::permission::Role;

use crate::browser::{Browser, Wish, with};
use crate::helpers::TestApp;

/// What a resource server hears of a token.
async fn status(app: &TestApp, token: &str) -> u16 {
    let asked = app.get("/authz?hub_id=hub&nid=n&right=read").bearer_auth(token);
    asked.send().await.unwrap().status().as_u16()
}

async fn make_and_revoke(app: &TestApp, browser: &Browser) {
    let ada = app.user("ada@example.org");
    app.role("hub", &ada, Role::Admin);
    browser.signs_in_at_home(&ada).await;
    browser.goes_to("/tokens").await;
    browser.presses("main a[href='/tokens/new']").await;
    browser.fills_in("node", "n").await;
    browser.ticks("[name=right][value=read]").await;
    browser.presses("main button.primary").await;
    browser.arrives_at("Token created").await;
    let token = browser.reads("#secret").await;
    assert_eq!(status(app, &token).await, 204);
    browser.presses("main a[href='/tokens']").await;
    assert!(!browser.driver().source().await.unwrap().contains(&token), "it is shown once");
    // Nothing is revoked before the second question.
    browser.clicks(".confirm summary").await;
    assert_eq!(status(app, &token).await, 204);
    browser.presses(".confirm button").await;
    assert_ne!(browser.reads("[role=status]").await, "");
    assert_eq!(browser.counts(".confirm").await, 0);
    assert_eq!(status(app, &token).await, 401);
}

#[actix_web::test]
async fn a_token_is_made_shown_once_and_revoked() {
    with(Wish::default(), make_and_revoke).await;
}

#[actix_web::test]
async fn a_token_is_made_and_revoked_without_scripts() {
    with(Wish { scripts: false, ..Wish::default() }, make_and_revoke).await;
}
