//! The error format of OAuth (RFC 6749, 5.2).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::{ApiError, ErrorContext};
use crate::http::openapi::error_responses::ErrorSchemas;

/// The error schemas of these endpoints.
pub(super) enum OAuthApi {}

impl ErrorSchemas for OAuthApi {
    const API_NAME: &'static str = "oauth";
    type Body = OAuthErrorBody<'static>;
    type BadRequestBody = OAuthErrorBody<'static>;
}

/// An error (RFC 6749, 5.2).
#[derive(Serialize, ToSchema)]
pub(super) struct OAuthErrorBody<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// Renders an error code and its description.
pub(super) fn oauth_error(status: StatusCode, error: &str, description: &str) -> HttpResponse {
    HttpResponse::build(status).json(OAuthErrorBody { error, error_description: description })
}

/// Renders an [`ApiError`] in OAuth's format.
pub(super) fn render_error(error: &ApiError, _: &ErrorContext) -> HttpResponse {
    let code = match error {
        ApiError::Unauthenticated => "invalid_client",
        ApiError::Forbidden(_) => "access_denied",
        ApiError::NotFound
        | ApiError::MethodNotAllowed(_)
        | ApiError::BadRequest(_)
        | ApiError::PayloadTooLarge
        | ApiError::BodyTimeout
        | ApiError::UnsupportedMediaType
        | ApiError::UnsupportedEncoding => "invalid_request",
        ApiError::RateLimited(_) | ApiError::Busy | ApiError::Unavailable | ApiError::OutcomeUnknown => {
            "temporarily_unavailable"
        }
        ApiError::Internal => "server_error",
    };
    oauth_error(error.status(), code, &error.to_string())
}
