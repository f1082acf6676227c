//! `mfs_api.revoke`.

use countersign::domain::rights::Role;
use countersign::store::api_keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{REVOKE, count_revoked, create_token, expect_refusal, hub_owner, read_envelope, send_for_data};
use crate::helpers::{ByUser, TestApp, TestUser};

async fn revoke(app: &TestApp, by: &TestUser, token: &str) -> (u16, Value) {
    send_for_data(app.post(REVOKE).by_user(by).json(&json!({ "token": token }))).await
}

on_both_databases! {
    async fn a_token_is_revoked_by_secret_or_id_and_repeatedly(app: TestApp) {
        let ada = hub_owner(&app);
        for by_id in [false, true] {
            let (secret, id) = create_token(&app, &ada, "n", 2).await;
            let shown = if by_id { &id } else { &secret };
            let (status, data) = revoke(&app, &ada, shown).await;
            assert_eq!(status, 200);
            assert_eq!(data, json!({
                "status": "ok", "token": id, "id": id, "hub_id": "hub", "node_id": "n", "message": data["message"],
            }));
            let events = app.rows();
            for again in [&secret, &id] {
                assert_eq!(revoke(&app, &ada, again).await, (200, data.clone()));
            }
            assert_eq!(app.rows(), events, "a repeated revocation adds no audit entry");
        }
        assert_eq!(count_revoked(&app), 2);
    }

    async fn an_expired_token_can_be_revoked(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        app.advance(86_401);
        assert_eq!(revoke(&app, &ada, &secret).await.0, 200);
    }

    async fn creator_who_lost_admin_can_still_revoke(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, id) = create_token(&app, &ada, "n", 2).await;
        app.grant_role("hub", &ada, Role::Guest);
        assert_eq!(revoke(&app, &ada, &secret).await.0, 200);
        app.remove_role("hub", &ada);
        assert_eq!(revoke(&app, &ada, &id).await.0, 200);
        assert_eq!(count_revoked(&app), 1);
    }

    async fn a_foreign_token_and_an_unknown_one_get_the_same_response(app: TestApp) {
        let (ada, eve) = (hub_owner(&app), app.staff("eve@example.org"));
        app.grant_role("hub", &eve, Role::Owner);
        let (secret, id) = create_token(&app, &ada, "n", 2).await;
        let before = app.rows();
        let unknown = revoke(&app, &eve, "01956d5e-0000-7000-8000-000000000000").await;
        assert_eq!((unknown.0, &unknown.1["error"]), (404, &json!("revocation_failed")));
        for theirs in [&secret, &id] {
            assert_eq!(revoke(&app, &eve, theirs).await, unknown);
        }
        assert_eq!((app.rows(), count_revoked(&app)), (before, 0));
    }

    async fn other_token_kinds_revoke_nothing(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, id) = create_token(&app, &ada, "n", 2).await;
        let before = app.rows();
        let forged = format!("{}{}", &secret[..47], if secret.ends_with('A') { "B" } else { "A" });
        for no_token in [
            &secret[..47],
            &format!("{secret}A"),
            &format!("{secret}="),
            &format!(" {secret}"),
            &secret.replace("cse_", "csk_"),
            &secret.replace("cse_", "csr_"),
            &secret.replace("cse_", ""),
            &forged,
            &ada.key,
            &id.to_uppercase(),
            &id.replace('-', ""),
            &format!("{{{id}}}"),
            &format!("export_{id}"),
            "nonsense",
            "7",
            "x".repeat(60_000).as_str(),
        ] {
            assert_eq!(revoke(&app, &ada, no_token).await.1["error"], "revocation_failed", "{no_token}");
        }
        expect_refusal(app.post(REVOKE).by_user(&ada).json(&json!({ "token": 7 })), 404, "revocation_failed").await;
        for not_one in [json!([secret]), json!({ "token": secret }), json!(true), json!(1.5)] {
            expect_refusal(app.post(REVOKE).by_user(&ada).json(&json!({ "token": not_one })), 400, "invalid_parameter").await;
        }
        assert_eq!((app.rows(), count_revoked(&app)), (before, 0));
    }

    async fn without_a_token_or_credentials_nothing_is_revoked(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        let key = app.key(&ada.user, Scope::Introspect);
        let before = app.rows();
        for body in [json!({}), json!({ "token": "" }), json!({ "token": null }), json!({ "id": secret })] {
            expect_refusal(app.post(REVOKE).by_user(&ada).json(&body), 400, "missing_token").await;
        }
        expect_refusal(app.post(REVOKE).json(&json!({})), 401, "unauthorized").await;
        let body = json!({ "token": secret });
        expect_refusal(app.post(REVOKE).bearer_auth(key).json(&body), 403, "forbidden").await;
        expect_refusal(app.post(REVOKE).json(&body), 401, "unauthorized").await;
        assert_eq!((app.rows(), count_revoked(&app)), (before, 0));
    }

    async fn get_revokes_but_head_and_cross_site_requests_do_not(app: TestApp) {
        let ada = hub_owner(&app);
        let (secret, _) = create_token(&app, &ada, "n", 2).await;
        let before = app.rows();
        let path = format!("{REVOKE}?token={secret}&");
        let head = app.request(Method::HEAD, &path).by_user(&ada).send().await.unwrap();
        assert_eq!((head.status().as_u16(), &head.headers()["allow"]), (405, &"GET, POST".parse().unwrap()));
        for method in [Method::GET, Method::POST] {
            let ask = app.request(method, &path).by_user(&ada).header("sec-fetch-site", "cross-site");
            expect_refusal(ask, 403, "forbidden").await;
        }
        let answer = app.request(Method::DELETE, &path).by_user(&ada).send().await.unwrap();
        assert_eq!(read_envelope(answer).await.0, 405);
        assert_eq!((app.rows(), count_revoked(&app)), (before, 0));
        assert_eq!(send_for_data(app.get(&path).by_user(&ada)).await.0, 200);
        assert_eq!(count_revoked(&app), 1);
    }
}
