//! hexo: blocks of requesters.

use countersign::mail::transport::SendError;
use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp, TestUser, send_concurrently};
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_field_error, expect_refusal, expect_response};
use crate::mailer::wait_for_count;

const BLOCKS: &str = "/api/block/";
const COUNT_OPEN_REQUESTS: &str = "SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL";

/// A request to block a user.
fn post_block(app: &TestApp, who: &TestUser, target: &TestUser) -> reqwest::RequestBuilder {
    app.post(BLOCKS).by_user(who).json(&json!({ "user": target.uri() }))
}

/// The path of a block.
fn block_path(target: &TestUser) -> String {
    format!("{BLOCKS}{}/", target.id())
}

on_both_databases! {
    async fn a_block_is_created_listed_and_deleted_by_its_owner(app: TestApp) {
        let HexoFixture { ada, grace, eve, .. } = &HexoFixture::new(&app);
        let response = post_block(&app, grace, ada).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["location"].to_str().unwrap()), (201, block_path(ada).as_str()));
        let made: Value = response.json().await.unwrap();
        assert_eq!(made, json!({ "resource_uri": block_path(ada), "user": ada.uri() }));
        let by_email = json!({ "user": "EVE@example.org" });
        let v1 = expect_response(app.post("/api/v1/block").by_user(grace).json(&by_email), 201).await;
        assert_eq!(v1["user"], format!("/api/v1/user/{}/", eve.id()));
        assert_eq!(expect_response(post_block(&app, grace, ada), 200).await, made, "blocking is idempotent");
        assert_eq!(app.count("SELECT count(*) AS n FROM blocks"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'block.created'"), 2);

        let list = expect_response(app.get("/api/block/?limit=1").by_user(grace), 200).await;
        assert_eq!((&list["meta"]["total_count"], &list["objects"][0]), (&json!(2), &made));
        let next = expect_response(app.get(list["meta"]["next"].as_str().unwrap()).by_user(grace), 200).await;
        assert_eq!(next["objects"], json!([{ "resource_uri": block_path(eve), "user": eve.uri() }]));
        assert_eq!(expect_response(app.get(&block_path(ada)).by_user(grace), 200).await, made);
        let set = expect_response(app.get(&format!("/api/block/set/{};4711/", ada.id())).by_user(grace), 200).await;
        assert_eq!(set, json!({ "not_found": ["4711"], "objects": [made] }));

        for other in [ada, eve] {
            assert_eq!(expect_response(app.get(BLOCKS).by_user(other), 200).await["meta"]["total_count"], 0);
            expect_refusal(&app, app.get(&block_path(ada)).by_user(other), 404).await;
            expect_refusal(&app, app.delete(&block_path(ada)).by_user(other), 404).await;
        }
        let lifted = app.delete(&block_path(ada)).by_user(grace).send().await.unwrap();
        assert_eq!((lifted.status().as_u16(), lifted.text().await.unwrap().as_str()), (204, ""));
        expect_refusal(&app, app.delete(&block_path(ada)).by_user(grace), 404).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'block.deleted'"), 1);
        let subject = format!("SELECT count(*) AS n FROM audit_log WHERE subject = 'user:{}' AND actor = {}", ada.id(), grace.id());
        assert_eq!(app.count(&subject), 2);
    }

    async fn an_invalid_block_is_rejected(app: TestApp) {
        let HexoFixture { grace, .. } = &HexoFixture::new(&app);
        let post = |user: Value| app.post(BLOCKS).by_user(grace).json(&json!({ "user": user }));
        expect_field_error(&app, post(json!(grace.id())), "block", "user").await;
        expect_field_error(&app, post(json!([1])), "block", "user").await;
        expect_field_error(&app, post(json!({})), "block", "user").await;
        for given in ["4711", "nobody@example.org", "/api/bundle/1/", "x"] {
            let error = format!("Could not find the provided user object via resource URI '{given}'.");
            expect_error(&app, post(json!(given)), 400, &error).await;
        }
        let missing = "The 'user' field has no data and doesn't allow a default or null value.";
        expect_error(&app, post(json!(null)), 400, missing).await;
        expect_refusal(&app, app.post(BLOCKS).json(&json!({ "user": 1 })), 401).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM blocks"), 0);
    }

    async fn a_blocked_requester_cannot_request_even_through_staff(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, .. } = &scene;
        let root = app.staff("root@example.org");
        expect_response(post_block(&app, grace, ada), 201).await;
        let words = "user_target has blocked requests from user_allowed.";
        for who in [ada, &root] {
            expect_error(&app, app.post(REQUESTS).by_user(who).json(&scene.request_body()), 403, words).await;
        }
        let of_eve = json!({ "user_allowed": eve.uri(), "user_target": grace.uri(), "bundle": scene.bundle_uri() });
        let of_grace = json!({ "user_allowed": grace.uri(), "user_target": ada.uri(), "bundle": scene.bundle_uri() });
        expect_response(app.post(REQUESTS).by_user(eve).json(&of_eve), 201).await;
        expect_response(app.post(REQUESTS).by_user(grace).json(&of_grace), 201).await;
        expect_response(app.post(REQUESTS).by_user(ada).json(&scene.request_body_with("user_target", eve.uri())), 201).await;
        let gift = app.bundle("A gift", 2);
        let given = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": gift.id.0 });
        expect_response(app.post("/api/bundle_permission/").by_user(grace).json(&given), 201).await;
        assert_eq!(app.delete(&block_path(ada)).by_user(grace).send().await.unwrap().status(), 204);
        expect_response(app.post(REQUESTS).by_user(ada).json(&scene.request_body()), 201).await;
    }

    async fn blocking_closes_open_requests_and_keeps_permissions(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, .. } = &scene;
        let stays = app.bundle("Heart", 6);
        let given = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": stays.id.0 });
        expect_response(app.post("/api/bundle_permission/").by_user(grace).json(&given), 201).await;
        app.mails(1).await;
        let (asked, token) = scene.create_request(&app).await;
        let of_eve = app.create_request(eve, grace, &scene.bundle);
        let to_eve = app.create_request(ada, eve, &scene.bundle);
        let of_grace = app.create_request(grace, ada, &scene.bundle);
        app.mails(5).await;
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1_000);
        let unsent = app.create_request(ada, grace, &app.bundle("Steps", 6));
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE last_error IS NOT NULL", 1).await;

        expect_response(post_block(&app, grace, ada), 201).await;
        for token in [token, app.redeem_token(&unsent)] {
            expect_refusal(&app, app.put(&HexoFixture::token_path(&token)).by_user(grace), 404).await;
        }
        let declined = expect_response(app.get(asked["resource_uri"].as_str().unwrap()).by_user(ada), 200).await;
        assert_eq!((&declined["status"], &declined["ttl"]), (&json!("declined"), &json!(0)));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome = 'declined'"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.declined'"), 2);
        assert_eq!(app.count(COUNT_OPEN_REQUESTS), 3, "requests of other users stay open");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
        app.assert_user_counters();
        app.mailbox.refuse(grace.email(), SendError::transient(""), 0);
        app.advance(60);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'cancelled'", 1).await;
        // Five requests, and one about both that were declined by the block.
        assert_eq!(app.mails(6).await.len(), 6);
        for (who, request) in [(grace, of_eve), (eve, to_eve), (ada, of_grace)] {
            expect_response(app.put(&HexoFixture::token_path(&app.redeem_token(&request))).by_user(who), 200).await;
        }
    }

    /// A request that is created concurrently is either rejected or closed by the block.
    async fn no_request_is_created_during_a_concurrent_block(mut app: TestApp) {
        let urls = [app.url.clone(), app.spawn_replica()];
        let scene = HexoFixture::new(&app);
        let bundles: Vec<_> = (0..16).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let (mut refused, mut made) = (0, 0);
        for round in 0..8 {
            let asks = bundles.iter().enumerate().map(|(nth, bundle)| {
                let post = app.post(&format!("{}{REQUESTS}", urls[nth % 2])).by_user(&scene.ada);
                let post = post.header("idempotency-key", format!("{round}-{nth}"));
                post.json(&scene.request_body_with("bundle", bundle.id.0))
            });
            let mut all: Vec<_> = asks.collect();
            let block = json!({ "user": scene.ada.uri() });
            let block = app.post(&format!("{}{BLOCKS}", urls[round % 2])).by_user(&scene.grace).json(&block);
            all.insert(round * 2, block);
            let statuses = send_concurrently(all).await;
            assert!(statuses.iter().all(|status| matches!(status, 200 | 201 | 403)), "{statuses:?}");
            assert_eq!(app.count(COUNT_OPEN_REQUESTS), 0, "{statuses:?}");
            refused += statuses.iter().filter(|status| **status == 403).count();
            made += statuses.iter().filter(|status| **status == 201).count().saturating_sub(1);
            let lifted = send_concurrently([app.delete(&block_path(&scene.ada)).by_user(&scene.grace)]).await;
            assert!(matches!(lifted[..], [204 | 404]), "{lifted:?}");
        }
        assert!(refused > 0 && made > 0, "both outcomes occurred: {refused}, {made}");
        app.assert_user_counters();
    }
}
