//! The queue: inserting, claiming and finishing items.
//!
//! A lease is an id of its own, and its end is the item's `due_at`. Updates under a lease affect
//! only the items that still have it, and return their ids.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use uuid::Uuid;

use super::item::{InsertedColumns, OutboxKind, OutboxResult, OutboxSubject, SubjectColumns};
use crate::domain::notice::Notice;
use crate::domain::permission_request::RequestId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::entropy;
use crate::store::bulk::bulk;
use crate::store::connection::{Backend, Conn, with_backend};
use crate::store::schema::outbox;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};

/// An item that this process may deliver until the lease ends.
#[derive(Clone, Debug)]
pub struct ClaimedItem {
    pub id: Uuid,
    /// Delivery attempts, including the one that the claim is for.
    pub attempts: i32,
    pub created_at: Timestamp,
    pub subject: OutboxSubject,
}

bulk! {
    InsertItems {
        id: SqlUuid => DbUuid,
        kind: Text => &'static str,
        request_id: Nullable<BigInt> => Option<i64>,
        password_link_id: Nullable<SqlUuid> => Option<DbUuid>,
        notice: Nullable<Text> => Option<&'static str>,
        user_id: Nullable<BigInt> => Option<i64>,
        day: Nullable<Integer> => Option<i32>,
        decided_requests: Nullable<Text> => Option<String>,
        due_at: SqlTimestamp => DbTimestamp,
    }
    "INSERT INTO outbox (id, kind, request_id, password_link_id, notice, user_id, day, decided_requests, \
     created_at, due_at, attempts) SELECT id, kind, request_id, password_link_id, notice, user_id, day, \
     decided_requests, due_at, due_at, 0 FROM" w ""
}

/// Updates the unfinished items that are still under a lease, and returns their ids.
macro_rules! update_leased {
    ($conn:expr, $lease:expr, $ids:expr, $set:expr) => {{
        let ids: Vec<DbUuid> = $ids.iter().copied().map(DbUuid).collect();
        let leased = outbox::id.eq_any(&ids).and(outbox::lease.eq(DbUuid($lease)));
        let updated: Vec<DbUuid> = with_backend!($conn, c => diesel::update(outbox::table)
            .filter(leased.assume_not_null().and(outbox::finished_at.is_null()))
            .set($set)
            .returning(outbox::id)
            .get_results(c))?;
        Ok(updated.into_iter().map(|id| id.0).collect::<Vec<Uuid>>())
    }};
}

/// Inserts items of one kind that are due immediately.
pub(in crate::store) fn insert(
    conn: &mut Conn,
    kind: OutboxKind,
    items: &[(Uuid, OutboxSubject)],
    now: Timestamp,
) -> QueryResult<()> {
    insert_due(conn, kind, items.iter().map(|(id, subject)| (*id, subject, now)))
}

/// Inserts items of one kind, each of which is due at its time.
pub(in crate::store) fn insert_due<'a>(
    conn: &mut Conn,
    kind: OutboxKind,
    items: impl Iterator<Item = (Uuid, &'a OutboxSubject, Timestamp)>,
) -> QueryResult<()> {
    insert_statement(kind, items).run(conn).map(drop)
}

/// The statement that inserts items of one kind, each of which is due at its time.
pub(in crate::store) fn insert_statement<'a>(
    kind: OutboxKind,
    items: impl Iterator<Item = (Uuid, &'a OutboxSubject, Timestamp)>,
) -> InsertItems<'static> {
    let mut rows = InsertItems::default();
    for (id, subject, due) in items {
        let InsertedColumns { request_id, password_link_id, notice, user_id, day, decided_requests } =
            subject.to_columns();
        rows.push((
            DbUuid(id),
            kind.name(),
            request_id,
            password_link_id,
            notice,
            user_id,
            day,
            decided_requests,
            DbTimestamp(due),
        ));
    }
    rows
}

/// Queues a notice to a user.
pub(crate) fn insert_notice(conn: &mut Conn, notice: Notice, to: UserId, now: Timestamp) -> QueryResult<()> {
    let subject = OutboxSubject::Notice { notice, to, request: None };
    insert(conn, OutboxKind::Mail, &[(entropy::token().uuid(now), subject)], now)
}

/// The requests that have an unfinished item of a kind.
pub(in crate::store) fn pending(
    conn: &mut Conn,
    kind: OutboxKind,
    requests: &[RequestId],
) -> QueryResult<HashSet<RequestId>> {
    let ids: Vec<i64> = requests.iter().map(|id| id.0).collect();
    let pending = outbox::kind.eq(kind.name()).and(outbox::finished_at.is_null());
    let request_ids: Vec<i64> = with_backend!(conn, c => outbox::table
        .filter(outbox::request_id.eq_any(&ids).and(pending))
        .select(outbox::request_id.assume_not_null())
        .load(c))?;
    Ok(request_ids.into_iter().map(RequestId).collect())
}

/// Claims due items of a kind, at most `limit`, in the order of their due times. No other
/// replica claims them before `lease_end`.
pub fn claim(
    conn: &mut Conn,
    kind: OutboxKind,
    lease: Uuid,
    limit: i64,
    now: Timestamp,
    lease_end: Timestamp,
) -> QueryResult<Vec<ClaimedItem>> {
    let pending = outbox::kind.eq(kind.name()).and(outbox::finished_at.is_null());
    let due = outbox::table
        .filter(pending.and(outbox::due_at.le(DbTimestamp(now))))
        .order(outbox::due_at)
        .limit(limit)
        .select((
            outbox::id,
            outbox::attempts,
            outbox::created_at,
            (
                outbox::request_id,
                outbox::password_link_id,
                outbox::notice,
                outbox::user_id,
                outbox::day,
                outbox::decided_requests,
            ),
        ));
    let rows: Vec<(DbUuid, i32, DbTimestamp, SubjectColumns)> = match &mut conn.backend {
        Backend::Postgres(pg) => due.for_update().skip_locked().load(&mut **pg)?,
        Backend::Sqlite(sqlite) => due.load(&mut **sqlite)?,
    };
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<DbUuid> = rows.iter().map(|(id, ..)| *id).collect();
    with_backend!(conn, c => diesel::update(outbox::table)
        .filter(outbox::id.eq_any(&ids))
        .set((
            outbox::lease.eq(DbUuid(lease)),
            outbox::due_at.eq(DbTimestamp(lease_end)),
            outbox::attempts.eq(outbox::attempts + 1),
        ))
        .execute(c))?;
    rows.into_iter()
        .map(|(id, attempts, created_at, subject)| {
            let subject = OutboxSubject::from_columns(subject)?;
            Ok(ClaimedItem { id: id.0, attempts: attempts + 1, created_at: created_at.0, subject })
        })
        .collect()
}

/// Extends a lease.
pub(super) fn renew(
    conn: &mut Conn,
    lease: Uuid,
    ids: &[Uuid],
    lease_end: Timestamp,
) -> QueryResult<Vec<Uuid>> {
    update_leased!(conn, lease, ids, outbox::due_at.eq(DbTimestamp(lease_end)))
}

/// Ends the lease of an item whose delivery failed and will be retried.
pub(super) fn defer(
    conn: &mut Conn,
    lease: Uuid,
    id: Uuid,
    due: Timestamp,
    error: &str,
) -> QueryResult<Vec<Uuid>> {
    let set =
        (outbox::lease.eq(None::<DbUuid>), outbox::due_at.eq(DbTimestamp(due)), outbox::last_error.eq(error));
    update_leased!(conn, lease, [id], set)
}

/// Ends the lease of items whose delivery was not attempted. They are due immediately.
pub fn release(conn: &mut Conn, lease: Uuid, ids: &[Uuid], now: Timestamp) -> QueryResult<Vec<Uuid>> {
    let set = (
        outbox::lease.eq(None::<DbUuid>),
        outbox::due_at.eq(DbTimestamp(now)),
        outbox::attempts.eq(outbox::attempts - 1),
    );
    update_leased!(conn, lease, ids, set)
}

/// Ends the lease of items, and removes them from the queue.
pub fn finish(
    conn: &mut Conn,
    lease: Uuid,
    ids: &[Uuid],
    result: OutboxResult,
    error: Option<&str>,
    now: Timestamp,
) -> QueryResult<Vec<Uuid>> {
    let set = (
        outbox::lease.eq(None::<DbUuid>),
        outbox::finished_at.eq(DbTimestamp(now)),
        outbox::result.eq(result.name()),
        outbox::last_error.eq(error),
    );
    update_leased!(conn, lease, ids, set)
}
