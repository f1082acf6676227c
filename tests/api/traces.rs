//! Traces of the real program, as a collector receives them, and the ids in its log.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::Value;

use crate::collector::{Answer, Collector, Export, texts};
use crate::helpers::{Backend, ByUser, TestApp, send_concurrently};
use crate::processes::{Server, run_failing};
use crate::webhook_sender::receiver::{Behaviour, Receiver};

/// Spans are exported at once.
const AT_ONCE: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "20");
/// Spans are exported at shutdown only.
const AT_SHUTDOWN: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "600000");
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Starts a server that exports to this collector, with further variables and a `countersign.toml`.
fn start(app: &TestApp, endpoint: &str, toml: &str, variables: &[(&str, &str)]) -> Server {
    let own = [("DATABASE_URL", app.database_url.as_str()), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
    Server::start_with(toml, &[&own, variables].concat())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_batch(span: &Span) -> bool {
    span.name.starts_with("registry.")
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[actix_web::test]
async fn spans_have_only_the_route_the_method_and_the_status_of_a_request() {
    let collector = Collector::start(Answer::Accept);
    let app = TestApp::without_server(Backend::Sqlite);
    let (ada, grace) = (app.user("ada.canary@example.org"), app.user("grace.canary@example.org"));
    let token = app.redeem_token(&app.create_request(&ada, &grace, &app.bundle("Sleep", 6)));
    let variables = [
        AT_SHUTDOWN,
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-canary=a%20key"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_SERVICE_NAME", "consents"),
    ];
    let mut server = start(&app, &collector.url, "trusted_proxies = ['127.0.0.1']", &variables);
    let send = async |method: &str, path: &str, expected: u16| {
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        let request = app.request(verb, &format!("{}{path}", server.url)).by_user(&grace);
        let request = request.header("x-forwarded-for", "203.0.113.77").header("user-agent", "agent-canary");
        let request = request.header("x-request-id", "id-canary").header("tracestate", "a=state-canary");
        assert_eq!(status(request.header("traceparent", PARENT)).await, expected, "{method} {path}");
    };
    send("PUT", &format!("/api/bundle_permission_request/{token}/"), 200).await;
    send("GET", &format!("/api/user/{}/?format=query-canary", grace.id()), 200).await;
    send("GET", "/api/path-canary/", 404).await;
    send("GET", "/path-canary", 404).await;
    send("METHOD-CANARY", "/api/account/", 405).await;
    assert!(server.stop("TERM").success());

    let exports = collector.received();
    let mut seen = BTreeSet::new();
    for export in &exports {
        let head = export.head.to_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
        assert!(head.contains("x-canary: a key\r\n"), "{head}");
        for canary in
            ["canary", "example.org", &token, &token[4..20], &ada.key, &grace.key, "203.0.113", "127.0.0.1"]
        {
            assert!(!String::from_utf8_lossy(&export.body).contains(canary), "{canary}");
        }
        for resource in export.decode().resource_spans {
            let mut attributes = texts(&resource.resource.unwrap().attributes);
            assert!(attributes.remove("telemetry.sdk.version").is_some());
            let expected = [
                ("deployment.environment.name", "test"),
                ("service.name", "consents"),
                ("service.version", env!("CARGO_PKG_VERSION")),
                ("telemetry.sdk.language", "rust"),
                ("telemetry.sdk.name", "opentelemetry"),
            ];
            assert_eq!(attributes, owned(&expected));
            for scope in resource.scope_spans {
                let scope = scope.scope.unwrap();
                assert_eq!((scope.name.as_str(), scope.attributes.len()), ("countersign", 0));
            }
        }
        for span in export.spans() {
            assert!(span.events.is_empty() && span.trace_state.is_empty(), "{span:?}");
            assert!(span.status.as_ref().is_none_or(|status| status.code == 0), "{span:?}");
            assert!(span.links.iter().all(|link| link.attributes.is_empty() && link.trace_state.is_empty()));
            let kind = if is_batch(&span) { SpanKind::Internal } else { SpanKind::Server };
            assert_eq!(span.kind(), kind);
            let attributes = texts(&span.attributes);
            seen.insert((span.name, attributes));
        }
    }
    let request = |name: &str, method: &str, route: &str, status: &str| {
        let mut attributes = owned(&[("http.request.method", method), ("http.response.status_code", status)]);
        attributes.extend((!route.is_empty()).then(|| ("http.route".to_owned(), route.to_owned())));
        (name.to_owned(), attributes)
    };
    let (user, decision) = ("/api/user/{id}", "/api/bundle_permission_request/{id_or_token}");
    let expected = [
        ("registry.commit".to_owned(), BTreeMap::new()),
        ("registry.look_up".to_owned(), BTreeMap::new()),
        request(&format!("PUT {decision}"), "PUT", decision, "200"),
        request(&format!("GET {user}"), "GET", user, "200"),
        request("GET", "GET", "", "404"),
        request("HTTP /api/account", "_OTHER", "/api/account", "405"),
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

fn owned(attributes: &[(&str, &str)]) -> BTreeMap<String, String> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[actix_web::test]
async fn a_batch_is_a_span_with_links_to_its_requests() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let collector = Collector::start(Answer::Accept);
        let app = TestApp::without_server(backend);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let tokens: Vec<String> = (0..24)
            .map(|nth| {
                app.redeem_token(&app.create_request(&ada, &grace, &app.bundle(&format!("B{nth}"), 6)))
            })
            .collect();
        let mut server = start(&app, &collector.url, "", &[AT_SHUTDOWN]);
        let url = |token: &String| format!("{}/api/bundle_permission_request/{token}/", server.url);
        let requests = tokens.iter().map(|token| app.put(&url(token)).by_user(&grace));
        assert_eq!(send_concurrently(requests).await, [200; 24]);
        assert!(server.stop("INT").success());

        let spans: Vec<Span> = collector.received().iter().flat_map(Export::spans).collect();
        let (batches, requests): (Vec<&Span>, Vec<&Span>) = spans.iter().partition(|span| is_batch(span));
        let set = |ids: &mut dyn Iterator<Item = &[u8]>| ids.map(hex).collect::<BTreeSet<String>>();
        let requests = set(&mut requests.iter().map(|span| span.span_id.as_slice()));
        let linked = |name: &str| {
            let named = batches.iter().filter(|span| span.name == name);
            set(&mut named.flat_map(|batch| &batch.links).map(|link| link.span_id.as_slice()))
        };
        assert_eq!(linked("registry.commit"), requests);
        // The others found the API key in the cache.
        let looked_up = linked("registry.look_up");
        assert!(!looked_up.is_empty() && looked_up.is_subset(&requests), "{looked_up:?}");
        let traces = set(&mut spans.iter().map(|span| span.trace_id.as_slice()));
        assert_eq!(traces.len(), spans.len(), "each request and each batch begins a trace");
    }
}

#[actix_web::test]
async fn an_attempt_to_send_to_a_webhook_is_a_span_that_the_receiver_can_continue() {
    let collector = Collector::start(Answer::Accept);
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    let toml = "[webhooks]\nallow = ['127.0.0.0/8']";
    let mut server = start(&app, &collector.url, toml, &[AT_SHUTDOWN]);
    let mut attributes = Vec::new();
    let mut contexts = Vec::new();
    for status in ["200 OK", "503 Service Unavailable"] {
        let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let mut receiver = Receiver::start(Behaviour::Respond(response)).await;
        let url = receiver.url("http", "localhost").replace("/hook", "/path-canary");
        let body = serde_json::json!({"url": url, "events": ["user.*"], "description": "text-canary"});
        let webhook = app.post(&format!("{}/api/webhook/", server.url)).by_user(&ada).json(&body);
        let webhook: Value = webhook.send().await.unwrap().json().await.unwrap();
        let test = format!("{}{}test/", server.url, webhook["resource_uri"].as_str().unwrap());
        assert_eq!(self::status(app.post(&test).by_user(&ada)).await, 202);
        let received = receiver.next().await;
        contexts.push(received.header("traceparent").to_owned());
        let code = status[..3].to_owned();
        let mut expected = owned(&[("http.request.method", "POST"), ("http.response.status_code", &code)]);
        if code == "503" {
            expected.insert("error.type".to_owned(), "error_status".to_owned());
        }
        let line = server.next_log_line("webhook delivery");
        assert!(line.contains(&format!(" trace_id=\"{}\"", &contexts[contexts.len() - 1][3..35])), "{line}");
        attributes.push(expected);
    }
    assert!(server.stop("INT").success());
    let exports = collector.received();
    assert!(!exports.iter().any(|export| String::from_utf8_lossy(&export.body).contains("canary")));
    let spans: Vec<Span> = exports.iter().flat_map(Export::spans).collect();
    let sent: Vec<&Span> = spans.iter().filter(|span| span.name == "webhook.send").collect();
    let found = sent.iter().map(|span| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id)));
    assert_eq!(found.collect::<Vec<_>>(), contexts);
    assert_eq!(sent.iter().map(|span| texts(&span.attributes)).collect::<Vec<_>>(), attributes);
    for (span, is_error) in sent.iter().zip([false, true]) {
        assert_eq!(span.kind(), SpanKind::Client);
        assert!(span.parent_span_id.is_empty() && span.links.is_empty() && span.events.is_empty());
        assert_eq!(span.status.as_ref().is_some_and(|status| status.code == 2), is_error);
    }
}

#[actix_web::test]
async fn only_a_trusted_proxy_can_make_a_request_part_of_its_trace() {
    let app = TestApp::without_server(Backend::Sqlite);
    let two = format!("{PARENT},{PARENT}");
    for (toml, headers, is_child) in [
        ("trusted_proxies = ['127.0.0.1']", vec![PARENT], true),
        ("trusted_proxies = ['127.0.0.1']", vec![PARENT, PARENT], false),
        ("trusted_proxies = ['127.0.0.1']", vec![two.as_str()], false),
        ("trusted_proxies = ['192.0.2.1']", vec![PARENT], false),
        ("", vec![PARENT], false),
    ] {
        let collector = Collector::start(Answer::Accept);
        let server = start(&app, &collector.url, toml, &[AT_ONCE]);
        let get = app.get(&format!("{}/healthz", server.url)).header("x-forwarded-for", "192.0.2.1");
        let get = headers.iter().fold(get, |get, header| get.header("traceparent", *header));
        assert_eq!(status(get).await, 200);
        let spans = collector.spans_until(|spans| !spans.is_empty());
        let is_parent = hex(&spans[0].parent_span_id) == "00f067aa0ba902b7"
            && hex(&spans[0].trace_id) == "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(is_parent, is_child, "{toml} {headers:?}");
        assert_eq!(spans[0].parent_span_id.is_empty(), !is_child);
        assert_ne!(spans[0].flags & 1, 0);
    }
    // The sampler follows the proxy.
    let collector = Collector::start(Answer::Accept);
    let mut server = start(&app, &collector.url, "trusted_proxies = ['127.0.0.1']", &[AT_ONCE]);
    let get = app.get(&format!("{}/healthz", server.url));
    assert_eq!(status(get.header("traceparent", PARENT.replace("-01", "-00"))).await, 200);
    assert!(server.stop("INT").success());
    assert!(collector.received().is_empty());
}

#[actix_web::test]
async fn nothing_is_exported_when_traces_are_off_or_not_sampled() {
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    for (variables, has_trace_id) in [
        ([("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
        ([("OTEL_SDK_DISABLED", "true")], false),
        ([("OTEL_TRACES_SAMPLER", "always_off")], true),
    ] {
        let collector = Collector::start(Answer::Accept);
        let mut server = start(&app, &collector.url, "", &variables);
        assert_eq!(status(app.get(&format!("{}/api/account/", server.url)).by_user(&ada)).await, 200);
        let line = server.next_log_line("route=\"/api/account\"");
        assert_eq!(line.contains(" trace_id=\""), has_trace_id, "{line}");
        assert!(line.contains(" request_id=\""), "{line}");
        assert!(server.stop("INT").success());
        assert!(collector.received().is_empty());
    }
}

#[actix_web::test]
async fn a_collector_that_is_down_or_hangs_delays_neither_requests_nor_the_stop() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    for (scheme, collector, warning) in [
        ("http", None, "traces not exported; spans are lost until the collector accepts them error=\"io: "),
        ("http", Some(Answer::Refuse), "accepts them error=\"status 503\""),
        // It does not speak TLS.
        ("https", Some(Answer::Accept), "accepts them error=\""),
        ("http", Some(Answer::Hang), ""),
    ] {
        let collector = collector.map(Collector::start);
        let url = collector.as_ref().map_or(format!("http://{closed}"), |collector| collector.url.clone());
        let url = url.replacen("http", scheme, 1);
        let mut server = start(&app, &url, "", &[AT_ONCE]);
        let account = format!("{}/api/account/", server.url);
        let started = Instant::now();
        assert_eq!(status(app.get(&account).by_user(&ada)).await, 200);
        if !warning.is_empty() {
            server.next_log_line(warning);
        } else if let Some(collector) = &collector {
            // Its thread waits for the answer from now on.
            collector.next_export();
        }
        for _ in 0..5 {
            assert_eq!(status(app.get(&account).by_user(&ada)).await, 200);
        }
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        let stopping = Instant::now();
        assert!(server.stop("INT").success());
        // Two seconds, and time for a busy machine.
        assert!(stopping.elapsed() < Duration::from_secs(6), "{:?}", stopping.elapsed());
        let rest: Vec<String> = server.log.iter().collect();
        assert!(
            !rest.iter().any(|line| line.contains("spans are lost")),
            "an outage is logged once: {rest:?}"
        );
        let is_lost = |line: &String| line.contains("traces not exported before shutdown");
        assert_eq!(rest.iter().any(is_lost), warning.is_empty(), "{rest:?}");
    }
}

#[actix_web::test]
async fn a_json_log_has_the_ids_of_the_request_in_each_of_its_lines() {
    let collector = Collector::start(Answer::Accept);
    let app = TestApp::without_server(Backend::Sqlite);
    let mut server = start(&app, &collector.url, "log.format = 'json'", &[AT_SHUTDOWN]);
    let wrong = app.get(&format!("{}/api/account/", server.url)).basic_auth("ada@example.org", Some("wrong"));
    assert_eq!(status(wrong.header("x-request-id", "my-id")).await, 401);
    assert!(server.stop("INT").success());
    let lines: Vec<Value> = server.log.iter().map(|line| serde_json::from_str(&line).expect(&line)).collect();
    for line in &lines {
        assert!(
            line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string(),
            "{line}"
        );
    }
    let spans: Vec<Span> = collector.received().iter().flat_map(Export::spans).collect();
    let request = spans.iter().find(|span| span.name == "GET /api/account").unwrap();
    let its: Vec<&Value> = lines.iter().filter(|line| line["request_id"] == "my-id").collect();
    let messages: Vec<&str> = its.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["sign-in failed", "request"], "{lines:?}");
    assert!(its.iter().all(|line| line["trace_id"] == hex(&request.trace_id)), "{its:?}");
    assert_eq!((&its[1]["status"], &its[1]["route"]), (&Value::from(401), &Value::from("/api/account")));
}

#[test]
fn a_wrong_setting_of_traces_is_an_error_at_the_start() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let (said, code) = run_failing(&["serve"], &[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert_eq!((said.trim(), code), ("error: OTEL_EXPORTER_OTLP_PROTOCOL: must be `http/protobuf`", Some(1)));
}
