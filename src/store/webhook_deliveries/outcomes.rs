//! Outcomes of attempts: for the delivery, and for its webhook.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use super::list::DeliveryId;
use super::queue::LeasedDelivery;
use super::{CANCELLED, DELIVERED, FAILED};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::notice::Notice;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::domain::webhook::{
    AttemptOutcome, DisabledReason, FailureReason, TEST_EVENT, WebhookId, is_given_up, pause, retry_delay,
};
use crate::entropy;
use crate::store::connection::{Conn, for_update, with_backend};
use crate::store::schema::webhook_deliveries::dsl;
use crate::store::schema::webhooks;
use crate::store::types::{DbTimestamp, DbUuid};
use crate::store::{audit_log, outbox};

/// The outcome of an attempt that is to be recorded.
#[derive(Clone, Debug)]
pub struct AttemptReport {
    pub leased: LeasedDelivery,
    pub webhook: WebhookId,
    /// Attempts, including this one.
    pub attempts: i32,
    pub outcome: AttemptOutcome,
    pub duration: Duration,
}

/// The columns of a delivery that an attempt changes.
#[derive(AsChangeset)]
#[diesel(table_name = crate::store::schema::webhook_deliveries, treat_none_as_null = true)]
struct DeliveryChange {
    due_at: DbTimestamp,
    lease: Option<DbUuid>,
    finished_at: Option<DbTimestamp>,
    result: Option<&'static str>,
    http_status: Option<i32>,
    duration_ms: Option<i32>,
    reason: Option<&'static str>,
}

/// Records outcomes. Those whose lease was lost change nothing.
pub fn record(conn: &mut Conn, reports: &[AttemptReport], now: Timestamp) -> QueryResult<()> {
    // Every replica locks the webhooks in this order.
    let mut reports: Vec<&AttemptReport> = reports.iter().collect();
    reports.sort_by_key(|report| report.webhook);
    for report in reports {
        if record_delivery(conn, report, now)? {
            record_webhook(conn, report, now)?;
        } else {
            tracing::warn!(delivery = %report.leased.id.0, "webhook lease lost; the event may be sent twice");
        }
    }
    Ok(())
}

fn record_delivery(conn: &mut Conn, report: &AttemptReport, now: Timestamp) -> QueryResult<bool> {
    let LeasedDelivery { id, lease } = report.leased;
    let leased = dsl::id.eq(DbUuid(id.0)).and(dsl::lease.eq(DbUuid(lease)).assume_not_null());
    let leased = leased.and(dsl::finished_at.is_null());
    let (result, due_at) = match report.outcome {
        AttemptOutcome::NotAttempted => {
            let set = (
                dsl::lease.eq(None::<DbUuid>),
                dsl::due_at.eq(DbTimestamp(now)),
                dsl::attempts.eq(dsl::attempts - 1),
            );
            return with_backend!(conn, c => diesel::update(dsl::webhook_deliveries.filter(leased)).set(set).execute(c))
                .map(|rows| rows > 0);
        }
        AttemptOutcome::Delivered { .. } => (Some(DELIVERED), now),
        AttemptOutcome::Gone => (Some(FAILED), now),
        AttemptOutcome::Failed { retry_after, .. } => {
            let failed_attempts = usize::try_from(report.attempts).unwrap_or_default();
            let jitter = u16::from_be_bytes(entropy::bytes());
            match retry_delay(failed_attempts, retry_after, jitter) {
                Some(delay) => (None, plus(now, delay)),
                None => (Some(FAILED), now),
            }
        }
    };
    let set = DeliveryChange {
        due_at: DbTimestamp(due_at),
        lease: None,
        finished_at: result.map(|_| DbTimestamp(now)),
        result,
        http_status: report.outcome.status().map(i32::from),
        duration_ms: i32::try_from(report.duration.as_millis()).ok(),
        reason: report.outcome.reason().map(FailureReason::name),
    };
    with_backend!(conn, c => diesel::update(dsl::webhook_deliveries.filter(leased)).set(set).execute(c))
        .map(|rows| rows > 0)
}

fn plus(now: Timestamp, delay: Duration) -> Timestamp {
    Timestamp::from_micros(now.micros().saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)))
}

/// Counts the failures of a webhook in a row, pauses it, and disables it if it fails for too long.
fn record_webhook(conn: &mut Conn, report: &AttemptReport, now: Timestamp) -> QueryResult<()> {
    let webhook = webhooks::table.find(report.webhook.0);
    let retry_after = match report.outcome {
        AttemptOutcome::NotAttempted => return Ok(()),
        AttemptOutcome::Delivered { .. } => {
            let set = (
                webhooks::failures.eq(0),
                webhooks::failing_since.eq(None::<DbTimestamp>),
                webhooks::paused_until.eq(None::<DbTimestamp>),
            );
            let changed = webhook.filter(webhooks::failures.gt(0).or(webhooks::disabled_at.is_not_null()));
            let disabled: Vec<Option<String>> = with_backend!(conn, c => diesel::update(changed)
                .set(set)
                .returning(webhooks::disabled_reason)
                .get_results(c))?;
            return if disabled.iter().any(Option::is_some) { enable(conn, report, now) } else { Ok(()) };
        }
        AttemptOutcome::Gone => return disable(conn, report.webhook, DisabledReason::Gone, now),
        AttemptOutcome::Failed { retry_after, .. } => retry_after,
    };
    let state = (webhooks::failures, webhooks::failing_since, webhooks::disabled_at.is_not_null());
    let locked: Vec<(i32, Option<DbTimestamp>, bool)> = for_update!(conn, webhook.select(state))?;
    let Some((failures, since, is_disabled)) = locked.into_iter().next() else { return Ok(()) };
    if is_disabled {
        return fail(conn, report.leased.id, now);
    }
    let (failures, since) = (failures.saturating_add(1), since.map_or(now, |at| at.0));
    let set = (
        webhooks::failures.eq(failures),
        webhooks::failing_since.eq(Some(DbTimestamp(since))),
        webhooks::paused_until.eq(Some(DbTimestamp(plus(now, pause(failures, retry_after))))),
    );
    with_backend!(conn, c => diesel::update(webhook).set(set).execute(c))?;
    if is_given_up(failures, since, now) {
        disable(conn, report.webhook, DisabledReason::Failing, now)?;
    }
    Ok(())
}

/// Ends a delivery to a disabled webhook, whose attempt has failed: no other attempt follows.
fn fail(conn: &mut Conn, id: DeliveryId, now: Timestamp) -> QueryResult<()> {
    let unfinished = dsl::webhook_deliveries.find(DbUuid(id.0)).filter(dsl::finished_at.is_null());
    let set = (dsl::finished_at.eq(DbTimestamp(now)), dsl::result.eq(FAILED));
    with_backend!(conn, c => diesel::update(unfinished).set(set).execute(c)).map(drop)
}

/// Enables a webhook that the server has disabled, if the delivery is a test.
fn enable(conn: &mut Conn, report: &AttemptReport, now: Timestamp) -> QueryResult<()> {
    let test =
        dsl::webhook_deliveries.find(DbUuid(report.leased.id.0)).filter(dsl::event_type.eq(TEST_EVENT));
    let by_server = webhooks::disabled_reason.ne(DisabledReason::Owner.name()).assume_not_null();
    let disabled = webhooks::table.find(report.webhook.0).filter(by_server.and(diesel::dsl::exists(test)));
    let set = (webhooks::disabled_at.eq(None::<DbTimestamp>), webhooks::disabled_reason.eq(None::<String>));
    let owners: Vec<i64> = with_backend!(conn, c => diesel::update(disabled)
        .set(set)
        .returning(webhooks::owner)
        .get_results(c))?;
    for owner in owners.into_iter().map(UserId) {
        let (context, subject) = (AuditContext::default(), format!("webhook:{}", report.webhook));
        audit_log::record_affecting(conn, owner, &context, AuditAction::WebhookEnabled, subject, now)?;
        tracing::info!(webhook = %report.webhook, "webhook enabled by a test");
    }
    Ok(())
}

/// Disables a webhook, and mails its owner.
fn disable(conn: &mut Conn, id: WebhookId, reason: DisabledReason, now: Timestamp) -> QueryResult<()> {
    let active = webhooks::table.find(id.0).filter(webhooks::disabled_at.is_null());
    let set = (webhooks::disabled_at.eq(DbTimestamp(now)), webhooks::disabled_reason.eq(reason.name()));
    let owners: Vec<i64> = with_backend!(conn, c => diesel::update(active)
        .set(set)
        .returning(webhooks::owner)
        .get_results(c))?;
    for owner in owners.into_iter().map(UserId) {
        let (context, subject) = (AuditContext::default(), format!("webhook:{id}"));
        audit_log::record_affecting(conn, owner, &context, AuditAction::WebhookDisabled, subject, now)?;
        outbox::insert_notice(conn, Notice::WebhookDisabled, owner, now)?;
        tracing::info!(webhook = %id, reason = reason.name(), "webhook disabled");
    }
    Ok(())
}

/// Cancels deliveries under a lease.
pub(super) fn cancel(conn: &mut Conn, lease: Uuid, ids: &[DeliveryId], now: Timestamp) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<DbUuid> = ids.iter().map(|id| DbUuid(id.0)).collect();
    let leased = dsl::webhook_deliveries
        .filter(dsl::id.eq_any(&ids).and(dsl::lease.eq(DbUuid(lease)).assume_not_null()));
    let set = (
        // There was no attempt.
        dsl::attempts.eq(dsl::attempts - 1),
        dsl::lease.eq(None::<DbUuid>),
        dsl::finished_at.eq(DbTimestamp(now)),
        dsl::result.eq(CANCELLED),
    );
    with_backend!(conn, c => diesel::update(leased).set(set).execute(c)).map(drop)
}

/// Cancels deliveries that wait for disabled webhooks, a bounded number of them. Returns their number. Tests of
/// webhooks that the server has disabled are sent.
pub fn cancel_step(conn: &mut Conn) -> QueryResult<usize> {
    const STEP_SIZE: i64 = 1_000;
    let now = DbTimestamp(conn.now()?);
    let disabled: Vec<(i64, Option<String>)> = with_backend!(conn, c => webhooks::table
        .filter(webhooks::disabled_at.is_not_null())
        .order(webhooks::id)
        .select((webhooks::id, webhooks::disabled_reason))
        .load(c))?;
    let mut cancelled = 0;
    for (webhook, reason) in disabled {
        let is_turned_off = reason.as_deref() == Some(DisabledReason::Owner.name());
        let is_cancelled = dsl::event_type.ne(TEST_EVENT).or(is_turned_off.into_sql::<Bool>());
        // An attempt in flight reports its own result.
        let idle = dsl::lease.is_null().or(dsl::due_at.le(now));
        let waiting: Vec<DbUuid> = with_backend!(conn, c => dsl::webhook_deliveries
            .filter(dsl::webhook.eq(webhook).and(dsl::finished_at.is_null()).and(idle).and(is_cancelled))
            .order(dsl::due_at)
            .limit(STEP_SIZE)
            .select(dsl::id)
            .load(c))?;
        if waiting.is_empty() {
            continue;
        }
        let set = (dsl::lease.eq(None::<DbUuid>), dsl::finished_at.eq(now), dsl::result.eq(CANCELLED));
        let waiting =
            dsl::webhook_deliveries.filter(dsl::id.eq_any(&waiting).and(dsl::finished_at.is_null()));
        cancelled += with_backend!(conn, c => diesel::update(waiting).set(set).execute(c))?;
        break;
    }
    Ok(cancelled)
}
