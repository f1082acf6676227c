//! The HTTP server: connections, timeouts and shutdown.

pub mod build;
pub mod idle_timeout;
pub mod listener;
pub mod shutdown;
