//! The mfs dialect: export tokens, as Drumee's `mfs_api` speaks of them.

use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse};

use super::problem::Problem;

/// Puts the dialect's routes in place.
pub fn routes(_app: &mut ServiceConfig) {}

/// A problem in the dialect's envelope.
pub fn problem(problem: &Problem, _request: &HttpRequest) -> HttpResponse {
    HttpResponse::build(problem.status()).finish()
}
