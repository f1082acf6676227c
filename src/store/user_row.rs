//! The row of a user, which other tables join and lock.

use diesel::prelude::*;

use super::schema::users;
use super::{Conn, for_update};
use crate::domain::user::{Email, PersonName, User, UserId};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct UserRow {
    id: i64,
    email: String,
    first_name: String,
    last_name: String,
    active: bool,
    staff: bool,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId(row.id),
            email: Email::from_db(row.email),
            first_name: PersonName::from_db(row.first_name),
            last_name: PersonName::from_db(row.last_name),
            active: row.active,
            staff: row.staff,
        }
    }
}

/// Locks a user's row until the end of the transaction. A transaction that changes something
/// that depends on the user's password takes this lock first.
pub(super) fn lock(conn: &mut Conn, id: UserId) -> QueryResult<()> {
    let locked: QueryResult<Vec<i64>> =
        for_update!(conn, users::table.filter(users::id.eq(id.0)).select(users::id));
    locked.map(drop)
}
