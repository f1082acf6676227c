//! The seals of the audit log.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::domain::jws::InvalidJws;
use countersign::domain::seal::{Anchor, Fault, Place};
use countersign::domain::timestamp::Timestamp;
use countersign::domain::token::Keyring;
use countersign::store::audit_log::{self, AuditLogFilter, AuditReader};
use countersign::store::seals::{self, Report};
use countersign::store::{Conn, QueryResult, StoreError, signing_keys};
use diesel::prelude::*;
use uuid::Uuid;

use crate::helpers::{Backend, SECRET, TestApp};

const DAY: i64 = 86_400;

fn keyring() -> Keyring {
    Keyring::new(SECRET.as_bytes(), None).unwrap()
}

/// Records an entry about each user, by user 1 with an address and a client, one microsecond after the other: entries of
/// one transaction are in the order of their times.
fn record_at(conn: &mut Conn, users: impl IntoIterator<Item = i64>, at: Timestamp) -> QueryResult<()> {
    let context = AuditContext {
        actor: Some(countersign::domain::user::UserId(1)),
        ip: Some(IpAddr::from([192, 0, 2, 1])),
        user_agent: Some("curl".to_owned()),
    };
    users.into_iter().try_for_each(|user| {
        let at = Timestamp::from_micros(at.micros() + user);
        audit_log::record(conn, &context, AuditAction::UserRenamed, format!("user:{user}"), at)
    })
}

fn record(app: &TestApp, users: impl IntoIterator<Item = i64> + Clone) {
    let recorded = app.store.write(|conn| {
        let now = conn.now()?;
        record_at(conn, users.clone(), now)
    });
    recorded.unwrap();
}

fn verify_with(app: &TestApp, anchors: &[Anchor]) -> Result<Report, Fault> {
    app.store.read(|conn| seals::verify(conn, Some(&keyring()), anchors, &|_, _| ())).unwrap()
}

fn verify(app: &TestApp) -> Result<Report, Fault> {
    verify_with(app, &[])
}

fn anchor(app: &TestApp) -> Anchor {
    Anchor::parse(&app.store.read(seals::latest).unwrap().unwrap().to_json().to_string()).unwrap()
}

/// The id of the entry about a user.
fn id_of(app: &TestApp, user: i64) -> Uuid {
    let filter = AuditLogFilter { subject: Some(format!("user:{user}")), ..AuditLogFilter::default() };
    app.store.read(|conn| audit_log::list_newest(conn, &filter, 1)).unwrap()[0].id
}

/// A database of the same kind without a server.
fn without_server(app: &TestApp) -> TestApp {
    let is_sqlite = app.database_url.starts_with("sqlite");
    let app = TestApp::without_server(if is_sqlite { Backend::Sqlite } else { Backend::Postgres });
    app.create_signing_key();
    app
}

/// Seal 1 with users 1 to 3, seal 2 with 4 to 7, seal 3 with 8, and 9 not sealed.
fn sealed(app: &TestApp) -> TestApp {
    let app = without_server(app);
    for users in [1..4, 4..8, 8..9] {
        record(&app, users);
        app.seal_audit_log();
    }
    record(&app, 9..10);
    app
}

/// Keeps all rows, to restore them later.
fn keep(app: &TestApp) {
    for table in ["audit_log", "seals", "audit_cursors", "signing_keys"] {
        app.execute_raw(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
    }
}

fn restore(app: &TestApp) {
    for table in ["audit_log", "seals", "audit_cursors", "signing_keys"] {
        app.execute_raw(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}"));
    }
}

/// The SQL that gives an entry another place.
fn swap(first: i64, second: i64) -> String {
    let [a, b] = [first, second]
        .map(|user| format!("(SELECT position FROM kept_audit_log WHERE subject = 'user:{user}')"));
    format!(
        "UPDATE audit_log SET position = 900000000000 WHERE subject = 'user:{first}'; \
         UPDATE audit_log SET position = {a} WHERE subject = 'user:{second}'; \
         UPDATE audit_log SET position = {b} WHERE subject = 'user:{first}'"
    )
}

on_both_databases! {
    async fn a_log_that_was_not_touched_is_valid(app: TestApp) {
        let app = without_server(&app);
        // The key's own entry.
        assert_eq!(verify(&app), Ok(Report { unsealed: 1, ..Report::default() }));
        record(&app, 1..4);
        app.seal_audit_log();
        record(&app, 4..6);
        let expected = Report { seals: 1, entries: 4, unsealed: 2, ..Report::default() };
        assert_eq!(verify(&app), Ok(expected));
        app.seal_audit_log();
        // Nothing new, no seal.
        app.seal_audit_log();
        let expected = Report { seals: 2, entries: 6, unsealed: 0, ..expected };
        assert_eq!(verify(&app), Ok(expected));
        let anchors = [anchor(&app)];
        assert_eq!(verify_with(&app, &anchors), Ok(expected));
        // What did not commit is sealed later.
        record(&app, 6..7);
        let after = app.store.read(|conn| audit_log::cursor(conn, AuditReader::Seals)).unwrap();
        let page = app.store.read(|conn| audit_log::page(conn, after, Place::END, 9)).unwrap();
        let failed = app.store.write(|conn| {
            for draft in seals::drafts(&page) {
                assert!(seals::seal(conn, &keyring(), &draft)?.unwrap());
            }
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        });
        assert!(failed.is_err());
        app.seal_audit_log();
        assert_eq!(verify_with(&app, &anchors), Ok(Report { seals: 3, entries: 7, ..expected }));
    }

    async fn entries_of_more_than_an_hour_or_of_a_large_number_have_several_seals(app: TestApp) {
        let app = without_server(&app);
        let now = app.store.read(Conn::now).unwrap();
        app.store.write(|conn| record_at(conn, 0..5_100, now)).unwrap();
        app.store.write(|conn| record_at(conn, 0..3, now.plus_seconds(3_700))).unwrap();
        app.seal_audit_log();
        assert_eq!(app.query_i64s("SELECT entries AS n FROM seals ORDER BY number"), [5_000, 101, 3]);
        assert_eq!(verify(&app).unwrap().entries, 5_104);
    }

    async fn each_entry_that_was_tampered_with_is_named(app: TestApp) {
        let app = sealed(&app);
        keep(&app);
        let id = |user| id_of(&app, user);
        let changed = |user, seal| Fault::EntryChanged { seal, id: id(user) };
        let mut cases: Vec<(String, Fault)> = Vec::new();
        for change in [
            "at = (SELECT min(created_at) FROM signing_keys)", "actor = 2", "actor = NULL", "action = 'user.disabled'",
            "subject = 'user:66'", "ip = '192.0.2.2'", "ip = NULL", "user_agent = 'wget'", "user_agent = NULL",
            "affected_user_1 = NULL", "affected_user_2 = 5", "salt = NULL", "ip = NULL, user_agent = NULL, salt = NULL",
            "commitment = salt, ip = NULL, user_agent = NULL, salt = NULL",
        ] {
            cases.push((format!("UPDATE audit_log SET {change} WHERE subject = 'user:6'"), changed(6, 2)));
        }
        cases.push(("UPDATE audit_log SET actor = 2 WHERE subject IN ('user:2', 'user:6')".to_owned(), changed(2, 1)));
        let removed = |nth, user, after| Fault::EntryRemoved { seal: 2, nth, id: user, after };
        for (users, fault) in [
            ("'user:5'", removed(2, None, Some(id(4)))),
            ("'user:4'", removed(1, Some(id(4)), None)),
            ("'user:7', 'user:8'", removed(4, Some(id(7)), Some(id(6)))),
            ("'user:5', 'user:6'", removed(2, None, Some(id(4)))),
            ("'user:4', 'user:5', 'user:6', 'user:7'", removed(1, Some(id(4)), None)),
            ("'user:8'", Fault::EntryRemoved { seal: 3, nth: 1, id: Some(id(8)), after: None }),
        ] {
            cases.push((format!("DELETE FROM audit_log WHERE subject IN ({users})"), fault));
        }
        cases.push((
            "UPDATE audit_log SET position = 900000000000 WHERE subject = 'user:8'".to_owned(),
            Fault::EntryRemoved { seal: 3, nth: 1, id: Some(id(8)), after: None },
        ));
        if app.database_url.starts_with("sqlite") {
            cases.push((swap(5, 6), Fault::EntryReordered { seal: 2, id: id(6) }));
            // Nothing shows that the entry in this place is one of another seal.
            cases.push((swap(5, 8), changed(8, 2)));
        } else {
            cases.push((swap(5, 8), removed(2, None, Some(id(4)))));
        }
        cases.push((
            "DELETE FROM audit_log WHERE subject = 'user:9'; UPDATE audit_log SET position = position + 1 WHERE subject = 'user:8'"
                .to_owned(),
            Fault::EntryRemoved { seal: 3, nth: 1, id: Some(id(8)), after: None },
        ));
        let new = Uuid::from_u128(u128::MAX);
        let new_id = if app.database_url.starts_with("sqlite") { format!("x'{}'", new.simple()) } else { format!("'{new}'") };
        let insert = |position: &str| {
            format!(
                "INSERT INTO audit_log (id, position, at, action, subject) \
                 SELECT {new_id}, {position}, at, action, 'user:1' FROM kept_audit_log WHERE subject = 'user:6'"
            )
        };
        cases.push((insert("-5"), Fault::EntryInserted { seal: 1, id: new }));
        // On PostgreSQL, the entries of a transaction have the same position, and the new id is the highest.
        if app.database_url.starts_with("sqlite") {
            let replace = format!("DELETE FROM audit_log WHERE subject = 'user:6'; {}", insert("position"));
            cases.push((replace, Fault::EntryChanged { seal: 2, id: new }));
        } else {
            cases.push((insert("position"), Fault::EntryInserted { seal: 3, id: new }));
        }
        // The leaves are a help only: without them, the fault is found.
        cases.push((
            "UPDATE audit_log SET actor = 2 WHERE subject = 'user:6'; UPDATE seals SET leaves = NULL".to_owned(),
            Fault::EntriesDiffer(2),
        ));
        for (sql, fault) in cases {
            app.execute_raw(&sql);
            assert_eq!(verify(&app), Err(fault), "{sql}");
            restore(&app);
        }
        assert!(verify(&app).is_ok());
    }

    async fn each_seal_that_was_tampered_with_is_named(app: TestApp) {
        let app = sealed(&app);
        let anchors = [anchor(&app)];
        keep(&app);
        let changed = |number| Fault::SealChanged(number, InvalidJws::BadSignature);
        for (sql, fault) in [
            ("DELETE FROM seals WHERE number = 1", Fault::SealRemoved(1)),
            ("DELETE FROM seals WHERE number = 2", Fault::SealRemoved(2)),
            ("DELETE FROM seals WHERE number = 3", Fault::SealRemoved(3)),
            ("DELETE FROM seals", Fault::SealRemoved(1)),
            ("UPDATE seals SET number = number + 1 WHERE number = 3", changed(4)),
            ("UPDATE seals SET root = previous WHERE number = 2", changed(2)),
            ("UPDATE seals SET entries = entries + 1 WHERE number = 2", changed(2)),
            ("UPDATE seals SET last_position = 0 WHERE number = 3", changed(3)),
            ("UPDATE seals SET purged = 2 WHERE number = 3", changed(3)),
            ("UPDATE seals SET continues = NOT continues WHERE number = 1", changed(1)),
            ("UPDATE seals SET sealed_at = newest_at WHERE number = 2", changed(2)),
            ("UPDATE seals SET kid = 'another' WHERE number = 2", Fault::SealChanged(2, InvalidJws::UnknownKey)),
        ] {
            app.execute_raw(sql);
            assert_eq!(verify(&app), Err(fault), "{sql}");
            restore(&app);
        }
        // The removal of the end of everything is found with an anchor only.
        app.execute_raw(
            "DELETE FROM seals WHERE number = 3; DELETE FROM audit_log WHERE subject IN ('user:8', 'user:9'); \
             UPDATE audit_cursors SET position = (SELECT last_position FROM seals WHERE number = 2), \
             last_id = (SELECT last_id FROM seals WHERE number = 2) WHERE name = 'seals'",
        );
        assert_eq!(verify(&app).map(|report| report.seals), Ok(2));
        assert_eq!(verify_with(&app, &anchors), Err(Fault::AnchorMissing { anchor: 3, last: 2 }));
        // The same log, continued: a backup was restored.
        record(&app, 10..11);
        app.seal_audit_log();
        assert_eq!(verify(&app).map(|report| report.seals), Ok(3));
        assert_eq!(verify_with(&app, &anchors), Err(Fault::AnchorDiffers(3)));
    }

    async fn a_chain_of_another_key_is_not_believed(app: TestApp) {
        let app = sealed(&app);
        let anchors = [anchor(&app)];
        keep(&app);
        let forge = || {
            let attacker = Keyring::new(b"the secret of an attacker, 32 bytes or more", None).unwrap();
            app.execute_raw(
                "DELETE FROM seals; DELETE FROM signing_keys; UPDATE audit_log SET actor = 2 WHERE subject = 'user:6'; \
                 UPDATE audit_cursors SET position = 0",
            );
            let started = Instant::now();
            while app.count("SELECT count(*) AS n FROM seals") == 0 && started.elapsed() < Duration::from_secs(60) {
                seals::seal_all(&app.store, &attacker).unwrap();
            }
        };
        forge();
        assert_eq!(verify(&app), Err(Fault::KeyOfOtherSecret));
        // The server does not go on with it.
        record(&app, 10..11);
        let started = Instant::now();
        while seals::seal_all(&app.store, &keyring()).is_ok() {
            assert!(started.elapsed() < Duration::from_secs(60), "sealed with the key of another secret, or not at all");
        }
        // As a former key, beside the server's own.
        app.execute_raw(
            "UPDATE signing_keys SET private_key = NULL, retired_at = created_at; \
             INSERT INTO signing_keys SELECT * FROM kept_signing_keys",
        );
        let last = app.count("SELECT max(number) AS n FROM seals");
        assert_eq!(verify(&app), Err(Fault::KeyOfLastSeal(last)));
        record(&app, 11..12);
        app.seal_audit_log();
        assert_eq!(verify(&app), Err(Fault::NotContinued(last + 1)), "the server says that it did not make it");
        assert!(matches!(verify_with(&app, &anchors), Err(Fault::AnchorDiffers(3) | Fault::AnchorMissing { .. } | Fault::NotContinued(_))));
    }

    async fn a_new_key_confirms_the_earlier_seals(app: TestApp) {
        let app = sealed(&app);
        let rotate = |keyring: &Keyring| {
            let rotated = app.store.write(|conn| {
                let now = conn.now()?;
                signing_keys::rotate(conn, keyring, &AuditContext::OPERATOR, now)
            });
            rotated.unwrap().unwrap()
        };
        rotate(&keyring());
        assert_eq!(verify(&app).map(|report| report.seals), Ok(4), "a seal without entries");
        app.seal_audit_log();
        rotate(&keyring());
        assert_eq!(verify(&app).map(|report| report.seals), Ok(6));
        // A key that cannot be opened confirms nothing, but an anchor does.
        let anchors = [anchor(&app)];
        app.execute_raw("UPDATE signing_keys SET private_key = public_key WHERE retired_at IS NULL");
        rotate(&keyring());
        assert_eq!(verify(&app), Err(Fault::NotContinued(7)));
        assert_eq!(verify_with(&app, &anchors).map(|report| report.seals), Ok(7));
    }

    async fn erasing_addresses_keeps_the_seals(app: TestApp) {
        let app = sealed(&app);
        let before = verify(&app);
        let ids = [id_of(&app, 5), id_of(&app, 6), id_of(&app, 9)];
        assert_eq!(app.store.write(|conn| audit_log::erase_client(conn, &ids)).unwrap(), 3);
        assert_eq!(app.store.write(|conn| audit_log::erase_client(conn, &ids)).unwrap(), 0);
        let left = "SELECT count(*) AS n FROM audit_log WHERE subject IN ('user:5', 'user:6', 'user:9') \
                    AND (ip IS NOT NULL OR user_agent IS NOT NULL OR salt IS NOT NULL)";
        assert_eq!(app.count(left), 0);
        assert_eq!(verify(&app), before);
        app.seal_audit_log();
        assert!(verify(&app).is_ok());
        app.execute_raw("UPDATE audit_log SET ip = '192.0.2.2' WHERE subject = 'user:6'");
        assert_eq!(verify(&app), Err(Fault::EntryChanged { seal: 2, id: ids[1] }));
    }

    async fn a_purge_differs_from_a_deletion_by_hand(app: TestApp) {
        let app = without_server(&app);
        let now = app.store.read(Conn::now).unwrap();
        app.execute_raw("DELETE FROM audit_log");
        for (day, users) in [(9, 1..4), (8, 4..6), (1, 6..8)] {
            let at = now.plus_seconds(-day * DAY);
            app.store.write(|conn| record_at(conn, users.clone(), at)).unwrap();
            app.seal_audit_log();
        }
        let anchors = [anchor(&app)];
        let purge = |days: i64| seals::purge_all(&app.store, &keyring(), now.plus_seconds(-days * DAY)).unwrap();
        assert_eq!(purge(10), 0);
        assert_eq!(verify(&app).unwrap().seals, 3, "no seal without a purge");
        assert_eq!(purge(3), 5);
        assert_eq!(app.count("SELECT count(*) AS n FROM seals WHERE leaves IS NULL"), 2);
        let expected = Report {
            seals: 4,
            entries: 2,
            purged_seals: 2,
            purged_until: Some(Timestamp::from_micros(now.plus_seconds(-8 * DAY).micros() + 5)),
            unsealed: 0,
        };
        assert_eq!(verify_with(&app, &anchors), Ok(expected));
        assert_eq!(purge(3), 0);
        keep(&app);
        app.execute_raw("DELETE FROM audit_log WHERE subject = 'user:6'");
        assert!(matches!(verify(&app), Err(Fault::EntryRemoved { seal: 3, nth: 1, .. })));
        restore(&app);
        app.execute_raw(
            "UPDATE audit_log SET position = (SELECT last_position FROM seals WHERE number = 1) WHERE subject = 'user:6'",
        );
        assert_eq!(verify(&app), Err(Fault::EntryInserted { seal: 2, id: id_of(&app, 6) }));
        restore(&app);
        assert_eq!(purge(0), 2);
        record(&app, 8..9);
        app.seal_audit_log();
        let expected = Report {
            seals: 6,
            entries: 1,
            purged_seals: 3,
            purged_until: Some(Timestamp::from_micros(now.plus_seconds(-DAY).micros() + 7)),
            unsealed: 0,
        };
        assert_eq!(verify_with(&app, &anchors), Ok(expected));
    }

    async fn replicas_that_seal_at_once_make_one_chain(app: TestApp) {
        let app = without_server(&app);
        thread::scope(|scope| {
            for writer in 0..2 {
                let app = &app;
                scope.spawn(move || {
                    for number in 0..30 {
                        let at = |conn: &mut Conn| {
                            let now = conn.now()?;
                            record_at(conn, [writer * 100 + number], now)
                        };
                        while app.store.write(at).is_err() {}
                    }
                });
            }
            for _ in 0..3 {
                let app = &app;
                scope.spawn(move || {
                    for _ in 0..10 {
                        // A busy database is left to the next round.
                        drop(seals::seal_all(&app.store, &keyring()));
                    }
                });
            }
        });
        app.seal_audit_log();
        let report = verify(&app).unwrap();
        assert_eq!((report.entries, report.unsealed), (61, 0));
    }
}

#[test]
fn an_entry_that_is_committed_late_is_sealed() {
    let app = TestApp::without_server(Backend::Postgres);
    app.create_signing_key();
    app.seal_audit_log();
    let mut late = PgConnection::establish(&app.database_url).unwrap();
    let mut run = |sql: &str| diesel::sql_query(sql).execute(&mut late).unwrap();
    run("BEGIN");
    run(
        "INSERT INTO audit_log (id, at, action, subject) VALUES (gen_random_uuid(), now(), 'user.renamed', 'user:1')",
    );
    record(&app, 2..3);
    seals::seal_all(&app.store, &keyring()).unwrap();
    assert_eq!(verify(&app).map(|report| report.entries), Ok(1), "an older transaction is still running");
    run("COMMIT");
    app.seal_audit_log();
    assert_eq!(verify(&app).map(|report| report.entries), Ok(3));
}

#[test]
fn a_secret_that_does_not_open_the_key_seals_nothing() {
    let app = TestApp::without_server(Backend::Sqlite);
    app.create_signing_key();
    let other = Keyring::new(b"another secret of 32 bytes or more", None).unwrap();
    assert!(seals::seal_all(&app.store, &other).is_err());
    assert_eq!(app.count("SELECT count(*) AS n FROM seals"), 0);
    app.seal_audit_log();
    let verified: Result<_, StoreError> =
        app.store.read(|conn| seals::verify(conn, Some(&other), &[], &|_, _| ()));
    assert_eq!(verified.unwrap(), Err(Fault::KeyOfOtherSecret));
}
