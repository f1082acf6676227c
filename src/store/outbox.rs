//! The outbox: mails that are owed. A row is written in the transaction of the
//! deed that owes it, and leaves the queue only when the mail server has taken
//! the mail, refused it for good, or nobody waits for it any more.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use super::bulk::bulk;
use super::schema::outbox;
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use super::{Backend, Conn, LimitOffset, with_backend};
use crate::domain::permission_request::RequestId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::PasswordLinkId;

/// How a mail came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailResult {
    /// The mail server took it.
    Sent,
    /// The mail server refused it for good.
    Failed,
    /// What it tells of died before it was sent.
    Cancelled,
}

impl MailResult {
    /// The name that the database keeps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a mail tells of, and dies with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A permission is asked for.
    Request(RequestId),
    /// A password may be set.
    PasswordLink(PasswordLinkId),
}

impl MailKind {
    /// As the two columns have it, of which the database sees to it that one is set.
    fn from_columns(request: Option<i64>, password_link: Option<DbUuid>) -> QueryResult<Self> {
        match (request, password_link) {
            (Some(request), _) => Ok(Self::Request(RequestId(request))),
            (None, Some(link)) => Ok(Self::PasswordLink(PasswordLinkId(link.0))),
            (None, None) => Err(diesel::NotFound),
        }
    }
}

/// A mail that is ours to send until the lease runs out.
#[derive(Clone, Debug)]
pub struct ClaimedRow {
    /// The mail's id, which its Message-ID carries.
    pub id: Uuid,
    /// How often it was tried, this time included.
    pub attempts: i32,
    /// What it tells of.
    pub kind: MailKind,
}

/// A mail, as the operator sees it.
#[derive(Clone, Debug)]
pub struct OutboxMail {
    /// The id.
    pub id: Uuid,
    /// What it tells of.
    pub kind: MailKind,
    /// Since when it is owed.
    pub created_at: Timestamp,
    /// When it is next tried.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: i32,
    /// Whether somebody is sending it.
    pub leased: bool,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
    /// How it ended, if it did: `sent`, `dead` or `cancelled`.
    pub result: Option<String>,
    /// What the mail server said last.
    pub last_error: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = outbox)]
struct MailRow {
    id: DbUuid,
    request_id: Option<i64>,
    password_link_id: Option<DbUuid>,
    created_at: DbTimestamp,
    due_at: DbTimestamp,
    attempts: i32,
    lease: Option<DbUuid>,
    finished_at: Option<DbTimestamp>,
    result: Option<String>,
    last_error: Option<String>,
}

impl OutboxMail {
    /// How it stands: how it ended, or else `sending` or `waiting`.
    pub fn status(&self, now: Timestamp) -> &str {
        let waits = if self.leased && self.due_at > now { "sending" } else { "waiting" };
        self.result.as_deref().unwrap_or(waits)
    }

    fn from_row(row: MailRow) -> QueryResult<Self> {
        Ok(Self {
            id: row.id.0,
            kind: MailKind::from_columns(row.request_id, row.password_link_id)?,
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

bulk! {
    /// New mails that tell of requests.
    InsertMails { id: SqlUuid => DbUuid, request_id: BigInt => i64, created_at: SqlTimestamp => DbTimestamp }
    "INSERT INTO outbox (id, request_id, created_at, due_at, attempts) \
     SELECT id, request_id, created_at, created_at, 0 FROM" w ""
}

/// Changes those of these mails that are still under this lease; their ids.
macro_rules! leased {
    ($conn:expr, $lease:expr, $ids:expr, $set:expr) => {{
        let ids: Vec<DbUuid> = $ids.iter().map(|id: &Uuid| DbUuid(*id)).collect();
        let ours = outbox::id.eq_any(&ids).and(outbox::lease.eq(DbUuid($lease)));
        let changed: Vec<DbUuid> = with_backend!($conn, c => diesel::update(outbox::table)
            .filter(ours.assume_not_null().and(outbox::finished_at.is_null()))
            .set($set)
            .returning(outbox::id)
            .get_results(c))?;
        Ok(changed.into_iter().map(|id| id.0).collect::<Vec<Uuid>>())
    }};
}

/// Owes mails that tell of requests, due at once.
pub(super) fn insert(conn: &mut Conn, mails: &[(Uuid, RequestId)], now: Timestamp) -> QueryResult<()> {
    let mut rows = InsertMails::default();
    for (id, request) in mails {
        rows.push((DbUuid(*id), request.0, DbTimestamp(now)));
    }
    rows.run(conn).map(drop)
}

/// Owes a mail with a password link, due at once.
pub(super) fn insert_password(
    conn: &mut Conn,
    id: Uuid,
    link: PasswordLinkId,
    now: Timestamp,
) -> QueryResult<()> {
    let values = (
        outbox::id.eq(DbUuid(id)),
        outbox::password_link_id.eq(DbUuid(link.0)),
        outbox::created_at.eq(DbTimestamp(now)),
        outbox::due_at.eq(DbTimestamp(now)),
        outbox::attempts.eq(0),
    );
    with_backend!(conn, c => diesel::insert_into(outbox::table).values(values).execute(c)).map(drop)
}

/// Those of these requests of which a mail has yet to leave.
pub(super) fn pending(conn: &mut Conn, requests: &[RequestId]) -> QueryResult<HashSet<RequestId>> {
    let ids: Vec<i64> = requests.iter().map(|id| id.0).collect();
    let request_ids: Vec<i64> = with_backend!(conn, c => outbox::table
        .filter(outbox::request_id.eq_any(&ids).and(outbox::finished_at.is_null()))
        .select(outbox::request_id.assume_not_null())
        .load(c))?;
    Ok(request_ids.into_iter().map(RequestId).collect())
}

/// The last mail of each of these requests, as far as they have any.
pub fn latest_by_request(
    conn: &mut Conn,
    requests: &[RequestId],
) -> QueryResult<HashMap<RequestId, OutboxMail>> {
    let ids: Vec<i64> = requests.iter().map(|id| id.0).collect();
    let rows: Vec<MailRow> = with_backend!(conn, c => outbox::table
        .filter(outbox::request_id.eq_any(&ids))
        .order(outbox::id)
        .select(MailRow::as_select())
        .load(c))?;
    let of_request = |row: MailRow| {
        let mail = OutboxMail::from_row(row)?;
        Ok(if let MailKind::Request(id) = mail.kind { Some((id, mail)) } else { None })
    };
    rows.into_iter().filter_map(|row| of_request(row).transpose()).collect()
}

/// Takes up to `limit` mails that are due, the longest due first, until
/// `until`: nobody else takes them before that.
pub fn claim(
    conn: &mut Conn,
    lease: Uuid,
    limit: i64,
    now: Timestamp,
    until: Timestamp,
) -> QueryResult<Vec<ClaimedRow>> {
    let due = outbox::table
        .filter(outbox::finished_at.is_null().and(outbox::due_at.le(DbTimestamp(now))))
        .order(outbox::due_at)
        .limit(limit)
        .select((outbox::id, outbox::attempts, outbox::request_id, outbox::password_link_id));
    let rows: Vec<(DbUuid, i32, Option<i64>, Option<DbUuid>)> = match &mut conn.backend {
        Backend::Postgres(pg) => due.for_update().skip_locked().load(&mut **pg)?,
        Backend::Sqlite(sqlite) => due.load(&mut **sqlite)?,
    };
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<DbUuid> = rows.iter().map(|(id, ..)| *id).collect();
    with_backend!(conn, c => diesel::update(outbox::table)
        .filter(outbox::id.eq_any(&ids))
        .set((
            outbox::lease.eq(DbUuid(lease)),
            outbox::due_at.eq(DbTimestamp(until)),
            outbox::attempts.eq(outbox::attempts + 1),
        ))
        .execute(c))?;
    rows.into_iter()
        .map(|(id, attempts, request, link)| {
            Ok(ClaimedRow { id: id.0, attempts: attempts + 1, kind: MailKind::from_columns(request, link)? })
        })
        .collect()
}

/// Keeps mails for longer; those that are still under this lease.
pub fn renew(conn: &mut Conn, lease: Uuid, ids: &[Uuid], until: Timestamp) -> QueryResult<Vec<Uuid>> {
    leased!(conn, lease, ids, outbox::due_at.eq(DbTimestamp(until)))
}

/// Puts a mail back until `due`, and why; its id if it was under this lease.
pub fn defer(conn: &mut Conn, lease: Uuid, id: Uuid, due: Timestamp, error: &str) -> QueryResult<Vec<Uuid>> {
    let set =
        (outbox::lease.eq(None::<DbUuid>), outbox::due_at.eq(DbTimestamp(due)), outbox::last_error.eq(error));
    leased!(conn, lease, &[id], set)
}

/// Puts mails back that were not tried after all, due at once; those that were
/// under this lease.
pub fn release(conn: &mut Conn, lease: Uuid, ids: &[Uuid], now: Timestamp) -> QueryResult<Vec<Uuid>> {
    let set = (
        outbox::lease.eq(None::<DbUuid>),
        outbox::due_at.eq(DbTimestamp(now)),
        outbox::attempts.eq(outbox::attempts - 1),
    );
    leased!(conn, lease, ids, set)
}

/// Ends mails; those that were under this lease.
pub fn finish(
    conn: &mut Conn,
    lease: Uuid,
    ids: &[Uuid],
    result: MailResult,
    error: Option<&str>,
    now: Timestamp,
) -> QueryResult<Vec<Uuid>> {
    let set = (
        outbox::lease.eq(None::<DbUuid>),
        outbox::finished_at.eq(DbTimestamp(now)),
        outbox::result.eq(result.name()),
        outbox::last_error.eq(error),
    );
    leased!(conn, lease, ids, set)
}

/// Puts a mail that is dead, or waits, at the head of the queue; false when
/// there is none, or it was sent.
pub fn retry(conn: &mut Conn, id: Uuid, now: Timestamp) -> QueryResult<bool> {
    let unsent = outbox::result.is_null().or(outbox::result.eq(MailResult::Failed.name()));
    with_backend!(conn, c => diesel::update(outbox::table)
        .filter(outbox::id.eq(DbUuid(id)).and(outbox::lease.is_null()).and(unsent.assume_not_null()))
        .set((
            outbox::due_at.eq(DbTimestamp(now)),
            outbox::finished_at.eq(None::<DbTimestamp>),
            outbox::result.eq(None::<String>),
        ))
        .execute(c))
    .map(|rows| rows > 0)
}

/// The newest mails, the newest first.
pub fn newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<OutboxMail>> {
    let rows: Vec<MailRow> = with_backend!(conn, c => outbox::table
        .order(outbox::id.desc())
        .limit(limit)
        .select(MailRow::as_select())
        .load(c))?;
    rows.into_iter().map(OutboxMail::from_row).collect()
}

/// Which mails to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFilter {
    /// All.
    All,
    /// Those that are owed.
    Pending,
    /// Those that ended like this.
    Finished(MailResult),
}

/// A page of the mails, the newest first; of those that are owed, the one that is tried
/// last. No further than the page goes, by an index where few are wanted of many.
pub fn list(conn: &mut Conn, filter: MailFilter, page: LimitOffset) -> QueryResult<Vec<OutboxMail>> {
    macro_rules! listed {
        ($filter:expr, $order:expr) => {
            with_backend!(conn, c => outbox::table
                .filter($filter)
                .order($order)
                .limit(page.limit)
                .offset(page.offset)
                .select(MailRow::as_select())
                .load(c))
        };
    }
    let newest = outbox::id.desc();
    let rows: Vec<MailRow> = match filter {
        MailFilter::All => listed!(diesel::dsl::sql::<diesel::sql_types::Bool>("true"), newest),
        MailFilter::Pending => listed!(outbox::finished_at.is_null(), outbox::due_at.desc()),
        // Said in so many words: the index of the dead is for nothing else.
        MailFilter::Finished(MailResult::Failed) => {
            listed!(diesel::dsl::sql::<diesel::sql_types::Bool>("result = 'failed'"), newest)
        }
        MailFilter::Finished(result) => listed!(outbox::result.eq(result.name()).assume_not_null(), newest),
    }?;
    rows.into_iter().map(OutboxMail::from_row).collect()
}

/// Since when mails are owed that the mail server has refused for good: so many of the
/// newest at the most.
pub fn newest_failed(conn: &mut Conn, limit: i64) -> QueryResult<Vec<Timestamp>> {
    let moments: Vec<DbTimestamp> = with_backend!(conn, c => outbox::table
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("result = 'failed'"))
        .order(outbox::id.desc())
        .limit(limit)
        .select(outbox::created_at)
        .load(c))?;
    Ok(moments.into_iter().map(|at| at.0).collect())
}

/// The mails that tell of a request, the oldest first.
pub fn by_request(conn: &mut Conn, request: RequestId) -> QueryResult<Vec<OutboxMail>> {
    let rows: Vec<MailRow> = with_backend!(conn, c => outbox::table
        .filter(outbox::request_id.eq(request.0))
        .order(outbox::id)
        .select(MailRow::as_select())
        .load(c))?;
    rows.into_iter().map(OutboxMail::from_row).collect()
}

/// Since when the oldest mail is owed that has not been sent; `None` when none is owed.
pub fn oldest_pending(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    let oldest: Option<DbTimestamp> = with_backend!(conn, c => outbox::table
        .filter(outbox::finished_at.is_null())
        .select(outbox::created_at)
        .order(outbox::created_at)
        .first(c)
        .optional())?;
    Ok(oldest.map(|at| at.0))
}

/// How many mails the mail server refused for good.
pub fn count_failed(conn: &mut Conn) -> QueryResult<i64> {
    with_backend!(conn, c => outbox::table.filter(outbox::result.eq(MailResult::Failed.name())).count().get_result(c))
}
