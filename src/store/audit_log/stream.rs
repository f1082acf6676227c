//! The place of the audit stream: which entries are to be written next, and by which server.
//!
//! No transaction is open while lines are written. A server claims the stream for some time instead, writes the lines,
//! and moves the cursor if the stream is still its own. A server that dies in between leaves lines that are written
//! again; a server that is too slow writes them a second time. Neither loses one.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use super::read::AuditEntry;
use super::tail::{AuditReader, end, rows_after};
use crate::domain::seal::Place;
use crate::domain::timestamp::Timestamp;
use crate::store::connection::{Conn, with_backend};
use crate::store::schema::audit_cursors;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};

/// Seconds for which a server holds the stream after its last step. More than a step may take.
const HOLD_SECONDS: i64 = 30;
const NAME: &str = AuditReader::Stream.name();

/// The next lines of the stream, which this server is to write.
#[derive(Clone, Debug)]
pub struct Step {
    from: Place,
    to: Place,
    /// Set if the stream starts here: its first line comes before the entries.
    pub start: Option<StreamStart>,
    pub entries: Vec<AuditEntry>,
}

/// The start of a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamStart {
    pub at: Timestamp,
    /// The last entry before the stream.
    pub after: Option<Uuid>,
}

#[derive(Queryable)]
struct Row {
    position: i64,
    last_id: DbUuid,
    started_at: Option<DbTimestamp>,
}

/// Claims the next entries for the server `holder`, at most `limit`. Returns the place of the stream, too. No step if
/// there are no entries, or if another server holds the stream.
///
/// A stream that has no place starts at the end of the log, or goes on at `known`: the place that this server has read
/// last, before a server without a stream removed it.
pub fn claim(
    conn: &mut Conn,
    holder: Uuid,
    known: Option<Place>,
    limit: i64,
) -> QueryResult<(Place, Option<Step>)> {
    let now = conn.now()?;
    let row = match row(conn)? {
        Some(row) => row,
        None => create(conn, known, now)?,
    };
    let from = Place { position: row.position, id: row.last_id.0 };
    let rows = rows_after(conn, from, limit)?;
    let to = rows.last().map_or(from, |(position, row)| Place { position: *position, id: row.id.0 });
    if row.started_at.is_none() && rows.is_empty() || !hold(conn, holder, from, now)? {
        return Ok((from, None));
    }
    let after = (!from.id.is_nil()).then_some(from.id);
    let start = row.started_at.map(|at| StreamStart { at: at.0, after });
    let entries = rows.into_iter().map(|(_, row)| AuditEntry::from(row)).collect();
    Ok((from, Some(Step { from, to, start, entries })))
}

/// Records that the lines of a step are written. Returns whether the stream was still held by this server: if not,
/// another one writes these lines again.
pub fn finish(conn: &mut Conn, holder: Uuid, step: &Step) -> QueryResult<bool> {
    let held_until = conn.now()?.plus_seconds(HOLD_SECONDS);
    let set = (
        audit_cursors::position.eq(step.to.position),
        audit_cursors::last_id.eq(DbUuid(step.to.id)),
        audit_cursors::held_until.eq(Some(DbTimestamp(held_until))),
        audit_cursors::started_at.eq(None::<DbTimestamp>),
    );
    let held = is_at(step.from).and(audit_cursors::holder.eq(DbUuid(holder)));
    let moved = with_backend!(conn, c => diesel::update(audit_cursors::table.find(NAME).filter(held))
        .set(set)
        .execute(c))?;
    Ok(moved > 0)
}

/// Lets another server have the stream.
pub fn release(conn: &mut Conn, holder: Uuid) -> QueryResult<()> {
    let set = (audit_cursors::holder.eq(None::<DbUuid>), audit_cursors::held_until.eq(None::<DbTimestamp>));
    let held = audit_cursors::holder.eq(DbUuid(holder));
    with_backend!(conn, c => diesel::update(audit_cursors::table.find(NAME).filter(held)).set(set).execute(c))?;
    Ok(())
}

/// Removes the place of the stream: it is off, and starts at the end of the log when it is on again.
pub fn remove(conn: &mut Conn) -> QueryResult<()> {
    with_backend!(conn, c => diesel::delete(audit_cursors::table.find(NAME)).execute(c))?;
    Ok(())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn is_at(place: Place) -> _ {
    let (position, id): (i64, DbUuid) = (place.position, DbUuid(place.id));
    audit_cursors::position.eq(position).and(audit_cursors::last_id.eq(id))
}

fn row(conn: &mut Conn) -> QueryResult<Option<Row>> {
    with_backend!(conn, c => audit_cursors::table
        .find(NAME)
        .select((audit_cursors::position, audit_cursors::last_id, audit_cursors::started_at))
        .first(c)
        .optional())
}

/// Gives the stream a place, unless another server has just done so.
fn create(conn: &mut Conn, known: Option<Place>, now: Timestamp) -> QueryResult<Row> {
    let place = match known {
        Some(known) => known,
        None => end(conn)?.unwrap_or(Place { position: 0, id: Uuid::nil() }),
    };
    let new = (
        audit_cursors::name.eq(NAME),
        audit_cursors::position.eq(place.position),
        audit_cursors::last_id.eq(DbUuid(place.id)),
        audit_cursors::started_at.eq(known.is_none().then_some(DbTimestamp(now))),
    );
    with_backend!(conn, c => diesel::insert_into(audit_cursors::table)
        .values(new)
        .on_conflict_do_nothing()
        .execute(c))?;
    row(conn)?.ok_or(diesel::result::Error::NotFound)
}

/// Takes the stream, unless another server holds it or has moved the cursor. Returns whether it is now this server's.
fn hold(conn: &mut Conn, holder: Uuid, from: Place, now: Timestamp) -> QueryResult<bool> {
    let is_free = sql::<Bool>("(holder IS NULL OR holder = ")
        .bind::<SqlUuid, _>(DbUuid(holder))
        .sql(" OR held_until <= ")
        .bind::<SqlTimestamp, _>(DbTimestamp(now))
        .sql(")");
    let held_until = now.plus_seconds(HOLD_SECONDS);
    let set = (
        audit_cursors::holder.eq(Some(DbUuid(holder))),
        audit_cursors::held_until.eq(Some(DbTimestamp(held_until))),
    );
    let held = with_backend!(conn, c => diesel::update(audit_cursors::table.find(NAME).filter(is_at(from)).filter(is_free))
        .set(set)
        .execute(c))?;
    Ok(held > 0)
}
