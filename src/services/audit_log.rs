//! Search in the audit log.

use crate::domain::user::{Email, User, UserId};
use crate::store::audit_log_reader::{self, AuditEntry, AuditLogFilter};
use crate::store::{AsyncStore, StoreError, users};

/// The user who acted, as a search names them.
#[derive(Clone, Debug)]
pub(crate) enum ActorRef {
    Id(UserId),
    Email(Email),
}

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
        let entries = audit_log_reader::list_newest(conn, &filter, limit)?;
        let mut actors: Vec<UserId> = entries.iter().filter_map(|entry| entry.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        Ok(AuditLogPage { actors: users::by_ids(conn, &actors)?, entries })
    });
    found.await
}

/// The user that a search names.
pub(crate) async fn find_actor(store: &AsyncStore, actor: ActorRef) -> Result<Option<User>, StoreError> {
    let found = store.read(move |conn| match &actor {
        ActorRef::Id(id) => Ok(users::by_ids(conn, &[*id])?.pop()),
        ActorRef::Email(email) => users::by_email(conn, email),
    });
    found.await
}
