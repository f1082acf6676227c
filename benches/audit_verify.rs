//! The verification of an audit log with a million sealed entries, or the number in `--tokens`: entries per second,
//! compared with one query that reads the same rows in the same order.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use countersign::store::{Clock, Store, seals};

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::{Backend, Database, Value};
use harness::fixtures::{keyring, now, uuid_at};
use harness::load::RunResult;
use harness::server::SECRET;

/// Reads every column, in the order of the seals.
const READ_ALL: &str = "SELECT sum(length(subject) + length(ip) + length(user_agent) + length(salt) + length(action)) \
     FROM (SELECT * FROM audit_log ORDER BY position, id) AS entries";

fn main() {
    harness::run("audit_verify", |bench| {
        let entries = bench.options.tokens(20_000);
        let cluster = Rc::new(Cluster::start());
        verification(bench, &Database::postgres(&cluster), entries);
        verification(bench, &Database::sqlite(), entries);
    });
}

fn verification(bench: &mut Bench, database: &Database, entries: usize) {
    let store = Store::connect(&database.url.parse().unwrap(), 4, Clock::Database).unwrap();
    insert_entries(database, entries);
    let started = Instant::now();
    while database.query_i64("SELECT CAST(coalesce(sum(entries), 0) AS bigint) FROM seals") < entries as i64 {
        seals::seal_all(&store, &keyring()).unwrap();
    }
    let name = database.backend.name();
    let sealed_per_second = entries as f64 / started.elapsed().as_secs_f64();
    bench.metric(&format!("{name}, sealing of a backlog"), &[sealed_per_second], "/s", Target::Unbounded);
    let panel = format!("audit verify, {name}");
    let mut comparison = bench.comparison();
    let result = |elapsed: Duration| RunResult { operations: entries as u64, elapsed, latencies: None };
    let ours = comparison.add(&panel, "countersign audit verify", 1, |_| result(verify(database)));
    let theirs = comparison.add(&panel, "one query that reads all entries", 1, |_| {
        let started = Instant::now();
        assert!(database.query_i64(READ_ALL) > 0);
        result(started.elapsed())
    });
    comparison.run(bench, database.directory());
    bench.ratio(&format!("{name}, verifying ÷ reading"), ours, theirs, Target::Unbounded);
}

/// Entries of redemptions, each in a transaction of its own.
fn insert_entries(database: &Database, entries: usize) {
    if database.backend == Backend::Postgres {
        // The positions below are lower than those of transactions from now on.
        database.execute(
            "CREATE OR REPLACE FUNCTION audit_position(xid8) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql \
             AS 'SELECT $1::text::bigint + 1000000000000'",
        );
    }
    let started_at = now();
    let rows = (0..entries as i64).map(|nth| {
        let at = started_at + nth * 100;
        [
            Value::Int(nth + 1),
            Value::Id(uuid_at(at)),
            Value::Time(at),
            Value::Int(nth % 1_000),
            Value::text("request.approved"),
            Value::text(format!("request:{nth}")),
            Value::text(format!("192.0.2.{}", nth % 250)),
            Value::text("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            Value::Int(nth % 999),
            Value::Bytes(uuid_at(at).as_bytes().to_vec()),
        ]
    });
    let columns =
        ["position", "id", "at", "actor", "action", "subject", "ip", "user_agent", "affected_user_1", "salt"];
    database.insert("audit_log", columns, rows);
    if database.backend == Backend::Postgres {
        database.execute("ANALYZE audit_log");
    }
    database.checkpoint();
}

fn verify(database: &Database) -> Duration {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["audit", "verify", "--json"]).env_clear().current_dir(database.directory());
    command.env("DATABASE_URL", &database.url).env("COUNTERSIGN_SECRET", SECRET);
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    started.elapsed()
}
