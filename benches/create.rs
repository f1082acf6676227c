//! New export tokens and new consent requests: how many a second, against the
//! same rows inserted by the database alone.
//!
//! The mail relay of these servers takes connections and says nothing, so that
//! no mail is sent meanwhile: pgbench sends none either, and the `mail` bench
//! measures how fast they leave.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has failed"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::net::TcpListener;
use std::rc::Rc;

use harness::bench::{Bench, Contestant, Race, Target};
use harness::cluster::Cluster;
use harness::database::{Backend, Database};
use harness::load::{self, Lap};
use harness::requests::Requests;
use harness::seed::{Person, Stock};
use harness::server::Server;
use harness::{pgbench, seed};

/// New requests a second of the open loop.
const RATE: f64 = 500.0;
/// Half of them are asked by the other half.
const PEOPLE: usize = 2_000;

/// The rows that a consent request leaves.
const REQUEST_ROWS: &str = "\\set target (:row - 1) % 1000 + 1
\\set allowed 1001 + (:row - 1) / 1000
BEGIN;
INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, asked_by, created_at, expires_at) \
     VALUES (gen_random_uuid(), :target, :allowed, 1, :allowed, now(), now() + interval '7 days') \
     RETURNING id AS request \\gset
INSERT INTO outbox (id, request_id, created_at, due_at, attempts) VALUES (gen_random_uuid(), :request, now(), now(), 0);
INSERT INTO events (id, at, actor, action, subject, address, client) VALUES \
     (gen_random_uuid(), now(), :allowed, 'request.created', 'request:' || :request, '127.0.0.1', 'countersign-bench');
COMMIT;";

/// The rows that an export token leaves.
const EXPORT_ROWS: &str = "\\set creator (:row - 1) % 2000 + 1
BEGIN;
INSERT INTO export_tokens (id, creator, hub_id, node_id, permission, digest, created_at, expires_at) \
     VALUES (gen_random_uuid(), :creator, 'hub' || :creator, 'node1', 2, sha256(:creator::text::bytea), now(), \
     now() + interval '1 day') RETURNING id AS token \\gset
INSERT INTO events (id, at, actor, action, subject, address, client) VALUES \
     (gen_random_uuid(), now(), :creator, 'export.created', 'export:' || :token, '127.0.0.1', 'countersign-bench');
COMMIT;";

fn main() {
    harness::run("create", |bench| {
        let cluster = Rc::new(Cluster::start());
        on(bench, &Database::postgres(&cluster));
        on(bench, &Database::sqlite());
    });
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Consent requests, by hexo's POST.
    Request,
    /// Export tokens, by mfs's `create_token`.
    Export,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "create a request",
            Self::Export => "create a token",
        }
    }
}

/// A database with people in it who have something to ask for.
struct Stage<'a> {
    database: &'a Database,
    people: &'a [Person],
    server: &'a Server,
    reference: &'a Server,
}

impl Stage<'_> {
    /// As if nothing had been made yet.
    fn sweep(&self) {
        self.database.empty(&[
            "outbox",
            "tallies",
            "events",
            "permission_requests",
            "export_uses",
            "export_tokens",
        ]);
        self.database.settle();
    }

    fn panel(&self, what: What) -> String {
        format!("{}, {}", what.name(), self.database.backend.name())
    }

    /// So many things to be made, each unlike the others.
    fn orders(&self, what: What, count: usize) -> Requests {
        let half = PEOPLE / 2;
        assert!(what == What::Export || count <= half * half, "each asks each only once");
        let mut requests = Requests::once(if what == What::Request { 201 } else { 200 });
        for nth in 0..count {
            let asker = match what {
                What::Request => &self.people[half + nth / half],
                What::Export => &self.people[nth % PEOPLE],
            };
            let headers =
                [("Authorization", asker.authorization.as_str()), ("Content-Type", "application/json")];
            let (path, body) = match what {
                What::Request => (
                    "/api/bundle_permission_request/",
                    format!(
                        r#"{{"bundle":"/api/bundle/{}/","user_allowed":"/api/user/{}/","user_target":"{}"}}"#,
                        seed::BUNDLE,
                        asker.id,
                        self.people[nth % half].email
                    ),
                ),
                What::Export => (
                    "/-/svc/mfs_api.create_token",
                    format!(r#"{{"hub_id":"{}","nid":"node1","permission":2}}"#, seed::hub(asker.id)),
                ),
            };
            requests.push("POST", path, &headers, &body);
        }
        requests
    }

    fn ours<'a>(&'a self, race: &mut Race<'a>, what: What, connections: usize) -> Contestant {
        let mut stock = Stock::new(connections);
        race.enter(&self.panel(what), "countersign", connections, move |window| {
            self.sweep();
            let orders = self.orders(what, stock.rows());
            let lap = load::closed(self.server.address, &orders, connections, window);
            self.left_all_rows(what, &lap);
            stock.after(lap, window)
        })
    }

    fn ours_at_a_rate<'a>(&'a self, race: &mut Race<'a>, what: What, rate: f64) {
        race.enter(&self.panel(what), &format!("countersign, {rate} a second"), 64, move |window| {
            self.sweep();
            let seconds = (window.warm_up + window.measured).as_secs_f64();
            let orders = self.orders(what, (rate * seconds) as usize + 64);
            load::open(self.server.address, &orders, 64, rate, window)
        });
    }

    /// What was answered is there, with its mail and its entry in the trail.
    fn left_all_rows(&self, what: What, lap: &Lap) {
        let tables = match what {
            What::Request => ["permission_requests", "outbox", "events"].as_slice(),
            What::Export => &["export_tokens", "events"],
        };
        for table in tables {
            let rows = self.database.number(&format!("SELECT count(*) FROM {table}"));
            assert!(rows as u64 >= lap.operations, "{rows} rows of {table} after {}", lap.operations);
        }
    }

    fn one_each<'a>(&'a self, race: &mut Race<'a>, what: What, connections: usize) -> Contestant {
        let mut stock = Stock::new(connections);
        race.enter(&self.panel(what), "one transaction per request", connections, move |window| {
            self.sweep();
            let half = PEOPLE / 2;
            let mut requests = Requests::once(if what == What::Request { 201 } else { 200 });
            for nth in 0..stock.rows() {
                let path = match what {
                    What::Request => format!(
                        "/commit/ask/{}/{}",
                        self.people[nth % half].id,
                        self.people[half + nth / half].id
                    ),
                    What::Export => format!("/commit/export/{}", self.people[nth % PEOPLE].id),
                };
                requests.push("POST", &path, &[], "");
            }
            stock.after(load::closed(self.reference.address, &requests, connections, window), window)
        })
    }

    fn pgbench<'a>(&'a self, race: &mut Race<'a>, what: What, connections: usize) -> Contestant {
        race.enter(&self.panel(what), "pgbench, the same rows", connections, move |window| {
            self.sweep();
            let script = if what == What::Request { REQUEST_ROWS } else { EXPORT_ROWS };
            pgbench::run(self.database, script, connections, window)
        })
    }
}

fn on(bench: &mut Bench, database: &Database) {
    let backend = database.backend;
    let people = seed::people(database, PEOPLE);
    seed::hubs(database, &people);
    // The system takes connections for it, up to its backlog; it never says a word.
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay_url = format!("smtp://{}", relay.local_addr().unwrap());
    let server = Server::start_with(database, &[("SMTP_URL", &relay_url)]);
    let pool = bench.options.pool.unwrap_or(if backend == Backend::Postgres { 32 } else { 1 });
    let reference = Server::reference(database, pool);
    let stage = Stage { database, people: &people, server: &server, reference: &reference };
    let rate = bench.options.rate.unwrap_or(RATE);

    let mut race = bench.race();
    let mut told = Vec::new();
    for what in [What::Request, What::Export] {
        let ours = [1, 16, 64, 256].map(|connections| stage.ours(&mut race, what, connections));
        stage.ours_at_a_rate(&mut race, what, rate);
        let one_each = stage.one_each(&mut race, what, 64);
        let theirs = (backend == Backend::Postgres)
            .then(|| [1, 64].map(|connections| stage.pgbench(&mut race, what, connections)));
        told.push((what, ours, one_each, theirs));
    }
    race.run(bench, database.directory());

    for (what, ours, one_each, theirs) in told {
        let on = |rest: &str| format!("{}, {} {rest}", backend.name(), what.name());
        if let Some([one, many]) = theirs {
            bench.ratio(&on("@64 ÷ pgbench, the same rows @64"), ours[2], many, Target::AtLeast(1.5, 2.5));
            bench.ratio(&on("@1 ÷ pgbench, the same rows @1"), ours[0], one, Target::None);
        }
        bench.ratio(&on("@64 ÷ one transaction per request @64"), ours[2], one_each, Target::None);
        bench.spread(&on("@64, p99 ÷ p50"), ours[2], Target::None);
    }
}
