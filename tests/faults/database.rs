//! PostgreSQL frozen, restarted, out of connections, with a full disk or read-only, while the
//! server keeps running.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::store::{Clock, Store};
use postgres::{Client, NoTls};

use crate::cleanup::ScratchDirectory;
use crate::cluster::Cluster;
use crate::disk::TestDisk;
use crate::helpers::TestApp;
use crate::load::{
    Call, FAULT_DURATION, LoadFixture, LoadGenerator, MAX_RECOVERY_TIME, assert_all_responded,
};
use crate::on_own_thread;
use crate::server::Server;
use crate::short_or_long;

/// The number of open requests: more than the clients redeem in a test.
const OPEN_REQUESTS: usize = 2_000;

/// A PostgreSQL cluster, a server on it, and clients.
struct DatabaseFixture {
    // Fields are dropped in this order.
    server: Server,
    load: LoadFixture,
    cluster: Cluster,
}

impl DatabaseFixture {
    /// A fixture in this directory with these settings of PostgreSQL.
    fn new(directory: ScratchDirectory, settings: &[&str]) -> Self {
        Self::new_with_failpoints(directory, settings, "")
    }

    /// A fixture whose server has these fail points.
    fn new_with_failpoints(directory: ScratchDirectory, settings: &[&str], failpoints: &str) -> Self {
        crate::server::clean_up_on_interrupt();
        let cluster = on_own_thread(|| Cluster::start_with(directory, settings));
        let load = LoadFixture::new(
            TestApp::with_database(cluster.url("postgres"), Clock::Database, Arc::default()),
            short_or_long(OPEN_REQUESTS, OPEN_REQUESTS * 10),
        );
        let server = Server::start(&cluster.url("postgres"), &[("FAILPOINTS", failpoints)]);
        Self { server, load, cluster }
    }

    /// Starts clients and waits until they have run for a while.
    async fn start_load(&self) -> LoadGenerator {
        let load = self.load.start_load(&self.server);
        self.load.wait_until_recovered(&self.server).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        load
    }

    fn fault_duration() -> Duration {
        short_or_long(FAULT_DURATION, Duration::from_secs(30))
    }

    /// Changes a setting of PostgreSQL.
    fn alter_system(&self, setting: &str) {
        let mut client = self.cluster.connect("postgres");
        // The setting may prevent its own change, unless the session overrides it.
        client
            .batch_execute("SET default_transaction_read_only = off; SET synchronous_commit = local")
            .unwrap();
        client.batch_execute(&format!("ALTER SYSTEM {setting}")).unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
    }

    /// Asserts that the server recovers in time, and that the responses during and before the
    /// fault match the database.
    async fn assert_recovered(&self, load: LoadGenerator, mut before: Vec<Call>) -> Vec<Call> {
        let took = self.load.wait_until_recovered(&self.server).await;
        assert!(took < MAX_RECOVERY_TIME, "{took:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let calls = load.stop().await;
        assert_all_responded(&calls);
        assert!(self.server.is_alive());
        before.extend(calls);
        self.load.assert_matches_database(&before);
        before
    }
}

/// Asserts that some calls failed and others did not.
fn assert_some_failed(calls: &[Call]) {
    let failed = calls.iter().filter(|call| call.status == Some(503)).count();
    assert!(failed > 0 && calls.len() - failed > 20, "{failed} of {}", calls.len());
}

#[tokio::test]
async fn a_frozen_database_delays_no_call_beyond_its_deadline() {
    check_frozen("").await;
}

/// The check of the test above, for a server with these fail points.
pub async fn check_frozen(failpoints: &str) {
    let fixture = DatabaseFixture::new_with_failpoints(ScratchDirectory::new(), &["fsync=off"], failpoints);
    let load = fixture.start_load().await;
    fixture.cluster.set_frozen(true);
    fixture.load.assert_not_ready_for(&fixture.server, DatabaseFixture::fault_duration()).await;
    fixture.cluster.set_frozen(false);
    assert_some_failed(&fixture.assert_recovered(load, Vec::new()).await);
}

#[tokio::test]
async fn a_database_crash_loses_nothing() {
    let mut fixture = DatabaseFixture::new(ScratchDirectory::new(), &[]);
    let load = fixture.start_load().await;
    fixture.cluster.stop();
    fixture.load.assert_not_ready_for(&fixture.server, DatabaseFixture::fault_duration()).await;
    on_own_thread(|| fixture.cluster.start_again());
    let before = fixture.assert_recovered(load, Vec::new()).await;
    assert_some_failed(&before);
    // Too short for most calls to notice.
    let load = fixture.start_load().await;
    for _ in 0..short_or_long(2, 20) {
        on_own_thread(|| fixture.cluster.restart());
        fixture.load.wait_until_recovered(&fixture.server).await;
    }
    fixture.assert_recovered(load, before).await;
}

#[tokio::test]
async fn the_server_recovers_when_all_connections_were_taken() {
    const MAX_CONNECTIONS: usize = 30;
    let settings =
        [&format!("max_connections={MAX_CONNECTIONS}"), "superuser_reserved_connections=0", "fsync=off"];
    let fixture = DatabaseFixture::new(ScratchDirectory::new(), &settings);
    let load = fixture.start_load().await;
    let host = fixture.cluster.directory().display().to_string();
    let hogs = on_own_thread(|| take_all_connections(&host, MAX_CONNECTIONS));
    fixture.load.assert_not_ready_for(&fixture.server, DatabaseFixture::fault_duration()).await;
    on_own_thread(|| drop(hogs));
    assert_some_failed(&fixture.assert_recovered(load, Vec::new()).await);
}

/// Opens all available connections after terminating those of others.
fn take_all_connections(host: &str, limit: usize) -> Vec<Client> {
    let settings = format!("host={host} user=countersign dbname=postgres application_name=hog");
    let mut hogs: Vec<Client> = Vec::new();
    while hogs.len() < limit {
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
async fn a_full_database_disk_rejects_writes_and_loses_nothing() {
    let Some(disk) = TestDisk::new(192) else { return };
    let settings = ["fsync=off", "min_wal_size=32MB", "max_wal_size=64MB"];
    let mut fixture = DatabaseFixture::new(ScratchDirectory::create_in(disk.path()), &settings);
    let load = fixture.start_load().await;
    disk.fill();
    fixture.load.assert_not_ready_for(&fixture.server, DatabaseFixture::fault_duration()).await;
    disk.delete_filler();
    // PostgreSQL stops if its log cannot be written: the operator starts it again.
    if fixture.cluster.has_ended() {
        eprintln!("PostgreSQL exited because the disk was full");
        on_own_thread(|| fixture.cluster.start_again());
    }
    assert_some_failed(&fixture.assert_recovered(load, Vec::new()).await);
}

/// All pooled connections are closed. No caller may notice.
#[tokio::test]
async fn a_restart_between_two_calls_fails_neither() {
    check_restart("").await;
}

/// The check of the test above, for a server with these fail points.
pub async fn check_restart(failpoints: &str) {
    let mut fixture =
        DatabaseFixture::new_with_failpoints(ScratchDirectory::new(), &["fsync=off"], failpoints);
    assert_eq!(fixture.load.get_account(&fixture.server).await, Some(200));
    // Another read may have found the closed connections first.
    for _ in 0..5 {
        on_own_thread(|| fixture.cluster.restart());
        assert_eq!(fixture.load.get_account(&fixture.server).await, Some(200), "after a restart");
    }
}

#[tokio::test]
async fn a_read_only_database_is_not_ready() {
    let fixture = DatabaseFixture::new(ScratchDirectory::new(), &["fsync=off"]);
    let load = fixture.start_load().await;
    on_own_thread(|| fixture.alter_system("SET default_transaction_read_only = on"));
    fixture.load.assert_not_ready_for(&fixture.server, DatabaseFixture::fault_duration()).await;
    on_own_thread(|| fixture.alter_system("RESET default_transaction_read_only"));
    assert_some_failed(&fixture.assert_recovered(load, Vec::new()).await);
}

/// A primary without its synchronous standby executes statements, but does not confirm a COMMIT.
#[tokio::test]
async fn a_database_that_confirms_no_commit_is_not_ready() {
    let fixture = DatabaseFixture::new(ScratchDirectory::new(), &["fsync=off"]);
    let load = fixture.start_load().await;
    on_own_thread(|| fixture.alter_system("SET synchronous_standby_names = 'nobody'"));
    fixture.load.assert_not_ready_for(&fixture.server, DatabaseFixture::fault_duration()).await;
    on_own_thread(|| fixture.alter_system("RESET synchronous_standby_names"));
    assert_some_failed(&fixture.assert_recovered(load, Vec::new()).await);
}

/// The request budget covers all stages: a slow password lookup leaves less time for the rest. The
/// response at the deadline reports the known outcome.
#[tokio::test]
async fn all_waits_of_a_call_share_one_deadline() {
    // A separate timeout of two seconds per stage would exceed this on any machine.
    const TOTAL_DELAY: Duration = Duration::from_millis(3_300);
    let fixture = DatabaseFixture::new(ScratchDirectory::new(), &["fsync=off"]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // A single late response can be a pause of the machine.
    for mine in fixture.load.app.query_i64s("SELECT id AS n FROM permission_requests ORDER BY id LIMIT 4") {
        on_own_thread(|| fixture.alter_system("SET synchronous_standby_names = 'nobody'"));
        fixture.cluster.set_frozen(true);
        let url = format!("{}/api/bundle_permission_request/{mine}/", fixture.server.url);
        let withdraw = client.delete(&url).basic_auth("ada@example.org", Some(crate::helpers::PASSWORD));
        let begun = Instant::now();
        let asked = tokio::spawn(withdraw.send());
        // The first stage responds shortly before the deadline, the second one never does.
        tokio::time::sleep(Duration::from_millis(1_400)).await;
        fixture.cluster.set_frozen(false);
        let answer = asked.await.unwrap().unwrap();
        let took = begun.elapsed();
        eprintln!("answered after {took:?}");
        assert_eq!(answer.status(), 503);
        let said = answer.text().await.unwrap();
        on_own_thread(|| fixture.alter_system("RESET synchronous_standby_names"));
        fixture.load.wait_until_recovered(&fixture.server).await;
        if took < TOTAL_DELAY && said.contains("outcome is unknown") {
            return;
        }
        eprintln!("late, or an unexpected response: {said}");
    }
    panic!("no response was in time");
}

/// The server exits, so that a supervisor can start it again with new connections.
#[tokio::test]
async fn a_process_with_stuck_threads_exits_and_logs_it() {
    for (impatient, said) in [
        ("async_store.timeout=return(3)", "the database did not respond for two minutes"),
        ("registry.stuck_thread_timeout=return(3)", "the registry stopped unexpectedly"),
    ] {
        let fixture =
            DatabaseFixture::new_with_failpoints(ScratchDirectory::new(), &["fsync=off"], impatient);
        let load = fixture.start_load().await;
        fixture.cluster.set_frozen(true);
        // All database threads are blocked, including the one of the readiness check.
        let probes = async {
            while fixture.server.is_alive() {
                fixture.load.health_check(&fixture.server, "/readyz").await;
            }
        };
        let (ended, ()) = tokio::join!(fixture.server.wait_for_exit(Duration::from_secs(60)), probes);
        let (status, took) = ended.expect("the server exits");
        eprintln!("{said}: ended after {took:?}");
        assert_eq!(status.code(), Some(1));
        // Another thread reads the log.
        let ended = Instant::now();
        while fixture.server.log_lines_with(said).is_empty() && ended.elapsed() < MAX_RECOVERY_TIME {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(fixture.server.log_lines_with(said).len(), 1, "{:?}", fixture.server.log_lines_with(""));
        fixture.cluster.set_frozen(false);
        fixture.load.assert_matches_database(&load.stop().await);
    }
}

/// The servers use the same store.
#[test]
fn a_readiness_check_leaves_nothing_behind() {
    crate::server::clean_up_on_interrupt();
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    let store = Store::connect(&cluster.url("postgres").parse().unwrap(), 4, Clock::Database).unwrap();
    store.migrate().unwrap();
    let size = || -> i64 {
        let rows = cluster.connect("postgres").query("SELECT pg_database_size('postgres')", &[]).unwrap();
        rows[0].get(0)
    };
    store.check_readiness().unwrap().unwrap();
    let before = size();
    for _ in 0..50 {
        store.check_readiness().unwrap().unwrap();
    }
    assert!(size() - before < 32 * 1_024, "{} bytes", size() - before);
}
