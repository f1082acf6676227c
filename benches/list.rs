//! Lists of 20 rows for a user with 1,000 rows and a user with 100,000: the response times should
//! not differ.
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
use harness::database::{Database, Value};
use harness::fixtures::{BUNDLE_ID, BenchUser};
use harness::requests::Requests;
use harness::server::Server;
use harness::{fixtures, load};

/// The number of rows of the two users in each list.
const ROWS: [usize; 2] = [1_000, 100_000];
/// The number of concurrent connections.
const CONNECTIONS: usize = 16;

fn main() {
    harness::run("list", |bench| {
        let cluster = Rc::new(Cluster::start());
        run_on(bench, &Database::postgres(&cluster));
        run_on(bench, &Database::sqlite());
    });
}

/// The name and the path of each list.
const LISTS: [(&str, &str); 3] = [
    ("hexo requests", "/api/bundle_permission_request/?limit=20"),
    ("hexo permissions", "/api/bundle_permission/?limit=20"),
    ("mfs tokens", "/-/svc/mfs_api.list?limit=20"),
];

fn run_on(bench: &mut Bench, database: &Database) {
    let backend = database.backend;
    let rows = if bench.options.quick { [100, 1_000] } else { ROWS };
    // Each of the other users has a row in common with the first two.
    let people = fixtures::insert_users(database, rows[1] + 2);
    fixtures::insert_hubs(database, &people[..2]);
    for (owner, count) in [(&people[0], rows[0]), (&people[1], rows[1])] {
        insert_requests(database, owner, &people[2..2 + count]);
        insert_permissions(database, owner, &people[2..2 + count]);
        fixtures::update_user_counters(database);
        fixtures::insert_exports(database, std::slice::from_ref(owner), count, 1);
    }
    database.checkpoint();
    let server = Server::start(database);

    let mut comparison = bench.comparison();
    let mut told = Vec::new();
    for (name, path) in LISTS {
        let panel = format!("list {name}, {}", backend.name());
        let ours = [0, 1].map(|nth| {
            let mut list = Requests::new(200);
            list.push("GET", path, &[("Authorization", &people[nth].authorization)], "");
            if path.starts_with("/api/") {
                let total = format!(r#""total_count":{}"#, rows[nth]);
                let answer = load::send_first(server.address, &list);
                assert!(answer.contains(&total), "{total} is wanted of {path}, not:\n{answer}");
            }
            let address = server.address;
            comparison.add(&panel, &format!("countersign, {} rows", rows[nth]), CONNECTIONS, move |window| {
                load::closed_loop(address, &list, CONNECTIONS, window)
            })
        });
        told.push((name, ours));
    }
    comparison.run(bench, database.directory());
    for (name, [few, many]) in told {
        let what = format!("{}, {name}: {} rows ÷ {} rows @{CONNECTIONS}", backend.name(), rows[1], rows[0]);
        bench.ratio(&what, many, few, Target::AtLeast(0.8, 1.0));
    }
}

/// Open requests with the target `owner`, one by each other user.
fn insert_requests(database: &Database, owner: &BenchUser, others: &[BenchUser]) {
    let now = fixtures::now();
    let rows = others.iter().map(|other| {
        [
            Value::Id(fixtures::uuid_at(now)),
            Value::Int(owner.id),
            Value::Int(other.id),
            Value::Int(BUNDLE_ID),
            Value::Int(other.id),
            Value::Time(now),
            Value::Time(now + 604_800_000_000),
        ]
    });
    let columns =
        ["redeem_id", "user_target", "user_allowed", "bundle_id", "asked_by", "created_at", "expires_at"];
    database.insert("permission_requests", columns, rows);
}

/// Permissions of `owner`, one for each other user.
fn insert_permissions(database: &Database, owner: &BenchUser, others: &[BenchUser]) {
    let now = fixtures::now();
    let rows = others.iter().map(|other| {
        [
            Value::Id(fixtures::uuid_at(now)),
            Value::Int(other.id),
            Value::Int(owner.id),
            Value::Int(BUNDLE_ID),
            Value::Int(owner.id),
            Value::Time(now),
            Value::Time(now),
            Value::Time(now),
            Value::text("approved"),
            Value::Bool(true),
        ]
    });
    let columns = [
        "redeem_id",
        "user_target",
        "user_allowed",
        "bundle_id",
        "asked_by",
        "created_at",
        "expires_at",
        "closed_at",
        "outcome",
        "active",
    ];
    database.insert("permission_requests", columns, rows);
}
