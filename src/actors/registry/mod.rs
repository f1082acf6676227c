//! The TokenRegistry: puts all changes to tokens, requests, permissions and blocks in
//! one order. They are committed one batch at a time, and each caller is answered after COMMIT. Lookups by key are
//! batched in the same way.
//!
//! [`Registry`] is the handle; the actor behind it is in `actor`, and the execution of batches in `batch_executor`.

mod actor;
mod batch_executor;
mod batch_work;
mod error;
mod handle;
mod stats;

pub use error::{CommandError, RegistryError};
pub use handle::Registry;
pub use stats::{DecisionCounts, LabelledCounts};
