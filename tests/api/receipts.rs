//! Receipts, and the keys that sign them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign::domain::audit::AuditContext;
use countersign::domain::token::Keyring;
use countersign::store::{Store, purge, requests, signing_keys};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::helpers::{Backend, ByUser, SECRET, TestApp, TestUser};
use crate::hexo::{HexoFixture, REQUESTS, expect_error, expect_response, resource_id};
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

fn receipt_path(number: i64) -> String {
    format!("/api/bundle_permission/{number}/receipt/")
}

/// The receipt at this path for a user.
async fn receipt(app: &TestApp, path: &str, user: &TestUser) -> String {
    let answer = app.get(path).by_user(user).send().await.unwrap();
    let status = answer.status();
    let media_type = answer.headers()["content-type"].clone();
    let text = answer.text().await.unwrap();
    assert_eq!(
        (status.as_u16(), media_type.to_str().unwrap()),
        (200, "application/consent-receipt+jwt"),
        "{text}"
    );
    text
}

/// The claims of a receipt, which this code does not verify.
fn claims(receipt: &str) -> Value {
    use base64::Engine;
    let payload = receipt.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap())
        .unwrap()
}

/// The events in a receipt, as pairs of type and time.
fn events(receipt: &str) -> Vec<(String, String)> {
    let claims = claims(receipt);
    let events = claims["record"]["events"].as_array().unwrap().iter();
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events.map(|event| (text(event, "event_type"), text(event, "event_time"))).collect()
}

/// Posts Ada's request with these further fields, and returns its number.
async fn ask(app: &TestApp, scene: &HexoFixture, fields: Value) -> i64 {
    let mut body = scene.request_body();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    resource_id(&expect_response(app.post(REQUESTS).by_user(&scene.ada).json(&body), 201).await)
}

/// Approves a request as Grace, through the API.
async fn approve(app: &TestApp, scene: &HexoFixture, number: i64, fields: Value) {
    let request = app.get(&format!("{REQUESTS}{number}/")).by_user(&scene.grace);
    let request = expect_response(request, 200).await;
    let (_, token) = request["redeem_url"].as_str().unwrap().split_once("token=").unwrap();
    let approve = app.post(&format!("{REQUESTS}{token}/approve/")).by_user(&scene.grace).json(&fields);
    expect_response(approve, 200).await;
}

/// The programs that verify receipts with libraries that are not ours: PyJWT, and npm's jose.
fn verifiers() -> [Command; 2] {
    let variable = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
    };
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
    let (mut python, mut node) = (Command::new(variable("COUNTERSIGN_TEST_PYTHON")), Command::new("node"));
    python.arg(support.join("verify_receipt.py"));
    node.arg(support.join("jose/verify.cjs")).env("COUNTERSIGN_TEST_JOSE", variable("COUNTERSIGN_TEST_JOSE"));
    [python, node]
}

/// The header and the claims if this library accepts the receipt, otherwise its error.
fn verify_with(mut library: Command, receipt: &str, jwks: &Value, audience: &Value) -> Result<Value, String> {
    let input = json!({
        "receipt": receipt,
        "jwks": jwks,
        "issuer": "https://countersign.test",
        "audience": audience,
    });
    let piped = library.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
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
    async fn two_jose_libraries_verify_a_receipt_of_an_earlier_key(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let fields = json!({ "purpose": "A study\nof sleep", "minimum": ["read"], "permission_ttl": 2_592_000 });
        let number = ask(&app, &scene, fields).await;
        app.advance(60);
        approve(&app, &scene, number, json!({ "permission": ["read"], "permission_ttl": 86_400 })).await;
        let first = receipt(&app, &receipt_path(number), &scene.ada).await;
        assert_eq!(receipt(&app, &receipt_path(number), &scene.grace).await, first);
        assert_eq!(receipt(&app, &receipt_path(number).replace("/api/", "/api/v1/"), &scene.grace).await, first);
        let kid = published(&app).await;
        rotate(&app.store, &app);
        let second = receipt(&app, &receipt_path(number), &scene.ada).await;
        assert_ne!(first, second);
        assert_eq!(claims(&first), claims(&second));

        let jwks: Value = app.get(JWKS).send().await.unwrap().json().await.unwrap();
        let uri = |user: &TestUser| json!(format!("https://countersign.test{}", user.uri()));
        for receipt in [&first, &second] {
            for library in verifiers() {
                let verified = verify_with(library, receipt, &jwks, &uri(&scene.ada)).unwrap();
                let header = &verified["header"];
                assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("consent-receipt+jwt")));
                assert_eq!(header["kid"] == kid[0].as_str(), receipt == &first);
                assert_eq!(verified["claims"], claims(receipt));
            }
        }
        let claims = claims(&first);
        assert_eq!((&claims["sub"], &claims["aud"]), (&uri(&scene.grace), &uri(&scene.ada)));
        assert_eq!(claims["iat"], 1_893_456_060);
        let purpose = &claims["record"]["pii_processing"]["purposes"][0];
        assert_eq!(purpose["purpose"], "A study\nof sleep");
        assert_eq!(purpose["request"]["rights"], json!(["read", "get"]));
        assert_eq!((&purpose["request"]["minimum"], &purpose["request"]["duration"]), (&json!(["read"]), &json!("P30D")));
        assert_eq!(purpose["processing_method"], json!(["read"]));
        assert_eq!(claims["record"]["events"][0]["valid_until"], "2030-01-02T00:01:00Z");

        // A changed receipt, one for another audience, and one of another key are refused.
        let [header, payload, signature] = [0, 1, 2].map(|nth| first.split('.').nth(nth).unwrap());
        let other_payload = second.split('.').nth(1).unwrap().replacen('A', "B", 1);
        for library in verifiers() {
            let changed = format!("{header}.{other_payload}.{signature}");
            assert!(verify_with(library, &changed, &jwks, &uri(&scene.ada)).is_err());
        }
        for library in verifiers() {
            assert!(verify_with(library, &first, &jwks, &uri(&scene.eve)).is_err());
        }
        let foreign = format!("{}.{payload}.{signature}", second.split('.').next().unwrap());
        for library in verifiers() {
            assert!(verify_with(library, &foreign, &jwks, &uri(&scene.ada)).is_err());
        }
    }

    async fn a_receipt_is_the_same_on_every_replica_and_after_a_user_is_renamed(mut app: TestApp) {
        let scene = HexoFixture::new(&app);
        let number = ask(&app, &scene, json!({})).await;
        approve(&app, &scene, number, json!({})).await;
        let other = app.spawn_replica();
        let path = receipt_path(number);
        let (first, second) = tokio::join!(
            receipt(&app, &path, &scene.ada),
            async { app.get(&format!("{other}{path}")).by_user(&scene.ada).send().await.unwrap().text().await.unwrap() },
        );
        assert_eq!(first, second);
        assert_eq!(published(&app).await.len(), 1);
        let renamed = app.put(&scene.ada.uri()).by_user(&scene.ada).json(&json!({ "first_name": "Augusta" }));
        assert!(renamed.send().await.unwrap().status().is_success());
        app.advance(86_400);
        assert_eq!(receipt(&app, &path, &scene.grace).await, first);
    }

    async fn a_second_receipt_says_how_a_permission_ended(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let start = "2030-01-01T00:00:00Z".to_owned();
        let given = vec![("given".to_owned(), start)];
        let with_end = |event: &str, time: &str| [given.clone(), vec![(event.to_owned(), time.to_owned())]].concat();

        // Replaced by a permission with more rights.
        let replaced = ask(&app, &scene, json!({ "permission": ["read"] })).await;
        approve(&app, &scene, replaced, json!({})).await;
        let first = receipt(&app, &receipt_path(replaced), &scene.ada).await;
        assert_eq!(events(&first), given);
        let revoked = ask(&app, &scene, json!({})).await;
        approve(&app, &scene, revoked, json!({})).await;
        let second = receipt(&app, &receipt_path(replaced), &scene.ada).await;
        assert_eq!(events(&second), with_end("withdrawn", "2030-01-01T00:00:00Z"));
        let detail = claims(&second)["record"]["events"][1]["detail"].clone();
        assert!(detail.as_str().unwrap().contains("replaced"), "{detail}");
        assert_eq!(receipt(&app, &format!("{}?event_type=given", receipt_path(replaced)), &scene.ada).await, first);

        // Revoked.
        app.advance(60);
        let uri = format!("/api/bundle_permission/{revoked}/");
        expect_response(app.delete(&uri).by_user(&scene.grace), 204).await;
        expect_error(&app, app.get(&uri).by_user(&scene.grace), 404, "Not found.").await;
        let withdrawn = receipt(&app, &receipt_path(revoked), &scene.grace).await;
        assert_eq!(events(&withdrawn), with_end("withdrawn", "2030-01-01T00:01:00Z"));
        let named = format!("{}?event_type=withdrawn", receipt_path(revoked));
        assert_eq!(receipt(&app, &named, &scene.grace).await, withdrawn);
        expect_error(&app, app.get(&named.replace("withdrawn", "expired")).by_user(&scene.ada), 404, "Not found.").await;

        // Expired, from the moment on, whether or not the row is marked.
        let expired = ask(&app, &scene, json!({ "permission_ttl": 3_600 })).await;
        approve(&app, &scene, expired, json!({})).await;
        app.advance(3_599);
        assert_eq!(events(&receipt(&app, &receipt_path(expired), &scene.ada).await).len(), 1);
        app.advance(1);
        let at_once = receipt(&app, &receipt_path(expired), &scene.ada).await;
        assert_eq!(events(&at_once)[1], ("expired".to_owned(), "2030-01-01T01:01:00Z".to_owned()));
        app.advance(86_400);
        app.store.write(|conn| { let now = conn.now()?; requests::expire_permissions_batch(conn, now) }).unwrap();
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE end_cause = 'expired'"), 1);
        assert_eq!(receipt(&app, &receipt_path(expired), &scene.ada).await, at_once);
    }

    async fn a_receipt_is_kept_as_long_after_the_end_of_the_permission_as_other_records(app: TestApp) {
        const DAY: i64 = 86_400;
        let scene = HexoFixture::new(&app);
        let number = ask(&app, &scene, json!({})).await;
        approve(&app, &scene, number, json!({})).await;
        let purge = || {
            let purged = app.store.write(|conn| {
                let cutoff = conn.now()?.plus_seconds(-90 * DAY);
                purge::purge_batch(conn, cutoff, 100)
            });
            purged.unwrap().requests
        };
        app.advance(100 * DAY);
        assert_eq!(purge(), 0, "it is active");
        expect_response(app.delete(&format!("/api/bundle_permission/{number}/")).by_user(&scene.ada), 204).await;
        app.advance(90 * DAY);
        assert_eq!(purge(), 0, "it ended ninety days ago");
        assert_eq!(events(&receipt(&app, &receipt_path(number), &scene.ada).await).len(), 2);
        app.advance(1);
        assert_eq!(purge(), 1);
        expect_response(app.get(&receipt_path(number)).by_user(&scene.ada), 404).await;
    }

    async fn only_a_party_of_a_permission_gets_its_receipt(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        let pending = ask(&app, &scene, json!({})).await;
        let path = receipt_path(pending);
        for user in [&scene.ada, &scene.grace] {
            expect_error(&app, app.get(&path).by_user(user), 404, "Not found.").await;
        }
        approve(&app, &scene, pending, json!({})).await;
        receipt(&app, &path, &scene.ada).await;
        for user in [&scene.eve, &root] {
            expect_error(&app, app.get(&path).by_user(user), 404, "Not found.").await;
        }
        for event in ["withdrawn", "expired", "declined", "", "Given"] {
            let other = format!("{path}?event_type={event}");
            expect_error(&app, app.get(&other).by_user(&scene.ada), 404, "Not found.").await;
        }
        for path in [receipt_path(4711), "/api/bundle_permission/csr_x/receipt/".to_owned()] {
            expect_error(&app, app.get(&path).by_user(&scene.ada), 404, "Not found.").await;
        }
        let twice = format!("{path}?event_type=given&event_type=given");
        expect_error(&app, app.get(&twice).by_user(&scene.ada), 400, "Provide one value for 'event_type'.").await;
    }

    async fn a_permission_without_a_request_has_a_receipt(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let root = app.staff("root@example.org");
        for (by, basis) in [(&scene.grace, json!("consent")), (&root, Value::Null)] {
            let grant = app.post("/api/bundle_permission/").by_user(by).json(&scene.request_body());
            let granted = expect_response(grant, 201).await;
            let number = resource_id(&granted);
            assert_eq!(granted["receipt"], receipt_path(number));
            let claims = claims(&receipt(&app, &receipt_path(number), &scene.ada).await);
            let record = &claims["record"];
            assert_eq!(record["pii_processing"]["purposes"][0]["lawful_basis"], basis);
            assert_eq!(record["pii_processing"]["privacy_notice"]["shown"], false);
            assert_eq!(record["events"][0]["method"], "direct");
            let uri = format!("https://countersign.test{}", by.uri());
            assert_eq!(record["events"][0]["entity_id"], uri);
            expect_response(app.delete(granted["resource_uri"].as_str().unwrap()).by_user(&scene.grace), 204).await;
        }
    }

    async fn a_receipt_repeats_the_text_that_the_page_showed(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let number = ask(&app, &scene, json!({ "purpose": "A study" })).await;
        approve(&app, &scene, number, json!({})).await;
        app.execute_raw(&format!("UPDATE permission_requests SET statement = 'de/1' WHERE id = {number}"));
        let claims = claims(&receipt(&app, &receipt_path(number), &scene.ada).await);
        let notice = &claims["record"]["pii_processing"]["privacy_notice"];
        let text = notice["text"].as_str().unwrap();
        assert!(text.starts_with("ada@example.org bittet Sie um eine Berechtigung: „Sleep“.\n"), "{text}");
        assert!(text.contains("\nDer Zweck, in den Worten der anfragenden Person: „A study“\n"), "{text}");
        assert_eq!((&notice["version"], &notice["language"]), (&json!("de/1"), &json!("de")));
        let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(notice["sha256"], hash);
        assert_eq!(claims["record"]["events"][0]["method"], "page");
    }

    async fn no_receipt_is_signed_with_a_key_that_cannot_be_opened(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let created = app.store.write(|conn| {
            let now = conn.now()?;
            signing_keys::create_first(conn, &keyring("another secret of 32 bytes or more", None), now)
        });
        created.unwrap();
        let number = ask(&app, &scene, json!({})).await;
        approve(&app, &scene, number, json!({})).await;
        let before = app.rows();
        assert_eq!(app.get(&receipt_path(number)).by_user(&scene.ada).send().await.unwrap().status(), 500);
        assert_eq!(app.rows(), before);
        rotate(&app.store, &app);
        receipt(&app, &receipt_path(number), &scene.ada).await;
    }

    async fn the_parties_download_a_receipt_on_the_pages(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let number = ask(&app, &scene, json!({})).await;
        approve(&app, &scene, number, json!({})).await;
        let (link, history) = (format!("/access/{number}/receipt"), format!("/requests/{number}"));
        let expected = receipt(&app, &receipt_path(number), &scene.ada).await;
        for user in [&scene.ada, &scene.grace] {
            let visitor = app.signed_in(user);
            for page in ["/access", &history] {
                let (status, html) = visitor.get_page(&app, page).await;
                assert!(status == 200 && html.contains(&format!("href=\"{link}\"")), "{page}: {html}");
            }
            let answer = app.get(&link).header("cookie", &visitor.cookie).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["content-type"], "application/consent-receipt+jwt");
            let attachment = format!("attachment; filename=\"receipt-{number}.jwt\"");
            assert_eq!(answer.headers()["content-disposition"], attachment);
            assert_eq!(answer.text().await.unwrap(), expected);
        }
        // After the end, the history still leads to it.
        expect_response(app.delete(&format!("/api/bundle_permission/{number}/")).by_user(&scene.ada), 204).await;
        let visitor = app.signed_in(&scene.grace);
        let (_, html) = visitor.get_page(&app, &history).await;
        assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
        let ended = app.get(&format!("{link}?event_type=given")).header("cookie", &visitor.cookie);
        assert_eq!(ended.send().await.unwrap().text().await.unwrap(), expected);
        let root = app.staff("root@example.org");
        let (status, html) = app.signed_in(&root).get_page(&app, &history).await;
        assert!(status == 200 && !html.contains(&link), "only the parties get the receipt: {html}");
        for user in [&scene.eve, &root] {
            assert_eq!(app.signed_in(user).get_page(&app, &link).await.0, 404);
        }
    }

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
