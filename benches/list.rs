//! Lists of 20, as a user with 1,000 rows and as one with 100,000 asks for them:
//! they should not be able to tell who they are by the time that it takes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has failed"
)]

#[expect(dead_code, reason = "no bench uses all of it")]
mod harness;

use std::rc::Rc;

use harness::bench::{Bench, Target};
use harness::cluster::Cluster;
use harness::database::{Database, Value};
use harness::requests::Requests;
use harness::seed::{BUNDLE, Person};
use harness::server::Server;
use harness::{load, seed};

/// How much the two users have, of everything.
const ROWS: [usize; 2] = [1_000, 100_000];
/// Connections that ask at a time.
const CONNECTIONS: usize = 16;

fn main() {
    harness::run("list", |bench| {
        let cluster = Rc::new(Cluster::start());
        on(bench, &Database::postgres(&cluster));
        on(bench, &Database::sqlite());
    });
}

/// What is listed: its name, and its path.
const LISTS: [(&str, &str); 3] = [
    ("hexo requests", "/api/bundle_permission_request/?limit=20"),
    ("hexo permissions", "/api/bundle_permission/?limit=20"),
    ("mfs tokens", "/-/svc/mfs_api.list?limit=20"),
];

fn on(bench: &mut Bench, database: &Database) {
    let backend = database.backend;
    let rows = if bench.options.quick { [100, 1_000] } else { ROWS };
    // The first two have much; all others have a little of it with them.
    let people = seed::people(database, rows[1] + 2);
    seed::hubs(database, &people[..2]);
    for (owner, count) in [(&people[0], rows[0]), (&people[1], rows[1])] {
        requests(database, owner, &people[2..2 + count]);
        permissions(database, owner, &people[2..2 + count]);
        seed::tally(database);
        seed::exports(database, std::slice::from_ref(owner), count, 1);
    }
    database.settle();
    let server = Server::start(database);

    let mut race = bench.race();
    let mut told = Vec::new();
    for (name, path) in LISTS {
        let panel = format!("list {name}, {}", backend.name());
        let ours = [0, 1].map(|nth| {
            let mut list = Requests::new(200);
            list.push("GET", path, &[("Authorization", &people[nth].authorization)], "");
            if path.starts_with("/api/") {
                let total = format!(r#""total_count":{}"#, rows[nth]);
                let answer = load::ask(server.address, &list);
                assert!(answer.contains(&total), "{total} is wanted of {path}, not:\n{answer}");
            }
            let address = server.address;
            race.enter(&panel, &format!("countersign, {} rows", rows[nth]), CONNECTIONS, move |window| {
                load::closed(address, &list, CONNECTIONS, window)
            })
        });
        told.push((name, ours));
    }
    race.run(bench, database.directory());
    for (name, [few, many]) in told {
        let what = format!("{}, {name}: {} rows ÷ {} rows @{CONNECTIONS}", backend.name(), rows[1], rows[0]);
        bench.ratio(&what, many, few, Target::AtLeast(0.8, 1.0));
    }
}

/// Open requests that ask `owner`, one by each of the others.
fn requests(database: &Database, owner: &Person, others: &[Person]) {
    let now = seed::now();
    let rows = others.iter().map(|other| {
        [
            Value::Id(seed::id(now)),
            Value::Int(owner.id),
            Value::Int(other.id),
            Value::Int(BUNDLE),
            Value::Int(other.id),
            Value::Time(now),
            Value::Time(now + 604_800_000_000),
        ]
    });
    let columns =
        ["redeem_id", "user_target", "user_allowed", "bundle_id", "asked_by", "created_at", "expires_at"];
    database.insert("permission_requests", columns, rows);
}

/// Permissions that `owner` holds, one over each of the others.
fn permissions(database: &Database, owner: &Person, others: &[Person]) {
    let now = seed::now();
    let rows = others.iter().map(|other| {
        [
            Value::Id(seed::id(now)),
            Value::Int(other.id),
            Value::Int(owner.id),
            Value::Int(BUNDLE),
            Value::Int(owner.id),
            Value::Time(now),
            Value::Time(now),
            Value::Time(now),
            Value::text("redeemed"),
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
        "stands",
    ];
    database.insert("permission_requests", columns, rows);
}
