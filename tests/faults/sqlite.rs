//! SQLite on a disk without room, killed while it writes, and beside another process
//! that has the database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::store::Clock;
use rusqlite::Connection;

use crate::crowd::{Call, RECOVERED, Scene, WRONG, assert_answered};
use crate::disk::Disk;
use crate::helpers::TestApp;
use crate::leftovers::Directory;
use crate::measure;
use crate::server::Server;

fn url(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("countersign.db").display())
}

fn on_disk(directory: &Path) -> TestApp {
    TestApp::over(url(directory), Clock::Database, Arc::default())
}

fn assert_whole(directory: &Path) {
    let database = Connection::open(directory.join("countersign.db")).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test]
async fn a_disk_without_room_refuses_what_is_written_and_loses_nothing() {
    let Some(disk) = Disk::of(16) else { return };
    let scene = Scene::set(on_disk(disk.path()), 1_000);
    let server = Server::start(&url(disk.path()), &[]);
    let crowd = scene.crowd(&server);
    scene.recover(&server).await;
    disk.fill();
    scene.suffer(&server, measure(WRONG, Duration::from_secs(30))).await;
    disk.clear();
    let took = scene.recover(&server).await;
    assert!(took < RECOVERED, "{took:?}");
    let calls = crowd.go_home().await;
    assert_answered(&calls);
    assert!(calls.iter().any(|call| call.status == Some(503)), "somebody was refused");
    scene.hold_against(&calls);
    assert_whole(disk.path());
}

#[tokio::test]
async fn a_server_killed_while_it_writes_has_done_a_thing_whole_or_not_at_all() {
    let directory = Directory::new();
    let scene = Scene::set(on_disk(directory.path()), measure(2_000, 40_000));
    let mut calls = Vec::new();
    let count = |calls: &[Call], status| calls.iter().filter(|call| call.status == status).count();
    let often = measure(6, 200);
    // A machine that is busy may want to be asked oftener to have done anything.
    for round in 0..often * 10 {
        let server = Server::start(&url(directory.path()), &[]);
        let crowd = scene.hurried_crowd(&server, 16, Duration::ZERO);
        // Another moment each time.
        tokio::time::sleep(Duration::from_millis(150 + round * 37 % 200)).await;
        server.kill();
        calls.extend(crowd.go_home().await);
        assert_whole(directory.path());
        scene.hold_against(&calls);
        if round + 1 >= often && count(&calls, Some(200)) > 0 && count(&calls, None) > 0 {
            break;
        }
    }
    let (redeemed, cut_off) = (count(&calls, Some(200)), count(&calls, None));
    eprintln!("{redeemed} answered with 200, {cut_off} cut off");
    assert!(redeemed > 0 && cut_off > 0);
}

#[tokio::test]
async fn another_process_that_has_the_database_makes_writers_wait_and_readers_not() {
    let directory = Directory::new();
    let scene = Scene::set(on_disk(directory.path()), 1_000);
    let server = Server::start(&url(directory.path()), &[]);
    let crowd = scene.crowd(&server);
    scene.recover(&server).await;
    let other = Connection::open(directory.path().join("countersign.db")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    scene.suffer(&server, measure(WRONG, Duration::from_secs(30))).await;
    other.execute_batch("COMMIT").unwrap();
    let took = scene.recover(&server).await;
    assert!(took < RECOVERED, "{took:?}");
    let calls = crowd.go_home().await;
    assert_answered(&calls);
    assert!(calls.iter().any(|call| call.status == Some(503)), "somebody was refused");
    scene.hold_against(&calls);
}

#[tokio::test]
async fn two_processes_write_to_one_file_and_nothing_is_done_twice() {
    let directory = Directory::new();
    let scene = Scene::set(on_disk(directory.path()), 1_000);
    let servers = [(); 2].map(|()| Server::start(&url(directory.path()), &[]));
    let crowds = servers.each_ref().map(|server| scene.crowd(server));
    tokio::time::sleep(measure(Duration::from_secs(2), Duration::from_secs(60))).await;
    let mut calls = Vec::new();
    for crowd in crowds {
        calls.extend(crowd.go_home().await);
    }
    assert_answered(&calls);
    scene.hold_against(&calls);
}
