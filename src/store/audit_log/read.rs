//! Reading the audit log, newest entries first, through its indexes and no further than the
//! caller needs. The log may have tens of millions of entries, so nothing reads or counts all of
//! them.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use super::approvals::approval_ids;
use super::entry_id::min_id_at;
use super::plan::{AuditLogFilter, IndexScan};
use crate::domain::audit::AuditAction;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::by_keys::equals;
use crate::store::connection::{Conn, with_backend};
use crate::store::page::{LimitOffset, Paginated};
use crate::store::schema::audit_log::{self, dsl};
use crate::store::types::{DbTimestamp, DbUuid};

/// The highest number of entries that a list counts and pages through.
pub const MAX_LISTED: usize = 10_000;
/// The condition of the indexes, literally: a bound parameter would hide it from the planner.
const INDEX_CONDITION: &str = "action <> 'request.approved'";

/// An entry of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub id: Uuid,
    pub at: Timestamp,
    /// `None`: the operator, at the command line.
    pub actor: Option<UserId>,
    /// The name of an [`AuditAction`], or of one that a later version has added.
    pub action: String,
    /// The type and the id of the subject, for example `request:12`.
    pub subject: String,
    /// The IP address of the client.
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    /// Users other than the actor who see the entry in their own audit log.
    pub affected_users: [Option<UserId>; 2],
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_log)]
pub(super) struct AuditEntryRow {
    pub(super) id: DbUuid,
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

/// Whether a user who is not staff sees an entry with this actor and these other affected users.
pub(in crate::store) fn is_visible(
    viewer: UserId,
    actor: Option<UserId>,
    affected_users: [Option<UserId>; 2],
) -> bool {
    actor == Some(viewer) || affected_users.contains(&Some(viewer))
}

/// A page of the matching entries, newest first. Counts and pages through at most
/// [`MAX_LISTED`] entries: a filter by time finds older ones.
pub fn list(
    conn: &mut Conn,
    filter: &AuditLogFilter,
    page: LimitOffset,
) -> QueryResult<Paginated<AuditEntry>> {
    let ids = newest_ids(conn, filter, MAX_LISTED)?;
    Ok(Paginated {
        rows: load_entries(conn, &page.take(ids.iter().copied()))?,
        total: i64::try_from(ids.len()).unwrap_or(i64::MAX),
    })
}

/// The newest matching entries, at most `limit`.
pub fn list_newest(conn: &mut Conn, filter: &AuditLogFilter, limit: usize) -> QueryResult<Vec<AuditEntry>> {
    let ids = newest_ids(conn, filter, limit)?;
    load_entries(conn, &ids)
}

/// The entries with these ids that `viewer` may see, newest first. Without a viewer, all of them.
pub fn by_ids(conn: &mut Conn, ids: &[Uuid], viewer: Option<UserId>) -> QueryResult<Vec<AuditEntry>> {
    let ids: Vec<DbUuid> = ids.iter().copied().map(DbUuid).collect();
    let mut entries = load_entries(conn, &ids)?;
    entries.retain(|entry| viewer.is_none_or(|viewer| is_visible(viewer, entry.actor, entry.affected_users)));
    Ok(entries)
}

fn load_entries(conn: &mut Conn, ids: &[DbUuid]) -> QueryResult<Vec<AuditEntry>> {
    let rows: Vec<AuditEntryRow> = with_backend!(conn, c => dsl::audit_log
        .filter(dsl::id.eq_any(ids))
        .order(dsl::id.desc())
        .select(AuditEntryRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// The ids of the newest matching entries. Once `limit` are found, further scans stop at the
/// oldest of them.
fn newest_ids(conn: &mut Conn, filter: &AuditLogFilter, limit: usize) -> QueryResult<Vec<DbUuid>> {
    let mut found: Vec<DbUuid> = Vec::new();
    let mut oldest = filter.from.map(|from| DbUuid(min_id_at(from)));
    let scans = filter.index_scans();
    if filter.includes_approvals() && !scans.contains(&IndexScan::FullLog) {
        found = approval_ids(conn, &scans, filter, limit)?;
    }
    for scan in scans {
        found.extend(scan_ids(conn, scan, filter, oldest, limit)?);
        found.sort_unstable_by_key(|id| std::cmp::Reverse(id.0));
        found.dedup();
        found.truncate(limit);
        if found.len() == limit {
            oldest = found.last().copied().or(oldest);
        }
    }
    Ok(found)
}

/// The ids of the newest matching entries of one scan. The order names the column of the scan as
/// well: with `=` and an order by id alone, PostgreSQL may read the entries of all users.
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
                .filter(equals(dsl::subject, subject))
                .order((dsl::subject.desc(), dsl::id.desc())),
            IndexScan::Actor(user) => query
                .filter(equals(dsl::actor, user.0))
                .order((dsl::actor.desc(), dsl::id.desc())),
            IndexScan::AffectedUser1(user) => query
                .filter(equals(dsl::affected_user_1, user.0))
                .order((dsl::affected_user_1.desc(), dsl::id.desc())),
            IndexScan::AffectedUser2(user) => query
                .filter(equals(dsl::affected_user_2, user.0))
                .order((dsl::affected_user_2.desc(), dsl::id.desc())),
            IndexScan::Action(action) => query
                .filter(equals(dsl::action, action.name()))
                .order((dsl::action.desc(), dsl::id.desc())),
        };
        match (scan, &filter.actions) {
            (IndexScan::FullLog, Some(_)) => {
                query = query.filter(dsl::action.eq(AuditAction::RequestApproved.name()));
            }
            (IndexScan::FullLog, None) => {}
            (_, actions) => {
                query = query.filter(sql::<Bool>(INDEX_CONDITION));
                if let Some(actions) = actions.as_ref().filter(|_| !matches!(scan, IndexScan::Action(_))) {
                    let names = actions.iter().map(|action| action.name()).collect::<Vec<_>>();
                    query = query.filter(dsl::action.eq_any(names));
                }
            }
        }
        if let (Some(viewer), IndexScan::Subject(_)) = (filter.viewer, scan) {
            let affected = dsl::affected_user_1.eq(viewer.0).or(dsl::affected_user_2.eq(viewer.0));
            query = query.filter(dsl::actor.eq(viewer.0).or(affected));
        }
        let scan_selects_actor = filter.viewer.is_none() && matches!(scan, IndexScan::Actor(_));
        if let Some(actors) = filter.actors.as_ref().filter(|_| !scan_selects_actor) {
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
