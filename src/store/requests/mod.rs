//! Permission requests.

mod ask;
mod expiry;
mod lists;

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};

use super::bulk::bulk;
use super::connection::{Backend, Conn, for_update, with_backend};
use super::permissions;
use super::schema::permission_requests::{self, dsl};
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use crate::domain::approval::{AskedPermission, Purpose, Reason, ReturnTo};
use crate::domain::block::Block;
use crate::domain::bundle::BundleId;
use crate::domain::bundle_permission::{EndCause, GrantedPermission, PermissionEnd};
use crate::domain::creation_key::{CreationKey, Fingerprint};
use crate::domain::permission_request::{PermissionRequest, RequestClosure, RequestId, RequestOutcome};
use crate::domain::rights::Mask;
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;

pub(in crate::store) use ask::{Ask, AskRows, read as read_for_asks};
pub(in crate::store) use expiry::expire_all;
pub use expiry::{expire_batch, expire_permissions_batch};
pub use lists::{
    RequestFilter, Side, closed_of_grantee, list_for_party, newest, pending_by_ids, pending_of_side,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = permission_requests)]
pub(in crate::store) struct RequestRow {
    id: i64,
    redeem_id: DbUuid,
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    asked_by: i64,
    redeem_page: Option<String>,
    purpose: Option<String>,
    permission: i16,
    minimum: i16,
    permission_ttl: Option<i64>,
    return_url: Option<String>,
    state: Option<String>,
    created_at: DbTimestamp,
    expires_at: DbTimestamp,
    create_key: Option<String>,
    create_digest: Option<String>,
    closed_at: Option<DbTimestamp>,
    outcome: Option<String>,
    reason: Option<String>,
    statement: Option<String>,
    decision_key: Option<String>,
    granted_permission: Option<i16>,
    permission_expires_at: Option<DbTimestamp>,
    ended_at: Option<DbTimestamp>,
    end_cause: Option<String>,
    active: bool,
}

impl From<RequestRow> for PermissionRequest {
    fn from(row: RequestRow) -> Self {
        let ended = row.ended_at.map(|at| PermissionEnd {
            at: at.0,
            cause: EndCause::from_db(row.end_cause.as_deref().unwrap_or_default()),
        });
        let approved = row
            .granted_permission
            .map(|bits| (Mask::from_db(bits), row.permission_expires_at.map(|at| at.0)));
        let is_granted = row.active || ended.is_some();
        let closed = row.closed_at.map(|at| RequestClosure {
            outcome: RequestOutcome::from_db(row.outcome.as_deref().unwrap_or_default()),
            closed_at: at.0,
            idempotency_key: row.decision_key.map(IdempotencyKey::from_db),
            granted: approved.filter(|_| is_granted).map(|(permission, expires_at)| GrantedPermission {
                permission,
                expires_at,
                ended,
            }),
            covered: approved.filter(|_| !is_granted),
            reason: row.reason.map(Reason::from_db),
            statement: row.statement,
        });
        Self {
            id: RequestId(row.id),
            redeem_id: RedeemId(row.redeem_id.0),
            terms: Terms {
                target: UserId(row.user_target),
                grantee: UserId(row.user_allowed),
                bundle: BundleId(row.bundle_id),
            },
            asked_by: UserId(row.asked_by),
            asked: AskedPermission {
                permission: Mask::from_db(row.permission),
                minimum: Mask::new(row.minimum.into()).ok(),
                ttl_seconds: row.permission_ttl,
            },
            purpose: row.purpose.map(Purpose::from_db),
            return_to: row.return_url.map(|url| ReturnTo { url, state: row.state }),
            redeem_page: row.redeem_page,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            creation_key: row.create_key.zip(row.create_digest).and_then(|(key, digest)| {
                let key = IdempotencyKey::from_db(key.split_once(':')?.1.to_owned());
                Some(CreationKey { key, fingerprint: Fingerprint::from_db(digest) })
            }),
            closed,
        }
    }
}

bulk! {
    InsertRequests {
        id: BigInt => i64,
        redeem_id: SqlUuid => DbUuid,
        user_target: BigInt => i64,
        user_allowed: BigInt => i64,
        bundle_id: BigInt => i64,
        asked_by: BigInt => i64,
        redeem_page: Nullable<Text> => Option<&'a str>,
        purpose: Nullable<Text> => Option<&'a str>,
        permission: SmallInt => i16,
        minimum: SmallInt => i16,
        permission_ttl: Nullable<BigInt> => Option<i64>,
        return_url: Nullable<Text> => Option<&'a str>,
        state: Nullable<Text> => Option<&'a str>,
        created_at: SqlTimestamp => DbTimestamp,
        expires_at: SqlTimestamp => DbTimestamp,
        create_key: Nullable<Text> => Option<String>,
        create_digest: Nullable<Text> => Option<&'a str>,
        closed_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
        outcome: Nullable<Text> => Option<&'static str>,
        granted_permission: Nullable<SmallInt> => Option<i16>,
        permission_expires_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
        ended_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
        end_cause: Nullable<Text> => Option<&'static str>,
        active: Bool => bool,
    }
    "INSERT INTO permission_requests (id, redeem_id, user_target, user_allowed, bundle_id, asked_by, \
     redeem_page, purpose, permission, minimum, permission_ttl, return_url, state, created_at, \
     expires_at, create_key, create_digest, closed_at, outcome, granted_permission, permission_expires_at, \
     ended_at, end_cause, active) SELECT * FROM"
    w ""
}

/// The highest id of a request that SQLite has used.
#[derive(QueryableByName)]
struct LastId {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// Ids for new requests. They are not used again if the requests are not inserted.
struct ReserveIds(i64);

impl QueryId for ReserveIds {
    type QueryId = Self;
}

impl Query for ReserveIds {
    type SqlType = BigInt;
}

impl RunQueryDsl<PgConnection> for ReserveIds {}

impl QueryFragment<Pg> for ReserveIds {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT nextval('permission_requests_id_seq') FROM generate_series(1, ");
        out.push_bind_param::<BigInt, _>(&self.0)?;
        out.push_sql(")");
        Ok(())
    }
}

bulk! {
    /// Closes open requests. An expired request can only be replaced by a newer one. (`coalesce`
    /// keeps the planner from using an index other than the primary key.)
    CloseRequests {
        id: BigInt => i64,
        at: SqlTimestamp => DbTimestamp,
        outcome: Text => &'static str,
        permission_ttl: Nullable<BigInt> => Option<i64>,
        reason: Nullable<Text> => Option<&'a str>,
        statement: Nullable<Text> => Option<&'a str>,
        decision_key: Nullable<Text> => Option<&'a str>,
        granted_permission: Nullable<SmallInt> => Option<i16>,
        permission_expires_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
        ended_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
        end_cause: Nullable<Text> => Option<&'static str>,
        active: Bool => bool,
    }
    "UPDATE permission_requests AS r \
     SET closed_at = w.at, outcome = w.outcome, permission_ttl = w.permission_ttl, reason = w.reason, statement = w.statement, \
     decision_key = w.decision_key, granted_permission = w.granted_permission, \
     permission_expires_at = w.permission_expires_at, ended_at = w.ended_at, end_cause = w.end_cause, \
     active = w.active FROM"
    w "WHERE r.id BETWEEN w.id AND w.id AND coalesce(r.outcome, '') = '' AND (r.expires_at > w.at OR w.outcome = 'replaced')"
}

bulk! {
    /// Marks permissions as ended.
    EndPermissions { id: BigInt => i64, at: SqlTimestamp => DbTimestamp, cause: Text => &'static str }
    "UPDATE permission_requests AS r SET active = false, ended_at = w.at, end_cause = w.cause FROM"
    w "WHERE r.id BETWEEN w.id AND w.id AND r.active"
}

bulk! {
    /// The open requests whose terms, as a text, are in these ranges.
    FindOpen { first: Text => String, next: Text => String }
    "SELECT r.id FROM" w
    "CROSS JOIN LATERAL (SELECT p.id FROM permission_requests AS p WHERE p.closed_at IS NULL \
     AND p.terms >= w.first AND p.terms < w.next OFFSET 0) AS r"
    sqlite "JOIN permission_requests AS r ON r.closed_at IS NULL AND r.terms >= w.first AND r.terms < w.next"
    returns BigInt
}

/// The requests to lock for a batch.
#[derive(Debug, Default)]
pub(in crate::store) struct RequestSelector {
    pub redeem_ids: Vec<RedeemId>,
    pub numbers: Vec<RequestId>,
    /// The open requests with these terms.
    pub terms: Vec<Terms>,
    /// The permissions with these terms that have not been marked as ended.
    pub permissions: Vec<Terms>,
    /// The requests that these users have created with these keys.
    pub idempotency_keys: Vec<(UserId, IdempotencyKey)>,
    /// The open requests that these blocks forbid.
    pub blocks: Vec<Block>,
}

/// Terms as in the column `terms`.
fn terms_key(Terms { target, grantee, bundle }: &Terms) -> String {
    format!("{target}:{grantee}:{}", bundle.0)
}

/// An idempotency key as in the column `create_key`.
fn create_key_value(user: UserId, key: &IdempotencyKey) -> String {
    format!("{user}:{}", key.as_str())
}

impl RequestSelector {
    /// Whether it selects requests by tokens only.
    pub fn is_by_token_only(&self) -> bool {
        let Self { redeem_ids: _, numbers, terms, permissions, idempotency_keys, blocks } = self;
        numbers.is_empty()
            && terms.is_empty()
            && permissions.is_empty()
            && idempotency_keys.is_empty()
            && blocks.is_empty()
    }
}

/// Reserves ids for this number of new requests. On SQLite, only a writer may do so.
pub(in crate::store) fn reserve_ids(conn: &mut Conn, count: usize) -> QueryResult<Vec<RequestId>> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let ids: Vec<i64> = match &mut conn.backend {
        Backend::Postgres(pg) => ReserveIds(count).load(&mut **pg)?,
        Backend::Sqlite(sqlite) => {
            let last =
                diesel::sql_query("SELECT seq FROM sqlite_sequence WHERE name = 'permission_requests'");
            let last: Option<LastId> = last.get_result(&mut **sqlite).optional()?;
            let last = last.map_or(0, |last| last.seq);
            (last + 1..=last + count).collect()
        }
    };
    Ok(ids.into_iter().map(RequestId).collect())
}

/// The statement that inserts requests.
pub(in crate::store) fn insert_statement<'a>(new: &[&'a PermissionRequest]) -> InsertRequests<'a> {
    let mut rows = InsertRequests::default();
    for request in new {
        let closed = request.closed.as_ref();
        let end = request.granted().and_then(|granted| granted.ended);
        rows.push((
            request.id.0,
            DbUuid(request.redeem_id.0),
            request.terms.target.0,
            request.terms.grantee.0,
            request.terms.bundle.0,
            request.asked_by.0,
            request.redeem_page.as_deref(),
            request.purpose.as_ref().map(Purpose::as_str),
            request.asked.permission.bits().into(),
            request.asked.minimum.map_or(0, Mask::bits).into(),
            request.asked.ttl_seconds,
            request.return_to.as_ref().map(|to| to.url.as_str()),
            request.return_to.as_ref().and_then(|to| to.state.as_deref()),
            DbTimestamp(request.created_at),
            DbTimestamp(request.expires_at),
            request.creation_key.as_ref().map(|creation| create_key_value(request.asked_by, &creation.key)),
            request.creation_key.as_ref().map(|creation| creation.fingerprint.as_str()),
            closed.map(|closed| DbTimestamp(closed.closed_at)),
            closed.map(|closed| closed.outcome.name()),
            closed.and_then(RequestClosure::approved).map(|(permission, _)| permission.bits().into()),
            closed.and_then(RequestClosure::approved).and_then(|(_, end)| end).map(DbTimestamp),
            end.map(|end| DbTimestamp(end.at)),
            end.map(|end| end.cause.name()),
            request.holds_permission(),
        ));
    }
    rows
}

/// Finds requests; with `lock`, locks them in the order of their ids. A request that is found by its terms
/// or key may change before it is locked; the returned values are read after that.
pub(in crate::store) fn find(
    conn: &mut Conn,
    selector: &RequestSelector,
    lock: bool,
) -> QueryResult<Vec<PermissionRequest>> {
    let mut ids: Vec<i64> = selector.numbers.iter().map(|id| id.0).collect();
    macro_rules! find {
        ($filter:expr) => {{
            let found: Vec<i64> =
                with_backend!(conn, c => dsl::permission_requests.filter($filter).select(dsl::id).load(c))?;
            ids.extend(found);
        }};
    }
    if !selector.redeem_ids.is_empty() {
        let redeem_ids: Vec<DbUuid> = selector.redeem_ids.iter().map(|id| DbUuid(id.0)).collect();
        find!(dsl::redeem_id.eq_any(&redeem_ids));
    }
    if !selector.terms.is_empty() {
        let terms: Vec<String> = selector.terms.iter().map(terms_key).collect();
        find!(dsl::closed_at.is_null().and(dsl::terms.eq_any(&terms)));
    }
    if !selector.permissions.is_empty() {
        ids.extend(permissions::unended_ids(conn, &selector.permissions)?);
    }
    if !selector.idempotency_keys.is_empty() {
        let create_keys: Vec<String> =
            selector.idempotency_keys.iter().map(|(user, key)| create_key_value(*user, key)).collect();
        find!(dsl::create_key.eq_any(&create_keys));
    }
    if !selector.blocks.is_empty() {
        let mut rows = FindOpen::default();
        for Block { target, blocked } in &selector.blocks {
            // All bundles of the two users: `;` follows on `:`.
            rows.push((format!("{target}:{blocked}:"), format!("{target}:{blocked};")));
        }
        ids.extend(rows.fetch::<i64>(conn)?);
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    macro_rules! found {
        () => {
            dsl::permission_requests
                .filter(dsl::id.eq_any(&ids))
                .order(dsl::id)
                .select(RequestRow::as_select())
        };
    }
    let rows: Vec<RequestRow> =
        if lock { for_update!(conn, found!())? } else { with_backend!(conn, c => found!().load(c))? };
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}

/// The statement that closes requests, in the order of their ids, so that replicas that close the
/// same requests do not deadlock.
pub(in crate::store) fn close_statement<'a>(
    requests: impl Iterator<Item = &'a PermissionRequest>,
) -> CloseRequests<'a> {
    let mut rows = CloseRequests::default();
    let mut closed_requests: Vec<_> =
        requests.filter_map(|request| Some((request, request.closed.as_ref()?))).collect();
    closed_requests.sort_unstable_by_key(|(request, _)| request.id);
    for (request, closed) in closed_requests {
        let end = closed.granted.and_then(|granted| granted.ended);
        rows.push((
            request.id.0,
            DbTimestamp(closed.closed_at),
            closed.outcome.name(),
            request.asked.ttl_seconds,
            closed.reason.as_ref().map(Reason::as_str),
            closed.statement.as_deref(),
            closed.idempotency_key.as_ref().map(IdempotencyKey::as_str),
            closed.approved().map(|(permission, _)| permission.bits().into()),
            closed.approved().and_then(|(_, expires_at)| expires_at).map(DbTimestamp),
            end.map(|end| DbTimestamp(end.at)),
            end.map(|end| end.cause.name()),
            closed.granted.is_some() && end.is_none(),
        ));
    }
    rows
}

/// Marks permissions as ended, and returns their number.
pub(in crate::store) fn end_permissions<'a>(
    conn: &mut Conn,
    requests: impl Iterator<Item = &'a PermissionRequest>,
) -> QueryResult<usize> {
    let mut rows = EndPermissions::default();
    for request in requests {
        if let Some(end) = request.granted().and_then(|granted| granted.ended) {
            rows.push((request.id.0, DbTimestamp(end.at), end.cause.name()));
        }
    }
    rows.run(conn)
}

/// A request that its target decided on with an idempotency key.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct DecisionKeyUse {
    pub id: RequestId,
    pub redeem_id: RedeemId,
    pub decided_at: Timestamp,
}

/// The requests that these targets have decided on with these idempotency keys. They are not locked.
pub(in crate::store) fn decision_key_uses(
    conn: &mut Conn,
    keys: &[(UserId, IdempotencyKey)],
) -> QueryResult<HashMap<(UserId, IdempotencyKey), DecisionKeyUse>> {
    let targets: Vec<i64> = keys.iter().map(|(user, _)| user.0).collect();
    let texts: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
    // This also finds keys of one target that another one uses.
    let used = dsl::user_target.eq_any(&targets).and(dsl::decision_key.eq_any(&texts).assume_not_null());
    let rows: Vec<(i64, DbUuid, i64, String, DbTimestamp)> = with_backend!(conn, c => dsl::permission_requests
        .filter(used)
        .select((
            dsl::id,
            dsl::redeem_id,
            dsl::user_target,
            dsl::decision_key.assume_not_null(),
            dsl::closed_at.assume_not_null(),
        ))
        .load(c))?;
    let key_use = |(id, redeem_id, target, key, at): (i64, DbUuid, i64, String, DbTimestamp)| {
        let key_use =
            DecisionKeyUse { id: RequestId(id), redeem_id: RedeemId(redeem_id.0), decided_at: at.0 };
        ((UserId(target), IdempotencyKey::from_db(key)), key_use)
    };
    Ok(rows.into_iter().map(key_use).collect())
}

/// Removes the idempotency keys with which requests were decided.
pub(in crate::store) fn clear_decision_keys(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<usize> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set(dsl::decision_key.eq(None::<String>))
        .execute(c))
}

/// Removes the idempotency keys of requests.
pub(in crate::store) fn clear_create_keys(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<usize> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set((dsl::create_key.eq(None::<String>), dsl::create_digest.eq(None::<String>)))
        .execute(c))
}

/// The request with this token.
pub fn by_redeem_id(conn: &mut Conn, id: RedeemId) -> QueryResult<Option<PermissionRequest>> {
    let row: Option<RequestRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::redeem_id.eq(DbUuid(id.0)))
        .select(RequestRow::as_select())
        .first(c)
        .optional())?;
    Ok(row.map(PermissionRequest::from))
}

/// The requests with these ids, in no particular order, whoever their parties are.
pub fn by_ids(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<Vec<PermissionRequest>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<RequestRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::id.eq_any(&ids))
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}
