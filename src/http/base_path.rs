//! The path of the public URL, which browsers and clients see in front of every path of this
//! server: `/consent`, or nothing. Handlers and routes do not see it: [`remove_base_path`] takes it
//! from the paths of requests, [`with_base_path`] adds it to the paths in responses.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::health;
use super::state::AppState;

tokio::task_local! {
    static BASE_PATH: String;
}

/// The base path of the server whose request the current task handles, without a slash at its end.
pub fn base_path() -> String {
    BASE_PATH.try_with(String::clone).unwrap_or_default()
}

/// A path of this server with the base path: the URL for browsers and clients.
pub fn with_base_path(path: &str) -> String {
    BASE_PATH.try_with(|base| [base, path].concat()).unwrap_or_else(|_| path.to_owned())
}

/// Removes the base path from the path of a request, if it is there: some proxies have removed it.
///
/// The operator's endpoints exist only without it. Otherwise a proxy that denies `/consent/metrics`
/// and removes `/consent` would pass on `/consent/consent/metrics`.
pub async fn remove_base_path<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let state = request.app_data::<Data<AppState>>();
    let base = state.map(|state| state.config.public_url.path()).unwrap_or_default();
    if base.is_empty() {
        return next.call(request).await;
    }
    let base = base.to_owned();
    if let Some(path) = path_below(&base, request.path()).filter(|path| !health::PATHS.contains(path)) {
        let target = target_with_path(&request, path);
        set_target(&mut request, &target);
    }
    BASE_PATH.scope(base, next.call(request)).await
}

/// The rest of a path that starts with the base path: `/` if nothing is left.
pub fn path_below<'a>(base: &str, path: &'a str) -> Option<&'a str> {
    match path.strip_prefix(base)? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}

/// Another path with the query of a request.
pub fn target_with_path(request: &ServiceRequest, path: &str) -> String {
    match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// Replaces the path and the query of a request, for the routing and for handlers.
pub fn set_target(request: &mut ServiceRequest, target: &str) {
    let mut parts = request.uri().clone().into_parts();
    let Ok(path_and_query) = target.parse() else { return };
    parts.path_and_query = Some(path_and_query);
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_ends_at_a_slash() {
        for (path, below) in [
            ("/consent", Some("/")),
            ("/consent/", Some("/")),
            ("/consent/requests", Some("/requests")),
            ("/consent/consent", Some("/consent")),
            ("/consents", None),
            ("/requests", None),
            ("/", None),
        ] {
            assert_eq!(path_below("/consent", path), below, "{path}");
        }
    }
}
