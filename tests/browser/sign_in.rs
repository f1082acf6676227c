//! Signing in, and in which language.

use crate::browser::{Wish, with};

#[actix_web::test]
async fn a_wrong_password_is_said_beside_the_form_and_the_right_one_lets_in() {
    with(Wish::default(), async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.goes_to("/sign-in").await;
        browser.fills_in("email", grace.email()).await;
        browser.fills_in("password", "a wrong password").await;
        browser.presses("main button.primary").await;
        assert_eq!(browser.reads("[role=alert]").await, "Wrong email or password.");
        // What they typed is still there, but for the password.
        let field = |name: &str| format!("document.querySelector('[name={name}]').value");
        let kept = browser.driver().execute(format!("return {}", field("email")), []).await.unwrap();
        assert_eq!(kept.json(), "grace@example.org");
        let gone = browser.driver().execute(format!("return {}", field("password")), []).await.unwrap();
        assert_eq!(gone.json(), "");
        browser.signs_in(&grace).await;
        assert_eq!(browser.reads(".me span").await, grace.email());
        let cookie = browser.driver().get_named_cookie("countersign_session").await.unwrap();
        assert_eq!(
            (cookie.http_only, cookie.same_site.map(|same| format!("{same:?}"))),
            (Some(true), Some("Lax".into()))
        );
        browser.presses(".me button").await;
        browser.arrives_at("Sign in").await;
        browser.goes_to("/").await;
        browser.arrives_at("Sign in").await;
    })
    .await;
}

#[actix_web::test]
async fn who_guesses_too_often_is_told_to_wait_and_may_go_on_later() {
    let toml = "[limits]\nfailures_per_account = \"2/h\"\n";
    with(Wish { toml, ..Wish::default() }, async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.goes_to("/sign-in").await;
        let mut guesses = 0;
        loop {
            browser.fills_in("email", grace.email()).await;
            browser.fills_in("password", "a wrong password").await;
            browser.presses("main button.primary").await;
            if browser.reads("[role=alert]").await.starts_with("Too many attempts.") {
                break;
            }
            guesses += 1;
            assert!(guesses < 5, "whoever guesses is let go on");
        }
        // The right password is not looked at either.
        browser.signs_in(&grace).await;
        assert!(browser.reads("[role=alert]").await.starts_with("Too many attempts."));
        app.advance(3_600);
        browser.signs_in(&grace).await;
        assert_eq!(browser.reads(".me span").await, grace.email());
    })
    .await;
}

#[actix_web::test]
async fn pages_speak_german_to_a_browser_that_asks_for_it() {
    with(Wish { language: "de-AT", ..Wish::default() }, async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.goes_to("/sign-in").await;
        browser.arrives_at("Anmelden").await;
        assert_eq!(browser.counts("html[lang=de]").await, 1);
        browser.signs_in(&grace).await;
        assert_eq!(browser.reads(".me button").await, "Abmelden");
    })
    .await;
}

#[actix_web::test]
async fn other_languages_read_english() {
    with(Wish { language: "fr-FR", ..Wish::default() }, async |_, browser| {
        browser.goes_to("/sign-in").await;
        browser.arrives_at("Sign in").await;
        assert_eq!(browser.counts("html[lang=en]").await, 1);
    })
    .await;
}
