//! After failures: a test enables a webhook again, and a replay sends the events that were not delivered.

use countersign::domain::timestamp::Timestamp;
use countersign::domain::webhook::WebhookId;
use countersign::store::webhook_deliveries::{self, ReplayRange};
use serde_json::{Value, json};

use super::deliveries::{
    Hook, OK, Registered, UNREAD, allow_local, create_requests, register, wait_until_idle,
};
use crate::helpers::{ByUser, TestApp, TestUser};
use crate::hexo::{expect_error, expect_field_error, expect_refusal, expect_response};
use crate::mailer::wait_for_count;

const EVENTS: &[&str] = &["request.created", "webhook.enabled"];

async fn test(app: &TestApp, user: &TestUser, webhook: &Registered) -> Value {
    expect_response(app.post(&format!("{}test/", webhook.uri)).by_user(user), 202).await
}

/// Queues the deliveries since a time again, and returns the response.
async fn replay(app: &TestApp, user: &TestUser, webhook: &Registered, body: &Value) -> Value {
    let replay = app.post(&format!("{}replay/", webhook.uri)).by_user(user).json(body);
    expect_response(replay, 202).await
}

/// Queues the deliveries of a webhook again, as far as the first few steps go. Returns how many each step has queued.
fn steps(app: &TestApp, webhook: i64, delivered: bool) -> Vec<usize> {
    let (mut queued, mut rest) = (Vec::new(), Some(ReplayRange::new(Timestamp::from_micros(0), delivered)));
    while let Some(range) = rest {
        let step = app.store.write(|conn| {
            let now = conn.now()?;
            webhook_deliveries::replay_step(conn, WebhookId(webhook), range, now)
        });
        let (number, left) = step.unwrap();
        queued.push(number);
        rest = left;
    }
    queued
}

/// Runs a command of the operator. Returns its exit code, its output and its errors.
async fn command(app: &TestApp, arguments: &[&str]) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).env("DATABASE_URL", &app.database_url).current_dir(std::env::temp_dir());
    let output = actix_web::rt::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

on_both_databases! {
    async fn a_test_that_is_delivered_enables_a_webhook_that_the_server_disabled(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some("410 Gone")).await;
        let webhook = register(&app, &ada, &hook, EVENTS, "own").await;
        let state = async || {
            let shown = webhook.shown(&app, &ada).await;
            (shown["active"] == true, shown["disabled_reason"].clone())
        };
        create_requests(&app, &ada, &grace, 1);
        wait_until_idle(&app).await;
        assert_eq!(state().await, (false, json!("gone")));
        // A test that fails is not repeated and changes nothing, whatever the receiver asks for.
        for response in ["410 Gone", "503 No\r\nRetry-After: 7200", "302 Found"] {
            hook.respond(response);
            app.advance(1);
            let id = test(&app, &ada, &webhook).await["id"].clone();
            wait_until_idle(&app).await;
            let failed = webhook.deliveries(&app, &ada, "status=failed").await.remove(0);
            assert_eq!((&failed["id"], &failed["attempts"]), (&id, &json!(1)), "{response}");
            assert_eq!(state().await, (false, json!("gone")), "{response}");
        }
        let sent = hook.received().len();
        create_requests(&app, &grace, &ada, 1);
        wait_for_count(&app, UNREAD, 0).await;
        hook.respond(OK);
        test(&app, &ada, &webhook).await;
        wait_for_count(&app, "SELECT count(*) AS n FROM webhooks WHERE disabled_at IS NULL", 1).await;
        wait_until_idle(&app).await;
        assert_eq!(state().await, (true, Value::Null));
        assert_eq!(webhook.shown(&app, &ada).await["failures"], 0);
        let audit = expect_response(app.get("/api/audit/?action=webhook.enabled").by_user(&ada), 200).await;
        assert_eq!(audit["objects"][0]["subject"], format!("webhook:{}", webhook.id()));
        create_requests(&app, &ada, &app.user("eve@example.org"), 1);
        wait_until_idle(&app).await;
        let since: Vec<String> = hook.received()[sent..].iter().map(|request| {
            serde_json::from_str::<Value>(&request.body).unwrap()["type"].as_str().unwrap().to_owned()
        }).collect();
        assert_eq!(since, ["webhook.test", "webhook.enabled", "request.created"]);
    }

    async fn a_test_enables_no_webhook_that_its_owner_turned_off(mut app: TestApp) {
        allow_local(&mut app);
        let ada = app.user("ada@example.org");
        let hook = Hook::start(Some(OK)).await;
        let webhook = register(&app, &ada, &hook, EVENTS, "own").await;
        app.execute_raw("UPDATE webhooks SET disabled_at = created_at, disabled_reason = 'failing'");
        app.stop();
        let queued = app.store.write(|conn| {
            let now = conn.now()?;
            webhook_deliveries::queue_test(conn, WebhookId(webhook.id()), now)
        });
        queued.unwrap();
        app.execute_raw("UPDATE webhooks SET disabled_reason = 'owner'");
        allow_local(&mut app);
        wait_until_idle(&app).await;
        assert_eq!(webhook.deliveries(&app, &ada, "status=cancelled").await.len(), 1);
        assert_eq!(hook.received().len(), 0);
        let refused = app.post(&format!("{}test/", webhook.uri)).by_user(&ada);
        expect_error(&app, refused, 409, "The webhook is disabled. Set it to active first.").await;
    }

    async fn deliveries_since_a_time_are_sent_again(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some(OK)).await;
        let webhook = register(&app, &ada, &hook, &["request.created"], "own").await;
        create_requests(&app, &ada, &grace, 3);
        wait_until_idle(&app).await;
        app.execute_raw("UPDATE webhook_deliveries SET result = 'failed'");
        app.advance(3_600);
        create_requests(&app, &grace, &ada, 4);
        wait_until_idle(&app).await;
        app.execute_raw(
            "UPDATE webhook_deliveries SET result = 'cancelled' WHERE id IN \
             (SELECT id FROM webhook_deliveries WHERE result = 'delivered' ORDER BY id LIMIT 3)",
        );
        let of_another = register(&app, &grace, &hook, &["user.*"], "own").await;
        let nothing = json!({ "since": "2030-01-01T02:00:00Z", "status": "all" });
        assert_eq!(replay(&app, &ada, &webhook, &nothing).await, json!({ "more": false, "queued": 0 }));
        let everything = json!({ "since": "1970-01-01T00:00:00Z", "status": "all" });
        assert_eq!(replay(&app, &grace, &of_another, &everything).await["queued"], 0);
        // Those that were cancelled, after the three that failed.
        let recent = json!({ "since": "2030-01-01T00:30:00Z" });
        assert_eq!(replay(&app, &ada, &webhook, &recent).await, json!({ "more": false, "queued": 3 }));
        wait_until_idle(&app).await;
        assert_eq!(hook.received().len(), 3 + 4 + 3);
        assert_eq!(webhook.deliveries(&app, &ada, "status=failed").await.len(), 3);
        let failed = json!({ "since": "2030-01-01T01:00:00+01:00", "status": "failed" });
        assert_eq!(replay(&app, &ada, &webhook, &failed).await["queued"], 3);
        wait_until_idle(&app).await;
        assert_eq!(replay(&app, &ada, &webhook, &failed).await["queued"], 0);
        assert_eq!(replay(&app, &ada, &webhook, &everything).await["queued"], 7);
        wait_until_idle(&app).await;
        assert_eq!(hook.received().len(), 10 + 3 + 7);
        assert!(webhook.deliveries(&app, &ada, "").await.iter().all(|delivery| delivery["attempts"] == 1));
    }

    async fn a_replay_is_made_in_steps(mut app: TestApp) {
        app.stop();
        let webhook = app.webhook(&app.user("ada@example.org"));
        let id = if app.database_url.starts_with("postgres") {
            "CAST(lpad(to_hex(n), 32, '0') AS uuid)"
        } else {
            "unhex(printf('%032x', n))"
        };
        let at = "(SELECT created_at FROM webhooks)";
        app.execute_raw(&format!(
            "INSERT INTO webhook_deliveries (id, webhook, event_id, event_type, created_at, due_at, attempts, finished_at, result) \
             SELECT {id}, {webhook}, {id}, 'request.created', {at}, {at}, 10, {at}, CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'delivered' END \
             FROM (WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2500) SELECT n FROM numbers) AS t"
        ));
        assert_eq!(steps(&app, webhook, false), [1_000, 250, 0]);
        assert_eq!(steps(&app, webhook, true), [1_000, 250, 0, 0]);
        assert_eq!(app.count("SELECT count(*) AS n FROM webhook_deliveries WHERE finished_at IS NULL AND attempts = 0"), 2_500);
    }

    async fn a_replay_needs_a_time_and_an_active_webhook(app: TestApp) {
        let (ada, eve) = (app.user("ada@example.org"), app.user("eve@example.org"));
        let path = format!("/api/webhook/{}/replay/", app.webhook(&ada));
        let rows = app.rows();
        let post = |user, body: Value| app.post(&path).by_user(user).json(&body);
        let since = json!({ "since": "2030-01-01T00:00:00Z" });
        for missing in [json!({}), json!({ "since": null }), json!({ "since": "" })] {
            let error = "The 'since' field has no data and doesn't allow a default or null value.";
            expect_error(&app, post(&ada, missing), 400, error).await;
        }
        for invalid in ["yesterday", "2030-01-01", "2030-01-01T00:00:00"] {
            expect_field_error(&app, post(&ada, json!({ "since": invalid })), "webhook", "since").await;
        }
        for invalid in [json!("waiting"), json!(""), json!(true)] {
            let body = json!({ "since": "2030-01-01T00:00:00Z", "status": invalid });
            expect_field_error(&app, post(&ada, body), "webhook", "status").await;
        }
        expect_error(&app, post(&eve, json!({})), 404, "Not found.").await;
        for path in ["/api/webhook/999/replay/", "/api/webhook/x/replay/"] {
            expect_error(&app, app.post(path).by_user(&ada).json(&since), 404, "Not found.").await;
        }
        expect_refusal(&app, app.post(&path).json(&since), 401).await;
        assert_eq!(app.rows(), rows);
        for reason in ["owner", "gone"] {
            app.execute_raw(&format!("UPDATE webhooks SET disabled_at = created_at, disabled_reason = '{reason}'"));
            expect_error(&app, post(&ada, since.clone()), 409, "The webhook is disabled. Set it to active first.").await;
        }
    }

    async fn the_operator_tests_a_webhook_and_replays_at_the_command_line(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some(OK)).await;
        let webhook = register(&app, &ada, &hook, &["request.created"], "own").await;
        let id = webhook.id().to_string();
        let (code, text, _) = command(&app, &["webhook", "test", &id]).await;
        assert!(code == 0 && text.starts_with(&format!("Webhook {id} responded 200 after ")), "{text}");
        create_requests(&app, &ada, &grace, 3);
        wait_until_idle(&app).await;
        let deliveries = webhook.deliveries(&app, &ada, "event=request.created").await;
        let one = deliveries[0]["id"].as_str().unwrap();
        assert_eq!(command(&app, &["webhook", "replay", &id, "--delivery", one, "--json"]).await.1, format!("{{\"id\":{id},\"queued\":1}}\n"));
        wait_until_idle(&app).await;
        assert_eq!(hook.received().len(), 1 + 3 + 1);
        app.execute_raw("UPDATE webhook_deliveries SET result = 'failed' WHERE event_type = 'request.created'");
        // The response of a receiver that is gone disables the webhook. Then nothing is replayed.
        hook.respond("410 Gone");
        let (code, text, error) = command(&app, &["webhook", "test", &id]).await;
        assert_eq!((code, text.as_str(), error.as_str()), (1, "", format!("error: the test of webhook {id} failed: error_status (410)\n").as_str()));
        assert!(command(&app, &["webhook", "replay", &id]).await.2.contains(&format!("run `countersign webhook test {id}`")));
        hook.respond(OK);
        let (code, text, _) = command(&app, &["webhook", "test", &id, "--json"]).await;
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &shown["status"], &shown["http_status"]), (0, &json!("delivered"), &json!(200)));
        assert_eq!(webhook.shown(&app, &ada).await["active"], true);
        wait_until_idle(&app).await;
        let before = hook.received().len();
        for (since, queued) in [(Some("2030-01-01T00:00:01Z"), 0), (None, 4), (None, 0)] {
            let arguments = [&["webhook", "replay", id.as_str()][..], &since.map_or(vec![], |since| vec!["--since", since])].concat();
            let (code, text, _) = command(&app, &arguments).await;
            assert!(code == 0 && text.starts_with(&format!("Queued {queued} deliveries of webhook {id} again.")), "{text}");
            wait_until_idle(&app).await;
        }
        assert_eq!(hook.received().len(), before + 4);
        let nil = uuid::Uuid::nil().to_string();
        for (arguments, code, reason) in [
            (&["webhook", "test", "4711"][..], 1, "webhook 4711 not found"),
            (&["webhook", "replay", "4711"], 1, "webhook 4711 not found"),
            (&["webhook", "replay", &id, "--delivery", &nil], 1, "has no delivery"),
            (&["webhook", "replay", &id, "--since", "yesterday"], 2, "must be a time such as"),
            (&["webhook", "replay", &id, "--delivery", &nil, "--all"], 2, "cannot be used with"),
        ] {
            let (status, _, error) = command(&app, arguments).await;
            assert!(status == code && error.contains(reason), "{arguments:?}: {error}");
        }
    }

    async fn deliveries_are_filtered_by_status_and_event(mut app: TestApp) {
        allow_local(&mut app);
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let hook = Hook::start(Some(OK)).await;
        let webhook = register(&app, &ada, &hook, &["request.*"], "own").await;
        create_requests(&app, &ada, &grace, 2);
        test(&app, &ada, &webhook).await;
        wait_until_idle(&app).await;
        app.execute_raw(
            "UPDATE webhook_deliveries SET result = 'failed' WHERE id = \
             (SELECT id FROM webhook_deliveries WHERE event_type = 'request.created' ORDER BY id LIMIT 1)",
        );
        for (query, found) in [
            ("event=request.created", 2), ("event=webhook.test", 1), ("event=request.approved", 0),
            ("status=failed", 1), ("status=failed&event=request.created", 1), ("status=failed&event=webhook.test", 0),
            ("status=delivered&event=request.created", 1), ("event=request.created&limit=1&offset=1", 1),
        ] {
            assert_eq!(webhook.deliveries(&app, &ada, query).await.len(), found, "{query}");
        }
        for invalid in ["event=request.*", "event=lost", "event=request.created&event=webhook.test"] {
            let path = format!("{}delivery/?{invalid}", webhook.uri);
            assert_eq!(app.get(&path).by_user(&ada).send().await.unwrap().status(), 400, "{invalid}");
        }
    }
}
