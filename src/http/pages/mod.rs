//! The page that a mail's link opens.

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;

use super::problem::Problem;

/// Puts the pages in place.
pub fn routes(_app: &mut ServiceConfig) {}

/// A problem as a page.
pub fn problem(problem: &Problem) -> HttpResponse {
    HttpResponse::build(problem.status()).finish()
}
