//! The OpenID AuthZEN Authorization API 1.0: services ask whether an export token or a permission
//! gives an access, and which users have it.

mod caller;
mod entities;
mod error;
mod evaluation;
mod evaluations;
mod json;
mod metadata;
mod page;
mod search;

use actix_web::web::ServiceConfig;

use self::error::{AuthZenApi, render_error};
use super::error::ErrorRenderer;
use super::extract::body::BodyLimit;
use super::routing::{Endpoints, endpoints, not_found};

#[cfg(any(test, fuzzing))]
pub(crate) use evaluations::fuzz;

const HEADING: &str = "Access decisions (AuthZEN)";
/// The scope of the endpoints. Their request ids are echoed as they are.
pub const PATH: &str = "/access/v1";
/// The largest body: a batch of 256 evaluations with their ancestors.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Evaluations and searches.
pub fn endpoints() -> Endpoints {
    let endpoints = endpoints![
        evaluation::evaluate,
        evaluations::evaluate_all,
        search::search_subjects,
        search::search_resources,
        search::search_actions,
    ];
    Endpoints::new::<AuthZenApi>(HEADING, endpoints).in_scope(PATH, configure)
}

/// The metadata of these endpoints.
pub fn metadata_endpoints() -> Endpoints {
    Endpoints::new::<AuthZenApi>(HEADING, endpoints![metadata::metadata]).in_scope(metadata::PATH, configure)
}

fn configure(scope: &mut ServiceConfig) {
    BodyLimit::set(scope, MAX_BODY_BYTES);
    scope.app_data(ErrorRenderer(render_error)).default_service(not_found());
}
