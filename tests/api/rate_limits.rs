//! Rate limits, which all replicas share.

use std::thread;

use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::Bundle;
use countersign::domain::permission_request::NewPermissionRequest;
use countersign::domain::rate_limit::{RateLimit, RequestLimits};
use countersign::domain::rights::Role;
use countersign::domain::terms::Terms;
use countersign::store::ledger::{CreateRequest, Operation};
use countersign::store::rate_limits;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::helpers::{Backend, ByUser, TestApp, TestUser, commit_batch, send_concurrently};
use crate::hexo::{HexoFixture, REQUESTS, expect_field_error, expect_refusal, expect_response};
use crate::mailer::wait_for_count;

/// A `countersign.toml` with only these limits.
pub fn limits_toml(limits: &[(&str, &str)]) -> String {
    const ALL: [&str; 11] = [
        "requests_per_pair",
        "requests_per_requester",
        "requests_per_target",
        "unknown_references",
        "unlinked_references",
        "failed_sign_ins_per_account",
        "failed_sign_ins_per_address",
        "password_mails_per_account",
        "password_mails_per_address",
        "writes_per_user",
        "password_changes_per_user",
    ];
    let limit =
        |name: &&str| limits.iter().find(|(other, _)| other == name).map_or("off", |(_, limit)| limit);
    ALL.iter().fold("[limits]\n".to_owned(), |toml, name| format!("{toml}{name} = '{}'\n", limit(name)))
}

/// Restarts the test's server with only these limits.
fn restart_with_limits(app: &mut TestApp, all: &[(&str, &str)]) {
    app.url = app.spawn_replica_with(&limits_toml(all));
}

/// A request by one user to another for a bundle, all of which exist.
fn post_request(
    app: &TestApp,
    allowed: &TestUser,
    target: &TestUser,
    bundle: i64,
) -> reqwest::RequestBuilder {
    let body = json!({ "user_allowed": allowed.uri(), "user_target": target.uri(), "bundle": bundle });
    app.post(REQUESTS).by_user(allowed).json(&body)
}

/// Asserts that a request is rate limited and changes nothing. Returns `Retry-After` and the
/// exhausted limits in `RateLimit`.
async fn expect_rate_limited(app: &TestApp, request: reqwest::RequestBuilder) -> (i64, String) {
    let again = request.try_clone().unwrap();
    let body = expect_refusal(app, request, 429).await;
    assert!(
        body["error"].as_str().unwrap().starts_with("Too many requests. Nothing was done. Try again in "),
        "{body}"
    );
    let headers = again.send().await.unwrap().headers().clone();
    let wait = headers["retry-after"].to_str().unwrap().parse().unwrap();
    let (left, policy) = rate_limit_headers(&headers);
    assert!(left.ends_with(&format!(";r=0;t={wait}")), "{left}");
    assert_eq!(left.split(';').next(), policy.split(';').next(), "of the same limit");
    (wait, policy)
}

/// The `RateLimit` headers.
fn rate_limit_headers(headers: &HeaderMap) -> (String, String) {
    ["ratelimit", "ratelimit-policy"].map(|name| headers[name].to_str().unwrap().to_owned()).into()
}

/// Advances the clock after all pending mails are sent: otherwise their leases expire and they are
/// sent twice.
async fn advance_after_mails(app: &TestApp, seconds: i64) {
    wait_for_count(app, "SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL", 0).await;
    app.advance(seconds);
}

on_both_databases! {
    async fn requests_per_pair_are_limited(mut app: TestApp) {
        restart_with_limits(&mut app, &[("requests_per_pair", "3/h")]);
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, bundle } = &scene;
        let bundle = bundle.id.0;
        for left in ["r=2;t=1200", "r=1;t=1200", "r=0;t=1200"] {
            let response = post_request(&app, ada, grace, bundle).send().await.unwrap();
            assert_eq!(response.status(), 201);
            let fields = (format!("\"pair\";{left}"), "\"pair\";q=3;w=3600".to_owned());
            assert_eq!(rate_limit_headers(response.headers()), fields);
        }
        let refusal = (1_200, "\"pair\";q=3;w=3600".to_owned());
        assert_eq!(expect_rate_limited(&app, post_request(&app, ada, grace, bundle)).await, refusal);
        expect_response(post_request(&app, ada, eve, bundle), 201).await;
        expect_response(post_request(&app, eve, grace, bundle), 201).await;
        expect_response(post_request(&app, grace, ada, bundle), 201).await;
        advance_after_mails(&app, 1_199).await;
        assert_eq!(expect_rate_limited(&app, post_request(&app, ada, grace, bundle)).await.0, 1);
        advance_after_mails(&app, 1).await;
        expect_response(post_request(&app, ada, grace, bundle), 201).await;
        assert_eq!(expect_rate_limited(&app, post_request(&app, ada, grace, bundle)).await.0, 1_200);
        advance_after_mails(&app, 3_600).await;
        for _ in 0..3 {
            expect_response(post_request(&app, ada, grace, bundle), 201).await;
        }
        assert_eq!(expect_rate_limited(&app, post_request(&app, ada, grace, bundle)).await.0, 1_200);
    }

    async fn requests_per_requester_are_limited(mut app: TestApp) {
        restart_with_limits(&mut app, &[("requests_per_requester", "2/h")]);
        let HexoFixture { ada, grace, eve, bundle } = &HexoFixture::new(&app);
        expect_response(post_request(&app, ada, grace, bundle.id.0), 201).await;
        expect_response(post_request(&app, ada, eve, bundle.id.0), 201).await;
        let refusal = (1_800, "\"requester\";q=2;w=3600".to_owned());
        assert_eq!(expect_rate_limited(&app, post_request(&app, ada, grace, bundle.id.0)).await, refusal);
        expect_response(post_request(&app, eve, grace, bundle.id.0), 201).await;
        // A request by staff on behalf of a user counts for neither.
        let root = app.staff("root@example.org");
        for _ in 0..3 {
            let body = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": bundle.id.0 });
            expect_response(app.post(REQUESTS).by_user(&root).json(&body), 201).await;
        }
        expect_response(post_request(&app, &root, grace, bundle.id.0), 201).await;
        expect_response(post_request(&app, &root, eve, bundle.id.0), 201).await;
        expect_rate_limited(&app, post_request(&app, &root, ada, bundle.id.0)).await;
    }

    async fn requests_per_target_are_limited(mut app: TestApp) {
        restart_with_limits(&mut app, &[("requests_per_target", "4/h"), ("requests_per_pair", "2/h")]);
        let HexoFixture { ada, grace, eve, bundle } = &HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        for who in [ada, eve, ada] {
            let response = post_request(&app, who, grace, bundle.id.0).send().await.unwrap();
            assert_eq!(response.status(), 201);
            assert!(!rate_limit_headers(response.headers()).0.contains("target"), "requests to other targets do not count");
        }
        let of_staff = json!({ "user_allowed": eve.uri(), "user_target": grace.uri(), "bundle": bundle.id.0 });
        expect_response(app.post(REQUESTS).by_user(&root).json(&of_staff), 201).await;
        for who in [ada, eve, &root] {
            expect_rate_limited(&app, post_request(&app, who, grace, bundle.id.0)).await;
        }
        let refusal = (900, "\"target\";q=4;w=3600".to_owned());
        assert_eq!(expect_rate_limited(&app, post_request(&app, &root, grace, bundle.id.0)).await, refusal);
        assert_eq!(expect_rate_limited(&app, post_request(&app, ada, grace, bundle.id.0)).await.0, 1_800, "the limit with the longest wait");
        expect_response(post_request(&app, &root, eve, bundle.id.0), 201).await;
        advance_after_mails(&app, 900).await;
        expect_response(post_request(&app, &root, grace, bundle.id.0), 201).await;
        expect_rate_limited(&app, post_request(&app, &root, grace, bundle.id.0)).await;
    }

    async fn unknown_references_are_limited(mut app: TestApp) {
        restart_with_limits(&mut app, &[("unknown_references", "3/h")]);
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, .. } = &scene;
        let guess = |who: &str| app.post(REQUESTS).by_user(ada).json(&scene.request_body_with("user_target", who));
        let give = |who: &str| {
            let body = json!({ "user_target": ada.uri(), "user_allowed": who, "bundle": scene.bundle_uri() });
            app.post("/api/bundle_permission/").by_user(ada).json(&body)
        };
        let block = |who: &str| app.post("/api/block/").by_user(ada).json(&json!({ "user": who }));
        expect_response(guess(grace.email()), 201).await;
        for guess in [guess("a@example.org"), give("b@example.org"), block("4711")] {
            expect_refusal(&app, guess, 400).await;
        }
        let refusal = (1_200, "\"unknown_references\";q=3;w=3600".to_owned());
        for who in ["nobody@example.org", "grace@example.org", "4711", &grace.uri(), "nonsense"] {
            for guess in [guess(who), give(who), block(who)] {
                assert_eq!(expect_rate_limited(&app, guess).await, refusal, "{who}");
            }
        }
        // Other errors in the request do not change the response.
        for who in ["nobody@example.org", "grace@example.org", "ada@example.org"] {
            let mut wish = scene.request_body_with("user_target", who);
            wish["bundle"] = json!(4_711);
            expect_rate_limited(&app, app.post(REQUESTS).by_user(ada).json(&wish)).await;
        }
        expect_response(post_request(&app, grace, ada, scene.bundle.id.0), 201).await;
        advance_after_mails(&app, 1_200).await;
        expect_response(guess(grace.email()), 201).await;
        expect_refusal(&app, guess("nobody@example.org"), 400).await;
        expect_rate_limited(&app, guess(grace.email())).await;
        let root = app.staff("root@example.org");
        for _ in 0..5 {
            let wish = scene.request_body_with("user_target", "nobody@example.org");
            expect_refusal(&app, app.post(REQUESTS).by_user(&root).json(&wish), 400).await;
        }
    }

    async fn references_to_unlinked_users_are_limited_alike_whether_they_exist(mut app: TestApp) {
        restart_with_limits(&mut app, &[("unlinked_references", "3/h"), ("unknown_references", "30/h")]);
        let other = app.spawn_replica_with(&limits_toml(&[("unlinked_references", "3/h")]));
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, .. } = &scene;
        let people: Vec<TestUser> = (0..6).map(|nth| app.user(&format!("person{nth}@example.org"))).collect();
        let ask = |who: &str| app.post(REQUESTS).by_user(ada).json(&scene.request_body_with("user_target", who));
        let give = |who: &str| {
            let body = json!({ "user_target": ada.uri(), "user_allowed": who, "bundle": scene.bundle_uri() });
            app.post("/api/bundle_permission/").by_user(ada).json(&body)
        };
        let block = |who: &str| app.post("/api/block/").by_user(ada).json(&json!({ "user": who }));
        // A pending request and a permission link them, either way. Addresses are known already.
        app.create_request(grace, ada, &scene.bundle);
        expect_response(give(eve.email()), 201).await;
        for _ in 0..5 {
            expect_response(ask(&grace.uri()), 201).await;
            expect_response(block(&eve.id().to_string()), if app.count("SELECT count(*) AS n FROM blocks") == 0 { 201 } else { 200 }).await;
            expect_refusal(&app, block(&ada.uri()), 400).await;
        }
        // Two that exist and one that does not consume the limit.
        expect_response(give(&people[0].uri()), 201).await;
        expect_refusal(&app, give("/api/user/4711/"), 400).await;
        expect_response(block(&people[1].id().to_string()), 201).await;
        let refusal = (1_200, "\"unlinked_references\";q=3;w=3600".to_owned());
        for who in [people[2].uri(), people[3].id().to_string(), "/api/user/4712/".to_owned(), "4713".to_owned()] {
            for reference in [ask(&who), give(&who), block(&who)] {
                assert_eq!(expect_rate_limited(&app, reference).await, refusal, "{who}");
            }
        }
        expect_response(give(people[4].email()), 201).await;
        expect_response(give(&people[4].uri()), 400).await;
        expect_response(ask(&grace.uri()), 201).await;
        // Staff see all users anyway.
        let root = app.staff("root@example.org");
        for person in &people {
            expect_response(app.post("/api/block/").by_user(&root).json(&json!({ "user": person.uri() })), 201).await;
        }
        // Replicas share the limit.
        let body = json!({ "user": people[5].uri() });
        assert_eq!(app.post(&format!("{other}/api/block/")).by_user(ada).json(&body).send().await.unwrap().status(), 429);
        advance_after_mails(&app, 1_200).await;
        expect_response(give(&people[5].uri()), 201).await;
        expect_rate_limited(&app, give("4711")).await;
    }

    async fn a_direct_grant_counts_against_the_limits_of_requests(mut app: TestApp) {
        restart_with_limits(&mut app, &[("requests_per_pair", "2/h"), ("requests_per_target", "3/h")]);
        let HexoFixture { ada, grace, eve, .. } = &HexoFixture::new(&app);
        let give = |target: &TestUser, allowed: &TestUser| {
            let body = json!({ "user_target": target.uri(), "user_allowed": allowed.uri(), "bundle": app.bundle("Sleep", 6).id.0 });
            app.post("/api/bundle_permission/").by_user(target).json(&body)
        };
        let response = give(ada, grace).send().await.unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(rate_limit_headers(response.headers()), ("\"pair\";r=1;t=1800".to_owned(), "\"pair\";q=2;w=3600".to_owned()));
        expect_response(post_request(&app, ada, grace, app.bundle("Steps", 6).id.0), 201).await;
        assert_eq!(expect_rate_limited(&app, give(ada, grace)).await, (1_800, "\"pair\";q=2;w=3600".to_owned()));
        expect_response(give(eve, grace), 201).await;
        assert_eq!(expect_rate_limited(&app, give(eve, grace)).await.1, "\"target\";q=3;w=3600");
        expect_response(give(grace, ada), 201).await;
    }

    async fn every_write_of_a_user_is_limited_but_redemptions_are_not(mut app: TestApp) {
        restart_with_limits(&mut app, &[("writes_per_user", "1/h")]);
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, bundle } = &scene;
        app.grant_role("hub", ada, Role::Owner);
        let (_, token) = app.export(ada);
        let asked = app.create_request(grace, ada, bundle);
        let (to_redeem, by_page) = (app.create_request(eve, ada, bundle), app.create_request(eve, ada, &app.bundle("Page", 6)));
        let visitor = app.signed_in(ada);
        let other = app.user("other@example.org");
        expect_response(app.post("/api/block/").by_user(ada).json(&json!({ "user": other.email() })), 201).await;
        let permission = json!({ "user_target": ada.uri(), "user_allowed": grace.uri(), "bundle": bundle.id.0 });
        let request = format!("/api/bundle_permission_request/{}/", asked.id);
        let json_writes = [
            app.post("/api/block/").json(&json!({ "user": grace.uri() })),
            app.delete(&format!("/api/block/{}/", other.id())),
            app.post("/api/bundle_permission/").json(&permission),
            app.delete("/api/bundle_permission/1/"),
            app.delete(&request),
            app.put(&ada.uri()).json(&json!({ "first_name": "x" })),
            app.request(reqwest::Method::PATCH, &ada.uri()).json(&json!({ "first_name": "x" })),
            app.post("/-/svc/mfs_api.create_token").json(&json!({ "hub_id": "hub", "nid": "n" })),
            app.post("/-/svc/mfs_api.revoke").json(&json!({ "token": token.expose() })),
            app.post("/oauth2/revoke").form(&[("token", token.expose())]),
        ];
        let before = app.rows();
        for write in json_writes {
            let shown = format!("{write:?}");
            assert_eq!(write.by_user(ada).send().await.unwrap().status(), 429, "{shown}");
        }
        for path in ["/keys/new", "/keys/00000000-0000-0000-0000-000000000000/revoke", "/tokens/new", "/account/sessions/end", "/requests/1/close", "/access/1/revoke"] {
            assert_eq!(visitor.post_form(&app, path, &[("label", ""), ("scope", "all")]).await.0, 429, "{path}");
        }
        assert_eq!(app.rows(), before);
        expect_response(app.put(&HexoFixture::token_path(&app.redeem_token(&to_redeem))).by_user(ada), 200).await;
        assert_eq!(visitor.post_form(&app, "/redeem", &[("token", &app.redeem_token(&by_page)), ("decision", "approve"), ("right", "read")]).await.0, 200);
        let root = app.staff("root@example.org");
        for name in ["a", "b"] {
            expect_response(app.post("/api/bundle/").by_user(&root).json(&json!({ "name": name })), 201).await;
        }
    }

    async fn changes_of_ones_own_password_are_limited(mut app: TestApp) {
        restart_with_limits(&mut app, &[("password_changes_per_user", "2/h")]);
        let visitor = app.signed_in(&app.user("ada@example.org"));
        let change = [("current", "a wrong password"), ("new", "nine purple llamas rowing"), ("confirm", "nine purple llamas rowing")];
        for status in [403, 403, 429, 429] {
            assert_eq!(visitor.post_form(&app, "/account/password", &change).await.0, status);
        }
    }

    async fn an_idempotent_replay_is_not_rate_limited(mut app: TestApp) {
        restart_with_limits(&mut app, &[("requests_per_pair", "1/h"), ("requests_per_target", "1/h")]);
        let scene = HexoFixture::new(&app);
        let under = |key: &str| app.post(REQUESTS).by_user(&scene.ada).header("idempotency-key", key).json(&scene.request_body());
        let first = expect_response(under("a"), 201).await;
        for _ in 0..3 {
            assert_eq!(expect_response(under("a"), 201).await["resource_uri"], first["resource_uri"]);
        }
        expect_rate_limited(&app, under("b")).await;
        assert_eq!(expect_response(under("a"), 201).await["resource_uri"], first["resource_uri"]);
        advance_after_mails(&app, 3_600).await;
        assert_ne!(expect_response(under("b"), 201).await["resource_uri"], first["resource_uri"], "the idempotency key is still unused");
    }

    async fn a_rejected_request_does_not_consume_quota(mut app: TestApp) {
        restart_with_limits(&mut app, &[("requests_per_pair", "1/h"), ("requests_per_requester", "1/h"), ("requests_per_target", "1/h")]);
        let scene = HexoFixture::new(&app);
        let post = |body: Value| app.post(REQUESTS).by_user(&scene.ada).json(&body);
        let active = app.bundle("Heart", 6);
        let given = json!({ "user_allowed": scene.ada.uri(), "user_target": scene.grace.uri(), "bundle": active.id.0 });
        expect_response(app.post("/api/bundle_permission/").by_user(&scene.grace).json(&given), 201).await;
        for _ in 0..3 {
            expect_field_error(&app, post(given.clone()), "bundle_permission_request", "bundle").await;
            expect_refusal(&app, post(scene.request_body_with("ttl", 1)), 400).await;
            expect_refusal(&app, post(scene.request_body_with("user_target", "nobody@example.org")), 400).await;
            expect_refusal(&app, post(scene.request_body_with("user_target", json!([scene.grace.uri()]))), 400).await;
            expect_refusal(&app, post(scene.request_body_with("bundle", 4_711)), 400).await;
            expect_refusal(&app, app.post(REQUESTS).by_user(&scene.eve).json(&scene.request_body()), 403).await;
            expect_refusal(&app, app.post(REQUESTS).json(&scene.request_body()), 401).await;
        }
        expect_response(post(scene.request_body()), 201).await;
        expect_rate_limited(&app, post(scene.request_body())).await;
    }

    async fn concurrent_requests_on_two_replicas_respect_the_limit(mut app: TestApp) {
        let bundles: Vec<_> = (0..65).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let mut asked = 0;
        for limit in ["requests_per_pair", "requests_per_requester", "requests_per_target"] {
            let urls = [(); 2].map(|()| app.spawn_replica_with(&limits_toml(&[(limit, "41/d")])));
            let (ada, grace) = (app.user(&format!("a-{limit}@example.org")), app.user(&format!("g-{limit}@example.org")));
            let mut posts = bundles.iter().enumerate().map(|(nth, bundle)| {
                let body = json!({ "user_allowed": ada.uri(), "user_target": grace.uri(), "bundle": bundle.id.0 });
                let post = app.post(&format!("{}{REQUESTS}", urls[nth % 2])).by_user(&ada);
                post.header("idempotency-key", format!("{limit}-{nth}")).json(&body)
            });
            expect_response(posts.next().unwrap(), 201).await;
            let statuses = send_concurrently(posts).await;
            let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
            assert_eq!((count(201), count(429)), (40, 24), "{limit}: {statuses:?}");
            asked += 41;
            assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests"), asked);
            assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), asked);
            assert_eq!(app.mails(asked as usize).await.len() as i64, asked);
        }
    }

    async fn concurrent_batches_respect_the_limit(app: TestApp) {
        let limit = RateLimit::new(10, 86_400).ok();
        let limits = RequestLimits { pair: limit, requester: limit, target: limit, unknown_references: None, unlinked_references: None };
        let bundles: Vec<_> = (0..16).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        for round in 0..6 {
            let (ada, grace) = (app.user(&format!("a{round}@example.org")), app.user(&format!("g{round}@example.org")));
            let operations = |bundles: &[Bundle]| -> Vec<Operation<CreateRequest>> {
                bundles.iter().map(|bundle| {
                    let terms = Terms { target: grace.user.id, grantee: ada.user.id, bundle: bundle.id };
                    let new = NewPermissionRequest::new(terms, ada.user.id, bundle.permission, 3_600);
                    Operation::new(CreateRequest(new), AuditContext::default()).with_limits(limits)
                }).collect()
            };
            // Keys that no request has used before, and keys that one has used.
            let before = round % 2;
            let created = |bundles: &[Bundle]| {
                let results = commit_batch(&app.store, operations(bundles));
                results.into_iter().filter(|result| matches!(result, Ok(Ok(_)))).count()
            };
            assert_eq!(created(&bundles[..before]), before);
            let let_in: usize = thread::scope(|scope| {
                let racers: Vec<_> = bundles.chunks(4).map(|own| scope.spawn(|| created(own))).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).sum()
            });
            assert_eq!(let_in + before, 10, "round {round}");
        }
    }

    async fn without_limits_no_state_is_stored(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for _ in 0..12 {
            let response = post_request(&app, &scene.ada, &scene.grace, scene.bundle.id.0).send().await.unwrap();
            assert_eq!(response.status(), 201);
            assert!(!response.headers().keys().any(|name| name.as_str().starts_with("ratelimit")));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM rate_limits"), 0);
    }

    async fn idle_rate_limits_are_deleted(mut app: TestApp) {
        restart_with_limits(&mut app, &[("requests_per_pair", "3/h"), ("requests_per_target", "1/h")]);
        let scene = HexoFixture::new(&app);
        expect_response(post_request(&app, &scene.ada, &scene.grace, scene.bundle.id.0), 201).await;
        let sweep = || app.store.write(|conn| {
            let now = conn.now()?;
            rate_limits::delete_idle(conn, now)
        });
        assert_eq!(sweep().unwrap(), 0);
        advance_after_mails(&app, 1_200).await;
        assert_eq!((sweep().unwrap(), sweep().unwrap()), (1, 0), "the limit of the pair");
        advance_after_mails(&app, 2_400).await;
        assert_eq!((sweep().unwrap(), app.count("SELECT count(*) AS n FROM rate_limits")), (1, 0));
    }
}

#[actix_web::test]
async fn the_default_limits_allow_normal_use_and_stop_mail_bombing() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::spawn_with(backend, "[limits]");
        let scene = HexoFixture::new(&app);
        for _ in 0..10 {
            expect_response(post_request(&app, &scene.ada, &scene.grace, scene.bundle.id.0), 201).await;
        }
        expect_rate_limited(&app, post_request(&app, &scene.ada, &scene.grace, scene.bundle.id.0)).await;
        for other in 1..=4 {
            let other = app.user(&format!("other{other}@example.org"));
            for _ in 0..10 {
                expect_response(post_request(&app, &other, &scene.grace, scene.bundle.id.0), 201).await;
            }
        }
        let refused =
            expect_rate_limited(&app, post_request(&app, &scene.eve, &scene.grace, scene.bundle.id.0)).await;
        assert_eq!(refused, (1_728, "\"target\";q=50;w=86400".to_owned()));
    }
}
