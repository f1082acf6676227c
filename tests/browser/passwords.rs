//! Resetting a forgotten password and changing a known one.

use crate::browser::{BrowserOptions, link_in, with_browser};
use crate::helpers::PASSWORD;

const NEW: &str = "tea with the walrus";

#[actix_web::test]
async fn a_forgotten_password_is_reset_by_mail_and_signs_in() {
    with_browser(BrowserOptions::default(), async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.go_to("/sign-in").await;
        browser.click_and_navigate("main a[href='/forgot-password']").await;
        browser.fill_in("email", grace.email()).await;
        browser.click_and_navigate("main button.primary").await;
        browser.wait_for_title("Check your email").await;
        let link = link_in(&app.mails(1).await[0]);
        browser.go_to(&link).await;
        browser.wait_for_title("Choose a password").await;
        // Two different passwords are a field error, and the link stays active.
        browser.fill_in("new", NEW).await;
        browser.fill_in("confirm", "tea with the carpenter").await;
        browser.click_and_navigate("main button.primary").await;
        assert_eq!(browser.count("[name=confirm][aria-describedby=form-error]").await, 1);
        browser.fill_in("new", NEW).await;
        browser.fill_in("confirm", NEW).await;
        browser.click_and_navigate("main button.primary").await;
        browser.wait_for_title("Your account").await;
        assert!(browser.text_of("[role=status]").await.starts_with("Your password was changed."));
        // The link is used. The old password is wrong, the new one is right.
        browser.click_and_navigate(".current-user button").await;
        browser.go_to(&link).await;
        browser.wait_for_title("This link is not valid").await;
        browser.go_to("/sign-in").await;
        for (password, comes_in) in [(PASSWORD, false), (NEW, true)] {
            browser.fill_in("email", grace.email()).await;
            browser.fill_in("password", password).await;
            browser.click_and_navigate("main button.primary").await;
            assert_eq!(browser.count(".current-user").await == 1, comes_in);
        }
    })
    .await;
}

#[actix_web::test]
async fn the_password_can_be_changed_without_scripts() {
    with_browser(BrowserOptions { scripts: false, ..BrowserOptions::default() }, async |app, browser| {
        let grace = app.user("grace@example.org");
        browser.sign_in_at_home(&grace).await;
        browser.go_to("/account").await;
        for (current, told) in [("a wrong password", "[role=alert]"), (PASSWORD, "[role=status]")] {
            browser.fill_in("current", current).await;
            browser.fill_in("new", NEW).await;
            browser.fill_in("confirm", NEW).await;
            browser.click_and_navigate("form[action='/account/password'] button").await;
            assert_ne!(browser.text_of(told).await, "");
        }
        assert!(browser.text_of("[role=status]").await.starts_with("Your password was changed."));
    })
    .await;
}
