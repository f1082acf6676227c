//! Rounds to the outbox: many marks in one transaction, each judged by itself.

use countersign::actors::marks::{Fate, Mark, Tenure};
use countersign::actors::round::{Letter, Returned, Round};
use countersign::domain::user::Authority;
use countersign::store::ledger::{Deed, RequestRef};
use countersign::store::{Clock, Directory, Store, outbox};
use uuid::Uuid;

use crate::helpers::{Backend, TestApp};

/// A database that owes some mails, and no server to send them.
struct Owing {
    app: TestApp,
    store: Store,
    directory: Directory,
}

impl Owing {
    fn new(backend: Backend, mails: usize) -> Self {
        let app = TestApp::without_server(backend);
        let (ada, bundle) = (app.user("ada@example.org"), app.bundle("Sleep", 6));
        for nth in 0..mails {
            app.ask(&ada, &app.user(&format!("target{nth}@example.org")), &bundle);
        }
        let store = Store::connect(&app.database_url.parse().unwrap(), 2, Clock::Database).unwrap();
        let directory = Directory::new(store.clone(), 2);
        Self { app, store, directory }
    }

    async fn round(&self, marks: Vec<Mark>, renewals: Vec<Tenure>, wanted: usize) -> Returned {
        Round { marks, renewals, wanted }.walk(&self.directory).await
    }

    async fn letters(&self, wanted: usize) -> Vec<Letter> {
        let returned = self.round(Vec::new(), Vec::new(), wanted).await;
        assert!(returned.made);
        returned.letters
    }

    /// Lets another replica have a mail, as if the lease had run out.
    fn steal(&self, letter: &Letter) {
        let thief = Uuid::from_u128(7);
        self.store
            .write(|conn| {
                let now = conn.now()?;
                // Due at once, and so the only one that is.
                outbox::put_back(conn, letter.tenure.lease, &[letter.tenure.mail], now)?;
                outbox::claim(conn, thief, 1, now, now.plus_seconds(60))
            })
            .map(|claimed| assert_eq!(claimed[0].id, letter.tenure.mail))
            .unwrap();
    }

    /// How many mails there are of which this holds.
    fn count(&self, condition: &str) -> i64 {
        self.app.count(&format!("SELECT count(*) AS n FROM outbox WHERE {condition}"))
    }

    /// Makes the database refuse to write down these words.
    fn forbid(&self, words: &str) {
        self.app.tamper(&if self.app.database_url.starts_with("sqlite") {
            format!(
                "CREATE TRIGGER forbidden BEFORE UPDATE ON outbox WHEN NEW.last_error = '{words}' \
                 BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
            )
        } else {
            format!("ALTER TABLE outbox ADD CHECK (last_error <> '{words}')")
        });
    }
}

fn sent(letter: &Letter) -> Mark {
    Mark::new(letter.tenure, Fate::Sent)
}

const BOTH: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

#[actix_web::test]
async fn a_round_fetches_no_more_than_is_wanted_the_longest_due_first() {
    for backend in BOTH {
        let owing = Owing::new(backend, 3);
        let first = owing.round(Vec::new(), Vec::new(), 2).await;
        let to = |letters: &[Letter]| {
            letters.iter().map(|letter| letter.to.email.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(to(&first.letters), ["target0@example.org", "target1@example.org"]);
        assert!(first.more);
        let second = owing.round(first.letters.iter().map(sent).collect(), Vec::new(), 2).await;
        assert_eq!(to(&second.letters), ["target2@example.org"]);
        assert!(!second.more);
        assert_eq!((owing.count("result = 'sent'"), owing.count("lease IS NOT NULL")), (2, 1));
    }
}

#[actix_web::test]
async fn each_mark_is_written_down_for_what_it_says() {
    for backend in BOTH {
        let owing = Owing::new(backend, 5);
        // Under two leases, so that one round writes for both of them.
        let (mut letters, more) = (owing.letters(3).await, owing.letters(2).await);
        letters.extend(more);
        let fates = [
            Fate::Sent,
            Fate::Unsent,
            Fate::Dead("550 no".to_owned()),
            Fate::Sent,
            Fate::Deferred(1, "451 later".to_owned()),
        ];
        let marks = letters.iter().zip(fates).map(|(letter, fate)| Mark::new(letter.tenure, fate));
        let returned = owing.round(marks.collect(), Vec::new(), 0).await;
        assert!(returned.made && returned.unwritten.is_empty());
        assert_eq!(owing.count("result = 'sent' AND last_error IS NULL"), 2);
        assert_eq!(owing.count("result = 'dead' AND last_error = '550 no'"), 1);
        assert_eq!(owing.count("result IS NULL AND last_error = '451 later' AND attempts = 1"), 1);
        assert_eq!(owing.count("lease IS NOT NULL"), 0);
        let again = owing.letters(5).await;
        assert_eq!(again.len(), 1, "what was not tried is due at once, what was put off is not");
        assert_eq!((again[0].tenure.mail, again[0].attempts), (letters[1].tenure.mail, 1));
    }
}

#[actix_web::test]
async fn a_mark_whose_lease_was_lost_takes_no_other_along() {
    for backend in BOTH {
        let owing = Owing::new(backend, 4);
        let letters = owing.letters(4).await;
        owing.steal(&letters[1]);
        let fates = [Fate::Sent, Fate::Sent, Fate::Dead("550 no".to_owned()), Fate::Sent];
        let marks = letters.iter().zip(fates).map(|(letter, fate)| Mark::new(letter.tenure, fate));
        let returned = owing.round(marks.collect(), Vec::new(), 0).await;
        assert!(returned.made && returned.unwritten.is_empty());
        assert_eq!((owing.count("result = 'sent'"), owing.count("result = 'dead'")), (2, 1));
        assert_eq!(owing.count("lease IS NOT NULL AND finished_at IS NULL"), 1, "the other replica's");
    }
}

#[actix_web::test]
async fn a_mark_that_the_database_refuses_takes_no_other_along_and_is_given_up_in_the_end() {
    for backend in BOTH {
        let owing = Owing::new(backend, 3);
        let letters = owing.letters(3).await;
        owing.forbid("unspeakable");
        let mut marks: Vec<Mark> = letters.iter().map(sent).collect();
        marks[1] = Mark::new(letters[1].tenure, Fate::Dead("unspeakable".to_owned()));
        for _ in 0..4 {
            let returned = owing.round(marks, Vec::new(), 0).await;
            assert_eq!((returned.made, returned.unwritten.len()), (false, 1));
            assert_eq!(owing.count("result = 'sent'"), 2);
            marks = returned.unwritten;
        }
        assert!(owing.round(marks, Vec::new(), 0).await.unwritten.is_empty());
        assert_eq!(owing.count("lease IS NOT NULL"), 1, "it is sent again when the lease has run out");
    }
}

#[actix_web::test]
async fn leases_are_renewed_together_and_one_that_was_lost_is_told() {
    for backend in BOTH {
        let owing = Owing::new(backend, 3);
        let letters = owing.letters(3).await;
        owing.steal(&letters[2]);
        let tenures: Vec<Tenure> = letters.iter().map(|letter| letter.tenure).collect();
        let returned = owing.round(Vec::new(), tenures.clone(), 3).await;
        assert_eq!(returned.lost, [tenures[2]]);
        assert!(returned.letters.is_empty(), "all of them are somebody's");
    }
}

#[actix_web::test]
async fn a_round_brings_no_letter_for_which_nobody_waits() {
    for backend in BOTH {
        let owing = Owing::new(backend, 0);
        let app = &owing.app;
        let (ada, bundle) = (app.user("ada2@example.org"), app.bundle("Heart", 6));
        let [grace, edsger, alan] =
            ["grace", "edsger", "alan"].map(|name| app.user(&format!("{name}@example.org")));
        let withdrawn = app.ask(&ada, &grace, &bundle);
        app.ask(&ada, &edsger, &bundle);
        app.ask(&ada, &alan, &bundle);
        app.commit(Deed::End { which: RequestRef::Number(withdrawn.id), by: Authority::User(ada.user.id) });
        app.disable(&edsger);
        let letters = owing.letters(3).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].to.email.as_str(), "alan@example.org");
        assert_eq!(owing.count("result = 'cancelled' AND lease IS NULL"), 2);
    }
}
