//! Authentication without HTTP: checks API keys, passwords and sign-in attempts.
//!
//! [`authenticator`] is the entry point. It parses `credentials`, limits failed sign-ins
//! ([`login_throttle`]), and hashes passwords ([`password`]) in a bounded pool
//! ([`password_pool`]). The extractor of a request's caller is [`crate::http::auth`];
//! sessions of the pages are [`crate::store::sessions`].

pub mod authenticator;
pub(crate) mod credentials;
pub mod error;
pub mod login_throttle;
pub mod password;
pub mod password_pool;
