//! Counts of this process's delivery attempts, for `/metrics` and `/readyz`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::mail::transport::{Refusal, SendError};

/// What an attempt to deliver a mail came to, by the labels in `/metrics`.
const OUTCOMES: [&str; 5] = [SENT, UNKNOWN_RECIPIENT, REFUSED, DEFERRED, NOT_COMPOSED];
const SENT: &str = "sent";
const UNKNOWN_RECIPIENT: &str = "unknown_recipient";
const REFUSED: &str = "refused";
const DEFERRED: &str = "deferred";
const NOT_COMPOSED: &str = "not_composed";

/// The counter of `/metrics`, by outcome.
pub type AttemptCounts = Family<[(&'static str, &'static str); 1], Counter>;

/// Counts of delivery attempts. Clones share them.
#[derive(Clone, Debug)]
pub struct DeliveryStats {
    attempts: AttemptCounts,
    last_refusal: Arc<Mutex<Option<LastRefusal>>>,
}

/// The last refusal of this server by the mail server.
#[derive(Clone, Copy, Debug)]
pub struct LastRefusal {
    /// The rejected command; `session` for what precedes the mail.
    pub command: &'static str,
    pub code: u16,
    pub at: Instant,
}

impl DeliveryStats {
    /// Counts an attempt to send a mail. A sent mail ends a refusal.
    pub fn record(&self, result: &Result<(), SendError>) {
        let outcome = match result {
            Ok(()) => {
                *self.lock_last_refusal() = None;
                SENT
            }
            Err(SendError::Permanent(_)) => UNKNOWN_RECIPIENT,
            Err(SendError::Refused(Refusal { command, code, .. })) => {
                *self.lock_last_refusal() = Some(LastRefusal { command, code: *code, at: Instant::now() });
                REFUSED
            }
            Err(SendError::Transient(_)) => DEFERRED,
        };
        self.count(outcome);
    }

    /// Counts a mail that could not be composed.
    pub fn record_not_composed(&self) {
        self.count(NOT_COMPOSED);
    }

    /// The counts by outcome.
    pub fn attempts(&self) -> AttemptCounts {
        self.attempts.clone()
    }

    /// The last refusal, if no mail has been sent since.
    pub fn last_refusal(&self) -> Option<LastRefusal> {
        *self.lock_last_refusal()
    }

    fn count(&self, outcome: &'static str) {
        self.attempts.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Locks the last refusal. No code panics while it holds this lock.
    fn lock_last_refusal(&self) -> MutexGuard<'_, Option<LastRefusal>> {
        self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for DeliveryStats {
    /// Each outcome starts at 0, so that `/metrics` has all of them.
    fn default() -> Self {
        let attempts = AttemptCounts::default();
        for outcome in OUTCOMES {
            drop(attempts.get_or_create(&[("outcome", outcome)]));
        }
        Self { attempts, last_refusal: Arc::default() }
    }
}
