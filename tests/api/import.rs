//! `countersign import`, run as a program next to a running server.

use std::io::Write;
use std::process::{self, Stdio};

use countersign::domain::block::Block;
use countersign::domain::permission_request::PermissionRequest;
use countersign::domain::rights::Mask;
use countersign::domain::timestamp::Timestamp;
use countersign::store::bundles::{self, BundleChange};
use countersign::store::import::{ImportedPermission, PermissionImport, TermsImport};
use countersign::store::ledger::CreateBlock;
use countersign::store::{Clock, Store, requests, users};
use serde_json::{Value, json};

use crate::helpers::{ByUser, PASSWORD, START_MICROS, TestApp, token_in};

mod directories;
mod updates;

const DAY: i64 = 24 * 3_600;

/// The result of a run of the program.
struct ImportOutput {
    code: i32,
    stdout: String,
    stderr: String,
}

impl ImportOutput {
    fn json(&self) -> Value {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl TestApp {
    /// Runs `countersign import` with these arguments on a file.
    fn import(&self, arguments: &[&str], file: &str) -> ImportOutput {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file.csv"), file).unwrap();
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("import").args(arguments).current_dir(directory.path());
        command.env_clear().env("DATABASE_URL", &self.database_url);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The program may exit before it has read all input.
        let _ = child.stdin.take().unwrap().write_all(file.as_bytes());
        let output = child.wait_with_output().unwrap();
        ImportOutput {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn import_users(&self, file: &str) -> Value {
        self.import(&["users", "file.csv", "--json"], file).json()
    }

    /// Runs `countersign permission`, and returns its exit code and output.
    fn permission_command(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("permission").args(arguments).env_clear().env("DATABASE_URL", &self.database_url);
        let output = command.current_dir(std::env::temp_dir()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn import_requests(&self, file: &str) -> Value {
        self.import(&["requests", "file.csv", "--json"], file).json()
    }

    /// The invalid lines of a rejected file. Asserts that both output formats list them and that
    /// nothing is written.
    fn import_refused(&self, arguments: &[&str], file: &str) -> Vec<(u64, String)> {
        let before = self.rows();
        let people = self.import(&[arguments, &["file.csv"]].concat(), file);
        let program = self.import(&[arguments, &["file.csv", "--json"]].concat(), file);
        assert_eq!((people.code, people.stdout.as_str()), (1, ""));
        assert_eq!((program.code, program.stdout.as_str()), (1, ""));
        assert_eq!(self.rows(), before);
        let document: Value = serde_json::from_str(&program.stderr).unwrap();
        let last = format!("error: {}", document["error"].as_str().unwrap());
        assert_eq!(people.stderr.lines().last(), Some(last.as_str()));
        let lines = document["lines"].as_array().unwrap();
        let read = |line: &Value| {
            let (number, error) = (line["line"].as_u64().unwrap(), line["error"].as_str().unwrap());
            let told = format!("line {number}: {error}");
            assert!(people.stderr.lines().any(|line| line == told), "{told}: {}", people.stderr);
            (number, error.to_owned())
        };
        lines.iter().map(read).collect()
    }

    /// Sets the server's clock to the database's clock, which the program uses.
    fn sync_clock_to_database(&self) {
        self.advance((self.database_micros() - START_MICROS) / 1_000_000 + 1);
    }

    fn database_micros(&self) -> i64 {
        let store = Store::connect(&self.database_url.parse().unwrap(), 1, Clock::Database).unwrap();
        store.read(|conn| conn.now()).unwrap().micros()
    }

    /// All requests, oldest first.
    fn all_requests(&self) -> Vec<PermissionRequest> {
        let mut all = self.store.read(|conn| requests::newest(conn, 1_000)).unwrap();
        all.reverse();
        all
    }

    fn count_events(&self, action: &str) -> i64 {
        self.count(&format!("SELECT count(*) AS n FROM audit_log WHERE action = '{action}'"))
    }
}

/// Whether a message about this line contains the text.
fn line_contains(lines: &[(u64, String)], line: u64, words: &str) -> bool {
    lines.iter().any(|(number, error)| *number == line && error.contains(words))
}

on_both_databases! {
    async fn a_permission_whose_bundle_loses_rights_during_the_import_loses_them_too(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.bundle("Sleep", 6);
        let mut import = PermissionImport::begin(&app.store).unwrap();
        let now = import.now();
        let row = ImportedPermission {
            line: 2,
            target: grace.user.email.clone(),
            grantee: ada.user.email.clone(),
            bundle: bundle.id,
            permission: bundle.permission,
            granted_at: now,
            expires_at: None,
        };
        import.stage(&[row]).unwrap();
        assert_eq!(import.resolve(1).unwrap().1, 0);
        let change = BundleChange { permission: Some(Mask::READ), ..BundleChange::default() };
        app.store.write(|conn| bundles::update(conn, bundle.id, &change)).unwrap().unwrap();
        assert_eq!(import.insert(&|_| ()).unwrap().added, 1);
        assert_eq!(app.query_i64s("SELECT CAST(permission AS bigint) AS n FROM bundle_permissions"), [2]);
        app.assert_user_counters();
    }

    async fn users_are_imported_as_in_the_file(app: TestApp) {
        let hash = countersign::auth::password::hash(PASSWORD).unwrap();
        let file = format!(
            "password_hash,e_mail,active,staff,last_name,first_name\n\
             \"{hash}\",Ada@Example.org,,TRUE,Lovelace,Ada\n\
             ,bob@example.org,no,0,,\"Bob \"\"the\"\" Builder, \n\n"
        );
        let refused = app.import(&["users", "file.csv"], &file);
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains("unknown column e_mail"), "{}", refused.stderr);
        let file = file.replace("e_mail", "email").replace("Builder, \n", "Builder, Jr\"");
        assert_eq!(app.import_users(&file), json!({ "imported": 2, "skipped": 0, "mails": 0 }));

        let all = app.store.read(users::all).unwrap();
        let names: Vec<_> = all
            .iter()
            .map(|user| (user.email.as_str(), user.first_name.as_str(), user.last_name.as_str(), user.active, user.staff))
            .collect();
        assert_eq!(
            names,
            [
                ("ada@example.org", "Ada", "Lovelace", true, true),
                ("bob@example.org", "Bob \"the\" Builder, Jr", "", false, false),
            ]
        );
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'users.imported' AND subject = 'count:2'"), 1);
        // The password whose hash is in the file.
        let signed_in = app.get("/api/account/").basic_auth("ada@example.org", Some(PASSWORD)).send().await.unwrap();
        assert_eq!(signed_in.status(), 200);
        let signed_in = app.get("/api/account/").basic_auth("bob@example.org", Some(PASSWORD)).send().await.unwrap();
        assert_eq!(signed_in.status(), 401);
    }

    async fn importing_users_again_skips_existing_ones(app: TestApp) {
        app.user("ada@example.org");
        let file = "email,first_name\nADA@example.org,Augusta\nbob@example.org,Bob\nBob@example.org,Robert\n";
        assert_eq!(app.import_users(file), json!({ "imported": 1, "skipped": 2, "mails": 0 }));
        let events = app.count("SELECT count(*) AS n FROM audit_log");
        assert_eq!(app.import_users(file), json!({ "imported": 0, "skipped": 3, "mails": 0 }));
        assert_eq!(app.import_users("email\n"), json!({ "imported": 0, "skipped": 0, "mails": 0 }));
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log"), events);
        let all = app.store.read(users::all).unwrap();
        let names: Vec<_> = all.iter().map(|user| user.first_name.as_str()).collect();
        assert_eq!(names, ["ada", "Bob"]);
    }

    async fn more_users_than_one_statement_takes_are_imported(app: TestApp) {
        let mut file = "email\n".to_owned();
        for i in 0..50_100 {
            file.push_str(&format!("user{}@example.org\n", i % 50_050));
        }
        let ended = app.import(&["users", "-", "--json"], &file);
        assert_eq!(ended.json(), json!({ "imported": 50_050, "skipped": 50, "mails": 0 }));
        assert_eq!(app.count("SELECT count(*) AS n FROM users"), 50_050);
    }

    async fn invalid_users_are_reported_by_line_and_nothing_is_written(app: TestApp) {
        let file = "email,first_name,staff,password_hash\n\
            good@example.org,Good,,\n\
            bad,,,\n\
            good2@example.org,\"two\nlines\",,\n\
            good3@example.org,,perhaps,\n\
            good4@example.org,,,$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9\n\
            \n\
            good5@example.org\n";
        let lines = app.import_refused(&["users"], file);
        assert!(line_contains(&lines, 3, "email: must be an ASCII email address"), "{lines:?}");
        assert!(line_contains(&lines, 4, "first_name: must not contain control characters"), "{lines:?}");
        assert!(line_contains(&lines, 6, "staff: must be true or false"), "{lines:?}");
        assert!(line_contains(&lines, 7, "password_hash: must be an argon2 hash in PHC format"), "{lines:?}");
        assert!(line_contains(&lines, 9, "expected 4 fields, found 1"), "{lines:?}");
        assert_eq!(lines.len(), 5);

        let many = format!("email\n{}", "bad\n".repeat(30));
        let lines = app.import_refused(&["users"], &many);
        let numbers: Vec<u64> = lines.iter().map(|(line, _)| *line).collect();
        assert_eq!(numbers, (2..22).collect::<Vec<_>>());
        let ended = app.import(&["users", "file.csv"], &many);
        assert!(ended.stderr.contains("and 10 more\nerror: the file has 30 invalid lines"), "{}", ended.stderr);
    }

    async fn an_imported_request_is_redeemed_by_its_target(app: TestApp) {
        app.sync_clock_to_database();
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.bundle("Heart rate", 6);
        let file = format!("user_target,user_allowed,bundle\nGrace@example.org,ada@example.org,{}\n", bundle.id);
        assert_eq!(app.import_requests(&file), json!({ "imported": 1, "skipped": 0, "mails": 0 }));
        let imported = app.all_requests();
        let request = &imported[0];
        assert_eq!((request.terms.target, request.terms.grantee), (grace.user.id, ada.user.id));
        assert_eq!((request.terms.bundle, request.asked_by), (bundle.id, ada.user.id));
        assert_eq!(request.expires_at, request.created_at.plus_seconds(7 * DAY));
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'requests.imported' AND subject = 'count:1'"), 1);

        let path = format!("/api/bundle_permission_request/{}/", app.redeem_token(request));
        let by_ada = app.put(&path).bearer_auth(&ada.key).send().await.unwrap();
        assert_eq!(by_ada.status(), 404);
        let by_grace = app.put(&path).bearer_auth(&grace.key).send().await.unwrap();
        assert_eq!(by_grace.status(), 200);
        // A request for an active permission is skipped.
        assert_eq!(app.import_requests(&file), json!({ "imported": 0, "skipped": 1, "mails": 0 }));
        // So is a request by a blocked requester.
        let file = file.replace(&format!(",{}\n", bundle.id), &format!(",{}\n", app.bundle("Steps", 6).id));
        app.commit(CreateBlock(Block { target: grace.user.id, blocked: ada.user.id }));
        assert_eq!(app.import_requests(&file), json!({ "imported": 0, "skipped": 1, "mails": 0 }));
    }

    async fn imported_requests_expire_as_in_the_file(app: TestApp) {
        for name in ["ada", "bob", "cleo", "dora"] {
            app.user(&format!("{name}@example.org"));
        }
        app.bundle("Heart rate", 6);
        let soon = (app.database_micros() / 1_000_000 + 3 * DAY) * 1_000_000;
        let soon = countersign::domain::timestamp::Timestamp::from_micros(soon);
        let file = format!(
            "user_allowed,user_target,bundle,ttl,expires_at\n\
             ada@example.org,bob@example.org,Heart rate,,\n\
             ada@example.org,cleo@example.org,Heart rate,60,\n\
             ada@example.org,dora@example.org,1,,{}\n",
            soon.rfc3339()
        );
        assert_eq!(app.import_requests(&file)["imported"], 3);
        let all = app.all_requests();
        assert_eq!(all[0].expires_at, all[0].created_at.plus_seconds(7 * DAY));
        assert_eq!(all[1].expires_at, all[1].created_at.plus_seconds(60));
        assert_eq!(all[2].expires_at, soon);
    }

    async fn importing_requests_again_skips_open_ones(app: TestApp) {
        for name in ["ada", "bob", "cleo"] {
            app.user(&format!("{name}@example.org"));
        }
        app.bundle("Heart rate", 6);
        let file = "user_target,user_allowed,bundle\n\
            ada@example.org,bob@example.org,1\n\
            ada@example.org,bob@example.org,Heart rate\n\
            bob@example.org,ada@example.org,1\n\
            ada@example.org,cleo@example.org,1\n";
        assert_eq!(app.import_requests(file), json!({ "imported": 3, "skipped": 1, "mails": 0 }));
        assert_eq!(app.import_requests(file), json!({ "imported": 0, "skipped": 4, "mails": 0 }));
        assert_eq!(app.all_requests().len(), 3);
        assert_eq!(app.count_events("requests.imported"), 1);

        // An expired request does not prevent a new one.
        let long_ago = if app.database_url.starts_with("sqlite") { "1" } else { "'1970-01-01'" };
        app.execute_raw(&format!("UPDATE permission_requests SET expires_at = {long_ago} WHERE id = 1"));
        assert_eq!(app.import_requests(file), json!({ "imported": 1, "skipped": 3, "mails": 0 }));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE id = 1 AND outcome = 'expired'"), 1);
        assert_eq!(app.count_events("requests.imported"), 2);
        app.assert_user_counters();
    }

    async fn invalid_requests_are_reported_by_line_and_nothing_is_written(app: TestApp) {
        let eve = app.user("eve@example.org");
        app.disable(&eve);
        for name in ["ada", "bob"] {
            app.user(&format!("{name}@example.org"));
        }
        for name in ["Heart rate", "Sleep", "Sleep"] {
            app.bundle(name, 6);
        }
        let file = "user_target,user_allowed,bundle,ttl,expires_at\n\
            ada@example.org,bob@example.org,Heart rate,,\n\
            nobody@example.org,bob@example.org,1,,\n\
            ada@example.org,Sleep,1,,\n\
            ada@example.org,bob@example.org,Sleep,,\n\
            ada@example.org,bob@example.org,7,,\n\
            ada@example.org,ADA@example.org,1,,\n\
            eve@example.org,nobody@example.org,1,,\n\
            ada@example.org,bob@example.org,1,59,\n\
            ada@example.org,bob@example.org,1,2592001,\n\
            ada@example.org,bob@example.org,1,,2001-01-01T00:00:00Z\n\
            ada@example.org,bob@example.org,1,,2999-01-01T00:00:00Z\n\
            ada@example.org,bob@example.org,1,60,2999-01-01T00:00:00Z\n";
        let lines = app.import_refused(&["requests"], file);
        for (line, words) in [
            (3, "user_target: no active user has the email nobody@example.org"),
            (4, "user_allowed: must be an ASCII email address"),
            (5, "bundle: several bundles have the name Sleep"),
            (6, "bundle: bundle 7 not found"),
            (7, "user_target: must be a different user"),
            (8, "user_target: no active user has the email eve@example.org; user_allowed: no active user has the email nobody"),
            (9, "ttl: must be a whole number of seconds from 60 to 2592000"),
            (10, "ttl: must be"),
            (11, "expires_at: must be a time"),
            (12, "expires_at: must be a time"),
            (13, "expires_at: must be a time"),
        ] {
            assert!(line_contains(&lines, line, words), "{line}: {words}: {lines:?}");
        }
        assert_eq!(lines.len(), 11);
        // The id distinguishes two bundles with the same name.
        let file = "user_target,user_allowed,bundle\nada@example.org,bob@example.org,3\n";
        assert_eq!(app.import_requests(file)["imported"], 1);
    }

    async fn imported_permissions_are_active_and_can_be_listed_and_revoked(app: TestApp) {
        app.sync_clock_to_database();
        let [ada, grace] = ["ada", "grace"].map(|name| app.user(&format!("{name}@example.org")));
        app.bundle("Sleep", 6);
        app.bundle("Heart", 14);
        let end = Timestamp::from_micros(app.database_micros()).plus_seconds(90 * DAY).rfc3339();
        let file = format!(
            "user_target,user_allowed,bundle,permission,granted_at,expires_at\n\
             grace@example.org,ada@example.org,Sleep,read,2020-01-01T00:00:00Z,{end}\n\
             grace@example.org,ada@example.org,Heart,,,\n\
             ada@example.org,grace@example.org,2,read write,,\n\
             ada@example.org,grace@example.org,2,2,,\n"
        );
        let import = || app.import(&["permissions", "file.csv", "--json"], &file).json();
        assert_eq!(import(), json!({ "imported": 3, "skipped": 1, "mails": 0 }));
        assert_eq!(import(), json!({ "imported": 0, "skipped": 4, "mails": 0 }));
        app.assert_user_counters();
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 0);
        assert_eq!(app.count_events("permissions.imported"), 1);
        let list: Value =
            app.get("/api/bundle_permission/").by_user(&ada).send().await.unwrap().json().await.unwrap();
        assert_eq!(list["meta"]["total_count"], 3);
        let shown = |nth: usize| {
            let permission = &list["objects"][nth];
            json!([permission["rights"], permission["granted_at"], permission["expires_at"], permission["request"]])
        };
        assert_eq!(shown(0), json!([["read"], "2020-01-01T00:00:00Z", end, null]));
        assert_eq!(list["objects"][1]["rights"], json!(["read", "get", "write"]));
        assert_eq!(list["objects"][2]["rights"], json!(["read", "write"]));

        let (code, listed) = app.permission_command(&["list", "--json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!((code, listed.as_array().unwrap().len()), (0, 3));
        assert_eq!(listed[2]["rights"], "read");
        let id = listed[2]["id"].to_string();
        let (code, revoked) = app.permission_command(&["revoke", &id]);
        assert_eq!((code, revoked.trim()), (0, &*format!("Permission {id} is revoked.")));
        assert_eq!(app.permission_command(&["revoke", &id]).0, 1);
        assert_eq!(app.count_events("permission.revoked"), 1);
        app.assert_user_counters();
        let gone = app.get(&format!("/api/bundle_permission/{id}/")).by_user(&grace).send().await.unwrap();
        assert_eq!(gone.status(), 404);
    }

    async fn invalid_permissions_are_reported_by_line_and_nothing_is_written(app: TestApp) {
        app.sync_clock_to_database();
        for name in ["ada", "grace"] {
            app.user(&format!("{name}@example.org"));
        }
        app.bundle("Sleep", 6);
        let file = "user_target,user_allowed,bundle,permission,granted_at,expires_at\n\
            grace@example.org,ada@example.org,Sleep,write,,\n\
            grace@example.org,ada@example.org,Sleep,0,,\n\
            grace@example.org,ada@example.org,Sleep,,9000-01-01T00:00:00Z,\n\
            grace@example.org,ada@example.org,Sleep,,,2020-01-01T00:00:00Z\n\
            grace@example.org,grace@example.org,Sleep,,,\n\
            nobody@example.org,ada@example.org,Sleep,,,\n\
            grace@example.org,ada@example.org,Steps,,,\n";
        let lines = app.import_refused(&["permissions"], file);
        for (line, words) in [
            (2, "the bundle has only the rights read get"),
            (3, "permission: must be the name of a right"),
            (4, "not in the future"),
            (5, "expires_at: must be a time in the future"),
            (6, "must be a different user"),
            (7, "no active user has the email nobody@example.org"),
            (8, "bundle Steps not found"),
        ] {
            assert!(line_contains(&lines, line, words), "{line}: {words}: {lines:?}");
        }
    }

    async fn mail_is_sent_only_if_requested(app: TestApp) {
        for name in ["ada", "bob", "cleo", "dora"] {
            app.user(&format!("{name}@example.org"));
        }
        app.bundle("Heart rate", 6);
        let silent = "user_target,user_allowed,bundle\nada@example.org,bob@example.org,1\n";
        assert_eq!(app.import_requests(silent)["mails"], 0);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 0);

        let file = format!("{silent}cleo@example.org,bob@example.org,1\ndora@example.org,bob@example.org,1\n");
        let ended = app.import(&["requests", "--mail", "-", "--json"], &file);
        assert_eq!(ended.json(), json!({ "imported": 2, "skipped": 1, "mails": 2 }));
        app.sync_clock_to_database();
        let mails = app.mails(2).await;
        let mut addresses: Vec<_> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
        addresses.sort();
        assert_eq!(addresses, ["cleo@example.org", "dora@example.org"]);
        let of_cleo = app.all_requests().into_iter().find(|request| request.terms.target.0 == 3).unwrap();
        let mail = mails.iter().find(|mail| mail.to == ["cleo@example.org"]).unwrap();
        assert_eq!(token_in(mail), app.redeem_token(&of_cleo));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 2);
    }
}

#[test]
fn an_unreadable_file_is_reported_in_one_sentence() {
    let app = TestApp::without_server(crate::helpers::Backend::Sqlite);
    for (arguments, file, words) in [
        (&["users", "nowhere.csv"][..], "", "cannot import nowhere.csv: "),
        (&["users", "."], "", "cannot import .: "),
        (&["users", "file.csv"], "", "the file is empty"),
        (&["users", "file.csv"], "first_name\nAda\n", "column email is missing"),
        (&["users", "file.csv"], "email,colour\na@example.org,red\n", "unknown column colour"),
        (
            &["requests", "-"],
            "user_target,user_allowed,bundle,bundle\n",
            "two columns in the first line are bundle",
        ),
        (
            &["users", "-", "--map", "mail=email"],
            "email\n",
            "--map mail=email: the first line has no column mail",
        ),
        (
            &["users", "-", "--map", "mail=address"],
            "mail\n",
            "there is no column address; use email, first_name",
        ),
    ] {
        let ended = app.import(arguments, file);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{words}");
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    for arguments in
        [&["users"][..], &["hubs", "-"], &["users", "-", "--map", "mail"], &["requests", "-", "--update"]]
    {
        assert_eq!(app.import(arguments, "").code, 2);
    }
}
