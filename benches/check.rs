//! Checks that change nothing: `authz` for a proxy, `introspect` for a resource server, and
//! `check`, a GET of a request by its token. Compared with a bare handler that returns the same
//! response, and with one SELECT per request.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures::{BenchExport, BenchUser, OpenRequest};
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, load};

/// The rate of the open loop, per second.
const OPEN_LOOP_RATE: f64 = 2_000.0;
/// The number of active tokens of each kind. The requests cover all of them.
const TOKENS: usize = 20_000;
/// The connections of the reference server: the number with which it is fastest.
const REFERENCE_POOL: u32 = 8;

fn main() {
    harness::run("check", |bench| {
        let cluster = Rc::new(Cluster::start());
        run_on(bench, &Database::postgres(&cluster));
        run_on(bench, &Database::sqlite());
    });
}

/// A kind of check: requests to countersign, to a bare handler, and to a handler with one SELECT.
struct CheckBench {
    name: &'static str,
    countersign: Requests,
    no_op: Requests,
    single_select: Requests,
}

/// A proxy's check of a request.
fn authz(exports: &[BenchExport], people: &[BenchUser]) -> CheckBench {
    let [mut ours, mut bare, mut select] = [204; 3].map(Requests::new);
    for export in exports {
        fixtures::push_authz(&mut ours, people, export);
        let hub = fixtures::hub_id(people[export.creator].id);
        let query = format!("hub_id={hub}&nid=node1&right=read");
        let token = [("X-Param-Mfs-Token", export.token.as_str())];
        bare.push("GET", &format!("/bare/authz?{query}"), &token, "");
        select.push("GET", &format!("/select/export/{}", export.id), &token, "");
    }
    CheckBench { name: "authz", countersign: ours, no_op: bare, single_select: select }
}

/// A resource server's check. All use the same key.
fn introspect(exports: &[BenchExport], inspector: &str) -> CheckBench {
    let [mut ours, mut bare, mut select] = [200, 200, 204].map(Requests::new);
    let headers = [("Authorization", inspector), ("Content-Type", "application/x-www-form-urlencoded")];
    for export in exports {
        let form = format!("token={}", export.token);
        ours.push("POST", "/oauth2/introspect", &headers, &form);
        bare.push("POST", "/bare/introspect", &headers, &form);
        select.push("GET", &format!("/select/export/{}", export.id), &headers, "");
    }
    CheckBench { name: "introspect", countersign: ours, no_op: bare, single_select: select }
}

/// A client's check before it redeems the token.
fn check(open: &[OpenRequest], people: &[BenchUser]) -> CheckBench {
    let [mut bare, mut select] = [200, 204].map(Requests::new);
    let ours = fixtures::look_requests(people, open);
    for open in open {
        let caller = [("Authorization", people[open.target].authorization.as_str())];
        bare.push("GET", "/bare/request", &caller, "");
        select.push("GET", &format!("/select/request/{}", open.redeem_id), &caller, "");
    }
    CheckBench { name: "check", countersign: ours, no_op: bare, single_select: select }
}

fn run_on(bench: &mut Bench, database: &Database) {
    let backend = database.backend;
    let people = fixtures::insert_users(database, 2_000);
    fixtures::insert_hubs(database, &people);
    let exports = fixtures::insert_exports(database, &people, TOKENS, TOKENS);
    let open = fixtures::insert_open_requests(database, &people, TOKENS);
    let inspector = fixtures::insert_key_with_scope(database, "introspect");
    database.checkpoint();
    let server = Server::start(database);
    let reference = Server::reference(database, bench.options.pool.unwrap_or(REFERENCE_POOL));
    let checks = [authz(&exports, &people), introspect(&exports, &inspector), check(&open, &people)];

    let mut comparison = bench.comparison();
    let mut told = Vec::new();
    for CheckBench { name, countersign: ours, no_op: bare, single_select: select } in &checks {
        let panel = format!("{name}, {}", backend.name());
        let mut enter = |series: &str, server: &Server, requests, connections| {
            let address = server.address;
            comparison.add(&panel, series, connections, move |window| {
                load::closed_loop(address, requests, connections, window)
            })
        };
        let ours = [1, 16, 64, 256].map(|connections| enter("countersign", &server, ours, connections));
        let bare = enter("bare handler", &reference, bare, 64);
        let select = enter("one SELECT per request", &reference, select, 64);
        told.push((name, ours, bare, select));
    }
    let rate = bench.options.rate.unwrap_or(OPEN_LOOP_RATE);
    let panel = format!("authz, {}", backend.name());
    comparison.add(&panel, &format!("countersign, {rate} a second"), 64, |window| {
        load::open_loop(server.address, &checks[0].countersign, 64, rate, window)
    });
    comparison.run(bench, database.directory());

    for (name, ours, bare, select) in told {
        let on = |rest: &str| format!("{}, {name} {rest}", backend.name());
        bench.ratio(&on("@64 ÷ bare handler @64"), ours[2], bare, Target::AtLeast(0.3, 0.5));
        bench.ratio(&on("@64 ÷ one SELECT per request @64"), ours[2], select, Target::AtLeast(2.0, 3.0));
        bench.spread(&on("@64, p99 ÷ p50"), ours[2], Target::Unbounded);
    }
}
