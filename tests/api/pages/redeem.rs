//! The page of a redeem link.

use reqwest::{Method, StatusCode};

use crate::helpers::{TestApp, TestUser};
use crate::page_client::send_for_text;

/// Two users and the token of an open request.
fn new_request(app: &TestApp) -> (TestUser, TestUser, String) {
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let request = app.create_request(&ada, &grace, &app.bundle("Sleep & heart <rate>", 6));
    (ada, grace, app.redeem_token(&request))
}

/// The value of a hidden field.
fn hidden_field(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect("the field is there");
    rest.split('"').next().unwrap().to_owned()
}

const COUNT_PERMISSIONS: &str = "SELECT count(*) AS n FROM bundle_permissions";

on_both_databases! {
    async fn a_thousand_views_of_the_page_change_nothing(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let path = format!("/redeem?token={token}");
        let visitor = app.signed_in(&grace);
        let before = app.rows();
        for method in [Method::GET, Method::HEAD] {
            for nth in 0..500 {
                let look = app.request(method.clone(), &path);
                // Some mail scanners have the cookies of the recipient.
                let look = if nth % 10 == 0 { look.header("cookie", &visitor.cookie) } else { look };
                assert_eq!(look.send().await.unwrap().status(), 200);
            }
        }
        assert_eq!(app.rows(), before);
        assert_eq!(visitor.post_form(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read")]).await.0, 200);
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn a_signed_out_visitor_is_redirected_and_learns_nothing(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let path = format!("/redeem?token={token}");
        let (status, page) = app.signed_out().get_page(&app, &path).await;
        assert_eq!(status, 200);
        assert!(!page.contains("Sleep") && !page.contains("example.org"), "{page}");
        assert!(page.contains(&format!("name=\"next\" value=\"{}\"", path.replace('/', "&#x2f;"))), "{page}");
        // A decision without a session is not executed: the page asks again after sign-in.
        let decided = app.signed_out().post(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read")]);
        let answer = decided.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let back = format!("/redeem?token={token}");
        let asked: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
        assert_eq!(answer.headers()["location"], format!("/sign-in?next={asked}"));
        assert_eq!(app.count(COUNT_PERMISSIONS), 0);
        assert_eq!(app.signed_in(&grace).get_page(&app, &back).await.0, 200);
    }

    async fn the_page_of_an_earlier_request_offers_no_more_than_a_new_maximum(mut app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let (grace, url) = (app.signed_in(&grace), app.spawn_replica_with("[permissions]\nmax_ttl = 86400"));
        let (_, unlimited) = grace.get_page(&app, &format!("/redeem?token={token}")).await;
        let (_, limited) = grace.get_page(&app, &format!("{url}/redeem?token={token}")).await;
        assert!(limited.contains("2030-01-02") && !unlimited.contains("2030-01-02"), "{limited}");
        for (page, status) in [(&unlimited, 409), (&limited, 200)] {
            let [shown, statement] = ["shown", "statement"].map(|name| hidden_field(page, name));
            let form = [
                ("token", token.as_str()), ("decision", "approve"), ("right", "read"), ("shown", &shown), ("statement", &statement),
            ];
            assert_eq!(grace.post_form(&app, &format!("{url}/redeem"), &form).await.0, status);
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions WHERE expires_at IS NOT NULL"), 1);
    }

    async fn the_target_can_view_and_approve(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let grace = app.signed_in(&grace);
        let (status, page) = grace.get_page(&app, &format!("/redeem?token={token}")).await;
        assert_eq!(status, 200);
        assert!(page.contains("Sleep &amp; heart &lt;rate&gt;") && page.contains("ada@example.org"), "{page}");
        assert!(page.contains("download your data") && page.contains("1 January 2030, 01:00 UTC"), "{page}");
        assert_eq!(app.count(COUNT_PERMISSIONS), 0);
        let approve = [("token", token.as_str()), ("decision", "approve"), ("right", "read")];
        let (status, page) = grace.post_form(&app, "/redeem", &approve).await;
        assert_eq!(status, 200);
        assert!(page.contains("Request approved") && page.contains("/revoke"), "{page}");
        assert!(page.contains("They can:") && !page.contains("If you approve"), "{page}");
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
        assert_eq!(grace.post_form(&app, "/redeem", &approve).await.0, 404);
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn the_target_can_grant_a_part_until_a_day_with_the_text_recorded(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        app.execute_raw("UPDATE permission_requests SET minimum = 2, permission_ttl = 864000, purpose = 'A study'");
        let grace = app.signed_in(&grace);
        let (_, page) = grace.get_page(&app, &format!("/redeem?token={token}")).await;
        assert!(page.contains("A study") && page.contains("(required)") && page.contains("max=\"2030-01-11\""), "{page}");
        for (form, words) in [
            (vec![("right", "write")], "Select at least one right"),
            (vec![("right", "get"), ("end", "2029-12-31")], "Choose a day in the future"),
            (vec![("right", "get"), ("end", "2030-01-12")], "Choose a day in the future"),
            (vec![("right", "get"), ("end", "tomorrow")], "Choose a day in the future"),
        ] {
            let form = [&[("token", token.as_str()), ("decision", "approve")], form.as_slice()].concat();
            let (status, page) = grace.post_form(&app, "/redeem", &form).await;
            assert!(status == 400 && page.contains(words), "{form:?}: {status} {page}");
        }
        assert_eq!(app.count(COUNT_PERMISSIONS), 0);
        let form = [("token", token.as_str()), ("decision", "approve"), ("end", "2030-01-03"), ("statement", "en/1")];
        let (status, page) = grace.post_form(&app, "/redeem", &form).await;
        assert!(status == 200 && page.contains("2030-01-04T00:00:00Z"), "{page}");
        assert!(page.contains("view your data") && !page.contains("download your data"), "{page}");
        assert_eq!(app.count("SELECT CAST(granted_permission AS bigint) AS n FROM permission_requests"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE statement = 'en/1'"), 1);
    }

    async fn declining_with_a_reason_leads_back_to_the_application(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        app.execute_raw("UPDATE permission_requests SET return_url = 'https://app.example/back?x=1', state = 'a&b'");
        let grace = app.signed_in(&grace);
        let too_long = "x".repeat(501);
        let decline = |reason| [("token", token.as_str()), ("decision", "decline"), ("reason", reason)];
        let (status, page) = grace.post_form(&app, "/redeem", &decline(&too_long)).await;
        assert!(status == 400 && page.contains("at most 500 characters"), "{page}");
        let (status, page) = grace.post_form(&app, "/redeem", &decline("Not <now>")).await;
        let back = "https://app.example/back?x=1&amp;state=a%26b&amp;request=1&amp;status=declined";
        let back = back.replace('/', "&#x2f;");
        assert!(status == 200 && page.contains(&back), "{page}");
        let (status, page) = grace.get_page(&app, &format!("/redeem?token={token}")).await;
        assert!(status == 404 && page.contains(&back), "{page}");
        let (_, history) = grace.get_page(&app, "/requests/1").await;
        assert!(history.contains("Not &lt;now&gt;"), "{history}");
    }

    async fn a_form_sent_twice_has_the_same_result(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let grace = app.signed_in(&grace);
        let form = [("token", token.as_str()), ("decision", "approve"), ("right", "read"), ("idempotency_key", "one-form")];
        for _ in 0..2 {
            let (status, page) = grace.post_form(&app, "/redeem", &form).await;
            assert_eq!(status, 200);
            assert!(page.contains("Request approved"));
        }
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn the_page_approves_only_what_it_showed(app: TestApp) {
        let (ada, grace, token) = new_request(&app);
        let visitor = app.signed_in(&grace);
        let (_, page) = visitor.get_page(&app, &format!("/redeem?token={token}")).await;
        let shown = hidden_field(&page, "shown");
        let approve = |shown: &str| visitor.post(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read"), ("shown", shown)]);
        // The requester takes another name, or an operator changes the bundle in the database.
        for change in [
            format!("UPDATE users SET first_name = 'Dr. Grey' WHERE id = {}", ada.id()),
            "UPDATE bundles SET name = 'Everything'".to_owned(),
            "UPDATE bundles SET description = 'All of it'".to_owned(),
            "UPDATE permission_requests SET permission = 63".to_owned(),
        ] {
            let (_, page) = visitor.get_page(&app, &format!("/redeem?token={token}")).await;
            let before = hidden_field(&page, "shown");
            app.execute_raw(&change);
            let (status, page) = send_for_text(approve(&before)).await;
            assert_eq!(status, 409, "{change}");
            assert!(page.contains("Nothing was approved.") && hidden_field(&page, "shown") != before, "{page}");
            assert_eq!(app.count(COUNT_PERMISSIONS), 0);
        }
        assert_eq!(send_for_text(approve(&shown)).await.0, 409);
        let (_, page) = visitor.get_page(&app, &format!("/redeem?token={token}")).await;
        assert_eq!(send_for_text(approve(&hidden_field(&page, "shown"))).await.0, 200);
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn an_approved_link_says_so_to_the_target(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let visitor = app.signed_in(&grace);
        assert_eq!(visitor.post_form(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read")]).await.0, 200);
        let (_, again) = visitor.post_form(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read")]).await;
        let (status, page) = visitor.get_page(&app, &format!("/redeem?token={token}")).await;
        assert_eq!(status, 404);
        for page in [page, again] {
            assert!(page.contains("You approved this request") && page.contains("/requests/1"), "{page}");
            assert!(!page.contains("mailto:"), "{page}");
        }
        let eve = app.signed_in(&app.user("eve@example.org"));
        let (_, page) = eve.get_page(&app, &format!("/redeem?token={token}")).await;
        assert!(page.contains("This link is not valid"), "{page}");
    }

    async fn the_target_can_decline(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let grace = app.signed_in(&grace);
        let (status, page) = grace.post_form(&app, "/redeem", &[("token", &token), ("decision", "decline")]).await;
        assert_eq!(status, 200);
        assert!(page.contains("Request declined"));
        assert_eq!(grace.post_form(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read")]).await.0, 404);
        assert_eq!(app.count(COUNT_PERMISSIONS), 0);
    }

    async fn another_user_sees_that_the_link_is_not_theirs_but_not_the_target(app: TestApp) {
        let (ada, grace, token) = new_request(&app);
        let boss = app.staff("boss@example.org");
        let path = format!("/redeem?token={token}");
        for other in [&ada, &boss] {
            let visitor = app.signed_in(other);
            let before = app.rows();
            let (status, page) = visitor.get_page(&app, &path).await;
            assert_eq!(status, 404);
            assert!(page.contains("This link is for another account") && page.contains(other.email()), "{page}");
            assert!(!page.contains(grace.email()) && !page.contains("Sleep"), "{page}");
            for decision in ["approve", "decline"] {
                let (status, page) = visitor.post_form(&app, "/redeem", &[("token", &token), ("decision", decision)]).await;
                assert_eq!(status, 404);
                assert!(!page.contains(grace.email()));
            }
            assert_eq!(app.rows(), before);
        }
        assert_eq!(app.signed_in(&grace).get_page(&app, &path).await.0, 200);
    }

    async fn every_inactive_link_shows_the_same_page(app: TestApp) {
        let (ada, grace, token) = new_request(&app);
        let visitor = app.signed_in(&grace);
        let forged = format!("{}{}", &token[..47], if token.ends_with('A') { "E" } else { "A" });
        let see = async |token: &str| visitor.get_page(&app, &format!("/redeem?token={token}")).await;
        let (status, for_forged) = see(&forged).await;
        assert_eq!(status, 404);
        assert!(for_forged.contains("This link is not valid"), "{for_forged}");
        assert_eq!(see("nonsense").await, (404, for_forged.clone()));
        assert_eq!(visitor.get_page(&app, "/redeem").await.0, 404);
        // The target may ask the requester for a new one.
        app.advance(3_599);
        assert_eq!(see(&token).await.0, 200);
        app.advance(1);
        let (status, for_expired) = see(&token).await;
        assert_eq!(status, 404);
        assert!(for_expired.contains("This link is not valid"), "{for_expired}");
        assert!(for_expired.contains("mailto:ada@example.org"), "{for_expired}");
        let request = app.create_request(&ada, &grace, &app.bundle("Steps", 2));
        let token = app.redeem_token(&request);
        assert_eq!(visitor.post_form(&app, "/redeem", &[("token", &token), ("decision", "decline")]).await.0, 200);
        assert!(see(&token).await.1.contains("You declined this request"));
        // Other users see the page of an unknown token.
        let eve = app.signed_in(&app.user("eve@example.org"));
        let (_, for_eve) = eve.get_page(&app, &format!("/redeem?token={token}")).await;
        assert_eq!(for_eve, eve.get_page(&app, "/redeem?token=nonsense").await.1);
    }

    async fn an_email_cannot_add_headers_to_the_mailto_link(app: TestApp) {
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        for (email, link) in [
            ("a?bcc=x@example.org", "mailto:a%3Fbcc%3Dx@example.org?subject="),
            ("a&b%40c+d@my-place.example.org", "mailto:a%26b%2540c%2Bd@my-place.example.org?subject="),
        ] {
            let token = app.redeem_token(&app.create_request(&app.user(email), &grace, &app.bundle("Sleep", 6)));
            app.advance(3_600);
            let (_, page) = visitor.get_page(&app, &format!("/redeem?token={token}")).await;
            assert!(page.contains(&format!("href=\"{link}")), "{link}: {page}");
        }
    }

    async fn a_malformed_form_returns_an_error_page(app: TestApp) {
        let (_, grace, token) = new_request(&app);
        let visitor = app.signed_in(&grace);
        let before = app.rows();
        for form in [
            vec![],
            vec![("token", token.as_str())],
            vec![("decision", "approve"), ("right", "read")],
            vec![("token", &token), ("decision", "perhaps")],
            vec![("token", &token), ("token", &token), ("decision", "approve"), ("right", "read")],
            vec![("token", "a\0b"), ("decision", "approve"), ("right", "read")],
        ] {
            let answer = visitor.post(&app, "/redeem", &form).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{form:?}");
            assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        }
        let of_no_type = visitor.request(&app, Method::POST, "/redeem").body("x");
        assert_eq!(of_no_type.send().await.unwrap().status(), 415);
        let large = visitor.request(&app, Method::POST, "/redeem").body("x".repeat(70_000));
        assert_eq!(large.send().await.unwrap().status(), 413);
        assert_eq!(visitor.request(&app, Method::PUT, "/redeem").send().await.unwrap().status(), 405);
        assert_eq!(app.rows(), before);
    }
}
