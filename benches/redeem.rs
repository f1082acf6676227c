//! Throughput and latency of redemptions, compared with the database alone.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;
use std::time::Instant;

use harness::bench::{Bench, Comparison, SeriesId, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures::{BenchUser, OpenRequest, RowSupply};
use harness::load::{self, MeasurementWindow, RunResult};
use harness::requests::{Requests, USER_AGENT};
use harness::server::Server;
use harness::{fixtures, pgbench};
use uuid::Uuid;

/// The rate of the open loop, in redemptions per second.
const OPEN_LOOP_RATE: f64 = 1_000.0;

/// One checked statement: the minimum that redeems a token once and creates the permission.
const ONE_STATEMENT: &str = "UPDATE permission_requests \
     SET closed_at = now(), outcome = 'approved', granted_permission = permission, active = true \
     WHERE id = :row AND closed_at IS NULL AND expires_at > now();";

/// All writes of a redemption, in its own transaction.
const ONE_TRANSACTION: &str = "BEGIN;
SELECT user_target FROM permission_requests WHERE id = :row FOR NO KEY UPDATE \\gset
UPDATE permission_requests SET closed_at = now(), outcome = 'approved', granted_permission = permission, active = true \
     WHERE id = :row AND closed_at IS NULL AND expires_at > now();
INSERT INTO audit_log (id, at, actor, action, subject, ip, user_agent) VALUES (gen_random_uuid(), now(), \
     :user_target, 'request.approved', 'request:' || :row, '127.0.0.1', 'countersign-bench');
COMMIT;";

fn main() {
    harness::run("redeem", |bench| {
        on_postgres(bench);
        on_sqlite(bench);
    });
}

/// A database with users.
struct RedeemBench<'a> {
    database: &'a Database,
    users: &'a [BenchUser],
    server: &'a Server,
    reference: &'a Server,
}

impl RedeemBench<'_> {
    /// Creates this number of open requests, then a checkpoint.
    fn new_requests(&self, rows: usize) -> Vec<OpenRequest> {
        let open = fixtures::insert_open_requests(self.database, self.users, rows);
        self.database.checkpoint();
        open
    }

    fn is_exhausted(&self) -> bool {
        self.database.query_i64("SELECT count(*) FROM permission_requests WHERE closed_at IS NULL") == 0
    }

    fn countersign<'a>(
        &'a self,
        comparison: &mut Comparison<'a>,
        panel: &str,
        connections: usize,
    ) -> SeriesId {
        let mut row_supply = RowSupply::new(connections);
        comparison.add(panel, "countersign", connections, move |window| {
            let open = self.new_requests(row_supply.rows());
            let requests = fixtures::redeem_requests(self.users, &open);
            row_supply.observe(load::closed_loop(self.server.address, &requests, connections, window), window)
        })
    }

    fn countersign_open_loop<'a>(&'a self, comparison: &mut Comparison<'a>, panel: &str, rate: f64) {
        comparison.add(panel, &format!("countersign, {rate} a second"), 64, move |window| {
            let seconds = (window.warm_up + window.measured).as_secs_f64();
            let open = self.new_requests((rate * seconds) as usize + 64);
            load::open_loop(
                self.server.address,
                &fixtures::redeem_requests(self.users, &open),
                64,
                rate,
                window,
            )
        });
    }

    /// The reference server, with one transaction per request.
    fn reference_server<'a>(
        &'a self,
        comparison: &mut Comparison<'a>,
        panel: &str,
        connections: usize,
    ) -> SeriesId {
        let mut row_supply = RowSupply::new(connections);
        comparison.add(panel, "one transaction per request", connections, move |window| {
            let mut requests = Requests::single_use(200);
            for open in self.new_requests(row_supply.rows()) {
                let by = self.users[open.target].id;
                requests.push("PUT", &format!("/commit/redeem/{}/{by}", open.redeem_id), &[], "");
            }
            row_supply
                .observe(load::closed_loop(self.reference.address, &requests, connections, window), window)
        })
    }

    fn pgbench<'a>(
        &'a self,
        comparison: &mut Comparison<'a>,
        panel: &str,
        series: &str,
        script: &'static str,
        connections: usize,
    ) -> SeriesId {
        let mut row_supply = RowSupply::new(connections);
        comparison.add(panel, series, connections, move |window| {
            loop {
                self.new_requests(row_supply.rows());
                let run_result = pgbench::run(self.database, script, connections, window);
                if !self.is_exhausted() {
                    return row_supply.observe(run_result, window);
                }
                // A script that found no row would measure something else.
                row_supply.double();
            }
        })
    }
}

fn on_postgres(bench: &mut Bench) {
    let panel = "redeem, PostgreSQL";
    let cluster = Rc::new(Cluster::start());
    let database = Database::postgres(&cluster);
    let people = fixtures::insert_users(&database, 2_000);
    let server = Server::start(&database);
    let reference = Server::reference(&database, bench.options.pool.unwrap_or(32));
    let stage = RedeemBench { database: &database, users: &people, server: &server, reference: &reference };

    let mut comparison = bench.comparison();
    let ours = [1, 16, 64, 256].map(|connections| stage.countersign(&mut comparison, panel, connections));
    let statement = [1, 16, 64, 256].map(|connections| {
        stage.pgbench(&mut comparison, panel, "pgbench, one statement", ONE_STATEMENT, connections)
    });
    let transaction = [1, 64, 256].map(|connections| {
        stage.pgbench(&mut comparison, panel, "pgbench, one transaction", ONE_TRANSACTION, connections)
    });
    let one_each = [1, 64].map(|connections| stage.reference_server(&mut comparison, panel, connections));
    let mut row_supply = RowSupply::new(256);
    let batch = comparison.add(panel, "raw batches of 256, one connection", 256, |window| {
        let open = stage.new_requests(row_supply.rows());
        row_supply.observe(raw_postgres(&database, &open, window), window)
    });
    stage.countersign_open_loop(&mut comparison, panel, bench.options.rate.unwrap_or(OPEN_LOOP_RATE));
    comparison.run(bench, cluster.directory());

    let on = |what: &str| format!("PostgreSQL, redeem {what}");
    bench.ratio(&on("@64 ÷ pgbench's one statement @64"), ours[2], statement[2], Target::AtLeast(1.5, 2.5));
    bench.ratio(
        &on("@64 ÷ one transaction per request @64"),
        ours[2],
        one_each[1],
        Target::AtLeast(4.0, 6.0),
    );
    bench.ratio(&on("@256 ÷ raw batches of 256"), ours[3], batch, Target::AtLeast(0.7, 0.9));
    bench.ratio(&on("@1 ÷ pgbench's one statement @1"), ours[0], statement[0], Target::AtLeast(0.75, 0.9));
    bench.spread(&on("@64, p99 ÷ p50"), ours[2], Target::AtMost(3.0, 2.0));
    bench.ratio(&on("@64 ÷ pgbench's whole transaction @64"), ours[2], transaction[1], Target::Unbounded);
    bench.ratio(&on("@1 ÷ pgbench's whole transaction @1"), ours[0], transaction[0], Target::Unbounded);
}

fn on_sqlite(bench: &mut Bench) {
    let panel = "redeem, SQLite";
    let database = Database::sqlite();
    let people = fixtures::insert_users(&database, 2_000);
    let server = Server::start(&database);
    let reference = Server::reference(&database, bench.options.pool.unwrap_or(1));
    let stage = RedeemBench { database: &database, users: &people, server: &server, reference: &reference };

    let mut comparison = bench.comparison();
    let ours = [1, 16, 64, 256].map(|connections| stage.countersign(&mut comparison, panel, connections));
    let one_each = stage.reference_server(&mut comparison, panel, 64);
    let mut row_supply = RowSupply::new(64);
    let batch = comparison.add(panel, "raw batches of 64, one connection", 64, |window| {
        let open = stage.new_requests(row_supply.rows());
        row_supply.observe(raw_sqlite(&database, &open, window), window)
    });
    stage.countersign_open_loop(&mut comparison, panel, bench.options.rate.unwrap_or(OPEN_LOOP_RATE));
    comparison.run(bench, database.directory());

    let on = |what: &str| format!("SQLite, redeem {what}");
    bench.ratio(&on("@64 ÷ raw batches of 64"), ours[2], batch, Target::AtLeast(0.5, 0.8));
    bench.ratio(&on("@64 ÷ one transaction per request @64"), ours[2], one_each, Target::Unbounded);
    bench.spread(&on("@64, p99 ÷ p50"), ours[2], Target::Unbounded);
}

/// Measures batches for the duration of the window, or until all requests are redeemed.
fn measure_batches(
    open: &[OpenRequest],
    size: usize,
    window: MeasurementWindow,
    mut commit: impl FnMut(&[OpenRequest]),
) -> RunResult {
    let (started, mut operations) = (Instant::now(), 0);
    let mut batches = open.chunks_exact(size);
    while started.elapsed() < window.warm_up {
        commit(batches.next().expect("enough requests to warm up with"));
    }
    let measured = Instant::now();
    for batch in batches {
        commit(batch);
        operations += size as u64;
        if measured.elapsed() >= window.measured {
            break;
        }
    }
    RunResult { operations, elapsed: measured.elapsed(), latencies: None }
}

/// A batch of redemptions as plain SQL on PostgreSQL.
fn raw_postgres(database: &Database, open: &[OpenRequest], window: MeasurementWindow) -> RunResult {
    let client = &mut *database.raw_postgres();
    let mut prepare = |sql: &str| client.prepare(sql).unwrap();
    let lock = prepare(
        "SELECT id, user_target, user_allowed, bundle_id FROM permission_requests \
         WHERE redeem_id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    );
    let close = prepare(
        "UPDATE permission_requests SET closed_at = now(), outcome = 'approved', granted_permission = permission, active = true \
         WHERE id = ANY($1) AND closed_at IS NULL AND expires_at > now()",
    );
    let tell = prepare(
        "INSERT INTO audit_log (id, at, actor, action, subject, ip, user_agent) \
         SELECT id, now(), actor, 'request.approved', subject, '127.0.0.1', $4 \
         FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS event (id, actor, subject)",
    );
    measure_batches(open, 256, window, |batch| {
        let redeem_ids: Vec<Uuid> = batch.iter().map(|open| open.redeem_id).collect();
        let mut transaction = client.transaction().unwrap();
        let rows = transaction.query(&lock, &[&redeem_ids]).unwrap();
        let column = |nth: usize| rows.iter().map(|row| row.get(nth)).collect::<Vec<i64>>();
        let (numbers, targets) = (column(0), column(1));
        assert_eq!(transaction.execute(&close, &[&numbers]).unwrap(), batch.len() as u64);
        let now = fixtures::now();
        let ids: Vec<Uuid> = batch.iter().map(|_| fixtures::uuid_at(now)).collect();
        let subjects: Vec<String> = numbers.iter().map(|number| format!("request:{number}")).collect();
        transaction.execute(&tell, &[&ids, &targets, &subjects, &USER_AGENT]).unwrap();
        transaction.commit().unwrap();
    })
}

/// A batch of redemptions as plain SQL on SQLite.
fn raw_sqlite(database: &Database, open: &[OpenRequest], window: MeasurementWindow) -> RunResult {
    let connection = &*database.raw_sqlite();
    let prepare = |sql: &str| connection.prepare(sql).unwrap();
    let mut find = prepare(
        "SELECT id, user_target, user_allowed, bundle_id FROM permission_requests \
         WHERE redeem_id = ? AND closed_at IS NULL AND expires_at > ?",
    );
    let mut close = prepare(
        "UPDATE permission_requests SET closed_at = ?, outcome = 'approved', granted_permission = permission, active = true \
         WHERE id = ? AND closed_at IS NULL",
    );
    let mut tell = prepare(
        "INSERT INTO audit_log (id, at, actor, action, subject, ip, user_agent) \
         VALUES (?, ?, ?, 'request.approved', ?, '127.0.0.1', ?)",
    );
    measure_batches(open, 64, window, |batch| {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let now = fixtures::now();
        for open in batch {
            let (number, target): (i64, i64) = find
                .query_row((open.redeem_id.as_bytes(), now), |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap();
            assert_eq!(close.execute((now, number)).unwrap(), 1);
            tell.execute((
                fixtures::uuid_at(now).as_bytes(),
                now,
                target,
                format!("request:{number}"),
                USER_AGENT,
            ))
            .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    })
}
