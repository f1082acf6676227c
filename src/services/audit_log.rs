//! The audit log, as its readers see it.

use uuid::Uuid;

use crate::domain::user::{User, UserId};
use crate::store::audit_log::{self, AuditEntry, AuditLogFilter};
use crate::store::lookup::UserRef;
use crate::store::{AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, users};

/// Entries, newest first, and the users who acted.
#[derive(Default)]
pub(crate) struct AuditLogPage {
    pub entries: Vec<AuditEntry>,
    pub actors: Vec<User>,
}

/// The newest entries that match `filter`, at most `limit`.
pub(crate) async fn search(
    store: &AsyncStore,
    filter: AuditLogFilter,
    limit: usize,
) -> Result<AuditLogPage, StoreError> {
    let found = store.read(move |conn| {
        let entries = audit_log::list_newest(conn, &filter, limit)?;
        let mut actors: Vec<UserId> = entries.iter().filter_map(|entry| entry.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        Ok(AuditLogPage { actors: users::by_ids(conn, &actors)?, entries })
    });
    found.await
}

/// The user that a search names.
pub(crate) async fn find_actor(store: &AsyncStore, actor: UserRef) -> Result<Option<User>, StoreError> {
    let found = store.read(move |conn| match &actor {
        UserRef::Id(id) => Ok(users::by_ids(conn, &[*id])?.pop()),
        UserRef::Email(email) => users::by_email(conn, email),
    });
    found.await
}

/// A page of the entries that match `filter`, newest first. `actors` replaces the actors of the
/// filter; an unknown email matches no entry.
pub(crate) async fn list(
    store: &AsyncStore,
    filter: AuditLogFilter,
    actors: Option<Vec<UserRef>>,
    page: LimitOffset,
) -> Result<Paginated<AuditEntry>, StoreError> {
    let listed = store.read(move |conn| {
        let actors = actors.as_deref().map(|actors| resolve_actors(conn, actors)).transpose()?;
        audit_log::list(conn, &AuditLogFilter { actors, ..filter.clone() }, page)
    });
    listed.await
}

/// The entries with these ids that `viewer` can see; all of them if `viewer` is `None`.
pub(crate) async fn by_ids(
    store: &AsyncStore,
    viewer: Option<UserId>,
    ids: Vec<Uuid>,
) -> Result<Vec<AuditEntry>, StoreError> {
    store.read(move |conn| audit_log::by_ids(conn, &ids, viewer)).await
}

fn resolve_actors(conn: &mut Conn, actors: &[UserRef]) -> QueryResult<Vec<UserId>> {
    let mut ids = Vec::new();
    for actor in actors {
        match actor {
            UserRef::Id(id) => ids.push(*id),
            UserRef::Email(email) => ids.extend(users::by_email(conn, email)?.map(|user| user.id)),
        }
    }
    Ok(ids)
}
