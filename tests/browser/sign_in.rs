//! Sign-in and its language.

use crate::browser::{BrowserOptions, with_browser};

#[actix_web::test]
async fn a_wrong_password_is_reported_and_the_right_one_signs_in() {
    with_browser(BrowserOptions::default(), async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.go_to("/sign-in").await;
        browser.fill_in("email", grace.email()).await;
        browser.fill_in("password", "a wrong password").await;
        browser.click_and_navigate("main button.primary").await;
        assert_eq!(browser.text_of("[role=alert]").await, "Wrong email or password.");
        // The form keeps its input, except for the password.
        let field = |name: &str| format!("document.querySelector('[name={name}]').value");
        let kept = browser.driver().execute(format!("return {}", field("email")), []).await.unwrap();
        assert_eq!(kept.json(), "grace@example.org");
        let gone = browser.driver().execute(format!("return {}", field("password")), []).await.unwrap();
        assert_eq!(gone.json(), "");
        browser.sign_in(&grace).await;
        assert_eq!(browser.text_of(".current-user span").await, grace.email());
        let cookie = browser.driver().get_named_cookie("countersign_session").await.unwrap();
        assert_eq!(
            (cookie.http_only, cookie.same_site.map(|same| format!("{same:?}"))),
            (Some(true), Some("Lax".into()))
        );
        browser.click_and_navigate(".current-user button").await;
        browser.wait_for_title("Sign in").await;
        browser.go_to("/").await;
        browser.wait_for_title("Sign in").await;
    })
    .await;
}

#[actix_web::test]
async fn too_many_guesses_are_limited_until_later() {
    let toml = "[limits]\nfailed_sign_ins_per_account = \"2/h\"\n";
    with_browser(BrowserOptions { toml, ..BrowserOptions::default() }, async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.go_to("/sign-in").await;
        let mut guesses = 0;
        loop {
            browser.fill_in("email", grace.email()).await;
            browser.fill_in("password", "a wrong password").await;
            browser.click_and_navigate("main button.primary").await;
            if browser.text_of("[role=alert]").await.starts_with("Too many attempts.") {
                break;
            }
            guesses += 1;
            assert!(guesses < 5, "guessing is not limited");
        }
        // The limit applies to the right password too.
        browser.sign_in(&grace).await;
        assert!(browser.text_of("[role=alert]").await.starts_with("Too many attempts."));
        app.advance(3_600);
        browser.sign_in(&grace).await;
        assert_eq!(browser.text_of(".current-user span").await, grace.email());
    })
    .await;
}

#[actix_web::test]
async fn a_german_browser_gets_german_pages() {
    with_browser(BrowserOptions { language: "de-AT", ..BrowserOptions::default() }, async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.go_to("/sign-in").await;
        browser.wait_for_title("Anmelden").await;
        assert_eq!(browser.count("html[lang=de]").await, 1);
        browser.sign_in(&grace).await;
        assert_eq!(browser.text_of(".current-user button").await, "Abmelden");
    })
    .await;
}

#[actix_web::test]
async fn other_languages_fall_back_to_english() {
    with_browser(BrowserOptions { language: "fr-FR", ..BrowserOptions::default() }, async |_, browser| {
        browser.go_to("/sign-in").await;
        browser.wait_for_title("Sign in").await;
        assert_eq!(browser.count("html[lang=en]").await, 1);
    })
    .await;
}
