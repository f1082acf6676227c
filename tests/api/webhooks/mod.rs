//! Webhooks.

mod management;
