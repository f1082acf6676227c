//! The wire: parse, authenticate, hand to a floor below, translate the answer.
//! Two dialects, a resource server's endpoints, the pages and the operator's
//! probes; they share what is in this folder and never import each other.

pub mod attempts;
pub mod auth;
pub mod body;
pub mod client;
pub mod farewell;
pub mod form;
pub mod hexo;
pub mod line;
pub mod metering;
pub mod metrics;
pub mod mfs;
pub mod neighbour;
pub mod openapi;
pub mod ops;
pub mod pace;
pub mod pages;
pub mod passwords;
pub mod problem;
pub mod quota;
mod reference;
pub mod resource_server;
pub mod routing;
pub mod server;
pub mod trace;

use std::sync::Arc;

use actix_web::web::{Data, PayloadConfig, ServiceConfig};

use crate::actors::looks::Looks;
use crate::actors::mailer::Mailer;
use crate::actors::registry::Registry;
use crate::config::Config;
use crate::domain::token::{Keyring, RedeemId};
use crate::entropy;
use crate::store::Directory;
use auth::Authenticator;
use farewell::Farewell;
use metrics::Metrics;

/// The most bytes that a body may have.
pub const BODY_LIMIT: usize = 64 * 1024;

/// What handlers work with.
pub struct Services {
    /// The configuration.
    pub config: Config,
    /// Does what changes tokens, requests and permissions.
    pub registry: Registry,
    /// Sends what is owed.
    pub mailer: Mailer,
    /// Counts how often links are fetched.
    pub looks: Looks,
    /// Reads, and writes what is not the registry's.
    pub directory: Directory,
    /// Tells who calls.
    pub authenticator: Authenticator,
    /// Makes and opens redeem tokens, password links and the tokens of forms.
    pub keyring: Arc<Keyring>,
    /// What has been served.
    pub metrics: Metrics,
    /// Whether this server is about to stop.
    pub farewell: Farewell,
}

impl Services {
    /// The id in a redeem token. What is no token of ours is one of an id that nobody has,
    /// and is looked for: it takes as long as any that redeems nothing.
    pub fn redeem_id(&self, shown: &str) -> RedeemId {
        self.keyring.open_redeem(shown).unwrap_or_else(|_| RedeemId(entropy::uuid()))
    }
}

/// Puts every route in its place, and what handlers work with beside them.
pub fn configure(app: &mut ServiceConfig, services: Data<Services>) {
    app.app_data(services).app_data(PayloadConfig::new(BODY_LIMIT)).configure(routes);
}

/// Puts every route in its place.
pub fn routes(app: &mut ServiceConfig) {
    app.configure(ops::routes)
        .configure(openapi::routes)
        .configure(mfs::routes)
        .configure(hexo::routes)
        .configure(resource_server::routes)
        .configure(pages::routes);
}
