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
use crate::domain::timestamp::Timestamp;
use crate::store::connection::{Backend, Conn, with_backend};
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
}

impl AuditReader {
    /// All readers.
    pub const ALL: [Self; 3] = [Self::DecisionMails, Self::Webhooks, Self::Stream];

    /// The name in the database and in `/metrics`. Migrations insert the cursors, except that of the stream.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DecisionMails => "decision_mails",
            Self::Webhooks => "webhooks",
            Self::Stream => "stream",
        }
    }
}

/// The place of an entry in the order of the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) position: i64,
    /// Orders the entries of one transaction.
    pub(super) id: DbUuid,
}

/// Whether an entry comes after a place.
macro_rules! is_after {
    ($place:expr) => {
        sql::<Bool>("(position, id) > (")
            .bind::<BigInt, _>($place.position)
            .sql(", ")
            .bind::<SqlUuid, _>($place.id)
            .sql(")")
    };
}

/// Whether readers can take an entry: no entry can appear before it any more.
const fn is_settled(conn: &Conn) -> &'static str {
    match conn.backend {
        Backend::Postgres(_) => "position < audit_position(pg_snapshot_xmin(pg_current_snapshot()))",
        Backend::Sqlite(_) => "true",
    }
}

/// Takes the next entries for a reader, at most `limit`, and remembers that the reader has got them.
/// Must run in the transaction that handles the entries. Empty if another replica takes entries for the reader
/// at this moment.
pub fn take(conn: &mut Conn, reader: AuditReader, limit: i64) -> QueryResult<Vec<AuditEntry>> {
    let from = cursor(conn, reader)?;
    let rows = rows_after(conn, from, limit)?;
    let Some(last) = rows.last().map(|(position, row)| Cursor { position: *position, id: row.id }) else {
        return Ok(Vec::new());
    };
    let taken = if move_cursor(conn, reader, from, last)? { rows } else { Vec::new() };
    Ok(taken.into_iter().map(|(_, row)| AuditEntry::from(row)).collect())
}

/// The place of the last entry that a reader could take now.
pub fn end(conn: &mut Conn) -> QueryResult<Option<Cursor>> {
    let is_settled = is_settled(conn);
    let last: Option<(i64, DbUuid)> = with_backend!(conn, c => dsl::audit_log
        .filter(sql::<Bool>(is_settled))
        .order((dsl::position.desc(), dsl::id.desc()))
        .select((dsl::position, dsl::id))
        .first(c)
        .optional())?;
    Ok(last.map(|(position, id)| Cursor { position, id }))
}

/// Moves a reader to this place, without the entries before it.
pub fn skip_to(conn: &mut Conn, reader: AuditReader, place: Cursor) -> QueryResult<()> {
    let from = cursor(conn, reader)?;
    if (from.position, from.id.0) < (place.position, place.id.0) {
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
fn move_cursor(conn: &mut Conn, reader: AuditReader, from: Cursor, to: Cursor) -> QueryResult<bool> {
    let unchanged = audit_cursors::position.eq(from.position).and(audit_cursors::last_id.eq(from.id));
    let set = (audit_cursors::position.eq(to.position), audit_cursors::last_id.eq(to.id));
    let moved = with_backend!(conn, c => diesel::update(audit_cursors::table.find(reader.name()).filter(unchanged))
        .set(set)
        .execute(c))?;
    Ok(moved > 0)
}

fn cursor(conn: &mut Conn, reader: AuditReader) -> QueryResult<Cursor> {
    let (position, id): (i64, DbUuid) = with_backend!(conn, c => audit_cursors::table
        .find(reader.name())
        .select((audit_cursors::position, audit_cursors::last_id))
        .first(c))?;
    Ok(Cursor { position, id })
}

pub(super) fn rows_after(
    conn: &mut Conn,
    from: Cursor,
    limit: i64,
) -> QueryResult<Vec<(i64, AuditEntryRow)>> {
    let is_settled = is_settled(conn);
    with_backend!(conn, c => dsl::audit_log
        .filter(is_after!(from).sql(" AND ").sql(is_settled))
        .order((dsl::position, dsl::id))
        .limit(limit)
        .select((dsl::position, AuditEntryRow::as_select()))
        .load(c))
}
