//! Webhooks: the URL that events are sent to, the events, the signatures, and when an attempt is repeated.
//!
//! The format is that of [Standard Webhooks](https://www.standardwebhooks.com) 1.0.

mod event_filter;
mod outcome;
mod payload;
mod registration;
mod retry;
mod secret;
mod url;

pub use event_filter::{EventFilter, InvalidEventFilter, MAX_EVENT_FILTER_ENTRIES};
pub use outcome::{AttemptOutcome, FailureReason, RefusedTarget};
pub use payload::{TEST_EVENT, event_type, payload};
pub use registration::{
    DisabledReason, EventScope, InvalidEventScope, MAX_WEBHOOKS_PER_USER, Webhook, WebhookId,
};
pub use retry::{MAX_ATTEMPTS, MAX_RETRY_AFTER, is_given_up, pause, retry_delay};
pub use secret::{SECRET_BYTES, SECRET_OVERLAP_SECONDS, WebhookSecret, signature_header};
pub use url::{InvalidWebhookUrl, MAX_WEBHOOK_URL_BYTES, WebhookUrl};
