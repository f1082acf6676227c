//! The errors of AuthZEN: a message as a JSON string (section 10.1.2).

use actix_web::HttpResponse;
use utoipa::ToSchema;

use crate::http::error::{ApiError, ErrorContext};
use crate::http::openapi::error_responses::ErrorSchemas;

/// The error schemas of these endpoints.
pub(super) enum AuthZenApi {}

impl ErrorSchemas for AuthZenApi {
    const API_NAME: &'static str = "authzen";
    type Body = ErrorMessage;
    type BadRequestBody = ErrorMessage;
}

/// The reason, and what to do.
#[derive(ToSchema)]
#[schema(as = authzen::Error)]
pub(super) struct ErrorMessage(#[expect(dead_code, reason = "only its schema is used")] String);

/// Renders an [`ApiError`] as a JSON string.
pub(super) fn render_error(error: &ApiError, _: &ErrorContext) -> HttpResponse {
    let message = match error {
        ApiError::PayloadTooLarge => "The request body is larger than 1 MiB.".to_owned(),
        ApiError::UnsupportedMediaType => "Send the body as application/json.".to_owned(),
        _ => error.to_string(),
    };
    HttpResponse::build(error.status()).json(message)
}
