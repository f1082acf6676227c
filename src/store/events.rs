//! The audit trail: who did what to what, when, from where. A row is written in
//! the transaction of its deed, and so also witnesses that it was committed.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use uuid::Uuid;

use super::bulk::bulk;
use super::schema::events::dsl;
use super::types::{At, Id, Instant, Uid};
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

bulk! {
    /// New entries.
    Insertion {
        id: Id => Uid,
        at: Instant => At,
        actor: Nullable<BigInt> => Option<i64>,
        action: Text => &'static str,
        subject: Text => &'a str,
        address: Nullable<Text> => Option<String>,
        client: Nullable<Text> => Option<&'a str>,
    }
    "INSERT INTO events (id, at, actor, action, subject, address, client) SELECT * FROM" w
    "WHERE true ON CONFLICT (id) DO NOTHING"
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

/// Adds entries; one whose id is taken is passed over.
pub(super) fn insert(conn: &mut Conn, events: &[Event]) -> QueryResult<()> {
    insertion(events).run(conn).map(drop)
}

/// Whether this entry was committed; if it was not, it never will be. Waits for a
/// transaction that may yet commit it: its id is unique, so nobody else can add it
/// before that one is over. A statement that has not come by yet is not waited for,
/// so the id is taken: what comes late finds it so, and does nothing.
pub(super) fn was_committed(conn: &mut Conn, event: &Event) -> QueryResult<bool> {
    let abandoned = Event { action: Action::DeedAbandoned, ..event.clone() };
    insert(conn, std::slice::from_ref(&abandoned))?;
    let action: String =
        on!(conn, c => dsl::events.filter(dsl::id.eq(Uid(event.id))).select(dsl::action).first(c))?;
    Ok(action != abandoned.action.name())
}

/// The entries, to be added.
pub(super) fn insertion(events: &[Event]) -> Insertion<'_> {
    let mut rows = Insertion::default();
    for event in events {
        rows.push((
            Uid(event.id),
            At(event.at),
            event.origin.actor.map(|user| user.0),
            event.action.name(),
            &event.subject,
            event.origin.address.map(|address| address.to_string()),
            event.origin.client.as_deref(),
        ));
    }
    rows
}
