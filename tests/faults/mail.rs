//! Mail with a failing SMTP server, and with a server that is killed while it sends: every mail is
//! sent, no mail delays another, and duplicates are identical.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use countersign::domain::user::Authority;
use countersign::store::ledger::CloseRequest;
use reqwest::Client;

use crate::helpers::{Backend, TestApp, TestUser};
use crate::load::assert_consistent;
use crate::server::Server;
use crate::short_or_long;
use crate::smtp_server::{FakeSmtpServer, SmtpBehaviour};

/// The maximum delivery time of a mail without failures: the outbox is swept every two seconds,
/// and the machine may be busy.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);

const UNSENT: &str = "SELECT count(*) AS n FROM outbox WHERE result IS NULL";

/// Creates a request to each of these users, which sends them a mail.
fn create_requests(app: &TestApp, by: &TestUser, names: impl IntoIterator<Item = String>) {
    let bundle = app.bundle("Sleep", 6);
    for name in names {
        app.create_request(by, &app.user(&format!("{name}@example.org")), &bundle);
    }
}

/// Makes deferred mails due and expires the leases of stopped servers.
fn make_due(app: &TestApp, condition: &str) {
    let hour = if app.database_url.starts_with("sqlite") { "3600000000" } else { "interval '1 hour'" };
    app.execute_raw(&format!(
        "UPDATE outbox SET due_at = due_at - {hour} WHERE result IS NULL AND {condition}"
    ));
}

/// Waits for a condition and returns how long it took.
async fn wait_for(what: &str, mut happened: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < DELIVERY_TIMEOUT, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// The median response time of a call.
async fn median_latency(server: &Server, user: &TestUser) -> Duration {
    let client = Client::builder().no_proxy().build().unwrap();
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let answer = client.get(format!("{}/api/account/", server.url)).bearer_auth(&user.key).send();
        assert_eq!(answer.await.unwrap().status(), 200);
        times.push(begun.elapsed());
    }
    times.sort();
    times[100]
}

/// Asserts that each mail belongs to a row of the outbox, and that its duplicates are identical.
fn assert_duplicates_identical(app: &TestApp, smtp_server: &FakeSmtpServer) -> usize {
    let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mails = smtp_server.mails();
    for mail in &mails {
        let known = seen.entry(mail.to.clone()).or_insert((mail.message_id.clone(), mail.link.clone()));
        assert_eq!((&known.0, &known.1), (&mail.message_id, &mail.link), "{} got two mails", mail.to);
    }
    assert_consistent(app);
    mails.len() - seen.len()
}

#[tokio::test]
async fn failing_mails_delay_neither_other_mails_nor_calls() {
    let smtp_server =
        FakeSmtpServer::start(|to, before| match (to.split('-').next().unwrap_or_default(), before) {
            ("poisoned", _) => SmtpBehaviour::Stall,
            ("trickle", _) => {
                SmtpBehaviour::Trickle(short_or_long(Duration::from_millis(250), Duration::from_secs(10)))
            }
            ("later", 0) => SmtpBehaviour::Reply("451 4.7.1 later"),
            ("never", _) => SmtpBehaviour::Reply("550 5.1.1 nobody of that name"),
            ("dropped", 0) => SmtpBehaviour::DropAfterData,
            _ => SmtpBehaviour::Accept,
        });
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let server = Server::start(&app.database_url, &[("SMTP_URL", &smtp_server.url())]);
    let before = median_latency(&server, &ada).await;
    let few = short_or_long(8, 16);
    let many = short_or_long(80, 400);
    let of = |behaviour: &'static str, times: usize| (0..times).map(move |nth| format!("{behaviour}-{nth}"));
    // The mails that fail are due first.
    let sick = ["poisoned", "trickle", "later", "never", "dropped"];
    create_requests(&app, &ada, sick.iter().flat_map(|behaviour| of(behaviour, few)).chain(of("well", many)));
    let has =
        |behaviour: &str| smtp_server.recipients().iter().filter(|to| to.starts_with(behaviour)).count();
    let took = wait_for("the healthy ones are sent", || has("well") == many).await;
    let during = median_latency(&server, &ada).await;
    eprintln!(
        "{many} mails beside {} sick ones in {took:?}; a call takes {during:?}, {before:?} before",
        few * 5
    );
    assert!(during < before * 5 + Duration::from_millis(50), "{during:?} against {before:?}");
    wait_for("what was put off is sent later", || {
        make_due(&app, "lease IS NULL");
        has("later") == few && has("dropped") == few
    })
    .await;
    wait_for("what was refused is dead", || {
        app.count("SELECT count(*) AS n FROM outbox WHERE result = 'failed'") == few as i64
    })
    .await;
    wait_for("what trickles comes too", || has("trickle") == few || short_or_long(false, true)).await;
    wait_for("nothing but what is stalled is owed", || {
        app.count(UNSENT) == short_or_long(few, 2 * few) as i64
    })
    .await;
    assert_eq!(smtp_server.rcpt_count("poisoned-0@example.org"), 1, "the response is still pending");
    assert_eq!(smtp_server.rcpt_count("never-0@example.org"), 1);
    let twice = assert_duplicates_identical(&app, &smtp_server);
    assert_eq!(twice, few, "the SMTP server accepted them and closed the connection");
}

#[tokio::test]
async fn a_deferred_or_dropped_mail_is_resent_unchanged() {
    check_redelivery("").await;
}

/// The check of the test above, for a server with these fail points.
pub async fn check_redelivery(failpoints: &str) {
    const MAILS_PER_BEHAVIOUR: usize = 4;
    let smtp_server = FakeSmtpServer::start(|to, before| match (to.starts_with("later"), before) {
        (true, 0) => SmtpBehaviour::Reply("451 4.7.1 later"),
        (false, 0) => SmtpBehaviour::DropAfterData,
        _ => SmtpBehaviour::Accept,
    });
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let _server =
        Server::start(&app.database_url, &[("SMTP_URL", &smtp_server.url()), ("FAILPOINTS", failpoints)]);
    let of = |behaviour: &'static str| (0..MAILS_PER_BEHAVIOUR).map(move |nth| format!("{behaviour}-{nth}"));
    create_requests(&app, &ada, of("later").chain(of("dropped")));
    wait_for("none is owed", || {
        make_due(&app, "lease IS NULL");
        app.count(UNSENT) == 0
    })
    .await;
    assert_eq!(smtp_server.recipients().len(), 2 * MAILS_PER_BEHAVIOUR, "every request has its mail");
    assert_eq!(
        assert_duplicates_identical(&app, &smtp_server),
        MAILS_PER_BEHAVIOUR,
        "the SMTP server accepted them and closed the connection"
    );
}

#[tokio::test]
async fn mail_is_delivered_after_an_smtp_outage_except_for_closed_requests() {
    let smtp_server = FakeSmtpServer::start(|_, _| SmtpBehaviour::Accept);
    smtp_server.set_down(true);
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let server = Server::start(&app.database_url, &[("SMTP_URL", &smtp_server.url())]);
    create_requests(&app, &ada, (0..20).map(|nth| format!("target{nth}")));
    let put_off = "SELECT count(*) AS n FROM outbox WHERE lease IS NULL AND last_error IS NOT NULL";
    wait_for("all are put off", || app.count(put_off) == 20).await;
    for id in app.query_i64s("SELECT id AS n FROM permission_requests ORDER BY id LIMIT 10") {
        let id = countersign::domain::permission_request::RequestId(id);
        app.commit(CloseRequest { id, by: Authority::User(ada.user.id) }).unwrap();
    }
    smtp_server.set_down(false);
    make_due(&app, "lease IS NULL");
    wait_for("none is owed", || app.count(UNSENT) == 0).await;
    assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE result = 'cancelled'"), 10);
    assert_eq!((smtp_server.mails().len(), smtp_server.recipients().len()), (10, 10));
    assert_eq!(assert_duplicates_identical(&app, &smtp_server), 0);
    assert!(server.is_alive());
}

#[tokio::test]
async fn repeated_kills_lose_no_mail_and_duplicates_are_identical() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        // Slow enough that some mails are always in flight.
        let smtp_server = FakeSmtpServer::start(|_, _| SmtpBehaviour::Trickle(Duration::from_millis(4)));
        let app = TestApp::without_server(backend);
        let (ada, bundle) = (app.user("ada@example.org"), app.bundle("Sleep", 6));
        let (rounds, life) = short_or_long((5, Duration::from_millis(500)), (60, Duration::from_secs(2)));
        for round in 0..rounds {
            let server = Server::start(&app.database_url, &[("SMTP_URL", &smtp_server.url())]);
            for nth in 0..40 {
                app.create_request(&ada, &app.user(&format!("target{round}-{nth}@example.org")), &bundle);
            }
            tokio::time::sleep(life).await;
            server.kill();
            // As a minute later.
            make_due(&app, "lease IS NOT NULL");
        }
        let server = Server::start(&app.database_url, &[("SMTP_URL", &smtp_server.url())]);
        wait_for("none is owed", || app.count(UNSENT) == 0).await;
        assert_eq!(smtp_server.recipients().len(), rounds * 40, "every request has its mail");
        let twice = assert_duplicates_identical(&app, &smtp_server);
        eprintln!("{backend:?}: {} mails, {rounds} kills, {twice} came twice", rounds * 40);
        // At most the mails that were in flight.
        assert!(twice <= rounds * 16 * 2, "{twice} came twice");
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE result = 'sent'"), rounds as i64 * 40);
        drop(server);
    }
}
