//! Approvals of some of the rights beside approvals of all of them, and receipts beside reads of their permissions.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;

use harness::bench::{Bench, Comparison, SeriesId, Target};
use harness::cluster::Cluster;
use harness::database::Database;
use harness::fixtures::{BenchUser, OpenRequest, RowSupply};
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, load};

/// The number of active permissions whose receipts are read.
const PERMISSIONS: usize = 20_000;
const CONNECTIONS: usize = 64;

fn main() {
    harness::run("consents", |bench| {
        let cluster = Rc::new(Cluster::start());
        run_on(bench, &Database::postgres(&cluster));
        run_on(bench, &Database::sqlite());
    });
}

fn run_on(bench: &mut Bench, database: &Database) {
    let people = fixtures::insert_users(database, 2_000);
    let server = Server::start(database);
    read_receipts(bench, database, &people, &server);
    approve(bench, database, &people, &server);
}

fn read_receipts(bench: &mut Bench, database: &Database, people: &[BenchUser], server: &Server) {
    let permissions = fixtures::insert_permissions(database, people, PERMISSIONS);
    let first = database.query_i64("SELECT min(id) FROM permission_requests");
    database.checkpoint();
    let reads = |resource: &str| {
        let mut requests = Requests::new(200);
        for (permission, id) in permissions.iter().zip(first..) {
            let authorization = &people[permission.target].authorization;
            let path = format!("/api/bundle_permission/{id}/{resource}");
            requests.push("GET", &path, &[("Authorization", authorization)], "");
        }
        requests
    };
    let (permissions, receipts) = (reads(""), reads("receipt/"));
    let mut comparison = bench.comparison();
    let panel = format!("receipts, {}", database.backend.name());
    let mut add = |series, requests| {
        comparison.add(&panel, series, CONNECTIONS, move |window| {
            load::closed_loop(server.address, requests, CONNECTIONS, window)
        })
    };
    let permission = add("permission", &permissions);
    let receipt = add("receipt", &receipts);
    comparison.run(bench, database.directory());
    let figure = format!("{}, receipt @64 ÷ permission @64", database.backend.name());
    bench.ratio(&figure, receipt, permission, Target::Unbounded);
}

fn approve(bench: &mut Bench, database: &Database, people: &[BenchUser], server: &Server) {
    let mut comparison = bench.comparison();
    let in_full = add_approvals(&mut comparison, "all", database, people, server, fixtures::redeem_requests);
    let in_part = add_approvals(&mut comparison, "a part", database, people, server, partial_approvals);
    comparison.run(bench, database.directory());
    let figure = format!("{}, approve a part @64 ÷ all @64", database.backend.name());
    bench.ratio(&figure, in_part, in_full, Target::Unbounded);
}

fn add_approvals<'a>(
    comparison: &mut Comparison<'a>,
    series: &str,
    database: &'a Database,
    people: &'a [BenchUser],
    server: &'a Server,
    requests: fn(&[BenchUser], &[OpenRequest]) -> Requests,
) -> SeriesId {
    let mut row_supply = RowSupply::new(CONNECTIONS);
    let panel = format!("approve, {}", database.backend.name());
    comparison.add(&panel, series, CONNECTIONS, move |window| {
        let open = fixtures::insert_open_requests(database, people, row_supply.rows());
        // To read and to download.
        database.execute("UPDATE permission_requests SET permission = 6");
        database.checkpoint();
        let requests = requests(people, &open);
        row_supply.observe(load::closed_loop(server.address, &requests, CONNECTIONS, window), window)
    })
}

/// An approval of each request by its target, to read for an hour.
fn partial_approvals(people: &[BenchUser], open: &[OpenRequest]) -> Requests {
    let (keyring, mut requests) = (fixtures::keyring(), Requests::single_use(200));
    for open in open {
        let token = fixtures::redeem_token(&keyring, open);
        let path = format!("/api/bundle_permission_request/{token}/approve/");
        let headers = fixtures::json_headers(&people[open.target].authorization);
        requests.push("POST", &path, &headers, r#"{"permission":2,"permission_ttl":3600}"#);
    }
    requests
}
