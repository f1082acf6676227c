//! Imports of users.

use std::cell::Cell;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::{ImportKind, Imported, Staging, execute};
use crate::domain::audit::AuditAction;
use crate::domain::password_link::LinkReason;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{PersonName, UserId};
use crate::entropy;
use crate::store::connection::{Backend, Conn, Store, with_backend};
use crate::store::error::StoreError;
use crate::store::types::{DbTimestamp, DbUuid, SqlTimestamp};
use crate::store::users::NewUser;
use diesel::QueryResult;

table! {
    import_users (row_no) {
        row_no -> BigInt,
        line -> BigInt,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        password -> Nullable<Text>,
        active -> Nullable<Bool>,
        staff -> Bool,
        link_id -> Nullable<crate::store::types::SqlUuid>,
        mail_id -> Nullable<crate::store::types::SqlUuid>,
    }
}

const USERS: ImportKind = ImportKind {
    tables: &["import_users"],
    postgres_ddl: "CREATE TEMPORARY TABLE import_users (row_no bigint NOT NULL, line bigint NOT NULL, \
         email text NOT NULL, first_name text NOT NULL, last_name text NOT NULL, password text, \
         active boolean, staff boolean NOT NULL, link_id uuid, mail_id uuid)",
    sqlite_ddl: "CREATE TEMPORARY TABLE import_users (row_no integer PRIMARY KEY, line bigint NOT NULL, \
         email text NOT NULL, first_name text NOT NULL, last_name text NOT NULL, password text, \
         active boolean, staff boolean NOT NULL, link_id blob, mail_id blob)",
    action: AuditAction::UsersImported,
};

const INDEX_EMAILS_POSTGRES: &str = "CREATE INDEX ON import_users (email, row_no)";
const INDEX_EMAILS_SQLITE: &str = "CREATE INDEX temp.import_users_email ON import_users (email, row_no)";
/// Of two rows with the same address, the first one counts.
const DELETE_REPEATED: &str = "DELETE FROM import_users WHERE EXISTS (SELECT 1 FROM import_users AS earlier \
     WHERE earlier.email = import_users.email AND earlier.row_no < import_users.row_no)";
/// Skips rows whose address exists. Of two rows with the same address, the first one is inserted.
/// Rows are inserted in the order of the most expensive index, so that each slice writes its
/// pages sequentially.
const INSERT: &str = "INSERT INTO users (email, first_name, last_name, password, active, staff, created_at) \
     SELECT email, first_name, last_name, password, COALESCE(active, true), staff, $1 FROM import_users \
     WHERE row_no > $2 AND row_no <= $3 ORDER BY email, row_no ON CONFLICT (email) DO NOTHING";
/// The password links of the inserted rows. SQLite numbers the parameters as they come.
const INSERT_LINKS: &str = "INSERT INTO password_links (id, user_id, initial, created_at, expires_at) \
     SELECT s.link_id, u.id, true, $1, $2 FROM import_users s JOIN users u ON u.email = s.email \
     WHERE s.row_no > $3 AND s.row_no <= $4 AND s.link_id IS NOT NULL \
     AND u.created_at = $1 AND u.active AND u.password IS NULL";
/// The mails with these links.
const INSERT_MAILS: &str = "INSERT INTO outbox (id, kind, password_link_id, created_at, due_at, attempts) \
     SELECT s.mail_id, 'mail', l.id, $1, $1, 0 FROM import_users s JOIN password_links l ON l.id = s.link_id \
     WHERE s.row_no > $2 AND s.row_no <= $3";
/// The existing users who differ from their rows. An empty field is no difference.
const CHANGES: &str = "SELECT s.line, u.id, \
     CASE WHEN s.first_name <> '' AND s.first_name <> u.first_name THEN s.first_name END AS first_name, \
     CASE WHEN s.last_name <> '' AND s.last_name <> u.last_name THEN s.last_name END AS last_name, \
     CASE WHEN s.active <> u.active THEN s.active END AS active \
     FROM import_users s JOIN users u ON u.email = s.email \
     WHERE (s.first_name <> '' AND s.first_name <> u.first_name) \
     OR (s.last_name <> '' AND s.last_name <> u.last_name) OR s.active <> u.active ORDER BY u.id";

/// A user in a file.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    pub line: u64,
    /// The password hash comes from the file.
    pub user: NewUser,
    /// `None`: a new user is active, and an existing one stays as they are.
    pub active: Option<bool>,
}

/// How an existing user differs from their row. `None` stays as it is.
#[derive(Clone, Debug)]
pub struct UserChange {
    pub id: UserId,
    pub first_name: Option<PersonName>,
    pub last_name: Option<PersonName>,
    pub active: Option<bool>,
}

/// A line whose change was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedChange<E> {
    pub line: u64,
    pub error: E,
}

/// The result of an import of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportedUsers {
    pub rows: Imported,
    /// Mails with password links.
    pub mails: u64,
    /// Existing users who were changed, also counted as skipped.
    pub updated: u64,
    /// Of these, those who were disabled.
    pub disabled: u64,
}

#[derive(Insertable)]
#[diesel(table_name = import_users, treat_none_as_default_value = false)]
struct StagedUser<'a> {
    row_no: i64,
    line: i64,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    password: Option<&'a str>,
    active: Option<bool>,
    staff: bool,
    link_id: Option<DbUuid>,
    mail_id: Option<DbUuid>,
}

#[derive(QueryableByName)]
struct ChangeRow {
    #[diesel(sql_type = BigInt)]
    line: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    first_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    last_name: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    active: Option<bool>,
}

/// An import of users.
pub struct UserImport {
    staging: Staging,
    mail: bool,
}

impl UserImport {
    /// Starts an import, with or without a mail for each new active user without a password.
    /// Only [`UserImport::insert`] writes to the database.
    pub fn begin(store: &Store, mail: bool) -> Result<Self, StoreError> {
        Ok(Self { staging: Staging::begin(store, &USERS)?, mail })
    }

    /// Stages users, in the order of the file.
    pub fn stage(&mut self, users: &[ImportedUser]) -> Result<(), StoreError> {
        let mail = self.mail;
        self.staging.stage(users, |conn, first, now| {
            let rows: Vec<StagedUser<'_>> = (first..)
                .zip(users)
                .map(|(row_no, ImportedUser { line, user, active })| {
                    let is_mailed = mail && user.password.is_none() && *active != Some(false);
                    // A microsecond each, so that the ids come in their order.
                    let at = Timestamp::from_micros(now.micros().saturating_add(row_no));
                    let id = || is_mailed.then(|| DbUuid(entropy::token().uuid(at)));
                    StagedUser {
                        row_no,
                        line: i64::try_from(*line).unwrap_or(i64::MAX),
                        email: user.email.as_str(),
                        first_name: user.first_name.as_str(),
                        last_name: user.last_name.as_str(),
                        password: user.password.as_deref(),
                        active: *active,
                        staff: user.staff,
                        link_id: id(),
                        mail_id: id(),
                    }
                })
                .collect();
            write(conn, &rows)
        })
    }

    /// Inserts the users. `on_progress` gets the number of processed rows. `update` changes an
    /// existing user; if it refuses any of them, nothing is changed, and the inner error lists
    /// their lines.
    pub fn insert<E>(
        mut self,
        on_progress: &dyn Fn(u64),
        update: Option<impl Fn(&mut Conn, UserChange) -> QueryResult<Result<(), E>>>,
    ) -> Result<Result<ImportedUsers, Vec<RefusedChange<E>>>, StoreError> {
        let mail = self.mail;
        let drop_repeated = mail || update.is_some();
        self.staging.transaction(|conn, _| {
            if drop_repeated {
                delete_repeated(conn)?;
            }
            super::index_and_analyze(conn, "import_users")
        })?;
        let mails = Cell::new(0);
        let insert_slice = |conn: &mut Conn, now: Timestamp, range: (i64, i64)| {
            let added = execute(conn, INSERT, now, range)?;
            if mail {
                insert_links(conn, now, range)?;
                mails.set(mails.get() + execute(conn, INSERT_MAILS, now, range)? as u64);
            }
            Ok(added)
        };
        let (mut counts, mut refused) = (ImportedUsers::default(), Vec::new());
        let inserted = self.staging.insert(
            on_progress,
            |_, _| Ok(()),
            insert_slice,
            |conn| {
                let Some(update) = &update else { return Ok(()) };
                for (line, change) in changes(conn)? {
                    counts.updated += 1;
                    counts.disabled += u64::from(change.active == Some(false));
                    if let Err(error) = update(conn, change)? {
                        refused.push(RefusedChange { line, error });
                    }
                }
                if refused.is_empty() { Ok(()) } else { Err(diesel::result::Error::RollbackTransaction) }
            },
        );
        if !refused.is_empty() {
            refused.sort_by_key(|refused| refused.line);
            return Ok(Err(refused));
        }
        Ok(Ok(ImportedUsers { rows: inserted?, mails: mails.get(), ..counts }))
    }
}

fn delete_repeated(conn: &mut Conn) -> QueryResult<()> {
    match &mut conn.backend {
        Backend::Postgres(pg) => pg.batch_execute(INDEX_EMAILS_POSTGRES)?,
        Backend::Sqlite(sqlite) => sqlite.batch_execute(INDEX_EMAILS_SQLITE)?,
    }
    super::analyze(conn, "import_users")?;
    with_backend!(conn, c => diesel::sql_query(DELETE_REPEATED).execute(c)).map(drop)
}

fn insert_links(conn: &mut Conn, now: Timestamp, range: (i64, i64)) -> QueryResult<()> {
    let expires_at = now.plus_seconds(LinkReason::NewAccount.lifetime_seconds());
    with_backend!(conn, c => diesel::sql_query(INSERT_LINKS)
        .bind::<SqlTimestamp, _>(DbTimestamp(now))
        .bind::<SqlTimestamp, _>(DbTimestamp(expires_at))
        .bind::<BigInt, _>(range.0)
        .bind::<BigInt, _>(range.1)
        .execute(c))
    .map(drop)
}

/// The changes of existing users, with their lines: first those who are enabled or renamed, so
/// that an administrator can be disabled whose successor is enabled by the same file. Locks the
/// users in the order of their ids.
fn changes(conn: &mut Conn) -> QueryResult<Vec<(u64, UserChange)>> {
    let rows: Vec<ChangeRow> = match &mut conn.backend {
        Backend::Postgres(pg) => {
            diesel::sql_query(format!("{CHANGES} FOR NO KEY UPDATE OF u")).load(&mut **pg)?
        }
        Backend::Sqlite(sqlite) => diesel::sql_query(CHANGES).load(&mut **sqlite)?,
    };
    let mut changes: Vec<(u64, UserChange)> = rows
        .into_iter()
        .map(|row| {
            let change = UserChange {
                id: UserId(row.id),
                first_name: row.first_name.map(PersonName::from_db),
                last_name: row.last_name.map(PersonName::from_db),
                active: row.active,
            };
            (row.line.unsigned_abs(), change)
        })
        .collect();
    changes.sort_by_key(|(_, change)| change.active == Some(false));
    Ok(changes)
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
