//! hexo: approving some of the rights, and declining.

use serde_json::{Value, json};

use crate::helpers::ByUser;
use crate::hexo::{
    HexoFixture, REQUESTS, expect_error, expect_field_error, expect_refusal, expect_response, resource_id,
};

const RESOURCE: &str = "bundle_permission_request";
const COUNT_PERMISSIONS: &str = "SELECT count(*) AS n FROM bundle_permissions";

on_both_databases! {
    async fn a_target_can_approve_fewer_rights_for_a_shorter_time(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (read, both) = (json!([2, ["read"]]), json!([6, ["read", "get"]]));
        let (asked, earlier) = (json!("2030-01-01T02:00:00Z"), json!("2030-01-01T00:01:30Z"));
        for (nth, (body, rights, end)) in [
            (json!({}), &both, &asked),
            (json!({ "permission": null, "expires_at": "", "permission_ttl": null }), &both, &asked),
            (json!({ "permission": 2 }), &read, &asked),
            (json!({ "permission": "2" }), &read, &asked),
            (json!({ "permission": ["read"] }), &read, &asked),
            (json!({ "permission": ["get", "read", "get"] }), &both, &asked),
            (json!({ "expires_at": "2030-01-01T01:01:30+01:00" }), &both, &earlier),
            (json!({ "expires_at": "2030-01-01T02:00:00Z" }), &both, &asked),
            (json!({ "permission_ttl": 90 }), &both, &earlier),
            (json!({ "permission_ttl": "90", "permission": 2, "unknown": [1] }), &read, &earlier),
            (json!({ "permission_ttl": 7_200 }), &both, &asked),
        ]
        .into_iter()
        .enumerate()
        {
            let scene = scene.with_bundle(&app, &format!("Bundle {nth}"), 6);
            let (request, token) = scene.ask(&app, json!({ "permission_ttl": 7_200, "minimum": 2 })).await;
            let granted = expect_response(scene.decide(&app, &token, "approve", &body), 200).await;
            assert_eq!(json!([granted["permission"], granted["rights"]]), *rights, "{body}");
            assert_eq!((&granted["expires_at"], &granted["granted_at"]), (end, &json!("2030-01-01T00:00:00Z")), "{body}");
            assert_eq!(granted["request"], request["resource_uri"]);
            assert_eq!(expect_response(app.get(granted["resource_uri"].as_str().unwrap()).by_user(&scene.ada), 200).await, granted);
            for who in [&scene.ada, &scene.grace] {
                let seen = expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(who), 200).await;
                assert_eq!((&seen["status"], &seen["decided_at"]), (&json!("approved"), &json!("2030-01-01T00:00:00Z")));
                assert_eq!(
                    seen["decision"],
                    json!({
                        "permission": rights[0], "rights": rights[1], "expires_at": end,
                        "bundle_permission": granted["resource_uri"], "reason": null,
                    })
                );
                assert_eq!((&seen["permission"], &seen["permission_ttl"]), (&json!(6), &json!(7_200)), "what was asked");
            }
            expect_error(&app, scene.decide(&app, &token, "approve", &body), 404, "Not found.").await;
        }
        app.assert_user_counters();
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), 11);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action LIKE 'permission.%'"), 0);
    }

    async fn an_approval_beyond_what_was_asked_is_rejected_and_consumes_nothing(app: TestApp) {
        let scene = HexoFixture::new(&app).with_bundle(&app, "Heart", 14);
        let (request, token) = scene.ask(&app, json!({ "permission": 6, "minimum": 2, "permission_ttl": 7_200 })).await;
        for permission in [
            json!(14), json!(8), json!(1), json!(4), json!(63), json!(0), json!(64), json!(-2), json!("64"), json!("x"),
            json!(2.0), json!(2.5), json!(true), json!({ "read": true }), json!([]), json!(["get"]), json!(["READ"]),
            json!(["read", "fly"]), json!(["read", "write"]), json!([2]), json!(["read", null]), json!(9_223_372_036_854_775_807_u64),
        ] {
            let body = json!({ "permission": permission });
            expect_field_error(&app, scene.decide(&app, &token, "approve", &body), RESOURCE, "permission").await;
        }
        for end in [
            json!("2030-01-01T00:00:00Z"), json!("2029-12-31T23:59:59Z"), json!("0001-01-01T00:00:00Z"),
            json!("2030-01-01T02:00:01Z"), json!("9999-12-31T23:59:59Z"), json!("2030-01-01T01:00:00"),
            json!("2030-01-01"), json!("2030-02-30T00:00:00Z"), json!("tomorrow"), json!(1_893_459_600), json!(true),
            json!(["2030-01-01T01:00:00Z"]), json!({}),
        ] {
            let body = json!({ "expires_at": end });
            expect_field_error(&app, scene.decide(&app, &token, "approve", &body), RESOURCE, "expires_at").await;
        }
        for ttl in [
            json!(0), json!(-1), json!(7_201), json!("7201"), json!("x"), json!(1.5), json!(true), json!([60]),
            json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!("3600s"),
        ] {
            let body = json!({ "permission_ttl": ttl });
            expect_field_error(&app, scene.decide(&app, &token, "approve", &body), RESOURCE, "permission_ttl").await;
        }
        let both = json!({ "expires_at": "2030-01-01T01:00:00Z", "permission_ttl": 60 });
        expect_field_error(&app, scene.decide(&app, &token, "approve", &both), RESOURCE, "permission_ttl").await;
        for body in ["{broken", "[]", "2", "null", "{\"permission\":2,\"x\":\"\\u0000\"}"] {
            let approve = app.post(&format!("{}approve/", HexoFixture::token_path(&token))).by_user(&scene.grace);
            expect_refusal(&app, approve.header("content-type", "application/json").body(body), 400).await;
        }
        let approve = app.post(&format!("{}approve/", HexoFixture::token_path(&token))).by_user(&scene.grace);
        expect_refusal(&app, approve.header("content-type", "text/plain").body("{}"), 415).await;
        let seen = expect_response(app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        assert_eq!((&seen["status"], &seen["resource_uri"]), (&json!("pending"), &request["resource_uri"]));
        let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        assert_eq!((&granted["permission"], &granted["expires_at"]), (&json!(6), &json!("2030-01-01T02:00:00Z")));
    }

    async fn a_request_without_an_end_can_be_approved_until_any_later_time(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for (nth, (body, end)) in [
            (json!({ "expires_at": "9999-12-31T23:59:59Z" }), json!("9999-12-31T23:59:59Z")),
            (json!({ "permission_ttl": 1 }), json!("2030-01-01T00:00:01Z")),
            (json!({ "permission_ttl": 3_153_600_000_i64 }), json!("2129-12-08T00:00:00Z")),
            (json!({}), Value::Null),
        ]
        .into_iter()
        .enumerate()
        {
            let scene = scene.with_bundle(&app, &format!("Bundle {nth}"), 6);
            let (_, token) = scene.ask(&app, json!({})).await;
            let beyond = scene.decide(&app, &token, "approve", &json!({ "permission_ttl": 3_153_600_001_i64 }));
            expect_field_error(&app, beyond, RESOURCE, "permission_ttl").await;
            assert_eq!(expect_response(scene.decide(&app, &token, "approve", &body), 200).await["expires_at"], end);
        }
    }

    async fn a_permission_ttl_counts_from_the_decision(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.ask(&app, json!({ "permission_ttl": 3_600 })).await;
        app.advance(1_000);
        let later = json!({ "expires_at": "2030-01-01T01:16:41Z" });
        expect_field_error(&app, scene.decide(&app, &token, "approve", &later), RESOURCE, "expires_at").await;
        let granted = expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        assert_eq!(granted["expires_at"], "2030-01-01T01:16:40Z");
    }

    async fn a_target_can_decline_with_a_reason_that_the_requester_sees(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let longest = "ü".repeat(500);
        for (body, reason) in [
            (json!({ "reason": longest }), json!(longest)),
            (json!({ "reason": "Not now." }), json!("Not now.")),
            (json!({ "reason": "" }), Value::Null),
            (json!({ "reason": null }), Value::Null),
            (json!({}), Value::Null),
        ] {
            let (request, token) = scene.ask(&app, json!({})).await;
            for wrong in [json!("ü".repeat(501)), json!(1), json!(true), json!(["no"]), json!({})] {
                let decline = scene.decide(&app, &token, "decline", &json!({ "reason": wrong }));
                expect_field_error(&app, decline, RESOURCE, "reason").await;
            }
            assert_eq!(expect_response(scene.decide(&app, &token, "decline", &body), 204).await, Value::Null);
            for who in [&scene.ada, &scene.grace] {
                let seen = expect_response(app.get(request["resource_uri"].as_str().unwrap()).by_user(who), 200).await;
                assert_eq!((&seen["status"], &seen["decided_at"]), (&json!("declined"), &json!("2030-01-01T00:00:00Z")));
                assert_eq!(
                    seen["decision"],
                    json!({ "permission": null, "rights": null, "expires_at": null, "bundle_permission": null, "reason": reason })
                );
            }
            for (decision, body) in [("approve", json!({})), ("decline", body)] {
                expect_error(&app, scene.decide(&app, &token, decision, &body), 404, "Not found.").await;
            }
            expect_error(&app, app.get(&HexoFixture::token_path(&token)).by_user(&scene.grace), 404, "Not found.").await;
        }
        // Without a body.
        let (_, token) = scene.ask(&app, json!({})).await;
        expect_response(app.post(&format!("{}decline", HexoFixture::token_path(&token))).by_user(&scene.grace), 204).await;
        assert_eq!(app.count(COUNT_PERMISSIONS), 0);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.declined'"), 6);
        app.assert_user_counters();
    }

    async fn only_the_target_can_approve_or_decline_a_part(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let (request, token) = scene.ask(&app, json!({ "permission": 2 })).await;
        let (_, used) = scene.with_bundle(&app, "Used", 6).ask(&app, json!({})).await;
        expect_response(scene.decide(&app, &used, "approve", &json!({})), 200).await;
        let number = resource_id(&request).to_string();
        for decision in ["approve", "decline"] {
            let path = format!("{}{decision}/", HexoFixture::token_path(&token));
            expect_refusal(&app, app.post(&path), 401).await;
            // Others learn neither that the token exists nor which rights it asks for.
            for body in [json!({}), json!({ "permission": 4 }), json!({ "permission_ttl": 60 }), json!({ "reason": "no" })] {
                for who in [&scene.ada, &scene.eve, &root] {
                    expect_error(&app, app.post(&path).by_user(who).json(&body), 404, "Not found.").await;
                    let keyed = app.post(&path).by_user(who).json(&body).header("idempotency-key", "one");
                    expect_error(&app, keyed, 404, "Not found.").await;
                }
                for wrong in [&used, &number, "csr_x", &token[1..], &token.to_uppercase(), &format!("{token}%00"), &"x".repeat(4_000)] {
                    expect_error(&app, scene.decide(&app, wrong, decision, &body), 404, "Not found.").await;
                }
            }
        }
        // An invalid body is answered alike for every token and caller.
        for token in [&token, &used, "csr_x"] {
            for who in [&scene.ada, &scene.grace] {
                let path = format!("{}approve/", HexoFixture::token_path(token));
                let invalid = app.post(&path).by_user(who).json(&json!({ "permission": 0 }));
                expect_field_error(&app, invalid, RESOURCE, "permission").await;
            }
        }
        for (method, path) in [
            (reqwest::Method::GET, "approve"), (reqwest::Method::PUT, "approve"), (reqwest::Method::DELETE, "decline"),
            (reqwest::Method::PATCH, "decline"),
        ] {
            let response = app.request(method, &format!("{}{path}/", HexoFixture::token_path(&token))).send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "POST"));
        }
        expect_response(scene.decide(&app, &token, "approve", &json!({})), 200).await;
    }

    async fn a_key_replays_the_same_approval_in_other_words_only(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.ask(&app, json!({ "permission_ttl": 7_200 })).await;
        let keyed = |decision: &str, body: &Value| {
            scene.decide(&app, &token, decision, body).header("idempotency-key", "one")
        };
        let put = || app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("idempotency-key", "one");
        let first = expect_response(keyed("approve", &json!({ "permission": ["read"], "permission_ttl": 3_000 })), 200).await;
        assert_eq!((&first["permission"], &first["expires_at"]), (&json!(2), &json!("2030-01-01T00:50:00Z")));
        app.advance(10);
        let before = app.rows();
        for body in [
            json!({ "permission": 2, "permission_ttl": 3_000 }),
            json!({ "permission": "2", "expires_at": "2030-01-01T01:50:00+01:00", "other": 1 }),
        ] {
            assert_eq!(expect_response(keyed("approve", &body), 200).await, first, "{body}");
        }
        assert_eq!(app.rows(), before);
        for body in [
            json!({}),
            json!({ "permission": 2 }),
            json!({ "permission_ttl": 3_000 }),
            json!({ "permission": 6, "permission_ttl": 3_000 }),
            json!({ "permission": 2, "permission_ttl": 2_990 }),
        ] {
            expect_refusal(&app, keyed("approve", &body), 422).await;
        }
        expect_refusal(&app, put(), 422).await;
        expect_refusal(&app, keyed("decline", &json!({})), 422).await;
        expect_error(&app, scene.decide(&app, &token, "approve", &json!({})), 404, "Not found.").await;
    }

    async fn a_put_is_the_same_decision_as_approving_what_was_asked(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let whole = [json!({}), json!({ "permission": 6 }), json!({ "permission": ["get", "read"], "permission_ttl": 7_200 })];
        for (nth, first_is_put) in [true, false].into_iter().enumerate() {
            let scene = scene.with_bundle(&app, &format!("Bundle {nth}"), 6);
            let (_, token) = scene.ask(&app, json!({ "permission_ttl": 7_200 })).await;
            let key = format!("key {nth}");
            let put = || app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace).header("idempotency-key", &key);
            let approve = |body: &Value| scene.decide(&app, &token, "approve", body).header("idempotency-key", &key);
            let first = expect_response(if first_is_put { put() } else { approve(&whole[2]) }, 200).await;
            assert_eq!(expect_response(put(), 200).await, first);
            for body in &whole {
                assert_eq!(expect_response(approve(body), 200).await, first, "{body}");
            }
            expect_refusal(&app, approve(&json!({ "permission": 2 })), 422).await;
            expect_refusal(&app, scene.decide(&app, &token, "decline", &json!({})).header("idempotency-key", &key), 422).await;
        }
    }

    async fn a_key_replays_the_same_refusal_and_decides_on_one_request(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.ask(&app, json!({})).await;
        let (_, other) = scene.with_bundle(&app, "Other", 6).ask(&app, json!({})).await;
        let keyed = |token: &str, decision: &str, body: &Value| {
            scene.decide(&app, token, decision, body).header("idempotency-key", "one")
        };
        let put = |token: &str| app.put(&HexoFixture::token_path(token)).by_user(&scene.grace).header("idempotency-key", "one");
        expect_response(keyed(&token, "decline", &json!({ "reason": "no" })), 204).await;
        let before = app.rows();
        expect_response(keyed(&token, "decline", &json!({ "reason": "no", "other": 1 })), 204).await;
        assert_eq!(app.rows(), before);
        for body in [json!({}), json!({ "reason": "No" })] {
            expect_refusal(&app, keyed(&token, "decline", &body), 422).await;
        }
        expect_refusal(&app, keyed(&token, "approve", &json!({})), 422).await;
        expect_refusal(&app, put(&token), 422).await;
        for decision in ["approve", "decline"] {
            expect_refusal(&app, keyed(&other, decision, &json!({})), 422).await;
        }
        expect_refusal(&app, put(&other), 422).await;
        expect_error(&app, scene.decide(&app, &token, "decline", &json!({ "reason": "no" })), 404, "Not found.").await;
        app.advance(86_400);
        expect_error(&app, keyed(&token, "decline", &json!({ "reason": "no" })), 404, "Not found.").await;
        expect_response(keyed(&other, "approve", &json!({ "permission": 2 })), 200).await;
        let list = expect_response(app.get(REQUESTS).by_user(&scene.grace), 200).await;
        assert_eq!(list["meta"]["total_count"], 0);
    }

    async fn an_approval_cannot_be_replayed_after_its_permission_has_ended(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let (_, token) = scene.ask(&app, json!({})).await;
        let approve = || scene.decide(&app, &token, "approve", &json!({ "permission_ttl": 60 })).header("idempotency-key", "one");
        expect_response(approve(), 200).await;
        app.advance(60);
        expect_error(&app, approve(), 404, "Not found.").await;
        // Nor when there is another one.
        let (_, token) = scene.ask(&app, json!({})).await;
        expect_response(app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace), 200).await;
        expect_error(&app, approve(), 404, "Not found.").await;
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), 2);
    }

    async fn a_maximum_configured_after_a_request_limits_its_approval(mut app: TestApp) {
        let scene = HexoFixture::new(&app);
        let url = app.spawn_replica_with("[permissions]\nmax_ttl = 7200");
        let until = json!("2030-01-01T02:00:00Z");
        for (nth, asked) in [Value::Null, json!(86_400)].into_iter().enumerate() {
            let scene = scene.with_bundle(&app, &format!("Bundle {nth}"), 6);
            let (request, token) = scene.ask(&app, json!({ "permission_ttl": asked })).await;
            assert_eq!(request["permission_ttl"], asked);
            let request_url = format!("{url}{}", request["resource_uri"].as_str().unwrap());
            let seen = async || expect_response(app.get(&request_url).by_user(&scene.ada), 200).await;
            assert_eq!(seen().await["permission_ttl"], 7_200);
            let path = format!("{url}{}", HexoFixture::token_path(&token));
            let approve = |body: &Value| {
                app.post(&format!("{path}approve/")).by_user(&scene.grace).header("idempotency-key", &token).json(body)
            };
            for field in [json!({ "permission_ttl": 7_201 }), json!({ "expires_at": "2030-01-01T02:00:01Z" })] {
                expect_refusal(&app, approve(&field), 400).await;
            }
            let put = || app.put(&path).by_user(&scene.grace).header("idempotency-key", &token);
            let granted = expect_response(put(), 200).await;
            assert_eq!(granted["expires_at"], until);
            assert_eq!(expect_response(put(), 200).await, granted);
            for same in [json!({}), json!({ "permission_ttl": 7_200 })] {
                assert_eq!(expect_response(approve(&same), 200).await, granted, "{same}");
            }
            // A replica without the maximum sees the same decision.
            let elsewhere = app.put(&HexoFixture::token_path(&token)).by_user(&scene.grace);
            assert_eq!(expect_response(elsewhere.header("idempotency-key", &token), 200).await, granted);
            let seen = seen().await;
            assert_eq!((&seen["permission_ttl"], &seen["decision"]["expires_at"]), (&json!(7_200), &until));
        }
    }
}
