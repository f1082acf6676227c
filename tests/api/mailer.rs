//! The mailer sends each queued mail, and nothing else.

use std::time::Duration;

use countersign::domain::audit::AuditContext;
use countersign::domain::user::Authority;
use countersign::mail::transport::SendError;
use countersign::services::admin::{mail, users};
use countersign::store::LimitOffset;
use countersign::store::ledger::CloseRequest;
use countersign::store::outbox::{self, MailFilter, OutboxResult};

use crate::helpers::{TestApp, TestUser, token_in};

/// Waits until a query returns this count.
pub async fn wait_for_count(app: &TestApp, sql: &str, wanted: i64) {
    let counted = async {
        while app.count(sql) != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), counted).await.expect(sql);
}

const UNSENT: &str = "SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL";
const DEFERRED: &str =
    "SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL AND last_error IS NOT NULL";

on_both_databases! {
    async fn a_request_queues_one_mail_with_the_link(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let mails = app.mails(1).await;
        assert_eq!(mails[0].to, ["grace@example.org"]);
        assert_eq!(token_in(&mails[0]), app.redeem_token(&request));
        assert!(mails[0].text.contains("https://countersign.test/redeem?token=csr_"));
        assert!(mails[0].text.contains("Auto-Submitted: auto-generated"));
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'sent' AND lease IS NULL", 1).await;
    }

    async fn a_deferred_mail_is_resent_with_the_same_message_id(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 2);
        app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        for attempt in 1..=2 {
            let deferred = format!("SELECT count(*) AS n FROM outbox WHERE lease IS NULL AND attempts = {attempt}");
            wait_for_count(&app, &deferred, 1).await;
            assert!(app.mailbox.sent().is_empty());
            app.advance(60);
        }
        let mail = app.mails(1).await.remove(0);
        let id = mail.message_id.trim_start_matches('<').split('@').next().unwrap().to_owned();
        wait_for_count(&app, UNSENT, 0).await;
        let mails = app.store.read(|conn| outbox::newest(conn, 10)).unwrap();
        assert_eq!((mails[0].id.to_string(), mails[0].attempts), (id, 3));
    }

    async fn a_rejected_mail_stays_failed_until_the_operator_resends_it(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse(grace.email(), SendError::permanent("550 no such user"), 1);
        app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'failed'", 1).await;
        let ready: serde_json::Value = app.get("/readyz").send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["mail"]["failed"], 1);
        let dead = app.store.read(|conn| outbox::newest(conn, 1)).unwrap().remove(0);
        assert_eq!(dead.last_error.as_deref(), Some("550 no such user"));
        let retried = app.store.write(|conn| { let now = conn.now()?; outbox::retry(conn, dead.id, now) }).unwrap();
        assert!(retried);
        assert_eq!(app.mails(1).await.len(), 1);
    }

    async fn a_mail_that_is_never_accepted_is_given_up_after_the_retry_days(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let eve = app.user("eve@example.org");
        for user in [&eve, &grace] {
            app.mailbox.refuse(user.email(), SendError::refused("RCPT TO", 554, "relay access denied"), 1_000);
        }
        app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        // A notice, which has no end of its own.
        assert!(app.store.write(users::disable(eve.user.id, false, AuditContext::OPERATOR)).unwrap().is_ok());
        let wait_for_attempt = async |attempt: i32| {
            let deferred = format!("SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL AND lease IS NULL AND notice IS NOT NULL AND attempts = {attempt}");
            wait_for_count(&app, &deferred, 1).await;
        };
        wait_for_attempt(1).await;
        wait_for_count(&app, DEFERRED, 2).await;
        app.execute_raw("UPDATE outbox SET attempts = 80");
        app.advance(4 * 86_400);
        wait_for_attempt(81).await;
        app.advance(86_400);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'failed'", 1).await;
        let page = LimitOffset { limit: 2, offset: 0 };
        let failed = MailFilter::Finished(OutboxResult::Failed);
        let given_up = app.store.read(|conn| outbox::list(conn, failed, page)).unwrap().remove(0);
        let error = "given up after 5 days: RCPT TO: permanent error (554): relay access denied";
        assert_eq!(given_up.last_error.as_deref(), Some(error));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE result = 'cancelled' AND notice IS NULL"), 1, "the request has expired");
        assert!(app.mailbox.sent().is_empty());
        // A retry starts again: the next failure does not end it.
        app.store.write(mail::retry_all(AuditContext::OPERATOR)).unwrap();
        wait_for_attempt(1).await;
    }

    async fn a_refusal_of_this_server_ends_with_the_next_sent_mail(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse(grace.email(), SendError::refused("session", 535, "5.7.8 bad password"), 1);
        app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        wait_for_count(&app, DEFERRED, 1).await;
        let refusal = async || {
            let ready: serde_json::Value = app.get("/readyz").send().await.unwrap().json().await.unwrap();
            assert_eq!(ready["status"], "ready");
            ready["mail"]["refusal"].clone()
        };
        assert_eq!(refusal().await["code"], 535);
        app.advance(60);
        app.mails(1).await;
        wait_for_count(&app, UNSENT, 0).await;
        assert!(refusal().await.is_null());
        let metrics = app.get("/metrics").send().await.unwrap().text().await.unwrap();
        for outcome in ["refused\"} 1", "sent\"} 1", "deferred\"} 0"] {
            assert!(metrics.contains(&format!("countersign_mail_attempts_total{{outcome=\"{outcome}\n")), "{metrics}");
        }
    }

    async fn a_closed_request_is_not_mailed(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        wait_for_count(&app, DEFERRED, 1).await;
        app.commit(CloseRequest { id: request.id, by: Authority::User(ada.user.id) }).unwrap();
        app.advance(60);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'cancelled'", 1).await;
        assert!(app.mailbox.sent().is_empty());
    }

    async fn a_failing_recipient_delays_no_other_mail(app: TestApp) {
        let ada = app.user("ada@example.org");
        let bundle = app.bundle("Sleep", 6);
        for nth in 0..20 {
            let poisoned = app.user(&format!("poisoned{nth}@example.org"));
            app.mailbox.refuse(poisoned.email(), SendError::transient("451 never"), 1_000);
            app.create_request(&ada, &poisoned, &bundle);
        }
        let grace = app.user("grace@example.org");
        app.create_request(&ada, &grace, &bundle);
        assert_eq!(app.mails(1).await[0].to, ["grace@example.org"]);
    }

    async fn slow_recipients_delay_no_other_mail(app: TestApp) {
        let (ada, bundle) = (app.user("ada@example.org"), app.bundle("Sleep", 6));
        // More mails than are sent concurrently.
        let slow: Vec<TestUser> = (0..20).map(|nth| app.user(&format!("slow{nth}@example.org"))).collect();
        for user in &slow {
            app.mailbox.stall(user.email(), true);
            app.create_request(&ada, user, &bundle);
        }
        let grace = app.user("grace@example.org");
        app.create_request(&ada, &grace, &bundle);
        assert_eq!(app.mails(1).await[0].to, ["grace@example.org"]);
        slow.iter().for_each(|user| app.mailbox.stall(user.email(), false));
        app.mails(21).await;
        wait_for_count(&app, UNSENT, 0).await;
        assert_eq!(app.mailbox.sent().len(), 21, "each mail once");
    }

    async fn two_replicas_send_a_mail_once(mut app: TestApp) {
        app.spawn_replica();
        let ada = app.user("ada@example.org");
        let bundle = app.bundle("Sleep", 6);
        for nth in 0..40 {
            app.create_request(&ada, &app.user(&format!("target{nth}@example.org")), &bundle);
        }
        app.mails(40).await;
        wait_for_count(&app, UNSENT, 0).await;
        assert_eq!(app.mailbox.sent().len(), 40);
    }

    async fn an_expired_lease_is_taken_over(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.mailbox.refuse(grace.email(), SendError::transient("451 wait"), 1);
        app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        wait_for_count(&app, DEFERRED, 1).await;
        // Another replica claims the mail and stops.
        app.advance(60);
        let lost = app.store.write(|conn| {
            let now = conn.now()?;
            outbox::claim(conn, outbox::OutboxKind::Mail, uuid::Uuid::nil(), 10, now, now.plus_seconds(60))
        }).unwrap();
        if lost.is_empty() {
            // If this server was faster, the mail is already sent.
            assert_eq!(app.mails(1).await.len(), 1);
            return;
        }
        assert!(app.mailbox.sent().is_empty());
        app.advance(61);
        assert_eq!(app.mails(1).await.len(), 1);
        let stale = app.store.write(|conn| {
            let now = conn.now()?;
            outbox::finish(conn, uuid::Uuid::nil(), &[lost[0].id], outbox::OutboxResult::Failed, None, now)
        }).unwrap();
        assert!(stale.is_empty(), "a report with a lost lease is ignored");
    }
}
