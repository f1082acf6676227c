//! `mfs_api.create_token`.

use countersign::domain::rights::Role;
use countersign::store::api_keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{CREATE, create, expect_refusal, hub_owner, send_for_data};
use crate::helpers::{ByUser, PASSWORD, START_MICROS};

const NOW: i64 = START_MICROS / 1_000_000;

on_both_databases! {
    async fn a_token_defaults_to_read_for_one_day(app: TestApp) {
        let ada = hub_owner(&app);
        let data = create(&app, &ada, json!({ "hub_id": "hub", "nid": "folder/1" })).await;
        let id = data["id"].as_str().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(data, json!({
            "status": "ok",
            "token": data["token"],
            "id": id,
            "pseudo_entity_uid": format!("export_{id}"),
            "hub_id": "hub",
            "node_id": "folder/1",
            "permission": 2,
            "expiry_time": NOW + 86_400,
            "ctime": NOW,
            "message": data["message"],
        }));
        let token = data["token"].as_str().unwrap();
        assert!(token.starts_with("cse_") && token.len() == 48);
        assert_eq!(app.count("SELECT count(*) AS n FROM export_tokens"), 1);
        assert_eq!(app.count(&format!(
            "SELECT count(*) AS n FROM audit_log WHERE action = 'export.created' AND subject = 'export:{id}' AND actor = {}",
            ada.id(),
        )), 1);
    }

    async fn zero_hours_never_expires_and_a_year_is_the_maximum(app: TestApp) {
        let ada = hub_owner(&app);
        for (hours, expires) in [
            (json!(0), 0),
            (json!("0"), 0),
            (json!(1), NOW + 3_600),
            (json!("8760"), NOW + 8_760 * 3_600),
            (json!(null), NOW + 86_400),
        ] {
            let body = json!({ "hub_id": "hub", "nid": "n", "expiry_hours": hours });
            assert_eq!(create(&app, &ada, body).await["expiry_time"], expires, "{hours}");
        }
    }

    async fn every_mask_is_returned(app: TestApp) {
        let ada = hub_owner(&app);
        for permission in [json!(1), json!(63), json!("7"), json!(null)] {
            let body = json!({ "hub_id": "hub", "nid": "n", "permission": permission });
            let told = create(&app, &ada, body).await["permission"].clone();
            let expected = permission.as_i64().or_else(|| permission.as_str()?.parse().ok()).unwrap_or(2);
            assert_eq!(told, expected);
        }
    }

    async fn invalid_parameters_are_rejected_with_their_error_code(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        let with = |name: &str, value: Value| {
            let mut body = json!({ "hub_id": "hub", "nid": "n" });
            body[name] = value;
            body
        };
        let long = |length: usize| json!("x".repeat(length));
        let cases: Vec<(Value, &str)> = vec![
            (json!({}), "missing_parameters"),
            (json!({ "hub_id": "hub" }), "missing_parameters"),
            (json!({ "nid": "n" }), "missing_parameters"),
            (with("nid", json!("")), "missing_parameters"),
            (with("nid", json!(null)), "missing_parameters"),
            (with("hub_id", json!("")), "missing_parameters"),
            (with("expiry_hours", json!(-1)), "invalid_expiry"),
            (with("expiry_hours", json!(8_761)), "invalid_expiry"),
            (with("expiry_hours", json!(1.9)), "invalid_expiry"),
            (with("expiry_hours", json!(24.0)), "invalid_expiry"),
            (with("expiry_hours", json!("abc")), "invalid_expiry"),
            (with("expiry_hours", json!("1e3")), "invalid_expiry"),
            (with("expiry_hours", json!("")), "invalid_expiry"),
            (with("expiry_hours", json!([24])), "invalid_expiry"),
            (with("expiry_hours", json!({})), "invalid_expiry"),
            (with("expiry_hours", json!(true)), "invalid_expiry"),
            (with("expiry_hours", json!(u64::MAX)), "invalid_expiry"),
            (with("expiry_hours", json!("99999999999999999999")), "invalid_expiry"),
            (with("expiry_hours", json!("2\0")), "invalid_expiry"),
            (with("permission", json!(0)), "invalid_permission"),
            (with("permission", json!(64)), "invalid_permission"),
            (with("permission", json!(-2)), "invalid_permission"),
            (with("permission", json!(2.5)), "invalid_permission"),
            (with("permission", json!("read")), "invalid_permission"),
            (with("permission", json!([2])), "invalid_permission"),
            (with("permission", json!(256 + 2)), "invalid_permission"),
            (with("hub_id", long(65)), "invalid_parameter"),
            (with("nid", long(256)), "invalid_parameter"),
            (with("hub_id", json!("h\0")), "invalid_parameter"),
            (with("nid", json!("n\0")), "invalid_parameter"),
            (with("nid", json!(["n"])), "invalid_parameter"),
            (with("nid", json!({ "id": 1 })), "invalid_parameter"),
            (with("nid", json!(1.5)), "invalid_parameter"),
            (with("nid", json!(u64::MAX)), "invalid_parameter"),
            (with("hub_id", json!(false)), "invalid_parameter"),
        ];
        for (body, code) in cases {
            expect_refusal(app.post(CREATE).by_user(&ada).json(&body), 400, code).await;
        }
        assert_eq!(app.rows(), before);
    }

    async fn names_of_the_maximum_length_are_accepted_in_any_script(app: TestApp) {
        let ada = app.user("ada@example.org");
        let (hub, nid) = ("é".repeat(64), "☃".repeat(255));
        app.grant_role(&hub, &ada, Role::Admin);
        let data = create(&app, &ada, json!({ "hub_id": hub, "nid": nid })).await;
        assert_eq!((&data["hub_id"], &data["node_id"]), (&json!(hub), &json!(nid)));
    }

    async fn a_name_may_be_a_json_number(app: TestApp) {
        let ada = app.user("ada@example.org");
        app.grant_role("7", &ada, Role::Admin);
        let data = create(&app, &ada, json!({ "hub_id": 7, "nid": 12 })).await;
        assert_eq!((&data["hub_id"], &data["node_id"]), (&json!("7"), &json!("12")));
    }

    async fn parameter_errors_are_reported_in_a_fixed_order(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        let worse = json!({ "expiry_hours": -1, "permission": 0 });
        expect_refusal(app.post(CREATE).json(&worse), 401, "unauthorized").await;
        expect_refusal(app.post(CREATE).by_user(&ada).json(&worse), 400, "missing_parameters").await;
        let bad = json!({ "hub_id": "none", "nid": "n", "expiry_hours": -1, "permission": 0 });
        expect_refusal(app.post(CREATE).by_user(&ada).json(&bad), 400, "invalid_expiry").await;
        let bad = json!({ "hub_id": "none", "nid": "n", "permission": 0 });
        expect_refusal(app.post(CREATE).by_user(&ada).json(&bad), 400, "invalid_permission").await;
        let bad = json!({ "hub_id": "none", "nid": "n" });
        expect_refusal(app.post(CREATE).by_user(&ada).json(&bad), 403, "token_creation_failed").await;
        assert_eq!(app.rows(), before);
    }

    async fn an_unknown_hub_and_missing_rights_get_the_same_response(app: TestApp) {
        let ada = app.user("ada@example.org");
        for role in [Role::Guest, Role::Contributor, Role::Designer, Role::Manager] {
            app.grant_role(role.name(), &ada, role);
        }
        app.grant_role("admin", &ada, Role::Admin);
        app.grant_role("elsewhere", &app.user("grace@example.org"), Role::Owner);
        let before = app.rows();
        let ask = |hub: &str, permission: i64| {
            send_for_data(app.post(CREATE).by_user(&ada).json(&json!({ "hub_id": hub, "nid": "n", "permission": permission })))
        };
        let (status, unknown) = ask("unknown", 2).await;
        assert_eq!((status, unknown["error"].as_str()), (403, Some("token_creation_failed")));
        for hub in ["guest", "contributor", "designer", "manager", "elsewhere"] {
            assert_eq!(ask(hub, 1).await, (403, unknown.clone()), "{hub}");
        }
        for beyond in [32, 63, 34] {
            assert_eq!(ask("admin", beyond).await, (403, unknown.clone()), "{beyond}");
        }
        assert_eq!(app.rows(), before);
        assert_eq!(ask("admin", 31).await.0, 200);
    }

    async fn every_kind_of_credentials_creates_a_token_and_missing_or_wrong_ones_do_not(app: TestApp) {
        let ada = hub_owner(&app);
        let body = json!({ "hub_id": "hub", "nid": "n" });
        let ask = || app.post(CREATE).json(&body);
        let api_key = |email: &str| format!("ApiKey {email}:{}", ada.key);
        for good in [
            ask().bearer_auth(&ada.key),
            ask().basic_auth(ada.email(), Some(PASSWORD)),
            ask().header("authorization", api_key("ada@example.org")),
        ] {
            assert_eq!(send_for_data(good).await.0, 200);
        }
        let before = app.rows();
        for bad in [
            ask(),
            ask().bearer_auth("csk_nonsense"),
            ask().basic_auth(ada.email(), Some("wrong")),
            ask().basic_auth("nobody@example.org", Some(PASSWORD)),
            ask().header("authorization", api_key("grace@example.org")),
            ask().header("authorization", "Negotiate x"),
            ask().header("cookie", "session=1"),
        ] {
            let answer = bad.send().await.unwrap();
            assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"countersign\", charset=\"UTF-8\"");
            assert_eq!(super::read_envelope(answer).await.0, 401);
        }
        assert_eq!(app.rows(), before);
    }

    async fn an_introspection_key_cannot_create_a_token(app: TestApp) {
        let ada = hub_owner(&app);
        let key = app.key(&ada.user, Scope::Introspect);
        let before = app.rows();
        let ask = app.post(CREATE).bearer_auth(key).json(&json!({ "hub_id": "hub", "nid": "n" }));
        expect_refusal(ask, 403, "forbidden").await;
        assert_eq!(app.rows(), before);
    }

    async fn get_creates_a_token_and_head_does_not(app: TestApp) {
        let ada = hub_owner(&app);
        let path = format!("{CREATE}?hub_id=hub&nid=n");
        assert_eq!(send_for_data(app.get(&path).by_user(&ada)).await.0, 200);
        let before = app.rows();
        let head = app.request(Method::HEAD, &path).by_user(&ada).send().await.unwrap();
        assert_eq!(head.status(), 405);
        for method in [Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let answer = app.request(method.clone(), &path).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"GET, POST".parse().unwrap()));
            if method != Method::HEAD {
                assert_eq!(super::read_envelope(answer).await.1["error"], "method_not_allowed");
            }
        }
        assert_eq!(app.rows(), before);
    }

    async fn a_cross_site_request_creates_no_token_with_any_method(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        let path = format!("{CREATE}?hub_id=hub&nid=n");
        for site in ["cross-site", "same-site"] {
            for method in [Method::GET, Method::POST] {
                let ask = app.request(method, &path).by_user(&ada).header("sec-fetch-site", site);
                expect_refusal(ask, 403, "forbidden").await;
            }
        }
        assert_eq!(app.rows(), before);
        for site in ["same-origin", "none"] {
            assert_eq!(send_for_data(app.get(&path).by_user(&ada).header("sec-fetch-site", site)).await.0, 200);
        }
    }

    async fn a_trailing_slash_is_accepted(app: TestApp) {
        let ada = hub_owner(&app);
        let ask = app.post(&format!("{CREATE}/")).by_user(&ada).json(&json!({ "hub_id": "hub", "nid": "n" }));
        assert_eq!(send_for_data(ask).await.0, 200);
    }

    async fn an_unknown_method_name_returns_404(app: TestApp) {
        let ada = hub_owner(&app);
        for (name, code) in [
            ("/-/svc/mfs_api.nonsense", "unknown_method"),
            ("/-/svc/mfs_api", "unknown_method"),
            ("/-/svc/mfs_api.list/more", "unknown_method"),
            ("/-/svc/media.upload", "unknown_service"),
            ("/-/svc/MFS_API.list", "unknown_service"),
            ("/-/svc/%00", "unknown_service"),
            ("/-/svc/", "unknown_service"),
            ("/-/svc", "unknown_service"),
        ] {
            expect_refusal(app.get(name), 404, code).await;
            expect_refusal(app.post(name).by_user(&ada).json(&json!({})), 404, code).await;
        }
    }
}
