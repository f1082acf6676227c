//! hexo: concurrent requests to one or two replicas, and a database whose rows are locked.

use std::sync::mpsc::{Receiver, Sender, channel};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::helpers::{ByUser, TestApp, sqlite};
use crate::hexo::{HexoFixture, REQUESTS, expect_response};

/// Sends all requests concurrently and returns their statuses.
async fn send_all(requests: impl Iterator<Item = RequestBuilder>) -> Vec<u16> {
    let sent = requests
        .map(|request| actix_web::rt::spawn(async { request.send().await.unwrap().status().as_u16() }));
    join_all(sent.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect()
}

fn count_status(statuses: &[u16], wanted: u16) -> usize {
    statuses.iter().filter(|status| **status == wanted).count()
}

/// Opens a transaction that locks all requests. The receiver signals that it has the locks; the
/// sender ends it.
fn hold_request_locks(app: &TestApp) -> (Receiver<()>, Sender<()>) {
    let url = app.database_url.clone();
    let (holds, held) = channel();
    let (release, released) = channel();
    std::thread::spawn(move || {
        let (begin, mut conn): (_, Box<dyn SimpleConnection>) = match url.strip_prefix("sqlite://") {
            Some(path) => ("BEGIN IMMEDIATE", Box::new(sqlite(path))),
            None => (
                "BEGIN; SELECT 1 FROM permission_requests FOR UPDATE",
                Box::new(PgConnection::establish(&url).unwrap()),
            ),
        };
        conn.batch_execute(begin).unwrap();
        holds.send(()).unwrap();
        released.recv().unwrap();
        conn.batch_execute("COMMIT").unwrap();
    });
    (held, release)
}

const COUNT_PERMISSIONS: &str = "SELECT count(*) AS n FROM bundle_permissions";

on_both_databases! {
    async fn of_64_concurrent_puts_of_one_token_exactly_one_gets_200(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for round in 1..=3 {
            let scene = HexoFixture { bundle: app.bundle(&format!("Bundle {round}"), 6), ..scene.clone() };
            let (_, token) = scene.create_request(&app).await;
            let statuses = send_all((0..64).map(|_| app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace))).await;
            assert_eq!((count_status(&statuses, 200), count_status(&statuses, 404)), (1, 63), "{statuses:?}");
            assert_eq!(app.count(COUNT_PERMISSIONS), round);
            assert_eq!(
                app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"),
                round
            );
        }
    }

    async fn two_replicas_redeem_a_token_once(mut app: TestApp) {
        let urls = [app.url.clone(), app.spawn_replica()];
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let puts =
            (0..64).map(|nth| app.put(&format!("{}{}", urls[nth % 2], HexoFixture::token_path(&token))).by_user(&scene.grace));
        let statuses = send_all(puts).await;
        assert_eq!((count_status(&statuses, 200), count_status(&statuses, 404)), (1, 63), "{statuses:?}");
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn concurrent_redeem_decline_and_withdraw_have_one_winner(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (request, token) = scene.create_request(&app).await;
        let uri = request["resource_uri"].as_str().unwrap();
        let requests = (0..48).map(|nth| match nth % 3 {
            0 => app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace),
            1 => app.delete(&HexoFixture::token_path(&token)).by_user(&scene.grace),
            _ => app.delete(uri).by_user(&scene.ada),
        });
        let statuses = send_all(requests).await;
        assert_eq!(count_status(&statuses, 200) + count_status(&statuses, 204), 1, "{statuses:?}");
        assert_eq!(count_status(&statuses, 404), 47, "{statuses:?}");
        assert_eq!(app.count(COUNT_PERMISSIONS), count_status(&statuses, 200) as i64);
        app.assert_user_counters();
    }

    async fn a_stuck_database_returns_503_and_the_same_key_succeeds_later(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let put = || app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("idempotency-key", "one");
        let (held, release) = hold_request_locks(&app);
        held.recv().unwrap();
        let started = std::time::Instant::now();
        let stuck = put().send().await.unwrap();
        assert!(started.elapsed() < std::time::Duration::from_millis(2_500), "{:?}", started.elapsed());
        assert_eq!((stuck.status().as_u16(), &stuck.headers()["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(
            stuck.json::<Value>().await.unwrap()["error"].as_str().unwrap().contains("Nothing was done")
        );
        release.send(()).unwrap();
        let granted = loop {
            let answer = put().send().await.unwrap();
            if answer.status() != 503 {
                assert_eq!(answer.status(), 200);
                break answer.json::<Value>().await.unwrap();
            }
        };
        assert_eq!(
            expect_response(app.get(granted["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await,
            granted
        );
        assert_eq!(app.count(COUNT_PERMISSIONS), 1);
    }

    async fn concurrent_create_and_redeem_leave_at_most_one_open_request(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.create_request(&app).await;
        let requests = (0..32).map(|nth| match nth % 2 {
            0 => app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body()),
            _ => app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace),
        });
        let statuses = send_all(requests).await;
        assert!(statuses.iter().all(|status| [200, 201, 400, 404].contains(status)), "{statuses:?}");
        assert!(count_status(&statuses, 200) <= 1);
        assert_eq!(app.count(COUNT_PERMISSIONS), count_status(&statuses, 200) as i64);
        assert!(app.count("SELECT count(*) AS n FROM permission_requests WHERE closed_at IS NULL") <= 1);
    }

    async fn deleting_a_bundle_during_requests_leaves_a_consistent_state(app: TestApp) {
        let root = app.staff("root@example.org");
        let scene = HexoFixture::new(&app);
        for round in 0..4 {
            let scene = HexoFixture { bundle: app.bundle(&format!("Bundle {round}"), 6), ..scene.clone() };
            let requests = (0..16).map(|nth| match nth % 4 {
                0 => app.delete(&scene.bundle_uri()).by_user(&root),
                _ => app.post(REQUESTS).by_user(&scene.ada).json(&scene.request_body()),
            });
            let statuses = send_all(requests).await;
            // 503 if the bundle was deleted between lookup and commit: nothing was done.
            assert!(
                statuses.iter().all(|status| [201, 204, 400, 404, 409, 503].contains(status)),
                "{statuses:?}"
            );
            let left = format!("SELECT count(*) AS n FROM bundles WHERE id = {}", scene.bundle.id);
            let open = format!(
                "{} WHERE bundle_id = {}",
                "SELECT count(*) AS n FROM permission_requests", scene.bundle.id
            );
            assert_eq!(app.count(&left) == 1, app.count(&open) > 0, "{statuses:?}");
            assert_eq!(app.count(&left) == 0, count_status(&statuses, 204) == 1, "{statuses:?}");
            app.assert_user_counters();
        }
    }
}
