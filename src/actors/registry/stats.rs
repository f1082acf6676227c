//! Counts of this process's decisions, for `/metrics`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::domain::permission_request::RequestOutcome;

/// A counter with one label.
pub type LabelledCounts = Family<[(&'static str, &'static str); 1], Counter>;

/// Counts of decisions. Clones share them.
#[derive(Clone, Debug)]
pub struct DecisionCounts {
    /// Of users, about requests.
    pub requests: LabelledCounts,
    /// Of the server, about accesses.
    pub accesses: LabelledCounts,
}

impl DecisionCounts {
    pub(super) fn count_request(&self, outcome: RequestOutcome) {
        self.requests.get_or_create(&[("outcome", outcome.name())]).inc();
    }

    /// Counts a decision about an access.
    pub(in crate::actors) fn count_access(&self, is_allowed: bool) {
        let decision = if is_allowed { "allowed" } else { "denied" };
        self.accesses.get_or_create(&[("decision", decision)]).inc();
    }
}

impl Default for DecisionCounts {
    /// Each label starts at 0, so that `/metrics` has all of them.
    fn default() -> Self {
        let (requests, accesses) = (LabelledCounts::default(), LabelledCounts::default());
        for outcome in [RequestOutcome::Approved, RequestOutcome::Declined, RequestOutcome::Withdrawn] {
            drop(requests.get_or_create(&[("outcome", outcome.name())]));
        }
        for decision in ["allowed", "denied"] {
            drop(accesses.get_or_create(&[("decision", decision)]));
        }
        Self { requests, accesses }
    }
}
