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

use self::token_form::{TokenFields, TokenForm};
use super::Services;
use super::body::From;
use super::openapi::refusals::{AnyBody, AnyCall, Refusals};
use super::pace;
use super::problem::Problem;
use super::routing::{self, resource};

#[cfg(any(test, fuzzing))]
pub(crate) use authz::probe as probe_authz;
#[cfg(any(test, fuzzing))]
pub(crate) use token_form::probe as probe_token_form;

/// Puts the routes in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope("/oauth2")
            .service(resource("/introspect", "POST").route(web::post().to(introspect::introspect)))
            .service(resource("/revoke", "POST").route(web::post().to(revoke)))
            .default_service(web::to(async |request: HttpRequest| Problem::NotFound.answer(&request))),
    )
    .service(resource("/authz", "GET, HEAD").route(routing::get().to(authz::authz)));
}

#[derive(OpenApi)]
#[openapi(paths(introspect::introspect, revoke, authz::authz))]
struct Document;

/// What is told of the routes.
pub fn document() -> utoipa::openapi::OpenApi {
    super::openapi::part::<OAuth>("Resource servers", Document::openapi())
}

/// OAuth's way to tell that something went wrong.
enum OAuth {}

impl Refusals for OAuth {
    const DIALECT: &'static str = "oauth";
    type Body = OAuthError<'static>;
    type Invalid = OAuthError<'static>;
}

/// Revokes an export token of the caller's (RFC 7009).
///
/// By the token itself, or by its id. 200 whatever the token: what is not theirs
/// to revoke is not told of.
#[utoipa::path(
    post,
    path = "/oauth2/revoke",
    operation_id = "oauth_revoke",
    request_body(content = TokenFields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Revoked, if the caller created the token."),
        AnyCall<OAuth>,
        AnyBody<OAuth>,
    ),
)]
async fn revoke(
    request: HttpRequest,
    services: Data<Services>,
    From(caller, form): From<TokenForm>,
) -> Result<HttpResponse, actix_web::Error> {
    let revoked = services.registry.revoke_shown(form.token(), caller.id(), caller.origin).await;
    let revoked = revoked.map_err(|error| Problem::from(error).refuse(&request))?;
    let mut answer = HttpResponse::Ok().finish();
    if revoked.is_none() {
        pace::set(&mut answer);
    }
    Ok(answer)
}

/// An error in OAuth's shape (RFC 6749, 5.2).
#[derive(Serialize, ToSchema)]
struct OAuthError<'a> {
    error: &'a str,
    error_description: &'a str,
}

fn failure(status: StatusCode, error: &str, description: &str) -> HttpResponse {
    HttpResponse::build(status).json(OAuthError { error, error_description: description })
}

/// A problem in OAuth's shape.
pub fn problem(problem: &Problem) -> HttpResponse {
    let error = match problem {
        Problem::Unauthenticated => "invalid_client",
        Problem::Forbidden(_) => "access_denied",
        Problem::NotFound
        | Problem::MethodNotAllowed(_)
        | Problem::BadRequest(_)
        | Problem::TooLarge
        | Problem::TooSlow
        | Problem::UnsupportedType => "invalid_request",
        Problem::TooOften(_) | Problem::Busy | Problem::NotDone | Problem::OutcomeUnknown => {
            "temporarily_unavailable"
        }
        Problem::Broken => "server_error",
    };
    failure(problem.status(), error, &problem.to_string())
}
