//! The error format of everything that belongs to no API: health checks, the documentation, and
//! unknown paths.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, ErrorContext};
use super::openapi::error_responses::ErrorSchemas;

/// The error schemas of these endpoints.
pub enum PlainApi {}

impl ErrorSchemas for PlainApi {
    const API_NAME: &'static str = "plain";
    type Body = PlainErrorBody;
    type BadRequestBody = PlainErrorBody;
}

/// An error.
#[derive(Serialize, ToSchema)]
#[schema(as = plain::Error)]
pub struct PlainErrorBody {
    error: String,
}

/// Renders an error as `{"error": "…"}`.
pub fn render_error(error: &ApiError, _: &ErrorContext) -> HttpResponse {
    HttpResponse::build(error.status()).json(PlainErrorBody { error: error.to_string() })
}
