//! `mfs_api.list`.

use countersign::domain::rights::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{LIST, REVOKE, create, create_token, expect_refusal, hub_owner, send_for_data};
use crate::helpers::{ByUser, START_MICROS, TestApp, TestUser};

const NOW: i64 = START_MICROS / 1_000_000;

async fn list(app: &TestApp, by: &TestUser, query: &str) -> Value {
    let (status, data) = send_for_data(app.get(&format!("{LIST}?{query}")).by_user(by)).await;
    assert_eq!((status, &data["status"]), (200, &json!("ok")), "{data}");
    assert_eq!(data["count"], data["tokens"].as_array().unwrap().len());
    data
}

fn column<'a>(data: &'a Value, name: &str) -> Vec<&'a str> {
    data["tokens"].as_array().unwrap().iter().map(|token| token[name].as_str().unwrap()).collect()
}

on_both_databases! {
    async fn the_list_shows_every_field_except_the_secret(app: TestApp) {
        let ada = hub_owner(&app);
        assert_eq!(
            list(&app, &ada, "").await,
            json!({ "status": "ok", "count": 0, "tokens": [], "next_cursor": null }),
        );
        let (secret, id) = create_token(&app, &ada, "n", 6).await;
        let data = list(&app, &ada, "").await;
        assert_eq!(data, json!({
            "status": "ok",
            "count": 1,
            "tokens": [{
                "token": id,
                "id": id,
                "hub_id": "hub",
                "node_id": "n",
                "pseudo_entity_uid": format!("export_{id}"),
                "permission": 6,
                "expiry_time": NOW + 86_400,
                "expiry_display": "2030-01-02 00:00 UTC",
                "ctime": NOW,
                "status": "active",
                "last_used_at": null,
                "uses": 0,
            }],
            "next_cursor": null,
        }));
        assert!(!data.to_string().contains(&secret));
    }

    async fn active_and_expired_tokens_of_all_hubs_are_listed_newest_first(app: TestApp) {
        let ada = hub_owner(&app);
        app.grant_role("other", &ada, Role::Admin);
        create(&app, &ada, json!({ "hub_id": "hub", "nid": "a", "expiry_hours": 1 })).await;
        app.advance(1);
        create(&app, &ada, json!({ "hub_id": "other", "nid": "b", "expiry_hours": 0 })).await;
        app.advance(1);
        let (secret, _) = create_token(&app, &ada, "c", 2).await;
        assert_eq!(send_for_data(app.post(REVOKE).by_user(&ada).json(&json!({ "token": secret }))).await.0, 200);
        app.advance(3_600);
        let all = list(&app, &ada, "hub_id=hub").await;
        assert_eq!(column(&all, "node_id"), ["b", "a"], "a hub_id is context, not a filter");
        assert_eq!(column(&all, "status"), ["active", "expired"]);
        assert_eq!(column(&all, "expiry_display"), ["never", "2030-01-01 01:00 UTC"]);
        assert_eq!(all["tokens"][0]["expiry_time"], 0);
        for (status, nodes) in [
            ("active", vec!["b"]),
            ("expired", vec!["a"]),
            ("revoked", vec!["c"]),
            ("active,revoked", vec!["c", "b"]),
            ("expired, active ,revoked", vec!["c", "b", "a"]),
            ("", vec!["b", "a"]),
        ] {
            let status = status.replace(' ', "%20");
            assert_eq!(column(&list(&app, &ada, &format!("status={status}")).await, "node_id"), nodes, "{status}");
        }
    }

    async fn the_list_contains_only_tokens_of_the_caller(app: TestApp) {
        let (ada, eve) = (hub_owner(&app), app.staff("eve@example.org"));
        app.grant_role("hub", &eve, Role::Owner);
        create_token(&app, &ada, "n", 2).await;
        assert_eq!(list(&app, &eve, "").await["count"], 0);
    }

    async fn a_creator_without_a_role_can_still_list(app: TestApp) {
        let ada = hub_owner(&app);
        create_token(&app, &ada, "n", 2).await;
        app.remove_role("hub", &ada);
        assert_eq!(list(&app, &ada, "").await["count"], 1);
    }

    async fn a_token_without_a_privileged_creator_is_not_active_anywhere(app: TestApp) {
        let (ada, me) = (hub_owner(&app), app.staff("root@example.org"));
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        app.advance(1);
        create(&app, &ada, json!({ "hub_id": "hub", "nid": "short", "expiry_hours": 1, "permission": 2 })).await;
        app.advance(1);
        create_token(&app, &ada, "open", 3).await;
        app.advance(1);
        let (_, revoked) = create_token(&app, &ada, "gone", 2).await;
        assert_eq!(send_for_data(app.post(REVOKE).by_user(&ada).json(&json!({ "token": revoked }))).await.0, 200);
        app.advance(3_600);
        let visitor = app.signed_in(&ada);
        // What each role leaves of the three tokens that are not revoked, newest first.
        for (role, n, open) in [
            (Some(Role::Owner), true, true),
            (None, false, false),
            (Some(Role::Guest), false, true),
            (Some(Role::Contributor), true, true),
        ] {
            match role {
                Some(role) => app.grant_role("hub", &ada, role),
                None => app.remove_role("hub", &ada),
            }
            let word = |active: bool| if active { "active" } else { "expired" };
            assert_eq!(column(&list(&app, &ada, "").await, "status"), [word(open), "expired", word(n)], "{role:?}");
            let names = [("open", open), ("short", false), ("n", n)];
            for (status, active) in [("active", true), ("expired", false)] {
                let nodes: Vec<&str> = names.iter().filter(|token| token.1 == active).map(|token| token.0).collect();
                let data = list(&app, &ada, &format!("status={status}")).await;
                assert_eq!(column(&data, "node_id"), nodes, "{role:?} {status}");
                let data = list(&app, &ada, &format!("status={status},revoked")).await;
                assert_eq!(column(&data, "node_id"), [&["gone"], nodes.as_slice()].concat(), "{role:?} {status}");
            }
            let authz = app.get("/authz?hub_id=hub&nid=n&right=read").header("x-param-mfs-token", &secret);
            assert_eq!(authz.send().await.unwrap().status() == 204, n, "{role:?}");
            let introspection = app.post("/oauth2/introspect").by_user(&me).form(&[("token", &secret)]);
            let introspection: Value = introspection.send().await.unwrap().json().await.unwrap();
            assert_eq!(introspection["active"], n, "{role:?}");
            let (_, page) = visitor.get_page(&app, "/tokens").await;
            let active = [n, open].into_iter().filter(|active| *active).count();
            assert_eq!((page.matches(">Active<").count(), page.matches(">Suspended<").count()), (active, 2 - active));
            assert_eq!(page.matches(">Expired<").count(), 1, "{page}");
            let home = visitor.get_page(&app, "/").await.1;
            let count = ["No active tokens", "1 active token", "2 active tokens"][active];
            assert!(home.contains(count), "{role:?}: {home}");
        }
        app.disable(&ada);
        let listed = app.store.read(countersign::services::admin::export_tokens::newest(9, None)).unwrap();
        let statuses: Vec<&str> = listed.tokens.iter().map(|listed| listed.status.name()).collect();
        assert_eq!(statuses, ["revoked", "suspended", "expired", "suspended"]);
    }

    async fn the_cursor_covers_all_pages(app: TestApp) {
        let ada = hub_owner(&app);
        for nth in 0..5 {
            create_token(&app, &ada, &nth.to_string(), 2).await;
            app.advance(1);
        }
        let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
        let sizes = loop {
            let page = list(&app, &ada, &query).await;
            seen.push(column(&page, "node_id").join(""));
            match page["next_cursor"].as_str() {
                Some(cursor) => query = format!("limit=2&cursor={cursor}"),
                None => break seen,
            }
        };
        assert_eq!(sizes, ["43", "21", "0"]);
        for (limit, next) in [("5", false), ("4", true), ("1000", false)] {
            assert_eq!(list(&app, &ada, &format!("limit={limit}")).await["next_cursor"].is_string(), next);
        }
        let cursor = list(&app, &ada, "limit=4").await["next_cursor"].take();
        let (_, body) = send_for_data(app.post(LIST).by_user(&ada).json(&json!({ "limit": 1, "cursor": cursor }))).await;
        assert_eq!(column(&body, "node_id"), ["0"]);
        assert_eq!(body["next_cursor"], json!(null));
    }

    async fn an_invalid_limit_cursor_or_status_is_rejected(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        for query in [
            "limit=0", "limit=-1", "limit=1001", "limit=1.5", "limit=ten", "limit=", "limit=1e2",
            "cursor=nonsense", "cursor=7", "cursor=%00", &format!("cursor={secret}"),
            "status=open", "status=active,", "status=,", "status=Active", "status=active%00", "status=active;expired",
        ] {
            expect_refusal(app.get(&format!("{LIST}?{query}")).by_user(&ada), 400, "invalid_parameter").await;
        }
        for body in [
            json!({ "limit": [1] }), json!({ "limit": {} }), json!({ "limit": 1.5 }), json!({ "limit": 0 }),
            json!({ "status": ["active"] }), json!({ "status": 1 }), json!({ "cursor": [] }), json!({ "cursor": true }),
        ] {
            expect_refusal(app.post(LIST).by_user(&ada).json(&body), 400, "invalid_parameter").await;
        }
        expect_refusal(app.get(LIST), 401, "unauthorized").await;
    }

    async fn listing_allows_head_and_cross_site_requests(app: TestApp) {
        let ada = hub_owner(&app);
        let head = app.request(Method::HEAD, LIST).by_user(&ada).send().await.unwrap();
        assert_eq!(head.status(), 200);
        assert!(head.bytes().await.unwrap().is_empty());
        let ask = app.get(LIST).by_user(&ada).header("sec-fetch-site", "cross-site");
        assert_eq!(send_for_data(ask).await.0, 200);
        let put = app.put(LIST).send().await.unwrap();
        assert_eq!((put.status().as_u16(), &put.headers()["allow"]), (405, &"GET, HEAD, POST".parse().unwrap()));
    }
}
