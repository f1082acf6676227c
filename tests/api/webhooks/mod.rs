//! Webhooks.

mod deliveries;
mod management;
