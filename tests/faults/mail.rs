//! Mail, with a relay of every mood, and a server that is killed while it sends: none
//! is lost, none waits for another one, and what comes twice is the same mail.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use countersign::domain::user::Authority;
use countersign::store::ledger::{Deed, RequestRef};
use reqwest::Client;

use crate::crowd::assert_sound;
use crate::helpers::{Backend, TestApp, TestUser};
use crate::measure;
use crate::relay::{Mood, Relay};
use crate::server::Server;

/// How long mails may take that wait for nobody: the outbox is swept every two seconds,
/// and the machine may have other things to do.
const SOON: Duration = Duration::from_secs(15);

const UNSENT: &str = "SELECT count(*) AS n FROM outbox WHERE result IS NULL";

/// Asks each of these for a permission; they get a mail.
fn ask(app: &TestApp, by: &TestUser, names: impl IntoIterator<Item = String>) {
    let bundle = app.bundle("Sleep", 6);
    for name in names {
        app.ask(by, &app.user(&format!("{name}@example.org")), &bundle);
    }
}

/// Has what was put off be due, and leases of servers that are no more run out.
fn hurry(app: &TestApp, condition: &str) {
    let hour = if app.database_url.starts_with("sqlite") { "3600000000" } else { "interval '1 hour'" };
    app.tamper(&format!("UPDATE outbox SET due_at = due_at - {hour} WHERE result IS NULL AND {condition}"));
}

/// Waits for something that must happen soon; how long it took.
async fn soon(what: &str, mut happened: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < SOON, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// The median time that a call takes.
async fn latency(server: &Server, user: &TestUser) -> Duration {
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

/// Each mail is of one row of the outbox, and whatever came twice is the same.
fn assert_same(app: &TestApp, relay: &Relay) -> usize {
    let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mails = relay.mails();
    for mail in &mails {
        let known = seen.entry(mail.to.clone()).or_insert((mail.id.clone(), mail.link.clone()));
        assert_eq!((&known.0, &known.1), (&mail.id, &mail.link), "{} got two mails", mail.to);
    }
    assert_sound(app);
    mails.len() - seen.len()
}

#[tokio::test]
async fn no_mail_waits_for_a_sick_one_and_nor_does_anybody_who_calls() {
    let relay = Relay::start(|to, before| match (to.split('-').next().unwrap_or_default(), before) {
        ("poisoned", _) => Mood::Stalls,
        ("trickle", _) => Mood::Trickles(measure(Duration::from_millis(250), Duration::from_secs(10))),
        ("later", 0) => Mood::Says("451 4.7.1 later"),
        ("never", _) => Mood::Says("550 5.1.1 nobody of that name"),
        ("dropped", 0) => Mood::DropsAfterTheDot,
        _ => Mood::Takes,
    });
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let server = Server::start(&app.database_url, &[("SMTP_URL", &relay.url())]);
    let before = latency(&server, &ada).await;
    let few = measure(8, 16);
    let many = measure(80, 400);
    let of = |mood: &'static str, times: usize| (0..times).map(move |nth| format!("{mood}-{nth}"));
    // The first that are due are the worst.
    let sick = ["poisoned", "trickle", "later", "never", "dropped"];
    ask(&app, &ada, sick.iter().flat_map(|mood| of(mood, few)).chain(of("well", many)));
    let has = |mood: &str| relay.recipients().iter().filter(|to| to.starts_with(mood)).count();
    let took = soon("the healthy ones are sent", || has("well") == many).await;
    let during = latency(&server, &ada).await;
    eprintln!(
        "{many} mails beside {} sick ones in {took:?}; a call takes {during:?}, {before:?} before",
        few * 5
    );
    assert!(during < before * 5 + Duration::from_millis(50), "{during:?} against {before:?}");
    soon("what was put off is sent later", || {
        hurry(&app, "lease IS NULL");
        has("later") == few && has("dropped") == few
    })
    .await;
    soon("what was refused is dead", || {
        app.count("SELECT count(*) AS n FROM outbox WHERE result = 'dead'") == few as i64
    })
    .await;
    soon("what trickles comes too", || has("trickle") == few || measure(false, true)).await;
    soon("nothing but what is stalled is owed", || app.count(UNSENT) == measure(few, 2 * few) as i64).await;
    assert_eq!(relay.named("poisoned-0@example.org"), 1, "it is still being waited for");
    assert_eq!(relay.named("never-0@example.org"), 1);
    let twice = assert_same(&app, &relay);
    assert_eq!(twice, few, "the relay dropped those after it had taken them");
}

#[tokio::test]
async fn what_is_put_off_or_dropped_is_sent_again_and_is_the_same() {
    is_sent_again("").await;
}

/// The same, with mistakes planted.
pub async fn is_sent_again(planted: &str) {
    const EACH: usize = 4;
    let relay = Relay::start(|to, before| match (to.starts_with("later"), before) {
        (true, 0) => Mood::Says("451 4.7.1 later"),
        (false, 0) => Mood::DropsAfterTheDot,
        _ => Mood::Takes,
    });
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let _server = Server::start(&app.database_url, &[("SMTP_URL", &relay.url()), ("FAILPOINTS", planted)]);
    let of = |mood: &'static str| (0..EACH).map(move |nth| format!("{mood}-{nth}"));
    ask(&app, &ada, of("later").chain(of("dropped")));
    soon("none is owed", || {
        hurry(&app, "lease IS NULL");
        app.count(UNSENT) == 0
    })
    .await;
    assert_eq!(relay.recipients().len(), 2 * EACH, "each has its mail");
    assert_eq!(assert_same(&app, &relay), EACH, "the relay dropped those after it had taken them");
}

#[tokio::test]
async fn a_relay_that_is_away_gets_its_mail_when_it_is_back_and_none_for_what_has_died() {
    let relay = Relay::start(|_, _| Mood::Takes);
    relay.set_away(true);
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let server = Server::start(&app.database_url, &[("SMTP_URL", &relay.url())]);
    ask(&app, &ada, (0..20).map(|nth| format!("target{nth}")));
    let put_off = "SELECT count(*) AS n FROM outbox WHERE lease IS NULL AND last_error IS NOT NULL";
    soon("all are put off", || app.count(put_off) == 20).await;
    for id in app.numbers("SELECT id AS n FROM permission_requests ORDER BY id LIMIT 10") {
        let which = RequestRef::Number(countersign::domain::request::RequestId(id));
        app.commit(Deed::End { which, by: Authority::User(ada.user.id) });
    }
    relay.set_away(false);
    hurry(&app, "lease IS NULL");
    soon("none is owed", || app.count(UNSENT) == 0).await;
    assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE result = 'cancelled'"), 10);
    assert_eq!((relay.mails().len(), relay.recipients().len()), (10, 10));
    assert_eq!(assert_same(&app, &relay), 0);
    assert!(server.is_alive());
}

#[tokio::test]
async fn a_server_that_is_killed_again_and_again_loses_no_mail_and_repeats_none_but_the_same() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        // So slow that some are always on their way.
        let relay = Relay::start(|_, _| Mood::Trickles(Duration::from_millis(4)));
        let app = TestApp::without_server(backend);
        let (ada, bundle) = (app.user("ada@example.org"), app.bundle("Sleep", 6));
        let (rounds, life) = measure((5, Duration::from_millis(500)), (60, Duration::from_secs(2)));
        for round in 0..rounds {
            let server = Server::start(&app.database_url, &[("SMTP_URL", &relay.url())]);
            for nth in 0..40 {
                app.ask(&ada, &app.user(&format!("target{round}-{nth}@example.org")), &bundle);
            }
            tokio::time::sleep(life).await;
            server.kill();
            // A minute later.
            hurry(&app, "lease IS NOT NULL");
        }
        let server = Server::start(&app.database_url, &[("SMTP_URL", &relay.url())]);
        soon("none is owed", || app.count(UNSENT) == 0).await;
        assert_eq!(relay.recipients().len(), rounds * 40, "each has its mail");
        let twice = assert_same(&app, &relay);
        eprintln!("{backend:?}: {} mails, {rounds} kills, {twice} came twice", rounds * 40);
        // No more than were on their way.
        assert!(twice <= rounds * 16 * 2, "{twice} came twice");
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE result = 'sent'"), rounds as i64 * 40);
        drop(server);
    }
}
