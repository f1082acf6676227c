//! The mailer's transactions with the outbox, and what happens to the reports if one fails.

use std::sync::Arc;

use super::delivery_report::DeliveryReport;
use crate::store::claimed_mails::{self, ClaimedMail};
use crate::store::outbox::{self, DeliveryOutcome, LeasedItem, OutboxKind, SyncRequest};
use crate::store::{AsyncStore, Conn, QueryResult, StoreError};

/// The work of one transaction with the outbox.
#[derive(Debug)]
pub struct OutboxSync {
    pub reports: Vec<DeliveryReport>,
    /// The mails whose lease is to be renewed.
    pub renewals: Vec<LeasedItem>,
    /// The highest number of mails to claim.
    pub claim_limit: usize,
}

/// The outcome of an [`OutboxSync`].
#[derive(Debug, Default)]
pub struct SyncOutcome {
    /// Whether the transaction was committed. If not, no lease was renewed and no mail claimed.
    pub ok: bool,
    /// The reports that have to be written again.
    pub unwritten: Vec<DeliveryReport>,
    /// The mails whose lease could not be renewed, because another replica has claimed them.
    pub lost_leases: Vec<LeasedItem>,
    /// The claimed mails, in the order of their due times.
    pub mails: Vec<ClaimedMail>,
    /// Whether the claim reached its limit, so that more mails may be due.
    pub has_more: bool,
}

impl OutboxSync {
    /// Runs the transaction. If the database rejects it, each report is written in a transaction
    /// of its own, so that a bad report does not affect the others.
    pub async fn run(self, store: &AsyncStore) -> SyncOutcome {
        // Shared with a thread that may hang in the database.
        let sync = Arc::new(self);
        let shared = Arc::clone(&sync);
        let transact = move |conn: &mut Conn| shared.transact(conn);
        let result = if sync.reports.is_empty() {
            store.write_in_background(transact).await
        } else {
            store.write(transact).await
        };
        let reports = sync.reports.iter().cloned();
        let unwritten = match result {
            Ok(outcome) => return outcome,
            Err(StoreError::OutcomeUnknown) => reports.map(DeliveryReport::with_unknown_commit).collect(),
            Err(StoreError::Unavailable(error) | StoreError::Unsuitable(error)) => {
                tracing::warn!(error, "outbox sync failed: database unavailable");
                reports.collect()
            }
            Err(StoreError::QueryFailed(error)) => {
                tracing::warn!(%error, "outbox sync failed: database error");
                let mut unwritten = Vec::new();
                for report in reports {
                    unwritten.extend(report.write_single(store).await);
                }
                unwritten
            }
        };
        SyncOutcome { unwritten, ..SyncOutcome::default() }
    }

    fn transact(&self, conn: &mut Conn) -> QueryResult<SyncOutcome> {
        let outcomes: Vec<(LeasedItem, &DeliveryOutcome)> =
            self.reports.iter().map(|report| (report.item, &report.outcome)).collect();
        let request = SyncRequest {
            kind: OutboxKind::Mail,
            outcomes: &outcomes,
            renewals: &self.renewals,
            claim_limit: self.claim_limit,
        };
        let synced = outbox::sync(conn, &request)?;
        let mails = claimed_mails::load(conn, &synced)?;
        for report in self.reports.iter().filter(|report| synced.lost_outcomes.contains(&report.item)) {
            report.warn_lease_lost();
        }
        let has_more = self.claim_limit > 0 && synced.claimed.len() == self.claim_limit;
        Ok(SyncOutcome { ok: true, unwritten: Vec::new(), lost_leases: synced.lost_leases, mails, has_more })
    }
}
