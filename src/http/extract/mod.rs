//! Extractors: what handlers read from a request.

pub mod authenticated;
pub mod body;
pub mod client_ip;
pub mod form;
