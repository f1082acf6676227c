//! The audit trail: who did what to what, when, from where. A row is written in
//! the transaction of its deed, and so also witnesses that it was committed.

use diesel::prelude::*;
use uuid::Uuid;

use super::schema::events;
use super::types::{At, Uid};
use super::{Conn, on};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Origin};

/// One entry of the trail.
#[derive(Clone, Debug)]
pub struct Event {
    /// The entry's own id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who, and from where.
    pub origin: Origin,
    /// What was done.
    pub action: Action,
    /// To what: its kind and its id, e.g. `request:12`.
    pub subject: String,
}

#[derive(Insertable)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
struct EventRow<'a> {
    id: Uid,
    at: At,
    actor: Option<i64>,
    action: &'static str,
    subject: &'a str,
    address: Option<String>,
    client: Option<&'a str>,
}

impl<'a> From<&'a Event> for EventRow<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: Uid(event.id),
            at: At(event.at),
            actor: event.origin.actor.map(|user| user.0),
            action: event.action.name(),
            subject: &event.subject,
            address: event.origin.address.map(|address| address.to_string()),
            client: event.origin.client.as_deref(),
        }
    }
}

/// Adds one entry for a deed done now.
pub fn record(
    conn: &mut Conn,
    origin: &Origin,
    action: Action,
    subject: String,
    now: Timestamp,
) -> QueryResult<()> {
    let id = crate::entropy::token().uuid(now);
    insert(conn, &[Event { id, at: now, origin: origin.clone(), action, subject }])
}

/// Adds entries.
pub(super) fn insert(conn: &mut Conn, events: &[Event]) -> QueryResult<()> {
    let rows: Vec<EventRow<'_>> = events.iter().map(EventRow::from).collect();
    on!(conn, c => diesel::insert_into(events::table).values(&rows).execute(c)).map(drop)
}

/// Whether this entry was committed. Waits for a transaction that may yet
/// commit it: its id is unique, so this one can only be added once that one is
/// over. The caller rolls back what this adds.
pub(super) fn was_committed(conn: &mut Conn, event: &Event) -> QueryResult<bool> {
    let row = EventRow::from(event);
    let added = on!(conn, c => diesel::insert_into(events::table)
        .values(&row)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(added == 0)
}
