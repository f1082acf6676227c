//! The mail to the requester about the decision of a request.

use countersign::domain::approval::{Approval, ApprovedEnd, Reason};
use countersign::domain::block::Block;
use countersign::domain::mail_kinds::{MailKind, MailKinds};
use countersign::domain::permission_request::{Decision, PermissionRequest};
use countersign::domain::rights::Mask;
use countersign::domain::user::Authority;
use countersign::i18n::Language;
use countersign::mail::transport::{SendError, SentMail};
use countersign::store::ledger::{CloseRequest, CreateBlock, Decide, RevokePermission};
use countersign::store::{mail_settings, users};

use crate::daily_mails::unwrapped;
use crate::helpers::{ByUser, TestApp, TestUser};
use crate::mailer::wait_for_count;
use crate::pages::mail_settings::unsubscribe_path;

const DECISIONS: &str = "SELECT count(*) AS n FROM outbox WHERE notice = 'decisions'";

fn decide(app: &TestApp, request: &PermissionRequest, by: &TestUser, decision: Decision) {
    let decide = Decide { id: request.redeem_id, by: by.user.id, decision, idempotency_key: None };
    app.commit(decide).unwrap_or_else(|error| panic!("not decided: {error}"));
}

/// Waits until a user has this number of mails, and returns them.
async fn mails_to(app: &TestApp, user: &TestUser, wanted: usize) -> Vec<SentMail> {
    let own = || app.mailbox.sent().into_iter().filter(|mail| mail.to == [user.email()]).collect::<Vec<_>>();
    let waiting = async {
        while own().len() < wanted {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.expect("the mail is sent");
    own()
}

on_both_databases! {
    async fn the_requester_is_mailed_what_was_approved_and_until_when(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 14));
        let approval = Approval { permission: Mask::new(6).ok(), end: ApprovedEnd::After(86_400), max_ttl: None };
        decide(&app, &request, &grace, Decision::Approve(approval, None));
        let mail = mails_to(&app, &ada, 1).await.remove(0);
        assert!(mail.text.contains("Subject: grace Test approved your request: Sleep\r\n"), "{}", mail.text);
        let text = unwrapped(&mail);
        for part in [
            "grace Test (grace@example.org) approved your request for the permission \"Sleep\".",
            "You can now: - view the data - download the data The permission ends on Wednesday, 2 January 2030, 00:00 UTC.",
            &format!("https://countersign.test/requests/{}", request.id),
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("change and delete"), "only what was granted: {text}");
        let link = format!("List-Unsubscribe: <https://countersign.test{}>", unsubscribe_path(&ada, &[MailKind::Decisions]));
        assert!(mail.text.contains(&link), "{}", mail.text);
    }

    async fn the_requester_is_mailed_why_a_request_was_declined(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let reason = Reason::new("Not before the study has a number.\nhttps://evil.example").ok();
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        decide(&app, &request, &grace, Decision::Decline(reason));
        let mail = mails_to(&app, &ada, 1).await.remove(0);
        assert!(mail.text.contains("Subject: grace Test declined your request: Sleep\r\n"), "{}", mail.text);
        assert!(unwrapped(&mail).contains("The reason that grace Test gave: Not before the study has a number."), "{}", mail.text);
        // By its number, in German; an hour later, because at most one mail an hour is about decisions.
        app.store.write(|conn| users::set_language(conn, ada.user.id, Language::German)).unwrap();
        let request = app.create_request(&ada, &grace, &app.bundle("Walks", 6));
        app.commit(CloseRequest { id: request.id, by: Authority::User(grace.user.id) }).unwrap();
        wait_for_count(&app, DECISIONS, 2).await;
        app.advance(3_599);
        assert_eq!(app.count(&format!("{DECISIONS} AND attempts = 0")), 1);
        app.advance(1);
        let mail = mails_to(&app, &ada, 2).await.remove(1);
        assert!(mail.text.contains("Subject: grace Test hat Ihre Anfrage abgelehnt: Walks\r\n"), "{}", mail.text);
        // Two by a block, in one mail.
        for name in ["Steps", "Diary"] {
            app.create_request(&ada, &grace, &app.bundle(name, 6));
        }
        app.commit(CreateBlock(Block { target: grace.user.id, blocked: ada.user.id }));
        wait_for_count(&app, &format!("{DECISIONS} AND decided_requests LIKE '% %'"), 1).await;
        app.advance(3_600);
        let mail = mails_to(&app, &ada, 3).await.remove(2);
        assert!(unwrapped(&mail).contains("2 Ihrer Anfragen"), "{}", mail.text);
        for name in ["Steps", "Diary"] {
            assert!(mail.text.contains(&format!("=9E{name}=E2=80=9C\r\nabgelehnt.")), "{}", mail.text);
        }
        assert!(unwrapped(&mail).contains("https://countersign.test/requests "), "{}", mail.text);
        app.assert_decision_mails();
    }

    async fn a_mail_names_twenty_decisions_and_the_number_of_the_others(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse(ada.email(), SendError::transient("451 try again"), 1);
        for step in [1, 23] {
            for number in 0..step {
                let request = app.create_request(&ada, &grace, &app.bundle(&format!("Sleep {step}.{number}"), 6));
                decide(&app, &request, &grace, Decision::Approve(Approval::AS_ASKED, None));
            }
            // The first is not added to: its delivery has started.
            wait_for_count(&app, &format!("{DECISIONS} AND attempts = 1 AND lease IS NULL"), 1).await;
        }
        wait_for_count(&app, &format!("{DECISIONS} AND decided_requests LIKE '% +3'"), 1).await;
        app.advance(3_600);
        let mails = mails_to(&app, &ada, 2).await;
        let mail = mails.iter().find(|mail| mail.text.contains("Subject: 23 of your requests were decided\r\n")).unwrap();
        let text = unwrapped(mail);
        assert_eq!(text.matches("approved your request for the permission").count(), 2 * 20, "{text}");
        assert!(text.contains("And 3 more. They are on the pages of the server."), "{text}");
        assert_eq!(mail.text.matches("filename=\"receipt-").count(), 20);
        app.assert_decision_mails();
    }

    async fn each_decision_is_in_one_mail_of_many_replicas(mut app: TestApp) {
        app.spawn_replica();
        app.spawn_replica();
        let requesters = ["ada", "eve", "joan"].map(|name| app.user(&format!("{name}@example.org")));
        let grace = app.user("grace@example.org");
        for number in 0..20 {
            for requester in &requesters {
                let request = app.create_request(requester, &grace, &app.bundle(&format!("{number} {}", requester.id()), 6));
                decide(&app, &request, &grace, Decision::Approve(Approval::AS_ASKED, None));
            }
            app.advance(600);
        }
        app.assert_decision_mails();
        app.advance(3_600);
        wait_for_count(&app, &format!("{DECISIONS} AND result IS NULL"), 0).await;
        assert!((3..=60).contains(&app.count(DECISIONS)), "at most one an hour and requester");
        app.assert_decision_mails();
    }

    async fn only_decisions_are_mailed_and_each_once(mut app: TestApp) {
        app.spawn_replica();
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let withdrawn = app.create_request(&ada, &grace, &app.bundle("Withdrawn", 6));
        app.commit(CloseRequest { id: withdrawn.id, by: Authority::User(ada.user.id) }).unwrap();
        let replaced = app.bundle("Replaced", 6);
        app.create_request(&ada, &grace, &replaced);
        app.create_request(&ada, &grace, &replaced);
        assert_eq!(app.count(DECISIONS), 0);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let token = app.redeem_token(&request);
        for status in [200, 200, 404] {
            let key = if status == 200 { "one" } else { "another" };
            let put = app.put(&format!("/api/bundle_permission_request/{token}/")).by_user(&grace).header("idempotency-key", key);
            assert_eq!(put.send().await.unwrap().status(), status);
        }
        mails_to(&app, &ada, 1).await;
        app.assert_decision_mails();
        assert_eq!(app.count(DECISIONS), 1);
    }

    async fn a_decision_is_not_mailed_if_it_is_turned_off_or_has_ended(app: TestApp) {
        let (ada, eve, grace) = (app.user("ada@example.org"), app.user("eve@example.org"), app.user("grace@example.org"));
        let decisions = MailKinds::from_iter([MailKind::Decisions]);
        app.store.write(|conn| mail_settings::set_muted(conn, eve.user.id, decisions)).unwrap();
        let bundle = app.bundle("Sleep", 6);
        let off = app.create_request(&eve, &grace, &bundle);
        decide(&app, &off, &grace, Decision::Approve(Approval::AS_ASKED, None));
        wait_for_count(&app, &format!("{DECISIONS} AND result = 'cancelled'"), 1).await;
        app.mailbox.refuse(ada.email(), SendError::transient("451 try again"), 1);
        let ended = app.create_request(&ada, &grace, &bundle);
        decide(&app, &ended, &grace, Decision::Approve(Approval::AS_ASKED, None));
        wait_for_count(&app, &format!("{DECISIONS} AND attempts = 1 AND lease IS NULL AND result IS NULL"), 1).await;
        let id = countersign::domain::bundle_permission::BundlePermissionId(ended.id.0);
        assert!(app.commit(RevokePermission { id, by: Authority::User(grace.user.id) }));
        app.advance(60);
        wait_for_count(&app, &format!("{DECISIONS} AND result = 'cancelled'"), 2).await;
        assert!(app.mailbox.sent().iter().all(|mail| mail.to == [grace.email()]));
    }
}
