//! Reading the audit log from the start to the end, so that each reader gets every entry once.
//!
//! An entry's id is made before its transaction is committed. A reader that remembers the last id
//! would skip the entries of transactions that are committed late. So the order is that of
//! `position`. On SQLite, which has one writer at a time, it is assigned in the order of the commits. On
//! PostgreSQL it is the number of the transaction, and readers stop below the oldest transaction
//! that is still running: below it, no further entry can appear.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::read::AuditEntryRow;
use super::stored::stored_between;
use crate::domain::seal::{Place, StoredEntry};
use crate::domain::timestamp::Timestamp;
use crate::store::connection::{Backend, Conn, Store, for_update, with_backend};
use crate::store::error::StoreError;
use crate::store::schema::audit_cursors;
use crate::store::schema::audit_log::dsl;
use crate::store::types::{DbTimestamp, DbUuid};

/// This many entries are a backlog, which is read without pauses.
const BACKLOG: usize = 50_000;

/// How fast readers read. Each page is sealed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Small pages with pauses, so that reading and hashing delay requests little. Fast once there is a backlog.
    Gentle,
    /// Large pages without pauses.
    Fast,
}

impl Pace {
    const fn page_size(self) -> i64 {
        match self {
            Self::Gentle => 250,
            Self::Fast => 5_000,
        }
    }

    /// Pauses after a page, so that the readers use a quarter of a processor core. Not longer after a page that had to
    /// wait for the database.
    fn pause(self, page_started: Instant) {
        if self == Self::Gentle {
            sleep((page_started.elapsed() * 3).min(Duration::from_millis(100)));
        }
    }
}

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
const fn is_settled(conn: &Conn) -> &'static str {
    match conn.backend {
        Backend::Postgres(_) => "position < audit_position(pg_snapshot_xmin(pg_current_snapshot()))",
        Backend::Sqlite(_) => "true",
    }
}

/// Entries that readers take: the next ones after a place, in order. Readers that are at the same place share a page, so that
/// it is read once.
///
/// Everything that was committed before one of the entries was written is visible to the statements after the page was read.
#[derive(Debug)]
pub struct Page {
    pub(in crate::store) after: Place,
    pub entries: Vec<(Place, StoredEntry)>,
}

impl Page {
    /// Moves a reader to the end of the page, unless another replica has moved it. Returns whether it has moved: then the
    /// entries are its own. Must run in the transaction that handles them.
    pub fn take(&self, conn: &mut Conn, reader: AuditReader) -> QueryResult<bool> {
        move_cursor(conn, reader, self.after, self.end())
    }

    /// The place of the last entry.
    pub(in crate::store) fn end(&self) -> Place {
        self.entries.last().map_or(self.after, |(place, _)| *place)
    }
}

/// What a reader does with a page. Returns whether it took the page.
pub type HandlePage<'a, E> = dyn FnMut(&Page) -> Result<bool, E> + 'a;

/// Lets readers take all entries that they can take now. One that fails, or finds that another replica is reading too,
/// delays no other one, and goes on the next time. Returns the number of entries that were read.
pub fn read_all<E: From<StoreError>>(
    store: &Store,
    pace: Pace,
    readers: &mut [(AuditReader, &mut HandlePage<'_, E>)],
) -> Result<usize, E> {
    let mut by_place: BTreeMap<Place, Vec<_>> = BTreeMap::new();
    for (reader, handle) in readers {
        by_place.entry(store.read(|conn| cursor(conn, *reader))?).or_default().push(handle);
    }
    let Some(end) = store.read(end)? else { return Ok(0) };
    let (mut entries, mut result) = (0, Ok(()));
    // Those that are far behind come last.
    for (mut after, mut handles) in by_place.into_iter().rev() {
        while after < end && !handles.is_empty() {
            let pace = if entries < BACKLOG { pace } else { Pace::Fast };
            let started = Instant::now();
            let page = store.read(|conn| page(conn, after, end, pace.page_size()))?;
            handles.retain_mut(|handle| match handle(&page) {
                Ok(taken) => taken,
                Err(error) => {
                    result = Err(error);
                    false
                }
            });
            entries += page.entries.len();
            after = page.end();
            if page.entries.is_empty() {
                break;
            }
            if after < end {
                pace.pause(started);
            }
        }
    }
    result.map(|()| entries)
}

/// The first entries after a place, up to and including another that readers have reached; at most `limit`.
pub fn page(conn: &mut Conn, after: Place, through: Place, limit: i64) -> QueryResult<Page> {
    let entries = conn.in_snapshot(|conn| {
        conn.prefer_index_order()?;
        stored_between(conn, after, through, limit)
    })?;
    Ok(Page { after, entries })
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

/// The last entry that a reader has taken.
pub fn cursor(conn: &mut Conn, reader: AuditReader) -> QueryResult<Place> {
    let (position, id): (i64, DbUuid) = with_backend!(conn, c => audit_cursors::table
        .find(reader.name())
        .select((audit_cursors::position, audit_cursors::last_id))
        .first(c))?;
    Ok(Place { position, id: id.0 })
}

/// The next entries that a reader can take, with their positions. Must run in a transaction.
pub(super) fn rows_after(
    conn: &mut Conn,
    after: Place,
    limit: i64,
) -> QueryResult<Vec<(i64, AuditEntryRow)>> {
    conn.prefer_index_order()?;
    let is_settled = is_settled(conn);
    with_backend!(conn, c => dsl::audit_log
        .filter(is_after!(after).sql(" AND ").sql(is_settled))
        .order((dsl::position, dsl::id))
        .limit(limit)
        .select((dsl::position, AuditEntryRow::as_select()))
        .load(c))
}
