//! What somebody has asked for: the form, what became of the mails, asking for the mail
//! again, and withdrawing.

use countersign::mail::transport::SendError;
use serde_json::json;

use super::led_to;
use crate::helpers::{By, TestApp, TestUser, token_in};
use crate::limits::limits;
use crate::mailer::until;
use crate::visitor::Visitor;

const REQUESTS: &str = "SELECT count(*) AS n FROM permission_requests";
const MAILS: &str = "SELECT count(*) AS n FROM outbox";
const SENT: &str = "SELECT count(*) AS n FROM outbox WHERE result = 'sent'";

/// Ada, who asks, and Grace.
fn people(app: &TestApp) -> (TestUser, TestUser) {
    (app.user("ada@example.org"), app.user("grace@example.org"))
}

/// What a form is refused with, and that nothing came of it.
async fn refused(app: &TestApp, visitor: &Visitor, form: &[(&str, &str)]) -> (u16, String) {
    let before = app.rows();
    let refused = visitor.sends(app, "/ask", form).await;
    assert_eq!(app.rows(), before, "{form:?}");
    refused
}

on_both_databases! {
    async fn somebody_asks_by_the_form_and_sees_what_becomes_of_it(app: TestApp) {
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        let visitor = app.signed_in(&ada);
        assert!(visitor.sees(&app, "/requests").await.1.contains("No pending requests"));
        let (status, page) = visitor.sees(&app, "/ask?email=grace%40example.org&bundle=x").await;
        assert!(status == 200 && page.contains("value=\"grace@example.org\"") && page.contains("Sleep"), "{page}");
        let form = [("email", "Grace@Example.org "), ("bundle", &bundle), ("days", "3"), ("once", "one form")];
        for _ in 0..2 {
            assert_eq!(led_to(visitor.post(&app, "/ask", &form)).await, "/requests?done=asked");
        }
        assert_eq!((app.count(REQUESTS), app.count(MAILS)), (1, 1), "sent twice, it counts once");
        let mails = app.mails(1).await;
        assert_eq!(mails[0].to, ["grace@example.org"]);
        let token = token_in(&mails[0]);
        until(&app, SENT, 1).await;
        let (_, page) = visitor.sees(&app, "/requests?done=asked").await;
        for wanted in ["Request created. The email will be sent shortly", "grace Test", "Sleep", "4 January 2030, 00:00 UTC", ">Sent<", "Resend email"] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        assert!(!page.contains(&token));
        assert_eq!(app.signed_in(&grace).sees(&app, &format!("/redeem?token={token}")).await.0, 200);
        for other in [&grace, &app.user("eve@example.org")] {
            assert!(!app.signed_in(other).sees(&app, "/requests").await.1.contains("Sleep"));
        }
    }

    async fn the_form_fits_what_the_operator_allows(mut app: TestApp) {
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        for (toml, told, most) in [
            ("", "7 days if you leave this empty, 30 days at most.", Some("max=\"30\"")),
            ("[requests]\ndefault_ttl = 86400", "1 day if you leave this empty, 30 days", Some("max=\"30\"")),
            ("[requests]\ndefault_ttl = 43200\nmax_ttl = 129600", "12 hours if you leave this empty, 1 day at", Some("max=\"1\"")),
            ("[requests]\nmax_ttl = 3600", "The request expires after 1 hour.", None),
        ] {
            app.url = app.replica_with(toml);
            let visitor = app.signed_in(&ada);
            let (_, page) = visitor.sees(&app, "/ask").await;
            assert!(page.contains(told), "{told}: {page}");
            assert!(page.contains("Sleep (view the data, download the data)"), "it is not the asker's data: {page}");
            match most {
                Some(most) => assert!(page.contains(most), "{page}"),
                None => assert!(!page.contains("name=\"days\""), "{page}"),
            }
        }
        let form = [("email", grace.email()), ("bundle", &bundle)];
        assert_eq!(led_to(app.signed_in(&ada).post(&app, "/ask", &form)).await, "/requests?done=asked");
        assert!(app.signed_in(&ada).sees(&app, "/requests").await.1.contains("1 January 2030, 01:00 UTC"));
    }

    async fn the_form_says_what_is_wrong_and_no_more_than_the_api(app: TestApp) {
        let (ada, grace) = people(&app);
        let off = app.user("off@example.org");
        app.disable(&off);
        let sleep = app.bundle("Sleep", 6);
        let bundle = sleep.id.0.to_string();
        let visitor = app.signed_in(&ada);
        let mut unknown = Vec::new();
        for email in ["nobody@example.org", off.email(), "nonsense", "", "2"] {
            let (status, page) = refused(&app, &visitor, &[("email", email), ("bundle", &bundle)]).await;
            assert_eq!(status, 400, "{email}");
            assert!(page.contains("aria-describedby=\"email-wrong\"") && page.contains("id=\"email-wrong\""), "{page}");
            let blank = |page: &str| page.replace(email, "").split("name=\"once\"").map(|part| part.get(45..).unwrap_or_default().to_owned()).collect::<String>();
            if email.contains('@') {
                unknown.push(blank(&page));
            }
        }
        assert_eq!(unknown[0], unknown[1], "who is not there and who is disabled are told alike");
        for (form, words) in [
            ([("email", ada.email()), ("bundle", &bundle), ("days", "")], "This is your own email"),
            ([("email", grace.email()), ("bundle", "0"), ("days", "")], "is no longer available"),
            ([("email", grace.email()), ("bundle", "x"), ("days", "")], "is no longer available"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "0")], "Enter a whole number of days"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "31")], "Enter a whole number of days"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "-1")], "Enter a whole number of days"),
            ([("email", grace.email()), ("bundle", &bundle), ("days", "9223372036854775807")], "Enter a whole number of days"),
        ] {
            let (status, page) = refused(&app, &visitor, &form).await;
            assert!(status == 400 && page.contains(words), "{form:?}: {status} {page}");
        }
        let broken: [&[(&str, &str)]; 2] = [&[("email", grace.email())], &[("bundle", &bundle), ("email", "a"), ("email", "b")]];
        for broken in broken {
            assert_eq!(refused(&app, &visitor, broken).await.0, 400);
        }
        let request = app.ask(&ada, &grace, &sleep);
        let token = app.redeem_token(&request);
        assert_eq!(app.signed_in(&grace).sends(&app, "/redeem", &[("token", &token), ("decision", "approve")]).await.0, 200);
        let (status, page) = refused(&app, &visitor, &[("email", grace.email()), ("bundle", &bundle)]).await;
        assert!(status == 400 && page.contains("You already have this permission"), "{page}");
    }

    async fn the_mail_is_sent_again_with_the_same_link_once_the_one_before_has_left(app: TestApp) {
        let (ada, grace) = people(&app);
        app.mailbox.stall(grace.email(), true);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let (visitor, path) = (app.signed_in(&ada), format!("/requests/{}/resend", request.id));
        let (_, page) = visitor.sees(&app, "/requests").await;
        assert!(page.contains(">Queued<") || page.contains(">Sending<"), "{page}");
        assert!(!page.contains("/resend"), "{page}");
        let led = led_to(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/requests?done=owed");
        assert!(visitor.sees(&app, &led).await.1.contains("No new email was sent"));
        assert_eq!(app.count(MAILS), 1);
        app.mailbox.stall(grace.email(), false);
        until(&app, SENT, 1).await;
        for other in [&grace, &app.user("eve@example.org"), &app.staff("root@example.org")] {
            assert_eq!(app.signed_in(other).sends(&app, &path, &[]).await.0, 404);
        }
        assert_eq!(app.count(MAILS), 1);
        assert_eq!(led_to(visitor.post(&app, &path, &[])).await, "/requests?done=resent");
        assert_eq!((app.count(REQUESTS), app.count(MAILS)), (1, 2));
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'request.resent'"), 1);
        let mails = app.mails(2).await;
        assert_eq!(token_in(&mails[0]), token_in(&mails[1]));
        assert_eq!(token_in(&mails[1]), app.redeem_token(&request));
        assert_ne!(mails[0].message_id, mails[1].message_id);
        until(&app, SENT, 2).await;
        app.advance(3_600);
        assert_eq!(visitor.sends(&app, &path, &[]).await.0, 404, "it has expired");
        assert_eq!(app.count(MAILS), 2);
    }

    async fn a_mail_that_was_refused_is_told_of_and_may_be_sent_again(app: TestApp) {
        let (ada, grace) = people(&app);
        let error = "RCPT TO: permanent error (550): no such <user> at mx7.internal";
        app.mailbox.refuse(grace.email(), SendError::permanent(error), 1);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        until(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'dead'", 1).await;
        let visitor = app.signed_in(&ada);
        let (_, page) = visitor.sees(&app, "/requests").await;
        assert!(page.contains(">Rejected<") && page.contains("The recipient’s mailbox did not accept it."), "{page}");
        assert!(!page.contains("550") && !page.contains("mx7"), "the server's words are for staff: {page}");
        app.advance(1);
        assert_eq!(led_to(visitor.post(&app, &format!("/requests/{}/resend", request.id), &[])).await, "/requests?done=resent");
        until(&app, SENT, 1).await;
        let (_, page) = visitor.sees(&app, "/requests").await;
        assert!(page.contains(">Sent<") && !page.contains("did not accept it"), "the last mail counts: {page}");
    }

    async fn a_mail_that_is_put_off_is_told_of_and_why(app: TestApp) {
        let (ada, grace) = people(&app);
        let root = app.staff("root@example.org");
        app.mailbox.refuse(grace.email(), SendError::transient("451 <try> again"), 1_000_000);
        let bundle = app.bundle("Sleep", 6);
        for who in [&ada, &root] {
            app.ask(who, &grace, &bundle);
        }
        until(&app, "SELECT count(*) AS n FROM outbox WHERE last_error IS NOT NULL AND lease IS NULL", 2).await;
        let (_, page) = app.signed_in(&ada).sees(&app, "/requests").await;
        assert!(page.contains(">Delayed<") && page.contains("Next attempt on"), "{page}");
        assert!(page.contains("The mail server did not accept it") && !page.contains("451"), "{page}");
        let (_, page) = app.signed_in(&root).sees(&app, "/requests").await;
        assert!(page.contains("451 &lt;try&gt; again"), "staff are told what the server said: {page}");
    }

    async fn asking_and_sending_again_take_of_the_same_limits(mut app: TestApp) {
        app.url = app.replica_with(&limits(&[("requests_per_pair", "3/d"), ("unknown_references", "2/d")]));
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6).id.0.to_string();
        let visitor = app.signed_in(&ada);
        let form = [("email", grace.email()), ("bundle", bundle.as_str())];
        assert_eq!(led_to(visitor.post(&app, "/ask", &form)).await, "/requests?done=asked");
        let number = app.numbers("SELECT id AS n FROM permission_requests")[0];
        let path = format!("/requests/{number}/resend");
        for mails in 1..=2 {
            until(&app, SENT, mails).await;
            assert_eq!(led_to(visitor.post(&app, &path, &[])).await, "/requests?done=resent");
        }
        until(&app, SENT, 3).await;
        let before = app.rows();
        for request in [visitor.post(&app, &path, &[]), visitor.post(&app, "/ask", &form)] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 429);
            assert!(answer.headers().contains_key("retry-after"));
        }
        for status in [400, 400, 429] {
            let (got, _) = visitor.sends(&app, "/ask", &[("email", "nobody@example.org"), ("bundle", &bundle)]).await;
            assert_eq!(got, status);
        }
        // From now on nothing is told of anybody.
        assert_eq!(visitor.sends(&app, "/ask", &form).await.0, 429);
        assert_eq!(app.rows(), before);
    }

    async fn who_asked_withdraws_and_finds_what_is_over(app: TestApp) {
        let (ada, grace) = people(&app);
        let eve = app.user("eve@example.org");
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 2));
        let request = app.ask(&ada, &grace, &sleep);
        let declined = app.ask(&ada, &grace, &heart);
        let visitor = app.signed_in(&ada);
        let path = format!("/requests/{}/end", request.id);
        assert_eq!(app.signed_in(&eve).sends(&app, &path, &[]).await.0, 404);
        let led = led_to(visitor.post(&app, &path, &[])).await;
        assert_eq!(led, "/requests?done=withdrawn");
        assert_eq!(led_to(app.signed_in(&grace).post(&app, &format!("/requests/{}/end", declined.id), &[])).await, "/?done=declined");
        let token = app.redeem_token(&request);
        assert_eq!(app.signed_in(&grace).sees(&app, &format!("/redeem?token={token}")).await.0, 404);
        let (_, page) = visitor.sees(&app, &led).await;
        for wanted in ["Request withdrawn. The link", "Recently closed", ">Withdrawn<", ">Declined<", "/ask?email=grace%40example%2Eorg&amp;bundle="] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        for other in [&grace, &eve] {
            assert!(!app.signed_in(other).sees(&app, "/requests").await.1.contains("Sleep"));
        }
    }

    async fn what_was_approved_and_stands_by_other_means_was_not_taken_back(app: TestApp) {
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.ask(&grace, &ada, &bundle);
        let given = json!({ "user_allowed": grace.uri(), "user_target": ada.uri(), "bundle": bundle.id.0 });
        let answer = app.post("/api/bundle_permission/").by(&ada).json(&given).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let token = app.redeem_token(&request);
        let approved = [("token", token.as_str()), ("decision", "approve")];
        assert_eq!(app.signed_in(&ada).sends(&app, "/redeem", &approved).await.0, 200);
        let visitor = app.signed_in(&grace);
        let pages = [
            ("/requests".to_owned(), "Approved, active", "Approved, since revoked"),
            (format!("/requests/{}", request.id), "The permission is active", "has since been revoked"),
        ];
        for (path, words, _) in &pages {
            let (_, page) = visitor.sees(&app, path).await;
            assert!(page.contains(words) && !page.contains("revoked"), "{path}: {page}");
            assert!(!page.contains("/ask?email="), "it is theirs already: {page}");
        }
        let id = app.numbers("SELECT id AS n FROM bundle_permissions")[0];
        assert_eq!(app.signed_in(&ada).sends(&app, &format!("/access/{id}/revoke"), &[]).await.0, 303);
        for (path, words, ended) in &pages {
            let (_, page) = visitor.sees(&app, path).await;
            assert!(page.contains(ended) && !page.contains(words), "{path}: {page}");
        }
    }

    async fn what_was_asked_comes_twenty_at_a_time_and_so_does_what_is_over(app: TestApp) {
        let (ada, grace) = people(&app);
        let visitor = app.signed_in(&ada);
        for nth in 1..=42 {
            let request = app.ask(&ada, &grace, &app.bundle(&format!("Bundle no {nth:02}"), 6));
            if nth % 2 == 0 {
                assert_eq!(visitor.sends(&app, &format!("/requests/{}/end", request.id), &[]).await.0, 303);
            }
        }
        let (_, page) = visitor.sees(&app, "/requests").await;
        assert_eq!(page.matches(" href=\"/requests/").count(), 40, "{page}");
        assert!(page.contains("?asked=20") && page.contains("?over=20"), "{page}");
        let (_, page) = visitor.sees(&app, "/requests?over=20&asked=20").await;
        assert_eq!(page.matches(" href=\"/requests/").count(), 2, "{page}");
        assert!(page.contains("Bundle no 01") && page.contains("Bundle no 02"), "{page}");
        assert!(page.contains("?over=20&amp;asked=0"), "{page}");
    }
}
