//! Endpoints for resource servers: token introspection (RFC 7662), token revocation (RFC 7009), and
//! forward authentication for proxies.

mod authz;
mod error;
mod introspect;
mod revoke;
mod token_form;

use actix_web::web::ServiceConfig;

use self::error::{OAuthApi, render_error};
use super::error::ErrorRenderer;
use super::routing::{Endpoints, endpoints, not_found};

#[cfg(any(test, fuzzing))]
pub(crate) use authz::fuzz as fuzz_authz;
#[cfg(any(test, fuzzing))]
pub(crate) use token_form::fuzz as fuzz_token_form;

const HEADING: &str = "Resource servers";

/// Token introspection and revocation.
pub fn oauth_endpoints() -> Endpoints {
    Endpoints::new::<OAuthApi>(HEADING, endpoints![introspect::introspect, revoke::revoke])
        .in_scope("/oauth2", configure)
}

/// Forward authentication.
pub fn authz_endpoints() -> Endpoints {
    Endpoints::new::<OAuthApi>(HEADING, endpoints![authz::authz]).in_scope("/authz", configure)
}

fn configure(scope: &mut ServiceConfig) {
    scope.app_data(ErrorRenderer(render_error)).default_service(not_found());
}
