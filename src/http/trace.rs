//! What happens to every request before and after its handler: an id, a guard,
//! a log line, and headers that every answer has.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::pace;
use super::problem::Problem;
use super::routing::refuse_foreign_pages;
use super::{BODY_LIMIT, Services};
use crate::entropy;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware. Only the route's pattern is logged: paths and queries hold
/// tokens.
pub async fn trace<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let mut response = match refusal(&request) {
        Some(problem) => {
            let answer = problem.answer(request.request());
            request.into_response(answer)
        }
        None => next.call(request).await?.map_into_boxed_body(),
    };
    pace::keep(&response, started.elapsed()).await;
    let route = response.request().match_pattern();
    tracing::info!(
        %method,
        route = route.as_deref().unwrap_or("none"),
        status = response.status().as_u16(),
        micros = started.elapsed().as_micros() as u64,
        request_id = id.to_str().unwrap_or_default(),
        "request"
    );
    let services = response.request().app_data::<Data<Services>>();
    if services.is_some_and(|services| services.farewell.is_said()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// What is wrong with a request whatever it asks for.
fn refusal(request: &ServiceRequest) -> Option<Problem> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > BODY_LIMIT as u64) {
        return Some(Problem::TooLarge);
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let services = request.app_data::<Data<Services>>()?;
    refuse_foreign_pages(request.request(), &services.config).err()
}

/// The id that the request came with, if it is a decent one, or a new one.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    let decent = |id: &&HeaderValue| {
        (1..=64).contains(&id.len())
            && id.as_bytes().iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
    };
    if let Some(id) = request.headers().get(X_REQUEST_ID).filter(decent) {
        return id.clone();
    }
    let id = entropy::uuid();
    HeaderValue::from_str(&id.simple().to_string()).unwrap_or(HeaderValue::from_static("none"))
}
