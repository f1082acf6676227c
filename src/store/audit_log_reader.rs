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

use super::audit_log::{id_range_at, min_id_at};
use super::bulk::bulk;
use super::schema::audit_log::{self, dsl};
use super::schema::permission_requests::{self, dsl as requests};
use super::types::{DbTimestamp, DbUuid, SqlUuid};
use super::{Conn, LimitOffset, Paginated, with_backend};
use crate::domain::audit::{AuditAction, AuditSubjectRef};
use crate::domain::permission_request::RequestOutcome;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;

/// The most entries that a list pages through, and counts.
pub const MAX_LISTED: usize = 10_000;
/// The most requests of one side, the newest, whose redemptions are looked for.
const MAX_REQUESTS_SCANNED: i64 = 1_000;
/// What the indexes leave out, in their very words.
const INDEX_PREDICATE: &str = "action <> 'request.approved'";

/// An entry, as it is read.
#[derive(Clone, Debug)]
pub struct AuditEntry {
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
    pub ip: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Whom it concerns besides.
    pub affected_users: [Option<UserId>; 2],
}

/// Which entries to read; what is `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct AuditLogFilter {
    /// What this user did, or what concerns them; `None` is all, for staff.
    pub viewer: Option<UserId>,
    /// One of these was done.
    pub actions: Option<Vec<AuditAction>>,
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
enum IndexScan<'a> {
    FullLog,
    Subject(&'a str),
    Actor(UserId),
    AffectedUser1(UserId),
    AffectedUser2(UserId),
    AuditAction(AuditAction),
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_log)]
struct AuditEntryRow {
    id: DbUuid,
    at: DbTimestamp,
    actor: Option<i64>,
    action: String,
    subject: String,
    ip: Option<String>,
    user_agent: Option<String>,
    affected_user_1: Option<i64>,
    affected_user_2: Option<i64>,
}

impl From<AuditEntryRow> for AuditEntry {
    fn from(row: AuditEntryRow) -> Self {
        Self {
            id: row.id.0,
            at: row.at.0,
            actor: row.actor.map(UserId),
            action: row.action,
            subject: row.subject,
            ip: row.ip,
            user_agent: row.user_agent,
            affected_users: [row.affected_user_1, row.affected_user_2].map(|user| user.map(UserId)),
        }
    }
}

bulk! {
    /// Redemptions to be found, of requests that were redeemed then.
    FindApprovals { first: SqlUuid => DbUuid, next: SqlUuid => DbUuid, subject: Text => String }
    "SELECT e.id, e.actor FROM" w
    "JOIN audit_log AS e ON e.id >= w.first AND e.id < w.next AND e.subject = w.subject \
     AND e.action = 'request.approved'"
    returns (SqlUuid, Nullable<BigInt>)
}

impl AuditLogFilter {
    /// The ways that lead to all that is wanted, and to as little else as may be.
    fn index_scans(&self) -> Vec<IndexScan<'_>> {
        match self {
            // What names no kind is no subject. It may be a secret, and the database is not asked.
            Self { subject: Some(subject), .. } if !subject.contains(':') => Vec::new(),
            Self { subject: Some(subject), .. } => vec![IndexScan::Subject(subject)],
            Self { viewer: Some(me), .. } => {
                vec![IndexScan::Actor(*me), IndexScan::AffectedUser1(*me), IndexScan::AffectedUser2(*me)]
            }
            Self { actors: Some(actors), .. } => actors.iter().copied().map(IndexScan::Actor).collect(),
            // There are so many redemptions that some are found by reading backwards.
            Self { actions: Some(actions), .. } => actions
                .iter()
                .map(|action| {
                    if *action == AuditAction::RequestApproved {
                        IndexScan::FullLog
                    } else {
                        IndexScan::AuditAction(*action)
                    }
                })
                .collect(),
            _ => vec![IndexScan::FullLog],
        }
    }

    /// Whether redemptions may be among what is wanted.
    fn includes_approvals(&self) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.contains(&AuditAction::RequestApproved))
    }
}

/// A page of the entries, the newest first. No more than [`MOST`] are counted, and paged
/// through: what is older is found by a filter.
pub fn list(
    conn: &mut Conn,
    filter: &AuditLogFilter,
    page: LimitOffset,
) -> QueryResult<Paginated<AuditEntry>> {
    let ids = newest_ids(conn, filter, MAX_LISTED)?;
    let to_usize = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let page_ids: Vec<DbUuid> =
        ids.iter().skip(to_usize(page.offset)).take(to_usize(page.limit)).copied().collect();
    Ok(Paginated {
        rows: load_entries(conn, &page_ids)?,
        total: i64::try_from(ids.len()).unwrap_or(i64::MAX),
    })
}

/// The newest entries, so many at the most.
pub fn list_newest(conn: &mut Conn, filter: &AuditLogFilter, limit: usize) -> QueryResult<Vec<AuditEntry>> {
    let ids = newest_ids(conn, filter, limit)?;
    load_entries(conn, &ids)
}

/// The entries of these ids that `viewer` may see, or all of them, the newest first.
pub fn by_ids(conn: &mut Conn, ids: &[Uuid], viewer: Option<UserId>) -> QueryResult<Vec<AuditEntry>> {
    let ids: Vec<DbUuid> = ids.iter().copied().map(DbUuid).collect();
    let mut found = load_entries(conn, &ids)?;
    found.retain(|entry| viewer.is_none_or(|viewer| entry.affects(viewer)));
    Ok(found)
}

impl AuditEntry {
    /// Whether this user did it, or it concerns them.
    fn affects(&self, user: UserId) -> bool {
        self.actor == Some(user) || self.affected_users.contains(&Some(user))
    }
}

fn load_entries(conn: &mut Conn, ids: &[DbUuid]) -> QueryResult<Vec<AuditEntry>> {
    let rows: Vec<AuditEntryRow> = with_backend!(conn, c => dsl::audit_log
        .filter(dsl::id.eq_any(ids))
        .order(dsl::id.desc())
        .select(AuditEntryRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// The ids of the newest entries, along each of the ways. Once there are enough, no way
/// is followed to what is older.
fn newest_ids(conn: &mut Conn, filter: &AuditLogFilter, limit: usize) -> QueryResult<Vec<DbUuid>> {
    let mut found: Vec<DbUuid> = Vec::new();
    let mut oldest = filter.from.map(|from| DbUuid(min_id_at(from)));
    let ways = filter.index_scans();
    if filter.includes_approvals() && !ways.contains(&IndexScan::FullLog) {
        found = approval_ids(conn, &ways, filter, limit)?;
    }
    for way in ways {
        found.extend(scan_ids(conn, way, filter, oldest, limit)?);
        found.sort_unstable_by_key(|id| std::cmp::Reverse(id.0));
        found.dedup();
        found.truncate(limit);
        if found.len() == limit {
            oldest = found.last().copied().or(oldest);
        }
    }
    Ok(found)
}

/// The ids of the newest redemptions along these ways: a request knows when it was
/// redeemed, and so where in the trail that is.
fn approval_ids(
    conn: &mut Conn,
    scans: &[IndexScan<'_>],
    filter: &AuditLogFilter,
    limit: usize,
) -> QueryResult<Vec<DbUuid>> {
    let mut approved = Vec::new();
    for way in scans {
        match way {
            IndexScan::Subject(subject) => {
                if let AuditSubjectRef::Request(id) = AuditSubjectRef::parse(subject) {
                    approved.extend(approved_requests(conn, RequestCriterion::Id(id.0), filter)?);
                }
            }
            // Whoever redeems is the target.
            IndexScan::Actor(user) => {
                approved.extend(approved_requests(conn, RequestCriterion::Target(*user), filter)?)
            }
            IndexScan::AffectedUser1(user) => {
                approved.extend(approved_requests(conn, RequestCriterion::Grantee(*user), filter)?)
            }
            IndexScan::AffectedUser2(_) | IndexScan::AuditAction(_) | IndexScan::FullLog => {}
        }
    }
    approved.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(at.0));
    let mut rows = FindApprovals::default();
    for (id, at) in approved.into_iter().take(limit) {
        let (first, next) = id_range_at(at.0);
        rows.push((DbUuid(first), DbUuid(next), format!("request:{id}")));
    }
    let found: Vec<(DbUuid, Option<i64>)> = if rows.rows > 0 { rows.fetch(conn)? } else { Vec::new() };
    let wanted = |(id, actor): &(DbUuid, Option<i64>)| {
        let by_them = |actors: &Vec<UserId>| actor.is_some_and(|actor| actors.contains(&UserId(actor)));
        filter.before.is_none_or(|before| id.0 < before) && filter.actors.as_ref().is_none_or(by_them)
    };
    Ok(found.into_iter().filter(wanted).map(|(id, _)| id).collect())
}

/// Whose requests.
#[derive(Clone, Copy)]
enum RequestCriterion {
    Id(i64),
    Target(UserId),
    Grantee(UserId),
}

/// The newest of them that were redeemed, and when: those that stand, and those that do no
/// more, each by an index of its own.
fn approved_requests(
    conn: &mut Conn,
    criterion: RequestCriterion,
    filter: &AuditLogFilter,
) -> QueryResult<Vec<(i64, DbTimestamp)>> {
    let mut found = Vec::new();
    for active in [true, false] {
        let rows: Vec<(i64, DbTimestamp)> = with_backend!(conn, c => {
            let mut query = permission_requests::table
                .filter(requests::outcome.eq(RequestOutcome::Approved.name()))
                .select((requests::id, requests::closed_at.assume_not_null()))
                .limit(MAX_REQUESTS_SCANNED)
                .into_boxed();
            query = match active {
                true => query.filter(sql::<Bool>("active AND outcome IS NOT NULL")),
                false => query.filter(sql::<Bool>("outcome = 'approved' AND NOT active")),
            };
            query = match criterion {
                RequestCriterion::Id(id) => query.filter(requests::id.eq(id)),
                RequestCriterion::Target(user) => query
                    .filter(requests::user_target.eq_any([user.0]))
                    .order((requests::user_target.desc(), requests::id.desc())),
                RequestCriterion::Grantee(user) => query
                    .filter(requests::user_allowed.eq_any([user.0]))
                    .order((requests::user_allowed.desc(), requests::id.desc())),
            };
            if let (Some(me), RequestCriterion::Id(_)) = (filter.viewer, criterion) {
                query = query.filter(requests::user_target.eq(me.0).or(requests::user_allowed.eq(me.0)));
            }
            if let Some(from) = filter.from {
                query = query.filter(requests::closed_at.ge(DbTimestamp(from)));
            }
            if let Some(until) = filter.until {
                query = query.filter(requests::closed_at.lt(DbTimestamp(until)));
            }
            if let Some(before) = filter.before {
                query = query.filter(requests::closed_at.lt(DbTimestamp(end_of_millisecond(before))));
            }
            query.load(c)
        })?;
        found.extend(rows);
    }
    Ok(found)
}

/// A moment after that of an entry's id: the end of its millisecond.
fn end_of_millisecond(id: Uuid) -> Timestamp {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    Timestamp::from_micros((millis + 1) * 1_000)
}

/// The ids of the newest entries along one way. (Asked for `=` and ordered by the id
/// alone, PostgreSQL may look for them through everybody's.)
fn scan_ids(
    conn: &mut Conn,
    scan: IndexScan<'_>,
    filter: &AuditLogFilter,
    oldest: Option<DbUuid>,
    limit: usize,
) -> QueryResult<Vec<DbUuid>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    with_backend!(conn, c => {
        let query = dsl::audit_log.select(dsl::id).limit(limit).into_boxed();
        let mut query = match scan {
            IndexScan::FullLog => query.order(dsl::id.desc()),
            IndexScan::Subject(subject) => query
                .filter(dsl::subject.eq_any([subject]))
                .order((dsl::subject.desc(), dsl::id.desc())),
            IndexScan::Actor(user) => query
                .filter(dsl::actor.eq_any([user.0]))
                .order((dsl::actor.desc(), dsl::id.desc())),
            IndexScan::AffectedUser1(user) => query
                .filter(dsl::affected_user_1.eq_any([user.0]))
                .order((dsl::affected_user_1.desc(), dsl::id.desc())),
            IndexScan::AffectedUser2(user) => query
                .filter(dsl::affected_user_2.eq_any([user.0]))
                .order((dsl::affected_user_2.desc(), dsl::id.desc())),
            IndexScan::AuditAction(action) => query
                .filter(dsl::action.eq_any([action.name()]))
                .order((dsl::action.desc(), dsl::id.desc())),
        };
        match (scan, &filter.actions) {
            (IndexScan::FullLog, Some(_)) => query = query.filter(dsl::action.eq(AuditAction::RequestApproved.name())),
            (IndexScan::FullLog, None) => {}
            (_, actions) => {
                query = query.filter(sql::<Bool>(INDEX_PREDICATE));
                if let Some(actions) = actions.as_ref().filter(|_| !matches!(scan, IndexScan::AuditAction(_))) {
                    let names = actions.iter().map(|action| action.name()).collect::<Vec<_>>();
                    query = query.filter(dsl::action.eq_any(names));
                }
            }
        }
        if let (Some(me), IndexScan::Subject(_)) = (filter.viewer, scan) {
            let concerned = dsl::affected_user_1.eq(me.0).or(dsl::affected_user_2.eq(me.0));
            query = query.filter(dsl::actor.eq(me.0).or(concerned));
        }
        // By one of these, unless the way itself says by whom.
        let actor_is_indexed = filter.viewer.is_none() && matches!(scan, IndexScan::Actor(_));
        if let Some(actors) = filter.actors.as_ref().filter(|_| !actor_is_indexed) {
            query = query.filter(dsl::actor.eq_any(actors.iter().map(|user| user.0).collect::<Vec<_>>()));
        }
        if let Some(oldest) = oldest {
            query = query.filter(dsl::id.ge(oldest));
        }
        if let Some(from) = filter.from {
            query = query.filter(dsl::at.ge(DbTimestamp(from)));
        }
        if let Some(until) = filter.until {
            let next = Timestamp::from_micros(until.micros().saturating_add(1_000));
            query = query.filter(dsl::id.lt(DbUuid(min_id_at(next)))).filter(dsl::at.lt(DbTimestamp(until)));
        }
        if let Some(before) = filter.before {
            query = query.filter(dsl::id.lt(DbUuid(before)));
        }
        query.load(c)
    })
}
