//! The password links' rows.

use diesel::prelude::*;

use super::schema::{password_links, users};
use super::types::{At, Uid};
use super::users::{self as people, UserRow};
use super::{Conn, events, on, outbox};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Origin};
use crate::domain::password_link::{Occasion, PasswordLink};
use crate::domain::token::PasswordLinkId;
use crate::domain::user::{User, UserId};
use crate::entropy;

#[derive(Queryable, Selectable)]
#[diesel(table_name = password_links)]
struct LinkRow {
    id: Uid,
    user_id: i64,
    first: bool,
    created_at: At,
    expires_at: At,
    used_at: Option<At>,
    replaced_at: Option<At>,
}

impl From<LinkRow> for PasswordLink {
    fn from(row: LinkRow) -> Self {
        Self {
            id: PasswordLinkId(row.id.0),
            user: UserId(row.user_id),
            occasion: if row.first { Occasion::First } else { Occasion::Forgotten },
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            used_at: row.used_at.map(|at| at.0),
            replaced_at: row.replaced_at.map(|at| at.0),
        }
    }
}

/// Makes a user a link, in the place of any other that they have, and owes them the mail
/// with it.
pub fn issue(
    conn: &mut Conn,
    user: UserId,
    occasion: Occasion,
    origin: &Origin,
    now: Timestamp,
) -> QueryResult<PasswordLink> {
    // Whoever does the same at once waits for this one, and replaces it.
    people::lock(conn, user)?;
    replace(conn, user, now)?;
    let id = PasswordLinkId(entropy::token().uuid(now));
    let values = (
        password_links::id.eq(Uid(id.0)),
        password_links::user_id.eq(user.0),
        password_links::first.eq(occasion == Occasion::First),
        password_links::created_at.eq(At(now)),
        password_links::expires_at.eq(At(now.plus_seconds(occasion.lifetime()))),
    );
    let row: LinkRow = on!(conn, c => diesel::insert_into(password_links::table)
        .values(values)
        .returning(LinkRow::as_returning())
        .get_result(c))?;
    outbox::insert_password(conn, entropy::token().uuid(now), id, now)?;
    events::record(conn, origin, Action::UserPasswordLinked, format!("user:{user}"), now)?;
    Ok(row.into())
}

/// The links of these ids, in no order.
pub fn by_ids(conn: &mut Conn, ids: &[PasswordLinkId]) -> QueryResult<Vec<PasswordLink>> {
    let ids: Vec<Uid> = ids.iter().map(|id| Uid(id.0)).collect();
    let rows: Vec<LinkRow> = on!(conn, c => password_links::table
        .filter(password_links::id.eq_any(&ids))
        .select(LinkRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(PasswordLink::from).collect())
}

/// Whose password a link sets, if it and they are live.
pub fn user_of_live(conn: &mut Conn, id: PasswordLinkId, now: Timestamp) -> QueryResult<Option<User>> {
    let found: Option<(LinkRow, UserRow)> = on!(conn, c => password_links::table
        .inner_join(users::table)
        .filter(password_links::id.eq(Uid(id.0)))
        .select((LinkRow::as_select(), UserRow::as_select()))
        .first(c)
        .optional())?;
    let found = found.map(|(link, user)| (PasswordLink::from(link), User::from(user)));
    Ok(found.filter(|(link, user)| user.active && link.is_live(now)).map(|(_, user)| user))
}

/// Uses up a link of this user's; false when it may not be used any more. Of many who do
/// so at once, one is told true.
pub fn spend(conn: &mut Conn, id: PasswordLinkId, user: UserId, now: Timestamp) -> QueryResult<bool> {
    people::lock(conn, user)?;
    let open = password_links::used_at.is_null().and(password_links::replaced_at.is_null());
    let live = open.and(password_links::expires_at.gt(At(now))).and(password_links::user_id.eq(user.0));
    on!(conn, c => diesel::update(password_links::table.find(Uid(id.0)).filter(live))
        .set(password_links::used_at.eq(At(now)))
        .execute(c))
    .map(|rows| rows > 0)
}

/// Ends the link of a user that may yet be used, if they have one.
pub(super) fn replace(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    let open = password_links::used_at.is_null().and(password_links::replaced_at.is_null());
    let theirs = password_links::user_id.eq(user.0).and(open);
    on!(conn, c => diesel::update(password_links::table.filter(theirs))
        .set(password_links::replaced_at.eq(At(now)))
        .execute(c))
    .map(drop)
}
