//! Redemptions: how many a second, and how long each takes, against what the
//! database can do by itself.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has failed"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;
use std::time::Instant;

use harness::bench::{Bench, Contestant, Race, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::load::{self, Lap, Window};
use harness::requests::{CLIENT, Requests};
use harness::seed::{Open, Person, Stock};
use harness::server::Server;
use harness::{pgbench, seed};
use uuid::Uuid;

/// Redemptions a second of the open loop.
const RATE: f64 = 1_000.0;

/// One guarded statement: the least that makes a token work once, and the
/// permission stand.
const ONE_STATEMENT: &str = "UPDATE permission_requests \
     SET closed_at = now(), outcome = 'redeemed', stands = true \
     WHERE id = :row AND closed_at IS NULL AND expires_at > now();";

/// All that a redemption does, as its own transaction.
const ONE_TRANSACTION: &str = "BEGIN;
SELECT user_target FROM permission_requests WHERE id = :row FOR NO KEY UPDATE \\gset
UPDATE permission_requests SET closed_at = now(), outcome = 'redeemed', stands = true \
     WHERE id = :row AND closed_at IS NULL AND expires_at > now();
INSERT INTO events (id, at, actor, action, subject, address, client) VALUES (gen_random_uuid(), now(), \
     :user_target, 'request.redeemed', 'request:' || :row, '127.0.0.1', 'countersign-bench');
COMMIT;";

fn main() {
    harness::run("redeem", |bench| {
        on_postgres(bench);
        on_sqlite(bench);
    });
}

/// A database with people in it who have something to redeem.
struct Stage<'a> {
    database: &'a Database,
    people: &'a [Person],
    server: &'a Server,
    reference: &'a Server,
}

impl Stage<'_> {
    /// So many fresh requests, and nothing left to do for the database.
    fn fresh(&self, rows: usize) -> Vec<Open> {
        let open = seed::open_requests(self.database, self.people, rows);
        self.database.settle();
        open
    }

    fn is_used_up(&self) -> bool {
        self.database.number("SELECT count(*) FROM permission_requests WHERE closed_at IS NULL") == 0
    }

    fn ours<'a>(&'a self, race: &mut Race<'a>, panel: &str, connections: usize) -> Contestant {
        let mut stock = Stock::new(connections);
        race.enter(panel, "countersign", connections, move |window| {
            let open = self.fresh(stock.rows());
            let requests = seed::redemptions(self.people, &open);
            stock.after(load::closed(self.server.address, &requests, connections, window), window)
        })
    }

    fn ours_at_a_rate<'a>(&'a self, race: &mut Race<'a>, panel: &str, rate: f64) {
        race.enter(panel, &format!("countersign, {rate} a second"), 64, move |window| {
            let seconds = (window.warm_up + window.measured).as_secs_f64();
            let open = self.fresh((rate * seconds) as usize + 64);
            load::open(self.server.address, &seed::redemptions(self.people, &open), 64, rate, window)
        });
    }

    /// The reference server, with a transaction for each request.
    fn one_each<'a>(&'a self, race: &mut Race<'a>, panel: &str, connections: usize) -> Contestant {
        let mut stock = Stock::new(connections);
        race.enter(panel, "one transaction per request", connections, move |window| {
            let mut requests = Requests::once(200);
            for open in self.fresh(stock.rows()) {
                let by = self.people[open.target].id;
                requests.push("PUT", &format!("/commit/redeem/{}/{by}", open.redeem_id), &[], "");
            }
            stock.after(load::closed(self.reference.address, &requests, connections, window), window)
        })
    }

    fn pgbench<'a>(
        &'a self,
        race: &mut Race<'a>,
        panel: &str,
        series: &str,
        script: &'static str,
        connections: usize,
    ) -> Contestant {
        let mut stock = Stock::new(connections);
        race.enter(panel, series, connections, move |window| {
            loop {
                self.fresh(stock.rows());
                let lap = pgbench::run(self.database, script, connections, window);
                if !self.is_used_up() {
                    return stock.after(lap, window);
                }
                // What finds no row is not what is measured.
                stock.double();
            }
        })
    }
}

fn on_postgres(bench: &mut Bench) {
    let panel = "redeem, PostgreSQL";
    let cluster = Rc::new(Cluster::start());
    let database = Database::postgres(&cluster);
    let people = seed::people(&database, 2_000);
    let server = Server::start(&database);
    let reference = Server::reference(&database, bench.options.pool.unwrap_or(32));
    let stage = Stage { database: &database, people: &people, server: &server, reference: &reference };

    let mut race = bench.race();
    let ours = [1, 16, 64, 256].map(|connections| stage.ours(&mut race, panel, connections));
    let statement = [1, 16, 64, 256].map(|connections| {
        stage.pgbench(&mut race, panel, "pgbench, one statement", ONE_STATEMENT, connections)
    });
    let transaction = [1, 64, 256].map(|connections| {
        stage.pgbench(&mut race, panel, "pgbench, one transaction", ONE_TRANSACTION, connections)
    });
    let one_each = [1, 64].map(|connections| stage.one_each(&mut race, panel, connections));
    let mut stock = Stock::new(256);
    let batch = race.enter(panel, "raw batches of 256, one connection", 256, |window| {
        let open = stage.fresh(stock.rows());
        stock.after(raw_postgres(&database, &open, window), window)
    });
    stage.ours_at_a_rate(&mut race, panel, bench.options.rate.unwrap_or(RATE));
    race.run(bench, cluster.directory());

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
    bench.ratio(&on("@64 ÷ pgbench's whole transaction @64"), ours[2], transaction[1], Target::None);
    bench.ratio(&on("@1 ÷ pgbench's whole transaction @1"), ours[0], transaction[0], Target::None);
}

fn on_sqlite(bench: &mut Bench) {
    let panel = "redeem, SQLite";
    let database = Database::sqlite();
    let people = seed::people(&database, 2_000);
    let server = Server::start(&database);
    let reference = Server::reference(&database, bench.options.pool.unwrap_or(1));
    let stage = Stage { database: &database, people: &people, server: &server, reference: &reference };

    let mut race = bench.race();
    let ours = [1, 16, 64, 256].map(|connections| stage.ours(&mut race, panel, connections));
    let one_each = stage.one_each(&mut race, panel, 64);
    let mut stock = Stock::new(64);
    let batch = race.enter(panel, "raw batches of 64, one connection", 64, |window| {
        let open = stage.fresh(stock.rows());
        stock.after(raw_sqlite(&database, &open, window), window)
    });
    stage.ours_at_a_rate(&mut race, panel, bench.options.rate.unwrap_or(RATE));
    race.run(bench, database.directory());

    let on = |what: &str| format!("SQLite, redeem {what}");
    bench.ratio(&on("@64 ÷ raw batches of 64"), ours[2], batch, Target::AtLeast(0.5, 0.8));
    bench.ratio(&on("@64 ÷ one transaction per request @64"), ours[2], one_each, Target::None);
    bench.spread(&on("@64, p99 ÷ p50"), ours[2], Target::None);
}

/// Times batches for as long as the window says, or until the requests are used up.
fn in_batches(open: &[Open], size: usize, window: Window, mut commit: impl FnMut(&[Open])) -> Lap {
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
    Lap { operations, elapsed: measured.elapsed(), latencies: None }
}

/// What a batch of redemptions comes to as plain SQL on PostgreSQL.
fn raw_postgres(database: &Database, open: &[Open], window: Window) -> Lap {
    let client = &mut *database.raw_postgres();
    let mut prepare = |sql: &str| client.prepare(sql).unwrap();
    let lock = prepare(
        "SELECT id, user_target, user_allowed, bundle_id FROM permission_requests \
         WHERE redeem_id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    );
    let close = prepare(
        "UPDATE permission_requests SET closed_at = now(), outcome = 'redeemed', stands = true \
         WHERE id = ANY($1) AND closed_at IS NULL AND expires_at > now()",
    );
    let tell = prepare(
        "INSERT INTO events (id, at, actor, action, subject, address, client) \
         SELECT id, now(), actor, 'request.redeemed', subject, '127.0.0.1', $4 \
         FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS event (id, actor, subject)",
    );
    in_batches(open, 256, window, |batch| {
        let redeem_ids: Vec<Uuid> = batch.iter().map(|open| open.redeem_id).collect();
        let mut transaction = client.transaction().unwrap();
        let rows = transaction.query(&lock, &[&redeem_ids]).unwrap();
        let column = |nth: usize| rows.iter().map(|row| row.get(nth)).collect::<Vec<i64>>();
        let (numbers, targets) = (column(0), column(1));
        assert_eq!(transaction.execute(&close, &[&numbers]).unwrap(), batch.len() as u64);
        let now = seed::now();
        let ids: Vec<Uuid> = batch.iter().map(|_| seed::id(now)).collect();
        let subjects: Vec<String> = numbers.iter().map(|number| format!("request:{number}")).collect();
        transaction.execute(&tell, &[&ids, &targets, &subjects, &CLIENT]).unwrap();
        transaction.commit().unwrap();
    })
}

/// What a batch of redemptions comes to as plain SQL on SQLite.
fn raw_sqlite(database: &Database, open: &[Open], window: Window) -> Lap {
    let connection = &*database.raw_sqlite();
    let prepare = |sql: &str| connection.prepare(sql).unwrap();
    let mut find = prepare(
        "SELECT id, user_target, user_allowed, bundle_id FROM permission_requests \
         WHERE redeem_id = ? AND closed_at IS NULL AND expires_at > ?",
    );
    let mut close = prepare(
        "UPDATE permission_requests SET closed_at = ?, outcome = 'redeemed', stands = true \
         WHERE id = ? AND closed_at IS NULL",
    );
    let mut tell = prepare(
        "INSERT INTO events (id, at, actor, action, subject, address, client) \
         VALUES (?, ?, ?, 'request.redeemed', ?, '127.0.0.1', ?)",
    );
    in_batches(open, 64, window, |batch| {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let now = seed::now();
        for open in batch {
            let (number, target): (i64, i64) = find
                .query_row((open.redeem_id.as_bytes(), now), |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap();
            assert_eq!(close.execute((now, number)).unwrap(), 1);
            tell.execute((seed::id(now).as_bytes(), now, target, format!("request:{number}"), CLIENT))
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    })
}
