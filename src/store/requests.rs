//! The permission requests' rows.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::bulk::bulk;
use super::schema::permission_requests::{self, dsl};
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use super::user_counters::{self, CounterDeltas};
use super::{Backend, Conn, LimitOffset, Paginated, for_update, with_backend};
use crate::domain::block::Block;
use crate::domain::bundle::BundleId;
use crate::domain::permission_request::{PermissionRequest, RequestClosure, RequestId, RequestOutcome};
use crate::domain::terms::Terms;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::RedeemId;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;

#[derive(Queryable, Selectable)]
#[diesel(table_name = permission_requests)]
pub(super) struct RequestRow {
    id: i64,
    redeem_id: DbUuid,
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    asked_by: i64,
    redeem_page: Option<String>,
    created_at: DbTimestamp,
    expires_at: DbTimestamp,
    create_key: Option<String>,
    closed_at: Option<DbTimestamp>,
    outcome: Option<String>,
    redeem_key: Option<String>,
    active: bool,
}

impl From<RequestRow> for PermissionRequest {
    fn from(row: RequestRow) -> Self {
        let closed = row.closed_at.map(|at| RequestClosure {
            outcome: RequestOutcome::from_db(row.outcome.as_deref().unwrap_or_default()),
            closed_at: at.0,
            idempotency_key: row.redeem_key.map(IdempotencyKey::from_db),
            active: row.active,
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
            redeem_page: row.redeem_page,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            idempotency_key: row
                .create_key
                .and_then(|stored| Some(IdempotencyKey::from_db(stored.split_once(':')?.1.to_owned()))),
            closed,
        }
    }
}

bulk! {
    /// New requests.
    InsertRequests {
        redeem_id: SqlUuid => DbUuid,
        user_target: BigInt => i64,
        user_allowed: BigInt => i64,
        bundle_id: BigInt => i64,
        asked_by: BigInt => i64,
        redeem_page: Nullable<Text> => Option<&'a str>,
        created_at: SqlTimestamp => DbTimestamp,
        expires_at: SqlTimestamp => DbTimestamp,
        create_key: Nullable<Text> => Option<String>,
        closed_at: Nullable<SqlTimestamp> => Option<DbTimestamp>,
        outcome: Nullable<Text> => Option<&'static str>,
        active: Bool => bool,
    }
    "INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, asked_by, \
     redeem_page, created_at, expires_at, create_key, closed_at, outcome, active) SELECT * FROM"
    w "RETURNING redeem_id, id" returns (SqlUuid, BigInt)
}

bulk! {
    /// How open requests end. A newer request takes the place of an expired one
    /// too; no other end comes so late. (That they are open is asked in a way that
    /// no index answers: they are found by their numbers.)
    CloseRequests {
        id: BigInt => i64,
        at: SqlTimestamp => DbTimestamp,
        outcome: Text => &'static str,
        redeem_key: Nullable<Text> => Option<&'a str>,
        active: Bool => bool,
    }
    "UPDATE permission_requests AS r \
     SET closed_at = w.at, outcome = w.outcome, redeem_key = w.redeem_key, active = w.active FROM"
    w "WHERE r.id = w.id AND coalesce(r.outcome, '') = '' AND (r.expires_at > w.at OR w.outcome = 'replaced')"
}

/// The requests that a batch is about, by whatever names them.
#[derive(Debug, Default)]
pub(super) struct RequestSelector {
    /// By the ids of their tokens.
    pub redeem_ids: Vec<RedeemId>,
    /// By their numbers.
    pub numbers: Vec<RequestId>,
    /// The open ones of these terms.
    pub terms: Vec<Terms>,
    /// By who posted them and the `Idempotency-Key` they came with.
    pub idempotency_keys: Vec<(UserId, IdempotencyKey)>,
    /// The open ones that these blocks forbid.
    pub blocks: Vec<Block>,
}

/// How the database names terms.
pub(super) fn terms_keys(terms: &[Terms]) -> Vec<String> {
    let terms_key =
        |Terms { target, grantee: allowed, bundle }: &Terms| format!("{target}:{allowed}:{}", bundle.0);
    terms.iter().map(terms_key).collect()
}

/// How the database names what a user posts under a key.
fn create_key_value(user: UserId, key: &IdempotencyKey) -> String {
    format!("{user}:{}", key.as_str())
}

impl RequestSelector {
    /// Whether tokens alone name what is wanted.
    pub fn is_by_token_only(&self) -> bool {
        let Self { redeem_ids: _, numbers, terms, idempotency_keys: onces, blocks: blocked } = self;
        numbers.is_empty() && terms.is_empty() && onces.is_empty() && blocked.is_empty()
    }
}

/// Adds requests; their numbers, by the ids of their tokens.
pub(super) fn insert(
    conn: &mut Conn,
    new: &[&PermissionRequest],
) -> QueryResult<BTreeMap<RedeemId, RequestId>> {
    let mut rows = InsertRequests::default();
    for request in new {
        let closed = request.closed.as_ref();
        rows.push((
            DbUuid(request.redeem_id.0),
            request.terms.target.0,
            request.terms.grantee.0,
            request.terms.bundle.0,
            request.asked_by.0,
            request.redeem_page.as_deref(),
            DbTimestamp(request.created_at),
            DbTimestamp(request.expires_at),
            request.idempotency_key.as_ref().map(|key| create_key_value(request.asked_by, key)),
            closed.map(|closed| DbTimestamp(closed.closed_at)),
            closed.map(|closed| closed.outcome.name()),
            closed.is_some_and(|closed| closed.active),
        ));
    }
    let ids: Vec<(DbUuid, i64)> = rows.fetch(conn)?;
    Ok(ids.into_iter().map(|(redeem_id, id)| (RedeemId(redeem_id.0), RequestId(id))).collect())
}

/// Locks requests in the order of their numbers, whatever names them: first they
/// are found, then locked. What is found by terms or key may have changed before
/// it is locked; it is judged by what it is then.
pub(super) fn lock(conn: &mut Conn, selector: &RequestSelector) -> QueryResult<Vec<PermissionRequest>> {
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
        let terms = terms_keys(&selector.terms);
        find!(dsl::closed_at.is_null().and(dsl::terms.eq_any(&terms)));
    }
    if !selector.idempotency_keys.is_empty() {
        let create_keys: Vec<String> =
            selector.idempotency_keys.iter().map(|(user, key)| create_key_value(*user, key)).collect();
        find!(dsl::create_key.eq_any(&create_keys));
    }
    if !selector.blocks.is_empty() {
        // Some of these may be others' who block one of them; whoever ends them looks.
        let targets: Vec<i64> = selector.blocks.iter().map(|block| block.target.0).collect();
        let blocked: Vec<i64> = selector.blocks.iter().map(|block| block.blocked.0).collect();
        let between = dsl::user_target.eq_any(&targets).and(dsl::user_allowed.eq_any(&blocked));
        find!(dsl::outcome.is_null().and(between));
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<RequestRow> = for_update!(
        conn,
        dsl::permission_requests.filter(dsl::id.eq_any(&ids)).order(dsl::id).select(RequestRow::as_select())
    )?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}

/// The ends of open requests, each in its way, to be written in the order of their
/// numbers: replicas that close the same wait for each other in one order.
pub(super) fn close_statement<'a>(
    requests: impl Iterator<Item = &'a PermissionRequest>,
) -> CloseRequests<'a> {
    let mut rows = CloseRequests::default();
    let mut closed_requests: Vec<_> =
        requests.filter_map(|request| Some((request.id, request.closed.as_ref()?))).collect();
    closed_requests.sort_unstable_by_key(|(id, _)| *id);
    for (id, closed) in closed_requests {
        let redeem_key = closed.idempotency_key.as_ref().map(IdempotencyKey::as_str);
        rows.push((id.0, DbTimestamp(closed.closed_at), closed.outcome.name(), redeem_key, closed.active));
    }
    rows
}

/// Ends permissions that are locked; how many that were.
pub(super) fn revoke_permissions(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<usize> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids).and(dsl::active))
        .set(dsl::active.eq(false))
        .execute(c))
}

/// Forgets the `Idempotency-Key`s that these requests came with.
pub(super) fn clear_create_keys(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<usize> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set(dsl::create_key.eq(None::<String>))
        .execute(c))
}

/// The request of this token.
pub fn by_redeem_id(conn: &mut Conn, id: RedeemId) -> QueryResult<Option<PermissionRequest>> {
    let row: Option<RequestRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::redeem_id.eq(DbUuid(id.0)))
        .select(RequestRow::as_select())
        .first(c)
        .optional())?;
    Ok(row.map(PermissionRequest::from))
}

/// The live requests of these numbers to which `viewer` is a party, in no order.
pub fn pending_by_ids(
    conn: &mut Conn,
    ids: &[RequestId],
    viewer: UserId,
    now: Timestamp,
) -> QueryResult<Vec<PermissionRequest>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<RequestRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::id.eq_any(&ids))
        .select(RequestRow::as_select())
        .load(c))?;
    let requests = rows.into_iter().map(PermissionRequest::from);
    Ok(requests.filter(|request| request.is_pending(now) && request.terms.has_party(viewer)).collect())
}

/// The requests of these numbers, in no order, for the operator.
pub fn by_ids(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<Vec<PermissionRequest>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<RequestRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::id.eq_any(&ids))
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}

/// A page of the live requests to which `viewer` is a party, by number.
pub fn pending_of_party(
    conn: &mut Conn,
    viewer: UserId,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<PermissionRequest>> {
    /// The live requests of one side, by an index of its own, and no further than
    /// the page goes. (Asked for `=` and ordered by number alone, PostgreSQL may
    /// look for them through everybody's, in the order of their numbers.)
    macro_rules! live {
        ($side:ident) => {
            dsl::permission_requests
                .filter(dsl::outcome.is_null().and(dsl::expires_at.gt(DbTimestamp(now))))
                .filter(dsl::$side.eq_any([viewer.0]))
                .order((dsl::$side, dsl::id))
                .limit(page.limit.saturating_add(page.offset))
                .select(RequestRow::as_select())
        };
    }
    let rows: Vec<RequestRow> = with_backend!(conn, c => live!(user_target)
        .union_all(live!(user_allowed))
        .positional_order_by(1)
        .limit(page.limit)
        .offset(page.offset)
        .load(c))?;
    let total = user_counters::pending_requests(conn, viewer, now)?;
    Ok(Paginated { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
}

/// A side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who is asked.
    Target,
    /// Who asks.
    Grantee,
}

/// A page of a user's live requests on one side, the newest first.
pub fn pending_of_side(
    conn: &mut Conn,
    side: Side,
    user: UserId,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<PermissionRequest>> {
    macro_rules! listed {
        ($side:ident) => {{
            let live = || {
                dsl::permission_requests
                    .filter(dsl::outcome.is_null().and(dsl::expires_at.gt(DbTimestamp(now))))
                    .filter(dsl::$side.eq_any([user.0]))
            };
            let total = with_backend!(conn, c => live().count().get_result(c))?;
            let rows: Vec<RequestRow> = with_backend!(conn, c => live()
                .order((dsl::$side.desc(), dsl::id.desc()))
                .limit(page.limit)
                .offset(page.offset)
                .select(RequestRow::as_select())
                .load(c))?;
            Ok(Paginated { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
        }};
    }
    match side {
        Side::Target => listed!(user_target),
        Side::Grantee => listed!(user_allowed),
    }
}

/// A page of what a user has asked for that came to an end, and on which nothing stands,
/// the newest first. (What expires is closed within seconds.)
pub fn closed_of_grantee(
    conn: &mut Conn,
    user: UserId,
    page: LimitOffset,
) -> QueryResult<Paginated<PermissionRequest>> {
    let over = || {
        dsl::permission_requests
            .filter(dsl::outcome.is_not_null().and(diesel::dsl::not(dsl::active)))
            .filter(dsl::user_allowed.eq_any([user.0]))
    };
    let total = with_backend!(conn, c => over().count().get_result(c))?;
    let rows: Vec<RequestRow> = with_backend!(conn, c => over()
        .order((dsl::user_allowed.desc(), dsl::id.desc()))
        .limit(page.limit)
        .offset(page.offset)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
}

/// Requests that are closed at a time when they have expired.
const EXPIRE_BATCH_SIZE: i64 = 500;

/// Closes all requests that have expired, but for those that somebody else holds.
pub(super) fn expire_all(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    while expire_batch(conn, now)? > 0 {}
    Ok(())
}

/// Closes some requests that have expired; how many that were.
pub fn expire_batch(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let overdue = dsl::permission_requests
        .filter(dsl::outcome.is_null().and(dsl::expires_at.le(DbTimestamp(now))))
        .order(dsl::expires_at)
        .limit(EXPIRE_BATCH_SIZE)
        .select((dsl::id, dsl::user_target, dsl::user_allowed, dsl::bundle_id));
    let rows: Vec<(i64, i64, i64, i64)> = match &mut conn.backend {
        Backend::Postgres(pg) => overdue.for_no_key_update().skip_locked().load(&mut **pg)?,
        Backend::Sqlite(sqlite) => overdue.load(&mut **sqlite)?,
    };
    if rows.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    with_backend!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set((dsl::closed_at.eq(dsl::expires_at.nullable()), dsl::outcome.eq(RequestOutcome::Expired.name())))
        .execute(c))?;
    let mut deltas = CounterDeltas::default();
    for (_, target, allowed, bundle) in rows {
        let terms = Terms { target: UserId(target), grantee: UserId(allowed), bundle: BundleId(bundle) };
        deltas.add(terms, -1, 0);
    }
    deltas.write(conn)?;
    Ok(ids.len())
}

/// The newest requests of all, for the operator.
pub fn newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<PermissionRequest>> {
    let rows: Vec<RequestRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::outcome.is_null().or(dsl::outcome.ne(RequestOutcome::GrantedDirectly.name())))
        .order(dsl::id.desc())
        .limit(limit)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}
