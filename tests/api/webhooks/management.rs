//! Webhooks: creating, changing and deleting them, their secrets, and who may do so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::domain::audit::{AuditAction, AuditContext};
use countersign::domain::token::Keyring;
use countersign::domain::user::UserId;
use countersign::domain::webhook::{EventScope, WebhookId, WebhookSecret};
use countersign::store::webhooks::{self, ActiveWebhook};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::helpers::{Backend, ByUser, SECRET, TestApp, TestUser, send_concurrently};
use crate::hexo::{expect_error, expect_field_error, expect_refusal, expect_response, resource_id};

const WEBHOOKS: &str = "/api/webhook/";
const URL: &str = "https://hooks.example.org/countersign";
const NEXT_SECRET: &str = "the next secret of the server, 32 bytes";
const DAY: i64 = 86_400;

fn body() -> Value {
    json!({ "url": URL, "events": ["request.*", "permission.revoked"] })
}

/// A valid body with one field changed.
fn body_with(field: &str, value: impl Into<Value>) -> Value {
    let mut body = body();
    body[field] = value.into();
    body
}

fn post(app: &TestApp, user: &TestUser, body: &Value) -> RequestBuilder {
    app.post(WEBHOOKS).by_user(user).json(body)
}

fn patch(app: &TestApp, user: &TestUser, uri: &str, body: &Value) -> RequestBuilder {
    app.request(Method::PATCH, uri).by_user(user).json(body)
}

/// Creates a webhook. Returns it without its secret, and the secret.
async fn create(app: &TestApp, user: &TestUser, body: &Value) -> (Value, String) {
    let mut webhook = expect_response(post(app, user, body), 201).await;
    let secret = webhook.as_object_mut().unwrap().remove("secret").unwrap();
    (webhook, secret.as_str().unwrap().to_owned())
}

fn uri(webhook: &Value) -> &str {
    webhook["resource_uri"].as_str().unwrap()
}

fn keyring(current: &str, second: Option<&str>) -> Keyring {
    Keyring::new(current.as_bytes(), second.map(str::as_bytes)).unwrap()
}

fn active(app: &TestApp) -> Vec<ActiveWebhook> {
    app.store.read(webhooks::active).unwrap()
}

fn texts(secrets: &[WebhookSecret]) -> Vec<String> {
    secrets.iter().map(|secret| secret.text().expose_secret().to_owned()).collect()
}

/// The secrets of the only active webhook that sign now, opened with this keyring.
fn signing_secrets(app: &TestApp, keyring: &Keyring) -> Vec<String> {
    let now = app.store.read(|conn| conn.now()).unwrap();
    texts(&active(app)[0].secrets.open(keyring, now))
}

/// The actions on this subject, sorted: entries of the same millisecond are in no order.
fn actions(app: &TestApp, subject: &str) -> Vec<&'static str> {
    let count = |action: &AuditAction| {
        app.count(&format!(
            "SELECT count(*) AS n FROM audit_log WHERE subject = '{subject}' AND action = '{}'",
            action.name()
        ))
    };
    let mut found: Vec<&str> = AuditAction::ALL
        .iter()
        .flat_map(|action| std::iter::repeat_n(action.name(), count(action) as usize))
        .collect();
    found.sort_unstable();
    found
}

on_both_databases! {
    async fn a_webhook_is_managed_by_its_owner(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let response = post(&app, ada, &body_with("description", "Our receiver")).send().await.unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let mut made: Value = response.json().await.unwrap();
        let secret = made.as_object_mut().unwrap().remove("secret").unwrap();
        let random = STANDARD.decode(secret.as_str().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(random.len(), 32);
        let (id, at) = (resource_id(&made), made["created_at"].as_str().unwrap().to_owned());
        assert_eq!(made, json!({
            "active": true, "created_at": at, "description": "Our receiver", "disabled_reason": null,
            "events": ["request.*", "permission.revoked"], "failures": 0, "id": id,
            "resource_uri": format!("{WEBHOOKS}{id}/"), "scope": "own", "url": URL,
        }));
        assert_eq!(location, uri(&made));

        let (second, _) = create(&app, ada, &body_with("active", false)).await;
        assert_eq!((&second["active"], &second["disabled_reason"]), (&json!(false), &json!("owner")));
        let list = expect_response(app.get("/api/webhook/?limit=1").by_user(ada), 200).await;
        assert_eq!((&list["meta"]["total_count"], &list["objects"]), (&json!(2), &json!([made])));
        let next = expect_response(app.get(list["meta"]["next"].as_str().unwrap()).by_user(ada), 200).await;
        assert_eq!(next["objects"], json!([second]));
        assert_eq!(expect_response(app.get(uri(&made)).by_user(ada), 200).await, made);
        let set = expect_response(app.get(&format!("{WEBHOOKS}set/4711;{id}/")).by_user(ada), 200).await;
        assert_eq!(set, json!({ "not_found": ["4711"], "objects": [made] }));
        let v1 = expect_response(app.get(&format!("/api/v1/webhook/{id}")).by_user(ada), 200).await;
        assert_eq!(v1["resource_uri"], format!("/api/v1/webhook/{id}/"));

        // Sending a webhook back changes nothing and writes no entry.
        assert_eq!(expect_response(patch(&app, ada, uri(&made), &made), 202).await, made);
        assert_eq!(expect_response(app.request(Method::PATCH, uri(&made)).by_user(ada), 202).await, made);
        assert_eq!(actions(&app, &format!("webhook:{id}")), ["webhook.created"]);
        let change = json!({
            "url": "https://xn--bcher-kva.example/x?y=1", "events": ["user.*"], "description": "", "active": false,
        });
        let changed = expect_response(patch(&app, ada, uri(&made), &change), 202).await;
        for (field, value) in change.as_object().unwrap() {
            assert_eq!(&changed[field], value);
        }
        assert_eq!(changed["disabled_reason"], "owner");
        let kept = expect_response(patch(&app, ada, uri(&made), &json!({ "events": ["key.*"] })), 202).await;
        assert_eq!((&kept["url"], &kept["active"]), (&changed["url"], &json!(false)));

        let deleted = app.delete(uri(&made)).by_user(ada).send().await.unwrap();
        assert_eq!((deleted.status().as_u16(), deleted.text().await.unwrap().as_str()), (204, ""));
        expect_refusal(&app, app.get(uri(&made)).by_user(ada), 404).await;
        expect_refusal(&app, app.delete(uri(&made)).by_user(ada), 404).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM webhooks"), 1);
        let expected = ["webhook.changed", "webhook.changed", "webhook.created", "webhook.deleted"];
        assert_eq!(actions(&app, &format!("webhook:{id}")), expected);
        let entries = expect_response(app.get("/api/audit/?action=webhook.deleted").by_user(ada), 200).await;
        assert_eq!(entries["objects"][0]["subject_uri"], format!("{WEBHOOKS}{id}/"));
        assert_eq!(entries["objects"][0]["actor"], ada.uri());
    }

    async fn other_users_get_the_response_for_a_webhook_that_does_not_exist(app: TestApp) {
        let (ada, eve, root) = (app.user("ada@example.org"), app.user("eve@example.org"), app.staff("root@example.org"));
        let (webhook, _) = create(&app, &ada, &body()).await;
        for user in [&eve, &root] {
            let list = expect_response(app.get(WEBHOOKS).by_user(user), 200).await;
            assert_eq!((&list["meta"]["total_count"], &list["objects"]), (&json!(0), &json!([])));
            let set = expect_response(app.get(&format!("{WEBHOOKS}set/{}/", webhook["id"])).by_user(user), 200).await;
            assert_eq!(set["objects"], json!([]));
            for uri in [uri(&webhook), "/api/webhook/4711/", "/api/webhook/x/"] {
                for request in [
                    app.get(uri).by_user(user),
                    app.delete(uri).by_user(user),
                    patch(&app, user, uri, &json!({ "active": true })),
                    patch(&app, user, uri, &json!({ "url": "ftp://x", "failures": 7 })),
                    app.post(&format!("{uri}secret/")).by_user(user),
                ] {
                    expect_error(&app, request, 404, "Not found.").await;
                }
            }
        }
        for request in [app.get(WEBHOOKS), app.post(WEBHOOKS).json(&body()), app.get(uri(&webhook)), app.delete(uri(&webhook))] {
            expect_refusal(&app, request, 401).await;
        }
    }

    async fn invalid_fields_are_rejected(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let (webhook, _) = create(&app, ada, &body()).await;
        let long = format!("https://example.org/{}", "a".repeat(10_000));
        let one_too_long = format!("https://example.org/{}", "a".repeat(2_048 - 19));
        let mut cases: Vec<(&str, Value)> = Vec::new();
        for url in [
            "x", "example.org", "//example.org/", "https://", "https:example.org", "ftp://example.org/", "file:///etc/passwd",
            "javascript:alert(1)", "https://ada:secret@example.org/", "https://@example.org/", "https://ada@example.org/",
            "https://example.org/#x", "https://example.org./", "https://example.org/a b", " https://example.org/",
            "https://example.org\\@localhost/", "https://example.org:8443/", "https://example.org:99999/", "http://example.org/",
            "https://localhost/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "https://2130706433/",
            "https://169.254.169.254/latest/meta-data/", "https://[::ffff:169.254.169.254]/", "https://①②⑦.⓪.⓪.①/",
            "https://ⓛocalhost/", &long, &one_too_long,
        ] {
            cases.push(("url", json!(url)));
        }
        cases.extend([json!(7), json!(true), json!([URL]), json!({})].map(|value| ("url", value)));
        let many: Vec<&str> = vec!["request.*"; 51];
        let events = [
            json!([]), json!(["nothing.happened"]), json!(["*"]), json!(["request"]), json!(["request.*", ""]), json!(many),
            json!(["Request.*"]), json!("request.*"), json!({}), json!([1]), json!([null]), json!([["request.*"]]), json!(7),
        ];
        cases.extend(events.map(|value| ("events", value)));
        cases.extend([json!("true"), json!(1), json!([]), json!("")].map(|value| ("active", value)));
        let long = "x".repeat(1_001);
        cases.extend([json!(7), json!(long), json!("a\nb"), json!([])].map(|value| ("description", value)));
        cases.extend([json!("everything"), json!("All"), json!(true), json!("")].map(|value| ("scope", value)));
        cases.push(("secret", json!("whsec_mine")));
        for (field, value) in &cases {
            if !(*field == "url" && value == "") {
                expect_field_error(&app, post(&app, ada, &body_with(field, value.clone())), "webhook", field).await;
            }
            expect_field_error(&app, patch(&app, ada, uri(&webhook), &json!({ *field: value })), "webhook", field).await;
        }
        for (field, value) in [
            ("id", json!(4711)), ("resource_uri", json!("/api/webhook/4711/")), ("created_at", json!("2020-01-01T00:00:00Z")),
            ("failures", json!(3)), ("disabled_reason", json!("gone")),
        ] {
            expect_field_error(&app, patch(&app, ada, uri(&webhook), &json!({ field: value })), "webhook", field).await;
        }
        for field in ["url", "events"] {
            let error = format!("The '{field}' field has no data and doesn't allow a default or null value.");
            for nothing in [json!(null), json!("")] {
                expect_error(&app, post(&app, ada, &body_with(field, nothing)), 400, &error).await;
            }
        }
        for nul in ["\0", "request.*\0"] {
            expect_refusal(&app, post(&app, ada, &body_with("events", json!([nul]))), 400).await;
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM webhooks"), 1);
    }

    async fn a_rejected_url_is_explained(app: TestApp) {
        let ada = &app.user("ada@example.org");
        for (url, reason) in [
            ("http://example.org/", "This field must start with https:// and use port 443."),
            ("https://10.2.0.7/", "This field must lead to a public address."),
            ("https://169.254.169.254/", "This field must not lead to a link-local address or to a metadata service."),
            ("https://ada:secret@example.org/", "This field must not contain a user name or password."),
        ] {
            let answer = expect_refusal(&app, post(&app, ada, &body_with("url", url)), 400).await;
            assert_eq!(answer, json!({ "webhook": { "url": [reason] } }));
        }
        let answer = expect_refusal(&app, post(&app, ada, &body_with("events", json!(["user.*", "x"]))), 400).await;
        let reason = "This field must contain only audit actions, such as request.approved, and prefixes of them, \
                      such as request.*; entry 2 is neither.";
        assert_eq!(answer, json!({ "webhook": { "events": [reason] } }));
    }

    async fn a_url_is_stored_in_its_normal_form(app: TestApp) {
        let ada = &app.user("ada@example.org");
        // The second name has a Cyrillic letter.
        for (url, stored) in [
            ("HTTPS://EXAMPLE.org:443", "https://example.org/"),
            ("https://ex\u{430}mple.org/", "https://xn--exmple-4nf.org/"),
            ("https://Bücher.example/ü?q=ü", "https://xn--bcher-kva.example/%C3%BC?q=%C3%BC"),
            ("https://8.8/", "https://8.0.0.8/"),
        ] {
            let (webhook, _) = create(&app, ada, &body_with("url", url)).await;
            assert_eq!(webhook["url"], stored);
        }
    }

    async fn each_secret_is_shown_once_and_stored_sealed(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let (webhook, first) = create(&app, ada, &body()).await;
        let rotate = || app.post(&format!("{}secret/", uri(&webhook))).by_user(ada);
        let answer = rotate().send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
        let answer: Value = answer.json().await.unwrap();
        let second = answer["secret"].as_str().unwrap().to_owned();
        assert!(second != first && answer.as_object().unwrap().len() == 1);

        let changed = expect_response(patch(&app, ada, uri(&webhook), &json!({ "events": ["user.*"] })), 202).await;
        let list = expect_response(app.get(WEBHOOKS).by_user(ada), 200).await;
        let shown = format!("{changed}{list}{}", expect_response(app.get(uri(&webhook)).by_user(ada), 200).await);
        let audit = expect_response(app.get("/api/audit/").by_user(ada), 200).await.to_string();
        let rows = app.rows().into_values().collect::<String>().to_ascii_lowercase();
        for secret in [&first, &second] {
            let random = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
            let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!shown.contains(secret.as_str()) && !audit.contains(secret.as_str()));
            assert!(!rows.contains(&secret.to_ascii_lowercase()) && !rows.contains(&hex), "the secret is sealed");
        }
        assert!(!shown.contains("whsec_") && !shown.contains("\"secret\""));
        let subject = format!("webhook:{}", webhook["id"]);
        assert_eq!(actions(&app, &subject), ["webhook.changed", "webhook.created", "webhook.secret_rotated"]);
    }

    async fn the_previous_secret_signs_for_a_day(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let (webhook, first) = create(&app, ada, &body()).await;
        let keys = keyring(SECRET, None);
        let rotate = || async {
            let answer = expect_response(app.post(&format!("{}secret/", uri(&webhook))).by_user(ada), 200).await;
            answer["secret"].as_str().unwrap().to_owned()
        };
        assert_eq!(signing_secrets(&app, &keys), std::slice::from_ref(&first));
        let second = rotate().await;
        assert_eq!(signing_secrets(&app, &keys), [second.clone(), first.clone()]);
        app.advance(DAY - 60);
        assert_eq!(signing_secrets(&app, &keys), [second.clone(), first]);
        app.advance(120);
        assert_eq!(signing_secrets(&app, &keys), std::slice::from_ref(&second));
        let third = rotate().await;
        let fourth = rotate().await;
        assert_eq!(signing_secrets(&app, &keys), [fourth, third], "only one previous secret is kept");
        // A secret that is copied to another webhook does not open there.
        create(&app, ada, &body()).await;
        app.execute_raw("UPDATE webhooks SET secret = (SELECT secret FROM webhooks ORDER BY id LIMIT 1)");
        let now = app.store.read(|conn| conn.now()).unwrap();
        let opened: Vec<usize> = active(&app).iter().map(|row| row.secrets.open(&keys, now).len()).collect();
        assert_eq!(opened, [2, 0]);
    }

    async fn secrets_are_sealed_again_under_a_new_server_secret(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let (webhook, first) = create(&app, ada, &body()).await;
        let answer = expect_response(app.post(&format!("{}secret/", uri(&webhook))).by_user(ada), 200).await;
        let both = [answer["secret"].as_str().unwrap().to_owned(), first];
        let (next, over) = (keyring(NEXT_SECRET, None), keyring(NEXT_SECRET, Some(SECRET)));
        let reseal = |keys: &Keyring| app.store.write(|conn| countersign::store::webhook_secrets::reseal(conn, keys)).unwrap();
        assert_eq!(signing_secrets(&app, &next), [] as [String; 0]);
        assert_eq!(reseal(&next), 1, "the old secret is not known");
        assert_eq!(signing_secrets(&app, &keyring(SECRET, None)), both, "nothing was changed");
        assert_eq!(signing_secrets(&app, &over), both);
        assert_eq!(reseal(&over), 0);
        assert_eq!(signing_secrets(&app, &next), both);
        let rows = app.rows();
        assert_eq!((reseal(&over), reseal(&next)), (0, 0));
        assert_eq!(app.rows(), rows, "they are sealed again only once");
    }

    async fn only_staff_can_receive_the_events_of_all_users(app: TestApp) {
        let (ada, root) = (app.user("ada@example.org"), app.staff("root@example.org"));
        let all = body_with("scope", "all");
        let refused = expect_refusal(&app, post(&app, &ada, &all), 400).await;
        assert_eq!(refused, json!({ "webhook": { "scope": ["Only staff can receive the events of all users."] } }));
        let (own, _) = create(&app, &ada, &body_with("scope", "own")).await;
        expect_field_error(&app, patch(&app, &ada, uri(&own), &json!({ "scope": "all" })), "webhook", "scope").await;

        let (webhook, _) = create(&app, &root, &all).await;
        assert_eq!(webhook["scope"], "all");
        let receives_all = || -> Vec<bool> { active(&app).iter().map(ActiveWebhook::receives_all).collect() };
        assert_eq!(receives_all(), [false, true]);
        let narrowed = expect_response(patch(&app, &root, uri(&webhook), &json!({ "scope": "own" })), 202).await;
        assert_eq!((&narrowed["scope"], receives_all()), (&json!("own"), vec![false, false]));
        expect_response(patch(&app, &root, uri(&webhook), &json!({ "scope": "all" })), 202).await;

        app.execute_raw(&format!("UPDATE users SET staff = false WHERE id = {}", root.id()));
        app.advance(10);
        assert_eq!(receives_all(), [false, false], "a user who is no longer staff gets only their own events");
        let same = json!({ "scope": "all", "description": "unchanged scope" });
        let row = app.store.read(|conn| webhooks::by_ids(conn, root.user.id, &[WebhookId(resource_id(&webhook))]));
        assert_eq!(row.unwrap()[0].scope, EventScope::All);
        let key = TestUser { key: app.key(&root.user, countersign::store::api_keys::Scope::All), ..root };
        assert_eq!(expect_response(patch(&app, &key, uri(&webhook), &same), 202).await["scope"], "all");
        expect_response(patch(&app, &key, uri(&webhook), &json!({ "scope": "own" })), 202).await;
        expect_field_error(&app, patch(&app, &key, uri(&webhook), &same), "webhook", "scope").await;
    }

    async fn deliveries_are_made_to_enabled_webhooks_of_active_users(app: TestApp) {
        let (ada, eve) = (app.user("ada@example.org"), app.user("eve@example.org"));
        let (first, _) = create(&app, &ada, &body()).await;
        create(&app, &ada, &body_with("active", false)).await;
        create(&app, &eve, &body()).await;
        app.disable(&eve);
        let found = active(&app);
        assert_eq!(found.iter().map(|found| found.webhook.id.0).collect::<Vec<_>>(), [resource_id(&first)]);
        assert!(!found[0].owner_is_staff && found[0].webhook.owner == UserId(ada.id()));
        assert!(found[0].webhook.events.matches(AuditAction::RequestApproved));
        assert!(!found[0].webhook.events.matches(AuditAction::PermissionGranted));
    }

    async fn turning_a_webhook_on_forgets_its_failures(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let (webhook, _) = create(&app, ada, &body()).await;
        let state = async || {
            let webhook = expect_response(app.get(uri(&webhook)).by_user(ada), 200).await;
            (webhook["active"].clone(), webhook["disabled_reason"].clone(), webhook["failures"].clone())
        };
        for reason in ["gone", "failing"] {
            app.execute_raw(&format!(
                "UPDATE webhooks SET disabled_at = created_at, disabled_reason = '{reason}', failures = 10, \
                 failing_since = created_at"
            ));
            assert_eq!(state().await, (json!(false), json!(reason), json!(10)));
            let sent_back = expect_response(app.get(uri(&webhook)).by_user(ada), 200).await;
            expect_response(patch(&app, ada, uri(&webhook), &sent_back), 202).await;
            assert_eq!(state().await, (json!(false), json!(reason), json!(10)), "the reason stays");
            expect_response(patch(&app, ada, uri(&webhook), &json!({ "active": true })), 202).await;
            assert_eq!(state().await, (json!(true), json!(null), json!(0)));
            assert_eq!(app.count("SELECT count(*) AS n FROM webhooks WHERE failing_since IS NOT NULL"), 0);
        }
        app.execute_raw("UPDATE webhooks SET failures = 3, failing_since = created_at");
        expect_response(patch(&app, ada, uri(&webhook), &json!({ "active": true })), 202).await;
        assert_eq!(state().await, (json!(true), json!(null), json!(0)));
    }

    async fn a_user_has_at_most_twenty_webhooks(app: TestApp) {
        let (ada, eve) = (app.user("ada@example.org"), app.user("eve@example.org"));
        // Few wait at a time: after a 503 for one that waited too long, its webhook may exist.
        let mut statuses = Vec::new();
        for requests in [4, 4, 4, 4, 8] {
            statuses.extend(send_concurrently((0..requests).map(|_| post(&app, &ada, &body()))).await);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 20, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 4, "{statuses:?}");
        assert_eq!(app.count(&format!("SELECT count(*) AS n FROM webhooks WHERE owner = {}", ada.id())), 20);
        let error = "You have 20 webhooks, which is the limit. Delete one first.";
        expect_error(&app, post(&app, &ada, &body()), 409, error).await;
        create(&app, &eve, &body()).await;
        let oldest = app.query_i64s(&format!("SELECT min(id) AS n FROM webhooks WHERE owner = {}", ada.id()))[0];
        assert_eq!(app.delete(&format!("{WEBHOOKS}{oldest}/")).by_user(&ada).send().await.unwrap().status(), 204);
        create(&app, &ada, &body()).await;
        expect_error(&app, post(&app, &ada, &body()), 409, error).await;
        assert_eq!(app.count("SELECT count(*) AS n FROM webhooks"), 21);
    }

    async fn a_filter_with_an_unknown_event_still_matches_the_others(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let (webhook, _) = create(&app, ada, &body()).await;
        app.execute_raw("UPDATE webhooks SET events = 'later.added user.*'");
        let found = active(&app);
        assert!(found[0].webhook.events.matches(AuditAction::UserRenamed));
        let shown = expect_response(app.get(uri(&webhook)).by_user(ada), 200).await;
        assert_eq!(shown["events"], json!(["user.*"]));
    }

    async fn the_operator_deletes_a_webhook_of_any_user(app: TestApp) {
        let ada = &app.user("ada@example.org");
        let (webhook, _) = create(&app, ada, &body()).await;
        let id = WebhookId(resource_id(&webhook));
        let delete = |owner| {
            let deleted = app.store.write(|conn| {
                let now = conn.now()?;
                webhooks::delete(conn, id, owner, &AuditContext::OPERATOR, now)
            });
            deleted.unwrap()
        };
        assert!(!delete(Some(UserId(4711))));
        assert!(delete(None));
        assert!(!delete(None));
        let entries = expect_response(app.get("/api/audit/?action=webhook.deleted").by_user(ada), 200).await;
        assert_eq!(entries["objects"][0]["subject"], format!("webhook:{id}"), "the owner sees it");
    }
}

#[actix_web::test]
async fn the_operator_allows_networks_and_ports() {
    let app = TestApp::spawn_with(Backend::Sqlite, "[webhooks]\nallow = ['10.2.0.0/16', '127.0.0.1']");
    let ada = &app.user("ada@example.org");
    for url in ["http://10.2.0.7:8080/x", "http://localhost:9000/", "http://intranet/"] {
        create(&app, ada, &body_with("url", url)).await;
    }
    for url in ["http://10.3.0.7/", "https://169.254.169.254/"] {
        expect_field_error(&app, post(&app, ada, &body_with("url", url)), "webhook", "url").await;
    }
}

#[actix_web::test]
async fn changes_of_webhooks_count_as_writes() {
    let app = TestApp::spawn_with(Backend::Sqlite, "[limits]\nwrites_per_user = '3/m'");
    let ada = &app.user("ada@example.org");
    let (webhook, _) = create(&app, ada, &body()).await;
    expect_response(patch(&app, ada, uri(&webhook), &json!({ "active": false })), 202).await;
    expect_response(app.post(&format!("{}secret/", uri(&webhook))).by_user(ada), 200).await;
    for request in [
        post(&app, ada, &body()),
        patch(&app, ada, uri(&webhook), &json!({ "active": true })),
        app.post(&format!("{}secret/", uri(&webhook))).by_user(ada),
        app.delete(uri(&webhook)).by_user(ada),
    ] {
        expect_refusal(&app, request, 429).await;
    }
}
