//! What a resource server asks: is this token good for that?

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;

use super::problem::Problem;

/// Puts the routes in place.
pub fn routes(_app: &mut ServiceConfig) {}

/// A problem in OAuth's shape (RFC 6749, 5.2).
pub fn problem(problem: &Problem) -> HttpResponse {
    HttpResponse::build(problem.status()).finish()
}
