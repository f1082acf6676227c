//! The HTTP side of rate limits: response headers, and the limits of references and writes.
//! [`crate::domain::rate_limit`] explains the whole.

pub(crate) mod headers;
mod references;
mod writes;
