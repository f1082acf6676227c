//! Webhooks: their registration by their owners.

use std::sync::Arc;

use super::DbWork;
use crate::domain::token::Keyring;
use crate::store::webhooks;

/// Seals the secrets under the current server secret that are sealed under the second one. Returns the number of
/// webhooks whose secret is sealed under neither.
pub fn reseal_secrets(keyring: Arc<Keyring>) -> impl DbWork<usize> {
    move |conn| webhooks::reseal(conn, &keyring)
}
