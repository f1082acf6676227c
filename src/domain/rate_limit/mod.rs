//! Rate limiting with the generic cell rate algorithm (GCRA). Limits are shared by all
//! replicas: their state is a row per key in the database.
//!
//! | part | file |
//! |---|---|
//! | the algorithm: [`RateLimit`], [`TheoreticalArrival`] | `gcra.rs` |
//! | what is limited: [`RateLimitKey`], [`KeyedLimit`] | `keys.rs` |
//! | which limits apply: [`RequestLimits`], [`SignInLimits`], [`PasswordResetLimits`] | `policies.rs` |
//! | the state in a transaction: [`RateLimiter`], [`QuotaStatus`], [`RateLimited`] | `limiter.rs` |
//! | rows, locks, the sweep | [`crate::store::rate_limits`] |
//! | configuration keys and defaults | `config/rate_limits.rs` |
//! | response headers, unknown references | [`crate::http::rate_limit`] |
//!
//! The limits are enforced by [`crate::store::ledger`] (requests),
//! [`crate::auth::login_throttle`] (sign-ins) and `http/pages/password.rs` (password
//! resets).
//!
//! To change a default, edit `RateLimits::parse` in `config/rate_limits.rs` and
//! `countersign.example.toml`.
//!
//! To add a limit:
//! 1. Add a [`RateLimitKey`] with its policy name and row key.
//! 2. Add the limit to the struct of its use case in `policies.rs`.
//! 3. Add its configuration key to `LimitsTable` in `config/sources.rs` and its default to
//!    `config/rate_limits.rs`.
//! 4. Enforce it with [`crate::store::rate_limits::update`]; in the ledger, return it from
//!    [`RequestLimits::for_request`] or a function beside it, so that its row is locked before
//!    all others.

mod gcra;
mod keys;
mod limiter;
mod policies;

pub use gcra::{InvalidRateLimit, RateLimit, TheoreticalArrival};
pub use keys::{KeyedLimit, RateLimitKey, client_network, larger_networks, rate_limit_prefix};
pub use limiter::{ChangedRow, QuotaStatus, RateLimited, RateLimiter};
pub use policies::{PasswordResetLimits, RequestLimits, SignInLimits, WriteLimits};
