//! schemathesis generates valid and invalid requests from the server's OpenAPI document, and
//! checks every response against it. `tests/support/schemathesis.toml` configures its checks.
//!
//! By default, it generates the same requests in each run. `SCHEMATHESIS_EXAMPLES=1000` generates
//! forty times as many, from a new seed that is reported with each failure.
//!
//! These tests take minutes. The runner starts tests in the order of their names: these among the first, so that
//! they do not run alone at the end.

use std::process;

use countersign::domain::rights::Role;
use countersign::domain::terms::Terms;
use countersign::store::ledger::GrantPermission;
use serde_json::{Value, json};

use crate::helpers::{Backend, PASSWORD, TestApp, TestUser};
use crate::processes::Server;

const CONFIG: &str = include_str!("../support/schemathesis.toml");
/// The default number of generated requests per route. schemathesis adds fixed ones for every
/// boundary value and every unsupported method.
const EXAMPLES_PER_ROUTE: u32 = 25;

/// Existing objects for the parameters of requests.
struct ApiFixture {
    app: TestApp,
    root: TestUser,
    /// The target of requests and the owner of `hub`.
    grace: TestUser,
    /// The requester.
    ada: TestUser,
    /// Ids and tokens of open requests.
    requests: Vec<String>,
    /// Export tokens of Grace. The first one is not revoked.
    exports: Vec<String>,
}

impl ApiFixture {
    fn new(backend: Backend) -> Self {
        let app = TestApp::without_server(backend);
        let root = app.staff("root@example.org");
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        app.grant_role("hub", &grace, Role::Owner);
        for name in ["One", "Two", "Three"] {
            let bundle = app.bundle(name, 6);
            let terms = Terms { target: grace.user.id, grantee: ada.user.id, bundle: bundle.id };
            app.commit(GrantPermission::without_end(terms, bundle.permission)).unwrap();
        }
        let requests =
            (0..20).map(|nth| app.create_request(&ada, &grace, &app.bundle(&format!("Request {nth}"), 6)));
        let requests = requests.flat_map(|request| [request.id.to_string(), app.redeem_token(&request)]);
        let (requests, exports) =
            (requests.collect(), (0..20).map(|_| app.export(&grace).1.expose()).collect());
        Self { app, root, grace, ada, requests, exports }
    }

    /// The schemathesis configuration for this user.
    fn config(&self, caller: &TestUser) -> String {
        let people =
            json!([self.ada.email(), self.grace.email(), self.ada.uri(), self.grace.id().to_string()]);
        let bundles: Vec<Value> = (1..=23).map(|id| json!(id.to_string())).collect();
        let (examples, seed) = match std::env::var("SCHEMATHESIS_EXAMPLES") {
            Ok(examples) => (examples, String::new()),
            Err(_) => (EXAMPLES_PER_ROUTE.to_string(), "seed = 1".to_owned()),
        };
        let visitor = self.app.signed_in(caller);
        CONFIG
            .replace("COOKIE", &visitor.cookie)
            .replace("CSRF", &visitor.csrf_token)
            .replace("MAX_EXAMPLES", &examples)
            .replace("# SEED", &seed)
            .replace("\"KEY\"", &json!(caller.key).to_string())
            .replace("\"EXPORT\"", &json!(self.exports[0]).to_string())
            .replace("REQUESTS", &json!(self.requests).to_string())
            .replace("TOKENS", &json!([&self.exports[1..], &self.requests[..]].concat()).to_string())
            .replace("PASSWORD", PASSWORD)
            .replace("PEOPLE", &people.to_string())
            .replace("BUNDLES", &Value::Array(bundles).to_string())
    }
}

/// Runs schemathesis for all routes of a server as one user.
fn run_schemathesis(backend: Backend, caller: fn(&ApiFixture) -> &TestUser) {
    let python = std::env::var("COUNTERSIGN_TEST_PYTHON")
        .expect("COUNTERSIGN_TEST_PYTHON names a Python with schemathesis: run the tests by `make test`");
    let scene = ApiFixture::new(backend);
    // It exceeds every rate limit.
    let server = Server::start(&[("DATABASE_URL", &scene.app.database_url), ("COUNTERSIGN_LIMITS", "off")]);
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("schemathesis.toml");
    std::fs::write(&config, scene.config(caller(&scene))).unwrap();
    let output = process::Command::new(python)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(&config)
        .args(["run", &format!("{}/openapi.json", server.url)])
        .current_dir(directory.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let by_form = scene.app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'key.created'");
    assert!(by_form > 0, "a form of the pages was accepted");
}

#[test]
fn every_response_to_staff_matches_the_document() {
    run_schemathesis(Backend::Postgres, |scene| &scene.root);
}

#[test]
fn every_response_to_a_user_matches_the_document() {
    run_schemathesis(Backend::Sqlite, |scene| &scene.grace);
}
