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
pub mod peer_uid;
pub mod rate_limit_headers;
pub mod rate_limit_update;
pub mod resource_server;
pub mod response_delay;
pub mod routing;
pub mod server;
pub mod shutdown;
mod unknown_references;

use std::sync::Arc;

use actix_web::web::{Data, PayloadConfig, ServiceConfig};

use crate::actors::link_view_counter::LinkViewCounter;
use crate::actors::mailer::Mailer;
use crate::actors::registry::Registry;
use crate::config::Config;
use crate::domain::token::{Keyring, RedeemId};
use crate::entropy;
use crate::store::AsyncStore;
use auth::Authenticator;
use metrics::Metrics;
use shutdown::Shutdown;

/// The most bytes that a body may have.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What handlers work with.
pub struct AppState {
    /// The configuration.
    pub config: Config,
    /// Does what changes tokens, requests and permissions.
    pub registry: Registry,
    /// Sends what is owed.
    pub mailer: Mailer,
    /// Counts how often links are fetched.
    pub link_views: LinkViewCounter,
    /// Reads, and writes what is not the registry's.
    pub store: AsyncStore,
    /// Tells who calls.
    pub authenticator: Authenticator,
    /// Makes and opens redeem tokens, password links and the tokens of forms.
    pub keyring: Arc<Keyring>,
    /// What has been served.
    pub metrics: Metrics,
    /// Whether this server is about to stop.
    pub shutdown: Shutdown,
}

impl AppState {
    /// The id in a redeem token. What is no token of ours is one of an id that nobody has,
    /// and is looked for: it takes as long as any that redeems nothing.
    pub fn redeem_id(&self, shown: &str) -> RedeemId {
        self.keyring.verify_redeem_token(shown).unwrap_or_else(|_| RedeemId(entropy::uuid()))
    }
}

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
