//! The transaction between a worker and the outbox: it records the outcomes of deliveries,
//! renews the leases of those in flight and claims the next ones, in a few queries for all of
//! them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::item::{OutboxKind, OutboxResult};
use super::queue::{self, ClaimedItem};
use crate::domain::timestamp::Timestamp;
use crate::entropy;
use crate::store::{Conn, QueryResult};

/// Seconds that a lease lasts.
const LEASE_SECONDS: i64 = 60;

/// An item, and the lease under which this process delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeasedItem {
    pub id: Uuid,
    pub lease: Uuid,
}

/// The outcome of one delivery attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    Sent,
    /// A permanent failure.
    Failed(String),
    /// A temporary failure. The next attempt is `delay_seconds` from now.
    Deferred {
        delay_seconds: i64,
        error: String,
    },
    NotAttempted,
}

impl DeliveryOutcome {
    /// The name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent => OutboxResult::Sent.name(),
            Self::Failed(_) => OutboxResult::Failed.name(),
            Self::Deferred { .. } => "deferred",
            Self::NotAttempted => "not_attempted",
        }
    }
}

/// The input of [`sync`].
#[derive(Debug)]
pub struct SyncRequest<'a> {
    pub kind: OutboxKind,
    pub outcomes: &'a [(LeasedItem, &'a DeliveryOutcome)],
    pub renewals: &'a [LeasedItem],
    /// The highest number of items to claim.
    pub claim_limit: usize,
}

/// The output of [`sync`].
#[derive(Debug)]
pub struct SyncResult {
    /// The items whose outcome was not recorded because their lease was lost.
    pub lost_outcomes: Vec<LeasedItem>,
    /// The items whose lease was lost before it could be renewed.
    pub lost_leases: Vec<LeasedItem>,
    /// The claimed items, in the order of their due times.
    pub claimed: Vec<ClaimedItem>,
    /// The lease of the claimed items.
    pub lease: Uuid,
    pub now: Timestamp,
}

/// Records outcomes, renews leases and claims items, within a transaction.
pub fn sync(conn: &mut Conn, request: &SyncRequest<'_>) -> QueryResult<SyncResult> {
    let (now, lease) = (conn.now()?, entropy::uuid());
    let lease_end = now.plus_seconds(LEASE_SECONDS);
    let lost_outcomes = record_outcomes(conn, request.outcomes, now)?;
    let mut lost_leases = Vec::new();
    for (lease, ids) in group_by_lease(request.renewals.iter().copied()) {
        let renewed = queue::renew(conn, lease, &ids, lease_end)?;
        let lost = ids.into_iter().filter(|id| !renewed.contains(id));
        lost_leases.extend(lost.map(|id| LeasedItem { id, lease }));
    }
    let claimed = match i64::try_from(request.claim_limit) {
        Ok(limit @ 1..) => queue::claim(conn, request.kind, lease, limit, now, lease_end)?,
        Ok(_) | Err(_) => Vec::new(),
    };
    Ok(SyncResult { lost_outcomes, lost_leases, claimed, lease, now })
}

/// Records the outcomes of deliveries. Returns the items whose lease was lost: for them, nothing
/// was recorded.
pub fn record_outcomes(
    conn: &mut Conn,
    outcomes: &[(LeasedItem, &DeliveryOutcome)],
    now: Timestamp,
) -> QueryResult<Vec<LeasedItem>> {
    let with_outcome = |wanted: &DeliveryOutcome| {
        let items = outcomes.iter().filter(|(_, outcome)| *outcome == wanted);
        group_by_lease(items.map(|(item, _)| *item))
    };
    let mut recorded: Vec<Uuid> = Vec::with_capacity(outcomes.len());
    for (lease, ids) in with_outcome(&DeliveryOutcome::Sent) {
        recorded.extend(queue::finish(conn, lease, &ids, OutboxResult::Sent, None, now)?);
    }
    for (lease, ids) in with_outcome(&DeliveryOutcome::NotAttempted) {
        recorded.extend(queue::release(conn, lease, &ids, now)?);
    }
    for (LeasedItem { id, lease }, outcome) in outcomes {
        recorded.extend(match outcome {
            DeliveryOutcome::Sent | DeliveryOutcome::NotAttempted => continue,
            DeliveryOutcome::Failed(error) => {
                queue::finish(conn, *lease, &[*id], OutboxResult::Failed, Some(error), now)?
            }
            DeliveryOutcome::Deferred { delay_seconds, error } => {
                queue::defer(conn, *lease, *id, now.plus_seconds(*delay_seconds), error)?
            }
        });
    }
    Ok(outcomes.iter().map(|(item, _)| *item).filter(|item| !recorded.contains(&item.id)).collect())
}

fn group_by_lease(items: impl Iterator<Item = LeasedItem>) -> BTreeMap<Uuid, Vec<Uuid>> {
    let mut leases: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for LeasedItem { id, lease } in items {
        leases.entry(lease).or_default().push(id);
    }
    leases
}
