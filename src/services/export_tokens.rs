//! Lists for export tokens. The registry creates and revokes them.

use crate::domain::export_token::ExportTokenStatus;
use crate::domain::hub::HubId;
use crate::domain::rights::Role;
use crate::domain::user::UserId;
use crate::store::export_tokens::{self, ExportFilter, ListedExport};
use crate::store::{AsyncStore, LimitOffset, Paginated, StoreError, hubs};

/// Lists export tokens.
pub(crate) async fn list(store: &AsyncStore, filter: ExportFilter) -> Result<Vec<ListedExport>, StoreError> {
    store
        .read(move |conn| {
            let now = conn.now()?;
            export_tokens::list(conn, &filter, now)
        })
        .await
}

/// A page of the tokens that a user created, in every status, newest first.
pub(crate) async fn list_by_creator(
    store: &AsyncStore,
    creator: UserId,
    page: LimitOffset,
) -> Result<Paginated<ListedExport>, StoreError> {
    let filter = ExportFilter {
        creator: Some(creator),
        statuses: ExportTokenStatus::ALL.to_vec(),
        before: None,
        limit: page.limit,
        offset: page.offset,
    };
    let listed = store.read(move |conn| {
        let now = conn.now()?;
        let rows = export_tokens::list(conn, &filter, now)?;
        let (total, _) = export_tokens::count_by_creator(conn, creator, now)?;
        Ok(Paginated { rows, total })
    });
    listed.await
}

/// The first `limit` hubs for which a user can create tokens, with their names and the user's
/// roles.
pub(crate) async fn administered_hubs(
    store: &AsyncStore,
    user: UserId,
    limit: i64,
) -> Result<Vec<(HubId, String, Role)>, StoreError> {
    store.read(move |conn| hubs::administered_by(conn, user, limit)).await
}
