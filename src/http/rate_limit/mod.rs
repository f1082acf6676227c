//! Rate limits as HTTP shows and uses them. [`crate::domain::rate_limit`] explains the whole.

pub(crate) mod headers;
mod unknown_references;
