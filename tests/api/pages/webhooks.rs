//! The pages of webhooks. Deliveries to a receiver are in `tests/browser/webhooks.rs`.

use countersign::domain::audit::AuditAction;
use serde_json::{Value, json};

use super::redirect_target;
use crate::helpers::{ByUser, TestApp, TestUser};
use crate::page_client::PageClient;

const URL: &str = "https://hooks.example.org/x";
const FORM: [(&str, &str); 3] = [("url", URL), ("event", "request.*"), ("event", "key.created")];

/// Creates a webhook with the form. Returns its number and its secret.
async fn create(app: &TestApp, visitor: &PageClient, form: &[(&str, &str)]) -> (i64, String) {
    let (status, page) = visitor.post_form(app, "/webhooks/new", form).await;
    assert_eq!(status, 200, "{page}");
    let id = app.query_i64s("SELECT max(id) AS n FROM webhooks")[0];
    (id, secret(&page).unwrap_or_else(|| panic!("a secret in {page}")))
}

/// The secret on a page.
fn secret(page: &str) -> Option<String> {
    let shown = page.split("whsec_").nth(1)?.split('<').next()?.replace("&#x2f;", "/");
    (shown.len() == 44).then_some(shown)
}

async fn shown(app: &TestApp, user: &TestUser, id: i64) -> Value {
    let request = app.get(&format!("/api/webhook/{id}/")).by_user(user);
    request.send().await.unwrap().json().await.unwrap()
}

on_both_databases! {
    async fn a_webhook_is_created_changed_and_deleted(app: TestApp) {
        let ada = app.user("ada@example.org");
        let visitor = app.signed_in(&ada);
        assert!(visitor.get_page(&app, "/webhooks").await.1.contains("No webhooks yet"));
        let (_, page) = visitor.get_page(&app, "/webhooks/new").await;
        assert!(page.contains("value=\"request.*\"") && page.contains("value=\"webhook.enabled\""), "{page}");
        // Users cannot see these events.
        assert!(!page.contains("value=\"records.purged\"") && !page.contains("name=\"scope\""), "{page}");
        let form = [FORM.as_slice(), &[("description", " Our <receiver> ")]].concat();
        let (id, made) = create(&app, &visitor, &form).await;
        let webhook = shown(&app, &ada, id).await;
        assert_eq!(
            (&webhook["url"], &webhook["events"], &webhook["description"], &webhook["active"]),
            (&json!(URL), &json!(["request.*", "key.created"]), &json!("Our <receiver>"), &json!(true))
        );
        for path in ["/webhooks".to_owned(), format!("/webhooks/{id}")] {
            let (status, page) = visitor.get_page(&app, &path).await;
            assert_eq!(status, 200);
            for wanted in ["https:&#x2f;&#x2f;hooks.example.org&#x2f;x", "Our &lt;receiver&gt;", "request.*, key.created", ">Active<", "None in the last 30 days"] {
                assert!(page.contains(wanted), "{path}: {wanted}: {page}");
            }
            assert!(secret(&page).is_none(), "{page}");
        }
        let path = format!("/webhooks/{id}");
        let (status, page) = visitor.post_form(&app, &format!("{path}/secret"), &[]).await;
        assert_eq!(status, 200);
        assert!(secret(&page).is_some_and(|next| next != made) && page.contains("24 hours"), "{page}");
        let changed = [("url", "https://hooks.example.org/y"), ("event", "export.*"), ("was_active", "yes")];
        assert_eq!(redirect_target(visitor.post(&app, &path, &changed)).await, format!("{path}?flash=changed"));
        let webhook = shown(&app, &ada, id).await;
        assert_eq!((&webhook["events"], &webhook["description"]), (&json!(["export.*"]), &json!("")));
        assert_eq!(webhook["disabled_reason"], "owner");
        let (_, page) = visitor.get_page(&app, &format!("{path}?flash=changed")).await;
        assert!(page.contains("Webhook changed.") && page.contains("You turned this webhook off."), "{page}");
        assert!(!page.contains(&format!("{path}/test")), "{page}");
        assert_eq!(redirect_target(visitor.post(&app, &format!("{path}/test"), &[])).await, format!("{path}?flash=is-off"));
        let on = [&changed[..2], &[("active", "yes")]].concat();
        redirect_target(visitor.post(&app, &path, &on)).await;
        assert_eq!(shown(&app, &ada, id).await["active"], true);
        assert_eq!(redirect_target(visitor.post(&app, &format!("{path}/delete"), &[])).await, "/webhooks?flash=webhook-deleted");
        assert_eq!(app.count("SELECT count(*) AS n FROM webhooks"), 0);
        assert!(visitor.get_page(&app, "/webhooks?flash=webhook-deleted").await.1.contains("Webhook deleted."));
    }

    async fn a_change_does_not_turn_on_a_webhook_that_the_server_has_disabled_meanwhile(app: TestApp) {
        let ada = app.user("ada@example.org");
        let visitor = app.signed_in(&ada);
        let (id, _) = create(&app, &visitor, &FORM).await;
        for reason in ["gone", "failing"] {
            app.execute_raw(&format!("UPDATE webhooks SET disabled_at = created_at, disabled_reason = '{reason}', failures = 10"));
            let form = [FORM.as_slice(), &[("description", reason), ("active", "yes"), ("was_active", "yes")]].concat();
            redirect_target(visitor.post(&app, &format!("/webhooks/{id}"), &form)).await;
            let webhook = shown(&app, &ada, id).await;
            assert_eq!((&webhook["disabled_reason"], &webhook["failures"]), (&json!(reason), &json!(10)));
            let (_, page) = visitor.get_page(&app, &format!("/webhooks/{id}")).await;
            assert!(page.contains("The server disabled this webhook") && page.contains("Correct the receiver, then send a test."), "{page}");
            assert!(page.contains("1 January 2030, 00:00 UTC") && page.contains("If it succeeds, the webhook is active again"), "{page}");
            assert!(visitor.get_page(&app, "/webhooks").await.1.contains(">Disabled<"));
            assert_eq!(redirect_target(visitor.post(&app, &format!("/webhooks/{id}/test"), &[])).await, format!("/webhooks/{id}?flash=tested"));
        }
    }

    async fn invalid_fields_are_shown_again(app: TestApp) {
        let visitor = app.signed_in(&app.user("ada@example.org"));
        let (id, _) = create(&app, &visitor, &FORM).await;
        let before = app.rows_except("webhook_deliveries");
        let long = "x".repeat(1_001);
        for path in ["/webhooks/new".to_owned(), format!("/webhooks/{id}")] {
            for (field, form, status) in [
                ("url", vec![("url", "http://example.org/"), ("event", "key.*")], 400),
                ("url", vec![("url", "https://169.254.169.254/"), ("event", "key.*")], 400),
                ("url", vec![("event", "key.*")], 400),
                ("event", vec![("url", URL)], 400),
                ("event", vec![("url", URL), ("event", "key.*"), ("event", "lost")], 400),
                ("description", vec![("url", URL), ("event", "key.*"), ("description", &long)], 400),
                ("scope", vec![("url", URL), ("event", "key.*"), ("scope", "all")], 403),
            ] {
                let (answer, page) = visitor.post_form(&app, &path, &form).await;
                assert_eq!(answer, status, "{path} {form:?}");
                assert!(page.contains(&format!("id=\"{field}-error\"")), "{path} {form:?}: {page}");
                assert!(field == "event" || page.contains("value=\"key.*\" checked"), "{page}");
            }
        }
        let (status, page) = visitor.post_form(&app, &format!("/webhooks/{id}/replay"), &[("since", "yesterday")]).await;
        assert!(status == 400 && page.contains("id=\"since-error\""), "{page}");
        assert_eq!(visitor.post_form(&app, &format!("/webhooks/{id}/replay"), &[]).await.0, 400);
        assert_eq!(app.rows_except("webhook_deliveries"), before);
    }

    async fn a_change_is_kept_while_the_owner_signs_in(app: TestApp) {
        let ada = app.user("ada@example.org");
        let visitor = app.signed_in(&ada);
        let (id, _) = create(&app, &visitor, &FORM).await;
        let path = format!("/webhooks/{id}");
        redirect_target(visitor.post(&app, &format!("{path}/test"), &[])).await;
        app.execute_raw("UPDATE webhook_deliveries SET lease = NULL, finished_at = created_at, result = 'failed'");
        for (to, form, wanted) in [
            (path.clone(), vec![("url", "https://hooks.example.org/y"), ("event", "key.created"), ("description", "New"), ("was_active", "yes")],
                &["hooks.example.org&#x2f;y\"", "value=\"key.created\" checked", "value=\"New\"", "name=\"active\" value=\"yes\">", "<details class=\"card\" open>"][..]),
            (format!("{path}/replay"), vec![("since", "2030-01-01")], &["value=\"2030-01-01\"", "<details class=\"card\" open>"]),
        ] {
            let there = redirect_target(app.signed_out().post(&app, &to, &form)).await;
            let (_, next) = form_urlencoded::parse(there.split_once('?').unwrap().1.as_bytes()).next().unwrap();
            let (status, page) = visitor.get_page(&app, &next).await;
            assert_eq!(status, 200, "{next}");
            for wanted in wanted {
                assert!(page.contains(wanted), "{next}: {wanted}: {page}");
            }
            assert_eq!(page.matches("/replay\"").count(), 2, "the filter is not set: {page}");
        }
        // An error keeps the box as well.
        let (status, page) = visitor.post_form(&app, &path, &[("url", URL), ("was_active", "yes")]).await;
        assert!(status == 400 && page.contains("name=\"active\" value=\"yes\">"), "{page}");
    }

    async fn staff_choose_between_their_own_events_and_all(app: TestApp) {
        let root = app.staff("root@example.org");
        let visitor = app.signed_in(&root);
        let (_, page) = visitor.get_page(&app, "/webhooks/new").await;
        for action in AuditAction::ALL.iter().filter(|action| **action != AuditAction::OperationAbandoned) {
            assert!(page.contains(&format!("value=\"{}\"", action.name())), "{}: {page}", action.name());
        }
        assert!(page.contains("value=\"own\" required checked"), "{page}");
        let (id, _) = create(&app, &visitor, &[FORM.as_slice(), &[("scope", "all")]].concat()).await;
        assert_eq!(shown(&app, &root, id).await["scope"], "all");
        assert!(visitor.get_page(&app, "/webhooks").await.1.contains("<small>Everything</small>"));
        // A user who is no longer staff can keep the scope, and cannot choose it again.
        app.execute_raw("UPDATE users SET staff = false");
        let visitor = app.signed_in(&root);
        let path = format!("/webhooks/{id}");
        for (scope, status) in [("all", 303), ("own", 303), ("all", 403)] {
            let form = [FORM.as_slice(), &[("scope", scope)]].concat();
            assert_eq!(visitor.post(&app, &path, &form).send().await.unwrap().status(), status, "{scope}");
        }
    }

    async fn forms_that_are_sent_twice_test_and_rotate_once(app: TestApp) {
        let visitor = app.signed_in(&app.user("ada@example.org"));
        let (id, _) = create(&app, &visitor, &FORM).await;
        let path = format!("/webhooks/{id}");
        let (_, page) = visitor.get_page(&app, &path).await;
        let form_ids: Vec<&str> = page.split("name=\"form_id\" value=\"").skip(1).map(|rest| &rest[..36]).collect();
        let [test, rotate] = form_ids[..] else { panic!("two forms in {page}") };
        assert_ne!(test, rotate);
        for _ in 0..2 {
            let there = redirect_target(visitor.post(&app, &format!("{path}/test"), &[("form_id", test)])).await;
            assert_eq!(there, format!("{path}?flash=tested"));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM webhook_deliveries WHERE event_type = 'webhook.test'"), 1);
        assert_eq!(visitor.post_form(&app, &format!("{path}/secret"), &[("form_id", rotate)]).await.0, 200);
        let there = redirect_target(visitor.post(&app, &format!("{path}/secret"), &[("form_id", rotate)])).await;
        assert_eq!(there, format!("{path}?flash=rotated-before"));
        assert!(visitor.get_page(&app, &there).await.1.contains("The new one was shown then"));
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'webhook.secret_rotated'"), 1);
    }

    async fn a_webhook_of_another_user_does_not_exist(app: TestApp) {
        let (ada, root) = (app.user("ada@example.org"), app.staff("root@example.org"));
        let (id, _) = create(&app, &app.signed_in(&ada), &FORM).await;
        let visitor = app.signed_in(&root);
        assert!(visitor.get_page(&app, "/webhooks").await.1.contains("No webhooks yet"));
        let unknown = uuid::Uuid::nil();
        let before = app.rows();
        for id in [id.to_string(), "4711".to_owned(), "x".to_owned(), "-1".to_owned(), "99999999999999999999".to_owned(), "%00".to_owned()] {
            assert_eq!(visitor.get_page(&app, &format!("/webhooks/{id}")).await.0, 404, "{id}");
            for path in ["", "/test", "/secret", "/delete", "/replay", &format!("/deliveries/{unknown}/replay"), "/deliveries/x/replay"] {
                let form = [FORM.as_slice(), &[("since", "2030-01-01")]].concat();
                assert_eq!(visitor.post_form(&app, &format!("/webhooks/{id}{path}"), &form).await.0, 404, "{id}{path}");
            }
        }
        assert_eq!(app.rows(), before);
        let own = app.signed_in(&ada);
        assert_eq!(own.post_form(&app, &format!("/webhooks/{id}/deliveries/{unknown}/replay"), &[]).await.0, 404);
    }

    async fn a_user_has_at_most_twenty_webhooks(app: TestApp) {
        let ada = app.user("ada@example.org");
        let visitor = app.signed_in(&ada);
        for _ in 0..20 {
            app.webhook(&ada);
        }
        let (status, page) = visitor.post_form(&app, "/webhooks/new", &FORM).await;
        assert!(status == 400 && page.contains("You have 20 webhooks"), "{page}");
    }

    async fn deliveries_have_a_filter_and_pages_of_twenty(app: TestApp) {
        let ada = app.user("ada@example.org");
        let visitor = app.signed_in(&ada);
        let (id, _) = create(&app, &visitor, &FORM).await;
        let path = format!("/webhooks/{id}");
        assert!(visitor.get_page(&app, &path).await.1.contains("No deliveries yet"));
        for _ in 0..22 {
            redirect_target(visitor.post(&app, &format!("{path}/test"), &[])).await;
        }
        app.execute_raw("UPDATE webhook_deliveries SET lease = NULL, attempts = 1, finished_at = created_at, result = 'failed', reason = 'timeout', due_at = created_at");
        app.execute_raw("UPDATE webhook_deliveries SET result = 'delivered', reason = NULL, http_status = 204 WHERE id = (SELECT id FROM webhook_deliveries ORDER BY id LIMIT 1)");
        let rows = async |query: &str| {
            let (status, page) = visitor.get_page(&app, &format!("{path}?{query}")).await;
            assert_eq!(status, 200);
            (page.matches("/replay\"").count(), page)
        };
        let (number, page) = rows("").await;
        assert_eq!(number, 21, "20 rows and the form for all: {page}");
        assert!(page.contains("1 to 20 of 22") && page.contains("No response within 15 seconds"), "{page}");
        assert_eq!(rows("offset=20").await.0, 3);
        let (number, page) = rows("status=failed&event=webhook.test").await;
        assert!(number == 21 && page.contains("1 to 20 of 21") && page.contains("event=webhook.test"), "{page}");
        let (number, page) = rows("status=delivered").await;
        assert!(number == 2 && page.contains("Response 204"), "{page}");
        assert!(rows("event=request.created").await.1.contains("Try a different filter"));
        assert!(rows("status=lost&event=lost").await.1.contains("1 to 20 of 22"));
        assert!(visitor.get_page(&app, "/webhooks").await.1.contains("1 January 2030, 00:00 UTC"), "the last success");
        let since = [("since", "2030-01-01")];
        let there = redirect_target(visitor.post(&app, &format!("{path}/replay"), &since)).await;
        assert_eq!(there, format!("{path}?flash=replayed-all&count=21"));
        assert!(visitor.get_page(&app, &there).await.1.contains("21 events are being sent again"));
    }
}
