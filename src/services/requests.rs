//! Permission requests, as their parties see them. The registry creates and closes them.

use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::participants::{Participants, RequestParties};
use crate::store::{AsyncStore, Conn, LimitOffset, QueryResult, StoreError, requests};

/// Pending requests, with the users and bundles that they name.
pub(crate) struct LoadedRequests {
    requests: Vec<PermissionRequest>,
    participants: Participants,
    read_at: Timestamp,
}

impl LoadedRequests {
    fn load(conn: &mut Conn, requests: Vec<PermissionRequest>, read_at: Timestamp) -> QueryResult<Self> {
        let participants = Participants::load(conn, requests.iter().map(|request| request.terms))?;
        Ok(Self { requests, participants, read_at })
    }

    /// Each request with the seconds until it expires, and its parties.
    pub fn iter(&self) -> impl Iterator<Item = (&PermissionRequest, i64, RequestParties<'_>)> {
        self.requests.iter().filter_map(|request| {
            let parties = self.participants.parties(request.terms)?;
            Some((request, request.seconds_left(self.read_at), parties))
        })
    }
}

/// The number of pending requests of a party, and a page of them.
pub(crate) async fn list_pending_for_party(
    store: &AsyncStore,
    party: UserId,
    page: LimitOffset,
) -> Result<(i64, LoadedRequests), StoreError> {
    let listed = store.read(move |conn| {
        let now = conn.now()?;
        let listed = requests::pending_of_party(conn, party, page, now)?;
        Ok((listed.total, LoadedRequests::load(conn, listed.rows, now)?))
    });
    listed.await
}

/// The pending requests with these ids to which the user is a party.
pub(crate) async fn pending_by_ids(
    store: &AsyncStore,
    party: UserId,
    ids: Vec<RequestId>,
) -> Result<LoadedRequests, StoreError> {
    let found = store.read(move |conn| {
        let now = conn.now()?;
        let requests = requests::pending_by_ids(conn, &ids, party, now)?;
        LoadedRequests::load(conn, requests, now)
    });
    found.await
}
