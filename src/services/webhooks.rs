//! Webhooks, as their owners and the operator manage them.

use std::sync::Arc;

use super::DbWork;
use crate::domain::audit::AuditContext;
use crate::domain::token::Keyring;
use crate::domain::user::{Email, UserId};
use crate::domain::webhook::{Webhook, WebhookId, WebhookSecret};
use crate::store::webhooks::{self, NewWebhook, TooManyWebhooks, WebhookChange};
use crate::store::{LimitOffset, Paginated};

/// Adds a webhook. The returned secret is the only copy that is not sealed.
pub fn add(
    new: NewWebhook,
    keyring: Arc<Keyring>,
    audit: AuditContext,
) -> impl DbWork<Result<(Webhook, WebhookSecret), TooManyWebhooks>> {
    move |conn| {
        let now = conn.now()?;
        webhooks::insert(conn, &new, &keyring, &audit, now)
    }
}

/// A page of a user's webhooks, oldest first.
pub fn of_user(owner: UserId, page: LimitOffset) -> impl DbWork<Paginated<Webhook>> {
    move |conn| webhooks::list_by_owner(conn, owner, page)
}

/// All webhooks, or those of one user, each with the address of its owner, oldest first.
pub fn with_owners(owner: Option<UserId>) -> impl DbWork<Vec<(Webhook, Email)>> {
    move |conn| webhooks::with_owners(conn, owner)
}

/// Those of a user's webhooks with these ids.
pub fn by_ids(owner: UserId, ids: Vec<WebhookId>) -> impl DbWork<Vec<Webhook>> {
    move |conn| webhooks::by_ids(conn, owner, &ids)
}

/// Changes a user's webhook. `None`: the user has no such webhook.
pub fn update(
    id: WebhookId,
    owner: UserId,
    change: WebhookChange,
    audit: AuditContext,
) -> impl DbWork<Option<Webhook>> {
    move |conn| {
        let now = conn.now()?;
        webhooks::update(conn, id, owner, change.clone(), &audit, now)
    }
}

/// Deletes a webhook, with `owner` only one of this user. `false`: there is no such webhook.
pub fn delete(id: WebhookId, owner: Option<UserId>, audit: AuditContext) -> impl DbWork<bool> {
    move |conn| {
        let now = conn.now()?;
        webhooks::delete(conn, id, owner, &audit, now)
    }
}

/// Gives a user's webhook a new secret. `None`: the user has no such webhook.
pub fn rotate_secret(
    id: WebhookId,
    owner: UserId,
    keyring: Arc<Keyring>,
    audit: AuditContext,
) -> impl DbWork<Option<WebhookSecret>> {
    move |conn| {
        let now = conn.now()?;
        webhooks::rotate_secret(conn, id, owner, &keyring, &audit, now)
    }
}

/// Seals the secrets under the current server secret that are sealed under the second one. Returns the number of
/// webhooks whose secret is sealed under neither.
pub fn reseal_secrets(keyring: Arc<Keyring>) -> impl DbWork<usize> {
    move |conn| webhooks::reseal(conn, &keyring)
}
