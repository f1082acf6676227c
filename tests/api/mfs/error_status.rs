//! The two formats of errors: HTTP statuses, and Drumee's own (`mfs.error_status = "ok"`).

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{CREATE, LIST, REVOKE, create_token, hub_owner, read_envelope};
use crate::helpers::ByUser;

const STATUS_OK_CONFIG: &str = "[mfs]\nerror_status = \"ok\"\n";

async fn error_code(answer: Response) -> Value {
    assert_eq!(answer.status(), 200);
    let (_, mut data) = read_envelope(answer).await;
    assert_eq!(data["status"], "error");
    data["error"].take()
}

on_both_databases! {
    async fn every_error_is_a_200_with_the_same_body_and_headers(mut app: TestApp) {
        let ada = hub_owner(&app);
        let drumee = app.spawn_replica_with(STATUS_OK_CONFIG);
        let at = |path: &str| format!("{drumee}{path}");
        let before = app.rows();

        let nobody = app.post(&at(CREATE)).send().await.unwrap();
        assert_eq!(nobody.headers()["www-authenticate"], "Basic realm=\"countersign\", charset=\"UTF-8\"");
        assert_eq!(error_code(nobody).await, "unauthorized");
        let put = app.put(&at(LIST)).send().await.unwrap();
        assert_eq!(put.headers()["allow"], "GET, HEAD, POST");
        assert_eq!(error_code(put).await, "method_not_allowed");

        let ask = |path: &str, body: Value| app.post(&at(path)).by_user(&ada).json(&body).send();
        let hub = |hub: &str| json!({ "hub_id": hub, "nid": "n" });
        for (answer, expected) in [
            (ask(CREATE, json!({})).await, "missing_parameters"),
            (ask(CREATE, json!({ "hub_id": "hub", "nid": "n", "expiry_hours": -1 })).await, "invalid_expiry"),
            (ask(CREATE, json!({ "hub_id": "hub", "nid": "n", "permission": 0 })).await, "invalid_permission"),
            (ask(CREATE, hub("none")).await, "token_creation_failed"),
            (ask(REVOKE, json!({})).await, "missing_token"),
            (ask(REVOKE, json!({ "token": "x" })).await, "revocation_failed"),
            (ask(LIST, json!({ "limit": 0 })).await, "invalid_parameter"),
            (ask("/-/svc/mfs_api.x", json!({})).await, "unknown_method"),
            (ask("/-/svc/x", json!({})).await, "unknown_service"),
            (app.post(&at(CREATE)).by_user(&ada).body("x").send().await, "unsupported_media_type"),
            (app.get(&at(&format!("{CREATE}?%7B"))).by_user(&ada).send().await, "bad_request"),
            (app.post(&at(LIST)).by_user(&ada).body(vec![0; 70_000]).send().await, "payload_too_large"),
            (app.post(&at(LIST)).by_user(&ada).header("sec-fetch-site", "cross-site").send().await, "forbidden"),
        ] {
            assert_eq!(error_code(answer.unwrap()).await, expected);
        }
        assert_eq!(app.rows(), before);
        assert_eq!(read_envelope(ask(CREATE, hub("hub")).await.unwrap()).await.1["status"], "ok");
    }

    async fn an_unavailable_database_is_reported_and_nothing_is_written(app: TestApp) {
        let ada = hub_owner(&app);
        let staff = app.staff("staff@example.org");
        let (secret, id) = create_token(&app, &ada, "n", 2).await;
        let before = app.rows();
        let authz = || app.get("/authz?hub_id=hub&nid=n&right=read").bearer_auth(&secret).send();
        let introspect = || app.post("/oauth2/introspect").by_user(&staff).form(&[("token", &secret)]).send();
        assert_eq!(authz().await.unwrap().status(), 204);
        assert_eq!(introspect().await.unwrap().status(), 200);
        app.execute_raw("ALTER TABLE export_tokens RENAME TO elsewhere");
        for (path, body) in [
            (CREATE, json!({ "hub_id": "hub", "nid": "n" })),
            (REVOKE, json!({ "token": id })),
            (LIST, json!({})),
        ] {
            let answer = app.post(path).by_user(&ada).json(&body).send().await.unwrap();
            assert_eq!(answer.headers()["retry-after"], "1");
            let (status, data) = read_envelope(answer).await;
            assert_eq!((status, &data["error"]), (503, &json!("internal_error")));
            assert!(data["message"].as_str().unwrap().contains("Nothing was done"), "{data}");
        }
        let revoke = app.post("/oauth2/revoke").by_user(&ada).form(&[("token", &secret)]).send();
        for answer in [authz().await, introspect().await, revoke.await] {
            let answer = answer.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
            assert_eq!(answer.json::<Value>().await.unwrap()["error"], "temporarily_unavailable");
        }
        app.execute_raw("ALTER TABLE elsewhere RENAME TO export_tokens");
        assert_eq!(app.rows(), before);
        assert_eq!(authz().await.unwrap().status(), 204, "the server recovers without a restart");
    }

    async fn other_dialects_keep_their_statuses(mut app: TestApp) {
        let drumee = app.spawn_replica_with(STATUS_OK_CONFIG);
        let introspect = app.request(Method::POST, &format!("{drumee}/oauth2/introspect")).send().await.unwrap();
        assert_eq!(introspect.status(), 401);
        let authz = app.get(&format!("{drumee}/authz?hub_id=h&nid=n&right=read")).send().await.unwrap();
        assert_eq!(authz.status(), 401);
    }
}
