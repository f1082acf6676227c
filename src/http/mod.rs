//! The wire: parse, authenticate, hand to a floor below, translate the answer.
//! Two dialects, a resource server's endpoints, a page and the operator's
//! probes; they share what is in this folder and never import each other.

pub mod auth;
pub mod body;
pub mod form;
pub mod hexo;
pub mod line;
pub mod mfs;
pub mod ops;
pub mod pages;
pub mod problem;
pub mod resource_server;
pub mod routing;
pub mod server;
pub mod trace;

use std::sync::Arc;

use actix_web::web::{Data, PayloadConfig, ServiceConfig};

use crate::actors::mailer::Mailer;
use crate::actors::registry::Registry;
use crate::config::Config;
use crate::domain::token::Keyring;
use crate::store::Directory;
use auth::Authenticator;

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
    /// Reads, and writes what is not the registry's.
    pub directory: Directory,
    /// Tells who calls.
    pub authenticator: Authenticator,
    /// Makes and opens redeem tokens.
    pub keyring: Arc<Keyring>,
}

/// Puts every route in its place.
pub fn configure(app: &mut ServiceConfig, services: Data<Services>) {
    app.app_data(services)
        .app_data(PayloadConfig::new(BODY_LIMIT))
        .configure(ops::routes)
        .configure(mfs::routes)
        .configure(hexo::routes)
        .configure(resource_server::routes)
        .configure(pages::routes);
}
