//! The middleware of each resource: admission, early rejection, the deadline, and panics.

use std::panic::AssertUnwindSafe;

use actix_web::HttpMessage;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use futures_util::FutureExt;

use super::admission;
use super::cors::RefusedPreflight;
use super::cross_site::{ONE_CLICK_PATH, has_body, reject_cross_site};
use super::path::is_spelled_once;
use crate::http::error::{ApiError, ErrorContext, ErrorRenderer};
use crate::http::extract::body::BodyLimit;
use crate::http::state::AppState;
use crate::{deadline, failpoints};

/// Runs a handler within the request's deadline. The resource's API renders the error if the
/// request is rejected, the handler panics, or it exceeds the deadline.
///
/// An `Err` is the response to a request that was dropped with its handler.
pub async fn run_handler(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Some(error) = reject_early(&request) {
        let response = error.to_response(request.request());
        return Ok(request.into_response(response));
    }
    let Some(admitted) = admission::admit(&request) else {
        // actix skips a body that has no reader as it arrives, and the connection stays open.
        drop(request.take_payload());
        admission::delay_refusal().await;
        let response = ApiError::Busy.to_response(request.request());
        return Ok(request.into_response(response));
    };
    let renderer = ErrorRenderer::from_request(request.request());
    let context = ErrorContext::from_request(request.request());
    let handling = async {
        failpoints::fail_point("handler.panic");
        next.call(request).await
    };
    let handling = admission::run(admitted, deadline::run(handling));
    let error = match AssertUnwindSafe(handling).catch_unwind().await {
        Ok(Some(handled)) => return handled,
        Ok(None) => ApiError::OutcomeUnknown,
        Err(_) => ApiError::Internal,
    };
    let response = renderer.render(&error, &context);
    Err(InternalError::from_response(error, response).into())
}

/// Checks what needs neither the body nor the caller.
fn reject_early(request: &ServiceRequest) -> Option<ApiError> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|length| length > BodyLimit::of_request(request.request()) as u64)
    {
        return Some(ApiError::PayloadTooLarge);
    }
    if !is_spelled_once(request.path()) {
        return Some(ApiError::NotFound);
    }
    let is_identity = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if has_body(request.request()) && !request.headers().get_all(CONTENT_ENCODING).all(is_identity) {
        return Some(ApiError::UnsupportedEncoding);
    }
    if request.extensions().contains::<RefusedPreflight>() {
        return Some(ApiError::Forbidden("Pages of this origin cannot send this request."));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    // The page of a mail provider may send it: its token authorizes it, and no cookie.
    if request.path() == ONE_CLICK_PATH {
        return None;
    }
    let state = request.app_data::<Data<AppState>>()?;
    reject_cross_site(request.request(), &state.config).err()
}
