//! The audit log, as its readers see it.

use uuid::Uuid;

use crate::domain::user::UserId;
use crate::store::audit_log_reader::{self, AuditEntry, AuditLogFilter};
use crate::store::lookup::UserRef;
use crate::store::{AsyncStore, Conn, LimitOffset, Paginated, QueryResult, StoreError, users};

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
        audit_log_reader::list(conn, &AuditLogFilter { actors, ..filter.clone() }, page)
    });
    listed.await
}

/// The entries with these ids that `viewer` can see; all of them if `viewer` is `None`.
pub(crate) async fn by_ids(
    store: &AsyncStore,
    viewer: Option<UserId>,
    ids: Vec<Uuid>,
) -> Result<Vec<AuditEntry>, StoreError> {
    store.read(move |conn| audit_log_reader::by_ids(conn, &ids, viewer)).await
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
