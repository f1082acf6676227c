//! The deliveries of a webhook, as its owner sees them.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use uuid::Uuid;

use super::queue::LEASE_SECONDS;
use super::{CANCELLED, DELIVERED, FAILED, FIRST_DUE, LAST_DELIVERED};
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::WebhookId;
use crate::store::audit_log::min_id_at;
use crate::store::capped_counts::{self, MAX_COUNTED};
use crate::store::connection::{Conn, with_backend};
use crate::store::page::{LimitOffset, Paginated};
use crate::store::schema::webhook_deliveries::{self, dsl};
use crate::store::schema::webhooks;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp};

/// The highest number of deliveries that a list counts and pages through.
pub const MAX_LISTED: i64 = 10_000;

/// The id of a delivery. It starts with the time (UUID version 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(pub Uuid);

/// A delivery without its content.
#[derive(Clone, Debug)]
pub struct WebhookDelivery {
    pub id: DeliveryId,
    pub event_id: Uuid,
    pub event_type: String,
    pub created_at: Timestamp,
    pub status: DeliveryStatus,
    pub attempts: i32,
    /// The time of the next attempt, if there is one.
    pub next_attempt_at: Option<Timestamp>,
    /// The receiver's status in the last attempt.
    pub http_status: Option<i32>,
    /// How long the last attempt took.
    pub duration_ms: Option<i32>,
    /// The name of the reason why the last attempt failed.
    pub reason: Option<String>,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    Waiting,
    Sending,
    Delivered,
    /// No attempt is left.
    Failed,
    /// The webhook was disabled, the audit entry was deleted, or the owner may no longer see it.
    Cancelled,
}

/// Which deliveries are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryFilter {
    pub status: Option<DeliveryStatus>,
    /// The type of the event.
    pub event: Option<&'static str>,
}

impl DeliveryStatus {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Sending, Self::Delivered, Self::Failed, Self::Cancelled];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Delivered => DELIVERED,
            Self::Failed => FAILED,
            Self::Cancelled => CANCELLED,
        }
    }

    /// Finds a state by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries)]
struct DeliveryRow {
    id: DbUuid,
    event_id: DbUuid,
    event_type: String,
    created_at: DbTimestamp,
    due_at: DbTimestamp,
    attempts: i32,
    lease: Option<DbUuid>,
    result: Option<String>,
    http_status: Option<i32>,
    duration_ms: Option<i32>,
    reason: Option<String>,
}

impl DeliveryRow {
    fn into_delivery(self, now: Timestamp) -> WebhookDelivery {
        let is_sending = self.lease.is_some() && self.due_at.0 > now;
        let pending = if is_sending { DeliveryStatus::Sending } else { DeliveryStatus::Waiting };
        let status = self.result.as_deref().and_then(DeliveryStatus::from_name).unwrap_or(pending);
        WebhookDelivery {
            id: DeliveryId(self.id.0),
            event_id: self.event_id.0,
            event_type: self.event_type,
            created_at: self.created_at.0,
            status,
            attempts: self.attempts,
            next_attempt_at: (status == DeliveryStatus::Waiting).then_some(self.due_at.0),
            http_status: self.http_status,
            duration_ms: self.duration_ms,
            reason: self.reason,
        }
    }
}

/// A page of a webhook's deliveries, newest first. Counts and pages through at most [`MAX_LISTED`]: those of an event
/// are found among so many of the state.
pub fn list(
    conn: &mut Conn,
    webhook: WebhookId,
    filter: DeliveryFilter,
    page: LimitOffset,
) -> QueryResult<Paginated<WebhookDelivery>> {
    let now = conn.now()?;
    // The order names the columns of an index, so that it is read up to the limit.
    let mut listed: Vec<(DbUuid, String)> = with_backend!(conn, c => {
        let query = dsl::webhook_deliveries.select((dsl::id, dsl::event_type)).limit(MAX_LISTED).into_boxed();
        let query = query.filter(dsl::webhook.eq(webhook.0));
        let query = match filter.status {
            None => query.order((dsl::webhook.desc(), dsl::id.desc())),
            Some(status @ (DeliveryStatus::Delivered | DeliveryStatus::Failed | DeliveryStatus::Cancelled)) => query
                .filter(dsl::result.eq(status.name()))
                .order((dsl::webhook.desc(), dsl::result.desc(), dsl::id.desc())),
            Some(DeliveryStatus::Waiting) => query
                .filter(dsl::result.is_null())
                .filter(dsl::lease.is_null().or(dsl::due_at.le(DbTimestamp(now))))
                .order((dsl::webhook.desc(), dsl::result.desc(), dsl::id.desc())),
            // Of all that wait, only those that are due within the time of a lease are read.
            Some(DeliveryStatus::Sending) => query
                .filter(dsl::finished_at.is_null().and(dsl::lease.is_not_null()))
                .filter(dsl::due_at.gt(DbTimestamp(now)))
                .filter(dsl::due_at.le(DbTimestamp(now.plus_seconds(LEASE_SECONDS))))
                .order(dsl::id.desc()),
        };
        query.load(c)
    })?;
    listed.retain(|(_, event)| filter.event.is_none_or(|wanted| wanted == event));
    let page: Vec<DbUuid> = page.take(listed.iter().map(|(id, _)| *id));
    let rows: Vec<DeliveryRow> = with_backend!(conn, c => dsl::webhook_deliveries
        .filter(dsl::id.eq_any(&page))
        .order(dsl::id.desc())
        .select(DeliveryRow::as_select())
        .load(c))?;
    let rows = rows.into_iter().map(|row| row.into_delivery(now)).collect();
    Ok(Paginated { rows, total: i64::try_from(listed.len()).unwrap_or(i64::MAX) })
}

/// A delivery of a webhook.
pub fn find(
    conn: &mut Conn,
    webhook: WebhookId,
    id: DeliveryId,
    now: Timestamp,
) -> QueryResult<Option<WebhookDelivery>> {
    let row: Option<DeliveryRow> = with_backend!(conn, c => dsl::webhook_deliveries
        .filter(dsl::id.eq(DbUuid(id.0)).and(dsl::webhook.eq(webhook.0)))
        .select(DeliveryRow::as_select())
        .first(c)
        .optional())?;
    Ok(row.map(|row| row.into_delivery(now)))
}

/// When events were last delivered to webhooks, in the time for which deliveries are kept. Reads one entry of an index
/// for each webhook.
pub fn last_delivered(conn: &mut Conn, webhooks: &[WebhookId]) -> QueryResult<HashMap<WebhookId, Timestamp>> {
    let ids: Vec<i64> = webhooks.iter().map(|id| id.0).collect();
    let last = sql::<Nullable<SqlTimestamp>>(LAST_DELIVERED);
    let found: Vec<(i64, Option<DbTimestamp>)> = with_backend!(conn, c => webhooks::table
        .filter(webhooks::id.eq_any(&ids))
        .select((webhooks::id, last))
        .load(c))?;
    Ok(found.into_iter().filter_map(|(id, at)| Some((WebhookId(id), at?.0))).collect())
}

/// Deletes deliveries that were queued before `cutoff`, at most `limit`. Returns their number.
pub fn delete_old(conn: &mut Conn, cutoff: Timestamp, limit: i64) -> QueryResult<usize> {
    conn.disable_statement_timeout()?;
    let old: Vec<DbUuid> = with_backend!(conn, c => dsl::webhook_deliveries
        .filter(dsl::id.lt(DbUuid(min_id_at(cutoff))))
        .order(dsl::id)
        .limit(limit)
        .select(dsl::id)
        .load(c))?;
    with_backend!(conn, c => diesel::delete(dsl::webhook_deliveries.filter(dsl::id.eq_any(&old))).execute(c))
}

/// The deliveries that wait, and the webhooks that get none, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingDeliveries {
    /// Exact up to 100,000.
    pub count: i64,
    /// For how long the oldest one has been due, in seconds, not counting webhooks that fail.
    pub oldest_due_seconds: i64,
    /// The webhooks that the server has disabled.
    pub disabled: i64,
}

/// The deliveries that wait.
pub fn waiting(conn: &mut Conn, now: Timestamp) -> QueryResult<WaitingDeliveries> {
    let count = capped_counts::count(conn, "webhook_deliveries WHERE finished_at IS NULL")?.min(MAX_COUNTED);
    let first_due = sql::<Nullable<SqlTimestamp>>(FIRST_DUE);
    let due: Vec<Option<DbTimestamp>> = with_backend!(conn, c => webhooks::table
        .filter(webhooks::disabled_at.is_null().and(webhooks::failures.eq(0)))
        .filter(sql::<Bool>(FIRST_DUE).sql(" IS NOT NULL"))
        .select(first_due)
        .load(c))?;
    let oldest = due.into_iter().flatten().map(|at| at.0).min();
    let oldest_due_seconds = oldest.map_or(0, |due| due.seconds_until(now).max(0));
    let by_server = webhooks::disabled_reason.eq_any(["gone", "failing"]);
    let disabled = with_backend!(conn, c => webhooks::table.filter(by_server).count().get_result(c))?;
    Ok(WaitingDeliveries { count, oldest_due_seconds, disabled })
}
