//! Why the database did not execute something.

use diesel::result::Error;

/// Why a read or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection was available, or it broke before COMMIT; nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database cannot be used as it is. The text says why, and what to do.
    #[error("the database cannot be used: {0}")]
    Unsuitable(String),
    /// COMMIT was sent, and its answer was lost: it may or may not have been executed.
    #[error("the database did not respond; the outcome is unknown")]
    OutcomeUnknown,
    /// The database rejected a statement; nothing was changed.
    #[error("database error: {0}")]
    QueryFailed(#[source] Error),
}
