//! Claiming deliveries.

use std::collections::{HashMap, HashSet};

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use uuid::Uuid;

use super::list::DeliveryId;
use super::{FIRST_DUE, outcomes};
use crate::domain::audit::{AuditAction, AuditSubjectRef};
use crate::domain::bundle_permission::BundlePermissionId;
use crate::domain::permission_request::RequestId;
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::{DisabledReason, TEST_EVENT, WebhookId};
use crate::entropy;
use crate::store::audit_log::{self, AuditEntry};
use crate::store::connection::{Backend, Conn, with_backend};
use crate::store::schema::webhook_deliveries::dsl;
use crate::store::schema::{permission_requests, users, webhooks};
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp};
use crate::store::webhooks::{ActiveWebhook, active_by_ids};

/// Seconds that a lease lasts: longer than a claim can wait and an attempt can take. After a crash, this is how long the
/// deliveries of the process still count.
pub(super) const LEASE_SECONDS: i64 = 30;
/// Deliveries to one webhook that all processes make at a time.
const MAX_PER_WEBHOOK: usize = 4;
/// The same for a webhook whose last attempt failed.
const MAX_PER_FAILING_WEBHOOK: usize = 1;

/// A delivery, and the lease under which this process makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeasedDelivery {
    pub id: DeliveryId,
    pub lease: Uuid,
}

/// A delivery that this process may make until the lease ends.
#[derive(Clone, Debug)]
pub struct ClaimedDelivery {
    pub leased: LeasedDelivery,
    pub webhook: ActiveWebhook,
    pub event: Event,
    /// Attempts, including the one that the claim is for.
    pub attempts: i32,
}

/// The event of a delivery.
#[derive(Clone, Debug)]
pub enum Event {
    Entry {
        entry: AuditEntry,
        /// The permission that the approval has led to, if the entry is one.
        permission: Option<BundlePermissionId>,
    },
    /// [`TEST_EVENT`], which the owner has queued.
    Test { id: Uuid, at: Timestamp },
}

/// How many deliveries a process can claim.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots {
    pub total: usize,
    /// How many of them can be to webhooks whose last attempt failed.
    pub failing: usize,
}

/// A webhook that has a delivery to be made now.
struct DueWebhook {
    id: WebhookId,
    failing: bool,
    /// Its deliveries that any process makes.
    in_flight: usize,
    claims: usize,
}

impl DueWebhook {
    const fn limit(&self) -> usize {
        if self.failing { MAX_PER_FAILING_WEBHOOK } else { MAX_PER_WEBHOOK }
    }
}

#[derive(Queryable)]
struct DeliveryRow {
    id: DbUuid,
    webhook: i64,
    event_id: DbUuid,
    event_type: String,
    created_at: DbTimestamp,
    attempts: i32,
}

/// Claims due deliveries under this lease, a new id. No other replica claims them before the lease ends. Cancels those
/// whose event has been deleted or that the owner may no longer see.
pub fn claim(
    conn: &mut Conn,
    slots: Slots,
    lease: Uuid,
    now: Timestamp,
) -> QueryResult<Vec<ClaimedDelivery>> {
    let due = if slots.total > 0 { due_webhooks(conn, now)? } else { Vec::new() };
    let mut rows = Vec::new();
    for webhook in &lock_webhooks(conn, share_slots(due, slots), now)? {
        rows.extend(due_deliveries(conn, webhook, now)?);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<DbUuid> = rows.iter().map(|row| row.id).collect();
    let set = (
        dsl::lease.eq(DbUuid(lease)),
        dsl::due_at.eq(DbTimestamp(now.plus_seconds(LEASE_SECONDS))),
        dsl::attempts.eq(dsl::attempts + 1),
    );
    with_backend!(conn, c => diesel::update(dsl::webhook_deliveries.filter(dsl::id.eq_any(&ids))).set(set).execute(c))?;
    load(conn, rows, lease, now)
}

/// Gives back what was claimed under these leases, without any attempt.
pub fn release(conn: &mut Conn, leases: &[Uuid], now: Timestamp) -> QueryResult<()> {
    let leases: Vec<DbUuid> = leases.iter().copied().map(DbUuid).collect();
    let claimed = dsl::webhook_deliveries.filter(dsl::lease.eq_any(&leases).assume_not_null());
    let set = (
        dsl::lease.eq(None::<DbUuid>),
        dsl::due_at.eq(DbTimestamp(now)),
        dsl::attempts.eq(dsl::attempts - 1),
    );
    with_backend!(conn, c => diesel::update(claimed).set(set).execute(c)).map(drop)
}

/// The webhooks that have a due delivery. It reads a few entries of two indexes for each active webhook, however many
/// deliveries wait.
fn due_webhooks(conn: &mut Conn, now: Timestamp) -> QueryResult<Vec<DueWebhook>> {
    let now = DbTimestamp(now);
    // Tests are sent also to webhooks that the server has disabled.
    let turned_off = webhooks::disabled_reason.eq(DisabledReason::Owner.name()).assume_not_null();
    let sends = webhooks::disabled_reason.is_null().or(diesel::dsl::not(turned_off));
    let is_paused = webhooks::failures.gt(0).and(webhooks::paused_until.gt(now).assume_not_null());
    let in_flight = sql::<BigInt>(
        "(SELECT count(*) FROM webhook_deliveries AS d WHERE d.webhook = webhooks.id AND d.lease IS NOT NULL \
         AND d.due_at > ",
    );
    let in_flight = in_flight.bind::<SqlTimestamp, _>(now).sql(")");
    let found: Vec<(i64, i32, i64)> = with_backend!(conn, c => webhooks::table
        .inner_join(users::table)
        .filter(users::active.and(sends))
        .filter(webhooks::paused_until.is_null().or(diesel::dsl::not(is_paused)))
        .filter(sql::<Bool>(FIRST_DUE).sql(" <= ").bind::<SqlTimestamp, _>(now))
        .select((webhooks::id, webhooks::failures, in_flight))
        .load(c))?;
    let due = found.into_iter().map(|(id, failures, in_flight)| DueWebhook {
        id: WebhookId(id),
        failing: failures > 0,
        in_flight: usize::try_from(in_flight).unwrap_or_default(),
        claims: 0,
    });
    Ok(due.collect())
}

/// Gives the slots to the webhooks that have the fewest deliveries in flight. Among them, those that do not fail
/// come first, otherwise the order is random. Returns those that get any.
fn share_slots(mut due: Vec<DueWebhook>, slots: Slots) -> Vec<DueWebhook> {
    let (mut total, mut failing) = (slots.total, slots.failing);
    due.sort_by_cached_key(|webhook| (webhook.failing, entropy::uuid()));
    for round in 0..MAX_PER_WEBHOOK {
        for webhook in &mut due {
            let is_next = webhook.in_flight + webhook.claims <= round && round < webhook.limit();
            if is_next && total > 0 && (!webhook.failing || failing > 0) {
                webhook.claims += 1;
                total -= 1;
                failing -= usize::from(webhook.failing);
            }
        }
    }
    due.retain(|webhook| webhook.claims > 0);
    due
}

/// Locks these webhooks, and counts their deliveries in flight again, so that all replicas together keep the limit. A
/// webhook that is locked is left out: another replica claims its deliveries, or changes it.
fn lock_webhooks(conn: &mut Conn, mut due: Vec<DueWebhook>, now: Timestamp) -> QueryResult<Vec<DueWebhook>> {
    let mut ids: Vec<i64> = due.iter().map(|webhook| webhook.id.0).collect();
    // SQLite has one writer at a time.
    if let Backend::Postgres(pg) = &mut conn.backend
        && !ids.is_empty()
    {
        let locked = webhooks::table.filter(webhooks::id.eq_any(&ids)).select(webhooks::id);
        ids = locked.for_no_key_update().skip_locked().load(&mut **pg)?;
        // A statement of its own: it sees what was committed before the locks were released.
        let leased = dsl::webhook_deliveries
            .filter(dsl::webhook.eq_any(&ids).and(dsl::lease.is_not_null()))
            .filter(dsl::due_at.gt(DbTimestamp(now)));
        let counts: Vec<(i64, i64)> =
            leased.group_by(dsl::webhook).select((dsl::webhook, count_star())).load(&mut **pg)?;
        let counts: HashMap<i64, i64> = counts.into_iter().collect();
        for webhook in &mut due {
            let in_flight = counts.get(&webhook.id.0).copied().unwrap_or_default();
            webhook.in_flight = usize::try_from(in_flight).unwrap_or_default();
            webhook.claims = webhook.claims.min(webhook.limit().saturating_sub(webhook.in_flight));
        }
    }
    due.retain(|webhook| webhook.claims > 0 && ids.contains(&webhook.id.0));
    Ok(due)
}

fn due_deliveries(conn: &mut Conn, webhook: &DueWebhook, now: Timestamp) -> QueryResult<Vec<DeliveryRow>> {
    let due = dsl::webhook_deliveries
        .filter(dsl::webhook.eq(webhook.id.0).and(dsl::finished_at.is_null()))
        .filter(dsl::due_at.le(DbTimestamp(now)))
        .order(dsl::due_at)
        .limit(i64::try_from(webhook.claims).unwrap_or_default())
        .select((dsl::id, dsl::webhook, dsl::event_id, dsl::event_type, dsl::created_at, dsl::attempts));
    match &mut conn.backend {
        Backend::Postgres(pg) => due.for_update().skip_locked().load(&mut **pg),
        Backend::Sqlite(sqlite) => due.load(&mut **sqlite),
    }
}

/// Loads what the claimed deliveries need.
fn load(
    conn: &mut Conn,
    rows: Vec<DeliveryRow>,
    lease: Uuid,
    now: Timestamp,
) -> QueryResult<Vec<ClaimedDelivery>> {
    let ids: Vec<WebhookId> = rows.iter().map(|row| WebhookId(row.webhook)).collect();
    let webhooks = active_by_ids(conn, &ids)?;
    let webhooks: HashMap<WebhookId, ActiveWebhook> =
        webhooks.into_iter().map(|active| (active.webhook.id, active)).collect();
    let events: Vec<Uuid> = rows.iter().map(|row| row.event_id.0).collect();
    let entries = audit_log::by_ids(conn, &events, None)?;
    let entries: HashMap<Uuid, AuditEntry> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
    let granted = granted_by(conn, entries.values())?;
    let (mut claimed, mut obsolete) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let is_test = row.event_type == TEST_EVENT;
        let webhook = webhooks.get(&WebhookId(row.webhook));
        let webhook = webhook.filter(|active| active.webhook.can_send(is_test)).cloned();
        let event = if is_test {
            Some(Event::Test { id: row.event_id.0, at: row.created_at.0 })
        } else {
            let visible = |entry: &&AuditEntry| {
                webhook.as_ref().is_some_and(|webhook| webhook.may_see(entry.actor, entry.affected_users))
            };
            let permission = |entry: &AuditEntry| match AuditSubjectRef::parse(&entry.subject) {
                AuditSubjectRef::Request(RequestId(id)) => {
                    granted.contains(&id).then_some(BundlePermissionId(id))
                }
                _ => None,
            };
            let entry = entries.get(&row.event_id.0).filter(visible).cloned();
            entry.map(|entry| Event::Entry { permission: permission(&entry), entry })
        };
        let leased = LeasedDelivery { id: DeliveryId(row.id.0), lease };
        match webhook.zip(event) {
            Some((webhook, event)) => {
                claimed.push(ClaimedDelivery { leased, webhook, event, attempts: row.attempts + 1 });
            }
            None => obsolete.push(leased.id),
        }
    }
    outcomes::cancel(conn, lease, &obsolete, now)?;
    Ok(claimed)
}

/// The requests whose approval, among these entries, has led to a permission. It has the number of the request.
fn granted_by<'a>(
    conn: &mut Conn,
    entries: impl Iterator<Item = &'a AuditEntry>,
) -> QueryResult<HashSet<i64>> {
    let approved: Vec<i64> = entries
        .filter(|entry| entry.action == AuditAction::RequestApproved.name())
        .filter_map(|entry| match AuditSubjectRef::parse(&entry.subject) {
            AuditSubjectRef::Request(id) => Some(id.0),
            _ => None,
        })
        .collect();
    if approved.is_empty() {
        return Ok(HashSet::new());
    }
    let granted: Vec<i64> = with_backend!(conn, c => permission_requests::table
        .filter(permission_requests::id.eq_any(&approved))
        .filter(permission_requests::granted_permission.is_not_null())
        .select(permission_requests::id)
        .load(c))?;
    Ok(granted.into_iter().collect())
}
