//! The secrets of webhooks, sealed under the server's secret.

use diesel::prelude::*;

use super::connection::{Conn, with_backend};
use super::schema::webhooks::{self, dsl};
use super::types::DbTimestamp;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::domain::webhook::{WebhookId, WebhookSecret};
use crate::entropy;

/// The secrets of a webhook, as they are stored.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = webhooks)]
pub struct SealedSecrets {
    id: i64,
    secret: Vec<u8>,
    previous_secret: Option<Vec<u8>>,
    previous_secret_ends_at: Option<DbTimestamp>,
}

impl SealedSecrets {
    /// The secrets that sign now, the current one first. Empty if the current one is sealed under another server
    /// secret.
    pub fn open(&self, keyring: &Keyring, now: Timestamp) -> Vec<WebhookSecret> {
        let Some(current) = self.open_one(keyring, &self.secret) else { return Vec::new() };
        let overlaps = self.previous_secret_ends_at.is_some_and(|end| end.0 > now);
        let previous = self.previous_secret.as_deref().filter(|_| overlaps);
        [current].into_iter().chain(previous.and_then(|sealed| self.open_one(keyring, sealed))).collect()
    }

    fn open_one(&self, keyring: &Keyring, sealed: &[u8]) -> Option<WebhookSecret> {
        WebhookSecret::from_bytes(keyring.open(&seal_name(WebhookId(self.id)), sealed)?.private_key)
    }
}

/// What the seal of a secret is bound to: one that is copied to another webhook does not open.
fn seal_name(id: WebhookId) -> String {
    format!("webhook:{id}")
}

/// A random secret.
pub(super) fn new_secret() -> WebhookSecret {
    WebhookSecret::new(entropy::bytes())
}

/// Seals a secret under the current server secret.
pub(super) fn seal(id: WebhookId, secret: &WebhookSecret, keyring: &Keyring) -> Vec<u8> {
    keyring.seal(&seal_name(id), secret.expose_bytes(), entropy::bytes())
}

/// Seals the secrets under the current server secret that are sealed under the second one. Returns the number of
/// webhooks whose secret is sealed under neither: they need a new one.
pub fn reseal(conn: &mut Conn, keyring: &Keyring) -> QueryResult<usize> {
    let rows: Vec<SealedSecrets> =
        with_backend!(conn, c => dsl::webhooks.order(dsl::id).select(SealedSecrets::as_select()).load(c))?;
    let mut unreadable = 0;
    for row in rows {
        let id = WebhookId(row.id);
        let resealed = |sealed: &[u8]| {
            let opened = keyring.open(&seal_name(id), sealed)?;
            let is_outdated = opened.is_under_second_key;
            let secret = WebhookSecret::from_bytes(opened.private_key)?;
            Some(is_outdated.then(|| seal(id, &secret, keyring)))
        };
        match resealed(&row.secret) {
            Some(Some(secret)) => {
                // The condition on the previous content: it may have been rotated in between.
                let unchanged = dsl::webhooks.find(id.0).filter(dsl::secret.eq(&row.secret));
                with_backend!(conn, c => diesel::update(unchanged).set(dsl::secret.eq(secret)).execute(c))?;
            }
            Some(None) => {}
            None => unreadable += 1,
        }
        let previous = row.previous_secret;
        if let Some(secret) = previous.as_deref().and_then(resealed).flatten() {
            let unchanged =
                dsl::webhooks.find(id.0).filter(dsl::previous_secret.eq(previous).assume_not_null());
            with_backend!(conn, c => diesel::update(unchanged)
                .set(dsl::previous_secret.eq(Some(secret)))
                .execute(c))?;
        }
    }
    Ok(unreadable)
}
