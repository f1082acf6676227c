//! The mails of the outbox as operators and requesters see them.

use std::collections::HashMap;

use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use super::item::{OutboxKind, OutboxResult, OutboxSubject, SubjectColumns};
use crate::domain::permission_request::RequestId;
use crate::domain::timestamp::Timestamp;
use crate::store::connection::{Conn, with_backend};
use crate::store::page::LimitOffset;
use crate::store::schema::{outbox, password_links, permission_requests};
use crate::store::types::{DbTimestamp, DbUuid};

/// The condition of the index `outbox_failed`, literally: a bound parameter would hide it from
/// the planner.
const FAILED: &str = "result = 'failed'";

/// A mail and the state of its delivery.
#[derive(Clone, Debug)]
pub struct OutboxMail {
    pub id: Uuid,
    pub subject: OutboxSubject,
    pub created_at: Timestamp,
    /// The time of the next attempt, or the end of the lease.
    pub due_at: Timestamp,
    pub attempts: i32,
    pub leased: bool,
    pub finished_at: Option<Timestamp>,
    /// The name of an [`OutboxResult`].
    pub result: Option<String>,
    /// The last error of the mail server.
    pub last_error: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = outbox)]
struct MailRow {
    id: DbUuid,
    #[diesel(embed)]
    subject: SubjectColumns,
    created_at: DbTimestamp,
    due_at: DbTimestamp,
    attempts: i32,
    lease: Option<DbUuid>,
    finished_at: Option<DbTimestamp>,
    result: Option<String>,
    last_error: Option<String>,
}

impl OutboxMail {
    /// The result; before there is one, `sending` or `waiting`.
    pub fn status(&self, now: Timestamp) -> &str {
        let pending = if self.leased && self.due_at > now { "sending" } else { "waiting" };
        self.result.as_deref().unwrap_or(pending)
    }

    fn from_row(row: MailRow) -> QueryResult<Self> {
        Ok(Self {
            id: row.id.0,
            subject: OutboxSubject::from_columns(row.subject)?,
            created_at: row.created_at.0,
            due_at: row.due_at.0,
            attempts: row.attempts,
            leased: row.lease.is_some(),
            finished_at: row.finished_at.map(|at| at.0),
            result: row.result,
            last_error: row.last_error,
        })
    }
}

/// A filter on the state of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFilter {
    All,
    Pending,
    Finished(OutboxResult),
}

/// All mails.
macro_rules! mails {
    () => {
        outbox::table.filter(outbox::kind.eq(OutboxKind::Mail.name()))
    };
}

fn load_mails(rows: Vec<MailRow>) -> QueryResult<Vec<OutboxMail>> {
    rows.into_iter().map(OutboxMail::from_row).collect()
}

/// Makes an unsent mail due, and starts its delays again.
#[derive(AsChangeset)]
#[diesel(table_name = outbox, treat_none_as_null = true)]
struct Retry {
    due_at: DbTimestamp,
    attempts: i32,
    finished_at: Option<DbTimestamp>,
    result: Option<String>,
}

impl Retry {
    const fn at(now: Timestamp) -> Self {
        Self { due_at: DbTimestamp(now), attempts: 0, finished_at: None, result: None }
    }
}

/// Makes an unsent mail without a lease due immediately, and starts its delays again. Returns
/// whether there is such a mail. A mail that is scheduled for later has not been queued yet.
pub fn retry(conn: &mut Conn, id: Uuid, now: Timestamp) -> QueryResult<bool> {
    let unsent = outbox::result.is_null().or(outbox::result.eq(OutboxResult::Failed.name()));
    with_backend!(conn, c => diesel::update(mails!())
        .filter(outbox::id.eq(DbUuid(id)).and(outbox::lease.is_null()).and(unsent.assume_not_null()))
        .filter(outbox::created_at.le(DbTimestamp(now)))
        .set(Retry::at(now))
        .execute(c))
    .map(|rows| rows > 0)
}

/// Does the same for all unsent mails without a lease, including failed ones. Returns their number.
pub fn retry_all(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let failed = outbox::result.eq(OutboxResult::Failed.name());
    let waiting = outbox::finished_at.is_null().and(outbox::due_at.gt(DbTimestamp(now)));
    with_backend!(conn, c => diesel::update(mails!())
        .filter(outbox::created_at.le(DbTimestamp(now)))
        .filter(outbox::lease.is_null().and(failed.assume_not_null().or(waiting)))
        .set(Retry::at(now))
        .execute(c))
}

/// The newest mails, newest first.
pub fn newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<OutboxMail>> {
    list(conn, MailFilter::All, LimitOffset { limit, offset: 0 })
}

/// A page of the mails, newest first. Pending mails are listed by due time, latest first. Each
/// filter reads an index up to the end of the page.
pub fn list(conn: &mut Conn, filter: MailFilter, page: LimitOffset) -> QueryResult<Vec<OutboxMail>> {
    macro_rules! page_of {
        ($mails:expr) => {
            with_backend!(conn, c => $mails
                .limit(page.limit)
                .offset(page.offset)
                .select(MailRow::as_select())
                .load(c))
        };
    }
    let newest_first = outbox::id.desc();
    load_mails(match filter {
        MailFilter::All => page_of!(mails!().order(newest_first)),
        MailFilter::Pending => {
            page_of!(mails!().filter(outbox::finished_at.is_null()).order(outbox::due_at.desc()))
        }
        MailFilter::Finished(OutboxResult::Failed) => {
            page_of!(mails!().filter(sql::<Bool>(FAILED)).order(newest_first))
        }
        MailFilter::Finished(result @ (OutboxResult::Sent | OutboxResult::Cancelled)) => {
            page_of!(mails!().filter(outbox::result.eq(result.name())).order(newest_first))
        }
    }?)
}

/// The mails about a request, oldest first.
pub fn by_request(conn: &mut Conn, request: RequestId) -> QueryResult<Vec<OutboxMail>> {
    by_requests(conn, &[request])
}

/// The latest mail of each request that has one.
pub fn latest_by_request(
    conn: &mut Conn,
    requests: &[RequestId],
) -> QueryResult<HashMap<RequestId, OutboxMail>> {
    let by_request = by_requests(conn, requests)?.into_iter().filter_map(|mail| match mail.subject {
        OutboxSubject::Request(id) => Some((id, mail)),
        OutboxSubject::PasswordLink(_)
        | OutboxSubject::Notice { .. }
        | OutboxSubject::Decisions { .. }
        | OutboxSubject::Daily { .. } => None,
    });
    // Of several mails about one request, the last one replaces the others.
    Ok(by_request.collect())
}

fn by_requests(conn: &mut Conn, requests: &[RequestId]) -> QueryResult<Vec<OutboxMail>> {
    let ids: Vec<i64> = requests.iter().map(|id| id.0).collect();
    load_mails(with_backend!(conn, c => mails!()
        .filter(outbox::request_id.eq_any(&ids).and(outbox::notice.is_null()))
        .order(outbox::id)
        .select(MailRow::as_select())
        .load(c))?)
}

/// The creation times of the newest failed mails, at most `limit`.
pub fn newest_failed(conn: &mut Conn, limit: i64) -> QueryResult<Vec<Timestamp>> {
    let created: Vec<DbTimestamp> = with_backend!(conn, c => mails!()
        .filter(sql::<Bool>(FAILED))
        .order(outbox::id.desc())
        .limit(limit)
        .select(outbox::created_at)
        .load(c))?;
    Ok(created.into_iter().map(|at| at.0).collect())
}

/// The number of failed mails.
pub fn count_failed(conn: &mut Conn) -> QueryResult<i64> {
    with_backend!(conn, c => mails!().filter(sql::<Bool>(FAILED)).count().get_result(c))
}

/// Whether a mail may have been sent whose link still works.
pub fn has_sent_links(conn: &mut Conn) -> QueryResult<bool> {
    let now = DbTimestamp(conn.now()?);
    // A retry sets the attempts to 0, and keeps the error of the last one.
    let attempted = || outbox::attempts.gt(0).or(outbox::last_error.is_not_null());
    let open_request = permission_requests::closed_at.is_null().and(permission_requests::expires_at.gt(now));
    let open_link = password_links::used_at
        .is_null()
        .and(password_links::replaced_at.is_null())
        .and(password_links::expires_at.gt(now));
    let requests = outbox::table
        .inner_join(permission_requests::table.on(outbox::request_id.eq(permission_requests::id.nullable())))
        .filter(attempted().and(open_request));
    let links = outbox::table
        .inner_join(password_links::table.on(outbox::password_link_id.eq(password_links::id.nullable())))
        .filter(attempted().and(open_link));
    Ok(with_backend!(conn, c => diesel::select(exists(requests)).get_result(c))?
        || with_backend!(conn, c => diesel::select(exists(links)).get_result(c))?)
}

/// The creation time of the oldest pending mail.
pub fn oldest_pending(conn: &mut Conn, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    let oldest: Option<DbTimestamp> = with_backend!(conn, c => mails!()
        .filter(outbox::finished_at.is_null().and(outbox::created_at.le(DbTimestamp(now))))
        .select(outbox::created_at)
        .order(outbox::created_at)
        .first(c)
        .optional())?;
    Ok(oldest.map(|at| at.0))
}
