//! Redemptions, new requests and looks at a request, compared with the peer: the same routes by a small server of
//! fastify and pg (`benches/peer`), as one process and as two, of which the faster one counts.
//!
//! countersign writes its audit log and queues a mail for each new request. The peer does neither. As in the bench
//! `create`, the SMTP server accepts connections and never responds, so that no mail is sent.
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
use harness::database::Database;
use harness::fixtures::{BenchUser, OpenRequest, RowSupply};
use harness::load;
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, peer};

/// The number of users. One half requests from the other.
const USERS: usize = 2_000;
/// The number of requests that are looked at, in turn.
const LOOKED_AT: usize = 20_000;
/// The connections of the peer to the database, shared by its processes; as many as the reference server has in the
/// other benches.
const PEER_POOL: u32 = 32;

fn main() {
    harness::run("peer", |bench| {
        let cluster = Rc::new(Cluster::start());
        let database = Database::postgres(&cluster);
        let users = fixtures::insert_users(&database, USERS);
        peer::create_table(&database);
        // The kernel accepts connections up to the backlog. Nothing is ever sent.
        let relay = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay_url = format!("smtp://{}", relay.local_addr().unwrap());
        let pool = bench.options.pool.unwrap_or(PEER_POOL);
        let contestants = [
            Contestant {
                name: "countersign",
                table: "permission_requests",
                server: Server::start_with(&database, &[("SMTP_URL", &relay_url)]),
            },
            Contestant {
                name: "fastify, one process",
                table: peer::TABLE,
                server: Server::peer(&database, 1, pool),
            },
            Contestant {
                name: "fastify, two processes",
                table: peer::TABLE,
                server: Server::peer(&database, 2, pool),
            },
        ];
        let stage = PeerBench { database: &database, users: &users };
        stage.assert_same_answers(&contestants);
        measure_redeem(bench, &stage, &contestants);
        measure_ask(bench, &stage, &contestants);
        measure_look(bench, &stage, &contestants);
    });
}

/// A server and the table with its requests.
struct Contestant {
    name: &'static str,
    table: &'static str,
    server: Server,
}

/// A database with users and the tables of both servers.
struct PeerBench<'a> {
    database: &'a Database,
    users: &'a [BenchUser],
}

impl PeerBench<'_> {
    /// Deletes the requests of both servers, and all that refers to them.
    fn reset(&self) {
        let tables = ["outbox", "user_counters", "audit_log", "permission_requests", peer::TABLE];
        self.database.truncate(&tables);
    }

    fn insert_open_requests(&self, contestant: &Contestant, count: usize) -> Vec<OpenRequest> {
        match contestant.table {
            peer::TABLE => peer::insert_open_requests(self.database, self.users, count),
            _ => fixtures::insert_open_requests(self.database, self.users, count),
        }
    }

    /// The rows of a server's table that fulfil this condition.
    fn count(&self, contestant: &Contestant, condition: &str) -> u64 {
        let table = contestant.table;
        self.database.query_i64(&format!("SELECT count(*) FROM {table} WHERE {condition}")).unsigned_abs()
    }

    /// All contestants give the same answers, apart from numbers, times and tokens.
    fn assert_same_answers(&self, contestants: &[Contestant]) {
        let [ours, theirs @ ..] = contestants else { return };
        let expected = self.collect_answers(ours);
        for peer in theirs {
            for (ours, theirs) in expected.iter().zip(self.collect_answers(peer)) {
                assert_eq!(*ours, theirs, "the answers of countersign and of {}", peer.name);
            }
        }
    }

    /// The answers of a server to requests of each kind.
    fn collect_answers(&self, contestant: &Contestant) -> Vec<String> {
        self.reset();
        let users = self.users;
        let open = self.insert_open_requests(contestant, 2);
        let [first, second] = open.as_slice() else { panic!("two requests") };
        let path_of = |open| {
            let token = fixtures::redeem_token(&fixtures::keyring(), open);
            format!("/api/bundle_permission_request/{token}/")
        };
        let send = |status: u16, build: &dyn Fn(&mut Requests)| {
            let mut requests = Requests::single_use(status);
            build(&mut requests);
            normalize(&load::send_first(contestant.server.address, &requests))
        };
        let with_token = |status, method: &str, open, caller: Option<&BenchUser>| {
            let authorization = caller.map(|caller| ("Authorization", caller.authorization.as_str()));
            send(status, &|requests| requests.push(method, &path_of(open), authorization.as_slice(), ""))
        };
        let ask = |status, asker: &BenchUser, target: &str| {
            send(status, &|requests| fixtures::push_ask(requests, asker, target))
        };
        let (target, asker) = (&users[first.target], &users[first.grantee]);
        vec![
            with_token(200, "GET", first, Some(target)),
            with_token(404, "GET", first, Some(asker)),
            with_token(401, "GET", first, None),
            with_token(404, "PUT", first, Some(asker)),
            with_token(401, "PUT", first, None),
            with_token(200, "PUT", first, Some(target)),
            with_token(404, "PUT", first, Some(target)),
            with_token(404, "GET", first, Some(target)),
            // The permission is active.
            ask(400, asker, &target.email),
            // A pending request is replaced: its token is dead.
            with_token(200, "GET", second, Some(&users[second.target])),
            ask(201, &users[second.grantee], &users[second.target].email),
            with_token(404, "PUT", second, Some(&users[second.target])),
            ask(201, asker, &format!("/api/user/{}/", users[USERS - 1].id)),
            ask(400, asker, &asker.email),
            ask(400, asker, "unknown@example.org"),
        ]
    }
}

/// The parts of a response that have to be the same, without numbers and tokens.
fn normalize(response: &str) -> String {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let mut text = lines.next().unwrap().to_owned();
    let mut headers: Vec<String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| ["content-type", "cache-control", "location"].contains(&name.as_str()))
        .map(|(name, value)| format!("\n{name}: {}", value.split(';').next().unwrap_or_default()))
        .collect();
    headers.sort();
    text += &headers.concat();
    text += "\n\n";
    for (nth, part) in body.split("csr_").enumerate() {
        // The rest of a token has 44 characters.
        text += if nth == 0 { part } else { &part[44..] };
    }
    let mut normalized = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if c != '0' || !normalized.ends_with('0') {
            normalized.push(c);
        }
    }
    normalized
}

/// Adds a series for each contestant and number of connections. One connection is served by one process.
fn add_series<'a>(
    comparison: &mut Comparison<'a>,
    contestants: &'a [Contestant; 3],
    connections: &[usize],
    mut add: impl FnMut(&mut Comparison<'a>, &'a Contestant, usize) -> SeriesId,
) -> Vec<(usize, SeriesId, Vec<SeriesId>)> {
    let [ours, one, two] = contestants;
    let mut rows = Vec::new();
    for connections in connections.iter().copied() {
        let theirs: &[&Contestant] = if connections == 1 { &[one] } else { &[one, two] };
        let ours = add(comparison, ours, connections);
        let theirs = theirs.iter().map(|peer| add(comparison, peer, connections)).collect();
        rows.push((connections, ours, theirs));
    }
    rows
}

fn report(
    bench: &mut Bench,
    what: &str,
    rows: Vec<(usize, SeriesId, Vec<SeriesId>)>,
    targets: &[(f64, f64)],
) {
    for ((connections, ours, theirs), (least, aim)) in rows.into_iter().zip(targets) {
        let fastest = bench.fastest(&theirs);
        let figure = format!("PostgreSQL, {what} @{connections} ÷ fastify @{connections}");
        bench.ratio(&figure, ours, fastest, Target::AtLeast(*least, *aim));
    }
}

fn measure_redeem(bench: &mut Bench, stage: &PeerBench<'_>, contestants: &[Contestant; 3]) {
    let mut comparison = bench.comparison();
    let rows =
        add_series(&mut comparison, contestants, &[1, 64, 256], |comparison, contestant, connections| {
            let mut row_supply = RowSupply::new(connections);
            comparison.add("redeem, PostgreSQL", contestant.name, connections, move |window| {
                stage.reset();
                let open = stage.insert_open_requests(contestant, row_supply.rows());
                stage.database.checkpoint();
                let requests = fixtures::redeem_requests(stage.users, &open);
                let run_result = load::closed_loop(contestant.server.address, &requests, connections, window);
                assert!(stage.count(contestant, "active") >= run_result.operations);
                row_supply.observe(run_result, window)
            })
        });
    comparison.run(bench, stage.database.directory());
    report(bench, "redeem", rows, &[(1.2, 1.5), (4.0, 5.0), (5.0, 6.0)]);
}

fn measure_ask(bench: &mut Bench, stage: &PeerBench<'_>, contestants: &[Contestant; 3]) {
    let mut comparison = bench.comparison();
    let rows =
        add_series(&mut comparison, contestants, &[1, 64, 256], |comparison, contestant, connections| {
            let mut row_supply = RowSupply::new(connections);
            comparison.add("ask, PostgreSQL", contestant.name, connections, move |window| {
                stage.reset();
                stage.database.checkpoint();
                let requests = fixtures::ask_requests(stage.users, row_supply.rows());
                let run_result = load::closed_loop(contestant.server.address, &requests, connections, window);
                assert!(stage.count(contestant, "closed_at IS NULL") >= run_result.operations);
                row_supply.observe(run_result, window)
            })
        });
    comparison.run(bench, stage.database.directory());
    report(bench, "ask", rows, &[(0.9, 1.2), (2.5, 3.0), (3.0, 4.0)]);
}

fn measure_look(bench: &mut Bench, stage: &PeerBench<'_>, contestants: &[Contestant; 3]) {
    stage.reset();
    let [ours, theirs] = [&contestants[0], &contestants[1]].map(|contestant| {
        let open = stage.insert_open_requests(contestant, LOOKED_AT);
        fixtures::look_requests(stage.users, &open)
    });
    stage.database.checkpoint();
    let mut comparison = bench.comparison();
    let rows = add_series(&mut comparison, contestants, &[1, 64], |comparison, contestant, connections| {
        let requests = if contestant.table == peer::TABLE { &theirs } else { &ours };
        comparison.add("look, PostgreSQL", contestant.name, connections, move |window| {
            load::closed_loop(contestant.server.address, requests, connections, window)
        })
    });
    comparison.run(bench, stage.database.directory());
    report(bench, "look", rows, &[(1.6, 2.0), (4.0, 5.0)]);
}
