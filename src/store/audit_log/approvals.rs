//! Approvals in the audit log. The indexes of the log do not contain them, because that would
//! double the cost of a redemption. They are found through their requests: a request contains
//! the time of its approval, and an entry's id starts with its time.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::entry_id::{end_of_millisecond, id_range_at};
use super::plan::{AuditLogFilter, IndexScan};
use crate::domain::audit::AuditSubjectRef;
use crate::domain::permission_request::RequestOutcome;
use crate::domain::user::UserId;
use crate::store::bulk::bulk;
use crate::store::by_keys::equals;
use crate::store::connection::{Conn, with_backend};
use crate::store::schema::permission_requests::{self, dsl};
use crate::store::types::{DbTimestamp, DbUuid, SqlUuid};

/// The highest number of requests of one side, newest first, whose approvals are looked for.
const MAX_REQUESTS_SCANNED: i64 = 1_000;

bulk! {
    FindApprovals { first: SqlUuid => DbUuid, next: SqlUuid => DbUuid, subject: Text => String }
    "SELECT e.id, e.actor FROM" w
    "JOIN audit_log AS e ON e.id >= w.first AND e.id < w.next AND e.subject = w.subject \
     AND e.action = 'request.approved'"
    returns (SqlUuid, Nullable<BigInt>)
}

/// The requests whose approvals match a scan.
#[derive(Clone, Copy)]
enum RequestCriterion {
    Id(i64),
    Target(UserId),
    Grantee(UserId),
}

impl RequestCriterion {
    fn from_scan(scan: IndexScan<'_>) -> Option<Self> {
        match scan {
            IndexScan::Subject(subject) => {
                let AuditSubjectRef::Request(id) = AuditSubjectRef::parse(subject) else { return None };
                Some(Self::Id(id.0))
            }
            // The actor of an approval is the target; the affected user is the grantee.
            IndexScan::Actor(user) => Some(Self::Target(user)),
            IndexScan::AffectedUser1(user) => Some(Self::Grantee(user)),
            IndexScan::AffectedUser2(_) | IndexScan::Action(_) | IndexScan::FullLog => None,
        }
    }
}

/// The ids of the newest approvals that match, at most `limit`.
pub(super) fn approval_ids(
    conn: &mut Conn,
    scans: &[IndexScan<'_>],
    filter: &AuditLogFilter,
    limit: usize,
) -> QueryResult<Vec<DbUuid>> {
    let mut approved = Vec::new();
    for criterion in scans.iter().copied().filter_map(RequestCriterion::from_scan) {
        approved.extend(approved_requests(conn, criterion, filter)?);
    }
    approved.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(at.0));
    let mut rows = FindApprovals::default();
    for (id, at) in approved.into_iter().take(limit) {
        let (first, next) = id_range_at(at.0);
        rows.push((DbUuid(first), DbUuid(next), format!("request:{id}")));
    }
    let found: Vec<(DbUuid, Option<i64>)> = if rows.rows > 0 { rows.fetch(conn)? } else { Vec::new() };
    let matches = |(id, actor): &(DbUuid, Option<i64>)| {
        let has_actor = |actors: &Vec<UserId>| actor.is_some_and(|actor| actors.contains(&UserId(actor)));
        filter.before.is_none_or(|before| id.0 < before) && filter.actors.as_ref().is_none_or(has_actor)
    };
    Ok(found.into_iter().filter(matches).map(|(id, _)| id).collect())
}

/// The newest approved requests that match, and the times of their approval. Active and ended
/// permissions have an index each.
fn approved_requests(
    conn: &mut Conn,
    criterion: RequestCriterion,
    filter: &AuditLogFilter,
) -> QueryResult<Vec<(i64, DbTimestamp)>> {
    let mut found = Vec::new();
    for index_condition in ["active AND outcome IS NOT NULL", "outcome = 'approved' AND NOT active"] {
        let rows: Vec<(i64, DbTimestamp)> = with_backend!(conn, c => {
            let mut query = permission_requests::table
                .filter(dsl::outcome.eq(RequestOutcome::Approved.name()))
                .filter(sql::<Bool>(index_condition))
                .select((dsl::id, dsl::closed_at.assume_not_null()))
                .limit(MAX_REQUESTS_SCANNED)
                .into_boxed();
            query = match criterion {
                RequestCriterion::Id(id) => query.filter(dsl::id.eq(id)),
                RequestCriterion::Target(user) => query
                    .filter(equals(dsl::user_target, user.0))
                    .order((dsl::user_target.desc(), dsl::id.desc())),
                RequestCriterion::Grantee(user) => query
                    .filter(equals(dsl::user_allowed, user.0))
                    .order((dsl::user_allowed.desc(), dsl::id.desc())),
            };
            if let (Some(viewer), RequestCriterion::Id(_)) = (filter.viewer, criterion) {
                query = query.filter(dsl::user_target.eq(viewer.0).or(dsl::user_allowed.eq(viewer.0)));
            }
            if let Some(from) = filter.from {
                query = query.filter(dsl::closed_at.ge(DbTimestamp(from)));
            }
            if let Some(until) = filter.until {
                query = query.filter(dsl::closed_at.lt(DbTimestamp(until)));
            }
            if let Some(before) = filter.before {
                query = query.filter(dsl::closed_at.lt(DbTimestamp(end_of_millisecond(before))));
            }
            query.load(c)
        })?;
        found.extend(rows);
    }
    Ok(found)
}
