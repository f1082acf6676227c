//! Imports of users.

use diesel::prelude::*;

use super::{ImportKind, Imported, Staging, execute};
use crate::domain::audit::AuditAction;
use crate::store::users::NewUser;
use crate::store::{Backend, Conn, QueryResult, Store, StoreError};

table! {
    import_users (row_no) {
        row_no -> BigInt,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        password -> Nullable<Text>,
        active -> Bool,
        staff -> Bool,
    }
}

const USERS: ImportKind = ImportKind {
    tables: &["import_users"],
    postgres_ddl: "CREATE TEMPORARY TABLE import_users (row_no bigint NOT NULL, email text NOT NULL, \
         first_name text NOT NULL, last_name text NOT NULL, password text, active boolean NOT NULL, \
         staff boolean NOT NULL)",
    sqlite_ddl: "CREATE TEMPORARY TABLE import_users (row_no integer PRIMARY KEY, email text NOT NULL, \
         first_name text NOT NULL, last_name text NOT NULL, password text, active boolean NOT NULL, \
         staff boolean NOT NULL)",
    action: AuditAction::UsersImported,
};

/// Skips rows whose address exists. Of two rows with the same address, the first one is inserted.
/// Rows are inserted in the order of the most expensive index, so that each slice writes its
/// pages sequentially.
const INSERT: &str = "INSERT INTO users (email, first_name, last_name, password, active, staff, created_at) \
     SELECT email, first_name, last_name, password, active, staff, $1 FROM import_users \
     WHERE row_no > $2 AND row_no <= $3 ORDER BY email, row_no ON CONFLICT (email) DO NOTHING";

/// A user in a file.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    /// The password hash comes from the file.
    pub user: NewUser,
    pub active: bool,
}

#[derive(Insertable)]
#[diesel(table_name = import_users, treat_none_as_default_value = false)]
struct StagedUser<'a> {
    row_no: i64,
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
    /// Starts an import. Only [`UserImport::insert`] writes to the database.
    pub fn begin(store: &Store) -> Result<Self, StoreError> {
        Staging::begin(store, &USERS).map(Self)
    }

    /// Stages users, in the order of the file.
    pub fn stage(&mut self, users: &[ImportedUser]) -> Result<(), StoreError> {
        self.0.stage(users, |conn, first, _| {
            let rows: Vec<StagedUser<'_>> = (first..)
                .zip(users)
                .map(|(row_no, ImportedUser { user, active })| StagedUser {
                    row_no,
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

    /// Inserts the users. `on_progress` gets the number of processed rows.
    pub fn insert(mut self, on_progress: &dyn Fn(u64)) -> Result<Imported, StoreError> {
        self.0.transaction(|conn, _| super::index_and_analyze(conn, "import_users"))?;
        self.0.insert(on_progress, |_, _| Ok(()), |conn, now, range| execute(conn, INSERT, now, range))
    }
}

fn write(conn: &mut Conn, rows: &[StagedUser<'_>]) -> QueryResult<()> {
    match &mut conn.backend {
        Backend::Postgres(pg) => {
            diesel::copy_from(import_users::table).from_insertable(rows).execute(&mut **pg).map(drop)
        }
        // One row at a time: the statement is prepared once, and SQLite runs in this process.
        Backend::Sqlite(sqlite) => sqlite.transaction(|c| {
            rows.iter()
                .try_for_each(|row| diesel::insert_into(import_users::table).values(row).execute(c).map(drop))
        }),
    }
}
