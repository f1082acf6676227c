//! The wire: parse, authenticate, hand to a floor below, translate the answer.
//! Two dialects, a resource server's endpoints, the pages and the operator's
//! probes; they share what is in this folder and never import each other.

pub mod auth;
pub mod body;
pub mod client_ip;
pub mod error;
pub mod form;
pub mod health;
pub mod hexo;
pub mod idle_timeout;
pub mod login_throttle;
pub mod metrics;
pub mod mfs;
pub mod middleware;
pub mod openapi;
pub mod pages;
pub mod password_pool;
pub mod rate_limit_headers;
pub mod rate_limit_update;
pub mod resource_server;
pub mod response_delay;
pub mod routing;
pub mod server;
pub mod shutdown;
pub mod state;
mod unknown_references;

use actix_web::web::{Data, PayloadConfig, ServiceConfig};
use state::AppState;

/// The most bytes that a body may have.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Puts every route in its place, and what handlers work with beside them.
pub fn configure(app: &mut ServiceConfig, state: Data<AppState>) {
    app.app_data(state).app_data(PayloadConfig::new(MAX_BODY_BYTES)).configure(routes);
}

/// Puts every route in its place.
pub fn routes(app: &mut ServiceConfig) {
    app.configure(health::routes)
        .configure(openapi::routes)
        .configure(mfs::routes)
        .configure(hexo::routes)
        .configure(resource_server::routes)
        .configure(pages::routes);
}
