//! What somebody finds who is signed in: what waits for them, and how much there is of
//! the rest.

use countersign::domain::token::Keyring;

use super::led_to;
use crate::helpers::{By, SECRET, TestApp, TestUser};
use crate::hexo::REQUESTS;

const OPEN: &str = "SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL";
const BLOCKS: &str = "SELECT count(*) AS n FROM blocks";

fn people(app: &TestApp) -> (TestUser, TestUser, TestUser) {
    (app.user("ada@example.org"), app.user("grace@example.org"), app.user("eve@example.org"))
}

on_both_databases! {
    async fn who_is_asked_finds_it_and_is_led_to_decide(app: TestApp) {
        let (ada, grace, eve) = people(&app);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep & heart", 6));
        let token = Keyring::new(SECRET.as_bytes(), None).unwrap().redeem_token(request.redeem_id).reveal();
        let visitor = app.signed_in(&grace);
        let before = app.rows_but("sessions");
        let (status, page) = visitor.sees(&app, "/").await;
        assert_eq!(status, 200);
        for wanted in ["Sleep &amp; heart", "ada Test", "ada@example.org", "download your data", "1 January 2030, 01:00 UTC"] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        assert!(page.contains(&token), "{page}");
        assert_eq!(visitor.sees(&app, &format!("/redeem?token={token}")).await.0, 200);
        // Nobody else finds it, least of all the link.
        for other in [&ada, &eve] {
            for path in ["/", "/requests", "/access"] {
                let (status, page) = app.signed_in(other).sees(&app, path).await;
                assert_eq!(status, 200);
                assert!(!page.contains("csr_"), "{page}");
                assert!(path != "/" || page.contains("No requests are waiting for you"), "{page}");
            }
        }
        assert_eq!(app.rows_but("sessions"), before);
        app.advance(3_600);
        assert!(visitor.sees(&app, "/").await.1.contains("No requests are waiting for you"));
    }

    async fn a_name_turns_nothing_around_and_is_never_blank(app: TestApp) {
        // What these are called would show otherwise: `Ada nimdA`, and nothing at all.
        let eve = app.person("eve@example.org", ["Ada", "\u{202e}Admin\u{200b}"], false);
        let blank = app.person("blank@example.org", ["\u{3164}", "\u{2800}\u{115f}"], false);
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        for (who, shown) in [(&eve, "Ada Admin"), (&blank, "blank@example.org")] {
            let shown = format!("<bdi>{shown}</bdi>");
            let request = app.ask(who, &grace, &app.bundle("Sleep\u{202e} <b>", 6));
            let token = app.redeem_token(&request);
            let link = format!("/redeem?token={token}");
            let decided = [("token", token.as_str()), ("decision", "approve")];
            for page in [
                visitor.sees(&app, "/").await.1,
                visitor.sees(&app, &link).await.1,
                visitor.sees(&app, &format!("/requests/{}", request.id)).await.1,
                visitor.sends(&app, "/redeem", &decided).await.1,
                visitor.sees(&app, "/access").await.1,
                visitor.sees(&app, &link).await.1,
            ] {
                assert!(page.contains(&shown), "{shown}: {page}");
                for unseen in ['\u{202e}', '\u{200b}', '\u{3164}', '\u{2800}'] {
                    assert!(!page.contains(unseen), "{unseen:?}: {page}");
                }
                assert!(!page.contains("&lt;bdi") && !page.contains("<b>"), "{page}");
            }
        }
        let (_, page) = app.signed_in(&eve).sees(&app, "/").await;
        assert!(page.contains("Hello, Ada Admin."), "{page}");
        app.ask(&grace, &blank, &app.bundle("Steps", 2));
        assert!(visitor.sees(&app, "/requests").await.1.contains("<bdi>blank@example.org</bdi>"));
    }

    async fn who_is_asked_declines_at_once(app: TestApp) {
        let (ada, grace, eve) = people(&app);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let path = format!("/requests/{}/end", request.id);
        assert_eq!(app.signed_in(&eve).sends(&app, &path, &[]).await.0, 404);
        assert_eq!(app.count(OPEN), 1);
        let visitor = app.signed_in(&grace);
        let led = led_to(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/?done=declined");
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome = 'declined'"), 1);
        assert!(visitor.sees(&app, &led).await.1.contains("Request declined. No permission was given"));
        assert_eq!(visitor.sends(&app, &path, &[]).await.0, 404, "it is over");
        for id in ["0", "-1", "x", "9223372036854775808", "%00", "%FF", " "] {
            assert_eq!(visitor.sends(&app, &format!("/requests/{id}/end"), &[]).await.0, 404, "{id}");
        }
    }

    async fn who_is_asked_takes_no_more_requests_and_may_think_again(app: TestApp) {
        let (ada, grace, eve) = people(&app);
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 2));
        let request = app.ask(&ada, &grace, &sleep);
        app.ask(&ada, &grace, &heart);
        let path = format!("/requests/{}/block", request.id);
        for other in [&ada, &eve] {
            assert_eq!(app.signed_in(other).sends(&app, &path, &[]).await.0, 404);
        }
        assert_eq!((app.count(BLOCKS), app.count(OPEN)), (0, 2));
        let visitor = app.signed_in(&grace);
        let led = led_to(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/?done=blocked");
        assert_eq!((app.count(BLOCKS), app.count(OPEN)), (1, 0));
        let body = serde_json::json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": sleep.id.0 });
        assert_eq!(app.post(REQUESTS).by(&ada).json(&body).send().await.unwrap().status(), 403);
        let asked = [("email", grace.email()), ("bundle", &sleep.id.0.to_string())];
        let (status, page) = app.signed_in(&ada).sends(&app, "/ask", &asked).await;
        assert_eq!(status, 403);
        assert!(page.contains("This user does not accept requests from you"), "{page}");
        assert!(visitor.sees(&app, "/requests").await.1.contains("Blocked users"));
        let lift = format!("/blocks/{}/lift", ada.id());
        assert_eq!(app.signed_in(&eve).sends(&app, &lift, &[]).await.0, 404);
        assert_eq!(led_to(visitor.post(&app, &lift, &[])).await, "/requests?done=unblocked");
        assert_eq!(app.count(BLOCKS), 0);
        assert_eq!(visitor.sends(&app, &lift, &[]).await.0, 404);
        assert_eq!(app.post(REQUESTS).by(&ada).json(&body).send().await.unwrap().status(), 201);
    }

    async fn what_waits_comes_twenty_at_a_time_the_newest_first(app: TestApp) {
        let (ada, grace, _) = people(&app);
        for nth in 1..=41 {
            app.ask(&ada, &grace, &app.bundle(&format!("Bundle no {nth:02}"), 6));
        }
        let visitor = app.signed_in(&grace);
        let see = async |path: &str| {
            let (status, page) = visitor.sees(&app, path).await;
            assert_eq!(status, 200, "{path}");
            (page.matches("Bundle no").count(), page)
        };
        let (seen, page) = see("/").await;
        assert!(seen == 20 && page.contains("Bundle no 41") && page.contains("Bundle no 22"), "{page}");
        assert!(page.contains("1 to 20 of 41") && page.contains("?waiting=20"), "{page}");
        assert!(!page.contains("rel=\"prev\""));
        let (seen, page) = see("/?waiting=40&done=declined").await;
        assert!(seen == 1 && page.contains("Bundle no 01") && page.contains("41 to 41 of 41"), "{page}");
        assert!(page.contains("?waiting=20") && !page.contains("rel=\"next\""), "{page}");
        let (seen, page) = see("/?waiting=1000").await;
        assert!(seen == 0 && page.contains("There are no more entries") && page.contains("?waiting=40"), "{page}");
        for nonsense in ["x", "-1", "1.5", "", "9223372036854775807", "99999999999999999999", "%00", "1&waiting=2"] {
            let (status, _) = visitor.sees(&app, &format!("/?waiting={nonsense}&done=<script>")).await;
            assert_eq!(status, 200, "{nonsense}");
        }
    }

    async fn nobody_is_shown_anything_before_they_sign_in(app: TestApp) {
        let visitor = app.visitor();
        for path in ["/", "/requests", "/ask", "/access", "/tokens", "/tokens/new", "/keys", "/keys/new"] {
            assert!(led_to(visitor.get(&app, path)).await.starts_with("/sign-in?next=%2F"), "{path}");
        }
        let before = app.rows();
        for (path, back) in [
            ("/requests/1/end", "/"),
            ("/requests/1/block", "/"),
            ("/requests/1/resend", "/requests"),
            ("/blocks/1/lift", "/requests"),
            ("/ask", "/ask"),
            ("/access/1/revoke", "/access"),
            ("/tokens/new", "/tokens"),
            ("/tokens/x/revoke", "/tokens"),
            ("/keys/new", "/keys"),
            ("/keys/x/revoke", "/keys"),
            ("/account/password", "/account"),
            ("/account/sessions/end", "/account"),
            ("/account/sessions/x/end", "/account"),
            ("/staff/users", "/staff/users"),
            ("/staff/users/1/disable", "/staff/users"),
            ("/staff/users/1/enable", "/staff/users"),
            ("/staff/hubs", "/staff/hubs"),
            ("/staff/hub/give", "/staff/hubs"),
            ("/staff/hub/take", "/staff/hubs"),
            ("/staff/bundles", "/staff/bundles"),
            ("/staff/bundles/1", "/staff/bundles"),
            ("/staff/bundles/1/delete", "/staff/bundles"),
            ("/staff/mail/1/retry", "/staff/mail"),
        ] {
            let led = led_to(visitor.post(&app, path, &[])).await;
            assert_eq!(led, format!("/sign-in?next={}", back.replace('/', "%2F")), "{path}");
        }
        assert_eq!(app.rows(), before);
    }
}
