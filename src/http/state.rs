//! The state that every handler works with.

use std::sync::Arc;

use super::auth::Authenticator;
use super::metrics::Metrics;
use super::shutdown::Shutdown;
use crate::actors::mailer::Mailer;
use crate::actors::registry::Registry;
use crate::config::Config;
use crate::domain::token::{Keyring, RedeemId};
use crate::entropy;
use crate::store::AsyncStore;
use crate::tasks::link_view_counter::LinkViewCounter;

/// The state that every handler works with.
pub struct AppState {
    /// The configuration.
    pub config: Config,
    /// The handle of the TokenRegistry actor.
    pub registry: Registry,
    /// The handle of the RequestMailer actor.
    pub mailer: Mailer,
    /// Counts how often redeem links are fetched.
    pub link_views: LinkViewCounter,
    /// The database, for reads and for writes that do not go through the registry.
    pub store: AsyncStore,
    /// Authenticates callers.
    pub authenticator: Authenticator,
    /// Issues and verifies redeem tokens, password links and CSRF tokens.
    pub keyring: Arc<Keyring>,
    /// Request metrics.
    pub metrics: Metrics,
    /// Whether the server is draining.
    pub shutdown: Shutdown,
}

impl AppState {
    /// The id in a presented redeem token. A token that fails verification gets a random id,
    /// which the caller looks up as usual: an invalid token then takes as long as an unknown one.
    pub fn redeem_id(&self, presented: &str) -> RedeemId {
        self.keyring.verify_redeem_token(presented).unwrap_or_else(|_| RedeemId(entropy::uuid()))
    }
}
