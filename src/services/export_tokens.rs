//! Lists for export tokens. The registry creates and revokes them.

use std::collections::HashMap;

use crate::domain::hub::HubId;
use crate::domain::rights::{Mask, Role};
use crate::domain::user::{Email, User, UserId};
use crate::store::export_tokens::{self, ExportFilter, ListedExport};
use crate::store::{AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, hubs, users};

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
    let filter = ExportFilter { creator: Some(creator), ..ExportFilter::all(page) };
    let listed = store.read(move |conn| {
        let now = conn.now()?;
        let rows = export_tokens::list(conn, &filter, now)?;
        let (total, _) = export_tokens::count_by_creator(conn, creator, now)?;
        Ok(Paginated { rows, total })
    });
    listed.await
}

/// A hub's name, a page of its export tokens, newest first, and the email addresses of their
/// creators. `None` if there is no such hub, or if the user is neither staff nor an admin of it.
pub(crate) async fn list_of_hub(
    store: &AsyncStore,
    user: &User,
    hub: HubId,
    page: LimitOffset,
) -> Result<Option<(String, TokensWithCreators)>, StoreError> {
    let (user, is_staff) = (user.id, user.staff);
    let listed = store.read(move |conn| {
        let is_admin = |privilege: Mask| privilege.contains(Mask::ADMIN);
        if !is_staff && !hubs::privilege(conn, &hub, user)?.is_some_and(is_admin) {
            return Ok(None);
        }
        let Some(name) = hubs::name(conn, &hub)? else { return Ok(None) };
        let filter = ExportFilter { hub: Some(hub.clone()), ..ExportFilter::all(page) };
        Ok(Some((name, list_with_creators(conn, &filter)?)))
    });
    listed.await
}

/// Export tokens and the email addresses of their creators.
pub struct TokensWithCreators {
    pub tokens: Vec<ListedExport>,
    pub creators: HashMap<UserId, Email>,
}

/// The matching tokens, newest first, with their creators.
pub(super) fn list_with_creators(conn: &mut Conn, filter: &ExportFilter) -> QueryResult<TokensWithCreators> {
    let now = conn.now()?;
    let tokens = export_tokens::list(conn, filter, now)?;
    let creators = users::emails_by_id(conn, tokens.iter().map(|listed| listed.token.creator).collect())?;
    Ok(TokensWithCreators { tokens, creators })
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
