//! Imports of a million users and a million requests, or as many as `--tokens`
//! says: rows a second, against PostgreSQL's own COPY of the rows that come of it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has failed"
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

use harness::bench::{Bench, Contestant, Race, Target};
use harness::cluster::Cluster;
use harness::database::{Backend, Database};
use harness::leftovers::{Directory, Process};
use harness::load::Lap;

/// How often to look whether a child has ended.
const LOOK: Duration = Duration::from_millis(5);
const BUNDLES: usize = 5;
const KINDS: [(&str, &str); 2] = [("users", "users"), ("requests", "permission_requests")];

/// What of a table is copied: all but what the database makes of the rest.
fn columns(table: &str) -> &'static str {
    match table {
        "users" => "id, email, first_name, last_name, password, active, staff, created_at",
        _ => {
            "id, redeem_id, user_target, user_allowed, bundle_id, asked_by, redeem_page, created_at, \
             expires_at, create_once, closed_at, outcome, redeem_once, stands"
        }
    }
}

fn main() {
    harness::run("import", |bench| {
        let rows = if bench.options.quick { 10_000 } else { bench.options.tokens };
        let files = Files::write(rows);
        on_postgres(bench, &files);
        on_sqlite(bench, &files);
    });
}

/// What is imported, and in the end the rows that came of it.
struct Files {
    directory: Directory,
    rows: usize,
}

impl Files {
    /// People whose addresses come in no order, and requests between any two.
    fn write(rows: usize) -> Self {
        let files = Self { directory: Directory::new(), rows };
        let (mut users, mut requests) = (files.create("users.csv"), files.create("requests.csv"));
        writeln!(users, "email,first_name,last_name,password_hash").unwrap();
        writeln!(requests, "user_target,user_allowed,bundle,ttl").unwrap();
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        // Steps that have no divisor with the number of rows go through all of them.
        let coprime = |near: usize| (near..).find(|step| greatest_common_divisor(*step, rows) == 1).unwrap();
        let (scatter, near, far) = (coprime(7_919), coprime(15_485_863), coprime(104_729));
        let person = |nth: usize| format!("person{:07}@example{}.org", nth * scatter % rows, nth % 50);
        for nth in 0..rows {
            writeln!(users, "{},Grace,Hopper,\"{hash}\"", person(nth)).unwrap();
            // Everybody is asked once, by somebody else.
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

/// A database without anybody in it, and what is to be imported.
struct Stage<'a> {
    database: &'a Database,
    files: &'a Files,
    /// Whether the users are those whose numbers the copied requests have.
    peopled: Cell<bool>,
}

impl<'a> Stage<'a> {
    fn new(database: &'a Database, files: &'a Files) -> Self {
        for nth in 1..=BUNDLES {
            database.execute(&format!(
                "INSERT INTO bundles (name, description, permission) VALUES ('Bundle {nth}', '', 2)"
            ));
        }
        Self { database, files, peopled: Cell::new(false) }
    }

    /// Imports a file into tables that are ready for it; for how long that takes.
    fn import(&self, kind: &str) -> Duration {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["import", kind]).arg(self.files.path(&format!("{kind}.csv"))).arg("--json");
        command.env_clear().env("DATABASE_URL", &self.database.url).current_dir(self.files.directory.path());
        timed(command.stdin(Stdio::null()).stdout(self.files.create("answer").into_inner().unwrap()))
    }

    /// Has `psql` copy rows in or out; for how long that takes.
    fn copy(&self, sql: &str, stdin: Stdio, stdout: Stdio) -> Duration {
        let (cluster, name) = self.database.in_cluster().unwrap();
        let mut psql = cluster.client("psql", name);
        timed(
            psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql])
                .stdin(stdin)
                .stdout(stdout),
        )
    }

    /// Keeps the rows that are there for being copied in.
    fn keep(&self, kind: &str, table: &str) {
        let file = File::create(self.files.path(&format!("{kind}.copy"))).unwrap();
        let rows = format!("SELECT {} FROM {table} ORDER BY id", columns(table));
        self.copy(&format!("COPY ({rows}) TO STDOUT"), Stdio::null(), file.into());
    }

    fn copy_in(&self, kind: &str, table: &str) -> Duration {
        let file = File::open(self.files.path(&format!("{kind}.copy"))).unwrap();
        self.copy(&format!("COPY {table} ({}) FROM STDIN", columns(table)), file.into(), Stdio::null())
    }

    /// Nothing is there of this kind, nor of what refers to it.
    fn prepare(&self, kind: &str) {
        if kind == "users" {
            self.database.empty(&["outbox", "tallies", "permission_requests", "users"]);
            self.peopled.set(false);
        } else {
            self.database.empty(&["outbox", "tallies", "permission_requests"]);
            if !self.peopled.get() {
                self.database.empty(&["users"]);
                match self.database.backend {
                    Backend::Postgres => self.copy_in("users", "users"),
                    Backend::Sqlite => self.import("users"),
                };
                self.peopled.set(true);
            }
        }
        self.database.settle();
    }

    fn lap(&self, table: &str, elapsed: Duration) -> Lap {
        let rows = self.files.rows as i64;
        assert_eq!(self.database.number(&format!("SELECT count(*) FROM {table}")), rows, "all are there");
        Lap { operations: rows.unsigned_abs(), elapsed, latencies: None }
    }

    fn ours(
        &'a self,
        race: &mut Race<'a>,
        panel: &str,
        (kind, table): (&'static str, &'static str),
    ) -> Contestant {
        race.enter(panel, &format!("countersign import {kind}"), 1, move |_| {
            self.prepare(kind);
            let elapsed = self.import(kind);
            self.lap(table, elapsed)
        })
    }

    fn theirs(
        &'a self,
        race: &mut Race<'a>,
        panel: &str,
        (kind, table): (&'static str, &'static str),
    ) -> Contestant {
        race.enter(panel, &format!("COPY {table}"), 1, move |_| {
            self.prepare(kind);
            let elapsed = self.copy_in(kind, table);
            self.lap(table, elapsed)
        })
    }
}

/// Runs a program to its end; for how long it ran.
fn timed(command: &mut Command) -> Duration {
    let started = Instant::now();
    let process = Process::start(command);
    while !process.has_ended() {
        std::thread::sleep(LOOK);
    }
    let elapsed = started.elapsed();
    assert!(process.with(|child| child.wait().unwrap().success()), "{command:?}");
    elapsed
}

fn on_postgres(bench: &mut Bench, files: &Files) {
    let cluster = Rc::new(Cluster::start());
    let database = Database::postgres(&cluster);
    let stage = Stage::new(&database, files);
    for (kind, table) in KINDS {
        stage.import(kind);
        stage.keep(kind, table);
    }
    let mut race = bench.race();
    let panel = "import, PostgreSQL";
    let pairs =
        KINDS.map(|kind| (kind.0, stage.ours(&mut race, panel, kind), stage.theirs(&mut race, panel, kind)));
    race.run(bench, cluster.directory());
    for (kind, ours, theirs) in pairs {
        let what = format!("PostgreSQL, import of {kind} ÷ COPY of the same rows");
        bench.ratio(&what, ours, theirs, Target::AtLeast(0.2, 0.5));
    }
}

fn on_sqlite(bench: &mut Bench, files: &Files) {
    let database = Database::sqlite();
    let stage = Stage::new(&database, files);
    let mut race = bench.race();
    for kind in KINDS {
        stage.ours(&mut race, "import, SQLite", kind);
    }
    race.run(bench, database.directory());
}
