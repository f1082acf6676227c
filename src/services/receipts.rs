//! Receipts of consents, and the keys that sign them.

use std::sync::Arc;

use super::DbWork;
use crate::domain::audit::AuditContext;
use crate::domain::jws::JwkSet;
use crate::domain::token::Keyring;
use crate::receipt;
use crate::store::signing_keys;

/// The public keys that verify receipts: the current one, and all earlier ones.
pub fn public_keys() -> impl DbWork<JwkSet> {
    receipt::public_keys
}

/// Replaces the key that signs receipts. Returns the id of the new key, or `None` if another process
/// has replaced it at the same time.
pub fn rotate_key(keyring: Arc<Keyring>) -> impl DbWork<Option<String>> {
    move |conn| {
        let now = conn.now()?;
        signing_keys::rotate(conn, &keyring, &AuditContext::OPERATOR, now)
    }
}

/// Seals the current key under the current secret, if it is sealed under the second one. `false`: it
/// is sealed under neither.
pub fn reseal_key(keyring: Arc<Keyring>) -> impl DbWork<bool> {
    move |conn| signing_keys::reseal(conn, &keyring)
}
