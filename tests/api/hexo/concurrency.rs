//! hexo: concurrent requests to one or two replicas, and a database whose rows are locked.

use std::sync::mpsc::{Receiver, Sender, channel};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

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

/// Sends all requests concurrently. Returns the status and the body of each response.
async fn send_all_for_bodies(requests: impl IntoIterator<Item = RequestBuilder>) -> Vec<(u16, Value)> {
    let sent = requests.into_iter().map(|request| {
        actix_web::rt::spawn(async {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
        })
    });
    join_all(sent.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect()
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

    async fn concurrent_decisions_on_two_servers_have_the_outcome_of_one(mut app: TestApp) {
        let urls = [app.url.clone(), app.spawn_replica()];
        let scene = HexoFixture::new(&app);
        for round in 0..4 {
            let scene = scene.with_bundle(&app, &format!("Bundle {round}"), 6);
            let (request, token) = scene.ask(&app, json!({ "permission_ttl": 7_200 })).await;
            let (number, path) = (request["resource_uri"].as_str().unwrap(), HexoFixture::token_path(&token));
            let decision = |kind: usize, url: &str| match kind {
                0 => app.put(&format!("{url}{path}")).by_user(&scene.grace),
                1 => app.post(&format!("{url}{path}approve/")).by_user(&scene.grace).json(&json!({ "permission": 2 })),
                2 => app.post(&format!("{url}{path}approve/")).by_user(&scene.grace).json(&json!({ "permission_ttl": 60 })),
                3 => app.post(&format!("{url}{path}decline/")).by_user(&scene.grace).json(&json!({ "reason": "no" })),
                4 => app.delete(&format!("{url}{path}")).by_user(&scene.grace),
                _ => app.delete(&format!("{url}{number}")).by_user(&scene.ada),
            };
            let answers = send_all_for_bodies((0..48).map(|nth| decision((nth + round) % 6, &urls[nth / 6 % 2]))).await;
            let winners: Vec<usize> = (0..48).filter(|nth| answers[*nth].0 != 404).collect();
            assert_eq!(winners.len(), 1, "{answers:?}");
            let (status, body) = &answers[winners[0]];
            let seen = expect_response(app.get(number).by_user(&scene.ada), 200).await;
            let decided = json!([seen["decision"]["permission"], seen["decision"]["expires_at"], seen["decision"]["reason"]]);
            let (wanted_status, outcome, wanted) = match (winners[0] + round) % 6 {
                0 => (200, "approved", json!([6, "2030-01-01T02:00:00Z", null])),
                1 => (200, "approved", json!([2, "2030-01-01T02:00:00Z", null])),
                2 => (200, "approved", json!([6, "2030-01-01T00:01:00Z", null])),
                3 => (204, "declined", json!([null, null, "no"])),
                4 => (204, "declined", json!([null, null, null])),
                _ => (204, "withdrawn", json!([null, null, null])),
            };
            assert_eq!((*status, &seen["status"], decided), (wanted_status, &json!(outcome), wanted));
            assert_eq!(seen["decision"]["bundle_permission"], body["resource_uri"]);
            assert_eq!(json!([body["permission"], body["expires_at"]]), json!([seen["decision"]["permission"], seen["decision"]["expires_at"]]));
            let active = format!("{COUNT_PERMISSIONS} WHERE bundle_id = {}", scene.bundle.id);
            assert_eq!(app.count(&active), i64::from(*status == 200));
        }
        app.assert_user_counters();
        let decisions = "SELECT count(*) AS n FROM audit_log WHERE action IN ('request.approved', 'request.declined', 'request.withdrawn')";
        assert_eq!(app.count(decisions), 4);
    }

    async fn one_key_with_different_decisions_at_once_makes_one_of_them(mut app: TestApp) {
        let urls = [app.url.clone(), app.spawn_replica()];
        let scene = HexoFixture::new(&app);
        for round in 0..4 {
            let scene = scene.with_bundle(&app, &format!("Bundle {round}"), 6);
            let (_, token) = scene.ask(&app, json!({})).await;
            let path = HexoFixture::token_path(&token);
            let decision = |kind: usize, url: &str| {
                let request = match kind {
                    0 => app.put(&format!("{url}{path}")),
                    1 => app.post(&format!("{url}{path}approve/")).json(&json!({ "permission": ["read", "get"] })),
                    2 => app.post(&format!("{url}{path}approve/")).json(&json!({ "permission": 2 })),
                    _ => app.post(&format!("{url}{path}decline/")).json(&json!({ "reason": "no" })),
                };
                request.by_user(&scene.grace).header("idempotency-key", format!("key {round}"))
            };
            // The first two mean the same.
            let meaning = |nth: usize| ((nth + round) % 4).max(1);
            let answers = send_all_for_bodies((0..32).map(|nth| decision((nth + round) % 4, &urls[nth / 4 % 2]))).await;
            let winner = (0..32).find(|nth| answers[*nth].0 < 300).expect("one decides");
            for (nth, answer) in answers.iter().enumerate() {
                match meaning(nth) == meaning(winner) {
                    true => assert_eq!(*answer, answers[winner], "{answers:?}"),
                    false => assert_eq!(answer.0, 422, "{answers:?}"),
                }
            }
        }
        let decisions = "SELECT count(*) AS n FROM audit_log WHERE action IN ('request.approved', 'request.declined')";
        assert_eq!(app.count(decisions), 4);
        app.assert_user_counters();
    }

    async fn a_renewal_races_with_the_revocation_of_the_earlier_permission(mut app: TestApp) {
        let urls = [app.url.clone(), app.spawn_replica()];
        let scene = HexoFixture::new(&app);
        let mut revoked = 0;
        for round in 0..8 {
            let scene = scene.with_bundle(&app, &format!("Bundle {round}"), 6);
            let (_, token) = scene.ask(&app, json!({ "permission_ttl": 86_400 })).await;
            let old = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
            app.advance(1);
            let (_, token) = scene.ask(&app, json!({})).await;
            let approve = app.post(&format!("{}{}approve/", urls[round % 2], HexoFixture::token_path(&token)));
            let revoke = app.delete(&format!("{}{}", urls[(round + 1) % 2], old["resource_uri"].as_str().unwrap()));
            let requests = [approve.by_user(&scene.grace).json(&json!({ "permission": 2 })), revoke.by_user(&scene.ada)];
            let answers = send_all_for_bodies(requests).await;
            assert!(answers[0].0 == 200 && [204, 404].contains(&answers[1].0), "{answers:?}");
            let ended: i64 = i64::from(answers[1].0 == 204);
            revoked += ended;
            let new = answers[0].1["resource_uri"].as_str().unwrap();
            assert_eq!(expect_response(app.get(new).by_user(&scene.ada), 200).await, answers[0].1);
            let cause = format!(
                "SELECT count(*) AS n FROM permission_requests WHERE end_cause = '{}' AND bundle_id = {}",
                if ended == 1 { "revoked" } else { "replaced" }, scene.bundle.id
            );
            assert_eq!(app.count(&cause), 1, "{answers:?}");
        }
        let entries = |action: &str| app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE action = '{action}'"));
        assert_eq!((entries("permission.revoked"), entries("permission.replaced")), (revoked, 8 - revoked));
        assert_eq!(app.count(COUNT_PERMISSIONS), 8);
        app.assert_user_counters();
    }

    async fn a_renewal_races_with_the_expiry_of_the_earlier_permission(mut app: TestApp) {
        let urls = [app.url.clone(), app.spawn_replica()];
        let scene = HexoFixture::new(&app);
        let mut tokens = Vec::new();
        for round in 0..16 {
            let scene = scene.with_bundle(&app, &format!("Bundle {round}"), 6);
            let (_, token) = scene.ask(&app, json!({ "permission_ttl": 3_600 })).await;
            expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
            tokens.push(scene.ask(&app, json!({})).await.1);
        }
        app.advance(3_600);
        let store = app.store.clone();
        let sweeper = std::thread::spawn(move || {
            let swept = store.write(|conn| {
                let now = conn.now()?;
                countersign::store::requests::expire_permissions_batch(conn, now)
            });
            swept.unwrap()
        });
        let approvals = tokens.iter().enumerate().map(|(nth, token)| {
            let url = format!("{}{}", urls[nth % 2], HexoFixture::token_path(token));
            app.put(&url).by_user(&scene.grace).header("idempotency-key", format!("key {nth}"))
        });
        let statuses = crate::helpers::send_concurrently(approvals).await;
        assert_eq!(count_status(&statuses, 200), 16, "{statuses:?}");
        sweeper.join().unwrap();
        let entries = |action: &str| app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE action = '{action}'"));
        assert_eq!((entries("permission.expired"), entries("permission.replaced")), (16, 0));
        assert_eq!(app.count(COUNT_PERMISSIONS), 16);
        app.assert_user_counters();
    }
}
