//! The envelope of every response.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use serde::Serialize;
use utoipa::ToSchema;

use crate::config::MfsErrorStatus;
use crate::http::error::{ApiError, ErrorContext};
use crate::http::openapi::error_responses::ErrorSchemas;
use crate::store::system_now;

/// The prefix of the API's paths.
pub(super) const ROOT_PATH: &str = "/-/svc";

/// The error schemas of the API.
pub(super) enum MfsApi {}

impl ErrorSchemas for MfsApi {
    const API_NAME: &'static str = "mfs";
    type Body = Envelope<'static, Failure<'static>>;
    type BadRequestBody = Envelope<'static, Failure<'static>>;
}

/// The envelope of every response.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Envelope)]
pub(super) struct Envelope<'a, D> {
    /// The method that was called, such as `mfs_api.list`.
    #[serde(rename = "__ack__")]
    ack: &'a str,
    /// `online`
    #[serde(rename = "__status__")]
    status: &'static str,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "__timestamp__")]
    timestamp: i64,
    data: D,
}

/// The result of a successful call.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Success)]
pub(super) struct Success<D> {
    /// `ok`
    #[schema(pattern = "^ok$")]
    status: &'static str,
    #[serde(flatten)]
    data: D,
}

/// The error of a failed call.
#[derive(Serialize, ToSchema)]
#[schema(as = mfs::Failure)]
pub(super) struct Failure<'a> {
    /// `error`
    #[schema(pattern = "^error$")]
    status: &'static str,
    /// The error code, such as `missing_parameters`.
    error: &'a str,
    /// The reason, and what to do.
    message: &'a str,
}

/// Puts the result of a successful call into the envelope.
pub(super) fn success_response<D: Serialize>(path: &str, data: D) -> HttpResponse {
    enveloped(method_name(path), StatusCode::OK, Success { status: "ok", data })
}

/// Puts an error into the envelope. The HTTP status is 200 if configured so: Drumee's browser SDK
/// discards the body of any other status.
pub(super) fn error_response(
    context: &ErrorContext,
    status: StatusCode,
    code: &str,
    message: &str,
) -> HttpResponse {
    let status = match context.mfs_error_status {
        MfsErrorStatus::Http => status,
        MfsErrorStatus::Ok => StatusCode::OK,
    };
    enveloped(method_name(context.path()), status, Failure { status: "error", error: code, message })
}

/// Renders an [`ApiError`] in the envelope.
pub(super) fn render_error(error: &ApiError, context: &ErrorContext) -> HttpResponse {
    let code = match error {
        ApiError::Unauthenticated => "unauthorized",
        ApiError::Forbidden(_) => "forbidden",
        ApiError::NotFound => "unknown_service",
        ApiError::MethodNotAllowed(_) => "method_not_allowed",
        ApiError::BadRequest(_) => "bad_request",
        ApiError::PayloadTooLarge => "payload_too_large",
        ApiError::UnsupportedMediaType | ApiError::UnsupportedEncoding => "unsupported_media_type",
        ApiError::RateLimited(_) => "too_many_requests",
        ApiError::BodyTimeout => "request_timeout",
        ApiError::Busy | ApiError::Unavailable | ApiError::OutcomeUnknown | ApiError::Internal => {
            "internal_error"
        }
    };
    error_response(context, error.status(), code, &error.to_string())
}

/// Returns the method that a path names, such as `mfs_api.list`.
pub(super) fn method_name(path: &str) -> &str {
    path.strip_prefix(ROOT_PATH).unwrap_or_default().trim_matches('/')
}

fn enveloped<D: Serialize>(ack: &str, status: StatusCode, data: D) -> HttpResponse {
    HttpResponse::build(status).json(Envelope {
        ack,
        status: "online",
        timestamp: system_now().millis(),
        data,
    })
}
