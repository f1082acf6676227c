//! hexo: many at once, on one replica and on two, and a database that is stuck.

use std::sync::mpsc::{Receiver, Sender, channel};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::helpers::{By, TestApp, sqlite};
use crate::hexo::{REQUESTS, Scene, answered};

/// Sends them all at once; their statuses.
async fn race(requests: impl Iterator<Item = RequestBuilder>) -> Vec<u16> {
    let sent = requests
        .map(|request| actix_web::rt::spawn(async { request.send().await.unwrap().status().as_u16() }));
    join_all(sent.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect()
}

fn count(statuses: &[u16], wanted: u16) -> usize {
    statuses.iter().filter(|status| **status == wanted).count()
}

/// Keeps a transaction open that holds all requests: says when it does, and ends
/// when it is told to.
fn hold(app: &TestApp) -> (Receiver<()>, Sender<()>) {
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

const GRANTS: &str = "SELECT count(*) AS n FROM bundle_permissions";

on_both_databases! {
    async fn of_64_simultaneous_puts_of_one_token_exactly_one_is_answered_200(app: TestApp) {
        let scene = Scene::set(&app);
        for round in 1..=3 {
            let scene = Scene { bundle: app.bundle(&format!("Bundle {round}"), 6), ..Scene::of(&scene) };
            let (_, token) = scene.ask(&app).await;
            let statuses = race((0..64).map(|_| app.put(&Scene::at(&token)).by(&scene.grace))).await;
            assert_eq!((count(&statuses, 200), count(&statuses, 404)), (1, 63), "{statuses:?}");
            assert_eq!(app.count(GRANTS), round);
            assert_eq!(
                app.count("SELECT count(*) AS n FROM events WHERE action = 'request.redeemed'"),
                round
            );
        }
    }

    async fn two_replicas_redeem_a_token_once(mut app: TestApp) {
        let urls = [app.url.clone(), app.replica()];
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let puts =
            (0..64).map(|nth| app.put(&format!("{}{}", urls[nth % 2], Scene::at(&token))).by(&scene.grace));
        let statuses = race(puts).await;
        assert_eq!((count(&statuses, 200), count(&statuses, 404)), (1, 63), "{statuses:?}");
        assert_eq!(app.count(GRANTS), 1);
    }

    async fn approving_declining_and_withdrawing_at_once_has_one_winner(app: TestApp) {
        let scene = Scene::set(&app);
        let (request, token) = scene.ask(&app).await;
        let uri = request["resource_uri"].as_str().unwrap();
        let requests = (0..48).map(|nth| match nth % 3 {
            0 => app.put(&Scene::at(&token)).by(&scene.grace),
            1 => app.delete(&Scene::at(&token)).by(&scene.grace),
            _ => app.delete(uri).by(&scene.ada),
        });
        let statuses = race(requests).await;
        assert_eq!(count(&statuses, 200) + count(&statuses, 204), 1, "{statuses:?}");
        assert_eq!(count(&statuses, 404), 47, "{statuses:?}");
        assert_eq!(app.count(GRANTS), count(&statuses, 200) as i64);
        app.assert_tallies();
    }

    async fn a_database_that_is_stuck_is_said_so_and_the_same_key_succeeds_later(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let put = || app.put(&Scene::at(&token)).by(&scene.grace).header("idempotency-key", "one");
        let (held, release) = hold(&app);
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
            answered(app.get(granted["resource_uri"].as_str().unwrap()).by(&scene.ada), 200).await,
            granted
        );
        assert_eq!(app.count(GRANTS), 1);
    }

    async fn asking_and_redeeming_at_once_leaves_at_most_one_open_request(app: TestApp) {
        let scene = Scene::set(&app);
        let (_, token) = scene.ask(&app).await;
        let requests = (0..32).map(|nth| match nth % 2 {
            0 => app.post(REQUESTS).by(&scene.ada).json(&scene.wish()),
            _ => app.put(&Scene::at(&token)).by(&scene.grace),
        });
        let statuses = race(requests).await;
        assert!(statuses.iter().all(|status| [200, 201, 400, 404].contains(status)), "{statuses:?}");
        assert!(count(&statuses, 200) <= 1);
        assert_eq!(app.count(GRANTS), count(&statuses, 200) as i64);
        assert!(app.count("SELECT count(*) AS n FROM permission_requests WHERE closed_at IS NULL") <= 1);
    }

    async fn a_bundle_that_is_deleted_while_it_is_asked_for_leaves_nothing_half_done(app: TestApp) {
        let root = app.staff("root@example.org");
        let scene = Scene::set(&app);
        for round in 0..4 {
            let scene = Scene { bundle: app.bundle(&format!("Bundle {round}"), 6), ..Scene::of(&scene) };
            let requests = (0..16).map(|nth| match nth % 4 {
                0 => app.delete(&scene.bundle_uri()).by(&root),
                _ => app.post(REQUESTS).by(&scene.ada).json(&scene.wish()),
            });
            let statuses = race(requests).await;
            // 503 for one that was asked between look-up and deletion: nothing was done.
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
            assert_eq!(app.count(&left) == 0, count(&statuses, 204) == 1, "{statuses:?}");
            app.assert_tallies();
        }
    }
}
