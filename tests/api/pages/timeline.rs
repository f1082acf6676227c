//! What became of a request.

use countersign::domain::block::Block;
use countersign::domain::event::Origin;
use countersign::domain::grant::GrantId;
use countersign::domain::user::{Authority, UserId};
use countersign::mail::transport::SendError;
use countersign::store::ledger::{self, Deed, Operation, RequestRef, Verdict};

use super::plain;
use crate::helpers::{TestApp, TestUser};
use crate::hexo::Scene;
use crate::mailer::until;

const VIEWS: &str = "SELECT count(*) AS n FROM link_views";

/// Does something as somebody, from somewhere that is nobody's business.
fn act(app: &TestApp, who: &TestUser, deed: Deed) {
    let (address, client) = (Some([192, 0, 2, 99].into()), Some("a telltale client".to_owned()));
    done(app, deed, Origin { actor: Some(who.user.id), address, client });
}

/// Does something that is not refused.
fn done(app: &TestApp, deed: Deed, origin: Origin) {
    let verdict = ledger::commit(&app.store, &[Operation::new(deed, origin)]).pop().unwrap().unwrap();
    let done = match &verdict {
        Verdict::Asked(asked) => asked.is_ok(),
        Verdict::Redeemed(redeemed) => redeemed.is_ok(),
        Verdict::Ended(ended) => ended.is_ok(),
        Verdict::Given(given) => given.is_some(),
        Verdict::TakenBack(done) | Verdict::Blocked(done) => *done,
        _ => false,
    };
    assert!(done, "{verdict:?}");
}

fn end(id: countersign::domain::request::RequestId, by: UserId) -> Deed {
    Deed::End { which: RequestRef::Number(id), by: Authority::User(by) }
}

/// What somebody sees of a request.
async fn sees(app: &TestApp, who: &TestUser, id: impl std::fmt::Display) -> String {
    let (status, page) = app.signed_in(who).sees(app, &format!("/requests/{id}")).await;
    assert_eq!(status, 200, "{page}");
    assert!(!page.contains("192.0.2.99") && !page.contains("telltale"), "{page}");
    plain(&page)
}

on_both_databases! {
    async fn both_parties_see_what_became_of_a_request_and_nobody_else(app: TestApp) {
        let Scene { ada, grace, eve, bundle } = &Scene::set(&app);
        let root = app.staff("root@example.org");
        let asked = app.ask(ada, grace, bundle);
        until(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'sent'", 1).await;
        let page = sees(&app, ada, asked.id).await;
        for told in ["ada Test created the request.", "An email with the link was queued.", "The email was sent.", "The request expires at this time unless grace Test decides before."] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert!(!page.contains("opened"), "{page}");
        act(&app, grace, Deed::Redeem { id: asked.redeem_id, by: grace.user.id, once: None });
        app.advance(60);
        for who in [ada, grace, &root] {
            let page = sees(&app, who, asked.id).await;
            assert!(page.contains("grace Test approved the request."), "{page}");
            assert!(!page.contains("expires at this time"), "{page}");
            assert_eq!(page.contains("/staff/audit"), who.user.staff);
        }
        act(&app, grace, Deed::TakeBack { id: GrantId(asked.id.0), by: grace.user.id });
        assert!(sees(&app, ada, asked.id).await.contains("grace Test revoked the permission."));
        // Looking changes nothing; those who look sign in for it.
        let before = app.rows_but("sessions");
        for path in [asked.id.to_string(), "4711".into(), "x".into(), "9223372036854775808".into(), "-1".into(), "%00".into()] {
            assert_eq!(app.signed_in(eve).sees(&app, &format!("/requests/{path}")).await.0, 404, "{path}");
        }
        assert_eq!(app.visitor().sees(&app, &format!("/requests/{}", asked.id)).await.0, 303);
        assert_eq!(app.rows_but("sessions"), before);
    }

    async fn every_end_is_told(app: TestApp) {
        let Scene { ada, grace, .. } = &Scene::set(&app);
        let asked: Vec<_> = (0..7).map(|nth| app.ask(ada, grace, &app.bundle(&format!("Bundle {nth}"), 6))).collect();
        act(&app, grace, end(asked[0].id, grace.user.id));
        act(&app, ada, end(asked[1].id, ada.user.id));
        let withdrawn = Deed::End { which: RequestRef::Number(asked[2].id), by: Authority::Operator };
        done(&app, withdrawn, Origin::OPERATOR);
        act(&app, ada, Deed::Ask(countersign::domain::request::NewRequest {
            terms: asked[3].terms, asked_by: ada.user.id, lifetime: 3_600, redeem_page: None, once: None,
        }));
        act(&app, grace, Deed::Redeem { id: asked[4].redeem_id, by: grace.user.id, once: None });
        act(&app, ada, Deed::TakeBack { id: GrantId(asked[4].id.0), by: ada.user.id });
        act(&app, grace, Deed::Give(asked[5].terms));
        for (nth, words) in [
            (0, "grace Test declined the request."),
            (1, "ada Test withdrew the request."),
            (2, "The server operator withdrew the request."),
            (3, "A newer request for the same permission replaced this one."),
            (4, "ada Test gave up the permission."),
            (5, "The request expires at this time unless grace Test decides before."),
        ] {
            let page = sees(&app, ada, asked[nth].id).await;
            assert!(page.contains(words), "{words}: {page}");
        }
        let given = app.numbers("SELECT id AS n FROM permission_requests WHERE outcome = 'given'")[0];
        let page = sees(&app, ada, given).await;
        assert!(page.contains("grace Test gave this permission directly, without a request."), "{page}");
        assert!(page.contains("grace Test gave ada Test this permission.") && !page.contains(" asks "), "{page}");
        assert!(!page.contains("mail"), "{page}");
        app.advance(3_600);
        assert!(sees(&app, ada, asked[6].id).await.contains("expired before grace Test decided."));
        act(&app, grace, Deed::Block(Block { target: grace.user.id, blocked: ada.user.id }));
        assert!(!sees(&app, ada, asked[0].id).await.contains("block"));
        app.tamper("DELETE FROM events");
        for (nth, words) in [(0, "grace Test declined the request."), (1, "ada Test withdrew"), (4, "has since been revoked.")] {
            assert!(sees(&app, grace, asked[nth].id).await.contains(words), "without the trail: {words}");
        }
    }

    async fn why_a_mail_was_put_off_is_told_to_staff_in_full_and_to_others_in_words(app: TestApp) {
        let Scene { ada, grace, bundle, .. } = &Scene::set(&app);
        let root = app.staff("root@example.org");
        let error = "RCPT TO: transient error (451): 4.7.1 greylisted by mx7.internal";
        app.mailbox.refuse(grace.email(), SendError::transient(error), 1);
        let asked = app.ask(ada, grace, bundle);
        until(&app, "SELECT count(*) AS n FROM outbox WHERE lease IS NULL AND attempts = 1", 1).await;
        for who in [ada, grace] {
            let page = sees(&app, who, asked.id).await;
            assert!(page.contains("The next attempt is at this time."), "{page}");
            assert!(page.contains("The recipient’s mailbox did not accept it. 1 attempt so far."), "{page}");
            assert!(!page.contains("mx7"), "{page}");
        }
        assert!(sees(&app, &root, asked.id).await.contains("greylisted by mx7.internal"));
        app.mailbox.refuse(grace.email(), SendError::permanent("RCPT TO: permanent error (550)"), 1);
        app.advance(60);
        until(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'dead'", 1).await;
        let page = sees(&app, ada, asked.id).await;
        assert!(page.contains("The email was rejected and will not be sent again.") && !page.contains("next attempt"), "{page}");
    }

    async fn fetching_a_link_counts_and_touches_nothing_else(mut app: TestApp) {
        let Scene { ada, grace, eve, bundle } = &Scene::set(&app);
        let asked = app.ask(ada, grace, bundle);
        until(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'sent'", 1).await;
        let link = format!("/redeem?token={}", app.redeem_token(&asked));
        let (known, stranger) = (app.signed_in(grace), app.signed_in(eve));
        let rows = app.rows();
        let token = app.redeem_token(&asked);
        let forged = format!("/redeem?token={}{}", &token[..47], if token.ends_with('A') { "E" } else { "A" });
        for path in [link.as_str(), &forged, "/redeem?token=csr_x", "/redeem"] {
            app.get(path).send().await.unwrap();
            app.request(reqwest::Method::HEAD, path).send().await.unwrap();
        }
        for _ in 0..2 {
            assert_eq!(known.sees(&app, &link).await.0, 200);
        }
        assert_eq!(stranger.sees(&app, &link).await.0, 404);
        app.restart();
        assert_eq!(app.rows(), rows, "looking changes nothing");
        assert_eq!(app.count(VIEWS), 1);
        let counted = "SELECT fetches AS n FROM link_views UNION ALL SELECT looks FROM link_views";
        assert_eq!(app.numbers(counted), [5, 2], "what is forged is not counted");
        let page = sees(&app, ada, asked.id).await;
        assert!(page.contains("The link was opened 5 times"), "{page}");
        assert!(page.contains("grace Test viewed the request 2 times"), "{page}");
        app.get(&link).send().await.unwrap();
        app.restart();
        assert_eq!(app.numbers("SELECT fetches AS n FROM link_views"), [6], "they add up");
        app.tamper("DELETE FROM outbox; DELETE FROM permission_requests");
        app.get(&link).send().await.unwrap();
        app.restart();
        assert_eq!(app.numbers("SELECT fetches AS n FROM link_views"), [6], "there is no such request");
        app.advance(86_400);
        app.store.write(|conn| {
            let now = conn.now()?;
            countersign::store::purge::step(conn, now, now, 10)
        }).unwrap();
        assert_eq!(app.count(VIEWS), 0, "they go with their request");
    }
}
