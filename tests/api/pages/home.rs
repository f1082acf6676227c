//! The home page of a signed-in user: open requests, and links to the other pages.

use countersign::domain::token::Keyring;

use super::redirect_target;
use crate::helpers::{ByUser, SECRET, TestApp, TestUser};
use crate::hexo::REQUESTS;

const COUNT_OPEN_REQUESTS: &str = "SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL";
const COUNT_BLOCKS: &str = "SELECT count(*) AS n FROM blocks";

fn three_users(app: &TestApp) -> (TestUser, TestUser, TestUser) {
    (app.user("ada@example.org"), app.user("grace@example.org"), app.user("eve@example.org"))
}

on_both_databases! {
    async fn the_target_sees_a_request_and_its_redeem_link(app: TestApp) {
        let (ada, grace, eve) = three_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep & heart", 6));
        let token = Keyring::new(SECRET.as_bytes(), None).unwrap().redeem_token(request.redeem_id).expose();
        let visitor = app.signed_in(&grace);
        let before = app.rows_except("sessions");
        let (status, page) = visitor.get_page(&app, "/").await;
        assert_eq!(status, 200);
        for wanted in ["Sleep &amp; heart", "ada Test", "ada@example.org", "download your data", "1 January 2030, 01:00 UTC"] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        assert!(page.contains(&token), "{page}");
        assert_eq!(visitor.get_page(&app, &format!("/redeem?token={token}")).await.0, 200);
        // No other user sees the request or its link.
        for other in [&ada, &eve] {
            for path in ["/", "/requests", "/access"] {
                let (status, page) = app.signed_in(other).get_page(&app, path).await;
                assert_eq!(status, 200);
                assert!(!page.contains("csr_"), "{page}");
                assert!(path != "/" || page.contains("No requests are waiting for you"), "{page}");
            }
        }
        assert_eq!(app.rows_except("sessions"), before);
        app.advance(3_600);
        assert!(visitor.get_page(&app, "/").await.1.contains("No requests are waiting for you"));
    }

    async fn names_are_bidi_isolated_and_never_blank(app: TestApp) {
        // Without isolation, the names would appear as `Ada nimdA`, and as an empty text.
        let eve = app.user_with_name("eve@example.org", ["Ada", "\u{202e}Admin\u{200b}"], false);
        let blank = app.user_with_name("blank@example.org", ["\u{3164}", "\u{2800}\u{115f}"], false);
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        for (who, shown) in [(&eve, "Ada Admin"), (&blank, "blank@example.org")] {
            let shown = format!("<bdi>{shown}</bdi>");
            let request = app.create_request(who, &grace, &app.bundle("Sleep\u{202e} <b>", 6));
            let token = app.redeem_token(&request);
            let link = format!("/redeem?token={token}");
            let decided = [("token", token.as_str()), ("decision", "approve"), ("right", "read"), ("right", "get")];
            for page in [
                visitor.get_page(&app, "/").await.1,
                visitor.get_page(&app, &link).await.1,
                visitor.get_page(&app, &format!("/requests/{}", request.id)).await.1,
                visitor.post_form(&app, "/redeem", &decided).await.1,
                visitor.get_page(&app, "/access").await.1,
                visitor.get_page(&app, &link).await.1,
            ] {
                assert!(page.contains(&shown), "{shown}: {page}");
                for unseen in ['\u{202e}', '\u{200b}', '\u{3164}', '\u{2800}'] {
                    assert!(!page.contains(unseen), "{unseen:?}: {page}");
                }
                assert!(!page.contains("&lt;bdi") && !page.contains("<b>"), "{page}");
            }
        }
        let (_, page) = app.signed_in(&eve).get_page(&app, "/").await;
        assert!(page.contains("Hello, Ada Admin."), "{page}");
        app.create_request(&grace, &blank, &app.bundle("Steps", 2));
        assert!(visitor.get_page(&app, "/requests").await.1.contains("<bdi>blank@example.org</bdi>"));
    }

    async fn the_target_can_decline_from_the_home_page(app: TestApp) {
        let (ada, grace, eve) = three_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let path = format!("/requests/{}/close", request.id);
        assert_eq!(app.signed_in(&eve).post_form(&app, &path, &[]).await.0, 404);
        assert_eq!(app.count(COUNT_OPEN_REQUESTS), 1);
        let visitor = app.signed_in(&grace);
        let led = redirect_target(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/?flash=declined");
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome = 'declined'"), 1);
        assert!(visitor.get_page(&app, &led).await.1.contains("Request declined. No permission was given"));
        assert_eq!(visitor.post_form(&app, &path, &[]).await.0, 303, "a repetition shows what is so now");
        for id in ["0", "-1", "x", "9223372036854775808", "%00", "%FF", " "] {
            assert_eq!(visitor.post_form(&app, &format!("/requests/{id}/close"), &[]).await.0, 404, "{id}");
        }
    }

    async fn the_target_can_block_and_unblock_a_requester(app: TestApp) {
        let (ada, grace, eve) = three_users(&app);
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 2));
        let request = app.create_request(&ada, &grace, &sleep);
        app.create_request(&ada, &grace, &heart);
        let path = format!("/requests/{}/block", request.id);
        for other in [&ada, &eve] {
            assert_eq!(app.signed_in(other).post_form(&app, &path, &[]).await.0, 404);
        }
        assert_eq!((app.count(COUNT_BLOCKS), app.count(COUNT_OPEN_REQUESTS)), (0, 2));
        let visitor = app.signed_in(&grace);
        let led = redirect_target(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/?flash=blocked");
        assert_eq!((app.count(COUNT_BLOCKS), app.count(COUNT_OPEN_REQUESTS)), (1, 0));
        let body = serde_json::json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": sleep.id.0 });
        assert_eq!(app.post(REQUESTS).by_user(&ada).json(&body).send().await.unwrap().status(), 403);
        let asked = [("email", grace.email()), ("bundle", &sleep.id.0.to_string())];
        let (status, page) = app.signed_in(&ada).post_form(&app, "/requests/new", &asked).await;
        assert_eq!(status, 403);
        assert!(page.contains("This user does not accept requests from you"), "{page}");
        assert!(visitor.get_page(&app, "/requests").await.1.contains("Blocked users"));
        let lift = format!("/blocks/{}/delete", ada.id());
        assert_eq!(app.signed_in(&eve).post_form(&app, &lift, &[]).await.0, 303, "has no block");
        assert_eq!(redirect_target(visitor.post(&app, &lift, &[])).await, "/requests?flash=unblocked");
        assert_eq!(app.count(COUNT_BLOCKS), 0);
        assert_eq!(visitor.post_form(&app, &lift, &[]).await.0, 303);
        assert_eq!(app.post(REQUESTS).by_user(&ada).json(&body).send().await.unwrap().status(), 201);
    }

    async fn open_requests_have_pages_of_twenty_newest_first(app: TestApp) {
        let (ada, grace, _) = three_users(&app);
        for nth in 1..=41 {
            app.create_request(&ada, &grace, &app.bundle(&format!("Bundle no {nth:02}"), 6));
        }
        let visitor = app.signed_in(&grace);
        let see = async |path: &str| {
            let (status, page) = visitor.get_page(&app, path).await;
            assert_eq!(status, 200, "{path}");
            (page.matches("Bundle no").count(), page)
        };
        let (seen, page) = see("/").await;
        assert!(seen == 20 && page.contains("Bundle no 41") && page.contains("Bundle no 22"), "{page}");
        assert!(page.contains("1 to 20 of 41") && page.contains("?pending=20"), "{page}");
        assert!(!page.contains("rel=\"prev\""));
        let (seen, page) = see("/?pending=40&flash=declined").await;
        assert!(seen == 1 && page.contains("Bundle no 01") && page.contains("41 to 41 of 41"), "{page}");
        assert!(page.contains("?pending=20") && !page.contains("rel=\"next\""), "{page}");
        let (seen, page) = see("/?pending=1000").await;
        assert!(seen == 0 && page.contains("There are no more entries") && page.contains("?pending=40"), "{page}");
        for nonsense in ["x", "-1", "1.5", "", "9223372036854775807", "99999999999999999999", "%00", "1&pending=2"] {
            let (status, _) = visitor.get_page(&app, &format!("/?pending={nonsense}&flash=<script>")).await;
            assert_eq!(status, 200, "{nonsense}");
        }
    }

    async fn the_home_page_requires_sign_in(app: TestApp) {
        let visitor = app.signed_out();
        for path in ["/", "/requests", "/requests/new", "/access", "/tokens", "/tokens/new", "/keys", "/keys/new", "/webhooks", "/webhooks/new", "/webhooks/1"] {
            assert!(redirect_target(visitor.get(&app, path)).await.starts_with("/sign-in?next=%2F"), "{path}");
        }
        let before = app.rows();
        for (path, back) in [
            ("/requests/1/close", "/"),
            ("/requests/1/block", "/"),
            ("/requests/1/resend", "/requests"),
            ("/blocks/1/delete", "/requests"),
            ("/requests/new", "/requests/new"),
            ("/access/1/revoke", "/access"),
            ("/tokens/new", "/tokens/new"),
            ("/tokens/x/revoke", "/tokens"),
            ("/keys/new", "/keys/new"),
            ("/keys/x/revoke", "/keys"),
            ("/webhooks/new", "/webhooks/new"),
            ("/webhooks/1", "/webhooks/1"),
            ("/webhooks/1/test", "/webhooks/1"),
            ("/webhooks/1/secret", "/webhooks/1"),
            ("/webhooks/1/delete", "/webhooks/1"),
            ("/webhooks/1/replay", "/webhooks/1"),
            ("/webhooks/1/deliveries/x/replay", "/webhooks/1"),
            ("/webhooks/x/test", "/webhooks"),
            ("/account/password", "/account"),
            ("/account/sessions/end", "/account"),
            ("/account/sessions/x/end", "/account"),
            ("/staff/users", "/staff/users"),
            ("/staff/users/1/disable", "/staff/users"),
            ("/staff/users/1/enable", "/staff/users"),
            ("/staff/hubs", "/staff/hubs"),
            ("/staff/hub/members/grant", "/staff/hubs"),
            ("/staff/hub/members/revoke", "/staff/hubs"),
            ("/staff/bundles", "/staff/bundles"),
            ("/staff/bundles/1", "/staff/bundles"),
            ("/staff/bundles/1/delete", "/staff/bundles"),
            ("/staff/mail/1/retry", "/staff/mail"),
            ("/staff/mail/retry", "/staff/mail"),
        ] {
            let led = redirect_target(visitor.post(&app, path, &[])).await;
            assert_eq!(led, format!("/sign-in?next={}", back.replace('/', "%2F")), "{path}");
        }
        assert_eq!(app.rows(), before);
    }
}
