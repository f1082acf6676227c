//! Endpoints for resource servers: token introspection (RFC 7662), token revocation (RFC 7009), and
//! forward authentication for proxies.

mod authz;
mod error;
mod introspect;
mod revoke;
mod token_form;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use self::error::{OAuthApi, render_error};
use super::error::ErrorRenderer;
use super::openapi::section;
use super::routing::{get, not_found, resource};

#[cfg(any(test, fuzzing))]
pub(crate) use authz::fuzz as fuzz_authz;
#[cfg(any(test, fuzzing))]
pub(crate) use token_form::fuzz as fuzz_token_form;

/// Registers the endpoints.
pub fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope("/oauth2")
            .app_data(ErrorRenderer(render_error))
            .service(resource("/introspect", "POST").route(web::post().to(introspect::introspect)))
            .service(resource("/revoke", "POST").route(web::post().to(revoke::revoke)))
            .default_service(not_found()),
    )
    .service(
        web::scope("/authz")
            .app_data(ErrorRenderer(render_error))
            .service(resource("", "GET, HEAD").route(get().to(authz::authz)))
            .default_service(not_found()),
    );
}

#[derive(OpenApi)]
#[openapi(paths(introspect::introspect, revoke::revoke, authz::authz))]
struct Document;

/// Returns the document of the endpoints.
pub fn document() -> utoipa::openapi::OpenApi {
    section::<OAuthApi>("Resource servers", Document::openapi())
}
