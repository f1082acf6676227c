//! The place of the audit stream: which entries and seals are to be written next, and by which server.
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
use crate::domain::seal::{Place, SignedSeal};
use crate::domain::timestamp::Timestamp;
use crate::store::connection::{Conn, with_backend};
use crate::store::schema::audit_cursors;
use crate::store::seals;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};

/// Seconds for which a server holds the stream after its last step. More than a step may take.
const HOLD_SECONDS: i64 = 30;
const NAME: &str = AuditReader::Stream.name();

/// The next lines of the stream, which this server is to write.
#[derive(Clone, Debug)]
pub struct Step {
    from: StreamPlace,
    to: StreamPlace,
    /// Set if the stream starts here: its first line comes before the entries.
    pub start: Option<StreamStart>,
    pub entries: Vec<AuditEntry>,
    /// Seals of earlier entries.
    pub seals: Vec<SignedSeal>,
}

/// How far the stream has come.
#[derive(Clone, Copy, Debug)]
pub struct StreamPlace {
    entry: Place,
    /// The number of the last seal.
    seal: i64,
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
    seal: i64,
    started_at: Option<DbTimestamp>,
}

/// Claims the next entries and seals for the server `holder`, at most `limit` of each. Returns the place of the stream, too.
/// No step if there are none, or if another server holds the stream.
///
/// A stream that has no place starts at the end of the log, or goes on at `known`: the place that this server has read
/// last, before a server without a stream removed it.
pub fn claim(
    conn: &mut Conn,
    holder: Uuid,
    known: Option<StreamPlace>,
    limit: i64,
) -> QueryResult<(StreamPlace, Option<Step>)> {
    let now = conn.now()?;
    let row = match row(conn)? {
        Some(row) => row,
        None => create(conn, known, now)?,
    };
    let from = StreamPlace { entry: Place { position: row.position, id: row.last_id.0 }, seal: row.seal };
    let rows = rows_after(conn, from.entry, limit)?;
    let entry = rows.last().map_or(from.entry, |(position, row)| Place { position: *position, id: row.id.0 });
    let mut seals = seals::after(conn, from.seal, limit)?;
    // A seal comes after its entries.
    seals.retain(|signed| signed.seal.last <= entry);
    let seal = seals.last().map_or(from.seal, |signed| signed.seal.number);
    let nothing = row.started_at.is_none() && rows.is_empty() && seals.is_empty();
    if nothing || !hold(conn, holder, from, now)? {
        return Ok((from, None));
    }
    let after = (!from.entry.id.is_nil()).then_some(from.entry.id);
    let start = row.started_at.map(|at| StreamStart { at: at.0, after });
    let entries = rows.into_iter().map(|(_, row)| AuditEntry::from(row)).collect();
    Ok((from, Some(Step { from, to: StreamPlace { entry, seal }, start, entries, seals })))
}

/// Records that the lines of a step are written. Returns whether the stream was still held by this server: if not,
/// another one writes these lines again.
pub fn finish(conn: &mut Conn, holder: Uuid, step: &Step) -> QueryResult<bool> {
    let held_until = conn.now()?.plus_seconds(HOLD_SECONDS);
    let set = (
        audit_cursors::position.eq(step.to.entry.position),
        audit_cursors::last_id.eq(DbUuid(step.to.entry.id)),
        audit_cursors::seal.eq(step.to.seal),
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
fn is_at(place: StreamPlace) -> _ {
    let (position, id, seal): (i64, DbUuid, i64) = (place.entry.position, DbUuid(place.entry.id), place.seal);
    audit_cursors::position.eq(position).and(audit_cursors::last_id.eq(id)).and(audit_cursors::seal.eq(seal))
}

fn row(conn: &mut Conn) -> QueryResult<Option<Row>> {
    with_backend!(conn, c => audit_cursors::table
        .find(NAME)
        .select((audit_cursors::position, audit_cursors::last_id, audit_cursors::seal, audit_cursors::started_at))
        .first(c)
        .optional())
}

/// Gives the stream a place, unless another server has just done so.
fn create(conn: &mut Conn, known: Option<StreamPlace>, now: Timestamp) -> QueryResult<Row> {
    let place = match known {
        Some(known) => known,
        None => StreamPlace {
            entry: end(conn)?.unwrap_or(Place { position: 0, id: Uuid::nil() }),
            seal: seals::latest(conn)?.map_or(0, |signed| signed.seal.number),
        },
    };
    let new = (
        audit_cursors::name.eq(NAME),
        audit_cursors::position.eq(place.entry.position),
        audit_cursors::last_id.eq(DbUuid(place.entry.id)),
        audit_cursors::seal.eq(place.seal),
        audit_cursors::started_at.eq(known.is_none().then_some(DbTimestamp(now))),
    );
    with_backend!(conn, c => diesel::insert_into(audit_cursors::table)
        .values(new)
        .on_conflict_do_nothing()
        .execute(c))?;
    row(conn)?.ok_or(diesel::result::Error::NotFound)
}

/// Takes the stream, unless another server holds it or has moved the cursor. Returns whether it is now this server's.
fn hold(conn: &mut Conn, holder: Uuid, from: StreamPlace, now: Timestamp) -> QueryResult<bool> {
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
