//! The state that handlers share.

use std::sync::Arc;

use super::metrics::Metrics;
use super::server::shutdown::Shutdown;
use crate::actors::mailer::Mailer;
use crate::actors::registry::Registry;
use crate::actors::webhook_worker::Webhooks;
use crate::auth::authenticator::Authenticator;
use crate::config::Config;
use crate::domain::token::{Keyring, RedeemId};
use crate::entropy;
use crate::receipt::ReceiptIssuer;
use crate::store::AsyncStore;
use crate::tasks::audit_stream::AuditStreamCounts;
use crate::tasks::link_view_counter::LinkViewCounter;
use crate::telemetry::Tracer;

/// The state that handlers share.
pub struct AppState {
    pub(crate) config: Config,
    /// The handle of the TokenRegistry actor.
    pub(crate) registry: Registry,
    /// The handle of the RequestMailer actor.
    pub(crate) mailer: Mailer,
    /// Sends events to webhooks.
    pub(crate) webhooks: Webhooks,
    /// Counts fetches of redeem links.
    pub(crate) link_views: LinkViewCounter,
    /// The database, for reads and for writes that do not go through the registry.
    pub(crate) store: AsyncStore,
    pub(crate) authenticator: Authenticator,
    /// Issues and verifies redeem tokens, password links and CSRF tokens.
    pub(crate) keyring: Arc<Keyring>,
    /// Issues receipts of consents.
    pub(crate) receipts: ReceiptIssuer,
    pub(crate) metrics: Metrics,
    /// What this process has written to the audit stream.
    pub(crate) audit_stream: AuditStreamCounts,
    pub(crate) shutdown: Shutdown,
    /// `None` if traces are off.
    pub(crate) tracer: Option<Tracer>,
}

impl AppState {
    /// The id in a presented redeem token. A token that fails verification gets a random id,
    /// which the caller looks up as usual: an invalid token then takes as long as an unknown one.
    pub fn redeem_id(&self, presented: &str) -> RedeemId {
        self.keyring.verify_redeem_token(presented).unwrap_or_else(|_| RedeemId(entropy::uuid()))
    }
}
