//! Password links.

use diesel::prelude::*;

use super::audit_log;
use super::connection::{Conn, with_backend};
use super::outbox::{self, OutboxKind, OutboxSubject};
use super::schema::{password_links, users};
use super::types::{DbTimestamp, DbUuid};
use super::user_row::{self, UserRow};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::password_link::{LinkReason, PasswordLink};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{User, UserId};
use crate::entropy;

#[derive(Queryable, Selectable)]
#[diesel(table_name = password_links)]
struct PasswordLinkRow {
    id: DbUuid,
    user_id: i64,
    initial: bool,
    created_at: DbTimestamp,
    expires_at: DbTimestamp,
    used_at: Option<DbTimestamp>,
    replaced_at: Option<DbTimestamp>,
}

impl From<PasswordLinkRow> for PasswordLink {
    fn from(row: PasswordLinkRow) -> Self {
        Self {
            id: PasswordLinkId(row.id.0),
            user: UserId(row.user_id),
            reason: if row.initial { LinkReason::NewAccount } else { LinkReason::ForgottenPassword },
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            used_at: row.used_at.map(|at| at.0),
            replaced_at: row.replaced_at.map(|at| at.0),
        }
    }
}

/// Creates a link for a user and queues the mail with it. Replaces the user's usable link, if any.
pub fn create(
    conn: &mut Conn,
    user: UserId,
    reason: LinkReason,
    context: &AuditContext,
    now: Timestamp,
) -> QueryResult<PasswordLink> {
    // A concurrent call for the same user waits here, and then replaces this link.
    user_row::lock(conn, user)?;
    replace_active(conn, user, now)?;
    let id = PasswordLinkId(entropy::token().uuid(now));
    let values = (
        password_links::id.eq(DbUuid(id.0)),
        password_links::user_id.eq(user.0),
        password_links::initial.eq(reason == LinkReason::NewAccount),
        password_links::created_at.eq(DbTimestamp(now)),
        password_links::expires_at.eq(DbTimestamp(now.plus_seconds(reason.lifetime_seconds()))),
    );
    let row: PasswordLinkRow = with_backend!(conn, c => diesel::insert_into(password_links::table)
        .values(values)
        .returning(PasswordLinkRow::as_returning())
        .get_result(c))?;
    let mail = (entropy::token().uuid(now), OutboxSubject::PasswordLink(id));
    outbox::insert(conn, OutboxKind::Mail, &[mail], now)?;
    audit_log::record(conn, context, AuditAction::UserPasswordLinkSent, format!("user:{user}"), now)?;
    Ok(row.into())
}

/// The links with these ids, in no particular order.
pub fn by_ids(conn: &mut Conn, ids: &[PasswordLinkId]) -> QueryResult<Vec<PasswordLink>> {
    let ids: Vec<DbUuid> = ids.iter().map(|id| DbUuid(id.0)).collect();
    let rows: Vec<PasswordLinkRow> = with_backend!(conn, c => password_links::table
        .filter(password_links::id.eq_any(&ids))
        .select(PasswordLinkRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PasswordLink::from).collect())
}

/// A link and the user whose password it sets, if the link is usable and the user active.
pub fn find_active(
    conn: &mut Conn,
    id: PasswordLinkId,
    now: Timestamp,
) -> QueryResult<Option<(PasswordLink, User)>> {
    let found: Option<(PasswordLinkRow, UserRow)> = with_backend!(conn, c => password_links::table
        .inner_join(users::table)
        .filter(password_links::id.eq(DbUuid(id.0)))
        .select((PasswordLinkRow::as_select(), UserRow::as_select()))
        .first(c)
        .optional())?;
    let found = found.map(|(link, user)| (PasswordLink::from(link), User::from(user)));
    Ok(found.filter(|(link, user)| user.active && link.is_usable(now)))
}

/// Marks a user's link as used. Returns whether it was usable: of concurrent calls, one returns
/// true.
pub fn consume(conn: &mut Conn, id: PasswordLinkId, user: UserId, now: Timestamp) -> QueryResult<bool> {
    user_row::lock(conn, user)?;
    let open = password_links::used_at.is_null().and(password_links::replaced_at.is_null());
    let usable =
        open.and(password_links::expires_at.gt(DbTimestamp(now))).and(password_links::user_id.eq(user.0));
    with_backend!(conn, c => diesel::update(password_links::table.find(DbUuid(id.0)).filter(usable))
        .set(password_links::used_at.eq(DbTimestamp(now)))
        .execute(c))
    .map(|rows| rows > 0)
}

/// Marks a user's usable link as replaced, if there is one, and returns their number.
pub fn replace_active(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<usize> {
    let open = password_links::used_at.is_null().and(password_links::replaced_at.is_null());
    let of_user = password_links::user_id.eq(user.0).and(open);
    with_backend!(conn, c => diesel::update(password_links::table.filter(of_user))
        .set(password_links::replaced_at.eq(DbTimestamp(now)))
        .execute(c))
}
