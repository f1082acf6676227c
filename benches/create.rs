//! Throughput of new export tokens and new permission requests, compared with inserting the same
//! rows with SQL.
//!
//! The SMTP server of these benches accepts connections and never responds, so that no mail is
//! sent: pgbench sends none either, and the `mail` bench measures the delivery.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::net::TcpListener;
use std::rc::Rc;

use harness::bench::{Bench, Comparison, SeriesId, Target};
use harness::cluster::Cluster;
use harness::database::{Backend, Database};
use harness::fixtures::{BenchUser, RowSupply};
use harness::load::{self, RunResult};
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, pgbench};

/// The rate of the open loop, in requests per second.
const OPEN_LOOP_RATE: f64 = 500.0;
/// The number of users. One half requests from the other.
const USERS: usize = 2_000;

/// The rows of a permission request.
const REQUEST_ROWS: &str = "\\set target (:row - 1) % 1000 + 1
\\set allowed 1001 + (:row - 1) / 1000
BEGIN;
INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, permission, asked_by, created_at, expires_at) \
     VALUES (gen_random_uuid(), :target, :allowed, 1, 2, :allowed, now(), now() + interval '7 days') \
     RETURNING id AS request \\gset
INSERT INTO outbox (id, kind, request_id, created_at, due_at, attempts) VALUES (gen_random_uuid(), 'mail', :request, now(), now(), 0);
INSERT INTO audit_log (id, at, actor, action, subject, ip, user_agent) VALUES \
     (gen_random_uuid(), now(), :allowed, 'request.created', 'request:' || :request, '127.0.0.1', 'countersign-bench');
COMMIT;";

/// The rows of an export token.
const EXPORT_ROWS: &str = "\\set creator (:row - 1) % 2000 + 1
BEGIN;
INSERT INTO export_tokens (id, creator, hub_id, node_id, permission, digest, created_at, expires_at) \
     VALUES (gen_random_uuid(), :creator, 'hub' || :creator, 'node1', 2, sha256(:creator::text::bytea), now(), \
     now() + interval '1 day') RETURNING id AS token \\gset
INSERT INTO audit_log (id, at, actor, action, subject, ip, user_agent) VALUES \
     (gen_random_uuid(), now(), :creator, 'export.created', 'export:' || :token, '127.0.0.1', 'countersign-bench');
COMMIT;";

fn main() {
    harness::run("create", |bench| {
        let cluster = Rc::new(Cluster::start());
        run_on(bench, &Database::postgres(&cluster));
        run_on(bench, &Database::sqlite());
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CreatedKind {
    /// Permission requests, with hexo's POST.
    Request,
    /// Export tokens, with mfs's `create_token`.
    Export,
}

impl CreatedKind {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "create a request",
            Self::Export => "create a token",
        }
    }
}

/// A database with users and bundles.
struct CreateBench<'a> {
    database: &'a Database,
    users: &'a [BenchUser],
    server: &'a Server,
    reference: &'a Server,
}

impl CreateBench<'_> {
    /// Restores the state before anything was created.
    fn reset(&self) {
        self.database.truncate(&[
            "outbox",
            "user_counters",
            "audit_log",
            "permission_requests",
            "export_uses",
            "export_tokens",
        ]);
        self.database.checkpoint();
    }

    fn panel(&self, what: CreatedKind) -> String {
        format!("{}, {}", what.name(), self.database.backend.name())
    }

    /// This number of different requests.
    fn build_requests(&self, what: CreatedKind, count: usize) -> Requests {
        if what == CreatedKind::Request {
            return fixtures::ask_requests(self.users, count);
        }
        let mut requests = Requests::single_use(200);
        for creator in self.users.iter().cycle().take(count) {
            fixtures::push_create_export(&mut requests, creator);
        }
        requests
    }

    fn countersign<'a>(
        &'a self,
        comparison: &mut Comparison<'a>,
        what: CreatedKind,
        connections: usize,
    ) -> SeriesId {
        let mut row_supply = RowSupply::new(connections);
        comparison.add(&self.panel(what), "countersign", connections, move |window| {
            self.reset();
            let orders = self.build_requests(what, row_supply.rows());
            let run_result = load::closed_loop(self.server.address, &orders, connections, window);
            self.assert_rows_written(what, &run_result);
            row_supply.observe(run_result, window)
        })
    }

    fn countersign_open_loop<'a>(&'a self, comparison: &mut Comparison<'a>, what: CreatedKind, rate: f64) {
        comparison.add(&self.panel(what), &format!("countersign, {rate} a second"), 64, move |window| {
            self.reset();
            let seconds = (window.warm_up + window.measured).as_secs_f64();
            let orders = self.build_requests(what, (rate * seconds) as usize + 64);
            load::open_loop(self.server.address, &orders, 64, rate, window)
        });
    }

    /// Asserts that everything that was acknowledged is in the database, with its mail and audit
    /// entry.
    fn assert_rows_written(&self, what: CreatedKind, run_result: &RunResult) {
        let tables = match what {
            CreatedKind::Request => ["permission_requests", "outbox", "audit_log"].as_slice(),
            CreatedKind::Export => &["export_tokens", "audit_log"],
        };
        for table in tables {
            let rows = self.database.query_i64(&format!("SELECT count(*) FROM {table}"));
            assert!(
                rows as u64 >= run_result.operations,
                "{rows} rows of {table} after {}",
                run_result.operations
            );
        }
    }

    fn reference_server<'a>(
        &'a self,
        comparison: &mut Comparison<'a>,
        what: CreatedKind,
        connections: usize,
    ) -> SeriesId {
        let mut row_supply = RowSupply::new(connections);
        comparison.add(&self.panel(what), "one transaction per request", connections, move |window| {
            self.reset();
            let half = USERS / 2;
            let mut requests = Requests::single_use(if what == CreatedKind::Request { 201 } else { 200 });
            for nth in 0..row_supply.rows() {
                let path = match what {
                    CreatedKind::Request => format!(
                        "/commit/ask/{}/{}",
                        self.users[nth % half].id,
                        self.users[half + nth / half].id
                    ),
                    CreatedKind::Export => format!("/commit/export/{}", self.users[nth % USERS].id),
                };
                requests.push("POST", &path, &[], "");
            }
            row_supply
                .observe(load::closed_loop(self.reference.address, &requests, connections, window), window)
        })
    }

    fn pgbench<'a>(
        &'a self,
        comparison: &mut Comparison<'a>,
        what: CreatedKind,
        connections: usize,
    ) -> SeriesId {
        comparison.add(&self.panel(what), "pgbench, the same rows", connections, move |window| {
            self.reset();
            let script = if what == CreatedKind::Request { REQUEST_ROWS } else { EXPORT_ROWS };
            pgbench::run(self.database, script, connections, window)
        })
    }
}

fn run_on(bench: &mut Bench, database: &Database) {
    let backend = database.backend;
    let people = fixtures::insert_users(database, USERS);
    fixtures::insert_hubs(database, &people);
    // The kernel accepts connections up to the backlog. Nothing is ever sent.
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay_url = format!("smtp://{}", relay.local_addr().unwrap());
    let server = Server::start_with(database, &[("SMTP_URL", &relay_url)]);
    let pool = bench.options.pool.unwrap_or(if backend == Backend::Postgres { 32 } else { 1 });
    let reference = Server::reference(database, pool);
    let stage = CreateBench { database, users: &people, server: &server, reference: &reference };
    let rate = bench.options.rate.unwrap_or(OPEN_LOOP_RATE);

    let mut comparison = bench.comparison();
    let mut told = Vec::new();
    for what in [CreatedKind::Request, CreatedKind::Export] {
        let ours = [1, 16, 64, 256].map(|connections| stage.countersign(&mut comparison, what, connections));
        stage.countersign_open_loop(&mut comparison, what, rate);
        let one_each = stage.reference_server(&mut comparison, what, 64);
        let theirs = (backend == Backend::Postgres)
            .then(|| [1, 64].map(|connections| stage.pgbench(&mut comparison, what, connections)));
        told.push((what, ours, one_each, theirs));
    }
    comparison.run(bench, database.directory());

    for (what, ours, one_each, theirs) in told {
        let on = |rest: &str| format!("{}, {} {rest}", backend.name(), what.name());
        if let Some([one, many]) = theirs {
            bench.ratio(&on("@64 ÷ pgbench, the same rows @64"), ours[2], many, Target::AtLeast(1.5, 2.5));
            bench.ratio(&on("@1 ÷ pgbench, the same rows @1"), ours[0], one, Target::Unbounded);
        }
        bench.ratio(&on("@64 ÷ one transaction per request @64"), ours[2], one_each, Target::Unbounded);
        bench.spread(&on("@64, p99 ÷ p50"), ours[2], Target::Unbounded);
    }
}
