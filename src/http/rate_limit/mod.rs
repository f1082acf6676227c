//! The HTTP side of rate limits: response headers, and the limit of unknown references.
//! [`crate::domain::rate_limit`] explains the whole.

pub(crate) mod headers;
mod unknown_references;
