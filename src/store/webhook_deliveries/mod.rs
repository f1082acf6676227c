//! The events that are to be sent to webhooks, and what became of them.
//!
//! A delivery is queued when its event appears in the audit log (`fan_out.rs`), claimed under a lease (`queue.rs`), and
//! ends with the outcome of an attempt (`outcomes.rs`), after which it can be queued again (`replay.rs`). It is not an item
//! of the outbox: a claim takes a few deliveries of each webhook, so that no webhook delays another one.

mod fan_out;
mod list;
mod outcomes;
mod queue;
mod replay;

pub use fan_out::{fan_out, queue_test};
pub use list::{
    DeliveryFilter, DeliveryId, DeliveryStatus, MAX_LISTED, WaitingDeliveries, WebhookDelivery, delete_old,
    find, last_delivered, list, waiting,
};
pub use outcomes::{AttemptReport, cancel_step, record};
pub use queue::{ClaimedDelivery, Event, LeasedDelivery, Slots, claim, release};
pub use replay::{ReplayRange, replay, replay_step};

/// The time at which the first delivery of a webhook is due that waits. It is one entry of an index.
const FIRST_DUE: &str = "(SELECT d.due_at FROM webhook_deliveries AS d WHERE d.webhook = webhooks.id \
                         AND d.finished_at IS NULL ORDER BY d.due_at LIMIT 1)";

/// When the newest event that was delivered to a webhook was delivered. It is one entry of an index.
const LAST_DELIVERED: &str = "(SELECT d.finished_at FROM webhook_deliveries AS d WHERE d.webhook = webhooks.id \
                              AND d.result = 'delivered' ORDER BY d.id DESC LIMIT 1)";

/// Results of deliveries, as they are stored.
const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";
const CANCELLED: &str = "cancelled";
