//! The HTTP interface: parse a request, authenticate the caller, call a layer below, render the
//! result. The APIs, the pages and the operator's endpoints share the files of this folder, and
//! do not import each other.

pub mod authzen;
pub mod base_path;
pub mod error;
pub mod extract;
pub mod health;
pub mod hexo;
pub mod jwks;
pub mod metrics;
pub mod mfs;
pub mod middleware;
pub mod openapi;
pub mod pages;
pub mod plain_error;
pub mod rate_limit;
pub mod reference;
pub mod resource_server;
pub mod routing;
pub mod security_txt;
pub mod server;
pub mod state;

use actix_web::web::{Data, ServiceConfig};

use error::ErrorRenderer;
use extract::body::{BodyLimit, MAX_BODY_BYTES};
use extract::client_ip::TrustedProxies;
use routing::Endpoints;
use state::AppState;

use crate::config::PublicUrl;

/// Registers all routes, and the data that handlers extract.
pub fn configure(app: &mut ServiceConfig, state: Data<AppState>) {
    BodyLimit::set(app, MAX_BODY_BYTES);
    app.app_data(TrustedProxies(state.config.trusted_proxies.clone()))
        .app_data(state.config.mfs.error_status)
        .app_data(state)
        .configure(routes);
}

/// All endpoints, in the order in which requests are matched.
pub fn endpoints() -> [Endpoints; 11] {
    [
        health::endpoints(),
        security_txt::endpoints(),
        jwks::endpoints(),
        openapi::document::endpoints(),
        mfs::endpoints(),
        hexo::endpoints(),
        resource_server::oauth_endpoints(),
        resource_server::authz_endpoints(),
        authzen::endpoints(),
        authzen::metadata_endpoints(),
        pages::endpoints(),
    ]
}

/// The first segment of the path of the public URL, if paths of this server start with it too. A
/// request for such a path could have lost the public path at a proxy, or not.
pub fn reserved_segment(url: &PublicUrl) -> Option<&str> {
    let segment = url.path().split('/').nth(1)?;
    let is_taken = |path: &str| path.split('/').nth(1) == Some(segment);
    endpoints().iter().any(|endpoints| endpoints.paths().any(is_taken)).then_some(segment)
}

/// Registers all routes.
pub fn routes(app: &mut ServiceConfig) {
    app.app_data(ErrorRenderer(plain_error::render_error));
    endpoints().into_iter().for_each(|endpoints| endpoints.register(app));
    app.default_service(routing::default_service(pages::not_found));
}
