//! The requests of a batch, each with its pending write.

use std::collections::BTreeMap;

use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::token::RedeemId;
use crate::store::user_counters::CounterDeltas;

/// What is written of a request when the batch is persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestWrite {
    /// Insert the row as it is.
    Insert,
    /// Close the pending request.
    Close,
    /// Mark the permission as ended.
    EndPermission,
}

/// A request in its state after the operations decided so far.
#[derive(Debug)]
pub(super) struct RequestRow {
    pub request: PermissionRequest,
    write: Option<RequestWrite>,
}

impl RequestRow {
    /// Marks the row as changed. The first mark decides: an inserted row is inserted in
    /// its final state, and a closed row is closed in its final state.
    pub(super) fn mark(&mut self, write: RequestWrite) {
        self.write.get_or_insert(write);
    }
}

/// The loaded and the new requests of a batch, by token id.
#[derive(Debug, Default)]
pub(super) struct RequestRows(BTreeMap<RedeemId, RequestRow>);

impl RequestRows {
    pub(super) fn new(loaded: Vec<PermissionRequest>) -> Self {
        let row = |request: PermissionRequest| (request.redeem_id, RequestRow { request, write: None });
        Self(loaded.into_iter().map(row).collect())
    }

    pub(super) fn insert(&mut self, request: PermissionRequest) {
        let row = RequestRow { request, write: Some(RequestWrite::Insert) };
        self.0.insert(row.request.redeem_id, row);
    }

    pub(super) fn get(&self, id: RedeemId) -> Option<&PermissionRequest> {
        self.0.get(&id).map(|row| &row.request)
    }

    pub(super) fn get_mut(&mut self, id: RedeemId) -> Option<&mut RequestRow> {
        self.0.get_mut(&id)
    }

    /// The request with this id.
    pub(super) fn by_id_mut(&mut self, id: RequestId) -> Option<&mut RequestRow> {
        self.0.values_mut().find(|row| row.request.id == id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut RequestRow> {
        self.0.values_mut()
    }

    /// The changed requests, each with its write.
    pub(super) fn pending(&self) -> impl Iterator<Item = (RequestWrite, &PermissionRequest)> {
        self.0.values().filter_map(|row| Some((row.write?, &row.request)))
    }

    /// How the pending writes change each user's counters.
    pub(super) fn counter_deltas(&self) -> CounterDeltas {
        let mut deltas = CounterDeltas::default();
        for (write, request) in self.pending() {
            let (was_open, was_active) = match write {
                RequestWrite::Insert => (0, 0),
                RequestWrite::Close => (1, 0),
                RequestWrite::EndPermission => (0, 1),
            };
            let is_open = i64::from(request.closed.is_none());
            let is_active = i64::from(request.holds_permission());
            deltas.add(request.terms, is_open - was_open, is_active - was_active);
        }
        deltas
    }
}
