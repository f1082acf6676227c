//! An application asks its user for consent: they go to countersign and come back with a decision.

use std::net::TcpListener;

use crate::browser::{Browser, BrowserOptions, with_browser};
use crate::helpers::{Backend, TestApp};

#[path = "../../examples/consent_application.rs"]
mod consent_application;

use consent_application::Application;

/// Runs a test with a browser, the server, and the URL of an application of Ada.
async fn with_application(backend: Backend, test: impl AsyncFnOnce(&TestApp, &Browser, &str)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let toml = format!("[requests]\nreturn_origins = ['{origin}']").leak();
    let options = BrowserOptions { backend, toml, ..BrowserOptions::default() };
    with_browser(options, async |app, browser| {
        let ada = app.user("ada@example.org");
        let bundle = app.bundle("Sleep", 14);
        let application = Application::new(&app.url, &ada.key, ada.email(), bundle.id.0, &origin);
        let server = application.serve(listener).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        test(app, browser, &origin).await;
        handle.stop(false).await;
    })
    .await;
}

/// Starts at the application, and signs in at the page of the request.
async fn ask(app: &TestApp, browser: &Browser, origin: &str) {
    let grace = app.user("grace@example.org");
    browser.go_to(origin).await;
    browser.wait_for_title("Sleep study").await;
    browser.fill_in("email", grace.email()).await;
    browser.click_and_navigate("button").await;
    browser.wait_for_title("Sign in").await;
    browser.sign_in(&grace).await;
    browser.wait_for_title("Request 1").await;
    browser.click_and_navigate("main a.button.primary").await;
    browser.wait_for_title("Permission request").await;
    assert!(browser.text_of("main").await.contains("We compare how people sleep."));
}

#[actix_web::test]
async fn an_application_gets_its_user_back_with_a_partial_approval() {
    with_application(Backend::Sqlite, async |app, browser, origin| {
        ask(app, browser, origin).await;
        browser.click("input[value=write]").await;
        browser.click_and_navigate("button[value=approve]").await;
        browser.wait_for_title("Request approved").await;
        browser.click_and_navigate("main a.button.primary").await;
        browser.wait_for_title("Sleep study").await;
        let decision = browser.text_of("#decision").await;
        assert!(decision.starts_with("You share: read, get. Ends: 20"), "{decision}");
        let url = browser.current_url().await;
        assert!(url.contains("&request=1&status=approved") && !url.contains("csr_"), "{url}");
        assert_eq!(app.count("SELECT CAST(granted_permission AS bigint) AS n FROM permission_requests"), 6);
    })
    .await;
}

#[actix_web::test]
async fn an_application_gets_its_user_back_after_they_declined() {
    with_application(Backend::Postgres, async |app, browser, origin| {
        ask(app, browser, origin).await;
        browser.fill_in("reason", "Not now").await;
        browser.click_and_navigate("button[value=decline]").await;
        browser.wait_for_title("Request declined").await;
        browser.click_and_navigate("main a.button.primary").await;
        browser.wait_for_title("Sleep study").await;
        assert_eq!(browser.text_of("#decision").await, "You share nothing: the request is declined.");
    })
    .await;
}
