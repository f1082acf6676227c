//! The outbox sync: many delivery reports in one transaction, each handled separately.

use countersign::actors::delivery_report::DeliveryReport;
use countersign::actors::outbox_sync::{OutboxSync, SyncOutcome};
use countersign::domain::user::Authority;
use countersign::store::claimed_mails::ClaimedMail;
use countersign::store::ledger::CloseRequest;
use countersign::store::outbox::{self, DeliveryOutcome, LeasedItem};
use countersign::store::{AsyncStore, Clock, Store};
use uuid::Uuid;

use crate::helpers::{Backend, TestApp};

/// A database with pending mails, without a server that sends them.
struct OutboxFixture {
    app: TestApp,
    store: Store,
    async_store: AsyncStore,
}

impl OutboxFixture {
    fn new(backend: Backend, mails: usize) -> Self {
        let app = TestApp::without_server(backend);
        let (ada, bundle) = (app.user("ada@example.org"), app.bundle("Sleep", 6));
        for nth in 0..mails {
            app.create_request(&ada, &app.user(&format!("target{nth}@example.org")), &bundle);
        }
        let store = Store::connect(&app.database_url.parse().unwrap(), 2, Clock::Database).unwrap();
        let async_store = AsyncStore::new(store.clone(), 2);
        Self { app, store, async_store }
    }

    async fn sync(
        &self,
        marks: Vec<DeliveryReport>,
        renewals: Vec<LeasedItem>,
        wanted: usize,
    ) -> SyncOutcome {
        OutboxSync { reports: marks, renewals, claim_limit: wanted }.run(&self.async_store).await
    }

    async fn claim(&self, wanted: usize) -> Vec<ClaimedMail> {
        let returned = self.sync(Vec::new(), Vec::new(), wanted).await;
        assert!(returned.ok);
        returned.mails
    }

    /// Gives the mail to another replica, as after an expired lease.
    fn reassign_lease(&self, letter: &ClaimedMail) {
        let thief = Uuid::from_u128(7);
        self.store
            .write(|conn| {
                let now = conn.now()?;
                // Due at once, and so the only one that is.
                outbox::release(conn, letter.item.lease, &[letter.item.id], now)?;
                outbox::claim(conn, outbox::OutboxKind::Mail, thief, 1, now, now.plus_seconds(60))
            })
            .map(|claimed| assert_eq!(claimed[0].id, letter.item.id))
            .unwrap();
    }

    /// The number of mails that match an SQL condition.
    fn count_mails(&self, condition: &str) -> i64 {
        self.app.count(&format!("SELECT count(*) AS n FROM outbox WHERE {condition}"))
    }

    /// Makes the database reject writes of this text.
    fn reject_text(&self, words: &str) {
        self.app.execute_raw(&if self.app.database_url.starts_with("sqlite") {
            format!(
                "CREATE TRIGGER forbidden BEFORE UPDATE ON outbox WHEN NEW.last_error = '{words}' \
                 BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
            )
        } else {
            format!("ALTER TABLE outbox ADD CHECK (last_error <> '{words}')")
        });
    }
}

fn sent_report(letter: &ClaimedMail) -> DeliveryReport {
    DeliveryReport::new(letter.item, DeliveryOutcome::Sent)
}

const BOTH_BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

#[actix_web::test]
async fn a_sync_claims_at_most_the_demand_oldest_due_first() {
    for backend in BOTH_BACKENDS {
        let owing = OutboxFixture::new(backend, 3);
        let first = owing.sync(Vec::new(), Vec::new(), 2).await;
        let to = |letters: &[ClaimedMail]| {
            letters.iter().map(|letter| letter.to.email.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(to(&first.mails), ["target0@example.org", "target1@example.org"]);
        assert!(first.has_more);
        let second = owing.sync(first.mails.iter().map(sent_report).collect(), Vec::new(), 2).await;
        assert_eq!(to(&second.mails), ["target2@example.org"]);
        assert!(!second.has_more);
        assert_eq!((owing.count_mails("result = 'sent'"), owing.count_mails("lease IS NOT NULL")), (2, 1));
    }
}

#[actix_web::test]
async fn each_delivery_report_is_stored() {
    for backend in BOTH_BACKENDS {
        let owing = OutboxFixture::new(backend, 5);
        // Two leases, so that one sync writes for both.
        let (mut letters, more) = (owing.claim(3).await, owing.claim(2).await);
        letters.extend(more);
        let fates = [
            DeliveryOutcome::Sent,
            DeliveryOutcome::NotAttempted,
            DeliveryOutcome::Failed("550 no".to_owned()),
            DeliveryOutcome::Sent,
            DeliveryOutcome::Deferred { delay_seconds: 5, error: "451 later".to_owned() },
        ];
        let marks = letters.iter().zip(fates).map(|(letter, fate)| DeliveryReport::new(letter.item, fate));
        let returned = owing.sync(marks.collect(), Vec::new(), 0).await;
        assert!(returned.ok && returned.unwritten.is_empty());
        assert_eq!(owing.count_mails("result = 'sent' AND last_error IS NULL"), 2);
        assert_eq!(owing.count_mails("result = 'failed' AND last_error = '550 no'"), 1);
        assert_eq!(owing.count_mails("result IS NULL AND last_error = '451 later' AND attempts = 1"), 1);
        assert_eq!(owing.count_mails("lease IS NOT NULL"), 0);
        let again = owing.claim(5).await;
        assert_eq!(again.len(), 1, "what was not tried is due at once, what was put off is not");
        assert_eq!((again[0].item.id, again[0].attempts), (letters[1].item.id, 1));
    }
}

#[actix_web::test]
async fn a_report_with_a_lost_lease_does_not_affect_others() {
    for backend in BOTH_BACKENDS {
        let owing = OutboxFixture::new(backend, 4);
        let letters = owing.claim(4).await;
        owing.reassign_lease(&letters[1]);
        let fates = [
            DeliveryOutcome::Sent,
            DeliveryOutcome::Sent,
            DeliveryOutcome::Failed("550 no".to_owned()),
            DeliveryOutcome::Sent,
        ];
        let marks = letters.iter().zip(fates).map(|(letter, fate)| DeliveryReport::new(letter.item, fate));
        let returned = owing.sync(marks.collect(), Vec::new(), 0).await;
        assert!(returned.ok && returned.unwritten.is_empty());
        assert_eq!((owing.count_mails("result = 'sent'"), owing.count_mails("result = 'failed'")), (2, 1));
        assert_eq!(
            owing.count_mails("lease IS NOT NULL AND finished_at IS NULL"),
            1,
            "leased by the other replica"
        );
    }
}

#[actix_web::test]
async fn a_report_the_database_rejects_does_not_affect_others_and_is_dropped() {
    for backend in BOTH_BACKENDS {
        let owing = OutboxFixture::new(backend, 3);
        let letters = owing.claim(3).await;
        owing.reject_text("unspeakable");
        let mut marks: Vec<DeliveryReport> = letters.iter().map(sent_report).collect();
        marks[1] = DeliveryReport::new(letters[1].item, DeliveryOutcome::Failed("unspeakable".to_owned()));
        for _ in 0..4 {
            let returned = owing.sync(marks, Vec::new(), 0).await;
            assert_eq!((returned.ok, returned.unwritten.len()), (false, 1));
            assert_eq!(owing.count_mails("result = 'sent'"), 2);
            marks = returned.unwritten;
        }
        assert!(owing.sync(marks, Vec::new(), 0).await.unwritten.is_empty());
        assert_eq!(
            owing.count_mails("lease IS NOT NULL"),
            1,
            "the mail is sent again after its lease has expired"
        );
    }
}

#[actix_web::test]
async fn leases_are_renewed_in_one_sync_and_lost_ones_reported() {
    for backend in BOTH_BACKENDS {
        let owing = OutboxFixture::new(backend, 3);
        let letters = owing.claim(3).await;
        owing.reassign_lease(&letters[2]);
        let tenures: Vec<LeasedItem> = letters.iter().map(|letter| letter.item).collect();
        let returned = owing.sync(Vec::new(), tenures.clone(), 3).await;
        assert_eq!(returned.lost_leases, [tenures[2]]);
        assert!(returned.mails.is_empty(), "all mails are leased");
    }
}

#[actix_web::test]
async fn a_sync_without_demand_claims_nothing() {
    for backend in BOTH_BACKENDS {
        let owing = OutboxFixture::new(backend, 0);
        let app = &owing.app;
        let (ada, bundle) = (app.user("ada2@example.org"), app.bundle("Heart", 6));
        let [grace, edsger, alan] =
            ["grace", "edsger", "alan"].map(|name| app.user(&format!("{name}@example.org")));
        let withdrawn = app.create_request(&ada, &grace, &bundle);
        app.create_request(&ada, &edsger, &bundle);
        app.create_request(&ada, &alan, &bundle);
        app.commit(CloseRequest { id: withdrawn.id, by: Authority::User(ada.user.id) }).unwrap();
        app.disable(&edsger);
        let letters = owing.claim(3).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].to.email.as_str(), "alan@example.org");
        assert_eq!(owing.count_mails("result = 'cancelled' AND lease IS NULL"), 2);
    }
}
