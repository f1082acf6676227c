//! Daily mails: one item of the outbox per user and day. The item has no list of subjects. They are
//! loaded when it is claimed, so that those that have ended are not mailed.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};

use super::bulk::bulk;
use super::connection::{Conn, with_backend};
use super::participants::{Participants, RequestParties};
use super::schema::{export_tokens, outbox, permission_requests};
use super::types::{DbTimestamp, DbUuid, SqlTimestamp, SqlUuid};
use super::{permissions, requests};
use crate::domain::bundle_permission::{BundlePermission, BundlePermissionId};
use crate::domain::daily_mail::{
    DailyMail, DailyRequest, DayRange, ENDING_DAYS, EndingExport, EndingPermission, MAX_DELAY_DAYS,
    ending_day, expired_day, reminder_day,
};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission_request::{PermissionRequest, RequestId};
use crate::domain::timestamp::{Timestamp, UtcDay};
use crate::domain::user::UserId;
use crate::entropy;

/// Seconds after midnight at which the mails of a day start. Until then, transactions of the previous
/// day are committed.
const FIRST_SECOND: i64 = 60;

bulk! {
    InsertDailyMails {
        id: SqlUuid => DbUuid,
        user_id: BigInt => i64,
        day: Integer => i32,
        due_at: SqlTimestamp => DbTimestamp,
    }
    "INSERT INTO outbox (id, kind, notice, user_id, day, created_at, due_at, attempts) \
     SELECT id, 'mail', 'daily', user_id, day, due_at, due_at, 0 FROM" w "WHERE true ON CONFLICT DO NOTHING"
}

/// Schedules mails, at the start of their day, or now. Those that exist are left unchanged.
pub(super) fn schedule(
    conn: &mut Conn,
    mails: BTreeSet<(UserId, UtcDay)>,
    now: Timestamp,
) -> QueryResult<()> {
    if mails.is_empty() {
        return Ok(());
    }
    let mut rows = InsertDailyMails::default();
    for (user, day) in mails {
        let due = now.max(day.start().plus_seconds(FIRST_SECOND));
        rows.push((DbUuid(entropy::token().uuid(now)), user.0, day.0, DbTimestamp(due)));
    }
    rows.run(conn).map(drop)
}

/// Of these mails, those that have not been scheduled.
pub(super) fn not_scheduled(
    conn: &mut Conn,
    mut mails: BTreeSet<(UserId, UtcDay)>,
) -> QueryResult<BTreeSet<(UserId, UtcDay)>> {
    if let Some(first) = mails.iter().map(|(_, day)| *day).min() {
        let users: Vec<i64> = mails.iter().map(|(user, _)| user.0).collect();
        for scheduled in scheduled_since(conn, &users, first)? {
            mails.remove(&scheduled);
        }
    }
    Ok(mails)
}

/// The daily mails of users for days from `first` on.
fn scheduled_since(conn: &mut Conn, users: &[i64], first: UtcDay) -> QueryResult<Vec<(UserId, UtcDay)>> {
    let rows: Vec<(i64, i32)> = with_backend!(conn, c => outbox::table
        .filter(outbox::user_id.eq_any(users).and(outbox::day.is_not_null()).and(outbox::day.ge(first.0)))
        .select((outbox::user_id.assume_not_null(), outbox::day.assume_not_null()))
        .load(c))?;
    Ok(rows.into_iter().map(|(user, day)| (UserId(user), UtcDay(day))).collect())
}

/// Loads the content of mails, as of now.
pub(super) fn load(
    conn: &mut Conn,
    mails: &[(UserId, UtcDay)],
    now: Timestamp,
) -> QueryResult<HashMap<(UserId, UtcDay), DailyMail>> {
    let Some(first) = mails.iter().map(|(_, day)| *day).min() else { return Ok(HashMap::new()) };
    let last = mails.iter().map(|(_, day)| *day).max().unwrap_or(first);
    let users: Vec<i64> = mails.iter().map(|(user, _)| user.0).collect();
    let scheduled = scheduled_since(conn, &users, first.plus_days(-MAX_DELAY_DAYS))?;
    let range = |(user, day): (UserId, UtcDay)| {
        let earlier = scheduled.iter().filter(|(other, earlier)| *other == user && *earlier < day);
        DayRange { last: day, previous: earlier.map(|(_, day)| *day).max() }
    };
    let ranges: Vec<(UserId, DayRange)> = mails.iter().map(|mail| (mail.0, range(*mail))).collect();
    let candidates = Candidates::load(conn, &users, first.plus_days(-MAX_DELAY_DAYS), last, now)?;
    Ok(ranges.into_iter().map(|(user, range)| ((user, range.last), candidates.mail(user, range))).collect())
}

/// What several mails may contain.
struct Candidates {
    pending: Vec<PermissionRequest>,
    permissions: Vec<BundlePermission>,
    exports: Vec<(UserId, Timestamp, EndingExport)>,
    expired: Vec<PermissionRequest>,
    /// Those of the requests.
    participants: Participants,
    /// Those of the permissions.
    parties: Participants,
}

impl Candidates {
    /// Loads the subjects of mails of the days from `first` to `last` that have not ended, ordered by their
    /// ends, and the requests that have expired.
    fn load(
        conn: &mut Conn,
        users: &[i64],
        first: UtcDay,
        last: UtcDay,
        now: Timestamp,
    ) -> QueryResult<Self> {
        let days = ENDING_DAYS.iter().max().copied().unwrap_or_default();
        let (end, now) = (DbTimestamp(last.plus_days(days + 1).start()), DbTimestamp(now));
        let pending: Vec<i64> = with_backend!(conn, c => permission_requests::table
            .filter(permission_requests::user_target.eq_any(users).and(permission_requests::outcome.is_null()))
            .filter(permission_requests::expires_at.gt(now).and(permission_requests::expires_at.lt(end)))
            .order((permission_requests::expires_at, permission_requests::id))
            .select(permission_requests::id)
            .load(c))?;
        let usable = export_tokens::revoked_at.is_null().and(export_tokens::expires_at.is_not_null());
        let exports: Vec<(i64, String, String, DbTimestamp, Option<DbTimestamp>)> = with_backend!(conn, c => export_tokens::table
            .filter(export_tokens::creator.eq_any(users).and(usable.assume_not_null()))
            .filter(export_tokens::expires_at.gt(now).and(export_tokens::expires_at.lt(end)).assume_not_null())
            .order((export_tokens::expires_at, export_tokens::id))
            .select((
                export_tokens::creator,
                export_tokens::hub_id,
                export_tokens::node_id,
                export_tokens::created_at,
                export_tokens::expires_at,
            ))
            .load(c))?;
        let permissions = Self::permissions(conn, users, now, end)?;
        let parties = Participants::load(conn, permissions.iter().map(|permission| permission.terms))?;
        let expired =
            Self::expired(conn, users, DbTimestamp(first.plus_days(-1).start()), DbTimestamp(last.start()))?;
        let load = |conn: &mut Conn, ids: Vec<i64>| {
            let ids: Vec<RequestId> = ids.into_iter().map(RequestId).collect();
            let mut found = requests::by_ids(conn, &ids)?;
            found.sort_by_key(|request| (request.expires_at, request.id));
            QueryResult::Ok(found)
        };
        let (pending, expired) = (load(conn, pending)?, load(conn, expired)?);
        let participants = Participants::load_as_of(conn, pending.iter().chain(&expired))?;
        let exports = exports.into_iter().filter_map(|(creator, hub, node, created_at, ends_at)| {
            let ending =
                EndingExport { hub: HubId::from_db(hub), node: NodeId::from_db(node), ends_at: ends_at?.0 };
            Some((UserId(creator), created_at.0, ending))
        });
        Ok(Self { pending, permissions, exports: exports.collect(), expired, participants, parties })
    }

    /// The permissions of these users, on either side, that end between two times, ordered by their end.
    fn permissions(
        conn: &mut Conn,
        users: &[i64],
        from: DbTimestamp,
        to: DbTimestamp,
    ) -> QueryResult<Vec<BundlePermission>> {
        macro_rules! ending {
            ($side:ident) => {{
                let end = permission_requests::permission_expires_at;
                let active = permission_requests::active.and(permission_requests::outcome.is_not_null());
                let ids: Vec<i64> = with_backend!(conn, c => permission_requests::table
                    .filter(permission_requests::$side.eq_any(users).and(active))
                    .filter(end.is_not_null().and(end.gt(from).and(end.lt(to)).assume_not_null()))
                    .select(permission_requests::id)
                    .load(c))?;
                ids
            }};
        }
        let mut ids: Vec<BundlePermissionId> =
            ending!(user_target).into_iter().chain(ending!(user_allowed)).map(BundlePermissionId).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = permissions::by_ids(conn, &ids, None, from.0)?;
        found.sort_by_key(|permission| (permission.expires_at, permission.id));
        Ok(found)
    }

    /// The requests of these requesters that have expired between two times, closed or not.
    fn expired(conn: &mut Conn, users: &[i64], from: DbTimestamp, to: DbTimestamp) -> QueryResult<Vec<i64>> {
        macro_rules! expired {
            ($outcome:expr) => {{
                let ids: Vec<i64> = with_backend!(conn, c => permission_requests::table
                    .filter(permission_requests::user_allowed.eq_any(users).and($outcome))
                    .filter(permission_requests::expires_at.ge(from).and(permission_requests::expires_at.lt(to)))
                    .select(permission_requests::id)
                    .load(c))?;
                ids
            }};
        }
        // The condition of the index, literally: a bound parameter would hide it from the planner.
        let mut ids = expired!(diesel::dsl::sql::<diesel::sql_types::Bool>("outcome = 'expired'"));
        ids.extend(expired!(permission_requests::outcome.is_null()));
        Ok(ids)
    }

    /// The content of one mail.
    fn mail(&self, user: UserId, range: DayRange) -> DailyMail {
        let is_due = |day: Option<UtcDay>| day.is_some_and(|day| range.contains(day));
        let ends_soon = |start, end| ENDING_DAYS.into_iter().any(|days| is_due(ending_day(start, end, days)));
        let pending = self.pending.iter().filter(|request| {
            request.terms.target == user && is_due(reminder_day(request.created_at, request.expires_at))
        });
        let permissions = |is_target: bool| {
            let ending = move |permission: &&BundlePermission| {
                let party = if is_target { permission.terms.target } else { permission.terms.grantee };
                let end = permission.expires_at.filter(|_| party == user);
                end.is_some_and(|end| ends_soon(permission.granted_at, end))
            };
            self.permissions.iter().filter(ending).filter_map(|permission| self.permission(permission, user))
        };
        let expired = self.expired.iter().filter(|request| {
            request.terms.grantee == user && range.contains(expired_day(request.expires_at))
        });
        let exports = self
            .exports
            .iter()
            .filter(|(creator, start, export)| *creator == user && ends_soon(*start, export.ends_at));
        DailyMail {
            pending: pending.filter_map(|request| self.request(request, user)).collect(),
            granted: permissions(true).collect(),
            received: permissions(false).collect(),
            exports: exports.map(|(.., export)| export.clone()).collect(),
            expired: expired.filter_map(|request| self.request(request, user)).collect(),
        }
    }

    /// A permission for a mail to one of its parties. `None`: one of them is disabled.
    fn permission(&self, permission: &BundlePermission, user: UserId) -> Option<EndingPermission> {
        let RequestParties { target, grantee, bundle } = self.parties.parties(permission.terms)?;
        let other = if target.id == user { grantee } else { target };
        let ends_at = permission.expires_at?;
        (target.active && grantee.active).then(|| EndingPermission {
            other: other.clone(),
            bundle: bundle.clone(),
            ends_at,
        })
    }

    /// A request for a mail to one of its parties. `None`: one of them is disabled.
    fn request(&self, request: &PermissionRequest, user: UserId) -> Option<DailyRequest> {
        let parties = self.participants.parties(request.terms)?;
        let other = if request.terms.target == user { parties.grantee } else { parties.target };
        let bundle = self.participants.bundle_of(request)?;
        let are_active = parties.target.active && parties.grantee.active;
        are_active.then(|| DailyRequest {
            request: request.clone(),
            other: other.clone(),
            bundle: bundle.clone(),
        })
    }
}
