//! Queues the entries of the audit log for the webhooks that receive them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use uuid::Uuid;

use super::list::DeliveryId;
use crate::domain::audit::AuditAction;
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::{TEST_EVENT, WebhookId};
use crate::entropy;
use crate::store::audit_log::{self, AuditReader, TakenEntry};
use crate::store::bulk::bulk;
use crate::store::connection::Conn;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use crate::store::webhooks::{self, ActiveWebhook};

/// Entries of the audit log that one step takes.
const STEP_SIZE: i64 = 5_000;

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

/// Queues the next entries of the audit log. Returns the number of steps that were made: 0 or 1.
///
/// The webhooks are read after [`audit_log::unread`]: a webhook that existed when an entry was written is then visible.
pub fn step(conn: &mut Conn) -> QueryResult<usize> {
    let reader = AuditReader::Webhooks;
    let Some(unread) = audit_log::unread(conn, reader)? else { return Ok(0) };
    let webhooks = webhooks::active(conn)?;
    if webhooks.is_empty() {
        return audit_log::skip(conn, reader, unread).map(|()| 0);
    }
    let is_wanted = |action: &AuditAction| {
        *action != AuditAction::OperationAbandoned
            && webhooks.iter().any(|active| active.webhook.events.matches(*action))
    };
    let wanted: Vec<AuditAction> = AuditAction::ALL.iter().copied().filter(is_wanted).collect();
    let Some(entries) = audit_log::take(conn, reader, unread, &wanted, STEP_SIZE)? else { return Ok(0) };
    let now = conn.now()?;
    let mut rows = InsertDeliveries::default();
    for entry in &entries {
        for ActiveWebhook { webhook, .. } in webhooks.iter().filter(|webhook| receives(webhook, entry)) {
            push(&mut rows, webhook.id, entry.id, entry.action.name(), now);
        }
    }
    rows.run(conn)?;
    Ok(1)
}

/// Queues the event `webhook.test`. Returns the delivery.
pub fn queue_test(conn: &mut Conn, webhook: WebhookId, now: Timestamp) -> QueryResult<DeliveryId> {
    let mut rows = InsertDeliveries::default();
    let id = push(&mut rows, webhook, entropy::token().uuid(now), TEST_EVENT, now);
    rows.run(conn)?;
    Ok(id)
}

fn receives(active: &ActiveWebhook, entry: &TakenEntry) -> bool {
    active.webhook.created_at <= entry.at
        && active.webhook.events.matches(entry.action)
        && active.may_see(entry.actor, entry.affected_users)
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
