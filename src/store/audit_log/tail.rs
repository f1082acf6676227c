//! Reading the audit log from the start to the end, so that each reader gets every entry once.
//!
//! An entry's id is made before its transaction is committed. A reader that remembers the last id
//! would skip the entries of transactions that are committed late. So the order is that of
//! `position`. On SQLite, which has one writer at a time, it is assigned in the order of the commits. On
//! PostgreSQL it is the number of the transaction, and readers stop below the oldest transaction
//! that is still running: below it, no further entry can appear.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType, Nullable, Text};
use uuid::Uuid;

use super::read::AuditEntryRow;
use crate::domain::audit::AuditAction;
use crate::domain::seal::Place;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::connection::{Backend, Conn, for_update, with_backend};
use crate::store::schema::audit_cursors;
use crate::store::schema::audit_log::dsl;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};

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

/// What a reader has not taken yet: the entries after a place, up to and including another. Everything that was committed
/// before one of them was written is visible to the statements after [`unread`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    after: Place,
    through: Place,
}

/// An entry that a reader has taken, without address and client.
#[derive(Clone, Debug)]
pub struct TakenEntry {
    pub id: Uuid,
    pub at: Timestamp,
    pub actor: Option<UserId>,
    pub action: AuditAction,
    pub subject: String,
    pub affected_users: [Option<UserId>; 2],
}

/// The next entries: those with the wanted actions, and the last one, whatever its action. One pass over them.
#[derive(Debug)]
struct TakeEntries {
    after: (i64, DbUuid),
    through: (i64, DbUuid),
    /// A condition. The names of actions are constants.
    has_wanted_action: String,
    limit: i64,
}

type TakenColumns =
    (BigInt, SqlUuid, SqlTimestamp, Nullable<BigInt>, Text, Text, Nullable<BigInt>, Nullable<BigInt>);

#[derive(Queryable)]
struct TakenRow {
    position: i64,
    id: DbUuid,
    at: DbTimestamp,
    actor: Option<i64>,
    action: String,
    subject: String,
    affected_user_1: Option<i64>,
    affected_user_2: Option<i64>,
}

impl QueryId for TakeEntries {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for TakeEntries {
    type SqlType = TakenColumns;
}

impl<C> RunQueryDsl<C> for TakeEntries {}

impl<DB> QueryFragment<DB> for TakeEntries
where
    DB: diesel::backend::Backend + HasSqlType<SqlUuid>,
    i64: ToSql<BigInt, DB>,
    DbUuid: ToSql<SqlUuid, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let Self { after, through, .. } = self;
        out.push_sql(
            "SELECT position, id, at, actor, action, subject, affected_user_1, affected_user_2 FROM \
             (SELECT *, lead(position) OVER (ORDER BY position, id) IS NULL AS is_last FROM \
             (SELECT position, id, at, actor, action, subject, affected_user_1, affected_user_2 FROM audit_log \
             WHERE (position, id) > (",
        );
        out.push_bind_param::<BigInt, _>(&after.0)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(&after.1)?;
        // The first condition is for the index.
        out.push_sql(") AND position <= ");
        out.push_bind_param::<BigInt, _>(&through.0)?;
        out.push_sql(" AND (position, id) <= (");
        out.push_bind_param::<BigInt, _>(&through.0)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(&through.1)?;
        out.push_sql(") ORDER BY position, id LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") AS page) AS page WHERE is_last OR ");
        out.push_sql(&self.has_wanted_action);
        out.push_sql(" ORDER BY position, id");
        Ok(())
    }
}

/// What a reader can take now. `None` if there is nothing.
pub fn unread(conn: &mut Conn, reader: AuditReader) -> QueryResult<Option<Unread>> {
    let after = cursor(conn, reader)?;
    Ok(end(conn)?.filter(|end| after < *end).map(|through| Unread { after, through }))
}

/// Takes the next entries for a reader, at most `limit`, and remembers that the reader has got them. Returns those with
/// these actions, in order. Must run in the transaction that handles the entries. `None` if another replica has taken
/// them.
pub fn take(
    conn: &mut Conn,
    reader: AuditReader,
    unread: Unread,
    actions: &[AuditAction],
    limit: i64,
) -> QueryResult<Option<Vec<TakenEntry>>> {
    let key = |place: Place| (place.position, DbUuid(place.id));
    let query = TakeEntries {
        after: key(unread.after),
        through: key(unread.through),
        has_wanted_action: has_action(actions),
        limit,
    };
    let rows: Vec<TakenRow> = with_backend!(conn, c => query.load(c))?;
    let Some(last) = rows.last() else { return Ok(None) };
    if !move_cursor(conn, reader, unread.after, Place { position: last.position, id: last.id.0 })? {
        return Ok(None);
    }
    let taken = rows.into_iter().filter_map(|row| {
        let action = AuditAction::from_name(&row.action).filter(|action| actions.contains(action))?;
        Some(TakenEntry {
            id: row.id.0,
            at: row.at.0,
            actor: row.actor.map(UserId),
            action,
            subject: row.subject,
            affected_users: [row.affected_user_1, row.affected_user_2].map(|user| user.map(UserId)),
        })
    });
    Ok(Some(taken.collect()))
}

/// Moves a reader past entries that it does not need.
pub fn skip(conn: &mut Conn, reader: AuditReader, unread: Unread) -> QueryResult<()> {
    move_cursor(conn, reader, unread.after, unread.through).map(drop)
}

/// Whether an entry has one of these actions.
fn has_action(actions: &[AuditAction]) -> String {
    let names: Vec<String> = actions.iter().map(|action| format!("'{}'", action.name())).collect();
    if names.is_empty() { "false".to_owned() } else { format!("action IN ({})", names.join(", ")) }
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
