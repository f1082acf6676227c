//! Webhooks.

mod deliveries;
