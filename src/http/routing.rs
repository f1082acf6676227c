//! What every resource shares: HEAD beside GET, 405 with `Allow`, and the guard
//! against other sites' pages.

use actix_web::http::header::{HeaderName, ORIGIN};
use actix_web::{HttpRequest, Resource, Route, guard, web};

use super::error::ApiError;
use crate::config::Config;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A resource at `path` that answers other methods than those of its routes with
/// 405 and this `Allow`, before anybody is asked who they are.
pub fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        ApiError::MethodNotAllowed(allow).to_response(&request)
    }))
}

/// A route for GET, and for HEAD, whose body the server leaves out.
pub fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Refuses what another site's page makes a browser send along with the
/// credentials that it remembers, unless the operator lists that site (Fetch
/// Metadata, W3C).
pub fn reject_cross_site(request: &HttpRequest, config: &Config) -> Result<(), ApiError> {
    let cross_site = request
        .headers()
        .get_all(SEC_FETCH_SITE)
        .any(|site| site.as_bytes() == b"cross-site" || site.as_bytes() == b"same-site");
    let listed = request
        .headers()
        .get(ORIGIN)
        .and_then(|origin| origin.to_str().ok())
        .is_some_and(|origin| config.cors.origins.iter().any(|listed| listed.as_str() == origin));
    if cross_site && !listed {
        return Err(ApiError::Forbidden("Requests from other websites are not allowed."));
    }
    Ok(())
}
