//! Why authentication failed.

use crate::actors::registry::RegistryError;
use crate::domain::rate_limit::RateLimited;
use crate::store::StoreError;

/// Why authentication failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No credentials, or wrong ones.
    #[error("missing or invalid credentials")]
    Unauthenticated,
    /// Too many failed sign-ins to this account or from this address.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The password pool had no free slot in time.
    #[error("too many passwords are being checked")]
    Busy,
    /// The user could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The API key could not be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
