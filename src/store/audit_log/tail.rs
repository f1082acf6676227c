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
}

impl AuditReader {
    /// All readers.
    pub const ALL: [Self; 2] = [Self::DecisionMails, Self::Webhooks];

    /// The name in the database and in `/metrics`. Migrations insert the cursors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DecisionMails => "decision_mails",
            Self::Webhooks => "webhooks",
        }
    }
}

/// The place of an entry in the order of the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    position: i64,
    /// Orders the entries of one transaction.
    id: DbUuid,
}

/// Up to this position, readers miss no entry.
const IS_COMPLETE: &str = "position < audit_position(pg_snapshot_xmin(pg_current_snapshot()))";

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
    let place = (dsl::position, dsl::id);
    let last: Option<(i64, DbUuid)> = match &mut conn.backend {
        Backend::Postgres(pg) => dsl::audit_log
            .filter(sql::<Bool>(IS_COMPLETE))
            .order((dsl::position.desc(), dsl::id.desc()))
            .select(place)
            .first(&mut **pg)
            .optional()?,
        Backend::Sqlite(sqlite) => {
            dsl::audit_log.order(dsl::position.desc()).select(place).first(&mut **sqlite).optional()?
        }
    };
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
/// a running transaction keeps from the readers.
pub fn lag_seconds(conn: &mut Conn, reader: AuditReader, now: Timestamp) -> QueryResult<i64> {
    let Cursor { position, id } = cursor(conn, reader)?;
    let oldest: Option<DbTimestamp> = match &mut conn.backend {
        Backend::Postgres(pg) => dsl::audit_log
            .filter(
                sql::<Bool>("(position, id) > (")
                    .bind::<BigInt, _>(position)
                    .sql(", ")
                    .bind::<SqlUuid, _>(id)
                    .sql(")"),
            )
            .order((dsl::position, dsl::id))
            .select(dsl::at)
            .first(&mut **pg)
            .optional()?,
        Backend::Sqlite(sqlite) => dsl::audit_log
            .filter(dsl::position.gt(position))
            .order(dsl::position)
            .select(dsl::at)
            .first(&mut **sqlite)
            .optional()?,
    };
    Ok(oldest.map_or(0, |at| at.0.seconds_until(now).max(0)))
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

fn rows_after(conn: &mut Conn, after: Cursor, limit: i64) -> QueryResult<Vec<(i64, AuditEntryRow)>> {
    let Cursor { position, id } = after;
    match &mut conn.backend {
        Backend::Postgres(pg) => dsl::audit_log
            .filter(
                sql::<Bool>("(position, id) > (")
                    .bind::<BigInt, _>(position)
                    .sql(", ")
                    .bind::<SqlUuid, _>(id)
                    .sql(") AND ")
                    .sql(IS_COMPLETE),
            )
            .order((dsl::position, dsl::id))
            .limit(limit)
            .select((dsl::position, AuditEntryRow::as_select()))
            .load(&mut **pg),
        Backend::Sqlite(sqlite) => dsl::audit_log
            .filter(dsl::position.gt(position))
            .order(dsl::position)
            .limit(limit)
            .select((dsl::position, AuditEntryRow::as_select()))
            .load(&mut **sqlite),
    }
}
