//! SQLite with a full disk, killed during writes, and with another process that locks the
//! database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::store::Clock;
use rusqlite::Connection;

use crate::cleanup::ScratchDirectory;
use crate::disk::TestDisk;
use crate::helpers::TestApp;
use crate::load::{Call, FAULT_DURATION, LoadFixture, MAX_RECOVERY_TIME, assert_all_responded};
use crate::server::Server;
use crate::short_or_long;

fn url(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("countersign.db").display())
}

fn on_disk(directory: &Path) -> TestApp {
    TestApp::with_database(url(directory), Clock::Database, Arc::default())
}

fn assert_whole(directory: &Path) {
    let database = Connection::open(directory.join("countersign.db")).unwrap();
    let result: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(result, "ok");
}

#[tokio::test]
async fn a_full_disk_rejects_writes_and_loses_nothing() {
    let Some(disk) = TestDisk::new(16) else { return };
    let scene = LoadFixture::new(on_disk(disk.path()), 1_000);
    let server = Server::start(&url(disk.path()), &[]);
    let load = scene.start_load(&server);
    scene.wait_until_recovered(&server).await;
    disk.fill();
    scene.assert_not_ready_for(&server, short_or_long(FAULT_DURATION, Duration::from_secs(30))).await;
    disk.delete_filler();
    let took = scene.wait_until_recovered(&server).await;
    assert!(took < MAX_RECOVERY_TIME, "{took:?}");
    let calls = load.stop().await;
    assert_all_responded(&calls);
    assert!(calls.iter().any(|call| call.status == Some(503)), "some writes were rejected");
    scene.assert_matches_database(&calls);
    assert_whole(disk.path());
}

#[tokio::test]
async fn a_server_killed_during_writes_leaves_atomic_results() {
    let directory = ScratchDirectory::new();
    let scene = LoadFixture::new(on_disk(directory.path()), short_or_long(2_000, 40_000));
    let mut calls = Vec::new();
    let count = |calls: &[Call], status| calls.iter().filter(|call| call.status == status).count();
    let often = short_or_long(6, 200);
    // Additional rounds, because a busy machine may have done nothing yet.
    for round in 0..often * 10 {
        let server = Server::start(&url(directory.path()), &[]);
        let load = scene.start_load_with(&server.url, 16, Duration::ZERO);
        // A different moment in each round.
        tokio::time::sleep(Duration::from_millis(150 + round * 37 % 200)).await;
        server.kill();
        calls.extend(load.stop().await);
        assert_whole(directory.path());
        scene.assert_matches_database(&calls);
        if round + 1 >= often && count(&calls, Some(200)) > 0 && count(&calls, None) > 0 {
            break;
        }
    }
    let (redeemed, cut_off) = (count(&calls, Some(200)), count(&calls, None));
    eprintln!("{redeemed} answered with 200, {cut_off} cut off");
    assert!(redeemed > 0 && cut_off > 0);
}

#[tokio::test]
async fn a_write_lock_of_another_process_delays_only_writers() {
    let directory = ScratchDirectory::new();
    let scene = LoadFixture::new(on_disk(directory.path()), 1_000);
    let server = Server::start(&url(directory.path()), &[]);
    let load = scene.start_load(&server);
    scene.wait_until_recovered(&server).await;
    let other = Connection::open(directory.path().join("countersign.db")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    scene.assert_not_ready_for(&server, short_or_long(FAULT_DURATION, Duration::from_secs(30))).await;
    other.execute_batch("COMMIT").unwrap();
    let took = scene.wait_until_recovered(&server).await;
    assert!(took < MAX_RECOVERY_TIME, "{took:?}");
    let calls = load.stop().await;
    assert_all_responded(&calls);
    assert!(calls.iter().any(|call| call.status == Some(503)), "some writes were rejected");
    scene.assert_matches_database(&calls);
}

#[tokio::test]
async fn two_processes_on_one_file_do_nothing_twice() {
    let directory = ScratchDirectory::new();
    let scene = LoadFixture::new(on_disk(directory.path()), 1_000);
    let servers = [(); 2].map(|()| Server::start(&url(directory.path()), &[]));
    let crowds = servers.each_ref().map(|server| scene.start_load(server));
    tokio::time::sleep(short_or_long(Duration::from_secs(2), Duration::from_secs(60))).await;
    let mut calls = Vec::new();
    for load in crowds {
        calls.extend(load.stop().await);
    }
    assert_all_responded(&calls);
    scene.assert_matches_database(&calls);
}
