//! Sending events again.

use diesel::prelude::*;
use uuid::Uuid;

use super::list::{DeliveryId, DeliveryStatus, WebhookDelivery, find};
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::WebhookId;
use crate::store::audit_log::min_id_at;
use crate::store::connection::{Conn, for_update, with_backend};
use crate::store::schema::webhook_deliveries::dsl;
use crate::store::types::{DbTimestamp, DbUuid};

/// Deliveries that one step queues again.
const STEP_SIZE: i64 = 1_000;

/// The deliveries that [`replay_step`] queues again: those with one of these states that were queued first at a
/// time or later.
#[derive(Clone, Copy, Debug)]
pub struct ReplayRange {
    /// Those that are left. The deliveries of the first one are read next.
    statuses: &'static [DeliveryStatus],
    since: Timestamp,
    /// The last delivery of the first state that was queued again.
    after: Option<Uuid>,
}

impl ReplayRange {
    /// The deliveries that failed or were cancelled, and with `delivered` also those that were delivered.
    pub const fn new(since: Timestamp, delivered: bool) -> Self {
        use DeliveryStatus::{Cancelled, Delivered, Failed};
        let statuses: &[DeliveryStatus] =
            if delivered { &[Delivered, Failed, Cancelled] } else { &[Failed, Cancelled] };
        Self { statuses, since, after: None }
    }
}

/// The columns of a delivery that starts again.
macro_rules! restarted {
    ($now:expr) => {
        (
            dsl::due_at.eq(DbTimestamp($now)),
            dsl::attempts.eq(0),
            dsl::lease.eq(None::<DbUuid>),
            dsl::finished_at.eq(None::<DbTimestamp>),
            dsl::result.eq(None::<String>),
        )
    };
}

/// Makes a delivery due and starts its attempts again, unless one is in flight. `None`: the webhook has no such
/// delivery.
pub fn replay(
    conn: &mut Conn,
    webhook: WebhookId,
    id: DeliveryId,
    now: Timestamp,
) -> QueryResult<Option<WebhookDelivery>> {
    let delivery = dsl::webhook_deliveries.filter(dsl::id.eq(DbUuid(id.0)).and(dsl::webhook.eq(webhook.0)));
    let idle = delivery.filter(dsl::lease.is_null().or(dsl::due_at.le(DbTimestamp(now))));
    with_backend!(conn, c => diesel::update(idle).set(restarted!(now)).execute(c))?;
    find(conn, webhook, id, now)
}

/// [`replay`] for the next deliveries of a range, oldest first. Returns their number, and the rest of the range.
pub fn replay_step(
    conn: &mut Conn,
    webhook: WebhookId,
    range: ReplayRange,
    now: Timestamp,
) -> QueryResult<(usize, Option<ReplayRange>)> {
    let Some((status, others)) = range.statuses.split_first() else { return Ok((0, None)) };
    let first = dsl::id.ge(DbUuid(min_id_at(range.since)));
    let found = dsl::webhook_deliveries
        .filter(dsl::webhook.eq(webhook.0).and(dsl::result.eq(status.name())).and(first))
        .filter(dsl::id.gt(DbUuid(range.after.unwrap_or_default())))
        .order(dsl::id)
        .limit(STEP_SIZE)
        .select(dsl::id);
    let ids: Vec<DbUuid> = for_update!(conn, found)?;
    let ended = dsl::webhook_deliveries.filter(dsl::id.eq_any(&ids).and(dsl::finished_at.is_not_null()));
    let queued = with_backend!(conn, c => diesel::update(ended).set(restarted!(now)).execute(c))?;
    let rest = match ids.last() {
        Some(last) if ids.len() as i64 == STEP_SIZE => Some(ReplayRange { after: Some(last.0), ..range }),
        _ if others.is_empty() => None,
        _ => Some(ReplayRange { statuses: others, after: None, ..range }),
    };
    Ok((queued, rest))
}
