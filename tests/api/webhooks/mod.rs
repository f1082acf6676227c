//! Webhooks.

pub(crate) mod deliveries;
mod management;
mod recovery;
