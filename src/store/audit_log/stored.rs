//! Audit entries as they are sealed: with all their columns, in the order of the tail.

use diesel::dsl::{exists, select};
use diesel::prelude::*;
use uuid::Uuid;

use super::entry_id::min_id_at;
use super::tail::{AuditReader, cursor, is_after, is_through};
use crate::domain::seal::{Place, StoredClient, StoredEntry};
use crate::domain::timestamp::Timestamp;
use crate::store::connection::{Conn, with_backend};
use crate::store::schema::audit_log::{self, dsl};
use crate::store::types::{DbTimestamp, DbUuid};

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_log)]
struct StoredRow {
    position: i64,
    id: DbUuid,
    at: DbTimestamp,
    actor: Option<i64>,
    action: String,
    subject: String,
    ip: Option<String>,
    user_agent: Option<String>,
    affected_user_1: Option<i64>,
    affected_user_2: Option<i64>,
    salt: Option<Vec<u8>>,
    commitment: Option<Vec<u8>>,
}

impl StoredRow {
    fn into_entry(self) -> (Place, StoredEntry) {
        let entry = StoredEntry {
            id: self.id.0,
            at: self.at.0,
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            affected_users: [self.affected_user_1, self.affected_user_2],
            client: StoredClient {
                ip: self.ip,
                user_agent: self.user_agent,
                salt: self.salt,
                commitment: self.commitment,
            },
        };
        (Place { position: self.position, id: self.id.0 }, entry)
    }
}

/// The place up to which the log has been sealed. `None` if it never has.
pub(in crate::store) fn seal_cursor(conn: &mut Conn) -> QueryResult<Option<Place>> {
    let cursor = cursor(conn, AuditReader::Seals)?;
    Ok(Some(cursor).filter(|cursor| !cursor.id.is_nil()))
}

/// The first entries after a place, up to and including another, in order.
pub(in crate::store) fn stored_between(
    conn: &mut Conn,
    after: Place,
    through: Place,
    limit: i64,
) -> QueryResult<Vec<(Place, StoredEntry)>> {
    let rows: Vec<StoredRow> = with_backend!(conn, c => dsl::audit_log
        .filter(is_after!(after))
        .filter(is_through!(through))
        .order((dsl::position, dsl::id))
        .limit(limit)
        .select(StoredRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(StoredRow::into_entry).collect())
}

/// The number of entries after a place.
pub(in crate::store) fn count_after(conn: &mut Conn, after: Place) -> QueryResult<i64> {
    with_backend!(conn, c => dsl::audit_log.filter(is_after!(after)).count().get_result(c))
}

/// Whether any entry was written before this time.
pub(in crate::store) fn has_older(conn: &mut Conn, than: Timestamp) -> QueryResult<bool> {
    let older = dsl::audit_log.filter(dsl::id.lt(DbUuid(min_id_at(than))));
    with_backend!(conn, c => select(exists(older)).get_result(c))
}

/// Deletes all entries up to a place, and returns their number.
pub(in crate::store) fn delete_through(conn: &mut Conn, through: Place) -> QueryResult<usize> {
    conn.disable_statement_timeout()?;
    with_backend!(conn, c => diesel::delete(dsl::audit_log.filter(is_through!(through))).execute(c))
}

/// Erases the addresses and clients of entries, so that the seals of these entries stay valid. Returns the number of
/// entries that had one.
pub fn erase_client(conn: &mut Conn, ids: &[Uuid]) -> QueryResult<usize> {
    let ids: Vec<DbUuid> = ids.iter().copied().map(DbUuid).collect();
    let rows: Vec<StoredRow> = with_backend!(conn, c => dsl::audit_log
        .filter(dsl::id.eq_any(ids))
        .filter(dsl::ip.is_not_null().or(dsl::user_agent.is_not_null()).or(dsl::salt.is_not_null()))
        .select(StoredRow::as_select())
        .load(c))?;
    let erased = rows.len();
    for (place, entry) in rows.into_iter().map(StoredRow::into_entry) {
        let set = (
            dsl::ip.eq(None::<String>),
            dsl::user_agent.eq(None::<String>),
            dsl::salt.eq(None::<Vec<u8>>),
            dsl::commitment.eq(entry.client.commitment()),
        );
        with_backend!(conn, c => diesel::update(dsl::audit_log.find(DbUuid(place.id))).set(set).execute(c))?;
    }
    Ok(erased)
}
