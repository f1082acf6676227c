//! The seals of the audit log, for the command line.

use std::sync::Arc;

use super::DbWork;
use crate::domain::seal::{Anchor, Fault, SignedSeal};
use crate::domain::token::Keyring;
use crate::store::seals::{self, Report};

/// Verifies the sealed audit log ([`seals::verify`]).
pub fn verify(
    keyring: Option<Arc<Keyring>>,
    anchors: Vec<Anchor>,
    progress: impl Fn(i64, i64) + Send + 'static,
) -> impl DbWork<Result<Report, Fault>> {
    move |conn| seals::verify(conn, keyring.as_deref(), &anchors, &progress)
}

/// The last seal. `None` if the log has never been sealed.
pub fn latest() -> impl DbWork<Option<SignedSeal>> {
    seals::latest
}
