//! hexo: lists of requests of any status.

use countersign::store::requests;
use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp, TestUser};
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_response, resource_id};

const STATUSES: [&str; 6] = ["pending", "approved", "declined", "withdrawn", "expired", "replaced"];

/// The total of a list, and the numbers of its requests.
async fn listed(app: &TestApp, who: &TestUser, query: &str) -> (i64, Vec<i64>) {
    let list = expect_response(app.get(&format!("{REQUESTS}?limit=0&{query}")).by_user(who), 200).await;
    let numbers = list["objects"].as_array().unwrap().iter().map(resource_id).collect();
    (list["meta"]["total_count"].as_i64().unwrap(), numbers)
}

fn mark_expired(app: &TestApp) {
    app.store
        .write(|conn| {
            let now = conn.now()?;
            Ok(requests::expire_batch(conn, now)? + requests::expire_permissions_batch(conn, now)?)
        })
        .unwrap();
}

/// Requests with each status, in the order of [`STATUSES`]: two approved ones, of which one has an
/// active permission. All are from Ada to Grace.
async fn one_of_each_status(app: &TestApp, scene: &HexoFixture) -> Vec<Vec<i64>> {
    let of = |name: &str| scene.with_bundle(app, name, 6);
    let number = |(request, _): &(Value, String)| resource_id(request);
    let expired = of("Expired").ask(app, json!({ "ttl": 60 })).await;
    let ended = of("Ended").ask(app, json!({})).await;
    expect_response(scene.decide(app, &ended.1, "approve", &json!({ "permission_ttl": 60 })), 200).await;
    app.advance(60);
    let approved = of("Approved").ask(app, json!({})).await;
    expect_response(scene.decide(app, &approved.1, "approve", &json!({})), 200).await;
    let declined = of("Declined").ask(app, json!({})).await;
    expect_response(scene.decide(app, &declined.1, "decline", &json!({})), 204).await;
    let withdrawn = of("Withdrawn").ask(app, json!({})).await;
    expect_response(app.delete(withdrawn.0["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 204).await;
    let again = of("Pending");
    let replaced = again.ask(app, json!({})).await;
    let pending = again.ask(app, json!({})).await;
    // A direct grant is no request.
    expect_response(
        app.post("/api/bundle_permission/").by_user(&scene.grace).json(&of("Direct").request_body()),
        201,
    )
    .await;
    vec![
        vec![number(&pending)],
        vec![number(&ended), number(&approved)],
        vec![number(&declined)],
        vec![number(&withdrawn)],
        vec![number(&expired)],
        vec![number(&replaced)],
    ]
}

on_both_databases! {
    async fn requests_are_listed_by_status_before_and_after_expired_ones_are_closed(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let numbers = one_of_each_status(&app, &scene).await;
        for _ in 0..2 {
            for who in [&scene.ada, &scene.grace] {
                assert_eq!(listed(&app, who, "").await, (1, numbers[0].clone()), "the default is pending");
                for (status, expected) in STATUSES.iter().zip(&numbers) {
                    let found = (expected.len() as i64, expected.clone());
                    for query in [format!("status={status}"), format!("status__exact={status}"), format!("status__in={status}")] {
                        assert_eq!(listed(&app, who, &query).await, found, "{query}");
                    }
                }
                let mut all: Vec<i64> = numbers.concat();
                all.sort();
                assert_eq!(listed(&app, who, &format!("status__in={}", STATUSES.join(","))).await, (7, all));
                let some = [numbers[2].clone(), numbers[4].clone()].concat();
                let (total, found) = listed(&app, who, "status__in=declined,expired,declined").await;
                assert_eq!((total, found.is_sorted()), (2, true));
                assert!(found.iter().all(|number| some.contains(number)), "{found:?}");
                assert_eq!(listed(&app, who, "status__in=").await, (0, vec![]));
                assert_eq!(listed(&app, who, "status=declined&status__in=expired").await, (0, vec![]));
            }
            for who in [&scene.eve, &root] {
                assert_eq!(listed(&app, who, &format!("status__in={}", STATUSES.join(","))).await, (0, vec![]));
            }
            mark_expired(&app);
            app.assert_user_counters();
        }
        for query in ["status=x", "status=granted", "status=Pending", "status=", "status__in=pending,x", "status=pending,declined"] {
            let list = app.get(&format!("{REQUESTS}?{query}")).by_user(&scene.ada);
            expect_error(&app, list, 400, "Invalid resource lookup data provided (mismatched type).").await;
        }
    }

    async fn pages_over_mixed_statuses_are_exact_and_keep_the_filters(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let mut all = one_of_each_status(&app, &scene).await.concat();
        // Grace asks Ada as well.
        all.push(app.create_request(&scene.grace, &scene.ada, &scene.bundle).id.0);
        all.sort();
        for who in [&scene.ada, &scene.grace] {
            let first = format!("{REQUESTS}?status__in={}&limit=3", STATUSES.join(","));
            let (mut seen, mut at) = (Vec::new(), Some(first.clone()));
            let mut previous = Vec::new();
            while let Some(path) = at {
                let page = expect_response(app.get(&path).by_user(who), 200).await;
                assert_eq!(page["meta"]["total_count"], 8, "{path}");
                seen.extend(page["objects"].as_array().unwrap().iter().map(resource_id));
                at = page["meta"]["next"].as_str().map(str::to_owned);
                previous.push(page["meta"]["previous"].clone());
            }
            assert_eq!((&seen, previous.len()), (&all, 3));
            assert_eq!(previous[0], Value::Null);
            let back = expect_response(app.get(previous[1].as_str().unwrap()).by_user(who), 200).await;
            assert_eq!(back["objects"].as_array().unwrap().len(), 3);
            let beyond = expect_response(app.get(&format!("{first}&offset=8")).by_user(who), 200).await;
            assert_eq!((&beyond["meta"]["total_count"], &beyond["objects"]), (&json!(8), &json!([])));
            let far = expect_response(app.get(&format!("{first}&offset={}", i64::MAX)).by_user(who), 200).await;
            assert_eq!(far["objects"], json!([]));
        }
    }

    async fn requests_are_filtered_by_bundle_parties_and_time(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, bundle } = &scene;
        let other = app.bundle("Heart", 6);
        let first = app.create_request(ada, grace, bundle).id.0;
        app.advance(10);
        let second = app.create_request(ada, eve, bundle).id.0;
        app.advance(10);
        let third = app.create_request(eve, ada, &other).id.0;
        let fourth = app.create_request(grace, ada, bundle).id.0;
        let declined = app.delete(&format!("{REQUESTS}{fourth}/")).by_user(ada);
        expect_response(declined, 204).await;
        for (query, expected) in [
            (format!("bundle={}", scene.bundle_uri()), vec![first, second]),
            (format!("bundle={}&status__in=pending,declined", bundle.id), vec![first, second, fourth]),
            (format!("bundle__in={},{}", bundle.id, other.id), vec![first, second, third]),
            ("bundle=4711".to_owned(), vec![]),
            (format!("user_target={}", grace.uri()), vec![first]),
            ("user_target__in=GRACE@example.org,eve@example.org".to_owned(), vec![first, second]),
            (format!("user_allowed={}", ada.id()), vec![first, second]),
            (format!("user_allowed={}&status=declined", grace.id()), vec![fourth]),
            ("user_target=nobody@example.org".to_owned(), vec![]),
            (format!("user_target={}&user_allowed={}", ada.id(), eve.id()), vec![third]),
            ("created_at__gte=2030-01-01T00:00:10Z".to_owned(), vec![second, third]),
            ("created_at__lt=2030-01-01T00:00:10Z".to_owned(), vec![first]),
            ("created_at__gte=2030-01-01T00:00:10Z&created_at__lt=2030-01-01T01:00:20%2B01:00".to_owned(), vec![second]),
            ("created_at__gte=2030-01-01T00:00:20Z&status=declined".to_owned(), vec![fourth]),
            ("created_at__gte=9999-12-31T23:59:59Z".to_owned(), vec![]),
            ("created_at__lt=0001-01-01T00:00:00Z".to_owned(), vec![]),
        ] {
            assert_eq!(listed(&app, ada, &query).await, (expected.len() as i64, expected), "{query}");
        }
        assert_eq!(listed(&app, grace, "").await, (1, vec![first]), "rows of other users are not listed");
        assert_eq!(listed(&app, grace, &format!("user_allowed={}", ada.id())).await, (1, vec![first]));
        for query in [
            "created_at__gte=x", "created_at__gte=", "created_at__lt=2030-01-01", "created_at__lt=2030-01-01T00:00:00",
            "created_at__gte=1893456000", "bundle=x", "user_target=x", "user_allowed=/api/bundle/1/",
        ] {
            let list = app.get(&format!("{REQUESTS}?{query}")).by_user(ada);
            expect_error(&app, list, 400, "Invalid resource lookup data provided (mismatched type).").await;
        }
    }

    async fn pending_requests_of_a_disabled_requester_are_hidden_from_filtered_lists(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let number = app.create_request(&scene.ada, &scene.grace, &scene.bundle).id.0;
        let closed = app.create_request(&scene.ada, &scene.grace, &app.bundle("Closed", 6)).id.0;
        expect_response(app.delete(&format!("{REQUESTS}{closed}/")).by_user(&scene.grace), 204).await;
        app.disable(&scene.ada);
        for (query, expected) in [
            ("status=pending", vec![]),
            ("status__in=pending,declined", vec![closed]),
            ("created_at__gte=2030-01-01T00:00:00Z", vec![]),
        ] {
            assert_eq!(listed(&app, &scene.grace, query).await, (expected.len() as i64, expected), "{query}");
        }
        let seen = expect_response(app.get(&format!("{REQUESTS}{number}/")).by_user(&scene.grace), 200).await;
        assert_eq!((&seen["status"], &seen["redeem_url"]), (&json!("pending"), &Value::Null));
    }
}
