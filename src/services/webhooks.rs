//! Webhooks, as their owners and the operator manage them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::DbWork;
use crate::domain::audit::AuditContext;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::domain::user::{Email, UserId};
use crate::domain::webhook::{Webhook, WebhookId, WebhookSecret};
use crate::store::webhook_deliveries::{
    self, DeliveryFilter, DeliveryId, ReplayRange, WaitingDeliveries, WebhookDelivery,
};
use crate::store::webhooks::{self, NewWebhook, TooManyWebhooks, WebhookChange};
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError, webhook_secrets};

/// How long a request spends on a replay. It has 1.8 seconds in all.
const MAX_REPLAY_TIME: Duration = Duration::from_millis(800);
/// Deliveries that a request queues again, and at most one step more.
const MAX_REPLAYED: usize = 10_000;

/// Why an event was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The user has no such webhook, or it has no such delivery.
    NotFound,
    /// The webhook is disabled.
    Disabled,
}

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

/// A page of the deliveries of a user's webhook, newest first. `None`: the user has no such webhook.
pub fn deliveries(
    id: WebhookId,
    owner: UserId,
    filter: DeliveryFilter,
    page: LimitOffset,
) -> impl DbWork<Option<Paginated<WebhookDelivery>>> {
    move |conn| {
        if webhooks::by_ids(conn, owner, &[id])?.is_empty() {
            return Ok(None);
        }
        webhook_deliveries::list(conn, id, filter, page).map(Some)
    }
}

/// A delivery of a webhook.
pub fn delivery(id: WebhookId, delivery: DeliveryId) -> impl DbWork<Option<WebhookDelivery>> {
    move |conn| {
        let now = conn.now()?;
        webhook_deliveries::find(conn, id, delivery, now)
    }
}

/// Queues an event to test a webhook, with `owner` only one of this user. If the server has disabled the webhook, a
/// test that is delivered enables it again.
pub fn test(id: WebhookId, owner: Option<UserId>) -> impl DbWork<Result<WebhookDelivery, QueueError>> {
    move |conn| {
        let now = conn.now()?;
        match webhooks::find(conn, id, owner)? {
            None => Ok(Err(QueueError::NotFound)),
            Some(webhook) if !webhook.can_send(true) => Ok(Err(QueueError::Disabled)),
            Some(webhook) => {
                if !webhook.is_active() {
                    webhooks::end_pause(conn, id)?;
                }
                let delivery = webhook_deliveries::queue_test(conn, id, now)?;
                let queued = webhook_deliveries::find(conn, id, delivery, now)?;
                Ok(queued.ok_or(QueueError::NotFound))
            }
        }
    }
}

/// Makes a delivery of a webhook due, and starts its attempts again. With `owner` only one of this user's webhooks.
pub fn replay(
    id: WebhookId,
    owner: Option<UserId>,
    delivery: DeliveryId,
) -> impl DbWork<Result<WebhookDelivery, QueueError>> {
    move |conn| {
        let now = conn.now()?;
        match webhooks::find(conn, id, owner)? {
            None => Ok(Err(QueueError::NotFound)),
            Some(webhook) if !webhook.is_active() => {
                let exists = webhook_deliveries::find(conn, id, delivery, now)?.is_some();
                Ok(Err(if exists { QueueError::Disabled } else { QueueError::NotFound }))
            }
            Some(_) => Ok(webhook_deliveries::replay(conn, id, delivery, now)?.ok_or(QueueError::NotFound)),
        }
    }
}

/// The deliveries that a replay has queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub queued: usize,
    /// Whether some are left, because the replay would have taken too long.
    pub more: bool,
}

/// One step of a replay: queues the next deliveries of a range, with `owner` only of this user's webhook. Returns
/// their number, and the rest of the range.
pub fn replay_step(
    id: WebhookId,
    owner: Option<UserId>,
    range: ReplayRange,
) -> impl DbWork<Result<(usize, Option<ReplayRange>), QueueError>> {
    move |conn| {
        let now = conn.now()?;
        match webhooks::find(conn, id, owner)? {
            None => Ok(Err(QueueError::NotFound)),
            Some(webhook) if !webhook.is_active() => Ok(Err(QueueError::Disabled)),
            Some(_) => webhook_deliveries::replay_step(conn, id, range, now).map(Ok),
        }
    }
}

/// Queues the deliveries of a user's webhook in this range, in steps, as many as there is time for.
pub(crate) async fn replay_range(
    store: &AsyncStore,
    id: WebhookId,
    owner: UserId,
    range: ReplayRange,
) -> Result<Result<Replayed, QueueError>, StoreError> {
    let started_at = Instant::now();
    let (mut replayed, mut rest) = (Replayed::default(), Some(range));
    while let Some(range) = rest {
        if started_at.elapsed() >= MAX_REPLAY_TIME || replayed.queued >= MAX_REPLAYED {
            replayed.more = true;
            break;
        }
        match store.write(replay_step(id, Some(owner), range)).await? {
            Ok((queued, left)) => {
                replayed.queued += queued;
                rest = left;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(replayed))
}

/// When events were last delivered to these webhooks.
pub fn last_delivered(ids: Vec<WebhookId>) -> impl DbWork<HashMap<WebhookId, Timestamp>> {
    move |conn| webhook_deliveries::last_delivered(conn, &ids)
}

/// The deliveries that wait.
pub fn waiting() -> impl DbWork<WaitingDeliveries> {
    |conn| {
        let now = conn.now()?;
        webhook_deliveries::waiting(conn, now)
    }
}

/// Seals the secrets under the current server secret that are sealed under the second one. Returns the number of
/// webhooks whose secret is sealed under neither.
pub fn reseal_secrets(keyring: Arc<Keyring>) -> impl DbWork<usize> {
    move |conn| webhook_secrets::reseal(conn, &keyring)
}
