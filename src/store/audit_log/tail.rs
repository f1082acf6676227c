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
use crate::store::connection::{Backend, Conn, with_backend};
use crate::store::schema::audit_cursors;
use crate::store::schema::audit_log::dsl;
use crate::store::types::{DbUuid, SqlUuid};

/// A reader that remembers in the database how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditReader {
    /// Mails requesters the decisions about their requests.
    DecisionMails,
}

impl AuditReader {
    /// The name in the database. Migrations insert the cursors.
    const fn name(self) -> &'static str {
        match self {
            Self::DecisionMails => "decision_mails",
        }
    }
}

/// The place of an entry in the order of the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    position: i64,
    /// Orders the entries of one transaction.
    id: DbUuid,
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
    let unchanged = audit_cursors::position.eq(from.position).and(audit_cursors::last_id.eq(from.id));
    let set = (audit_cursors::position.eq(last.position), audit_cursors::last_id.eq(last.id));
    let moved = with_backend!(conn, c => diesel::update(audit_cursors::table.find(reader.name()).filter(unchanged))
        .set(set)
        .execute(c))?;
    let taken = if moved > 0 { rows } else { Vec::new() };
    Ok(taken.into_iter().map(|(_, row)| AuditEntry::from(row)).collect())
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
                    .sql(") AND position < audit_position(pg_snapshot_xmin(pg_current_snapshot()))"),
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
