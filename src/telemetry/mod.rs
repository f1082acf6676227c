//! Logs and traces: which request a log line belongs to, and spans for an OpenTelemetry collector.
//!
//! The spans are made with OpenTelemetry's own API rather than from the spans and events of the
//! crate `tracing`: only what this module names leaves the server, and no field of a log line
//! does.

mod correlation;
mod exporter;
pub mod log;
mod tracer;

pub use correlation::{Correlation, current, current_span, scope, scope_blocking};
pub use tracer::{BatchSpan, DeliverySpan, MAX_LINKS, RequestSpan, Tracer, TracerError};
