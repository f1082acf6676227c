//! Passwords: a new one for who has forgotten theirs, and another one for who knows it.

use crate::browser::{Wish, link_in, with};
use crate::helpers::PASSWORD;

const NEW: &str = "tea with the walrus";

#[actix_web::test]
async fn who_has_forgotten_their_password_sets_another_by_a_mail_and_is_signed_in() {
    with(Wish::default(), async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.goes_to("/sign-in").await;
        browser.presses("main a[href='/forgot-password']").await;
        browser.fills_in("email", grace.email()).await;
        browser.presses("main button.primary").await;
        browser.arrives_at("Check your email").await;
        let link = link_in(&app.mails(1).await[0]);
        browser.goes_to(&link).await;
        browser.arrives_at("Choose a password").await;
        // Two that differ are told so beside them, and the link is still good.
        browser.fills_in("new", NEW).await;
        browser.fills_in("again", "tea with the carpenter").await;
        browser.presses("main button.primary").await;
        assert_eq!(browser.counts("[name=again][aria-describedby=wrong]").await, 1);
        browser.fills_in("new", NEW).await;
        browser.fills_in("again", NEW).await;
        browser.presses("main button.primary").await;
        browser.arrives_at("Your account").await;
        assert!(browser.reads("[role=status]").await.starts_with("Your password was changed."));
        // The link is used up; the old password is wrong, and the new one right.
        browser.presses(".me button").await;
        browser.goes_to(&link).await;
        browser.arrives_at("This link is not valid").await;
        browser.goes_to("/sign-in").await;
        for (password, comes_in) in [(PASSWORD, false), (NEW, true)] {
            browser.fills_in("email", grace.email()).await;
            browser.fills_in("password", password).await;
            browser.presses("main button.primary").await;
            assert_eq!(browser.counts(".me").await == 1, comes_in);
        }
    })
    .await;
}

#[actix_web::test]
async fn who_knows_their_password_changes_it_without_scripts() {
    with(Wish { scripts: false, ..Wish::default() }, async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.signs_in_at_home(&grace).await;
        browser.goes_to("/account").await;
        for (current, told) in [("a wrong password", "[role=alert]"), (PASSWORD, "[role=status]")] {
            browser.fills_in("current", current).await;
            browser.fills_in("new", NEW).await;
            browser.fills_in("again", NEW).await;
            browser.presses("form[action='/account/password'] button").await;
            assert_ne!(browser.reads(told).await, "");
        }
        assert!(browser.reads("[role=status]").await.starts_with("Your password was changed."));
    })
    .await;
}
