//! Receipts, and the keys that sign them.

use std::path::Path;
use std::process::Command;

use countersign::domain::audit::AuditContext;
use countersign::domain::token::Keyring;
use countersign::store::{Store, signing_keys};
use serde_json::{Value, json};

use crate::helpers::{Backend, SECRET, TestApp};
use crate::processes::Server;

const JWKS: &str = "/.well-known/jwks.json";

fn keyring(current: &str, previous: Option<&str>) -> Keyring {
    Keyring::new(current.as_bytes(), previous.map(str::as_bytes)).unwrap()
}

/// The ids of the published keys, the current one first.
async fn published(app: &TestApp) -> Vec<String> {
    let answer = app.get(JWKS).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let keys: Value = answer.json().await.unwrap();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Replaces the key, as the command does.
fn rotate(store: &Store, app: &TestApp) -> String {
    app.advance(1);
    let rotated = store.write(|conn| {
        let now = conn.now()?;
        signing_keys::rotate(conn, &keyring(SECRET, None), &AuditContext::OPERATOR, now)
    });
    rotated.unwrap().unwrap()
}

/// The exit code and the JSON output of `countersign` with these arguments, in an empty directory.
fn run_command(app: &TestApp, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, Value) {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .arg("--json")
        .current_dir(directory.path())
        .env_clear()
        .env("DATABASE_URL", &app.database_url)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    (output.status.code().unwrap(), serde_json::from_slice(text).unwrap())
}

/// A receipt that the current key has signed.
fn sign(app: &TestApp, claims: &Value) -> String {
    let key = app.store.read(|conn| signing_keys::current(conn, &keyring(SECRET, None))).unwrap();
    key.unwrap().unwrap().sign("consent-receipt+jwt", claims)
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

on_both_databases! {
    async fn the_command_verifies_a_receipt_and_replaces_the_key(app: TestApp) {
        app.create_signing_key();
        let claims = json!({ "sub": "a", "record": { "events": [] } });
        let directory = tempfile::tempdir().unwrap();
        let receipt = sign(&app, &claims);
        let path = write(directory.path(), "receipt.jwt", &format!("{receipt}\n"));
        let valid = json!({ "valid": true, "claims": claims });
        assert_eq!(run_command(&app, &["receipt", "verify", &path], &[]), (0, valid.clone()));

        let secret = [("COUNTERSIGN_SECRET", SECRET)];
        let (code, rotated) = run_command(&app, &["receipt", "rotate"], &secret);
        assert_eq!((code, rotated["kid"].as_str()), (0, Some(published(&app).await[0].as_str())));
        assert_eq!(published(&app).await.len(), 2);
        assert_eq!(run_command(&app, &["receipt", "verify", &path], &[]), (0, valid.clone()), "an old receipt");

        // Offline: without the database.
        let keys = app.get(JWKS).send().await.unwrap().text().await.unwrap();
        let keys = write(directory.path(), "jwks.json", &keys);
        let offline = [("DATABASE_URL", "sqlite:///nowhere/countersign.db")];
        assert_eq!(run_command(&app, &["receipt", "verify", &path, "--jwks", &keys], &offline), (0, valid));

        let changed = receipt.replace('.', ".e");
        let changed = write(directory.path(), "changed.jwt", &changed);
        let other = write(directory.path(), "other.json", "{\"keys\":[]}");
        for (arguments, error) in [
            (["receipt", "verify", &changed, "--jwks", &keys], "is not a valid receipt: "),
            (["receipt", "verify", &path, "--jwks", &other], "a key that is not in the set of keys"),
            (["receipt", "verify", &path, "--jwks", &path], "it is not a JSON Web Key Set"),
            (["receipt", "verify", "nowhere.jwt", "--jwks", &keys], "cannot read the receipt nowhere.jwt: "),
        ] {
            let (code, document) = run_command(&app, &arguments, &offline);
            let said = document["error"].as_str().unwrap();
            assert!(code == 1 && said.contains(error), "{said}");
        }
    }

    async fn the_first_key_is_created_once_on_any_number_of_replicas(app: TestApp) {
        assert!(published(&app).await.is_empty());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| app.create_signing_key());
            }
        });
        assert_eq!(published(&app).await.len(), 1);
        let created = "SELECT count(*) AS n FROM audit_log WHERE action = 'signing_key.created'";
        assert_eq!(app.count(created), 1);
    }

    async fn a_rotation_keeps_the_public_key_and_deletes_the_private_key(app: TestApp) {
        app.create_signing_key();
        let first = published(&app).await;
        let second = rotate(&app.store, &app);
        assert_eq!(published(&app).await, [second.clone(), first[0].clone()]);
        let third = rotate(&app.store, &app);
        assert_eq!(published(&app).await, [third.clone(), second, first[0].clone()]);
        let current = app.store.read(|conn| signing_keys::current(conn, &keyring(SECRET, None))).unwrap();
        assert_eq!(current.unwrap().unwrap().kid(), third);
        let retired = "SELECT count(*) AS n FROM signing_keys WHERE retired_at IS NOT NULL AND private_key IS NULL";
        assert_eq!(app.count(retired), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'signing_key.rotated'"), 2);
    }

    async fn a_server_that_starts_seals_the_key_under_its_new_secret(app: TestApp) {
        const NEXT: &str = "the next secret of the server, 32 bytes";
        app.create_signing_key();
        let opens = |secret| {
            let key = app.store.read(|conn| signing_keys::current(conn, &keyring(secret, None))).unwrap().unwrap();
            key.is_ok()
        };
        assert!(opens(SECRET) && !opens(NEXT));
        let start = |secret, previous| {
            // Started and stopped.
            drop(Server::start(&[
                ("DATABASE_URL", &app.database_url),
                ("COUNTERSIGN_SECRET", secret),
                ("COUNTERSIGN_SECRET_PREVIOUS", previous),
            ]));
        };
        start(SECRET, NEXT);
        assert!(opens(SECRET) && !opens(NEXT), "the next secret is not used yet");
        start(NEXT, SECRET);
        assert!(!opens(SECRET) && opens(NEXT));
        // A server that does not know the secret leaves the key as it is.
        start("a secret that is not the server's own", "");
        assert!(opens(NEXT));
    }
}

#[actix_web::test]
async fn the_key_is_not_replaced_under_a_new_secret() {
    let app = TestApp::spawn(Backend::Sqlite);
    app.create_signing_key();
    let before = app.rows();
    let (code, error) = run_command(&app, &["receipt", "rotate"], &[]);
    assert!(
        code == 1
            && error["error"].as_str().unwrap().starts_with("the secret file data/secret does not exist; ")
    );
    assert_eq!(app.rows(), before);
}
