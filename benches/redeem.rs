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

use harness::bench::Target;
use harness::cluster::Cluster;
use harness::database::Database;
use harness::server::Server;
use harness::{load, pgbench, seed};

/// One guarded statement: the least that makes a token work once.
const ONE_STATEMENT: &str = "UPDATE permission_requests SET closed_at = now(), outcome = 'redeemed' \
     WHERE id = :row AND closed_at IS NULL AND expires_at > now();";

fn main() {
    harness::run("redeem", |bench| {
        let cluster = Rc::new(Cluster::start());
        let database = Database::postgres(&cluster);
        let people = seed::people(&database, 2_000);
        let server = Server::start(&database);
        let (database, people, server) = (&database, &people, &server);
        let rows = if bench.options.quick { 10_000 } else { 60_000 };
        let mut race = bench.race();
        let ours = race.enter("redeem, PostgreSQL", "countersign", 64, move |window| {
            let open = seed::open_requests(database, people, rows);
            database.settle();
            load::closed(server.address, &seed::redemptions(people, &open), 64, window)
        });
        let theirs = race.enter("redeem, PostgreSQL", "pgbench, one statement", 64, move |window| {
            seed::open_requests(database, people, rows);
            database.settle();
            pgbench::run(database, ONE_STATEMENT, 64, window)
        });
        race.run(bench, cluster.directory());
        bench.ratio(
            "redeem @64, against pgbench's one statement @64",
            ours,
            theirs,
            Target::AtLeast(1.5, 2.5),
        );
        bench.spread("redeem @64, p99 ÷ p50", ours, Target::AtMost(3.0, 2.0));
    });
}
