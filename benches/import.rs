//! Imports of a million users and a million requests, or the number in `--tokens`: rows per
//! second, compared with PostgreSQL's COPY of the resulting rows.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::cell::Cell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use harness::bench::{Bench, Comparison, SeriesId, Target};
use harness::cleanup::{ChildProcess, ScratchDirectory};
use harness::cluster::Cluster;
use harness::database::{Backend, Database};
use harness::load::RunResult;

/// The interval for checking whether a child process has exited.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const BUNDLES: usize = 5;
const IMPORTS: [(&str, &str); 2] = [("users", "users"), ("requests", "permission_requests")];

/// The columns to copy: all except those that the database computes.
fn copied_columns(table: &str) -> &'static str {
    match table {
        "users" => "id, email, first_name, last_name, password, active, staff, created_at",
        _ => {
            "id, redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, redeem_page, created_at, \
             expires_at, create_key, closed_at, outcome, decision_key, active"
        }
    }
}

fn main() {
    harness::run("import", |bench| {
        let rows = bench.options.tokens(10_000);
        let files = ImportFiles::write(rows);
        on_postgres(bench, &files);
        on_sqlite(bench, &files);
    });
}

/// The files to import, and later the resulting rows.
struct ImportFiles {
    directory: ScratchDirectory,
    rows: usize,
}

impl ImportFiles {
    /// Users whose addresses are in no order, and requests between any two of them.
    fn write(rows: usize) -> Self {
        let files = Self { directory: ScratchDirectory::new(), rows };
        let (mut users, mut requests) = (files.create("users.csv"), files.create("requests.csv"));
        writeln!(users, "email,first_name,last_name,password_hash").unwrap();
        writeln!(requests, "user_target,user_allowed,bundle,ttl").unwrap();
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        // Steps that are coprime to the number of rows visit all of them.
        let coprime = |near: usize| (near..).find(|step| greatest_common_divisor(*step, rows) == 1).unwrap();
        let (scatter, near, far) = (coprime(7_919), coprime(15_485_863), coprime(104_729));
        let person = |nth: usize| format!("person{:07}@example{}.org", nth * scatter % rows, nth % 50);
        for nth in 0..rows {
            writeln!(users, "{},Grace,Hopper,\"{hash}\"", person(nth)).unwrap();
            // Every user is the target of one request.
            let (target, allowed) = (nth * near % rows, (nth * far + 1) % rows);
            let allowed = if allowed == target { (allowed + 1) % rows } else { allowed };
            let (bundle, ttl) = (1 + nth % BUNDLES, 86_400 + nth % 1_000_000);
            writeln!(requests, "{},{},{bundle},{ttl}", person(target), person(allowed)).unwrap();
        }
        users.flush().unwrap();
        requests.flush().unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn create(&self, name: &str) -> BufWriter<File> {
        BufWriter::new(File::create(self.path(name)).unwrap())
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// An empty database and the files to import.
struct ImportBench<'a> {
    database: &'a Database,
    files: &'a ImportFiles,
    /// Whether the users have the ids that the copied requests refer to.
    has_imported_users: Cell<bool>,
}

impl<'a> ImportBench<'a> {
    fn new(database: &'a Database, files: &'a ImportFiles) -> Self {
        for nth in 1..=BUNDLES {
            database.execute(&format!(
                "INSERT INTO bundles (name, description, permission) VALUES ('Bundle {nth}', '', 2)"
            ));
        }
        Self { database, files, has_imported_users: Cell::new(false) }
    }

    /// Imports a file into prepared tables and returns the duration.
    fn import(&self, kind: &str) -> Duration {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["import", kind]).arg(self.files.path(&format!("{kind}.csv"))).arg("--json");
        command.env_clear().env("DATABASE_URL", &self.database.url).current_dir(self.files.directory.path());
        run_timed(command.stdin(Stdio::null()).stdout(self.files.create("answer").into_inner().unwrap()))
    }

    /// Copies rows in or out with `psql` and returns the duration.
    fn psql_copy(&self, sql: &str, stdin: Stdio, stdout: Stdio) -> Duration {
        let (cluster, name) = self.database.postgres_cluster().unwrap();
        let mut psql = cluster.client_command("psql", name);
        run_timed(
            psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql])
                .stdin(stdin)
                .stdout(stdout),
        )
    }

    /// Saves the rows, to copy them in later.
    fn save_rows(&self, kind: &str, table: &str) {
        let file = File::create(self.files.path(&format!("{kind}.copy"))).unwrap();
        let rows = format!("SELECT {} FROM {table} ORDER BY id", copied_columns(table));
        self.psql_copy(&format!("COPY ({rows}) TO STDOUT"), Stdio::null(), file.into());
    }

    fn copy_in(&self, kind: &str, table: &str) -> Duration {
        let file = File::open(self.files.path(&format!("{kind}.copy"))).unwrap();
        self.psql_copy(
            &format!("COPY {table} ({}) FROM STDIN", copied_columns(table)),
            file.into(),
            Stdio::null(),
        )
    }

    /// Deletes the rows of this kind and all rows that refer to them.
    fn prepare(&self, kind: &str) {
        if kind == "users" {
            self.database.truncate(&["outbox", "user_counters", "permission_requests", "users"]);
            self.has_imported_users.set(false);
        } else {
            self.database.truncate(&["outbox", "user_counters", "permission_requests"]);
            if !self.has_imported_users.get() {
                self.database.truncate(&["users"]);
                match self.database.backend {
                    Backend::Postgres => self.copy_in("users", "users"),
                    Backend::Sqlite => self.import("users"),
                };
                self.has_imported_users.set(true);
            }
        }
        self.database.checkpoint();
    }

    fn run_result(&self, table: &str, elapsed: Duration) -> RunResult {
        let rows = self.files.rows as i64;
        assert_eq!(
            self.database.query_i64(&format!("SELECT count(*) FROM {table}")),
            rows,
            "all rows are imported"
        );
        RunResult { operations: rows.unsigned_abs(), elapsed, latencies: None }
    }

    fn countersign(
        &'a self,
        comparison: &mut Comparison<'a>,
        panel: &str,
        (kind, table): (&'static str, &'static str),
    ) -> SeriesId {
        comparison.add(panel, &format!("countersign import {kind}"), 1, move |_| {
            self.prepare(kind);
            let elapsed = self.import(kind);
            self.run_result(table, elapsed)
        })
    }

    fn copy_baseline(
        &'a self,
        comparison: &mut Comparison<'a>,
        panel: &str,
        (kind, table): (&'static str, &'static str),
    ) -> SeriesId {
        comparison.add(panel, &format!("COPY {table}"), 1, move |_| {
            self.prepare(kind);
            let elapsed = self.copy_in(kind, table);
            self.run_result(table, elapsed)
        })
    }
}

/// Runs a program and returns the duration.
fn run_timed(command: &mut Command) -> Duration {
    let started = Instant::now();
    let process = ChildProcess::start(command);
    while !process.has_ended() {
        std::thread::sleep(POLL_INTERVAL);
    }
    let elapsed = started.elapsed();
    assert!(process.with_child(|child| child.wait().unwrap().success()), "{command:?}");
    elapsed
}

fn on_postgres(bench: &mut Bench, files: &ImportFiles) {
    let cluster = Rc::new(Cluster::start());
    let database = Database::postgres(&cluster);
    let stage = ImportBench::new(&database, files);
    for (kind, table) in IMPORTS {
        stage.import(kind);
        stage.save_rows(kind, table);
    }
    let mut comparison = bench.comparison();
    let panel = "import, PostgreSQL";
    let pairs = IMPORTS.map(|kind| {
        (
            kind.0,
            stage.countersign(&mut comparison, panel, kind),
            stage.copy_baseline(&mut comparison, panel, kind),
        )
    });
    comparison.run(bench, cluster.directory());
    for (kind, ours, theirs) in pairs {
        let what = format!("PostgreSQL, import of {kind} ÷ COPY of the same rows");
        bench.ratio(&what, ours, theirs, Target::AtLeast(0.2, 0.5));
    }
}

fn on_sqlite(bench: &mut Bench, files: &ImportFiles) {
    let database = Database::sqlite();
    let stage = ImportBench::new(&database, files);
    let mut comparison = bench.comparison();
    for kind in IMPORTS {
        stage.countersign(&mut comparison, "import, SQLite", kind);
    }
    comparison.run(bench, database.directory());
}
