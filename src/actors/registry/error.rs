//! Why the registry did not do what a caller asked for.

use crate::store::StoreError;

/// Why a command or a lookup got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The queue is full; nothing was done.
    #[error("too many operations in the queue")]
    Busy,
    /// The database is unavailable; nothing was changed.
    #[error("the database is unavailable; nothing was changed")]
    Unavailable,
    /// The command may have been executed, or may still be.
    #[error("the database did not respond; the outcome is unknown")]
    OutcomeUnknown,
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OutcomeUnknown => Self::OutcomeUnknown,
            StoreError::Unavailable(_) | StoreError::Unsuitable(_) | StoreError::QueryFailed(_) => {
                Self::Unavailable
            }
        }
    }
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The command was decided, and rejected for this reason.
    #[error(transparent)]
    Rejected(E),
    /// The command got no answer.
    #[error(transparent)]
    Unavailable(#[from] RegistryError),
}

/// Flattens a reply that is itself a result.
pub(super) fn flatten<T, E>(reply: Result<Result<T, E>, RegistryError>) -> Result<T, CommandError<E>> {
    reply?.map_err(CommandError::Rejected)
}
