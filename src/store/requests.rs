//! The permission requests' rows.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::bulk::bulk;
use super::schema::permission_requests::{self, dsl};
use super::tallies::{self, Changes};
use super::types::{At, Id, Instant, Uid};
use super::{Conn, Link, Listed, Page, locked, on};
use crate::domain::block::Block;
use crate::domain::bundle::BundleId;
use crate::domain::clock::Timestamp;
use crate::domain::grant::Terms;
use crate::domain::request::{Closed, Outcome, PermissionRequest, RequestId};
use crate::domain::text::IdempotencyKey;
use crate::domain::token::RedeemId;
use crate::domain::user::UserId;
use crate::faults::planted;

#[derive(Queryable, Selectable)]
#[diesel(table_name = permission_requests)]
pub(super) struct RequestRow {
    id: i64,
    redeem_id: Uid,
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    asked_by: i64,
    redeem_page: Option<String>,
    created_at: At,
    expires_at: At,
    create_once: Option<String>,
    closed_at: Option<At>,
    outcome: Option<String>,
    redeem_once: Option<String>,
    stands: bool,
}

impl From<RequestRow> for PermissionRequest {
    fn from(row: RequestRow) -> Self {
        let closed = row.closed_at.map(|at| Closed {
            outcome: Outcome::from_store(row.outcome.as_deref().unwrap_or_default()),
            at: at.0,
            once: row.redeem_once.map(IdempotencyKey::from_store),
            stands: row.stands,
        });
        Self {
            id: RequestId(row.id),
            redeem_id: RedeemId(row.redeem_id.0),
            terms: Terms {
                target: UserId(row.user_target),
                allowed: UserId(row.user_allowed),
                bundle: BundleId(row.bundle_id),
            },
            asked_by: UserId(row.asked_by),
            redeem_page: row.redeem_page,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            once: row
                .create_once
                .and_then(|once| Some(IdempotencyKey::from_store(once.split_once(':')?.1.to_owned()))),
            closed,
        }
    }
}

bulk! {
    /// New requests.
    Insertion {
        redeem_id: Id => Uid,
        user_target: BigInt => i64,
        user_allowed: BigInt => i64,
        bundle_id: BigInt => i64,
        asked_by: BigInt => i64,
        redeem_page: Nullable<Text> => Option<&'a str>,
        created_at: Instant => At,
        expires_at: Instant => At,
        create_once: Nullable<Text> => Option<String>,
        closed_at: Nullable<Instant> => Option<At>,
        outcome: Nullable<Text> => Option<&'static str>,
        stands: Bool => bool,
    }
    "INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, asked_by, \
     redeem_page, created_at, expires_at, create_once, closed_at, outcome, stands) SELECT * FROM"
    w "RETURNING redeem_id, id" returns (Id, BigInt)
}

bulk! {
    /// How open requests end. A newer request takes the place of an expired one
    /// too; no other end comes so late. (That they are open is asked in a way that
    /// no index answers: they are found by their numbers.)
    Closing {
        id: BigInt => i64,
        at: Instant => At,
        outcome: Text => &'static str,
        once: Nullable<Text> => Option<&'a str>,
        stands: Bool => bool,
    }
    "UPDATE permission_requests AS r \
     SET closed_at = w.at, outcome = w.outcome, redeem_once = w.once, stands = w.stands FROM"
    w "WHERE r.id = w.id AND coalesce(r.outcome, '') = '' AND (r.expires_at > w.at OR w.outcome = 'replaced')"
}

/// The requests that a batch is about, by whatever names them.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// By the ids of their tokens.
    pub redeem_ids: Vec<RedeemId>,
    /// By their numbers.
    pub numbers: Vec<RequestId>,
    /// The open ones of these terms.
    pub terms: Vec<Terms>,
    /// By who posted them and the `Idempotency-Key` they came with.
    pub onces: Vec<(UserId, IdempotencyKey)>,
    /// The open ones that these blocks forbid.
    pub blocked: Vec<Block>,
}

/// How the database names terms.
pub(super) fn words(terms: &[Terms]) -> Vec<String> {
    let word = |Terms { target, allowed, bundle }: &Terms| format!("{target}:{allowed}:{}", bundle.0);
    terms.iter().map(word).collect()
}

/// How the database names what a user posts under a key.
fn once_of(user: UserId, key: &IdempotencyKey) -> String {
    format!("{user}:{}", key.as_str())
}

impl Wanted {
    /// Whether tokens alone name what is wanted.
    pub fn is_by_token(&self) -> bool {
        let Self { redeem_ids: _, numbers, terms, onces, blocked } = self;
        numbers.is_empty() && terms.is_empty() && onces.is_empty() && blocked.is_empty()
    }
}

/// Adds requests; their numbers, by the ids of their tokens.
pub(super) fn insert(
    conn: &mut Conn,
    new: &[&PermissionRequest],
) -> QueryResult<BTreeMap<RedeemId, RequestId>> {
    let mut rows = Insertion::default();
    for request in new {
        let closed = request.closed.as_ref();
        rows.push((
            Uid(request.redeem_id.0),
            request.terms.target.0,
            request.terms.allowed.0,
            request.terms.bundle.0,
            request.asked_by.0,
            request.redeem_page.as_deref(),
            At(request.created_at),
            At(request.expires_at),
            request.once.as_ref().map(|key| once_of(request.asked_by, key)),
            closed.map(|closed| At(closed.at)),
            closed.map(|closed| closed.outcome.name()),
            closed.is_some_and(|closed| closed.stands),
        ));
    }
    let ids: Vec<(Uid, i64)> = rows.fetch(conn)?;
    Ok(ids.into_iter().map(|(redeem_id, id)| (RedeemId(redeem_id.0), RequestId(id))).collect())
}

/// Locks requests in the order of their numbers, whatever names them: first they
/// are found, then locked. What is found by terms or key may have changed before
/// it is locked; it is judged by what it is then.
pub(super) fn lock(conn: &mut Conn, wanted: &Wanted) -> QueryResult<Vec<PermissionRequest>> {
    let mut ids: Vec<i64> = wanted.numbers.iter().map(|id| id.0).collect();
    macro_rules! find {
        ($filter:expr) => {{
            let found: Vec<i64> =
                on!(conn, c => dsl::permission_requests.filter($filter).select(dsl::id).load(c))?;
            ids.extend(found);
        }};
    }
    if !wanted.redeem_ids.is_empty() {
        let redeem_ids: Vec<Uid> = wanted.redeem_ids.iter().map(|id| Uid(id.0)).collect();
        find!(dsl::redeem_id.eq_any(&redeem_ids));
    }
    if !wanted.terms.is_empty() {
        let terms = words(&wanted.terms);
        find!(dsl::closed_at.is_null().and(dsl::terms.eq_any(&terms)));
    }
    if !wanted.onces.is_empty() {
        let onces: Vec<String> = wanted.onces.iter().map(|(user, key)| once_of(*user, key)).collect();
        find!(dsl::create_once.eq_any(&onces));
    }
    if !wanted.blocked.is_empty() {
        // Some of these may be others' who block one of them; whoever ends them looks.
        let targets: Vec<i64> = wanted.blocked.iter().map(|block| block.target.0).collect();
        let blocked: Vec<i64> = wanted.blocked.iter().map(|block| block.blocked.0).collect();
        let between = dsl::user_target.eq_any(&targets).and(dsl::user_allowed.eq_any(&blocked));
        find!(dsl::outcome.is_null().and(between));
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<RequestRow> = locked!(
        conn,
        dsl::permission_requests.filter(dsl::id.eq_any(&ids)).order(dsl::id).select(RequestRow::as_select())
    )?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}

/// The ends of open requests, each in its way, to be written in the order of their
/// numbers: replicas that close the same wait for each other in one order.
pub(super) fn closing<'a>(requests: impl Iterator<Item = &'a PermissionRequest>) -> Closing<'a> {
    let mut rows = Closing::default();
    let mut ended: Vec<_> =
        requests.filter_map(|request| Some((request.id, request.closed.as_ref()?))).collect();
    ended.sort_unstable_by_key(|(id, _)| *id);
    for (id, closed) in ended {
        let once = closed.once.as_ref().map(IdempotencyKey::as_str);
        let stands = closed.stands && !planted("requests.halfway");
        rows.push((id.0, At(closed.at), closed.outcome.name(), once, stands));
    }
    rows
}

/// Ends permissions that are locked; how many that were.
pub(super) fn take_back(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<usize> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    on!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids).and(dsl::stands))
        .set(dsl::stands.eq(false))
        .execute(c))
}

/// Forgets the `Idempotency-Key`s that these requests came with.
pub(super) fn forget_once(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<usize> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    on!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set(dsl::create_once.eq(None::<String>))
        .execute(c))
}

/// The request of this token.
pub fn by_redeem_id(conn: &mut Conn, id: RedeemId) -> QueryResult<Option<PermissionRequest>> {
    let row: Option<RequestRow> = on!(conn, c => dsl::permission_requests
        .filter(dsl::redeem_id.eq(Uid(id.0)))
        .select(RequestRow::as_select())
        .first(c)
        .optional())?;
    Ok(row.map(PermissionRequest::from))
}

/// The live requests of these numbers to which `viewer` is a party, in no order.
pub fn live_by_ids(
    conn: &mut Conn,
    ids: &[RequestId],
    viewer: UserId,
    now: Timestamp,
) -> QueryResult<Vec<PermissionRequest>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<RequestRow> = on!(conn, c => dsl::permission_requests
        .filter(dsl::id.eq_any(&ids))
        .select(RequestRow::as_select())
        .load(c))?;
    let requests = rows.into_iter().map(PermissionRequest::from);
    Ok(requests.filter(|request| request.is_live(now) && request.terms.has_party(viewer)).collect())
}

/// The requests of these numbers, in no order, for the operator.
pub fn by_ids(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<Vec<PermissionRequest>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<RequestRow> = on!(conn, c => dsl::permission_requests
        .filter(dsl::id.eq_any(&ids))
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}

/// A page of the live requests to which `viewer` is a party, by number.
pub fn live_of_party(
    conn: &mut Conn,
    viewer: UserId,
    page: Page,
    now: Timestamp,
) -> QueryResult<Listed<PermissionRequest>> {
    /// The live requests of one side, by an index of its own, and no further than
    /// the page goes. (Asked for `=` and ordered by number alone, PostgreSQL may
    /// look for them through everybody's, in the order of their numbers.)
    macro_rules! live {
        ($side:ident) => {
            dsl::permission_requests
                .filter(dsl::outcome.is_null().and(dsl::expires_at.gt(At(now))))
                .filter(dsl::$side.eq_any([viewer.0]))
                .order((dsl::$side, dsl::id))
                .limit(page.limit.saturating_add(page.offset))
                .select(RequestRow::as_select())
        };
    }
    let rows: Vec<RequestRow> = on!(conn, c => live!(user_target)
        .union_all(live!(user_allowed))
        .positional_order_by(1)
        .limit(page.limit)
        .offset(page.offset)
        .load(c))?;
    let total = tallies::live(conn, viewer, now)?;
    Ok(Listed { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
}

/// A side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who is asked.
    Target,
    /// Who asks.
    Allowed,
}

/// A page of a user's live requests on one side, the newest first.
pub fn live_of_side(
    conn: &mut Conn,
    side: Side,
    user: UserId,
    page: Page,
    now: Timestamp,
) -> QueryResult<Listed<PermissionRequest>> {
    macro_rules! listed {
        ($side:ident) => {{
            let live = || {
                dsl::permission_requests
                    .filter(dsl::outcome.is_null().and(dsl::expires_at.gt(At(now))))
                    .filter(dsl::$side.eq_any([user.0]))
            };
            let total = on!(conn, c => live().count().get_result(c))?;
            let rows: Vec<RequestRow> = on!(conn, c => live()
                .order((dsl::$side.desc(), dsl::id.desc()))
                .limit(page.limit)
                .offset(page.offset)
                .select(RequestRow::as_select())
                .load(c))?;
            Ok(Listed { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
        }};
    }
    match side {
        Side::Target => listed!(user_target),
        Side::Allowed => listed!(user_allowed),
    }
}

/// A page of what a user has asked for that came to an end, and on which nothing stands,
/// the newest first. (What expires is closed within seconds.)
pub fn over_of_allowed(conn: &mut Conn, user: UserId, page: Page) -> QueryResult<Listed<PermissionRequest>> {
    let over = || {
        dsl::permission_requests
            .filter(dsl::outcome.is_not_null().and(diesel::dsl::not(dsl::stands)))
            .filter(dsl::user_allowed.eq_any([user.0]))
    };
    let total = on!(conn, c => over().count().get_result(c))?;
    let rows: Vec<RequestRow> = on!(conn, c => over()
        .order((dsl::user_allowed.desc(), dsl::id.desc()))
        .limit(page.limit)
        .offset(page.offset)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(Listed { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
}

/// Requests that are closed at a time when they have expired.
const EXPIRED_AT_ONCE: i64 = 500;

/// Closes all requests that have expired, but for those that somebody else holds.
pub(super) fn expire_all(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    while expire(conn, now)? > 0 {}
    Ok(())
}

/// Closes some requests that have expired; how many that were.
pub fn expire(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let overdue = dsl::permission_requests
        .filter(dsl::outcome.is_null().and(dsl::expires_at.le(At(now))))
        .order(dsl::expires_at)
        .limit(EXPIRED_AT_ONCE)
        .select((dsl::id, dsl::user_target, dsl::user_allowed, dsl::bundle_id));
    let rows: Vec<(i64, i64, i64, i64)> = match &mut conn.link {
        Link::Postgres(pg) => overdue.for_no_key_update().skip_locked().load(&mut **pg)?,
        Link::Sqlite(sqlite) => overdue.load(&mut **sqlite)?,
    };
    if rows.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    on!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set((dsl::closed_at.eq(dsl::expires_at.nullable()), dsl::outcome.eq(Outcome::Expired.name())))
        .execute(c))?;
    let mut changes = Changes::default();
    for (_, target, allowed, bundle) in rows {
        let terms = Terms { target: UserId(target), allowed: UserId(allowed), bundle: BundleId(bundle) };
        changes.add(terms, -1, 0);
    }
    changes.write(conn)?;
    Ok(ids.len())
}

/// The newest requests of all, for the operator.
pub fn newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<PermissionRequest>> {
    let rows: Vec<RequestRow> = on!(conn, c => dsl::permission_requests
        .filter(dsl::outcome.is_null().or(dsl::outcome.ne(Outcome::Given.name())))
        .order(dsl::id.desc())
        .limit(limit)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}
