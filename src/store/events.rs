//! The audit trail: who did what to what, when, from where. A row is written in
//! the transaction of its deed, and so also witnesses that it was committed.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use uuid::Uuid;

use super::bulk::bulk;
use super::schema::events::dsl;
use super::types::{At, Id, Instant, Uid};
use super::{Conn, Link, keys, on};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Origin};
use crate::domain::user::UserId;
use crate::entropy;

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
    /// Whom it concerns besides who did it: they find it in their own trail.
    pub concerns: [Option<UserId>; 2],
}

impl Event {
    /// A new entry for a deed done now, about these people: those of them who did not
    /// do it, two at the most.
    pub fn new(now: Timestamp, origin: &Origin, action: Action, subject: String, about: &[UserId]) -> Self {
        let mut others = about.iter().copied().filter(|user| origin.actor != Some(*user));
        Self {
            id: entropy::token().uuid(now),
            at: now,
            origin: origin.clone(),
            action,
            subject,
            concerns: [others.next(), others.next()],
        }
    }
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
        concerns: Nullable<BigInt> => Option<i64>,
        concerns_too: Nullable<BigInt> => Option<i64>,
    }
    "INSERT INTO events (id, at, actor, action, subject, address, client, concerns, concerns_too) SELECT * FROM" w
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
    let about = whom(conn, action, &subject)?;
    insert(conn, &[Event::new(now, origin, action, subject, about.as_slice())])
}

/// Whose account, role or key a subject is. What is somebody else's affair (from whom
/// they take no requests) is none of theirs.
fn whom(conn: &mut Conn, action: Action, subject: &str) -> QueryResult<Option<UserId>> {
    let number = |text: &str| text.parse().ok().map(UserId);
    Ok(match subject.split_once(':') {
        Some(("user", id)) if action.name().starts_with("user.") => number(id),
        Some(("hub", rest)) => rest.rsplit_once("/user:").and_then(|(_, id)| number(id)),
        Some(("key", id)) => match id.parse() {
            Ok(id) => keys::owner(conn, id)?,
            Err(_) => None,
        },
        _ => None,
    })
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
    let abandoned = Event { action: Action::DeedAbandoned, concerns: [None; 2], ..event.clone() };
    insert(conn, std::slice::from_ref(&abandoned))?;
    let action: String =
        on!(conn, c => dsl::events.filter(dsl::id.eq(Uid(event.id))).select(dsl::action).first(c))?;
    Ok(action != abandoned.action.name())
}

/// The entries, to be added.
pub(super) fn insertion(events: &[Event]) -> Insertion<'_> {
    let mut rows = Insertion::default();
    for event in events {
        let [first, second] = event.concerns;
        rows.push((
            Uid(event.id),
            At(event.at),
            event.origin.actor.map(|user| user.0),
            event.action.name(),
            &event.subject,
            event.origin.address.map(|address| address.to_string()),
            event.origin.client.as_deref(),
            first.map(|user| user.0),
            second.map(|user| user.0),
        ));
    }
    rows
}

/// Deletes up to `most` of the entries that were made before `cutoff`, but for those
/// that somebody else is about to delete; how many that were.
pub fn forget(conn: &mut Conn, cutoff: Timestamp, most: i64) -> QueryResult<usize> {
    conn.expect_slowness()?;
    let old =
        dsl::events.filter(dsl::id.lt(Uid(first_id(cutoff)))).order(dsl::id).limit(most).select(dsl::id);
    let old: Vec<Uid> = match &mut conn.link {
        Link::Postgres(pg) => old.for_update().skip_locked().load(&mut **pg)?,
        Link::Sqlite(sqlite) => old.load(&mut **sqlite)?,
    };
    on!(conn, c => diesel::delete(dsl::events.filter(dsl::id.eq_any(&old))).execute(c))
}

/// The ids that an entry may have which was made at just this moment, to a quarter of a
/// microsecond (see [`Entropy::uuid`](crate::domain::token::Entropy::uuid)): from the
/// first, and below the second.
pub(super) fn ids_of(at: Timestamp) -> (Uuid, Uuid) {
    let from = first_id(at).as_u128();
    let fraction = u128::try_from(at.micros().rem_euclid(1_000) * 4_096 / 1_000).unwrap_or_default();
    let first = from | 7 << 76 | fraction << 64;
    (Uuid::from_u128(first), Uuid::from_u128(first + (1 << 64)))
}

/// What no id of an entry is below that was made at this moment or later: the ids begin
/// with milliseconds.
pub(super) fn first_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_moment() {
        for micros in [1_893_456_000_000_000, 1_893_456_000_000_001, 1_893_456_000_000_999] {
            let at = Timestamp::from_micros(micros);
            let (id, (first, next)) = (entropy::token().uuid(at), ids_of(at));
            assert!(first_id(at) <= first && first <= id && id < next, "{id} {first} {next}");
            let later = Timestamp::from_micros(micros + 1);
            assert!(id < ids_of(later).0);
        }
    }
}
