//! The middleware of the app: the request id, the log line, the metrics, and the headers of
//! every response.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::response_delay;
use super::upgrade::ignore_upgrade;
use crate::http::authzen;
use crate::http::extract::client_ip::is_from_trusted_proxy;
use crate::http::metrics::method_label;
use crate::http::server::idle_timeout::Activity;
use crate::http::state::AppState;
use crate::telemetry::{self, Correlation, RequestSpan, Tracer};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest request id that is echoed as it is.
const MAX_ECHOED_BYTES: usize = 1_024;

/// Headers of a response whose handler does not set them: do not store it, load nothing for
/// it, send no referrer from it to other origins, and do not show it in a frame. With
/// `no-referrer`, forms would send `Origin: null`.
const DEFAULT_HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// The middleware of the app. It logs the pattern of the route, never the path or the query,
/// which may contain tokens.
pub async fn request_middleware<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let closes = ignore_upgrade(&mut request);
    let started = Instant::now();
    let _in_flight = request.conn_data::<Rc<Activity>>().map(Activity::begin_request);
    let id = request_id(&request);
    let method = request.method().clone();
    let state = request.app_data::<Data<AppState>>().cloned();
    let tracer = state.as_ref().and_then(|state| state.tracer.as_ref());
    let span = tracer.map(|tracer| start_span(tracer, request.request()));
    let correlation =
        Correlation { request_id: Some(Arc::clone(&id)), span: span.as_ref().map(RequestSpan::context) };
    let id = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"));
    let record = |route: &str, status: StatusCode| {
        let took = started.elapsed();
        if let Some(state) = &state {
            state.metrics.record_request(&method, route, status, took);
        }
        if let Some(span) = span {
            // `unmatched` and `aborted` are no routes.
            let pattern = Some(route).filter(|route| route.starts_with('/'));
            span.end(method_label(&method), pattern, status.as_u16());
        }
        let duration_us = took.as_micros() as u64;
        tracing::info!(%method, route, status = status.as_u16(), duration_us, "request");
    };
    let handled = async {
        match next.call(request).await {
            Ok(mut response) => {
                // A server without limits is a server whose capacity is being measured.
                if state.as_ref().is_none_or(|state| state.config.limits.are_enforced()) {
                    response_delay::apply(response.response(), started.elapsed()).await;
                }
                let pattern = response.request().match_pattern();
                record(pattern.as_deref().unwrap_or("unmatched"), response.status());
                if let Some(state) = &state {
                    state.metrics.record_refusal(&response.response().extensions());
                }
                let given = given_request_id(&response);
                add_common_headers(response.response_mut(), given.as_ref().unwrap_or(&id), &state, closes);
                Ok(response)
            }
            // The handler panicked or exceeded its deadline: its request, with the pattern of the
            // route, was dropped.
            Err(error) => {
                let mut response = error.error_response();
                record("aborted", response.status());
                add_common_headers(&mut response, &id, &state, closes);
                Err(InternalError::from_response(error, response).into())
            }
        }
    };
    telemetry::scope(correlation, handled).await
}

/// Starts the span of a request. Only a trusted proxy can make it part of another trace.
fn start_span(tracer: &Tracer, request: &HttpRequest) -> RequestSpan {
    let traceparent = || {
        let mut values = request.headers().get_all(TRACEPARENT);
        let only = values.next().filter(|_| values.next().is_none());
        only?.to_str().ok()
    };
    let traceparent = if is_from_trusted_proxy(request) { traceparent() } else { None };
    tracer.start_request(method_label(request.method()), traceparent)
}

fn add_common_headers<B>(
    response: &mut HttpResponse<B>,
    id: &HeaderValue,
    state: &Option<Data<AppState>>,
    closes: bool,
) {
    if closes || state.as_ref().is_some_and(|state| state.shutdown.is_draining()) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    if state.as_ref().is_some_and(|state| state.config.public_url.is_https()) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.insert(X_REQUEST_ID, id.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in DEFAULT_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The `X-Request-Id` of a request to AuthZEN, which requires that any string is echoed. It is not
/// logged unless it is valid.
fn given_request_id<B>(response: &ServiceResponse<B>) -> Option<HeaderValue> {
    let request = response.request();
    let is_authzen = request.path().strip_prefix(authzen::PATH).is_some_and(|rest| rest.starts_with('/'));
    let id = request.headers().get(X_REQUEST_ID).filter(|id| is_authzen && id.len() <= MAX_ECHOED_BYTES)?;
    Some(id.clone())
}

/// Returns the request's `X-Request-Id` if it is valid, or a new id.
fn request_id(request: &ServiceRequest) -> Arc<str> {
    let is_valid = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = request.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_valid);
    match given {
        Some(id) => id.into(),
        None => new_request_id(),
    }
}

/// A new id: the hash of a counter with random keys, because an id is no secret, and asking the operating system for random
/// bytes takes longer.
fn new_request_id() -> Arc<str> {
    static HASHERS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let [high, low] = HASHERS.each_ref().map(|hasher| hasher.hash_one(number));
    Uuid::from_u64_pair(high, low).simple().to_string().into()
}
