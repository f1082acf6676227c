//! Cross-origin resource sharing (CORS) for the configured origins.

use actix_cors::Cors;
use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::config::CorsSettings;
use crate::http::rate_limit::headers::{RATELIMIT, RATELIMIT_POLICY};
use crate::http::state::AppState;

/// The methods that a page of another origin can use.
const ALLOWED_METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Seconds for which a browser may cache the response to a preflight request.
const PREFLIGHT_MAX_AGE_SECONDS: usize = 3_600;

/// A preflight request that is refused, among the request's extensions.
pub(super) struct RefusedPreflight;

/// The headers for the configured origins. Credentials are not allowed: a page sends its own
/// `Authorization` header, not the browser's cookies.
pub fn cors(config: &CorsSettings) -> Cors {
    config
        .origins
        .iter()
        .fold(Cors::default(), |cors, origin| cors.allowed_origin(origin.as_str()))
        .allowed_methods(ALLOWED_METHODS)
        .allow_any_header()
        .expose_headers([LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, RATELIMIT, RATELIMIT_POLICY])
        .max_age(PREFLIGHT_MAX_AGE_SECONDS)
}

/// Lets the resource respond to a preflight request that is refused, in the format of its API.
/// actix-cors responds in plain text.
pub async fn refuse_preflight<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let origins = request.app_data::<Data<AppState>>().map(|state| state.config.cors.origins.as_slice());
    let origins = origins.unwrap_or_default();
    let headers = request.headers();
    let is_listed =
        |origin: &HeaderValue| origins.iter().any(|listed| listed.as_str().as_bytes() == origin.as_bytes());
    if request.method() == Method::OPTIONS
        && !origins.is_empty()
        && let Some(method) = headers.get(ACCESS_CONTROL_REQUEST_METHOD)
        && !(headers.get(ORIGIN).is_some_and(is_listed)
            && ALLOWED_METHODS.iter().any(|allowed| allowed.as_bytes() == method.as_bytes()))
    {
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_METHOD);
        request.extensions_mut().insert(RefusedPreflight);
    }
    next.call(request).await
}
