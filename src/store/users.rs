//! Users.

use std::collections::HashMap;

use diesel::prelude::*;

use super::by_keys::load_by_keys;
use super::connection::{Conn, for_update, with_backend};
use super::page::{LimitOffset, Paginated};
use super::schema::{bundle_permissions, permission_requests, users};
use super::text_search::{escape_like, lower};
use super::types::DbTimestamp;
use super::user_row::UserRow;
use super::{audit_log, password_links, sessions};
use crate::domain::audit::{AuditAction, AuditContext};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, PersonName, User, UserId};
use crate::i18n::Language;

/// A user to be inserted.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: Email,
    /// May be empty.
    pub first_name: PersonName,
    /// May be empty.
    pub last_name: PersonName,
    pub staff: bool,
    /// The argon2 hash of the password (PHC string).
    pub password: Option<String>,
}

/// Conditions on users, all of which must hold. `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    pub ids: Option<Vec<i64>>,
    /// In lower case.
    pub emails: Option<Vec<String>>,
    /// In lower case. An address must start with all of them.
    pub email_prefixes: Vec<String>,
}

/// New names. `None` leaves a name unchanged.
#[derive(AsChangeset, Clone, Copy)]
#[diesel(table_name = users)]
struct NameValues<'a> {
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
}

/// Inserts a user. `None`: the address is taken.
pub fn insert(conn: &mut Conn, new: &NewUser, now: Timestamp) -> QueryResult<Option<User>> {
    let values = (
        users::email.eq(new.email.as_str()),
        users::first_name.eq(new.first_name.as_str()),
        users::last_name.eq(new.last_name.as_str()),
        users::password.eq(new.password.as_deref()),
        users::active.eq(true),
        users::staff.eq(new.staff),
        users::created_at.eq(DbTimestamp(now)),
    );
    let row: Option<UserRow> = with_backend!(conn, c => diesel::insert_into(users::table)
        .values(values)
        .on_conflict_do_nothing()
        .returning(UserRow::as_returning())
        .get_result(c)
        .optional())?;
    Ok(row.map(User::from))
}

/// The users with these ids, in no particular order.
pub fn by_ids(conn: &mut Conn, ids: &[UserId]) -> QueryResult<Vec<User>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<UserRow> = load_by_keys!(
        conn, users::id, ids, is_key => users::table.filter(is_key).select(UserRow::as_select())
    )?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// The users with these addresses, in no particular order.
pub fn by_emails(conn: &mut Conn, emails: &[Email]) -> QueryResult<Vec<User>> {
    let emails: Vec<&str> = emails.iter().map(Email::as_str).collect();
    let rows: Vec<UserRow> = load_by_keys!(
        conn, users::email, emails, is_key => users::table.filter(is_key).select(UserRow::as_select())
    )?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// The user with this address.
pub fn by_email(conn: &mut Conn, email: &Email) -> QueryResult<Option<User>> {
    Ok(by_email_with_password(conn, email)?.map(|(user, _)| user))
}

/// The user with this address, and the hash of the password if one is set.
pub fn by_email_with_password(conn: &mut Conn, email: &Email) -> QueryResult<Option<(User, Option<String>)>> {
    let row: Option<(UserRow, Option<String>)> = with_backend!(conn, c => users::table
        .filter(users::email.eq(email.as_str()))
        .select((UserRow::as_select(), users::password))
        .first(c)
        .optional())?;
    Ok(row.map(|(user, password)| (user.into(), password)))
}

/// The addresses of users.
pub fn emails_by_id(conn: &mut Conn, mut ids: Vec<UserId>) -> QueryResult<HashMap<UserId, Email>> {
    ids.sort_unstable();
    ids.dedup();
    Ok(by_ids(conn, &ids)?.into_iter().map(|user| (user.id, user.email)).collect())
}

/// A page of the users whose address or name contains each of these words (in lower case), by id.
/// Reads the table until the page is full: all of it, if few users match.
pub fn search(conn: &mut Conn, words: &[String], page: LimitOffset) -> QueryResult<Vec<User>> {
    let patterns: Vec<String> = words.iter().map(|word| format!("%{}%", escape_like(word))).collect();
    macro_rules! matching {
        () => {{
            let mut query = users::table.into_boxed();
            for pattern in &patterns {
                query = query.filter(
                    users::email
                        .like(pattern)
                        .escape('\\')
                        .or(lower(users::first_name).like(pattern).escape('\\'))
                        .or(lower(users::last_name).like(pattern).escape('\\')),
                );
            }
            query
        }};
    }
    let rows: Vec<UserRow> = with_backend!(conn, c => matching!()
        .order(users::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(UserRow::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// All users, by id.
pub fn all(conn: &mut Conn) -> QueryResult<Vec<User>> {
    let rows: Vec<UserRow> =
        with_backend!(conn, c => users::table.order(users::id).select(UserRow::as_select()).load(c))?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// A page of the users that `viewer` may see, by id: all users for staff; for others, themselves
/// and the other parties of their permissions and pending requests.
pub fn visible_to(
    conn: &mut Conn,
    viewer: &User,
    filter: &UserFilter,
    page: LimitOffset,
    now: Timestamp,
) -> QueryResult<Paginated<User>> {
    let visible = if viewer.staff { None } else { Some(related_user_ids(conn, viewer.id, now)?) };
    /// The query, once for the page and once for the count.
    macro_rules! matching {
        () => {{
            let mut query = users::table.into_boxed();
            if let Some(visible) = &visible {
                query = query.filter(users::id.eq_any(visible));
            }
            if let Some(ids) = &filter.ids {
                query = query.filter(users::id.eq_any(ids));
            }
            if let Some(emails) = &filter.emails {
                query = query.filter(users::email.eq_any(emails));
            }
            if filter.email_prefixes.iter().any(|prefix| prefix.len() > Email::MAX_LENGTH) {
                // Longer than any address. SQLite rejects such patterns.
                query = query.filter(users::id.eq_any(Vec::<i64>::new()));
            }
            for prefix in filter.email_prefixes.iter().filter(|prefix| prefix.len() <= Email::MAX_LENGTH) {
                query = query.filter(users::email.like(format!("{}%", escape_like(prefix))).escape('\\'));
            }
            query
        }};
    }
    let total = with_backend!(conn, c => matching!().count().get_result(c))?;
    let rows: Vec<UserRow> = with_backend!(conn, c => matching!()
        .order(users::id)
        .limit(page.limit)
        .offset(page.offset)
        .select(UserRow::as_select())
        .load(c))?;
    Ok(Paginated { rows: rows.into_iter().map(User::from).collect(), total })
}

/// A user and the other parties of their permissions and pending requests. These are four
/// queries with an index each: one query for all of them would read the whole table.
fn related_user_ids(conn: &mut Conn, id: UserId, now: Timestamp) -> QueryResult<Vec<i64>> {
    use bundle_permissions::dsl as permissions;
    use permission_requests::dsl as requests;
    let mut related = vec![id.0];
    macro_rules! add_ids {
        ($query:expr) => {{
            let ids: Vec<i64> = with_backend!(conn, c => $query.load(c))?;
            related.extend(ids);
        }};
    }
    macro_rules! pending {
        () => {
            requests::permission_requests
                .filter(requests::outcome.is_null().and(requests::expires_at.gt(DbTimestamp(now))))
        };
    }
    macro_rules! active {
        () => {{
            let expires_at = permissions::expires_at;
            let is_active = expires_at.is_null().or(expires_at.gt(DbTimestamp(now)));
            permissions::bundle_permissions.filter(is_active.assume_not_null())
        }};
    }
    add_ids!(active!().filter(permissions::user_target.eq(id.0)).select(permissions::user_allowed));
    add_ids!(active!().filter(permissions::user_allowed.eq(id.0)).select(permissions::user_target));
    add_ids!(pending!().filter(requests::user_target.eq(id.0)).select(requests::user_allowed));
    add_ids!(pending!().filter(requests::user_allowed.eq(id.0)).select(requests::user_target));
    related.sort_unstable();
    related.dedup();
    Ok(related)
}

/// Whether two users are the parties of an active permission or a pending request.
pub fn are_linked(conn: &mut Conn, one: UserId, other: UserId, now: Timestamp) -> QueryResult<bool> {
    use permission_requests::dsl as requests;
    /// Reads the rows of one party, by an index, until one is also the other's.
    macro_rules! any {
        ($condition:expr, $target:expr, $grantee:expr) => {
            requests::permission_requests
                .filter($condition)
                .filter(requests::user_target.eq($target.0).and(requests::user_allowed.eq($grantee.0)))
        };
    }
    macro_rules! linked {
        ($target:expr, $grantee:expr) => {{
            let pending = requests::outcome.is_null().and(requests::expires_at.gt(DbTimestamp(now)));
            let end = requests::permission_expires_at;
            let is_active = end.is_null().or(end.gt(DbTimestamp(now)));
            let active = requests::active.and(requests::outcome.is_not_null()).and(is_active.assume_not_null());
            let pending = diesel::dsl::exists(any!(pending, $target, $grantee));
            let active = diesel::dsl::exists(any!(active, $target, $grantee));
            let linked: bool = with_backend!(conn, c => diesel::select(pending.or(active)).get_result(c))?;
            linked
        }};
    }
    Ok(linked!(one, other) || linked!(other, one))
}

/// Changes at least one name. `None`: there is no such user.
pub fn rename(
    conn: &mut Conn,
    id: UserId,
    first_name: Option<&PersonName>,
    last_name: Option<&PersonName>,
) -> QueryResult<Option<User>> {
    let names = NameValues {
        first_name: first_name.map(PersonName::as_str),
        last_name: last_name.map(PersonName::as_str),
    };
    let row: Option<UserRow> = with_backend!(conn, c => diesel::update(users::table.find(id.0))
        .set(names)
        .returning(UserRow::as_returning())
        .get_result(c)
        .optional())?;
    Ok(row.map(User::from))
}

/// Sets the argon2 hash of a user's password. Ends all of the user's sessions and their usable
/// password link. Returns whether the user exists.
pub fn set_password(conn: &mut Conn, id: UserId, hash: &str, context: &AuditContext) -> QueryResult<bool> {
    let rows = with_backend!(conn, c => diesel::update(users::table.find(id.0))
        .set(users::password.eq(hash))
        .execute(c))?;
    if rows == 0 {
        return Ok(false);
    }
    let now = conn.now()?;
    sessions::delete_all(conn, id)?;
    password_links::replace_active(conn, id, now)?;
    audit_log::record(conn, context, AuditAction::UserPasswordSet, format!("user:{id}"), now)?;
    Ok(true)
}

/// Locks a user's row until the end of the transaction if the user is active and the password
/// still has this hash. Returns whether that is so.
pub fn lock_with_password(conn: &mut Conn, id: UserId, hash: &str) -> QueryResult<bool> {
    let matching = users::id.eq(id.0).and(users::active).and(users::password.eq(hash).assume_not_null());
    let locked: QueryResult<Vec<i64>> = for_update!(conn, users::table.filter(matching).select(users::id));
    locked.map(|rows| !rows.is_empty())
}

/// Locks a user's row until the end of the transaction, and returns whether the user is active.
pub fn lock_active(conn: &mut Conn, id: UserId) -> QueryResult<bool> {
    let active = users::id.eq(id.0).and(users::active);
    let locked: QueryResult<Vec<i64>> = for_update!(conn, users::table.filter(active).select(users::id));
    locked.map(|rows| !rows.is_empty())
}

/// Locks the active staff, in the order of their ids.
pub fn lock_active_staff(conn: &mut Conn) -> QueryResult<Vec<UserId>> {
    let staff = users::table.filter(users::staff.and(users::active)).order(users::id).select(users::id);
    let locked: Vec<i64> = for_update!(conn, staff)?;
    Ok(locked.into_iter().map(UserId).collect())
}

/// The hash of a user's password, if they have one.
pub fn password_hash(conn: &mut Conn, id: UserId) -> QueryResult<Option<String>> {
    let hash = users::table.find(id.0).select(users::password);
    let hash: Option<Option<String>> = with_backend!(conn, c => hash.first(c).optional())?;
    Ok(hash.flatten())
}

/// Sets a user's language.
pub fn set_language(conn: &mut Conn, id: UserId, language: Language) -> QueryResult<()> {
    let tag = language.tag();
    let differs = users::language.is_null().or(users::language.ne(tag).assume_not_null());
    with_backend!(conn, c => diesel::update(users::table.find(id.0).filter(differs))
        .set(users::language.eq(tag))
        .execute(c))
    .map(drop)
}

/// Disables or enables a user. Returns whether the user exists. Use cases end the user's
/// credentials in the same transaction.
pub fn set_active(conn: &mut Conn, id: UserId, active: bool) -> QueryResult<bool> {
    with_backend!(conn, c => diesel::update(users::table.find(id.0)).set(users::active.eq(active)).execute(c))
        .map(|rows| rows > 0)
}
