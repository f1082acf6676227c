//! Forward authentication: `GET /authz`.

use countersign::domain::rights::Role;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::helpers::{ByUser, TestApp};
use crate::mfs::{REVOKE, create_token, hub_owner, send_for_data};

/// Sends a request with the token in the Drumee header.
async fn get_authz(app: &TestApp, token: &str, query: &str) -> Response {
    let ask = app.get(&format!("/authz?{query}")).header("x-param-mfs-token", token);
    ask.send().await.unwrap()
}

async fn status(app: &TestApp, token: &str, query: &str) -> u16 {
    get_authz(app, token, query).await.status().as_u16()
}

/// The stored number of uses of a token, after a restart of the servers.
fn recorded_uses(app: &mut TestApp) -> i64 {
    app.restart();
    app.count("SELECT CAST(coalesce(sum(uses), 0) AS bigint) AS n FROM export_uses")
}

on_both_databases! {
    async fn a_token_passes_with_its_id_and_its_rights(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, id) = create_token(&app, &ada, "n", 6).await;
        let path = "/authz?hub_id=hub&nid=n&right=read";
        for request in [
            app.get(path).header("x-param-mfs-token", &secret),
            app.get(path).bearer_auth(&secret),
            app.get(path).header("authorization", format!("bEaReR   {secret}")),
            app.get(path).header("x-param-mfs-token", &secret).basic_auth("ada@example.org", Some("x")),
            app.get(path).header("x-param-mfs-token", &secret).bearer_auth("nonsense"),
            app.get(path).header("x-param-mfs-token", "").bearer_auth(&secret),
            app.get(&format!("{path}&unknown=1&x")).bearer_auth(&secret),
            app.get("/authz/?right=read&nid=n&hub_id=hub").bearer_auth(&secret),
            app.request(Method::HEAD, path).bearer_auth(&secret),
            app.get(path).bearer_auth(&secret).header("sec-fetch-site", "cross-site"),
        ] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 204);
            assert_eq!(answer.headers()["x-countersign-token-id"], id);
            assert_eq!(answer.headers()["x-countersign-permission"], "6");
            assert_eq!(answer.headers()["cache-control"], "no-store");
        }
    }

    async fn every_requested_right_is_required(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 6).await;
        for (right, expected) in [
            ("anyone", 403), ("read", 204), ("get", 204), ("write", 403), ("admin", 403), ("owner", 403),
            ("1", 403), ("2", 204), ("4", 204), ("6", 204), ("7", 403), ("63", 403), ("06", 204),
        ] {
            assert_eq!(status(&app, &secret, &format!("hub_id=hub&nid=n&right={right}")).await, expected, "{right}");
        }
    }

    async fn a_folder_token_authorizes_its_descendants(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "folder", 2).await;
        let with = async |nids: &str| status(&app, &secret, &format!("hub_id=hub&{nids}&right=read")).await;
        assert_eq!(with("nid=file&nid=folder&nid=root").await, 204);
        assert_eq!(with("nid=file&nid=&nid=folder").await, 204);
        assert_eq!(with(&format!("nid=folder{}", "&nid=x".repeat(63))).await, 204);
        assert_eq!(with("nid=file").await, 403);
        assert_eq!(with("nid=file&nid=root").await, 403);
    }

    async fn a_token_authorizes_only_its_hub_and_node(app: TestApp) {
        let ada = hub_owner(&app);
        app.grant_role("other", &ada, Role::Owner);
        let (secret, _) = create_token(&app, &ada, "n", 63).await;
        let long = format!("hub_id={}&nid=n", "h".repeat(65));
        let long_node = format!("hub_id=hub&nid={}", "n".repeat(256));
        for names in [
            "hub_id=other&nid=n", "hub_id=none&nid=n", "hub_id=hub&nid=m", "hub_id=HUB&nid=n", "hub_id=hub&nid=N",
            "hub_id=&nid=n", "hub_id=hub&nid=", "hub_id&nid", "hub_id=hub%00&nid=n", "hub_id=hub&nid=n%00",
            "hub_id=%ff&nid=n", "hub_id=hub&nid=%ff", "hub_id=hub%20&nid=n", &long, &long_node,
        ] {
            let answer = get_authz(&app, &secret, &format!("{names}&right=read")).await;
            assert_eq!(answer.status(), 403, "{names}");
            assert!(answer.headers().get("x-countersign-token-id").is_none());
            assert_eq!(answer.json::<Value>().await.unwrap()["error"], "insufficient_scope");
        }
    }

    async fn a_request_without_an_active_token_is_denied(mut app: TestApp) {
        let (ada, grace) = (hub_owner(&app), app.user("grace@example.org"));
        let (expired, _) = create_token(&app, &ada, "n", 2).await;
        app.advance(86_400);
        let (live, id) = create_token(&app, &ada, "n", 2).await;
        let (revoked, revoked_id) = create_token(&app, &ada, "n", 2).await;
        assert_eq!(send_for_data(app.post(REVOKE).by_user(&ada).json(&json!({ "token": revoked_id }))).await.0, 200);
        let redeem = app.redeem_token(&app.create_request(&grace, &ada, &app.bundle("Sleep", 2)));
        let path = "/authz?hub_id=hub&nid=n&right=read";
        let nobody = app.get(path).send().await.unwrap();
        assert_eq!((nobody.status().as_u16(), &nobody.headers()["www-authenticate"]), (
            401,
            &"Bearer realm=\"countersign\"".parse().unwrap(),
        ));
        let basic = app.get(path).basic_auth("ada@example.org", Some(crate::helpers::PASSWORD));
        assert_eq!(basic.send().await.unwrap().status(), 401);
        for dead in [
            &expired, &revoked, &redeem, &ada.key, &id, &live[..47], &format!("{live}A"), &format!("{live},{live}"),
            &live.replace("cse_", "csk_"), "nonsense", &"x".repeat(8_000),
            &format!("{}{}", &live[..47], if live.ends_with('A') { "B" } else { "A" }),
        ] {
            let answer = get_authz(&app, dead, "hub_id=hub&nid=n&right=read").await;
            assert_eq!((answer.status().as_u16(), &answer.headers()["www-authenticate"]), (
                401,
                &"Bearer realm=\"countersign\", error=\"invalid_token\"".parse().unwrap(),
            ), "{dead}");
            assert_eq!(answer.json::<Value>().await.unwrap()["error"], "invalid_token");
            let bearer = app.get(path).bearer_auth(dead).send().await.unwrap();
            assert_eq!(bearer.status(), 401);
        }
        let both = app.get(path).header("x-param-mfs-token", &revoked).bearer_auth(&live).send().await.unwrap();
        assert_eq!(both.status(), 401, "the Drumee header has precedence");
        assert_eq!(status(&app, &revoked, "hub_id=&nid=&right=read").await, 401, "an inactive token authorizes nothing");
        assert_eq!(recorded_uses(&mut app), 0);
    }

    async fn a_misconfigured_proxy_gets_a_400_before_any_other_check(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        let many = format!("hub_id=hub&right=read{}", "&nid=n".repeat(65));
        for query in [
            "", "nid=n&right=read", "hub_id=hub&right=read", "hub_id=hub&nid=n", "hub_id=hub&nid=n&right=",
            "hub_id=hub&nid=n&right=none", "hub_id=hub&nid=n&right=0", "hub_id=hub&nid=n&right=64",
            "hub_id=hub&nid=n&right=-1", "hub_id=hub&nid=n&right=2.0", "hub_id=hub&nid=n&right=Read",
            "hub_id=hub&nid=n&right=read,get", "hub_id=hub&nid=n&right=99999999999999999999",
            "hub_id=hub&hub_id=hub&nid=n&right=read", "hub_id=hub&nid=n&right=read&right=read", &many,
        ] {
            for shown in [&secret, "", "nonsense"] {
                let answer = get_authz(&app, shown, query).await;
                assert_eq!(answer.status(), 400, "{query}");
                assert_eq!(answer.json::<Value>().await.unwrap()["error"], "invalid_request");
            }
        }
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let answer = app.request(method, "/authz?hub_id=hub&nid=n&right=read").bearer_auth(&secret).send().await;
            let answer = answer.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"GET, HEAD".parse().unwrap()));
        }
    }

    async fn rights_follow_the_creators_current_role(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 14).await;
        let with = async |right: &str| {
            let answer = get_authz(&app, &secret, &format!("hub_id=hub&nid=n&right={right}")).await;
            let told = answer.headers().get("x-countersign-permission").map(|told| told.to_str().unwrap().to_owned());
            (answer.status().as_u16(), told)
        };
        assert_eq!(with("write").await, (204, Some("14".to_owned())));
        app.grant_role("hub", &ada, Role::Designer);
        assert_eq!(with("write").await, (403, None));
        assert_eq!(with("get").await, (204, Some("6".to_owned())), "the response has the effective rights");
        app.remove_role("hub", &ada);
        assert_eq!(with("read").await, (401, None));
        app.grant_role("hub", &ada, Role::Owner);
        assert_eq!(with("write").await.0, 204);
        app.disable(&ada);
        assert_eq!(with("read").await, (401, None));
    }

    async fn a_token_expires_at_the_exact_second(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        app.advance(86_399);
        assert_eq!(status(&app, &secret, "hub_id=hub&nid=n&right=read").await, 204);
        app.advance(1);
        assert_eq!(status(&app, &secret, "hub_id=hub&nid=n&right=read").await, 401);
    }
}
