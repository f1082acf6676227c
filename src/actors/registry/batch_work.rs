//! What is executed in batches: operations and lookups.

use std::sync::Arc;

use super::error::RegistryError;
use crate::actors::batch_queue::QueueItem;
use crate::store::Store;
use crate::store::ledger::{self, AnyOperation, RowKey};
use crate::store::lookup::{self, LookupKey, LookupResults};

/// Executes batches of one kind.
pub(super) trait BatchWork: Send + Sync + 'static {
    type Item: QueueItem<Key: Send> + Send;
    type Output: Send;

    /// The name of a batch's span.
    const SPAN: &'static str;
    /// The error if a batch panicked, or did not end in time.
    const NO_RESULT: RegistryError;

    /// Returns the results in the order of the items.
    fn execute(&self, batch: &[Self::Item]) -> Vec<Result<Self::Output, RegistryError>>;
}

/// Commits operations. The reply of each is in the operation.
pub(super) struct Commit(pub Store);

impl BatchWork for Commit {
    type Item = Arc<dyn AnyOperation>;
    type Output = ();

    const SPAN: &'static str = "registry.commit";
    const NO_RESULT: RegistryError = RegistryError::OutcomeUnknown;

    fn execute(&self, batch: &[Self::Item]) -> Vec<Result<(), RegistryError>> {
        let results = ledger::commit(&self.0, batch);
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            tracing::warn!(%error, "operations failed");
        }
        results.into_iter().map(|result| result.map_err(RegistryError::from)).collect()
    }
}

impl QueueItem for Arc<dyn AnyOperation> {
    type Key = RowKey;

    fn key(&self) -> Option<RowKey> {
        self.row_key()
    }
}

/// Looks up keys.
pub(super) struct LookUp(pub Store);

impl BatchWork for LookUp {
    type Item = LookupKey;
    type Output = Arc<LookupResults>;

    const SPAN: &'static str = "registry.look_up";
    const NO_RESULT: RegistryError = RegistryError::Unavailable;

    fn execute(&self, keys: &[LookupKey]) -> Vec<Result<Self::Output, RegistryError>> {
        let results = lookup::resolve(&self.0, keys).into_iter();
        results.map(|result| result.ok_or(RegistryError::Unavailable)).collect()
    }
}

impl QueueItem for LookupKey {
    type Key = ();

    /// A lookup changes no row.
    fn key(&self) -> Option<()> {
        None
    }
}
