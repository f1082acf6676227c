//! mfs: the sources of a call's parameters.

use countersign::domain::rights::Role;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{CREATE, LIST, expect_refusal, hub_owner, send_for_data};
use crate::helpers::ByUser;

/// An object in the query encoding of Drumee's SDK.
fn encode_query_object(object: &Value) -> String {
    utf8_percent_encode(&object.to_string(), NON_ALPHANUMERIC).to_string()
}

async fn node_of(request: RequestBuilder) -> Value {
    let (status, mut data) = send_for_data(request).await;
    assert_eq!(status, 200, "{data}");
    data["node_id"].take()
}

on_both_databases! {
    async fn headers_carry_parameters(app: TestApp) {
        let ada = hub_owner(&app);
        for hub in ["x-param-hub-id", "x-param-hub_id", "X-Param-Hub-Id"] {
            let ask = app.get(CREATE).by_user(&ada).header(hub, "hub").header("x-param-nid", "n");
            let (status, data) =
                send_for_data(ask.header("x-param-expiry-hours", "0").header("x-param-permission", "6")).await;
            assert_eq!(status, 200);
            assert_eq!((&data["expiry_time"], &data["permission"]), (&json!(0), &json!(6)));
        }
    }

    async fn header_values_carry_every_character(app: TestApp) {
        let ada = hub_owner(&app);
        let ask = |nid: &[u8]| {
            let nid = reqwest::header::HeaderValue::from_bytes(nid).unwrap();
            app.get(CREATE).by_user(&ada).header("x-param-hub-id", "hub").header("x-param-nid", nid)
        };
        assert_eq!(node_of(ask("été".as_bytes())).await, "été");
        assert_eq!(node_of(ask(b"%C3%A9t%C3%A9")).await, "été");
        assert_eq!(node_of(ask(b"\xe9t\xe9")).await, "été");
        let before = app.rows();
        expect_refusal(ask(b"%ff"), 400, "bad_request").await;
        expect_refusal(ask(b"n%00"), 400, "invalid_parameter").await;
        assert_eq!(app.rows(), before);
    }

    async fn a_query_carries_parameters_and_the_extra_ones_of_the_sdk(app: TestApp) {
        let ada = hub_owner(&app);
        for query in [
            "hub_id=hub&nid=a%20b".to_owned(),
            "hub_id=hub&nid=a+b&".to_owned(),
            "hub_id=hub&nid=a%20b&socket_id=s1&device_id=d1&".to_owned(),
            "nid=other&hub_id=hub&nid=a%20b".to_owned(),
            encode_query_object(&json!({ "hub_id": "hub", "nid": "a b" })),
            encode_query_object(&json!({ "hub_id": "hub", "nid": "a b", "socket_id": null, "device_id": "d1" })) + "&",
            encode_query_object(&json!({ "hub_id": "hub" })) + "&nid=a+b",
        ] {
            let ask = app.get(&format!("{CREATE}?{query}")).by_user(&ada).header("content-type", "application/json");
            assert_eq!(node_of(ask).await, "a b", "{query}");
        }
    }

    async fn a_bare_question_mark_and_a_json_type_without_a_body_are_accepted(app: TestApp) {
        let ada = hub_owner(&app);
        for query in ["", "?", "?&", "?%7B%7D", "?%7B%7D&"] {
            for content_type in ["application/json", "text/plain", "nonsense"] {
                let ask = app.get(&format!("{LIST}{query}")).by_user(&ada).header("content-type", content_type);
                assert_eq!(send_for_data(ask).await.0, 200);
                let ask = app.post(&format!("{LIST}{query}")).by_user(&ada).header("content-type", content_type);
                assert_eq!(send_for_data(ask).await.0, 200);
            }
        }
    }

    async fn a_body_carries_parameters_as_json_or_as_a_form(app: TestApp) {
        let ada = hub_owner(&app);
        let body = json!({ "hub_id": "hub", "nid": "n", "service": "x", "deep": [{}] });
        assert_eq!(node_of(app.post(CREATE).by_user(&ada).json(&body)).await, "n");
        assert_eq!(node_of(app.get(CREATE).by_user(&ada).json(&body)).await, "n");
        let ask = app.post(CREATE).by_user(&ada).header("content-type", "Application/JSON; charset=utf-8");
        assert_eq!(node_of(ask.body(body.to_string())).await, "n");
        let form = [("hub_id", "hub"), ("nid", "a b&c"), ("permission", "4"), ("expiry_hours", "0")];
        let (_, data) = send_for_data(app.post(CREATE).by_user(&ada).form(&form)).await;
        let expected = [json!("a b&c"), json!(4), json!(0)];
        assert_eq!([&data["node_id"], &data["permission"], &data["expiry_time"]], expected.each_ref());
    }

    async fn the_later_source_wins_and_null_is_absent(app: TestApp) {
        let ada = hub_owner(&app);
        let by_header = |path: &str| {
            app.post(path).by_user(&ada).header("x-param-hub-id", "hub").header("x-param-nid", "header")
        };
        let (by_query, in_query) = (format!("{CREATE}?nid=query"), encode_query_object(&json!({ "nid": null })));
        assert_eq!(node_of(by_header(CREATE)).await, "header");
        assert_eq!(node_of(by_header(&by_query)).await, "query");
        assert_eq!(node_of(by_header(&format!("{CREATE}?{in_query}"))).await, "header");
        assert_eq!(node_of(by_header(&by_query).json(&json!({ "nid": "body" }))).await, "body");
        assert_eq!(node_of(by_header(&by_query).json(&json!({ "nid": null }))).await, "query");
        assert_eq!(node_of(by_header(&by_query).form(&[("nid", "form")])).await, "form");
        let before = app.rows();
        expect_refusal(by_header(&by_query).json(&json!({ "nid": "" })), 400, "missing_parameters").await;
        assert_eq!(app.rows(), before);
    }

    async fn numbers_are_never_rounded_in_any_source(app: TestApp) {
        let ada = hub_owner(&app);
        let before = app.rows();
        for hours in ["1.9", "abc", "1e3", "", "%2B24", "%2024", "24+", "[24]", "-1", "8761", "9223372036854775808"] {
            let query = format!("{CREATE}?hub_id=hub&nid=n&expiry_hours={hours}");
            expect_refusal(app.get(&query).by_user(&ada), 400, "invalid_expiry").await;
        }
        for permission in ["1.9", "1e1", "[2]", "{}", "0", "64"] {
            let ask = app.get(CREATE).by_user(&ada).header("x-param-hub-id", "hub").header("x-param-nid", "n");
            expect_refusal(ask.header("x-param-permission", permission), 400, "invalid_permission").await;
        }
        for permission in ["1.9", "1e1", "2.0", "18446744073709551616", "[2]", "{\"a\":2}", "true"] {
            let body = format!("{{\"hub_id\":\"hub\",\"nid\":\"n\",\"permission\":{permission}}}");
            let ask = app.post(CREATE).by_user(&ada).header("content-type", "application/json").body(body);
            expect_refusal(ask, 400, "invalid_permission").await;
        }
        assert_eq!(app.rows(), before);
    }

    async fn a_hub_may_have_any_name(app: TestApp) {
        let ada = app.user("ada@example.org");
        for hub in ["a&b=c", "{hub}", "hub+1", "100%", "ünï", "null", " "] {
            app.grant_role(hub, &ada, Role::Admin);
            let query = format!("{CREATE}?{}", encode_query_object(&json!({ "hub_id": hub, "nid": hub })));
            assert_eq!(node_of(app.get(&query).by_user(&ada)).await, hub);
            let form = app.post(CREATE).by_user(&ada).form(&[("hub_id", hub), ("nid", hub)]);
            assert_eq!(node_of(form).await, hub);
        }
    }
}
