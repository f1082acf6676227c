//! The pending writes of a batch, and their execution under locks.
//!
//! A batch has two executors: [`persist_locked`], and
//! [`persist_single_statement`](super::single_statement::persist_single_statement).
//! Both destructure [`PendingWrites`] completely, so that a new kind of write does not
//! compile until both handle it.

use diesel::QueryResult;

use super::audit::PendingAuditEntries;
use super::constraints::RequestConstraints;
use super::guard::expect_rows;
use super::request_rows::{RequestRows, RequestWrite};
use crate::domain::export_token::ExportToken;
use crate::domain::notice::Notice;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ExportId, TokenDigest};
use crate::entropy;
use crate::store::connection::Conn;
use crate::store::outbox::{InsertItems, OutboxKind, OutboxSubject};
use crate::store::{audit_log, export_tokens, outbox, requests};

/// Everything that a batch writes.
#[derive(Debug, Default)]
pub(super) struct PendingWrites {
    /// The blocks and rate limits, with their changes.
    pub constraints: RequestConstraints,
    pub new_exports: Vec<(ExportToken, TokenDigest)>,
    pub revoked_exports: Vec<ExportId>,
    /// The requests, each with its write. The users' counters and the mails of new
    /// requests follow from these.
    pub requests: RequestRows,
    /// The requests whose idempotency key has expired and is used for a new request.
    pub expired_keys: Vec<RequestId>,
    /// The requests whose idempotency key of the decision has expired and is used for another one.
    pub expired_decision_keys: Vec<RequestId>,
    /// The requests whose mail is sent again.
    pub resent_mails: Vec<RequestId>,
    pub audit_entries: PendingAuditEntries,
}

/// Writes the changes to rows that are locked, in the caller's transaction.
pub(super) fn persist_locked(conn: &mut Conn, writes: &PendingWrites, now: Timestamp) -> QueryResult<()> {
    let PendingWrites {
        constraints,
        new_exports,
        revoked_exports,
        requests,
        expired_keys,
        expired_decision_keys,
        resent_mails,
        audit_entries,
    } = writes;
    constraints.persist(conn, now)?;
    if !new_exports.is_empty() {
        export_tokens::insert(conn, new_exports)?;
    }
    if !revoked_exports.is_empty() {
        expect_rows(export_tokens::revoke(conn, revoked_exports, now)?, revoked_exports.len())?;
    }
    if !expired_keys.is_empty() {
        requests::clear_create_keys(conn, expired_keys)?;
    }
    if !expired_decision_keys.is_empty() {
        requests::clear_decision_keys(conn, expired_decision_keys)?;
    }
    persist_requests(conn, requests, now)?;
    let resent: Vec<_> = resent_mails.iter().copied().map(OutboxSubject::Request).collect();
    insert_mails(conn, &resent, now)?;
    requests.counter_deltas().write(conn)?;
    if !audit_entries.entries().is_empty() {
        audit_log::insert(conn, audit_entries.entries())?;
    }
    Ok(())
}

fn persist_requests(conn: &mut Conn, rows: &RequestRows, now: Timestamp) -> QueryResult<()> {
    let (mut new, mut closed, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for (write, request) in rows.pending() {
        match write {
            RequestWrite::Insert => new.push(request),
            RequestWrite::Close => closed.push(request),
            RequestWrite::EndPermission => ended.push(request),
        }
    }
    // Before the writes that put another permission in its place.
    if !ended.is_empty() {
        let expected = ended.len();
        expect_rows(requests::end_permissions(conn, ended.into_iter())?, expected)?;
    }
    if !closed.is_empty() {
        let expected = closed.len();
        expect_rows(requests::close_statement(closed.into_iter()).run(conn)?, expected)?;
    }
    if new.is_empty() {
        return Ok(());
    }
    // Replicas that insert requests with the same terms wait for each other in one order.
    new.sort_by_key(|request| request.terms);
    expect_rows(requests::insert_statement(&new).run(conn)?, new.len())?;
    insert_mails(conn, &mails_of_new_rows(&new), now)
}

/// The mails about new rows.
pub(super) fn mails_of_new_rows(new: &[&PermissionRequest]) -> Vec<OutboxSubject> {
    new.iter().copied().flat_map(mails_of_new_row).collect()
}

/// The mails about a new row: of a request to its target, of a permission that was granted
/// directly to the parties that did not grant it.
fn mails_of_new_row(row: &PermissionRequest) -> Vec<OutboxSubject> {
    let PermissionRequest { id, terms, asked_by, .. } = row;
    if !row.closed.as_ref().is_some_and(|closed| closed.outcome == RequestOutcome::GrantedDirectly) {
        return vec![OutboxSubject::Request(*id)];
    }
    let notices =
        [(Notice::PermissionReceived, terms.grantee), (Notice::PermissionGrantedByStaff, terms.target)];
    let others = notices.into_iter().filter(|(_, to)| to != asked_by);
    others.map(|(notice, to)| OutboxSubject::Notice { notice, to, request: Some(*id) }).collect()
}

fn insert_mails(conn: &mut Conn, subjects: &[OutboxSubject], now: Timestamp) -> QueryResult<()> {
    if subjects.is_empty() { Ok(()) } else { mail_statement(subjects, now).run(conn).map(drop) }
}

/// The statement that queues mails that are due at once.
pub(super) fn mail_statement(subjects: &[OutboxSubject], now: Timestamp) -> InsertItems<'static> {
    let items = subjects.iter().map(|subject| (entropy::token().uuid(now), subject, now));
    outbox::insert_statement(OutboxKind::Mail, items)
}
