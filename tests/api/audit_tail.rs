//! The order in which readers of the audit log get its entries.

use std::time::{Duration, Instant};

use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::store::audit_log::{self, AuditReader, Pace, Page};
use countersign::store::{Conn, QueryResult, StoreError};
use diesel::prelude::*;

use crate::helpers::{Backend, TestApp};

const READER: AuditReader = AuditReader::DecisionMails;

fn record(conn: &mut Conn, subject: &str) -> QueryResult<()> {
    let now = conn.now()?;
    let context = AuditContext::OPERATOR;
    audit_log::record(conn, &context, AuditAction::UserRenamed, subject.to_owned(), now)
}

/// The subjects of the next `wanted` entries, in pages of at most `limit`. They can come late: the
/// transactions of other tests in the same cluster hold readers back.
fn take(app: &TestApp, limit: i64, wanted: usize) -> Vec<String> {
    let (started, mut taken) = (Instant::now(), Vec::new());
    while taken.len() < wanted && started.elapsed() < Duration::from_secs(60) {
        let page = try_take(app, limit).unwrap();
        assert!(page.len() <= limit as usize);
        taken.extend(page);
    }
    taken
}

/// The next page of the reader for mails about decisions.
fn next_page(conn: &mut Conn, limit: i64) -> QueryResult<Option<Page>> {
    let after = audit_log::cursor(conn, READER)?;
    let Some(end) = audit_log::end(conn)?.filter(|end| after < *end) else { return Ok(None) };
    audit_log::page(conn, after, end, limit).map(Some)
}

/// Nothing if another reader was first. Fails if the database is busy.
fn try_take(app: &TestApp, limit: i64) -> Result<Vec<String>, StoreError> {
    let Some(page) = app.store.read(|conn| next_page(conn, limit))? else { return Ok(Vec::new()) };
    let is_taken = app.store.write(|conn| page.take(conn, READER))?;
    let entries = if is_taken { page.entries } else { Vec::new() };
    Ok(entries.into_iter().map(|(_, entry)| entry.subject).collect())
}

fn take_page(
    app: &TestApp,
    reader: AuditReader,
    page: &Page,
    taken: &mut Vec<String>,
) -> Result<bool, StoreError> {
    let is_taken = app.store.write(|conn| page.take(conn, reader))?;
    taken.extend(page.entries.iter().map(|(_, entry)| entry.subject.clone()));
    Ok(is_taken)
}

/// A database of the same kind that no server reads.
fn without_server(app: &TestApp) -> TestApp {
    let is_sqlite = app.database_url.starts_with("sqlite");
    TestApp::without_server(if is_sqlite { Backend::Sqlite } else { Backend::Postgres })
}

on_both_databases! {
    async fn a_reader_gets_each_entry_once_in_pages(app: TestApp) {
        let app = without_server(&app);
        for subject in ["user:1", "user:2", "user:3"] {
            app.store.write(move |conn| record(conn, subject)).unwrap();
        }
        assert_eq!(take(&app, 2, 3), ["user:1", "user:2", "user:3"]);
        assert!(try_take(&app, 2).unwrap().is_empty());
        // A transaction with several entries is split.
        app.store.write(|conn| (4..9).try_for_each(|id| record(conn, &format!("user:{id}")))).unwrap();
        assert_eq!(take(&app, 3, 5), (4..9).map(|id| format!("user:{id}")).collect::<Vec<_>>());
        // Entries that are not handled are taken again.
        app.store.write(|conn| record(conn, "user:9")).unwrap();
        let page = app.store.read(|conn| next_page(conn, 9)).unwrap();
        let failed = app.store.write(|conn| {
            if let Some(page) = &page {
                assert!(page.take(conn, READER)?);
            }
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        });
        assert!(failed.is_err());
        assert_eq!(take(&app, 9, 1), ["user:9"]);
        // After a purge, numbers are not used again.
        app.execute_raw("DELETE FROM audit_log");
        app.store.write(|conn| record(conn, "user:10")).unwrap();
        assert_eq!(take(&app, 9, 1), ["user:10"]);
    }

    async fn a_reader_that_fails_delays_no_other_one(app: TestApp) {
        let app = without_server(&app);
        app.store.write(|conn| ["user:1", "user:2"].iter().try_for_each(|subject| record(conn, subject))).unwrap();
        let (mut mails, mut webhooks) = (Vec::new(), Vec::new());
        let started = Instant::now();
        while webhooks.is_empty() && started.elapsed() < Duration::from_secs(60) {
            let mut fail = |_: &Page| Err(StoreError::OutcomeUnknown);
            let mut take = |page: &Page| take_page(&app, AuditReader::Webhooks, page, &mut webhooks);
            let read = audit_log::read_all(
                &app.store,
                Pace::Gentle,
                &mut [(READER, &mut fail), (AuditReader::Webhooks, &mut take)],
            );
            assert!(read.is_err() || webhooks.is_empty());
        }
        let mut take_mails = |page: &Page| take_page(&app, READER, page, &mut mails);
        let mut take_webhooks = |page: &Page| take_page(&app, AuditReader::Webhooks, page, &mut webhooks);
        let read = audit_log::read_all(
            &app.store,
            Pace::Fast,
            &mut [(READER, &mut take_mails), (AuditReader::Webhooks, &mut take_webhooks)],
        );
        assert_eq!(read.unwrap(), 2);
        assert_eq!(mails, ["user:1", "user:2"]);
        assert_eq!(webhooks, mails);
    }

    async fn at_each_pace_a_reader_gets_all_entries_of_a_transaction(app: TestApp) {
        let app = without_server(&app);
        let subjects: Vec<String> = (0..1_100).map(|number| format!("user:{number}")).collect();
        for (pace, pages) in [(Pace::Gentle, vec![250, 250, 250, 250, 100]), (Pace::Fast, vec![1_100])] {
            app.store.write(|conn| subjects.iter().try_for_each(|subject| record(conn, subject))).unwrap();
            let (mut sizes, mut taken, started) = (Vec::new(), Vec::new(), Instant::now());
            while taken.is_empty() && started.elapsed() < Duration::from_secs(60) {
                let mut take = |page: &Page| {
                    sizes.push(page.entries.len());
                    take_page(&app, READER, page, &mut taken)
                };
                audit_log::read_all(&app.store, pace, &mut [(READER, &mut take)]).unwrap();
            }
            assert_eq!((sizes, taken), (pages, subjects.clone()), "{pace:?}");
        }
    }

    async fn replicas_that_read_at_once_share_the_entries(app: TestApp) {
        let app = without_server(&app);
        let taken = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let app = &app;
                scope.spawn(move || {
                    for number in 0..40 {
                        let subject = format!("user:{writer}-{number}");
                        while app.store.write(|conn| record(conn, &subject)).is_err() {}
                    }
                });
            }
            for _ in 0..3 {
                scope.spawn(|| {
                    while taken.lock().unwrap().len() < 120 {
                        let next = try_take(&app, 7).unwrap_or_default();
                        taken.lock().unwrap().extend(next);
                    }
                });
            }
        });
        let mut taken = taken.into_inner().unwrap();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), 120);
        assert!(try_take(&app, 9).unwrap().is_empty());
    }
}

#[test]
fn an_entry_that_is_committed_late_is_not_skipped() {
    let app = TestApp::without_server(Backend::Postgres);
    let mut late = PgConnection::establish(&app.database_url).unwrap();
    let insert = "INSERT INTO audit_log (id, at, action, subject) \
                  VALUES (gen_random_uuid(), now(), 'user.renamed', 'user:1')";
    let statements = |conn: &mut PgConnection, sql: &[&str]| {
        for sql in sql {
            diesel::sql_query(*sql).execute(conn).unwrap();
        }
    };
    statements(&mut late, &["BEGIN", insert]);
    app.store.write(|conn| record(conn, "user:2")).unwrap();
    assert!(try_take(&app, 9).unwrap().is_empty(), "an older transaction is still running");
    statements(&mut late, &["COMMIT"]);
    assert_eq!(take(&app, 9, 2), ["user:1", "user:2"]);
}

#[test]
fn a_database_that_was_restored_into_another_cluster_is_read_on() {
    let app = TestApp::without_server(Backend::Postgres);
    app.store.write(|conn| record(conn, "user:1")).unwrap();
    assert_eq!(take(&app, 9, 1), ["user:1"]);
    app.store.write(|conn| record(conn, "user:2")).unwrap();
    // The numbers of a cluster with many more transactions.
    app.execute_raw(
        "UPDATE audit_log SET position = position + 5000000000; \
         UPDATE audit_cursors SET position = position + 5000000000",
    );
    assert!(try_take(&app, 9).unwrap().is_empty());
    for number in [3, 4] {
        app.store.migrate().unwrap();
        app.store.write(move |conn| record(conn, &format!("user:{number}"))).unwrap();
    }
    assert_eq!(take(&app, 9, 3), ["user:2", "user:3", "user:4"]);
}
