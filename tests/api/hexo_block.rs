//! hexo: from whom somebody takes no requests.

use countersign::mail::transport::SendError;
use serde_json::{Value, json};

use crate::helpers::{By, TestApp, TestUser, all_at_once};
use crate::hexo::{REQUESTS, Scene, answered, refused, refused_field, refused_so};
use crate::mailer::until;

const BLOCKS: &str = "/api/block/";
const OPEN: &str = "SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL";

/// Has somebody block somebody.
fn block(app: &TestApp, who: &TestUser, whom: &TestUser) -> reqwest::RequestBuilder {
    app.post(BLOCKS).by(who).json(&json!({ "user": whom.uri() }))
}

/// Where somebody's block of this user is.
fn at(whom: &TestUser) -> String {
    format!("{BLOCKS}{}/", whom.id())
}

on_both_databases! {
    async fn a_block_is_made_seen_and_lifted_by_the_one_whose_it_is(app: TestApp) {
        let Scene { ada, grace, eve, .. } = &Scene::set(&app);
        let response = block(&app, grace, ada).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["location"].to_str().unwrap()), (201, at(ada).as_str()));
        let made: Value = response.json().await.unwrap();
        assert_eq!(made, json!({ "resource_uri": at(ada), "user": ada.uri() }));
        let by_email = json!({ "user": "EVE@example.org" });
        let v1 = answered(app.post("/api/v1/block").by(grace).json(&by_email), 201).await;
        assert_eq!(v1["user"], format!("/api/v1/user/{}/", eve.id()));
        assert_eq!(answered(block(&app, grace, ada), 200).await, made, "once more does no harm");
        assert_eq!(app.count("SELECT count(*) AS n FROM blocks"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'block.created'"), 2);

        let list = answered(app.get("/api/block/?limit=1").by(grace), 200).await;
        assert_eq!((&list["meta"]["total_count"], &list["objects"][0]), (&json!(2), &made));
        let next = answered(app.get(list["meta"]["next"].as_str().unwrap()).by(grace), 200).await;
        assert_eq!(next["objects"], json!([{ "resource_uri": at(eve), "user": eve.uri() }]));
        assert_eq!(answered(app.get(&at(ada)).by(grace), 200).await, made);
        let set = answered(app.get(&format!("/api/block/set/{};4711/", ada.id())).by(grace), 200).await;
        assert_eq!(set, json!({ "not_found": ["4711"], "objects": [made] }));

        for other in [ada, eve] {
            assert_eq!(answered(app.get(BLOCKS).by(other), 200).await["meta"]["total_count"], 0);
            refused(&app, app.get(&at(ada)).by(other), 404).await;
            refused(&app, app.delete(&at(ada)).by(other), 404).await;
        }
        let lifted = app.delete(&at(ada)).by(grace).send().await.unwrap();
        assert_eq!((lifted.status().as_u16(), lifted.text().await.unwrap().as_str()), (204, ""));
        refused(&app, app.delete(&at(ada)).by(grace), 404).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'block.deleted'"), 1);
        let subject = format!("SELECT count(*) AS n FROM events WHERE subject = 'user:{}' AND actor = {}", ada.id(), grace.id());
        assert_eq!(app.count(&subject), 2);
    }

    async fn who_cannot_be_blocked_is_not(app: TestApp) {
        let Scene { grace, .. } = &Scene::set(&app);
        let post = |user: Value| app.post(BLOCKS).by(grace).json(&json!({ "user": user }));
        refused_field(&app, post(json!(grace.id())), "block", "user").await;
        refused_field(&app, post(json!([1])), "block", "user").await;
        refused_field(&app, post(json!({})), "block", "user").await;
        for given in ["4711", "nobody@example.org", "/api/bundle/1/", "x"] {
            let error = format!("Could not find the provided user object via resource URI '{given}'.");
            refused_so(&app, post(json!(given)), 400, &error).await;
        }
        let missing = "The 'user' field has no data and doesn't allow a default or null value.";
        refused_so(&app, post(json!(null)), 400, missing).await;
        refused(&app, app.post(BLOCKS).json(&json!({ "user": 1 })), 401).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM blocks"), 0);
    }

    async fn who_is_blocked_asks_no_more_whoever_posts_it(app: TestApp) {
        let scene = Scene::set(&app);
        let Scene { ada, grace, eve, .. } = &scene;
        let root = app.staff("root@example.org");
        answered(block(&app, grace, ada), 201).await;
        let words = "user_target has blocked requests from user_allowed.";
        for who in [ada, &root] {
            refused_so(&app, app.post(REQUESTS).by(who).json(&scene.wish()), 403, words).await;
        }
        let of_eve = json!({ "user_allowed": eve.uri(), "user_target": grace.uri(), "bundle": scene.bundle_uri() });
        let of_grace = json!({ "user_allowed": grace.uri(), "user_target": ada.uri(), "bundle": scene.bundle_uri() });
        answered(app.post(REQUESTS).by(eve).json(&of_eve), 201).await;
        answered(app.post(REQUESTS).by(grace).json(&of_grace), 201).await;
        answered(app.post(REQUESTS).by(ada).json(&scene.wish_but("user_target", eve.uri())), 201).await;
        let gift = app.bundle("A gift", 2);
        let given = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": gift.id.0 });
        answered(app.post("/api/bundle_permission/").by(grace).json(&given), 201).await;
        assert_eq!(app.delete(&at(ada)).by(grace).send().await.unwrap().status(), 204);
        answered(app.post(REQUESTS).by(ada).json(&scene.wish()), 201).await;
    }

    async fn open_requests_of_whoever_is_blocked_die_and_permissions_stay(app: TestApp) {
        let scene = Scene::set(&app);
        let Scene { ada, grace, eve, .. } = &scene;
        let stays = app.bundle("Heart", 6);
        let given = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": stays.id.0 });
        answered(app.post("/api/bundle_permission/").by(grace).json(&given), 201).await;
        let (asked, token) = scene.ask(&app).await;
        let of_eve = app.ask(eve, grace, &scene.bundle);
        let to_eve = app.ask(ada, eve, &scene.bundle);
        let of_grace = app.ask(grace, ada, &scene.bundle);
        app.mails(4).await;
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1_000);
        let unsent = app.ask(ada, grace, &app.bundle("Steps", 6));
        until(&app, "SELECT count(*) AS n FROM outbox WHERE last_error IS NOT NULL", 1).await;

        answered(block(&app, grace, ada), 201).await;
        for token in [token, app.redeem_token(&unsent)] {
            refused(&app, app.put(&Scene::at(&token)).by(grace), 404).await;
        }
        refused(&app, app.get(asked["resource_uri"].as_str().unwrap()).by(ada), 404).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome = 'declined'"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'request.declined'"), 2);
        assert_eq!(app.count(OPEN), 3, "others' are left alone");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
        app.assert_tallies();
        app.mailbox.refuse(grace.email(), SendError::transient(""), 0);
        app.advance(60);
        until(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'cancelled'", 1).await;
        assert_eq!(app.mailbox.sent().len(), 4);
        for (who, request) in [(grace, of_eve), (eve, to_eve), (ada, of_grace)] {
            answered(app.put(&Scene::at(&app.redeem_token(&request))).by(who), 200).await;
        }
    }

    /// A request that is made at the same time is either refused or dead afterwards.
    async fn nothing_slips_in_while_a_block_is_made(mut app: TestApp) {
        let urls = [app.url.clone(), app.replica()];
        let scene = Scene::set(&app);
        let bundles: Vec<_> = (0..16).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let (mut refused, mut made) = (0, 0);
        for round in 0..8 {
            let asks = bundles.iter().enumerate().map(|(nth, bundle)| {
                let post = app.post(&format!("{}{REQUESTS}", urls[nth % 2])).by(&scene.ada);
                let post = post.header("idempotency-key", format!("{round}-{nth}"));
                post.json(&scene.wish_but("bundle", bundle.id.0))
            });
            let mut all: Vec<_> = asks.collect();
            let block = json!({ "user": scene.ada.uri() });
            let block = app.post(&format!("{}{BLOCKS}", urls[round % 2])).by(&scene.grace).json(&block);
            all.insert(round * 2, block);
            let statuses = all_at_once(all).await;
            assert!(statuses.iter().all(|status| matches!(status, 200 | 201 | 403)), "{statuses:?}");
            assert_eq!(app.count(OPEN), 0, "{statuses:?}");
            refused += statuses.iter().filter(|status| **status == 403).count();
            made += statuses.iter().filter(|status| **status == 201).count().saturating_sub(1);
            let lifted = all_at_once([app.delete(&at(&scene.ada)).by(&scene.grace)]).await;
            assert!(matches!(lifted[..], [204 | 404]), "{lifted:?}");
        }
        assert!(refused > 0 && made > 0, "they did meet: {refused}, {made}");
        app.assert_tallies();
    }
}
