//! The OAuth token endpoint that Hexoskin's client tries first.

use actix_web::HttpResponse;

use super::error::{ErrorBody, HexoApi};
use crate::http::openapi::error_responses::Errors;

/// Rejects every grant type.
///
/// OAuth is not supported. Hexoskin's client then uses its other credentials.
#[utoipa::path(
    post,
    path = "/api/connect/oauth2/token/",
    operation_id = "reject_oauth_token",
    security(()),
    responses(Errors<HexoApi, 400>, Errors<HexoApi, 403>),
)]
pub(super) async fn reject_oauth_token() -> HttpResponse {
    HttpResponse::BadRequest().json(ErrorBody::new("unsupported_grant_type"))
}
