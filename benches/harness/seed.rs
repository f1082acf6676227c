//! Who and what is in a database before the clock runs.

use countersign::domain::clock::Timestamp;
use countersign::domain::token::{Entropy, Keyring, Kind, RedeemId, Token};
use countersign::entropy;
use countersign::store::machine_now;
use uuid::Uuid;

use super::database::{Database, Value};
use super::requests::Requests;
use super::server::SECRET;

/// The bundle that is asked for.
pub const BUNDLE: i64 = 1;
/// How long what is seeded lives, in seconds.
const LIFETIME: i64 = 604_800;

/// A user with an API key.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their number.
    pub id: i64,
    /// Their address.
    pub email: String,
    /// The value of an `Authorization` header.
    pub authorization: String,
}

/// A request that is open.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Its number.
    pub number: i64,
    /// What its token is derived from.
    pub redeem_id: Uuid,
    /// Who is asked: an index into the people.
    pub target: usize,
    /// Who asks: an index into the people.
    pub allowed: usize,
}

/// The time, in microseconds.
pub fn now() -> i64 {
    machine_now().micros()
}

/// A version 7 id of this moment.
pub fn id(micros: i64) -> Uuid {
    entropy::token().uuid(Timestamp::from_micros(micros))
}

/// The servers' keys.
pub fn keyring() -> Keyring {
    Keyring::new(SECRET.as_bytes(), None).unwrap()
}

/// Adds users 1, 2, 3 … with an API key each, and a bundle that they may ask for.
pub fn people(database: &Database, count: usize) -> Vec<Person> {
    let (now, entropy): (i64, Vec<Entropy>) = (now(), (0..count).map(|_| entropy::token()).collect());
    let keys: Vec<Token> = entropy
        .iter()
        .map(|entropy| Token::random(Kind::ApiKey, entropy.uuid(Timestamp::from_micros(now)), entropy))
        .collect();
    let people: Vec<Person> = keys
        .iter()
        .zip(1..)
        .map(|(key, id)| Person {
            id,
            email: format!("person{id}@example.org"),
            authorization: format!("Bearer {}", key.reveal()),
        })
        .collect();
    database.insert(
        "users",
        ["id", "email", "first_name", "last_name", "active", "staff", "created_at"],
        people.iter().map(|person| {
            [
                Value::Int(person.id),
                Value::text(&person.email),
                Value::text("Pat"),
                Value::text(format!("Person {}", person.id)),
                Value::Bool(true),
                Value::Bool(false),
                Value::Time(now),
            ]
        }),
    );
    database.insert(
        "api_keys",
        ["id", "user_id", "label", "digest", "created_at"],
        people.iter().zip(&keys).map(|(person, key)| {
            [
                Value::Id(key.id()),
                Value::Int(person.id),
                Value::text("bench"),
                Value::Bytes(key.digest().as_bytes().to_vec()),
                Value::Time(now),
            ]
        }),
    );
    database.insert(
        "bundles",
        ["id", "name", "description", "permission"],
        [[Value::Int(BUNDLE), Value::text("Read"), Value::text("See what is there."), Value::Int(2)]],
    );
    people
}

/// Adds open requests numbered 1, 2, 3 …, in place of all that there are. The
/// first half of the people is asked, each in turn, by the second half.
pub fn open_requests(database: &Database, people: &[Person], count: usize) -> Vec<Open> {
    let half = people.len() / 2;
    assert!(count <= half * half, "{} people ask for {count} permissions", people.len());
    let start = now();
    let open: Vec<Open> = (0..count)
        .map(|nth| Open {
            number: nth as i64 + 1,
            redeem_id: id(start + nth as i64),
            target: nth % half,
            allowed: half + nth / half,
        })
        .collect();
    database.empty(&["outbox", "bundle_permissions", "events", "permission_requests"]);
    database.insert(
        "permission_requests",
        [
            "id",
            "redeem_id",
            "user_target",
            "user_allowed",
            "bundle_id",
            "asked_by",
            "created_at",
            "expires_at",
        ],
        open.iter().map(|open| {
            [
                Value::Int(open.number),
                Value::Id(open.redeem_id),
                Value::Int(people[open.target].id),
                Value::Int(people[open.allowed].id),
                Value::Int(BUNDLE),
                Value::Int(people[open.allowed].id),
                Value::Time(start),
                Value::Time(start + LIFETIME * 1_000_000),
            ]
        }),
    );
    open
}

/// A request's token, as its target holds it.
pub fn redeem_token(keyring: &Keyring, open: &Open) -> String {
    keyring.redeem_token(RedeemId(open.redeem_id)).reveal()
}

/// A redemption of each, by whom it is for.
pub fn redemptions(people: &[Person], open: &[Open]) -> Requests {
    let (keyring, mut requests) = (keyring(), Requests::once(200));
    for open in open {
        let path = format!("/api/bundle_permission_request/{}/", redeem_token(&keyring, open));
        requests.push("PUT", &path, &[("Authorization", &people[open.target].authorization)], "");
    }
    requests
}
