//! Loading and locking the rows of a batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::QueryResult;

use super::batch::Batch;
use super::constraints::{ConstraintSelection, RequestConstraints};
use super::pending_writes::PendingWrites;
use super::request_rows::RequestRows;
use crate::domain::block::Block;
use crate::domain::bundle::BundleId;
use crate::domain::hub::HubId;
use crate::domain::permission_request::RequestId;
use crate::domain::terms::Terms;
use crate::domain::token::ExportId;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::failpoints::fail_point;
use crate::store::connection::Conn;
use crate::store::outbox::OutboxKind;
use crate::store::requests::{self, Ask, AskRows, RequestSelector};
use crate::store::requests_with_parties::{self, RequestsWithParties};
use crate::store::{bundles, export_tokens, hubs, outbox, permissions, users};

/// How a batch prevents its rows from changing between decision and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConcurrencyMode {
    /// No locks: the batch reads, decides, and writes in one statement that fails if any
    /// of its rows has changed. This takes two round trips to the database.
    Optimistic,
    /// Row locks.
    Locked,
    /// Row locks, also of the permissions with the terms of every request. A pending request and a
    /// permission with the same terms are rare, so only a batch that violated a constraint looks for
    /// both.
    LockedWithRecheck,
}

/// The rows that the commands of a batch need.
#[derive(Debug, Default)]
pub struct RowSelection {
    pub(super) constraints: ConstraintSelection,
    pub(super) requests: RequestSelector,
    /// The requests that are to be created.
    pub(super) asks: Vec<Ask>,
    /// The number of rows of requests that the commands insert at most, in addition to the asks.
    pub(super) new_requests: usize,
    /// Whether the requesters of the requests are needed.
    pub(super) requesters: bool,
    /// The idempotency keys with which targets decide on requests.
    pub(super) decision_keys: Vec<(UserId, IdempotencyKey)>,
    /// The terms whose active permission is needed, but will not be changed.
    pub(super) permissions: Vec<Terms>,
    /// The bundles that new rows refer to.
    pub(super) bundles: Vec<BundleId>,
    pub(super) exports: Vec<ExportId>,
    /// The hubs and the users whose privilege in them is needed.
    pub(super) privileges: Vec<(HubId, UserId)>,
    /// The requests whose pending mails are needed.
    pub(super) pending_mails: Vec<RequestId>,
}

impl RowSelection {
    /// Selects what the asks need among the rows that are locked.
    fn lock_rows_of_asks(&mut self) {
        for Ask { terms, key } in std::mem::take(&mut self.asks) {
            self.new_requests += 1;
            self.requests.terms.push(terms);
            self.requests.idempotency_keys.extend(key);
            self.permissions.push(terms);
            self.bundles.push(terms.bundle);
            self.constraints.blocks.insert(Block::from_terms(terms));
        }
    }
}

impl Batch {
    /// Loads the selected rows; locks them unless the mode is optimistic.
    pub(super) fn load(
        conn: &mut Conn,
        mut selection: RowSelection,
        mode: ConcurrencyMode,
    ) -> QueryResult<Self> {
        fail_point("ledger.panic");
        let lock = mode != ConcurrencyMode::Optimistic;
        if lock {
            selection.lock_rows_of_asks();
        }
        let RowSelection {
            constraints,
            requests: mut selector,
            asks,
            new_requests,
            requesters,
            decision_keys,
            permissions: mut terms,
            bundles,
            exports,
            privileges,
            pending_mails,
        } = selection;
        // First, because the deletion of a bundle locks it before its requests.
        let bundles = if bundles.is_empty() { Vec::new() } else { bundles::lock_unchanged(conn, &bundles)? };
        let mut constraints = RequestConstraints::load(conn, &constraints, lock)?;
        let asked = if asks.is_empty() { AskRows::default() } else { requests::read_for_asks(conn, &asks)? };
        constraints.add_blocks(asks.iter().map(|ask| Block::from_terms(ask.terms)), &asked.blocks);
        selector.numbers.extend(asked.earlier);
        let exports = if exports.is_empty() { Vec::new() } else { export_tokens::lock(conn, &exports)? };
        // A permission that the batch grants and ends again would not violate a constraint.
        let ends_permissions = !selector.numbers.is_empty() && !selector.redeem_ids.is_empty();
        let recheck = mode == ConcurrencyMode::LockedWithRecheck || ends_permissions;
        let by_token_only = !recheck && selector.is_by_token_only();
        let mut with_parties = if selector.redeem_ids.is_empty() {
            RequestsWithParties::default()
        } else {
            let lock = by_token_only && mode == ConcurrencyMode::Locked;
            requests_with_parties::load(conn, &selector.redeem_ids, lock)?
        };
        let requests = if by_token_only && !selector.redeem_ids.is_empty() {
            std::mem::take(&mut with_parties.requests)
        } else {
            if recheck {
                selector.permissions.extend(with_parties.requests.iter().map(|request| request.terms));
            }
            with_parties.read_at = None;
            requests::find(conn, &selector, lock)?
        };
        if requesters {
            let ids: Vec<UserId> = requests.iter().map(|request| request.terms.grantee).collect();
            let requesters = users::by_ids(conn, &ids)?;
            requesters.into_iter().for_each(|user| with_parties.participants.add_user(user));
        }
        // They are not locked: two uses of one key at the same time violate a unique constraint.
        let decision_keys = match decision_keys.as_slice() {
            [] => HashMap::new(),
            keys => requests::decision_key_uses(conn, keys)?,
        };
        let now = match with_parties.read_at.or(asked.now) {
            Some(now) => now,
            // Read after the locks, because waiting for them takes time.
            None => conn.now()?,
        };
        let mut new_ids = asked.new_ids;
        if new_requests > 0 {
            new_ids.extend(requests::reserve_ids(conn, new_requests)?);
        }
        // A repeated approval may have left another permission in force.
        let decided = requests.iter().filter(|request| request.closed.is_some());
        terms
            .extend(decided.filter(|request| request.permission(now).is_none()).map(|request| request.terms));
        let permissions =
            if terms.is_empty() { Vec::new() } else { permissions::by_terms(conn, &terms, now)? };
        let asked_for = asked.permissions.into_iter().filter(|permission| permission.is_active(now));
        let of_requests = requests.iter().filter_map(|request| request.permission(now));
        let permissions = of_requests.chain(permissions).chain(asked_for);
        let holders = requests.iter().filter(|request| request.holds_permission());
        let pending_mails = if pending_mails.is_empty() {
            HashSet::new()
        } else {
            outbox::pending(conn, OutboxKind::Mail, &pending_mails)?
        };
        let privileges = if privileges.is_empty() {
            HashMap::new()
        } else {
            let keys: Vec<(&str, UserId)> =
                privileges.iter().map(|(hub, user)| (hub.as_str(), *user)).collect();
            hubs::privileges(conn, &keys)?
        };
        Ok(Self {
            now,
            participants: Arc::new(with_parties.participants),
            privileges,
            bundles: bundles.into_iter().chain(asked.bundles).map(|bundle| (bundle.id, bundle)).collect(),
            exports: exports.into_iter().map(|(token, digest)| (token.id, (token, digest))).collect(),
            permissions: permissions.map(|permission| (permission.terms, permission)).collect(),
            holders: holders.map(|request| (request.terms, request.redeem_id)).collect(),
            decision_keys,
            pending_mails,
            new_ids: new_ids.into_iter(),
            writes: PendingWrites {
                constraints,
                requests: RequestRows::new(requests),
                ..PendingWrites::default()
            },
        })
    }
}
