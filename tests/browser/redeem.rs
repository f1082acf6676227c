//! From the link in a mail to the permission.

use reqwest::StatusCode;
use serde_json::json;
use thirtyfour::Key;

use crate::browser::{Browser, BrowserOptions, link_in, with_browser};
use crate::helpers::{Backend, ByUser, PASSWORD, TestApp, TestUser};

const GRANTS: &str = "SELECT count(*) AS n FROM bundle_permissions";

/// Creates a request over the API and returns the link in its mail.
async fn create_request_link(app: &TestApp, ada: &TestUser, grace: &TestUser) -> String {
    let bundle = app.bundle("Sleep & heart <rate>", 6);
    let body = json!({
        "bundle": format!("/api/bundle/{}/", bundle.id),
        "user_target": grace.uri(),
        "user_allowed": ada.uri(),
    });
    let asked = app.post("/api/bundle_permission_request/").by_user(ada).json(&body).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::CREATED, "{}", asked.text().await.unwrap());
    link_in(&app.mails(1).await[0])
}

/// Two users, and the link that the target received.
async fn create_request(app: &TestApp) -> (TestUser, TestUser, String) {
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let link = create_request_link(app, &ada, &grace).await;
    (ada, grace, link)
}

/// Approves a request as a user who is not signed in at first.
async fn sign_in_and_approve(app: &TestApp, browser: &Browser) {
    let (_, grace, link) = create_request(app).await;
    browser.go_to(&link).await;
    browser.wait_for_title("Sign in").await;
    assert!(!browser.text_of("main").await.contains("Sleep"), "the page shows the request before sign-in");
    browser.sign_in(&grace).await;
    browser.wait_for_title("Permission request").await;
    let page = browser.text_of("main").await;
    for told in ["ada@example.org", "Sleep & heart <rate>", "view your data", "download your data"] {
        assert!(page.contains(told), "{page}");
    }
    assert_eq!(app.count(GRANTS), 0);
    browser.click_and_navigate("button[value=approve]").await;
    browser.wait_for_title("Request approved").await;
    assert_eq!(app.count(GRANTS), 1);
}

#[actix_web::test]
async fn the_target_follows_the_link_signs_in_and_approves() {
    with_browser(BrowserOptions::default(), sign_in_and_approve).await;
}

#[actix_web::test]
async fn the_redeem_flow_works_on_postgresql() {
    with_browser(
        BrowserOptions { backend: Backend::Postgres, ..BrowserOptions::default() },
        sign_in_and_approve,
    )
    .await;
}

#[actix_web::test]
async fn the_redeem_flow_works_without_scripts() {
    with_browser(BrowserOptions { scripts: false, ..BrowserOptions::default() }, sign_in_and_approve).await;
}

#[actix_web::test]
async fn the_redeem_flow_works_with_the_keyboard_alone() {
    with_browser(BrowserOptions::default(), async |app, browser| {
        let (_, grace, link) = create_request(app).await;
        browser.go_to(&link).await;
        browser.wait_for_title("Sign in").await;
        // The first element is the skip link.
        browser.type_keys(Key::Tab).await;
        assert_eq!(browser.text_of(":focus").await, "Skip to main content");
        browser.type_keys(Key::Enter).await;
        browser.type_keys(Key::Tab).await;
        assert_eq!(browser.count("[name=email]:focus").await, 1);
        browser.type_keys(grace.email()).await;
        browser.tab_to("[name=password]").await;
        browser.type_keys(PASSWORD).await;
        browser.type_keys(Key::Enter).await;
        browser.wait_for_title("Permission request").await;
        browser.tab_to("button[value=approve]").await;
        browser.type_keys(Key::Enter).await;
        browser.wait_for_title("Request approved").await;
        assert_eq!(app.count(GRANTS), 1);
    })
    .await;
}

#[actix_web::test]
async fn a_used_link_says_that_the_request_was_approved() {
    with_browser(BrowserOptions::default(), async |app, browser| {
        let (_, grace, link) = create_request(app).await;
        browser.go_to(&link).await;
        browser.sign_in(&grace).await;
        browser.click_and_navigate("button[value=approve]").await;
        browser.wait_for_title("Request approved").await;
        browser.go_to(&link).await;
        browser.wait_for_title("You approved this request").await;
        assert_eq!(browser.count("button[name=decision]").await, 0);
        assert_eq!(app.count(GRANTS), 1);
    })
    .await;
}

#[actix_web::test]
async fn declining_grants_nothing() {
    with_browser(BrowserOptions::default(), async |app, browser| {
        let (_, grace, link) = create_request(app).await;
        browser.go_to(&link).await;
        browser.sign_in(&grace).await;
        browser.click_and_navigate("button[value=decline]").await;
        browser.wait_for_title("Request declined").await;
        browser.go_to(&link).await;
        browser.wait_for_title("You declined this request").await;
        assert_eq!(app.count(GRANTS), 0);
    })
    .await;
}

#[actix_web::test]
async fn a_forwarded_link_does_not_work_for_another_user() {
    with_browser(BrowserOptions::default(), async |app, browser| {
        let (_, grace, link) = create_request(app).await;
        let eve = app.user("eve@example.org");
        browser.go_to(&link).await;
        browser.sign_in(&eve).await;
        browser.wait_for_title("This link is for another account").await;
        assert!(!browser.text_of("main").await.contains("Sleep"));
        assert_eq!(browser.count("button[name=decision]").await, 0);
        // The target signs in instead and decides.
        browser.click_and_navigate(".current-user button").await;
        browser.wait_for_title("Sign in").await;
        browser.go_to(&link).await;
        browser.sign_in(&grace).await;
        browser.click_and_navigate("button[value=approve]").await;
        browser.wait_for_title("Request approved").await;
        assert_eq!(app.count(GRANTS), 1);
    })
    .await;
}

#[actix_web::test]
async fn open_requests_are_on_the_home_page_and_permissions_can_be_revoked() {
    with_browser(BrowserOptions::default(), async |app, browser| {
        let (_, grace, _) = create_request(app).await;
        browser.sign_in_at_home(&grace).await;
        browser.click_and_navigate("main .card a.primary").await;
        browser.wait_for_title("Permission request").await;
        browser.click_and_navigate("button[value=approve]").await;
        browser.wait_for_title("Request approved").await;
        browser.click_and_navigate("header a[href='/access']").await;
        browser.wait_for_title("Access").await;
        assert_eq!(browser.count(".table tbody tr").await, 1);
        browser.click(".confirm summary").await;
        assert_eq!(app.count(GRANTS), 1);
        browser.click_and_navigate(".confirm button").await;
        browser.wait_for_title("Access").await;
        assert_eq!((browser.count("tbody tr").await, app.count(GRANTS)), (0, 0));
    })
    .await;
}
