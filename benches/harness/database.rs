//! A database with countersign's tables, and plain SQL on it.

use std::cell::{RefCell, RefMut};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign::store::{Clock, Store};
use postgres::Client;
use uuid::Uuid;

use super::cleanup::ScratchDirectory;
use super::cluster::Cluster;
use super::cpu_time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A database in the cluster of the bench.
    Postgres,
    /// A file.
    Sqlite,
}

impl Backend {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// A value in a row.
#[derive(Clone, Debug)]
pub enum Value {
    Int(i64),
    Bool(bool),
    Text(String),
    /// `uuid`, or sixteen bytes on SQLite.
    Id(Uuid),
    Bytes(Vec<u8>),
    /// Microseconds since the Unix epoch.
    Time(i64),
    Null,
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Appends the value in the format of COPY. No text of the benches needs escaping.
    fn write_copy_text(&self, out: &mut String) {
        use std::fmt::Write;
        let written = match self {
            Self::Int(number) => write!(out, "{number}"),
            Self::Bool(yes) => write!(out, "{yes}"),
            Self::Text(text) => {
                assert!(!text.contains(['\\', '\t', '\n', '\r']), "{text:?}");
                write!(out, "{text}")
            }
            Self::Id(id) => write!(out, "{id}"),
            Self::Bytes(bytes) => {
                out.push_str("\\\\x");
                bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
            }
            Self::Time(micros) => {
                let time = chrono::DateTime::from_timestamp_micros(*micros).unwrap();
                write!(out, "{}", time.format("%Y-%m-%d %H:%M:%S%.6f+00"))
            }
            Self::Null => write!(out, "\\N"),
        };
        written.unwrap();
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(number) | Self::Time(number) => (*number).into(),
            Self::Bool(yes) => (*yes).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Id(id) => id.as_bytes().as_slice().into(),
            Self::Bytes(bytes) => bytes.as_slice().into(),
            Self::Null => rusqlite::types::Null.into(),
        })
    }
}

/// A database with countersign's tables.
pub struct Database {
    pub backend: Backend,
    /// The URL for countersign.
    pub url: String,
    connection: Connection,
}

enum Connection {
    Postgres { cluster: Rc<Cluster>, name: String, client: Box<RefCell<Client>> },
    Sqlite { _directory: ScratchDirectory, path: PathBuf, connection: RefCell<rusqlite::Connection> },
}

impl Database {
    /// Creates a database in this cluster.
    pub fn postgres(cluster: &Rc<Cluster>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.connect("postgres").batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let url = cluster.url(&name);
        migrate(&url);
        let client = Box::new(RefCell::new(cluster.connect(&name)));
        Self {
            backend: Backend::Postgres,
            url,
            connection: Connection::Postgres { cluster: Rc::clone(cluster), name, client },
        }
    }

    /// Creates a file.
    pub fn sqlite() -> Self {
        let directory = ScratchDirectory::new();
        let path = directory.path().join("countersign.db");
        let url = format!("sqlite://{}", path.display());
        migrate(&url);
        let connection = RefCell::new(open_sqlite(&path));
        Self {
            backend: Backend::Sqlite,
            url,
            connection: Connection::Sqlite { _directory: directory, path, connection },
        }
    }

    /// Executes statements.
    pub fn execute(&self, sql: &str) {
        match &self.connection {
            Connection::Postgres { client, .. } => client.borrow_mut().batch_execute(sql).unwrap(),
            Connection::Sqlite { connection, .. } => connection.borrow().execute_batch(sql).unwrap(),
        }
    }

    /// The result of a query with one number.
    pub fn query_i64(&self, sql: &str) -> i64 {
        match &self.connection {
            Connection::Postgres { client, .. } => client.borrow_mut().query_one(sql, &[]).unwrap().get(0),
            Connection::Sqlite { connection, .. } => {
                connection.borrow().query_row(sql, [], |row| row.get(0)).unwrap()
            }
        }
    }

    /// Inserts rows in bulk.
    pub fn insert<const N: usize>(
        &self,
        table: &str,
        columns: [&str; N],
        rows: impl IntoIterator<Item = [Value; N]>,
    ) {
        let names = columns.join(", ");
        match &self.connection {
            Connection::Postgres { client, .. } => {
                use std::io::Write;
                let mut client = client.borrow_mut();
                // Referenced rows exist: checking every foreign key would take most of the time.
                // Triggers of the schema still run.
                let unchecked = format!("ALTER TABLE {table} DISABLE TRIGGER ALL, ENABLE TRIGGER USER");
                client.batch_execute(&unchecked).unwrap();
                let mut copy = client.copy_in(&format!("COPY {table} ({names}) FROM STDIN")).unwrap();
                let mut lines = String::new();
                for row in rows {
                    for (nth, value) in row.iter().enumerate() {
                        if nth > 0 {
                            lines.push('\t');
                        }
                        value.write_copy_text(&mut lines);
                    }
                    lines.push('\n');
                    if lines.len() > 1 << 16 {
                        copy.write_all(lines.as_bytes()).unwrap();
                        lines.clear();
                    }
                }
                copy.write_all(lines.as_bytes()).unwrap();
                copy.finish().unwrap();
                client.batch_execute(&format!("ALTER TABLE {table} ENABLE TRIGGER ALL")).unwrap();
                drop(client);
                if columns.contains(&"id") {
                    self.advance_sequence(table);
                }
            }
            Connection::Sqlite { connection, .. } => {
                let connection = connection.borrow();
                let marks = vec!["?"; N].join(", ");
                connection.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE").unwrap();
                let mut insert =
                    connection.prepare(&format!("INSERT INTO {table} ({names}) VALUES ({marks})")).unwrap();
                for row in rows {
                    insert.execute(rusqlite::params_from_iter(row)).unwrap();
                }
                connection.execute_batch("COMMIT; PRAGMA foreign_keys = ON").unwrap();
            }
        }
    }

    /// Sets the sequence of a table to follow the inserted ids, if it has one. SQLite does this
    /// itself.
    fn advance_sequence(&self, table: &str) {
        let sequence = format!("pg_get_serial_sequence('{table}', 'id')");
        if self.query_i64(&format!("SELECT count({sequence})")) > 0 {
            self.query_i64(&format!("SELECT setval({sequence}, (SELECT max(id) FROM {table}))"));
        }
    }

    /// Deletes all rows of the tables and of those that refer to them or count them.
    pub fn truncate(&self, tables: &[&str]) {
        match &self.connection {
            Connection::Postgres { .. } => {
                self.execute(&format!("TRUNCATE {} CASCADE", tables.join(", ")));
            }
            Connection::Sqlite { .. } => {
                let deletes: Vec<String> =
                    tables.iter().map(|table| format!("DELETE FROM {table};")).collect();
                let deletes = format!("BEGIN IMMEDIATE; {} COMMIT", deletes.concat());
                self.execute(&format!("PRAGMA foreign_keys = OFF; {deletes}; PRAGMA foreign_keys = ON"));
            }
        }
    }

    /// Writes pending data to disk, so that it does not slow down the next measurement.
    pub fn checkpoint(&self) {
        match self.backend {
            // Separately, because VACUUM cannot run in a transaction.
            Backend::Postgres => {
                ["VACUUM (ANALYZE)", "CHECKPOINT"].map(|sql| self.execute(sql)).into_iter().collect()
            }
            // The log keeps its length, as in a server that has run for a while: one that grows takes longer.
            Backend::Sqlite => self.execute("PRAGMA wal_checkpoint(RESTART)"),
        }
    }

    /// The cluster and the name of the database. `None` for SQLite.
    pub fn postgres_cluster(&self) -> Option<(&Cluster, &str)> {
        match &self.connection {
            Connection::Postgres { cluster, name, .. } => Some((cluster, name)),
            Connection::Sqlite { .. } => None,
        }
    }

    /// The PostgreSQL connection for raw SQL.
    pub fn raw_postgres(&self) -> RefMut<'_, Client> {
        match &self.connection {
            Connection::Postgres { client, .. } => client.borrow_mut(),
            Connection::Sqlite { .. } => panic!("not PostgreSQL"),
        }
    }

    /// The SQLite connection for raw SQL.
    pub fn raw_sqlite(&self) -> RefMut<'_, rusqlite::Connection> {
        match &self.connection {
            Connection::Sqlite { connection, .. } => connection.borrow_mut(),
            Connection::Postgres { .. } => panic!("not SQLite"),
        }
    }

    /// The CPU time of PostgreSQL so far, also for other databases of the cluster. Zero for SQLite, which runs in the
    /// server.
    pub fn cpu_time(&self) -> Duration {
        match &self.connection {
            Connection::Postgres { cluster, .. } => cluster.process_ids().map(cpu_time::of_process).sum(),
            Connection::Sqlite { .. } => Duration::ZERO,
        }
    }

    /// The directory of its files.
    pub fn directory(&self) -> &std::path::Path {
        match &self.connection {
            Connection::Postgres { cluster, .. } => cluster.directory(),
            Connection::Sqlite { path, .. } => path.parent().unwrap(),
        }
    }

    /// The size of its files in bytes.
    pub fn size_bytes(&self) -> u64 {
        match &self.connection {
            Connection::Postgres { name, .. } => {
                self.query_i64(&format!("SELECT pg_database_size('{name}')")).unsigned_abs()
            }
            Connection::Sqlite { path, .. } => std::fs::metadata(path).unwrap().len(),
        }
    }
}

fn migrate(url: &str) {
    let store = Store::connect(&url.parse().unwrap(), 1, Clock::Database).unwrap();
    store.migrate().unwrap();
}

/// Opens the file with the durability settings of the server.
fn open_sqlite(path: &std::path::Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    let session = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                   PRAGMA foreign_keys = ON";
    connection.execute_batch(session).unwrap();
    connection
}
