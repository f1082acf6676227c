//! The hexo dialect: consent requests, as Hexoskin's tastypie API speaks of them.

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;
use serde_json::json;

use super::problem::Problem;

/// Puts the dialect's routes in place.
pub fn routes(_app: &mut ServiceConfig) {}

/// A problem in the dialect's shape.
pub fn problem(problem: &Problem) -> HttpResponse {
    HttpResponse::build(problem.status()).json(json!({ "error": problem.to_string() }))
}
