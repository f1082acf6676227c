//! The permission requests' rows.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::schema::permission_requests;
use super::types::{At, Uid};
use super::{Conn, Listed, Page, locked, on};
use crate::domain::bundle::BundleId;
use crate::domain::clock::Timestamp;
use crate::domain::grant::Terms;
use crate::domain::request::{Closed, Outcome, PermissionRequest, RequestId};
use crate::domain::text::IdempotencyKey;
use crate::domain::token::RedeemId;
use crate::domain::user::UserId;

#[derive(Queryable, Selectable)]
#[diesel(table_name = permission_requests)]
struct RequestRow {
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
}

impl From<RequestRow> for PermissionRequest {
    fn from(row: RequestRow) -> Self {
        let closed = row.closed_at.map(|at| Closed {
            outcome: Outcome::from_store(row.outcome.as_deref().unwrap_or_default()),
            at: at.0,
            once: row.redeem_once.map(IdempotencyKey::from_store),
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
            once: row.create_once.map(IdempotencyKey::from_store),
            closed,
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = permission_requests, treat_none_as_default_value = false)]
struct NewRequestRow<'a> {
    redeem_id: Uid,
    user_target: i64,
    user_allowed: i64,
    bundle_id: i64,
    asked_by: i64,
    redeem_page: Option<&'a str>,
    created_at: At,
    expires_at: At,
    create_once: Option<&'a str>,
    closed_at: Option<At>,
    outcome: Option<&'static str>,
}

/// The requests that a batch is about, by whatever names them.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// By the ids of their tokens.
    pub redeem_ids: Vec<RedeemId>,
    /// By their numbers.
    pub numbers: Vec<RequestId>,
    /// The open ones of these terms, and perhaps some others.
    pub terms: Vec<Terms>,
    /// By who posted them and the `Idempotency-Key` they came with.
    pub onces: Vec<(UserId, IdempotencyKey)>,
}

/// Adds requests; their numbers, by the ids of their tokens.
pub(super) fn insert(
    conn: &mut Conn,
    new: &[&PermissionRequest],
) -> QueryResult<BTreeMap<RedeemId, RequestId>> {
    let rows: Vec<NewRequestRow<'_>> = new
        .iter()
        .map(|request| NewRequestRow {
            redeem_id: Uid(request.redeem_id.0),
            user_target: request.terms.target.0,
            user_allowed: request.terms.allowed.0,
            bundle_id: request.terms.bundle.0,
            asked_by: request.asked_by.0,
            redeem_page: request.redeem_page.as_deref(),
            created_at: At(request.created_at),
            expires_at: At(request.expires_at),
            create_once: request.once.as_ref().map(IdempotencyKey::as_str),
            closed_at: request.closed.as_ref().map(|closed| At(closed.at)),
            outcome: request.closed.as_ref().map(|closed| closed.outcome.name()),
        })
        .collect();
    let ids: Vec<(Uid, i64)> = on!(conn, c => diesel::insert_into(permission_requests::table)
        .values(&rows)
        .returning((permission_requests::redeem_id, permission_requests::id))
        .get_results(c))?;
    Ok(ids.into_iter().map(|(redeem_id, id)| (RedeemId(redeem_id.0), RequestId(id))).collect())
}

/// Locks requests in the order of their numbers, whatever names them: first they
/// are found, then locked. What is found by terms or key may have changed before
/// it is locked; it is judged by what it is then.
pub(super) fn lock(conn: &mut Conn, wanted: &Wanted) -> QueryResult<Vec<PermissionRequest>> {
    use permission_requests::dsl;
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
        let targets: Vec<i64> = wanted.terms.iter().map(|terms| terms.target.0).collect();
        let allowed: Vec<i64> = wanted.terms.iter().map(|terms| terms.allowed.0).collect();
        let bundles: Vec<i64> = wanted.terms.iter().map(|terms| terms.bundle.0).collect();
        find!(
            dsl::closed_at
                .is_null()
                .and(dsl::user_target.eq_any(&targets))
                .and(dsl::user_allowed.eq_any(&allowed))
                .and(dsl::bundle_id.eq_any(&bundles))
        );
    }
    if !wanted.onces.is_empty() {
        let users: Vec<i64> = wanted.onces.iter().map(|(user, _)| user.0).collect();
        let keys: Vec<&str> = wanted.onces.iter().map(|(_, key)| key.as_str()).collect();
        find!(dsl::asked_by.eq_any(&users).and(dsl::create_once.eq_any(&keys)));
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

/// Closes open requests that are locked, all in this way; how many that were.
pub(super) fn close(conn: &mut Conn, ids: &[RequestId], closed: &Closed) -> QueryResult<usize> {
    use permission_requests::dsl;
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let values = (
        dsl::closed_at.eq(At(closed.at)),
        dsl::outcome.eq(closed.outcome.name()),
        dsl::redeem_once.eq(closed.once.as_ref().map(IdempotencyKey::as_str)),
    );
    // A newer request takes the place of an expired one too; no other end comes so late.
    let since = if closed.outcome == Outcome::Replaced { Timestamp::from_micros(0) } else { closed.at };
    on!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids).and(dsl::closed_at.is_null()).and(dsl::expires_at.gt(At(since))))
        .set(values)
        .execute(c))
}

/// Forgets the `Idempotency-Key`s that these requests came with.
pub(super) fn forget_once(conn: &mut Conn, ids: &[RequestId]) -> QueryResult<usize> {
    use permission_requests::dsl;
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    on!(conn, c => diesel::update(dsl::permission_requests)
        .filter(dsl::id.eq_any(&ids))
        .set(dsl::create_once.eq(None::<String>))
        .execute(c))
}

/// The request of this token.
pub fn by_redeem_id(conn: &mut Conn, id: RedeemId) -> QueryResult<Option<PermissionRequest>> {
    use permission_requests::dsl;
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
    use permission_requests::dsl;
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
    use permission_requests::dsl;
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
    use permission_requests::dsl;
    /// The same query twice: once for the page, once for the count.
    macro_rules! live {
        () => {
            dsl::permission_requests
                .filter(dsl::closed_at.is_null().and(dsl::expires_at.gt(At(now))))
                .filter(dsl::user_target.eq(viewer.0).or(dsl::user_allowed.eq(viewer.0)))
        };
    }
    let total = on!(conn, c => live!().count().get_result(c))?;
    let rows: Vec<RequestRow> = on!(conn, c => live!()
        .order(dsl::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(Listed { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
}

/// The newest requests of all, for the operator.
pub fn newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<PermissionRequest>> {
    use permission_requests::dsl;
    let rows: Vec<RequestRow> = on!(conn, c => dsl::permission_requests
        .order(dsl::id.desc())
        .limit(limit)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}
