//! Users, many at once.

use diesel::prelude::*;

use super::{Imported, Kind, Staging, execute};
use crate::domain::event::Action;
use crate::store::users::NewUser;
use crate::store::{Conn, Link, QueryResult, Store, StoreError};

table! {
    import_users (place) {
        place -> BigInt,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        password -> Nullable<Text>,
        active -> Bool,
        staff -> Bool,
    }
}

const USERS: Kind = Kind {
    tables: &["import_users"],
    postgres: "CREATE TEMPORARY TABLE import_users (place bigint NOT NULL, email text NOT NULL, \
         first_name text NOT NULL, last_name text NOT NULL, password text, active boolean NOT NULL, \
         staff boolean NOT NULL)",
    sqlite: "CREATE TEMPORARY TABLE import_users (place integer PRIMARY KEY, email text NOT NULL, \
         first_name text NOT NULL, last_name text NOT NULL, password text, active boolean NOT NULL, \
         staff boolean NOT NULL)",
    action: Action::UsersImported,
};

/// Whom the address names already is passed over, and the first of two stays.
/// In the order of the index that costs the most, which so is gone through once
/// a slice instead of being jumped about in.
const INSERT: &str = "INSERT INTO users (email, first_name, last_name, password, active, staff, created_at) \
     SELECT email, first_name, last_name, password, active, staff, $1 FROM import_users \
     WHERE place > $2 AND place <= $3 ORDER BY email, place ON CONFLICT (email) DO NOTHING";

/// A user of the file.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    /// The user; the hash is one that was made elsewhere.
    pub user: NewUser,
    /// Whether they may do anything at all.
    pub active: bool,
}

#[derive(Insertable)]
#[diesel(table_name = import_users, treat_none_as_default_value = false)]
struct StagedUser<'a> {
    place: i64,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    password: Option<&'a str>,
    active: bool,
    staff: bool,
}

/// An import of users.
pub struct UserImport(Staging);

impl UserImport {
    /// Begins one; nothing is written before [`UserImport::insert`].
    pub fn begin(store: &Store) -> Result<Self, StoreError> {
        Staging::open(store, &USERS).map(Self)
    }

    /// Takes users, in the order of the file.
    pub fn stage(&mut self, users: &[ImportedUser]) -> Result<(), StoreError> {
        self.0.stage(users, |conn, first, _| {
            let rows: Vec<StagedUser<'_>> = (first..)
                .zip(users)
                .map(|(place, ImportedUser { user, active })| StagedUser {
                    place,
                    email: user.email.as_str(),
                    first_name: user.first_name.as_str(),
                    last_name: user.last_name.as_str(),
                    password: user.password.as_deref(),
                    active: *active,
                    staff: user.staff,
                })
                .collect();
            write(conn, &rows)
        })
    }

    /// Adds them all; `tell` hears how many are through.
    pub fn insert(mut self, tell: &dyn Fn(u64)) -> Result<Imported, StoreError> {
        self.0.transaction(|conn, _| super::index(conn, "import_users"))?;
        self.0.insert(tell, |_, _| Ok(()), |conn, now, places| execute(conn, INSERT, now, places))
    }
}

fn write(conn: &mut Conn, rows: &[StagedUser<'_>]) -> QueryResult<()> {
    match &mut conn.link {
        Link::Postgres(pg) => {
            diesel::copy_from(import_users::table).from_insertable(rows).execute(&mut **pg).map(drop)
        }
        // One by one: the statement is prepared once, and nothing is sent anywhere.
        Link::Sqlite(sqlite) => sqlite.transaction(|c| {
            rows.iter()
                .try_for_each(|row| diesel::insert_into(import_users::table).values(row).execute(c).map(drop))
        }),
    }
}
