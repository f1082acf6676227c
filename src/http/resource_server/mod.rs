//! What a resource server asks: is this token good, and for that? Token
//! introspection (RFC 7662), revocation (RFC 7009), and an endpoint for the
//! forward authentication of proxies.

mod authz;
mod introspect;
mod token_form;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use self::token_form::{TokenForm, TokenFormSchema};
use super::body::Authenticated;
use super::error::ApiError;
use super::openapi::error_responses::{AuthErrors, BodyErrors, ErrorSchemas};
use super::response_delay;
use super::routing::{self, resource};
use super::state::AppState;

#[cfg(any(test, fuzzing))]
pub(crate) use authz::fuzz as fuzz_authz;
#[cfg(any(test, fuzzing))]
pub(crate) use token_form::fuzz as fuzz_token_form;

/// Puts the routes in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope("/oauth2")
            .service(resource("/introspect", "POST").route(web::post().to(introspect::introspect)))
            .service(resource("/revoke", "POST").route(web::post().to(revoke)))
            .default_service(web::to(async |request: HttpRequest| ApiError::NotFound.to_response(&request))),
    )
    .service(resource("/authz", "GET, HEAD").route(routing::get().to(authz::authz)));
}

#[derive(OpenApi)]
#[openapi(paths(introspect::introspect, revoke, authz::authz))]
struct Document;

/// What is told of the routes.
pub fn document() -> utoipa::openapi::OpenApi {
    super::openapi::section::<OAuthApi>("Resource servers", Document::openapi())
}

/// OAuth's way to tell that something went wrong.
enum OAuthApi {}

impl ErrorSchemas for OAuthApi {
    const API_NAME: &'static str = "oauth";
    type Body = OAuthErrorBody<'static>;
    type BadRequestBody = OAuthErrorBody<'static>;
}

/// Revokes an export token of the caller's (RFC 7009).
///
/// By the token itself, or by its id. 200 whatever the token: what is not theirs
/// to revoke is not told of.
#[utoipa::path(
    post,
    path = "/oauth2/revoke",
    operation_id = "oauth_revoke_token",
    request_body(content = TokenFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Revoked, if the caller created the token."),
        AuthErrors<OAuthApi>,
        BodyErrors<OAuthApi>,
    ),
)]
async fn revoke(
    request: HttpRequest,
    state: Data<AppState>,
    Authenticated(caller, form): Authenticated<TokenForm>,
) -> Result<HttpResponse, actix_web::Error> {
    let revoked =
        state.registry.revoke_presented_token(form.token(), caller.id(), caller.audit_context).await;
    let revoked = revoked.map_err(|error| ApiError::from(error).into_actix_error(&request))?;
    let mut response = HttpResponse::Ok().finish();
    if revoked.is_none() {
        response_delay::quantize(&mut response);
    }
    Ok(response)
}

/// An error in OAuth's shape (RFC 6749, 5.2).
#[derive(Serialize, ToSchema)]
struct OAuthErrorBody<'a> {
    error: &'a str,
    error_description: &'a str,
}

fn oauth_error(status: StatusCode, error: &str, description: &str) -> HttpResponse {
    HttpResponse::build(status).json(OAuthErrorBody { error, error_description: description })
}

/// A problem in OAuth's shape.
pub fn render_error(error: &ApiError) -> HttpResponse {
    let code = match error {
        ApiError::Unauthenticated => "invalid_client",
        ApiError::Forbidden(_) => "access_denied",
        ApiError::NotFound
        | ApiError::MethodNotAllowed(_)
        | ApiError::BadRequest(_)
        | ApiError::PayloadTooLarge
        | ApiError::BodyTimeout
        | ApiError::UnsupportedMediaType => "invalid_request",
        ApiError::RateLimited(_) | ApiError::Busy | ApiError::Unavailable | ApiError::OutcomeUnknown => {
            "temporarily_unavailable"
        }
        ApiError::Internal => "server_error",
    };
    oauth_error(error.status(), code, &error.to_string())
}
