//! The peer: a server of fastify and pg with the routes of countersign (`benches/peer`), and the rows of its table.
//!
//! It authenticates its callers, but sends no mails and writes no audit log, which gives it an advantage over
//! countersign.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::database::{Database, Value};
use super::fixtures::{self, BUNDLE_ID, BenchUser, LIFETIME_SECONDS, OpenRequest};

/// The table of its requests.
pub const TABLE: &str = "peer_requests";

/// Its main program. It is copied beside the packages that `benches/run` has installed.
pub fn program() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-peer");
    assert!(directory.join("node_modules").is_dir(), "`benches/run peer` installs the packages of the peer");
    for module in ["answers.mjs", "server.mjs"] {
        std::fs::copy(source.join(module), directory.join(module)).unwrap();
    }
    directory.join("server.mjs")
}

/// Creates its table.
pub fn create_table(database: &Database) {
    database.execute(include_str!("../peer/schema.sql"));
}

/// Replaces all its requests by the rows of [`fixtures::open_requests`].
pub fn insert_open_requests(database: &Database, people: &[BenchUser], count: usize) -> Vec<OpenRequest> {
    let (start, open, keyring) =
        (fixtures::now(), fixtures::open_requests(people, count), fixtures::keyring());
    database.truncate(&[TABLE]);
    database.insert(
        TABLE,
        [
            "id",
            "token_digest",
            "user_target",
            "user_allowed",
            "bundle_id",
            "asked_by",
            "permission",
            "created_at",
            "expires_at",
        ],
        open.iter().map(|open| {
            let token = fixtures::redeem_token(&keyring, open);
            [
                Value::Int(open.number),
                Value::Bytes(Sha256::digest(token).to_vec()),
                Value::Int(people[open.target].id),
                Value::Int(people[open.grantee].id),
                Value::Int(BUNDLE_ID),
                Value::Int(people[open.grantee].id),
                Value::Int(2),
                Value::Time(start),
                Value::Time(start + LIFETIME_SECONDS * 1_000_000),
            ]
        }),
    );
    open
}
