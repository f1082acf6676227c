//! Protection against cross-site requests, which a browser sends with the credentials that it
//! has stored.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, ORIGIN};

use crate::config::Config;
use crate::http::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Rejects a cross-site request, by the `Sec-Fetch-Site` header (W3C Fetch Metadata), unless its
/// origin is listed in the CORS settings.
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
