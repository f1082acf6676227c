//! What happens to every request before and after its handler: an id, a guard,
//! a log line, and headers that every answer has.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use futures_util::FutureExt;

use super::MAX_BODY_BYTES;
use super::error::{ApiError, ErrorContext};
use super::idle_timeout::Activity;
use super::response_delay;
use super::routing::reject_cross_site;
use super::state::AppState;
use crate::{deadline, entropy, failpoints};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What an answer says unless it says something else: that nobody keeps it, that a browser
/// which shows it loads nothing for it and tells nobody of it, and in nobody's frame.
const DEFAULT_HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// The middleware. Only the route's pattern is logged: paths and queries hold
/// tokens.
pub async fn request_middleware<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let _in_flight = request.conn_data::<Rc<Activity>>().map(Activity::begin_request);
    let id = request_id(&request);
    let method = request.method().clone();
    let state = request.app_data::<Data<AppState>>().cloned();
    let record = |route: &str, status: StatusCode| {
        let took = started.elapsed();
        if let Some(state) = &state {
            state.metrics.record_request(&method, route, status, took);
        }
        tracing::info!(
            %method,
            route,
            status = status.as_u16(),
            duration_us = took.as_micros() as u64,
            request_id = id.to_str().unwrap_or_default(),
            "request"
        );
    };
    let handled = match reject_early(&request) {
        Some(error) => {
            let response = error.to_response(request.request());
            Ok(request.into_response(response))
        }
        None => run_handler(request, next).await?,
    };
    match handled {
        Ok(mut response) => {
            response_delay::apply(&response, started.elapsed()).await;
            record(response.request().match_pattern().as_deref().unwrap_or("unmatched"), response.status());
            add_common_headers(response.response_mut(), &id, &state);
            Ok(response)
        }
        // The request is lost, and what its pattern was with it.
        Err((error, mut response)) => {
            record("aborted", response.status());
            add_common_headers(&mut response, &id, &state);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// What comes of a handler, or what is answered in its place: when it has panicked,
/// or has taken longer than any request may.
async fn run_handler<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<Result<ServiceResponse<BoxBody>, (ApiError, HttpResponse)>, actix_web::Error> {
    let context = ErrorContext::from_request(request.request());
    let handling = async {
        failpoints::fail_point("handler.panic");
        next.call(request).await
    };
    let error = match AssertUnwindSafe(deadline::run(handling)).catch_unwind().await {
        Ok(Some(handled)) => return Ok(Ok(handled?.map_into_boxed_body())),
        Ok(None) => ApiError::OutcomeUnknown,
        Err(_) => ApiError::Internal,
    };
    let response = error.render(&context);
    Ok(Err((error, response)))
}

/// Adds the headers that every answer has.
fn add_common_headers<B>(response: &mut HttpResponse<B>, id: &HeaderValue, state: &Option<Data<AppState>>) {
    if state.as_ref().is_some_and(|state| state.shutdown.is_draining()) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in DEFAULT_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// What is wrong with a request whatever it asks for.
fn reject_early(request: &ServiceRequest) -> Option<ApiError> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|length| length > MAX_BODY_BYTES as u64)
    {
        return Some(ApiError::PayloadTooLarge);
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let state = request.app_data::<Data<AppState>>()?;
    reject_cross_site(request.request(), &state.config).err()
}

/// The id that the request came with, if it is a decent one, or a new one.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    let is_valid = |id: &&HeaderValue| {
        (1..=64).contains(&id.len())
            && id.as_bytes().iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
    };
    if let Some(id) = request.headers().get(X_REQUEST_ID).filter(is_valid) {
        return id.clone();
    }
    let id = entropy::uuid();
    HeaderValue::from_str(&id.simple().to_string()).unwrap_or(HeaderValue::from_static("none"))
}
