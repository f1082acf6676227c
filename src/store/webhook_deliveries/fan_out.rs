//! Queues the entries of the audit log for the webhooks that receive them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use uuid::Uuid;

use super::list::DeliveryId;
use crate::domain::audit::AuditAction;
use crate::domain::seal::StoredEntry;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::domain::webhook::{TEST_EVENT, WebhookId};
use crate::entropy;
use crate::store::audit_log::{AuditReader, Page};
use crate::store::bulk::bulk;
use crate::store::connection::Conn;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use crate::store::webhooks::{self, ActiveWebhook};

bulk! {
    InsertDeliveries {
        id: SqlUuid => DbUuid,
        webhook: BigInt => i64,
        event_id: SqlUuid => DbUuid,
        event_type: Text => String,
        now: SqlTimestamp => DbTimestamp,
    }
    "INSERT INTO webhook_deliveries (id, webhook, event_id, event_type, created_at, due_at, attempts) \
     SELECT id, webhook, event_id, event_type, now, now, 0 FROM" w ""
}

/// Queues the entries on a page of the audit log. Returns the number of deliveries; `None` if another replica took the page.
///
/// The webhooks are read after the page: a webhook that existed when an entry was written is then visible.
pub fn fan_out(conn: &mut Conn, page: &Page) -> QueryResult<Option<usize>> {
    if !page.take(conn, AuditReader::Webhooks)? {
        return Ok(None);
    }
    let webhooks = webhooks::active(conn)?;
    if webhooks.is_empty() {
        return Ok(Some(0));
    }
    let now = conn.now()?;
    let mut rows = InsertDeliveries::default();
    for (_, entry) in &page.entries {
        let Some(action) = AuditAction::from_name(&entry.action) else { continue };
        for ActiveWebhook { webhook, .. } in
            webhooks.iter().filter(|webhook| receives(webhook, entry, action))
        {
            push(&mut rows, webhook.id, entry.id, action.name(), now);
        }
    }
    rows.run(conn).map(Some)
}

/// Queues the event `webhook.test`. Returns the delivery.
pub fn queue_test(conn: &mut Conn, webhook: WebhookId, now: Timestamp) -> QueryResult<DeliveryId> {
    let mut rows = InsertDeliveries::default();
    let id = push(&mut rows, webhook, entropy::token().uuid(now), TEST_EVENT, now);
    rows.run(conn)?;
    Ok(id)
}

fn receives(active: &ActiveWebhook, entry: &StoredEntry, action: AuditAction) -> bool {
    active.webhook.created_at <= entry.at
        && action != AuditAction::OperationAbandoned
        && active.webhook.events.matches(action)
        && active.may_see(entry.actor.map(UserId), entry.affected_users.map(|user| user.map(UserId)))
}

fn push(
    rows: &mut InsertDeliveries<'_>,
    webhook: WebhookId,
    event: Uuid,
    name: &str,
    now: Timestamp,
) -> DeliveryId {
    let id = entropy::token().uuid(now);
    rows.push((DbUuid(id), webhook.0, DbUuid(event), name.to_owned(), DbTimestamp(now)));
    DeliveryId(id)
}
