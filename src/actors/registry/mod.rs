//! The TokenRegistry: puts all changes to tokens, requests, permissions and blocks in
//! one order. It commits one batch at a time, and answers each caller after COMMIT. It
//! batches lookups by key in the same way.
//!
//! [`Registry`] is the handle; the actor behind it is in `actor`.

mod actor;
mod error;
mod handle;
mod stats;

pub use error::{CommandError, RegistryError};
pub use handle::Registry;
pub use stats::{DecisionCounts, LabelledCounts};
