//! Lists of requests.

use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl;

use super::RequestRow;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome, RequestStatus};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::by_keys::equals;
use crate::store::connection::{Conn, with_backend};
use crate::store::page::{LimitOffset, Paginated, TermsFilter};
use crate::store::schema::permission_requests::{self, dsl};
use crate::store::schema::users;
use crate::store::types::DbTimestamp;
use crate::store::user_counters;

/// The requests of users who are disabled: their targets neither see them nor decide on them.
macro_rules! of_disabled_requester {
    () => {
        diesel::dsl::exists(
            users::table
                .filter(users::id.eq(permission_requests::user_allowed).and(diesel::dsl::not(users::active))),
        )
    };
}

/// The pending requests with these ids to which `viewer` is a party, in no particular order.
pub fn pending_by_ids(
    conn: &mut Conn,
    ids: &[RequestId],
    viewer: UserId,
    now: Timestamp,
) -> QueryResult<Vec<PermissionRequest>> {
    let requests = super::by_ids(conn, ids)?.into_iter();
    Ok(requests.filter(|request| request.is_pending(now) && request.terms.has_party(viewer)).collect())
}

/// Conditions on requests, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// `None`: pending.
    pub statuses: Option<Vec<RequestStatus>>,
    pub terms: TermsFilter,
    pub created_from: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
}

/// A page of the requests to which `viewer` is a party, by id, without pending ones to `viewer` whose
/// requester is disabled.
pub fn list_for_party(
    conn: &mut Conn,
    viewer: UserId,
    filter: &RequestFilter,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<PermissionRequest>> {
    let statuses = filter.statuses.clone().unwrap_or_else(|| vec![RequestStatus::Pending]);
    let is_unfiltered = RequestFilter { statuses: None, ..filter.clone() } == RequestFilter::default();
    if is_unfiltered && statuses == [RequestStatus::Pending] {
        return pending_of_party(conn, viewer, page, now);
    }
    // A request that is closed between two of the queries would be listed twice or not at all.
    conn.in_snapshot(|conn| filtered_of_party(conn, viewer, &statuses, filter, page, now))
}

/// A page of the requests with these statuses to which `viewer` is a party, by id.
fn filtered_of_party(
    conn: &mut Conn,
    viewer: UserId,
    statuses: &[RequestStatus],
    filter: &RequestFilter,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<PermissionRequest>> {
    let wants = |status: RequestStatus| statuses.contains(&status);
    let closed: Vec<&str> = statuses
        .iter()
        .filter(|status| **status != RequestStatus::Pending)
        .map(|status| status.name())
        .collect();
    let (mut ids, mut total): (Vec<i64>, i64) = (Vec::new(), 0);
    /// Adds the matching requests of one side with one condition, which have an index of their own.
    macro_rules! add {
        ($side:ident, $condition:expr) => {{
            macro_rules! matching {
                () => {{
                    let mut query = dsl::permission_requests
                        .filter(equals(dsl::$side, viewer.0))
                        .filter($condition)
                        .into_boxed();
                    if let Some(bundles) = &filter.terms.bundles {
                        query = query.filter(dsl::bundle_id.eq_any(bundles));
                    }
                    if let Some(grantees) = &filter.terms.grantees {
                        query = query.filter(dsl::user_allowed.eq_any(grantees));
                    }
                    if let Some(targets) = &filter.terms.targets {
                        query = query.filter(dsl::user_target.eq_any(targets));
                    }
                    if let Some(from) = filter.created_from {
                        query = query.filter(dsl::created_at.ge(DbTimestamp(from)));
                    }
                    if let Some(before) = filter.created_before {
                        query = query.filter(dsl::created_at.lt(DbTimestamp(before)));
                    }
                    query
                }};
            }
            let count: i64 = with_backend!(conn, c => matching!().count().get_result(c))?;
            let first: Vec<i64> = with_backend!(conn, c => matching!()
                .order((dsl::$side, dsl::id))
                .limit(page.limit.saturating_add(page.offset))
                .select(dsl::id)
                .load(c))?;
            total += count;
            ids.extend(first);
        }};
    }
    macro_rules! is_open {
        () => {
            dsl::outcome.is_null()
        };
    }
    macro_rules! is_pending {
        () => {
            is_open!().and(dsl::expires_at.gt(DbTimestamp(now)))
        };
    }
    macro_rules! is_overdue {
        () => {
            is_open!().and(dsl::expires_at.le(DbTimestamp(now)))
        };
    }
    macro_rules! is_active {
        () => {
            dsl::active
                .and(dsl::outcome.is_not_null())
                .and(dsl::outcome.assume_not_null().eq(RequestOutcome::Approved.name()))
        };
    }
    macro_rules! is_inactive {
        () => {
            diesel::dsl::not(dsl::active)
                .and(dsl::outcome.is_not_null())
                .and(dsl::outcome.assume_not_null().eq_any(&closed))
        };
    }
    if wants(RequestStatus::Pending) {
        add!(user_target, is_pending!().and(diesel::dsl::not(of_disabled_requester!())));
        add!(user_allowed, is_pending!());
    }
    if wants(RequestStatus::Expired) {
        add!(user_target, is_overdue!());
        add!(user_allowed, is_overdue!());
    }
    if wants(RequestStatus::Closed(RequestOutcome::Approved)) {
        add!(user_target, is_active!());
        add!(user_allowed, is_active!());
    }
    if !closed.is_empty() {
        add!(user_target, is_inactive!());
        add!(user_allowed, is_inactive!());
    }
    ids.sort_unstable();
    let mut rows = super::by_ids(conn, &page.take(ids.into_iter().map(RequestId)))?;
    rows.sort_by_key(|request| request.id);
    Ok(Paginated { rows, total })
}

/// The number of a target's pending requests whose requester is disabled.
fn count_hidden(conn: &mut Conn, target: UserId, now: Timestamp) -> QueryResult<i64> {
    with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::outcome.is_null().and(dsl::expires_at.gt(DbTimestamp(now))))
        .filter(equals(dsl::user_target, target.0))
        .filter(of_disabled_requester!())
        .count()
        .get_result(c))
}

/// A page of the pending requests to which `viewer` is a party, by id, without those to `viewer`
/// whose requester is disabled.
fn pending_of_party(
    conn: &mut Conn,
    viewer: UserId,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<PermissionRequest>> {
    /// The pending requests of one side, which has an index of its own, up to the end of the
    /// page. The order names the side as well: with `=` and an order by id alone, PostgreSQL may
    /// read the requests of all users.
    macro_rules! pending {
        ($side:ident) => {
            dsl::permission_requests
                .filter(dsl::outcome.is_null().and(dsl::expires_at.gt(DbTimestamp(now))))
                .filter(equals(dsl::$side, viewer.0))
                .order((dsl::$side, dsl::id))
                .limit(page.limit.saturating_add(page.offset))
                .select(RequestRow::as_select())
        };
    }
    let rows: Vec<RequestRow> = with_backend!(conn, c => pending!(user_target)
        .filter(diesel::dsl::not(of_disabled_requester!()))
        .union_all(pending!(user_allowed))
        .positional_order_by(1)
        .limit(page.limit)
        .offset(page.offset)
        .load(c))?;
    let total = user_counters::pending_requests(conn, viewer, now)? - count_hidden(conn, viewer, now)?;
    Ok(Paginated { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
}

/// A side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Target,
    Grantee,
}

/// A page of a user's pending requests on one side, newest first. A target does not see those
/// whose requester is disabled.
pub fn pending_of_side(
    conn: &mut Conn,
    side: Side,
    user: UserId,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<PermissionRequest>> {
    macro_rules! page_of {
        ($side:ident $(, $hidden:expr)?) => {{
            let pending = || {
                dsl::permission_requests
                    .filter(dsl::outcome.is_null().and(dsl::expires_at.gt(DbTimestamp(now))))
                    .filter(equals(dsl::$side, user.0))
                    $(.filter(diesel::dsl::not($hidden)))?
            };
            let total = with_backend!(conn, c => pending().count().get_result(c))?;
            let rows: Vec<RequestRow> = with_backend!(conn, c => pending()
                .order((dsl::$side.desc(), dsl::id.desc()))
                .limit(page.limit)
                .offset(page.offset)
                .select(RequestRow::as_select())
                .load(c))?;
            Ok(Paginated { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
        }};
    }
    match side {
        Side::Target => page_of!(user_target, of_disabled_requester!()),
        Side::Grantee => page_of!(user_allowed),
    }
}

/// A page of a requester's closed requests without an active permission, newest first. (Expired
/// requests are closed within seconds.)
pub fn closed_of_grantee(
    conn: &mut Conn,
    user: UserId,
    page: LimitOffset,
) -> QueryResult<Paginated<PermissionRequest>> {
    let closed = || {
        dsl::permission_requests
            .filter(dsl::outcome.is_not_null().and(diesel::dsl::not(dsl::active)))
            .filter(equals(dsl::user_allowed, user.0))
    };
    let total = with_backend!(conn, c => closed().count().get_result(c))?;
    let rows: Vec<RequestRow> = with_backend!(conn, c => closed()
        .order((dsl::user_allowed.desc(), dsl::id.desc()))
        .limit(page.limit)
        .offset(page.offset)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(PermissionRequest::from).collect(), total })
}

/// The newest requests of all users, for the operator.
pub fn newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<PermissionRequest>> {
    let rows: Vec<RequestRow> = with_backend!(conn, c => dsl::permission_requests
        .filter(dsl::outcome.is_null().or(dsl::outcome.ne(RequestOutcome::GrantedDirectly.name())))
        .order(dsl::id.desc())
        .limit(limit)
        .select(RequestRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PermissionRequest::from).collect())
}
