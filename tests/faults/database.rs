//! PostgreSQL, stopped, restarted, out of connections, without room on its disk and
//! read-only, under a server that is not restarted for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::store::{Clock, Store};
use postgres::{Client, NoTls};

use crate::cluster::Cluster;
use crate::crowd::{Call, Crowd, RECOVERED, Scene, WRONG, assert_answered};
use crate::disk::Disk;
use crate::helpers::TestApp;
use crate::leftovers::Directory;
use crate::measure;
use crate::server::Server;

/// Requests to be redeemed: more than a crowd gets done in a test.
const OPEN: usize = 2_000;

/// A database of its own, a server on it, and people who work with that.
struct House {
    // Dropped in this order.
    server: Server,
    scene: Scene,
    cluster: Cluster,
}

impl House {
    /// In this directory, and with these settings of PostgreSQL.
    fn build(directory: Directory, settings: &[&str]) -> Self {
        Self::build_with(directory, settings, "")
    }

    /// And with mistakes that are planted in the server.
    fn build_with(directory: Directory, settings: &[&str], planted: &str) -> Self {
        crate::server::tidy_when_interrupted();
        let cluster = apart(|| Cluster::start_with(directory, settings));
        let scene = Scene::set(
            TestApp::over(cluster.url("postgres"), Clock::Database, Arc::default()),
            measure(OPEN, OPEN * 10),
        );
        let server = Server::start(&cluster.url("postgres"), &[("FAILPOINTS", planted)]);
        Self { server, scene, cluster }
    }

    /// A crowd that has been at work for a while.
    async fn crowd(&self) -> Crowd {
        let crowd = self.scene.crowd(&self.server);
        self.scene.recover(&self.server).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        crowd
    }

    /// For how long things go wrong.
    fn while_it_lasts() -> Duration {
        measure(WRONG, Duration::from_secs(30))
    }

    /// Has PostgreSQL go by another setting.
    fn alter(&self, setting: &str) {
        let mut client = self.cluster.connect("postgres");
        // What is being altered may stand in the way of altering it back.
        client
            .batch_execute("SET default_transaction_read_only = off; SET synchronous_commit = local")
            .unwrap();
        client.batch_execute(&format!("ALTER SYSTEM {setting}")).unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
    }

    /// Things are mended: the server gets over it in time, and nothing was lost of this
    /// and of what was done before.
    async fn is_well_again(&self, crowd: Crowd, mut before: Vec<Call>) -> Vec<Call> {
        let took = self.scene.recover(&self.server).await;
        assert!(took < RECOVERED, "{took:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let calls = crowd.go_home().await;
        assert_answered(&calls);
        assert!(self.server.is_alive());
        before.extend(calls);
        self.scene.hold_against(&before);
        before
    }
}

/// Does something on a thread of its own: the client of PostgreSQL wants one that is
/// not a runtime's.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// Some calls failed, and many did not.
fn assert_felt(calls: &[Call]) {
    let failed = calls.iter().filter(|call| call.status == Some(503)).count();
    assert!(failed > 0 && calls.len() - failed > 20, "{failed} of {}", calls.len());
}

#[tokio::test]
async fn a_database_that_stands_still_costs_nobody_more_than_two_seconds() {
    stands_still("").await;
}

/// The same, with mistakes planted.
pub async fn stands_still(planted: &str) {
    let house = House::build_with(Directory::new(), &["fsync=off"], planted);
    let crowd = house.crowd().await;
    house.cluster.freeze(true);
    house.scene.suffer(&house.server, House::while_it_lasts()).await;
    house.cluster.freeze(false);
    assert_felt(&house.is_well_again(crowd, Vec::new()).await);
}

#[tokio::test]
async fn a_database_that_crashes_and_comes_back_loses_nothing() {
    let mut house = House::build(Directory::new(), &[]);
    let crowd = house.crowd().await;
    house.cluster.stop();
    house.scene.suffer(&house.server, House::while_it_lasts()).await;
    apart(|| house.cluster.start_again());
    let before = house.is_well_again(crowd, Vec::new()).await;
    assert_felt(&before);
    // So short that few have noticed.
    let crowd = house.crowd().await;
    for _ in 0..measure(2, 20) {
        apart(|| house.cluster.restart());
        house.scene.recover(&house.server).await;
    }
    house.is_well_again(crowd, before).await;
}

#[tokio::test]
async fn others_who_take_all_connections_have_to_give_them_back() {
    const MOST: usize = 30;
    let settings = [&format!("max_connections={MOST}"), "superuser_reserved_connections=0", "fsync=off"];
    let house = House::build(Directory::new(), &settings);
    let crowd = house.crowd().await;
    let host = house.cluster.directory().display().to_string();
    let hogs = apart(|| take_all(&host, MOST));
    house.scene.suffer(&house.server, House::while_it_lasts()).await;
    apart(|| drop(hogs));
    assert_felt(&house.is_well_again(crowd, Vec::new()).await);
}

/// Takes every connection that there is, those of others first.
fn take_all(host: &str, most: usize) -> Vec<Client> {
    let settings = format!("host={host} user=countersign dbname=postgres application_name=hog");
    let mut hogs: Vec<Client> = Vec::new();
    while hogs.len() < most {
        match Client::connect(&settings, NoTls) {
            Ok(hog) => hogs.push(hog),
            Err(_) => {
                let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE backend_type = 'client backend' AND application_name <> 'hog' LIMIT 1";
                hogs[0].query(others, &[]).unwrap();
            }
        }
    }
    hogs
}

#[tokio::test]
async fn a_database_without_room_on_its_disk_refuses_and_loses_nothing() {
    let Some(disk) = Disk::of(192) else { return };
    let settings = ["fsync=off", "min_wal_size=32MB", "max_wal_size=64MB"];
    let mut house = House::build(Directory::within(disk.path()), &settings);
    let crowd = house.crowd().await;
    disk.fill();
    house.scene.suffer(&house.server, House::while_it_lasts()).await;
    disk.clear();
    // Where there was no room for its log it gave up: then the operator starts it.
    if house.cluster.has_ended() {
        eprintln!("PostgreSQL ended for want of room");
        apart(|| house.cluster.start_again());
    }
    assert_felt(&house.is_well_again(crowd, Vec::new()).await);
}

/// Every pooled connection is dead then, and nobody gets to see one.
#[tokio::test]
async fn a_restart_between_two_calls_fails_neither() {
    is_restarted("").await;
}

/// The same, with mistakes planted.
pub async fn is_restarted(planted: &str) {
    let mut house = House::build_with(Directory::new(), &["fsync=off"], planted);
    assert_eq!(house.scene.account(&house.server).await, Some(200));
    // Whoever else reads may have come upon the dead ones first.
    for _ in 0..5 {
        apart(|| house.cluster.restart());
        assert_eq!(house.scene.account(&house.server).await, Some(200), "after a restart");
    }
}

#[tokio::test]
async fn a_database_that_may_only_be_read_is_not_ready() {
    may_only_be_read("").await;
}

/// The same, with mistakes planted.
pub async fn may_only_be_read(planted: &str) {
    let house = House::build_with(Directory::new(), &["fsync=off"], planted);
    let crowd = house.crowd().await;
    apart(|| house.alter("SET default_transaction_read_only = on"));
    house.scene.suffer(&house.server, House::while_it_lasts()).await;
    apart(|| house.alter("RESET default_transaction_read_only"));
    assert_felt(&house.is_well_again(crowd, Vec::new()).await);
}

/// A primary whose synchronous standby is away takes every statement, and confirms no
/// COMMIT.
#[tokio::test]
async fn a_database_that_confirms_no_commit_is_not_ready() {
    let house = House::build(Directory::new(), &["fsync=off"]);
    let crowd = house.crowd().await;
    apart(|| house.alter("SET synchronous_standby_names = 'nobody'"));
    house.scene.suffer(&house.server, House::while_it_lasts()).await;
    apart(|| house.alter("RESET synchronous_standby_names"));
    assert_felt(&house.is_well_again(crowd, Vec::new()).await);
}

/// Whose password was looked up with much delay has so much less time for the rest, and
/// is told by then what is known of it.
#[tokio::test]
async fn what_a_call_waits_for_in_turn_has_one_deadline() {
    // Two seconds for each stage would be more than this, however quick the machine.
    const IN_TURN: Duration = Duration::from_millis(3_300);
    let house = House::build(Directory::new(), &["fsync=off"]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // Only a machine that stalls makes it late once.
    for mine in house.scene.app.numbers("SELECT id AS n FROM permission_requests ORDER BY id LIMIT 4") {
        apart(|| house.alter("SET synchronous_standby_names = 'nobody'"));
        house.cluster.freeze(true);
        let url = format!("{}/api/bundle_permission_request/{mine}/", house.server.url);
        let withdraw = client.delete(&url).basic_auth("ada@example.org", Some(crate::helpers::PASSWORD));
        let begun = Instant::now();
        let asked = tokio::spawn(withdraw.send());
        // The first stage is answered when most of the time is over; the second never is.
        tokio::time::sleep(Duration::from_millis(1_400)).await;
        house.cluster.freeze(false);
        let answer = asked.await.unwrap().unwrap();
        let took = begun.elapsed();
        eprintln!("answered after {took:?}");
        assert_eq!(answer.status(), 503);
        let said = answer.text().await.unwrap();
        apart(|| house.alter("RESET synchronous_standby_names"));
        house.scene.recover(&house.server).await;
        if took < IN_TURN && said.contains("outcome is unknown") {
            return;
        }
        eprintln!("too late, or {said}");
    }
    panic!("not once in time");
}

/// Whoever watches processes starts another one, which may have a better connection.
#[tokio::test]
async fn a_process_whose_threads_do_not_come_back_ends_and_says_so() {
    for (impatient, said) in [
        ("directory.patience=return(3)", "the database did not respond for two minutes"),
        ("registry.patience=return(3)", "the registry stopped unexpectedly"),
    ] {
        let house = House::build_with(Directory::new(), &["fsync=off"], impatient);
        let crowd = house.crowd().await;
        house.cluster.freeze(true);
        // All the threads there are go and do not come back; so does the probe's.
        let probes = async {
            while house.server.is_alive() {
                house.scene.probe(&house.server, "/readyz").await;
            }
        };
        let (ended, ()) = tokio::join!(house.server.end(Duration::from_secs(60)), probes);
        let (status, took) = ended.expect("it ends");
        eprintln!("{said}: ended after {took:?}");
        assert_eq!(status.code(), Some(1));
        // The log is read by a thread of its own.
        let ended = Instant::now();
        while house.server.said(said).is_empty() && ended.elapsed() < RECOVERED {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(house.server.said(said).len(), 1, "{:?}", house.server.said(""));
        house.cluster.freeze(false);
        house.scene.hold_against(&crowd.go_home().await);
    }
}

/// The store is what the servers use.
#[test]
fn a_probe_leaves_nothing_behind() {
    crate::server::tidy_when_interrupted();
    let cluster = Cluster::start_with(Directory::new(), &["fsync=off"]);
    let store = Store::connect(&cluster.url("postgres").parse().unwrap(), 4, Clock::Database).unwrap();
    store.migrate().unwrap();
    let size = || -> i64 {
        let rows = cluster.connect("postgres").query("SELECT pg_database_size('postgres')", &[]).unwrap();
        rows[0].get(0)
    };
    store.probe().unwrap().unwrap();
    let before = size();
    for _ in 0..50 {
        store.probe().unwrap().unwrap();
    }
    assert!(size() - before < 32 * 1_024, "{} bytes", size() - before);
}
