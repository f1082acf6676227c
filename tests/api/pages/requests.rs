//! The page of created requests: the form, the state of the mails, sending a mail again, and
//! withdrawing.

use countersign::mail::transport::SendError;
use serde_json::json;

use super::redirect_target;
use crate::helpers::{ByUser, TestApp, TestUser, token_in};
use crate::mailer::wait_for_count;
use crate::page_client::PageClient;
use crate::rate_limits::limits_toml;

const COUNT_REQUESTS: &str = "SELECT count(*) AS n FROM permission_requests";
const COUNT_OUTBOX: &str = "SELECT count(*) AS n FROM outbox";
const COUNT_SENT: &str = "SELECT count(*) AS n FROM outbox WHERE result = 'sent'";

/// Ada, the requester, and Grace.
fn two_users(app: &TestApp) -> (TestUser, TestUser) {
    (app.user("ada@example.org"), app.user("grace@example.org"))
}

/// Submits a form, asserts that nothing changes, and returns its error.
async fn expect_refusal(app: &TestApp, visitor: &PageClient, form: &[(&str, &str)]) -> (u16, String) {
    let before = app.rows();
    let refused = visitor.post_form(app, "/requests/new", form).await;
    assert_eq!(app.rows(), before, "{form:?}");
    refused
}

on_both_databases! {
    async fn a_repeated_form_shows_what_is_so_now(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let (asker, target) = (app.signed_in(&ada), app.signed_in(&grace));
        let request = |name: &str| app.create_request(&ada, &grace, &app.bundle(name, 6)).id;
        let location = async |visitor: &PageClient, path: String| {
            visitor.post(&app, &path, &[]).send().await.unwrap().headers()["location"].to_str().unwrap().to_owned()
        };
        let (withdrawn, declined) = (request("One"), request("Two"));
        for _ in 0..2 {
            assert_eq!(location(&asker, format!("/requests/{withdrawn}/close")).await, "/requests?flash=withdrawn");
            assert_eq!(location(&target, format!("/requests/{declined}/close")).await, "/?flash=declined");
        }
        assert_eq!(location(&target, format!("/requests/{withdrawn}/close")).await, format!("/requests/{withdrawn}"));
        let token = app.redeem_token(&app.create_request(&ada, &grace, &app.bundle("Three", 6)));
        assert_eq!(target.post_form(&app, "/redeem", &[("token", &token), ("decision", "decline")]).await.0, 200);
        let (_, page) = target.post_form(&app, "/redeem", &[("token", &token), ("decision", "decline")]).await;
        assert!(page.contains("You declined this request") && !page.contains("Nothing was changed"), "{page}");
        let granted = app.create_request(&ada, &grace, &app.bundle("Four", 6));
        let token = app.redeem_token(&granted);
        assert_eq!(target.post_form(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read"), ("right", "get")]).await.0, 200);
        for _ in 0..2 {
            assert_eq!(location(&target, format!("/access/{}/revoke", granted.id)).await, "/access?flash=revoked");
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'permission.revoked'"), 1);
    }

    async fn the_form_asks_for_some_rights_and_those_that_are_needed(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let visitor = app.signed_in(&ada);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        app.bundle("Heart", 15);
        let ask = |email: &'static str, more: &[(&'static str, &'static str)]| {
            [&[("email", email), ("bundle", bundle.as_str())], more].concat()
        };
        let (_, page) = visitor.get_page(&app, "/requests/new").await;
        for right in ["anyone", "read", "get", "write"] {
            assert_eq!(page.matches(&format!("type=\"checkbox\" name=\"right\" value=\"{right}\">")).count(), 1, "{page}");
        }
        assert!(!page.contains("value=\"admin\"") && page.contains("<details><summary>"), "{page}");
        for (more, field) in [
            (&[("right", "read"), ("right", "write")][..], "right"),
            (&[("right", "read"), ("needed", "get")], "needed"),
            (&[("needed", "write")], "needed"),
        ] {
            let (status, page) = expect_refusal(&app, &visitor, &ask("grace@example.org", more)).await;
            assert!(status == 400 && page.contains(&format!("id=\"{field}-error\"")), "{page}");
            for (name, right) in more {
                assert!(page.contains(&format!("name=\"{name}\" value=\"{right}\" checked>")), "{page}");
            }
            assert!(page.contains("<details open>"), "{page}");
        }
        assert_eq!(expect_refusal(&app, &visitor, &ask("grace@example.org", &[("right", "all")])).await.0, 400);
        let eve = app.user("eve@example.org");
        let root = app.user("root@example.org");
        for (target, more) in [
            (&grace, &[("right", "read"), ("right", "get"), ("needed", "read")][..]), (&eve, &[("right", "get")]), (&root, &[]),
        ] {
            let email = ["grace@example.org", "eve@example.org", "root@example.org"];
            let email = email.into_iter().find(|email| *email == target.email()).unwrap();
            assert_eq!(redirect_target(visitor.post(&app, "/requests/new", &ask(email, more))).await, "/requests?flash=requested");
        }
        let asked = app.query_i64s("SELECT CAST(permission * 100 + minimum AS bigint) AS n FROM permission_requests ORDER BY id");
        assert_eq!(asked, [602, 400, 600]);
    }

    async fn the_form_is_filled_in_again_after_sign_in(app: TestApp) {
        let (ada, _) = two_users(&app);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        let purpose = "“Für” die Studie & <mehr>";
        for (purpose, shown) in [(purpose, purpose.to_owned()), (&"ж".repeat(500), "ж".repeat(250))] {
            let form = [
                ("email", "grace@example.org"), ("bundle", &bundle), ("right", "get"), ("needed", "get"), ("purpose", purpose),
                ("permission_days", "30"), ("days", "3"),
            ];
            let there = redirect_target(app.signed_out().post(&app, "/requests/new", &form)).await;
            assert!(there.len() < 3_500, "{there}");
            let (_, query) = there.split_once('?').unwrap();
            let (_, next) = form_urlencoded::parse(query.as_bytes()).next().unwrap();
            let (_, page) = app.signed_in(&ada).get_page(&app, &next).await;
            let text = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            for wanted in [
                "value=\"grace@example.org\"", &format!("value=\"{bundle}\" selected"), "name=\"right\" value=\"get\" checked",
                "name=\"needed\" value=\"get\" checked", &format!(">{text}</textarea>"), "value=\"30\"", "value=\"3\"",
            ] {
                assert!(page.contains(wanted), "{wanted}: {page}");
            }
        }
        // A link with a right that does not exist.
        let (status, page) = app.signed_in(&ada).get_page(&app, "/requests/new?email=x&right=all").await;
        assert!(status == 200 && !page.contains("checked"), "{page}");
    }

    async fn the_form_creates_a_request_and_its_status_is_shown(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        let visitor = app.signed_in(&ada);
        assert!(visitor.get_page(&app, "/requests").await.1.contains("No pending requests"));
        let (status, page) = visitor.get_page(&app, "/requests/new?email=grace%40example.org&bundle=x").await;
        assert!(status == 200 && page.contains("value=\"grace@example.org\"") && page.contains("Sleep"), "{page}");
        let form = [("email", "Grace@Example.org "), ("bundle", &bundle), ("days", "3"), ("idempotency_key", "one form")];
        for _ in 0..2 {
            assert_eq!(redirect_target(visitor.post(&app, "/requests/new", &form)).await, "/requests?flash=requested");
        }
        assert_eq!((app.count(COUNT_REQUESTS), app.count(COUNT_OUTBOX)), (1, 1), "a repeated form creates one request");
        let mails = app.mails(1).await;
        assert_eq!(mails[0].to, ["grace@example.org"]);
        let token = token_in(&mails[0]);
        wait_for_count(&app, COUNT_SENT, 1).await;
        let (_, page) = visitor.get_page(&app, "/requests?flash=requested").await;
        for wanted in ["Request created. The email will be sent shortly", "grace Test", "Sleep", "4 January 2030, 00:00 UTC", ">Sent<", "Resend email"] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        assert!(!page.contains(&token));
        assert_eq!(app.signed_in(&grace).get_page(&app, &format!("/redeem?token={token}")).await.0, 200);
        for other in [&grace, &app.user("eve@example.org")] {
            assert!(!app.signed_in(other).get_page(&app, "/requests").await.1.contains("Sleep"));
        }
    }

    async fn the_form_follows_the_configuration(mut app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        for (toml, told, most) in [
            ("", "7 days if you leave this empty, 30 days at most.", Some("max=\"30\"")),
            ("[requests]\ndefault_ttl = 86400", "1 day if you leave this empty, 30 days", Some("max=\"30\"")),
            ("[requests]\ndefault_ttl = 43200\nmax_ttl = 129600", "12 hours if you leave this empty, 1 day at", Some("max=\"1\"")),
            ("[requests]\nmax_ttl = 3600", "The request expires after 1 hour.", None),
        ] {
            app.url = app.spawn_replica_with(toml);
            let visitor = app.signed_in(&ada);
            let (_, page) = visitor.get_page(&app, "/requests/new").await;
            assert!(page.contains(told), "{told}: {page}");
            assert!(page.contains("Sleep (view the data, download the data)"), "the data is not the requester's: {page}");
            match most {
                Some(most) => assert!(page.contains(most), "{page}"),
                None => assert!(!page.contains("name=\"days\""), "{page}"),
            }
        }
        let form = [("email", grace.email()), ("bundle", &bundle)];
        assert_eq!(redirect_target(app.signed_in(&ada).post(&app, "/requests/new", &form)).await, "/requests?flash=requested");
        assert!(app.signed_in(&ada).get_page(&app, "/requests").await.1.contains("1 January 2030, 01:00 UTC"));
    }

    async fn the_form_reports_errors_and_reveals_no_more_than_the_api(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let off = app.user("off@example.org");
        app.disable(&off);
        let sleep = app.bundle("Sleep", 6);
        let bundle = sleep.id.0.to_string();
        let visitor = app.signed_in(&ada);
        let mut unknown = Vec::new();
        for email in ["nobody@example.org", off.email(), "nonsense", "", "2"] {
            let (status, page) = expect_refusal(&app, &visitor, &[("email", email), ("bundle", &bundle)]).await;
            assert_eq!(status, 400, "{email}");
            assert!(page.contains("aria-describedby=\"email-error\"") && page.contains("id=\"email-error\""), "{page}");
            let blank = |page: &str| page.replace(email, "").split("name=\"idempotency_key\"").map(|part| part.get(45..).unwrap_or_default().to_owned()).collect::<String>();
            if email.contains('@') {
                unknown.push(blank(&page));
            }
        }
        assert_eq!(unknown[0], unknown[1], "unknown and disabled users get the same response");
        for (form, words) in [
            ([("email", ada.email()), ("bundle", &bundle), ("days", "")], "This is your own email"),
            ([("email", grace.email()), ("bundle", "0"), ("days", "")], "is no longer available"),
            ([("email", grace.email()), ("bundle", "x"), ("days", "")], "is no longer available"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "0")], "Enter a whole number of days"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "31")], "Enter a whole number of days"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "-1")], "Enter a whole number of days"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "9223372036854775807")], "Enter a whole number of days"),
        ] {
            let (status, page) = expect_refusal(&app, &visitor, &form).await;
            assert!(status == 400 && page.contains(words), "{form:?}: {status} {page}");
        }
        let broken: [&[(&str, &str)]; 2] = [&[("email", grace.email())], &[("bundle", &bundle), ("email", "a"), ("email", "b")]];
        for broken in broken {
            assert_eq!(expect_refusal(&app, &visitor, broken).await.0, 400);
        }
        let request = app.create_request(&ada, &grace, &sleep);
        let token = app.redeem_token(&request);
        assert_eq!(app.signed_in(&grace).post_form(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read"), ("right", "get")]).await.0, 200);
        let (status, page) = expect_refusal(&app, &visitor, &[("email", grace.email()), ("bundle", &bundle)]).await;
        assert!(status == 400 && page.contains("You already have this permission"), "{page}");
    }

    async fn a_sent_mail_can_be_resent_with_the_same_link(app: TestApp) {
        let (ada, grace) = two_users(&app);
        app.mailbox.stall(grace.email(), true);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let (visitor, path) = (app.signed_in(&ada), format!("/requests/{}/resend", request.id));
        let (_, page) = visitor.get_page(&app, "/requests").await;
        assert!(page.contains(">Queued<") || page.contains(">Sending<"), "{page}");
        assert!(!page.contains("/resend"), "{page}");
        let led = redirect_target(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/requests?flash=mail-pending");
        assert!(visitor.get_page(&app, &led).await.1.contains("No new email was sent"));
        assert_eq!(app.count(COUNT_OUTBOX), 1);
        app.mailbox.stall(grace.email(), false);
        wait_for_count(&app, COUNT_SENT, 1).await;
        for other in [&grace, &app.user("eve@example.org"), &app.staff("root@example.org")] {
            assert_eq!(app.signed_in(other).post_form(&app, &path, &[]).await.0, 404);
        }
        assert_eq!(app.count(COUNT_OUTBOX), 1);
        assert_eq!(redirect_target(visitor.post(&app, &path, &[])).await, "/requests?flash=resent");
        assert_eq!((app.count(COUNT_REQUESTS), app.count(COUNT_OUTBOX)), (1, 2));
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.resent'"), 1);
        let mails = app.mails(2).await;
        assert_eq!(token_in(&mails[0]), token_in(&mails[1]));
        assert_eq!(token_in(&mails[1]), app.redeem_token(&request));
        assert_ne!(mails[0].message_id, mails[1].message_id);
        wait_for_count(&app, COUNT_SENT, 2).await;
        app.advance(3_600);
        assert_eq!(visitor.post_form(&app, &path, &[]).await.0, 404, "the request has expired");
        assert_eq!(app.count(COUNT_OUTBOX), 2);
    }

    async fn a_rejected_mail_is_shown_and_can_be_resent(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let error = "RCPT TO: permanent error (550): no such <user> at mx7.internal";
        app.mailbox.refuse(grace.email(), SendError::permanent(error), 1);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'failed'", 1).await;
        let visitor = app.signed_in(&ada);
        let (_, page) = visitor.get_page(&app, "/requests").await;
        assert!(page.contains(">Failed<") && page.contains("The recipient’s mailbox did not accept it."), "{page}");
        assert!(!page.contains("550") && !page.contains("mx7"), "only staff see the SMTP reply: {page}");
        app.advance(1);
        assert_eq!(redirect_target(visitor.post(&app, &format!("/requests/{}/resend", request.id), &[])).await, "/requests?flash=resent");
        wait_for_count(&app, COUNT_SENT, 1).await;
        let (_, page) = visitor.get_page(&app, "/requests").await;
        assert!(page.contains(">Sent<") && !page.contains("did not accept it"), "the page shows the last mail: {page}");
    }

    async fn a_deferred_mail_is_shown_with_its_reason(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let root = app.staff("root@example.org");
        app.mailbox.refuse(grace.email(), SendError::transient("451 <try> again"), 1_000_000);
        let bundle = app.bundle("Sleep", 6);
        for who in [&ada, &root] {
            app.create_request(who, &grace, &bundle);
        }
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE last_error IS NOT NULL AND lease IS NULL", 2).await;
        let (_, page) = app.signed_in(&ada).get_page(&app, "/requests").await;
        assert!(page.contains(">Delayed<") && page.contains("Next attempt on"), "{page}");
        assert!(page.contains("The mail server did not accept it") && !page.contains("451"), "{page}");
        let (_, page) = app.signed_in(&root).get_page(&app, "/requests").await;
        assert!(page.contains("451 &lt;try&gt; again"), "staff see the SMTP reply: {page}");
    }

    async fn create_and_resend_share_the_rate_limits(mut app: TestApp) {
        app.url = app.spawn_replica_with(&limits_toml(&[("requests_per_pair", "3/d"), ("unknown_references", "2/d")]));
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        let visitor = app.signed_in(&ada);
        let form = [("email", grace.email()), ("bundle", bundle.as_str())];
        assert_eq!(redirect_target(visitor.post(&app, "/requests/new", &form)).await, "/requests?flash=requested");
        let number = app.query_i64s("SELECT id AS n FROM permission_requests")[0];
        let path = format!("/requests/{number}/resend");
        for mails in 1..=2 {
            wait_for_count(&app, COUNT_SENT, mails).await;
            assert_eq!(redirect_target(visitor.post(&app, &path, &[])).await, "/requests?flash=resent");
        }
        wait_for_count(&app, COUNT_SENT, 3).await;
        let before = app.rows();
        for request in [visitor.post(&app, &path, &[]), visitor.post(&app, "/requests/new", &form)] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 429);
            assert!(answer.headers().contains_key("retry-after"));
        }
        for status in [400, 400, 429] {
            let (got, _) = visitor.post_form(&app, "/requests/new", &[("email", "nobody@example.org"), ("bundle", &bundle)]).await;
            assert_eq!(got, status);
        }
        // The limit is reached: no response depends on whether the user exists.
        assert_eq!(visitor.post_form(&app, "/requests/new", &form).await.0, 429);
        assert_eq!(app.rows(), before);
    }

    async fn the_requester_can_withdraw_and_see_closed_requests(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let eve = app.user("eve@example.org");
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 2));
        let request = app.create_request(&ada, &grace, &sleep);
        let declined = app.create_request(&ada, &grace, &heart);
        let visitor = app.signed_in(&ada);
        let path = format!("/requests/{}/close", request.id);
        assert_eq!(app.signed_in(&eve).post_form(&app, &path, &[]).await.0, 404);
        let led = redirect_target(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/requests?flash=withdrawn");
        assert_eq!(redirect_target(app.signed_in(&grace).post(&app, &format!("/requests/{}/close", declined.id), &[])).await, "/?flash=declined");
        let token = app.redeem_token(&request);
        assert_eq!(app.signed_in(&grace).get_page(&app, &format!("/redeem?token={token}")).await.0, 404);
        let (_, page) = visitor.get_page(&app, &led).await;
        for wanted in ["Request withdrawn. The link", "Recently closed", ">Withdrawn<", ">Declined<", "/requests/new?email=grace%40example%2Eorg&amp;bundle="] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        for other in [&grace, &eve] {
            assert!(!app.signed_in(other).get_page(&app, "/requests").await.1.contains("Sleep"));
        }
    }

    async fn a_redeemed_request_whose_permission_is_active_is_not_shown_as_revoked(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.create_request(&grace, &ada, &bundle);
        let given = json!({ "user_allowed": grace.uri(), "user_target": ada.uri(), "bundle": bundle.id.0 });
        let answer = app.post("/api/bundle_permission/").by_user(&ada).json(&given).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let token = app.redeem_token(&request);
        let approved = [("token", token.as_str()), ("decision", "approve"), ("right", "read"), ("right", "get")];
        assert_eq!(app.signed_in(&ada).post_form(&app, "/redeem", &approved).await.0, 200);
        let visitor = app.signed_in(&grace);
        let pages = [
            ("/requests".to_owned(), "Approved, active", "Approved, since revoked"),
            (format!("/requests/{}", request.id), "The permission is active", "has since been revoked"),
        ];
        for (path, words, _) in &pages {
            let (_, page) = visitor.get_page(&app, path).await;
            assert!(page.contains(words) && !page.contains("revoked"), "{path}: {page}");
            assert!(!page.contains("/requests/new?email="), "the permission exists already: {page}");
        }
        let id = app.query_i64s("SELECT id AS n FROM bundle_permissions")[0];
        assert_eq!(app.signed_in(&ada).post_form(&app, &format!("/access/{id}/revoke"), &[]).await.0, 303);
        for (path, words, ended) in &pages {
            let (_, page) = visitor.get_page(&app, path).await;
            assert!(page.contains(ended) && !page.contains(words), "{path}: {page}");
        }
    }

    async fn open_and_closed_requests_have_pages_of_twenty(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let visitor = app.signed_in(&ada);
        for nth in 1..=42 {
            let request = app.create_request(&ada, &grace, &app.bundle(&format!("Bundle no {nth:02}"), 6));
            if nth % 2 == 0 {
                assert_eq!(visitor.post_form(&app, &format!("/requests/{}/close", request.id), &[]).await.0, 303);
            }
        }
        let (_, page) = visitor.get_page(&app, "/requests").await;
        let request_links = |page: &str| {
            let links = |start: &str| page.matches(&format!(" href=\"/requests/{start}")).count();
            links("") - links("new")
        };
        assert_eq!(request_links(&page), 40, "{page}");
        assert!(page.contains("?pending=20") && page.contains("?closed=20"), "{page}");
        let (_, page) = visitor.get_page(&app, "/requests?closed=20&pending=20").await;
        assert_eq!(request_links(&page), 2, "{page}");
        assert!(page.contains("Bundle no 01") && page.contains("Bundle no 02"), "{page}");
        assert!(page.contains("?closed=20&amp;pending=0"), "{page}");
    }
}
