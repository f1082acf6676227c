//! Reading the audit trail: the newest first, by whatever index leads there, and no
//! further than is asked for. It may have tens of millions of entries: nothing here reads
//! all of it, or counts it.
//!
//! Redemptions are in none of the indexes, which would cost a redemption too much: they
//! are found by their requests (`redemptions`).

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use uuid::Uuid;

use super::bulk::bulk;
use super::events::{first_id, ids_of};
use super::schema::events::{self, dsl};
use super::schema::permission_requests::{self, dsl as requests};
use super::types::{At, Id, Uid};
use super::{Conn, Listed, Page, on};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Subject};
use crate::domain::request::Outcome;
use crate::domain::user::UserId;

/// The most entries that a list pages through, and counts.
pub const MOST: usize = 10_000;
/// The most requests of one side, the newest, whose redemptions are looked for.
const MOST_REQUESTS: i64 = 1_000;
/// What the indexes leave out, in their very words.
const INDEXED: &str = "action <> 'request.redeemed'";

/// An entry, as it is read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The entry's own id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who did it; `None` is the operator, at the command line.
    pub actor: Option<UserId>,
    /// What was done, by its name: a later version may have brought in others than ours.
    pub action: String,
    /// To what: its kind and its id, e.g. `request:12`.
    pub subject: String,
    /// The address that the request came from.
    pub address: Option<String>,
    /// What the client called itself.
    pub client: Option<String>,
    /// Whom it concerns besides.
    pub concerns: [Option<UserId>; 2],
}

/// Which entries to read; what is `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct TrailFilter {
    /// What this user did, or what concerns them; `None` is all, for staff.
    pub viewer: Option<UserId>,
    /// One of these was done.
    pub actions: Option<Vec<Action>>,
    /// To this.
    pub subject: Option<String>,
    /// By one of these.
    pub actors: Option<Vec<UserId>>,
    /// Then or later.
    pub from: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// Older than this entry: the last of the page before.
    pub before: Option<Uuid>,
}

/// What leads to entries in the order of time: an index, and what to look for in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way<'a> {
    All,
    Subject(&'a str),
    Actor(UserId),
    Concerned(UserId),
    ConcernedToo(UserId),
    Action(Action),
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct EntryRow {
    id: Uid,
    at: At,
    actor: Option<i64>,
    action: String,
    subject: String,
    address: Option<String>,
    client: Option<String>,
    concerns: Option<i64>,
    concerns_too: Option<i64>,
}

impl From<EntryRow> for Entry {
    fn from(row: EntryRow) -> Self {
        Self {
            id: row.id.0,
            at: row.at.0,
            actor: row.actor.map(UserId),
            action: row.action,
            subject: row.subject,
            address: row.address,
            client: row.client,
            concerns: [row.concerns, row.concerns_too].map(|user| user.map(UserId)),
        }
    }
}

bulk! {
    /// Redemptions to be found, of requests that were redeemed then.
    Redemptions { first: Id => Uid, next: Id => Uid, subject: Text => String }
    "SELECT e.id, e.actor FROM" w
    "JOIN events AS e ON e.id >= w.first AND e.id < w.next AND e.subject = w.subject \
     AND e.action = 'request.redeemed'"
    returns (Id, Nullable<BigInt>)
}

impl TrailFilter {
    /// The ways that lead to all that is wanted, and to as little else as may be.
    fn ways(&self) -> Vec<Way<'_>> {
        match self {
            // What names no kind is no subject. It may be a secret, and the database is not asked.
            Self { subject: Some(subject), .. } if !subject.contains(':') => Vec::new(),
            Self { subject: Some(subject), .. } => vec![Way::Subject(subject)],
            Self { viewer: Some(me), .. } => {
                vec![Way::Actor(*me), Way::Concerned(*me), Way::ConcernedToo(*me)]
            }
            Self { actors: Some(actors), .. } => actors.iter().copied().map(Way::Actor).collect(),
            // There are so many redemptions that some are found by reading backwards.
            Self { actions: Some(actions), .. } => actions
                .iter()
                .map(
                    |action| if *action == Action::RequestRedeemed { Way::All } else { Way::Action(*action) },
                )
                .collect(),
            _ => vec![Way::All],
        }
    }

    /// Whether redemptions may be among what is wanted.
    fn wants_redemptions(&self) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.contains(&Action::RequestRedeemed))
    }
}

/// A page of the entries, the newest first. No more than [`MOST`] are counted, and paged
/// through: what is older is found by a filter.
pub fn list(conn: &mut Conn, filter: &TrailFilter, page: Page) -> QueryResult<Listed<Entry>> {
    let ids = newest(conn, filter, MOST)?;
    let place = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let wanted: Vec<Uid> = ids.iter().skip(place(page.offset)).take(place(page.limit)).copied().collect();
    Ok(Listed { rows: entries(conn, &wanted)?, total: i64::try_from(ids.len()).unwrap_or(i64::MAX) })
}

/// The newest entries, so many at the most.
pub fn latest(conn: &mut Conn, filter: &TrailFilter, most: usize) -> QueryResult<Vec<Entry>> {
    let ids = newest(conn, filter, most)?;
    entries(conn, &ids)
}

/// The entries of these ids that `viewer` may see, or all of them, the newest first.
pub fn by_ids(conn: &mut Conn, ids: &[Uuid], viewer: Option<UserId>) -> QueryResult<Vec<Entry>> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid).collect();
    let mut found = entries(conn, &ids)?;
    found.retain(|entry| viewer.is_none_or(|viewer| entry.is_about(viewer)));
    Ok(found)
}

impl Entry {
    /// Whether this user did it, or it concerns them.
    fn is_about(&self, user: UserId) -> bool {
        self.actor == Some(user) || self.concerns.contains(&Some(user))
    }
}

fn entries(conn: &mut Conn, ids: &[Uid]) -> QueryResult<Vec<Entry>> {
    let rows: Vec<EntryRow> = on!(conn, c => dsl::events
        .filter(dsl::id.eq_any(ids))
        .order(dsl::id.desc())
        .select(EntryRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// The ids of the newest entries, along each of the ways. Once there are enough, no way
/// is followed to what is older.
fn newest(conn: &mut Conn, filter: &TrailFilter, most: usize) -> QueryResult<Vec<Uid>> {
    let mut found: Vec<Uid> = Vec::new();
    let mut oldest = filter.from.map(|from| Uid(first_id(from)));
    let ways = filter.ways();
    if filter.wants_redemptions() && !ways.contains(&Way::All) {
        found = redemptions(conn, &ways, filter, most)?;
    }
    for way in ways {
        found.extend(along(conn, way, filter, oldest, most)?);
        found.sort_unstable_by_key(|id| std::cmp::Reverse(id.0));
        found.dedup();
        found.truncate(most);
        if found.len() == most {
            oldest = found.last().copied().or(oldest);
        }
    }
    Ok(found)
}

/// The ids of the newest redemptions along these ways: a request knows when it was
/// redeemed, and so where in the trail that is.
fn redemptions(
    conn: &mut Conn,
    ways: &[Way<'_>],
    filter: &TrailFilter,
    most: usize,
) -> QueryResult<Vec<Uid>> {
    let mut redeemed = Vec::new();
    for way in ways {
        match way {
            Way::Subject(subject) => {
                if let Subject::Request(id) = Subject::of(subject) {
                    redeemed.extend(redeemed_requests(conn, Whose::Number(id.0), filter)?);
                }
            }
            // Whoever redeems is the target.
            Way::Actor(user) => redeemed.extend(redeemed_requests(conn, Whose::Target(*user), filter)?),
            Way::Concerned(user) => redeemed.extend(redeemed_requests(conn, Whose::Allowed(*user), filter)?),
            Way::ConcernedToo(_) | Way::Action(_) | Way::All => {}
        }
    }
    redeemed.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(at.0));
    let mut rows = Redemptions::default();
    for (id, at) in redeemed.into_iter().take(most) {
        let (first, next) = ids_of(at.0);
        rows.push((Uid(first), Uid(next), format!("request:{id}")));
    }
    let found: Vec<(Uid, Option<i64>)> = if rows.rows > 0 { rows.fetch(conn)? } else { Vec::new() };
    let wanted = |(id, actor): &(Uid, Option<i64>)| {
        let by_them = |actors: &Vec<UserId>| actor.is_some_and(|actor| actors.contains(&UserId(actor)));
        filter.before.is_none_or(|before| id.0 < before) && filter.actors.as_ref().is_none_or(by_them)
    };
    Ok(found.into_iter().filter(wanted).map(|(id, _)| id).collect())
}

/// Whose requests.
#[derive(Clone, Copy)]
enum Whose {
    Number(i64),
    Target(UserId),
    Allowed(UserId),
}

/// The newest of them that were redeemed, and when: those that stand, and those that do no
/// more, each by an index of its own.
fn redeemed_requests(conn: &mut Conn, whose: Whose, filter: &TrailFilter) -> QueryResult<Vec<(i64, At)>> {
    let mut found = Vec::new();
    for stands in [true, false] {
        let rows: Vec<(i64, At)> = on!(conn, c => {
            let mut query = permission_requests::table
                .filter(requests::outcome.eq(Outcome::Redeemed.name()))
                .select((requests::id, requests::closed_at.assume_not_null()))
                .limit(MOST_REQUESTS)
                .into_boxed();
            query = match stands {
                true => query.filter(sql::<Bool>("stands AND outcome IS NOT NULL")),
                false => query.filter(sql::<Bool>("outcome = 'redeemed' AND NOT stands")),
            };
            query = match whose {
                Whose::Number(id) => query.filter(requests::id.eq(id)),
                Whose::Target(user) => query
                    .filter(requests::user_target.eq_any([user.0]))
                    .order((requests::user_target.desc(), requests::id.desc())),
                Whose::Allowed(user) => query
                    .filter(requests::user_allowed.eq_any([user.0]))
                    .order((requests::user_allowed.desc(), requests::id.desc())),
            };
            if let (Some(me), Whose::Number(_)) = (filter.viewer, whose) {
                query = query.filter(requests::user_target.eq(me.0).or(requests::user_allowed.eq(me.0)));
            }
            if let Some(from) = filter.from {
                query = query.filter(requests::closed_at.ge(At(from)));
            }
            if let Some(until) = filter.until {
                query = query.filter(requests::closed_at.lt(At(until)));
            }
            if let Some(before) = filter.before {
                query = query.filter(requests::closed_at.lt(At(end_of(before))));
            }
            query.load(c)
        })?;
        found.extend(rows);
    }
    Ok(found)
}

/// A moment after that of an entry's id: the end of its millisecond.
fn end_of(id: Uuid) -> Timestamp {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    Timestamp::from_micros((millis + 1) * 1_000)
}

/// The ids of the newest entries along one way. (Asked for `=` and ordered by the id
/// alone, PostgreSQL may look for them through everybody's.)
fn along(
    conn: &mut Conn,
    way: Way<'_>,
    filter: &TrailFilter,
    oldest: Option<Uid>,
    most: usize,
) -> QueryResult<Vec<Uid>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    on!(conn, c => {
        let query = dsl::events.select(dsl::id).limit(most).into_boxed();
        let mut query = match way {
            Way::All => query.order(dsl::id.desc()),
            Way::Subject(subject) => query
                .filter(dsl::subject.eq_any([subject]))
                .order((dsl::subject.desc(), dsl::id.desc())),
            Way::Actor(user) => query
                .filter(dsl::actor.eq_any([user.0]))
                .order((dsl::actor.desc(), dsl::id.desc())),
            Way::Concerned(user) => query
                .filter(dsl::concerns.eq_any([user.0]))
                .order((dsl::concerns.desc(), dsl::id.desc())),
            Way::ConcernedToo(user) => query
                .filter(dsl::concerns_too.eq_any([user.0]))
                .order((dsl::concerns_too.desc(), dsl::id.desc())),
            Way::Action(action) => query
                .filter(dsl::action.eq_any([action.name()]))
                .order((dsl::action.desc(), dsl::id.desc())),
        };
        match (way, &filter.actions) {
            (Way::All, Some(_)) => query = query.filter(dsl::action.eq(Action::RequestRedeemed.name())),
            (Way::All, None) => {}
            (_, actions) => {
                query = query.filter(sql::<Bool>(INDEXED));
                if let Some(actions) = actions.as_ref().filter(|_| !matches!(way, Way::Action(_))) {
                    let names = actions.iter().map(|action| action.name()).collect::<Vec<_>>();
                    query = query.filter(dsl::action.eq_any(names));
                }
            }
        }
        if let (Some(me), Way::Subject(_)) = (filter.viewer, way) {
            let concerned = dsl::concerns.eq(me.0).or(dsl::concerns_too.eq(me.0));
            query = query.filter(dsl::actor.eq(me.0).or(concerned));
        }
        // By one of these, unless the way itself says by whom.
        let is_said = filter.viewer.is_none() && matches!(way, Way::Actor(_));
        if let Some(actors) = filter.actors.as_ref().filter(|_| !is_said) {
            query = query.filter(dsl::actor.eq_any(actors.iter().map(|user| user.0).collect::<Vec<_>>()));
        }
        if let Some(oldest) = oldest {
            query = query.filter(dsl::id.ge(oldest));
        }
        if let Some(from) = filter.from {
            query = query.filter(dsl::at.ge(At(from)));
        }
        if let Some(until) = filter.until {
            let next = Timestamp::from_micros(until.micros().saturating_add(1_000));
            query = query.filter(dsl::id.lt(Uid(first_id(next)))).filter(dsl::at.lt(At(until)));
        }
        if let Some(before) = filter.before {
            query = query.filter(dsl::id.lt(Uid(before)));
        }
        query.load(c)
    })
}
