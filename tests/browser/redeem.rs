//! From the mail's link to the permission.

use reqwest::StatusCode;
use serde_json::json;
use thirtyfour::Key;

use crate::browser::{Browser, Wish, link_in, with};
use crate::helpers::{Backend, By, PASSWORD, TestApp, TestUser};

const GRANTS: &str = "SELECT count(*) AS n FROM bundle_permissions";

/// Has one ask another over the API; the link in the mail, as it stands there.
async fn link(app: &TestApp, ada: &TestUser, grace: &TestUser) -> String {
    let bundle = app.bundle("Sleep & heart <rate>", 6);
    let body = json!({
        "bundle": format!("/api/bundle/{}/", bundle.id),
        "user_target": grace.uri(),
        "user_allowed": ada.uri(),
    });
    let asked = app.post("/api/bundle_permission_request/").by(ada).json(&body).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::CREATED, "{}", asked.text().await.unwrap());
    link_in(&app.mails(1).await[0])
}

/// Two people, and the link that one of them has got.
async fn asked(app: &TestApp) -> (TestUser, TestUser, String) {
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let link = link(app, &ada, &grace).await;
    (ada, grace, link)
}

/// The whole way, for somebody who is not signed in.
async fn approve(app: &TestApp, browser: &Browser) {
    let (_, grace, link) = asked(app).await;
    browser.goes_to(&link).await;
    browser.arrives_at("Sign in").await;
    assert!(!browser.reads("main").await.contains("Sleep"), "nobody is told before they have signed in");
    browser.signs_in(&grace).await;
    browser.arrives_at("Permission request").await;
    let page = browser.reads("main").await;
    for told in ["ada@example.org", "Sleep & heart <rate>", "view your data", "download your data"] {
        assert!(page.contains(told), "{page}");
    }
    assert_eq!(app.count(GRANTS), 0);
    browser.presses("button[value=approve]").await;
    browser.arrives_at("Request approved").await;
    assert_eq!(app.count(GRANTS), 1);
}

#[actix_web::test]
async fn who_follows_a_mails_link_signs_in_and_approves_and_the_permission_stands() {
    with(Wish::default(), approve).await;
}

#[actix_web::test]
async fn the_whole_way_on_postgresql() {
    with(Wish { backend: Backend::Postgres, ..Wish::default() }, approve).await;
}

#[actix_web::test]
async fn the_whole_way_without_scripts() {
    with(Wish { scripts: false, ..Wish::default() }, approve).await;
}

#[actix_web::test]
async fn the_whole_way_by_the_keyboard_alone() {
    with(Wish::default(), async |app, browser| {
        let (_, grace, link) = asked(app).await;
        browser.goes_to(&link).await;
        browser.arrives_at("Sign in").await;
        // What comes first leads past what is the same on every page.
        browser.types(Key::Tab).await;
        assert_eq!(browser.reads(":focus").await, "Skip to main content");
        browser.types(Key::Enter).await;
        browser.types(Key::Tab).await;
        assert_eq!(browser.counts("[name=email]:focus").await, 1);
        browser.types(grace.email()).await;
        browser.tabs_to("[name=password]").await;
        browser.types(PASSWORD).await;
        browser.types(Key::Enter).await;
        browser.arrives_at("Permission request").await;
        browser.tabs_to("button[value=approve]").await;
        browser.types(Key::Enter).await;
        browser.arrives_at("Request approved").await;
        assert_eq!(app.count(GRANTS), 1);
    })
    .await;
}

#[actix_web::test]
async fn who_follows_the_link_again_sees_that_there_is_nothing_left_to_decide() {
    with(Wish::default(), async |app, browser| {
        let (_, grace, link) = asked(app).await;
        browser.goes_to(&link).await;
        browser.signs_in(&grace).await;
        browser.presses("button[value=approve]").await;
        browser.arrives_at("Request approved").await;
        browser.goes_to(&link).await;
        browser.arrives_at("This link is not valid").await;
        assert_eq!(browser.counts("button[name=decision]").await, 0);
        assert_eq!(app.count(GRANTS), 1);
    })
    .await;
}

#[actix_web::test]
async fn who_declines_gives_nothing() {
    with(Wish::default(), async |app, browser| {
        let (_, grace, link) = asked(app).await;
        browser.goes_to(&link).await;
        browser.signs_in(&grace).await;
        browser.presses("button[value=decline]").await;
        browser.arrives_at("Request declined").await;
        browser.goes_to(&link).await;
        browser.arrives_at("This link is not valid").await;
        assert_eq!(app.count(GRANTS), 0);
    })
    .await;
}

#[actix_web::test]
async fn a_forwarded_mail_opens_nothing_for_somebody_else() {
    with(Wish::default(), async |app, browser| {
        let (_, grace, link) = asked(app).await;
        let eve = app.user("eve@example.org");
        browser.goes_to(&link).await;
        browser.signs_in(&eve).await;
        browser.arrives_at("This link is for another account").await;
        assert!(!browser.reads("main").await.contains("Sleep"));
        assert_eq!(browser.counts("button[name=decision]").await, 0);
        // Whose it is signs in instead, and decides.
        browser.presses(".me button").await;
        browser.arrives_at("Sign in").await;
        browser.goes_to(&link).await;
        browser.signs_in(&grace).await;
        browser.presses("button[value=approve]").await;
        browser.arrives_at("Request approved").await;
        assert_eq!(app.count(GRANTS), 1);
    })
    .await;
}

#[actix_web::test]
async fn what_waits_is_found_at_home_and_what_was_given_is_taken_back() {
    with(Wish::default(), async |app, browser| {
        let (_, grace, _) = asked(app).await;
        browser.signs_in_at_home(&grace).await;
        browser.presses("main .card a.primary").await;
        browser.arrives_at("Permission request").await;
        browser.presses("button[value=approve]").await;
        browser.arrives_at("Request approved").await;
        browser.presses("header a[href='/access']").await;
        browser.arrives_at("Access").await;
        assert_eq!(browser.counts(".table tbody tr").await, 1);
        browser.clicks(".confirm summary").await;
        assert_eq!(app.count(GRANTS), 1);
        browser.presses(".confirm button").await;
        browser.arrives_at("Access").await;
        assert_eq!((browser.counts("tbody tr").await, app.count(GRANTS)), (0, 0));
    })
    .await;
}
