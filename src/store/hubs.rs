//! Hubs and the roles of their members.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::bulk::bulk;
use super::connection::{Conn, for_update, with_backend};
use super::page::LimitOffset;
use super::schema::{hub_members, hubs, users};
use super::text_search::{escape_like, lower};
use super::types::DbTimestamp;
use super::user_row::UserRow;
use crate::domain::hub::HubId;
use crate::domain::rights::{Mask, Role};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, User, UserId};

/// A hub and its members.
#[derive(Clone, Debug)]
pub struct Hub {
    pub id: HubId,
    /// The display name. May be empty.
    pub name: String,
    /// Sorted by address.
    pub members: Vec<(Email, Role)>,
}

/// Inserts a hub. Returns whether the id was free.
pub fn insert(conn: &mut Conn, id: &HubId, name: &str, now: Timestamp) -> QueryResult<bool> {
    let values = (hubs::id.eq(id.as_str()), hubs::name.eq(name), hubs::created_at.eq(DbTimestamp(now)));
    with_backend!(conn, c => diesel::insert_into(hubs::table).values(values).on_conflict_do_nothing().execute(c))
        .map(|rows| rows > 0)
}

/// Whether a hub exists.
pub fn exists(conn: &mut Conn, id: &HubId) -> QueryResult<bool> {
    with_backend!(conn, c => diesel::select(diesel::dsl::exists(hubs::table.find(id.as_str()))).get_result(c))
}

/// Sets a user's role, replacing any other.
pub fn set_role(conn: &mut Conn, hub: &HubId, user: UserId, role: Role) -> QueryResult<()> {
    let values = (
        hub_members::hub_id.eq(hub.as_str()),
        hub_members::user_id.eq(user.0),
        hub_members::role.eq(role.name()),
    );
    with_backend!(conn, c => diesel::insert_into(hub_members::table)
        .values(values)
        .on_conflict((hub_members::hub_id, hub_members::user_id))
        .do_update()
        .set(hub_members::role.eq(role.name()))
        .execute(c))
    .map(drop)
}

/// Removes a user's role. Returns whether there was one.
pub fn remove_role(conn: &mut Conn, hub: &HubId, user: UserId) -> QueryResult<bool> {
    with_backend!(conn, c => diesel::delete(hub_members::table.find((hub.as_str(), user.0))).execute(c))
        .map(|rows| rows > 0)
}

/// A hub's owners, by id. Locks the hub until the end of the transaction, so that of two
/// transactions that remove an owner, the second one sees what the first has left.
pub fn lock_owners(conn: &mut Conn, hub: &HubId) -> QueryResult<Vec<UserId>> {
    let _locked: Vec<String> =
        for_update!(conn, hubs::table.filter(hubs::id.eq(hub.as_str())).select(hubs::id))?;
    let owners = hub_members::hub_id.eq(hub.as_str()).and(hub_members::role.eq(Role::Owner.name()));
    let ids: Vec<i64> = with_backend!(conn, c => hub_members::table
        .filter(owners)
        .order(hub_members::user_id)
        .select(hub_members::user_id)
        .load(c))?;
    Ok(ids.into_iter().map(UserId).collect())
}

bulk! {
    FindRoles { hub_id: Text => &'a str, user_id: BigInt => i64 }
    "SELECT w.hub_id, w.user_id, \
     (SELECT m.role FROM hub_members AS m WHERE m.hub_id = w.hub_id AND m.user_id = w.user_id) FROM"
    w "" returns (Text, BigInt, Nullable<Text>)
}

/// The rights of users in hubs, where they have a role.
pub(super) fn privileges(
    conn: &mut Conn,
    members: &[(&str, UserId)],
) -> QueryResult<HashMap<(String, UserId), Mask>> {
    let mut roles = FindRoles::default();
    for (hub, user) in members {
        roles.push((hub, user.0));
    }
    let rows: Vec<(String, i64, Option<String>)> = roles.fetch(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(|(hub, user, role)| Some(((hub, UserId(user)), privilege_of_role(&role?)?)))
        .collect())
}

/// The rights of a user in a hub. `None` without a role there.
pub fn privilege(conn: &mut Conn, hub: &HubId, user: UserId) -> QueryResult<Option<Mask>> {
    let member = hub_members::table.find((hub.as_str(), user.0)).select(hub_members::role);
    let role: Option<String> = with_backend!(conn, c => member.first(c).optional())?;
    Ok(role.as_deref().and_then(privilege_of_role))
}

/// The rights of a role. A role that a later version has added has none.
pub(super) fn privilege_of_role(role: &str) -> Option<Mask> {
    role.parse::<Role>().ok().map(Role::privilege)
}

/// The hubs that a user administers and the user's role in each, by name and id, at most `limit`.
pub fn administered_by(conn: &mut Conn, user: UserId, limit: i64) -> QueryResult<Vec<(HubId, String, Role)>> {
    let is_admin = |role: &Role| role.privilege().contains(Mask::ADMIN);
    let roles: Vec<&str> = Role::ALL.into_iter().filter(is_admin).map(Role::name).collect();
    let rows: Vec<(String, String, String)> = with_backend!(conn, c => hub_members::table
        .inner_join(hubs::table)
        .filter(hub_members::user_id.eq(user.0).and(hub_members::role.eq_any(&roles)))
        .order((hubs::name, hubs::id))
        .limit(limit)
        .select((hubs::id, hubs::name, hub_members::role))
        .load(c))?;
    let hub =
        |(id, name, role): (String, String, String)| Some((HubId::from_db(id), name, role.parse().ok()?));
    Ok(rows.into_iter().filter_map(hub).collect())
}

/// All hubs, by id.
pub fn all(conn: &mut Conn) -> QueryResult<Vec<Hub>> {
    let rows: Vec<(String, String)> =
        with_backend!(conn, c => hubs::table.order(hubs::id).select((hubs::id, hubs::name)).load(c))?;
    let members: Vec<(String, String, String)> = with_backend!(conn, c => hub_members::table
        .inner_join(users::table)
        .order((hub_members::hub_id, users::email))
        .select((hub_members::hub_id, users::email, hub_members::role))
        .load(c))?;
    let mut by_hub: HashMap<String, Vec<(Email, Role)>> = HashMap::new();
    for (hub, email, role) in members {
        if let Ok(role) = role.parse() {
            by_hub.entry(hub).or_default().push((Email::from_db(email), role));
        }
    }
    let hub = |(id, name): (String, String)| {
        let members = by_hub.remove(&id).unwrap_or_default();
        Hub { id: HubId::from_db(id), name, members }
    };
    Ok(rows.into_iter().map(hub).collect())
}

/// A page of the ids and names of the hubs whose id or name contains a text (in lower case), by
/// id.
pub fn search(conn: &mut Conn, text: &str, page: LimitOffset) -> QueryResult<Vec<(HubId, String)>> {
    let pattern = format!("%{}%", escape_like(text));
    let matching =
        lower(hubs::id).like(&pattern).escape('\\').or(lower(hubs::name).like(&pattern).escape('\\'));
    let rows: Vec<(String, String)> = with_backend!(conn, c => hubs::table
        .filter(matching)
        .order(hubs::id)
        .limit(page.limit)
        .offset(page.offset)
        .select((hubs::id, hubs::name))
        .load(c))?;
    Ok(rows.into_iter().map(|(id, name)| (HubId::from_db(id), name)).collect())
}

/// The name of a hub.
pub fn name(conn: &mut Conn, id: &HubId) -> QueryResult<Option<String>> {
    with_backend!(conn, c => hubs::table.find(id.as_str()).select(hubs::name).first(c).optional())
}

/// A page of a hub's members and their roles, by user id.
pub fn members(conn: &mut Conn, id: &HubId, page: LimitOffset) -> QueryResult<Vec<(User, Role)>> {
    let rows: Vec<(UserRow, String)> = with_backend!(conn, c => hub_members::table
        .inner_join(users::table)
        .filter(hub_members::hub_id.eq(id.as_str()))
        .order(hub_members::user_id)
        .limit(page.limit)
        .offset(page.offset)
        .select((UserRow::as_select(), hub_members::role))
        .load(c))?;
    Ok(rows.into_iter().filter_map(|(user, role)| Some((user.into(), role.parse().ok()?))).collect())
}
