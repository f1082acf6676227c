//! Mails to requesters about the decisions of their requests.
//!
//! They are scheduled from the audit log, so that a redemption writes nothing more. Requesters are mailed at once;
//! what is decided within an hour after that is one mail at the end of the hour.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use uuid::Uuid;

use super::audit_log::{self, AuditReader, Pace, Page};
use super::bulk::bulk;
use super::connection::{Conn, Store, with_backend};
use super::error::StoreError;
use super::outbox::{self, OutboxKind, OutboxSubject, RequestList};
use super::schema::outbox as dsl;
use super::types::{DbTimestamp, DbUuid, SqlUuid};
use crate::domain::audit::{AuditAction, AuditSubjectRef};
use crate::domain::seal::Place;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::entropy;

/// The condition of the index, literally: a bound parameter would hide it from the planner.
const ARE_DECISIONS: &str = "notice = 'decisions'";
/// Requesters whose mails one transaction schedules.
const MAX_REQUESTERS: usize = 10_000;
/// Seconds between two mails to one requester.
const INTERVAL_SECONDS: i64 = 3_600;

bulk! {
    /// Changes the requests of mails, unless their delivery has started.
    SetRequests { mail: SqlUuid => DbUuid, requests: Text => String }
    "UPDATE outbox SET decided_requests = requests FROM" w
    "WHERE outbox.id = mail AND attempts = 0 AND finished_at IS NULL RETURNING id"
    returns SqlUuid
}

/// The latest mail to a requester.
struct LatestMail {
    id: Uuid,
    due_at: Timestamp,
    /// Set if no delivery has started, so that requests can be added.
    waiting: Option<RequestList>,
}

/// Decisions that their requesters are to be mailed about, from one or more pages of the audit log. One change of a mail
/// for many decisions costs less than many changes.
#[derive(Debug, Default)]
pub struct Decisions {
    /// From before the first entry to the last one.
    span: Option<(Place, Place)>,
    by_requester: BTreeMap<UserId, RequestList>,
}

impl Decisions {
    /// Adds those on the next page.
    pub fn add(&mut self, page: &Page) {
        self.span = Some((self.span.map_or(page.after, |(after, _)| after), page.end()));
        let decisions = [AuditAction::RequestApproved, AuditAction::RequestDeclined].map(AuditAction::name);
        for (_, entry) in page.entries.iter().filter(|(_, entry)| decisions.contains(&entry.action.as_str()))
        {
            // The target, unless they are the actor, and the requester.
            let requester = entry.affected_users.into_iter().flatten().last().map(UserId);
            if let (AuditSubjectRef::Request(id), Some(requester)) =
                (AuditSubjectRef::parse(&entry.subject), requester)
            {
                self.by_requester.entry(requester).or_default().push(id);
            }
        }
    }

    /// Whether they are enough for a transaction.
    pub fn is_full(&self) -> bool {
        self.by_requester.len() >= MAX_REQUESTERS
    }
}

/// Schedules the mails about decisions. Returns whether this replica took their entries.
pub fn schedule(conn: &mut Conn, decisions: &Decisions) -> QueryResult<bool> {
    let Decisions { span: Some((after, end)), by_requester } = decisions else { return Ok(true) };
    if !audit_log::move_cursor(conn, AuditReader::DecisionMails, *after, *end)? {
        return Ok(false);
    }
    if by_requester.is_empty() {
        return Ok(true);
    }
    let now = conn.now()?;
    let users: Vec<i64> = by_requester.keys().map(|user| user.0).collect();
    let latest = latest_mails(conn, &users, now.plus_seconds(-INTERVAL_SECONDS))?;
    let extended = extend_waiting(conn, by_requester, &latest)?;
    let mut new = Vec::new();
    for (&to, decided) in by_requester {
        let latest = latest.get(&to);
        if latest.is_some_and(|mail| extended.contains(&mail.id)) {
            continue;
        }
        let due = latest.map_or(now, |mail| now.max(mail.due_at.plus_seconds(INTERVAL_SECONDS)));
        new.push((OutboxSubject::Decisions { to, requests: decided.clone() }, due));
    }
    let items = new.iter().map(|(subject, due)| (entropy::token().uuid(now), subject, *due));
    if !new.is_empty() {
        outbox::insert_due(conn, OutboxKind::Mail, items)?;
    }
    Ok(true)
}

/// Schedules mails about all decisions that readers of the audit log can take now.
pub fn schedule_all(store: &Store) -> Result<(), StoreError> {
    let mut handle = |page: &Page| {
        let mut decisions = Decisions::default();
        decisions.add(page);
        store.write_in_background(|conn| schedule(conn, &decisions))
    };
    audit_log::read_all(store, Pace::Fast, &mut [(AuditReader::DecisionMails, &mut handle)]).map(drop)
}

/// The latest mails of users that are due after `since`.
fn latest_mails(
    conn: &mut Conn,
    users: &[i64],
    since: Timestamp,
) -> QueryResult<HashMap<UserId, LatestMail>> {
    type Row = (i64, DbUuid, DbTimestamp, String, i32, Option<DbTimestamp>);
    let rows: Vec<Row> = with_backend!(conn, c => dsl::table
        .filter(dsl::user_id.eq_any(users))
        .filter(sql::<Bool>(ARE_DECISIONS))
        .filter(dsl::created_at.gt(DbTimestamp(since)))
        .order(dsl::created_at)
        .select((
            dsl::user_id.assume_not_null(),
            dsl::id,
            dsl::created_at,
            dsl::decided_requests.assume_not_null(),
            dsl::attempts,
            dsl::finished_at,
        ))
        .load(c))?;
    let mail = |(user, id, due_at, list, attempts, finished_at): Row| {
        let is_waiting = attempts == 0 && finished_at.is_none();
        let waiting = is_waiting.then(|| RequestList::from_column(&list));
        (UserId(user), LatestMail { id: id.0, due_at: due_at.0, waiting })
    };
    // Of several mails of one user, the last one replaces the others.
    Ok(rows.into_iter().map(mail).collect())
}

/// Adds decided requests to the waiting mails of their requesters. Returns these mails.
fn extend_waiting(
    conn: &mut Conn,
    decided: &BTreeMap<UserId, RequestList>,
    latest: &HashMap<UserId, LatestMail>,
) -> QueryResult<HashSet<Uuid>> {
    let mut changes = SetRequests::default();
    for (user, requests) in decided {
        if let Some(LatestMail { id, waiting: Some(list), .. }) = latest.get(user) {
            let mut list = list.clone();
            list.append(requests);
            changes.push((DbUuid(*id), list.to_column()));
        }
    }
    let extended: Vec<DbUuid> = changes.fetch(conn)?;
    Ok(extended.into_iter().map(|mail| mail.0).collect())
}
