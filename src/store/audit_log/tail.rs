//! Reading the audit log from the start to the end, so that each reader gets every entry once.
//!
//! An entry's id is made before its transaction is committed. A reader that remembers the last id
//! would skip the entries of transactions that are committed late. So the order is that of
//! `position`. On SQLite, which has one writer at a time, it is assigned in the order of the commits. On
//! PostgreSQL it is the number of the transaction, and readers stop below the oldest transaction
//! that is still running: below it, no further entry can appear.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::read::{AuditEntry, AuditEntryRow};
use crate::domain::audit::AuditAction;
use crate::domain::seal::Place;
use crate::domain::timestamp::Timestamp;
use crate::store::connection::{Backend, Conn, for_update, with_backend};
use crate::store::schema::audit_cursors;
use crate::store::schema::audit_log::dsl;
use crate::store::types::{DbTimestamp, DbUuid, SqlUuid};

/// A reader that remembers in the database how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditReader {
    /// Mails requesters the decisions about their requests.
    DecisionMails,
    /// Queues events for webhooks.
    Webhooks,
    /// Writes the entries to a destination outside. It has a place only while a stream is on: see
    /// [`super::stream`].
    Stream,
    /// Seals the log.
    Seals,
}

impl AuditReader {
    /// All readers.
    pub const ALL: [Self; 4] = [Self::DecisionMails, Self::Webhooks, Self::Stream, Self::Seals];

    /// The name in the database and in `/metrics`. Migrations insert the cursors, except that of the stream.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DecisionMails => "decision_mails",
            Self::Webhooks => "webhooks",
            Self::Stream => "stream",
            Self::Seals => "seals",
        }
    }
}

/// Whether an entry comes after a place.
macro_rules! is_after {
    ($place:expr) => {
        diesel::dsl::sql::<diesel::sql_types::Bool>("(position, id) > (")
            .bind::<diesel::sql_types::BigInt, _>($place.position)
            .sql(", ")
            .bind::<$crate::store::types::SqlUuid, _>($crate::store::types::DbUuid($place.id))
            .sql(")")
    };
}
pub(super) use is_after;

/// Whether an entry comes no later than a place. The first condition is for the index.
macro_rules! is_through {
    ($place:expr) => {
        diesel::dsl::sql::<diesel::sql_types::Bool>("position <= ")
            .bind::<diesel::sql_types::BigInt, _>($place.position)
            .sql(" AND (position, id) <= (")
            .bind::<diesel::sql_types::BigInt, _>($place.position)
            .sql(", ")
            .bind::<$crate::store::types::SqlUuid, _>($crate::store::types::DbUuid($place.id))
            .sql(")")
    };
}
pub(super) use is_through;

/// Whether readers can take an entry: no entry can appear before it any more.
pub(super) const fn is_settled(conn: &Conn) -> &'static str {
    match conn.backend {
        Backend::Postgres(_) => "position < audit_position(pg_snapshot_xmin(pg_current_snapshot()))",
        Backend::Sqlite(_) => "true",
    }
}

/// Entries after a place, up to and including another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub after: Place,
    pub through: Place,
}

/// Takes the next entries for a reader, at most `limit`, and remembers that the reader has got them.
/// Must run in the transaction that handles the entries. `None` if there are none, or if another replica takes
/// entries for the reader at this moment.
pub fn take(conn: &mut Conn, reader: AuditReader, limit: i64) -> QueryResult<Option<Span>> {
    let after = cursor(conn, reader)?;
    let Some(through) = end_of_page(conn, after, limit)? else { return Ok(None) };
    Ok(move_cursor(conn, reader, after, through)?.then_some(Span { after, through }))
}

/// The entries of a span with these actions, in order.
pub fn entries_in(conn: &mut Conn, span: Span, actions: &[AuditAction]) -> QueryResult<Vec<AuditEntry>> {
    let actions: Vec<&str> = actions.iter().copied().map(AuditAction::name).collect();
    let rows: Vec<AuditEntryRow> = with_backend!(conn, c => dsl::audit_log
        .filter(is_after!(span.after))
        .filter(is_through!(span.through))
        .filter(dsl::action.eq_any(&actions))
        .order((dsl::position, dsl::id))
        .select(AuditEntryRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

#[derive(QueryableByName)]
struct PlaceRow {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = SqlUuid)]
    id: DbUuid,
}

/// The place of the last of the next entries that a reader can take, at most `limit`.
fn end_of_page(conn: &mut Conn, after: Place, limit: i64) -> QueryResult<Option<Place>> {
    let settled = is_settled(conn);
    let query = diesel::sql_query(format!(
        "SELECT position, id FROM (SELECT position, id FROM audit_log WHERE (position, id) > ($1, $2) AND {settled} \
         ORDER BY position, id LIMIT $3) AS page ORDER BY position DESC, id DESC LIMIT 1"
    ));
    let query =
        query.bind::<BigInt, _>(after.position).bind::<SqlUuid, _>(DbUuid(after.id)).bind::<BigInt, _>(limit);
    let last: Option<PlaceRow> = with_backend!(conn, c => query.get_result(c).optional())?;
    Ok(last.map(|PlaceRow { position, id }| Place { position, id: id.0 }))
}

/// The place of the last entry that a reader could take now.
pub fn end(conn: &mut Conn) -> QueryResult<Option<Place>> {
    let is_settled = is_settled(conn);
    let last: Option<(i64, DbUuid)> = with_backend!(conn, c => dsl::audit_log
        .filter(sql::<Bool>(is_settled))
        .order((dsl::position.desc(), dsl::id.desc()))
        .select((dsl::position, dsl::id))
        .first(c)
        .optional())?;
    Ok(last.map(|(position, id)| Place { position, id: id.0 }))
}

/// Moves a reader to this place, without the entries before it.
pub fn skip_to(conn: &mut Conn, reader: AuditReader, place: Place) -> QueryResult<()> {
    let from = cursor(conn, reader)?;
    if from < place {
        move_cursor(conn, reader, from, place)?;
    }
    Ok(())
}

/// The age of the oldest entry that a reader has not taken, in seconds; 0 if there is none. Includes entries that
/// a running transaction keeps from the readers. `None`: the reader is off.
pub fn lag_seconds(conn: &mut Conn, reader: AuditReader, now: Timestamp) -> QueryResult<Option<i64>> {
    let Some(from) = cursor(conn, reader).optional()? else { return Ok(None) };
    let oldest: Option<DbTimestamp> = with_backend!(conn, c => dsl::audit_log
        .filter(is_after!(from))
        .order((dsl::position, dsl::id))
        .select(dsl::at)
        .first(c)
        .optional())?;
    Ok(Some(oldest.map_or(0, |at| at.0.seconds_until(now).max(0))))
}

/// Moves a cursor, unless another replica has moved it. Returns whether it has moved.
pub(in crate::store) fn move_cursor(
    conn: &mut Conn,
    reader: AuditReader,
    from: Place,
    to: Place,
) -> QueryResult<bool> {
    let unchanged = audit_cursors::position.eq(from.position).and(audit_cursors::last_id.eq(DbUuid(from.id)));
    let set = (audit_cursors::position.eq(to.position), audit_cursors::last_id.eq(DbUuid(to.id)));
    let moved = with_backend!(conn, c => diesel::update(audit_cursors::table.find(reader.name()).filter(unchanged))
        .set(set)
        .execute(c))?;
    Ok(moved > 0)
}

/// Locks a reader until the end of the transaction.
pub(in crate::store) fn lock(conn: &mut Conn, reader: AuditReader) -> QueryResult<()> {
    let cursor = audit_cursors::table.find(reader.name()).select(audit_cursors::position);
    let _: Vec<i64> = for_update!(conn, cursor)?;
    Ok(())
}

pub(super) fn cursor(conn: &mut Conn, reader: AuditReader) -> QueryResult<Place> {
    let (position, id): (i64, DbUuid) = with_backend!(conn, c => audit_cursors::table
        .find(reader.name())
        .select((audit_cursors::position, audit_cursors::last_id))
        .first(c))?;
    Ok(Place { position, id: id.0 })
}

/// The next entries that a reader can take, with their positions.
pub(super) fn rows_after(
    conn: &mut Conn,
    after: Place,
    limit: i64,
) -> QueryResult<Vec<(i64, AuditEntryRow)>> {
    let is_settled = is_settled(conn);
    with_backend!(conn, c => dsl::audit_log
        .filter(is_after!(after).sql(" AND ").sql(is_settled))
        .order((dsl::position, dsl::id))
        .limit(limit)
        .select((dsl::position, AuditEntryRow::as_select()))
        .load(c))
}
