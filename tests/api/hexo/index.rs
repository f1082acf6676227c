//! hexo: the resources that need no credentials.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::ByUser;
use crate::hexo::{expect_error, expect_response};

const RESOURCES: [&str; 8] = [
    "account",
    "audit",
    "block",
    "bundle",
    "bundle_permission",
    "bundle_permission_request",
    "user",
    "webhook",
];

/// The methods of each resource's list and details.
const METHODS: [(&str, &str, Option<&str>); 8] = [
    ("account", "GET, HEAD", None),
    ("audit", "GET, HEAD", Some("GET, HEAD")),
    ("block", "GET, HEAD, POST", Some("GET, HEAD, DELETE")),
    ("bundle", "GET, HEAD, POST", Some("GET, HEAD, PUT, DELETE")),
    ("bundle_permission", "GET, HEAD, POST", Some("GET, HEAD, DELETE")),
    ("bundle_permission_request", "GET, HEAD, POST", Some("GET, HEAD, PUT, DELETE")),
    ("user", "GET, HEAD, POST", Some("GET, HEAD, PUT, PATCH")),
    ("webhook", "GET, HEAD, POST", Some("GET, HEAD, PATCH, DELETE")),
];

on_both_databases! {
    async fn the_index_and_the_schemas_need_no_credentials(app: TestApp) {
        for root in ["/api", "/api/v1"] {
            let index = expect_response(app.get(&format!("{root}/")), 200).await;
            assert_eq!(index.as_object().unwrap().len(), RESOURCES.len());
            for name in RESOURCES {
                let entry = json!({
                    "list_endpoint": format!("{root}/{name}/"),
                    "schema": format!("{root}/{name}/schema/"),
                });
                assert_eq!(index[name], entry);
                let schema = expect_response(app.get(entry["schema"].as_str().unwrap()), 200).await;
                let keys: Vec<&String> = schema.as_object().unwrap().keys().collect();
                assert_eq!(
                    keys,
                    [
                        "allowed_detail_http_methods",
                        "allowed_list_http_methods",
                        "default_format",
                        "default_limit",
                        "fields",
                        "filtering",
                        "ordering",
                    ]
                );
                for (_, field) in schema["fields"].as_object().unwrap() {
                    for property in
                        ["blank", "default", "help_text", "nullable", "readonly", "type", "unique"]
                    {
                        assert!(field.get(property).is_some(), "{name}: {field}");
                    }
                }
            }
        }
    }

    async fn the_request_schema_describes_the_resource(app: TestApp) {
        let schema = expect_response(app.get("/api/bundle_permission_request/schema/"), 200).await;
        let fields = schema["fields"].as_object().unwrap();
        let names: Vec<&String> = fields.keys().collect();
        assert_eq!(
            names,
            [
                "bundle", "created_at", "decided_at", "decision", "expires_at", "id", "minimum", "permission",
                "permission_ttl", "purpose", "redeem_url", "resource_uri", "return_url", "rights", "state",
                "status", "ttl", "user_allowed", "user_target",
            ]
        );
        assert_eq!(schema["allowed_list_http_methods"], json!(["get", "post"]));
        assert_eq!(schema["allowed_detail_http_methods"], json!(["get", "put", "delete"]));
        for optional in ["permission_ttl", "purpose", "redeem_url", "return_url", "state", "ttl"] {
            assert_eq!(
                (&fields[optional]["blank"], &fields[optional]["nullable"]),
                (&json!(true), &json!(true))
            );
        }
        for required in ["bundle", "user_allowed", "user_target"] {
            assert_eq!(
                (&fields[required]["blank"], &fields[required]["nullable"]),
                (&json!(false), &json!(false))
            );
            assert_eq!(fields[required]["type"], "related");
        }
        assert_eq!(fields["user_target"]["related_schema"], "/api/user/schema/");
        assert_eq!(
            (&fields["ttl"]["type"], &fields["resource_uri"]["readonly"]),
            (&json!("integer"), &json!(true))
        );
        assert_eq!(
            schema["filtering"],
            json!({
                "bundle": ["exact", "in"], "created_at": ["gte", "lt"], "status": ["exact", "in"],
                "user_allowed": ["exact", "in"], "user_target": ["exact", "in"],
            })
        );
        assert_eq!(schema["ordering"], json!([]));
    }

    async fn the_user_schema_describes_the_filters(app: TestApp) {
        let schema = expect_response(app.get("/api/v1/user/schema"), 200).await;
        assert_eq!(schema["filtering"]["email"], json!(["exact", "in", "startswith"]));
        assert_eq!(schema["filtering"]["id"], json!(["exact", "in"]));
        assert_eq!(
            (&schema["default_format"], &schema["default_limit"]),
            (&json!("application/json"), &json!(20))
        );
    }

    async fn an_unsupported_method_is_rejected_before_authentication(app: TestApp) {
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];
        for root in ["/api", "/api/v1"] {
            let mut paths =
                vec![(root.to_owned(), "GET, HEAD"), (format!("{root}/connect/oauth2/token"), "POST")];
            for (name, list, detail) in METHODS {
                paths.push((format!("{root}/{name}"), list));
                paths.push((format!("{root}/{name}/schema"), "GET, HEAD"));
                if let Some(detail) = detail {
                    paths.push((format!("{root}/{name}/set/1;2"), "GET, HEAD"));
                    paths.push((format!("{root}/{name}/1"), detail));
                }
            }
            paths.push((format!("{root}/bundle_permission_request/csr_x"), "GET, HEAD, PUT, DELETE"));
            for (path, allow) in paths {
                let wrong =
                    methods.iter().filter(|method| !allow.split(", ").any(|served| served == **method));
                for (method, slash) in wrong.zip(["", "/"].iter().cycle()) {
                    let request = app
                        .request(Method::from_bytes(method.as_bytes()).unwrap(), &format!("{path}{slash}"));
                    let refused = request.send().await.unwrap();
                    assert_eq!(refused.status(), 405, "{method} {path}");
                    assert_eq!(refused.headers()["allow"], allow, "{method} {path}");
                    let body = refused.text().await.unwrap();
                    assert!(*method == "HEAD" || body.contains("error"), "{method} {path}: {body}");
                }
            }
        }
    }

    async fn head_responds_like_get_without_a_body(app: TestApp) {
        let ada = app.user("ada@example.org");
        for path in
            ["/api/", "/api/user/schema/", "/api/user/", "/api/account", "/api/bundle/1/", "/api/user/set/1/"]
        {
            let get = app.get(path).by_user(&ada).send().await.unwrap();
            let head = app.request(Method::HEAD, path).by_user(&ada).send().await.unwrap();
            assert_eq!(head.status(), get.status(), "{path}");
            assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
            assert!(head.bytes().await.unwrap().is_empty());
        }
    }

    async fn an_unknown_path_returns_a_json_404_without_credentials(app: TestApp) {
        for path in [
            "/api/nonsense",
            "/api/nonsense/1/",
            "/api/v1/nonsense/",
            "/api/v2/",
            "/api/user/1/2/",
            "/api/account/1/",
            "/api/account/set/1/",
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                expect_error(&app, app.request(method, path), 404, "Not found.").await;
            }
        }
    }

    async fn a_resource_without_credentials_returns_401(app: TestApp) {
        for path in [
            "/api/account/",
            "/api/user/",
            "/api/user/1/",
            "/api/user/x/",
            "/api/user/set/1/",
            "/api/bundle/",
            "/api/bundle/1/",
            "/api/bundle_permission/?limit=x",
            "/api/bundle_permission_request/",
            "/api/bundle_permission_request/1/",
            "/api/bundle_permission_request/csr_x/",
        ] {
            let refused = app.get(path).send().await.unwrap();
            assert_eq!(refused.status(), 401, "{path}");
            assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"countersign\", charset=\"UTF-8\"");
            assert!(refused.json::<Value>().await.unwrap()["error"].is_string());
        }
    }

    async fn the_oauth_request_of_the_hexoskin_client_is_rejected(app: TestApp) {
        for path in ["/api/connect/oauth2/token/", "/api/v1/connect/oauth2/token"] {
            let form = app.post(path).form(&[("grant_type", "password")]);
            expect_error(&app, form, 400, "unsupported_grant_type").await;
            expect_error(&app, app.post(path), 400, "unsupported_grant_type").await;
        }
    }

    async fn uris_use_the_request_prefix_and_end_with_a_slash(app: TestApp) {
        let ada = app.user("ada@example.org");
        for (root, slash) in [("/api", ""), ("/api", "/"), ("/api/v1", ""), ("/api/v1", "/")] {
            let list = expect_response(app.get(&format!("{root}/user{slash}?limit=1")).by_user(&ada), 200).await;
            assert_eq!(list["objects"][0]["resource_uri"], format!("{root}/user/{}/", ada.id()));
        }
    }

    async fn hexoskins_signature_headers_are_ignored(app: TestApp) {
        let ada = app.user("ada@example.org");
        let signed = app
            .get("/api/account/")
            .by_user(&ada)
            .header("X-HEXOTIMESTAMP", "1")
            .header("X-HEXOAPIKEY", "x")
            .header("X-HEXOAPISIGNATURE", "x");
        assert_eq!(expect_response(signed, 200).await["objects"][0]["id"], ada.id());
    }
}
