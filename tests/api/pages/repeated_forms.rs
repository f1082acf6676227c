//! Forms that are sent more than once, as by a double click.

use countersign::domain::rights::Role;

use super::redirect_target;
use crate::helpers::{PASSWORD, send_concurrently};
use crate::page_client::PageClient;

/// The identifier of the form on a page.
fn form_identity(page: &str) -> (&'static str, String) {
    let find = |name: &'static str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
        Some((name, rest.split('"').next()?.to_owned()))
    };
    find("form_id").or_else(|| find("idempotency_key")).expect("the form has an identifier")
}

on_both_databases! {
    async fn a_creation_form_that_is_sent_twice_creates_one_object(app: TestApp) {
        let (me, grace) = (app.staff("root@example.org"), app.user("grace@example.org"));
        app.grant_role("hub", &me, Role::Owner);
        let bundle = app.bundle("Steps", 2).id.to_string();
        let visitor = app.signed_in(&me);
        for (page, table, form) in [
            ("/keys/new", "api_keys", &[("label", "x"), ("scope", "all")][..]),
            ("/tokens/new", "export_tokens", &[("hub", "hub"), ("node", "n"), ("right", "read"), ("hours", "24")]),
            ("/requests/new", "permission_requests", &[("email", grace.email()), ("bundle", &bundle), ("days", "3")]),
            ("/webhooks/new", "webhooks", &[("url", "https://hooks.example.org/"), ("event", "request.*"), ("scope", "all")]),
            ("/staff/bundles", "bundles", &[("name", "Sleep"), ("description", ""), ("right", "read")]),
            ("/staff/users", "users", &[("email", "new@example.org"), ("first_name", ""), ("last_name", "")]),
            ("/staff/hubs", "hubs", &[("id", "new"), ("name", ""), ("owner", grace.email())]),
        ] {
            let count = || app.count(&format!("SELECT count(*) AS n FROM {table}"));
            let (name, id) = form_identity(&visitor.get_page(&app, page).await.1);
            let before = count();
            let form = [form, &[(name, id.as_str())]].concat();
            let sent = (0..3).map(|_| visitor.post(&app, page, &form));
            let statuses = send_concurrently(sent).await;
            assert!(statuses.iter().all(|status| [200, 303].contains(status)), "{page}: {statuses:?}");
            let there = redirect_target(visitor.post(&app, page, &form)).await;
            assert!(there.contains("flash="), "{page}: {there}");
            assert_eq!(visitor.get_page(&app, &there).await.0, 200);
            assert_eq!(count(), before + 1, "{page}");
        }
    }

    async fn a_creation_form_keeps_its_input_while_the_visitor_signs_in(app: TestApp) {
        let me = app.staff("root@example.org");
        app.grant_role("hub", &me, Role::Owner);
        app.grant_role("other", &me, Role::Owner);
        let visitor = app.signed_in(&me);
        let text = "A <b> & ü";
        let shown = "value=\"A &lt;b&gt; &amp; ü\"";
        let long = "ж".repeat(1_000);
        let before = app.rows();
        for (page, form, wanted) in [
            ("/keys/new", &[("label", text), ("scope", "check")][..], &[shown, "value=\"check\" required checked"][..]),
            (
                "/tokens/new",
                &[("hub", "other"), ("node", text), ("right", "get"), ("right", "write"), ("hours", "720")],
                &[shown, "value=\"other\" selected", "value=\"get\" checked", "value=\"write\" checked", "value=\"720\" selected"],
            ),
            (
                "/webhooks/new",
                &[("url", "https://hooks.example.org/?a=b&c=d"), ("event", "request.*"), ("event", "key.created"), ("description", text), ("scope", "all")],
                &[shown, "value=\"https:&#x2f;&#x2f;hooks.example.org&#x2f;?a=b&amp;c=d\"", "value=\"request.*\" checked", "value=\"key.created\" checked", "value=\"all\" required checked"],
            ),
            ("/webhooks/new", &[("url", &long), ("event", "request.*"), ("description", &long)], &["value=\"request.*\" checked", "жжж"]),
            ("/staff/users", &[("email", "new@example.org"), ("first_name", text), ("last_name", "L"), ("staff", "yes")], &[shown, "value=\"new@example.org\"", "value=\"yes\" checked"]),
            ("/staff/hubs", &[("id", "new"), ("name", text), ("owner", "o@example.org")], &[shown, "value=\"new\"", "value=\"o@example.org\""]),
            ("/staff/bundles", &[("name", text), ("description", "D"), ("right", "write")], &[shown, "value=\"D\"", "value=\"write\" checked"]),
        ] {
            let there = redirect_target(app.signed_out().post(&app, page, form)).await;
            assert!(there.len() < 3_500, "{there}");
            let (_, query) = there.split_once('?').unwrap();
            let (_, next) = form_urlencoded::parse(query.as_bytes()).next().unwrap();
            let (status, content) = visitor.get_page(&app, &next).await;
            assert_eq!(status, 200, "{next}");
            for wanted in wanted {
                assert!(content.contains(wanted), "{page}: {wanted}: {content}");
            }
            // The form on a list is open.
            assert!(!page.starts_with("/staff/") || content.contains("<details class=\"card\" open>"), "{page}: {content}");
        }
        let mut rows = app.rows();
        rows.retain(|table, content| before[table] != *content);
        assert_eq!(rows.len(), 0, "{rows:?}");
        // A link with values that were not offered shows the form without them.
        for link in ["/keys/new?scope=everything", "/tokens/new?hub=hub&node=n&right=x&hours=24", "/webhooks/new?event=lost&scope=x", "/staff/bundles?right=x"] {
            assert_eq!(visitor.get_page(&app, link).await.0, 200, "{link}");
        }
    }

    async fn a_password_form_that_is_sent_twice_leads_to_the_account(app: TestApp) {
        let grace = app.user("grace@example.org");
        let before = app.signed_in(&grace);
        let new = "nine purple llamas rowing";
        let form = [("current", PASSWORD), ("new", new), ("confirm", new)];
        let answer = before.post(&app, "/account/password", &form).send().await.unwrap();
        assert_eq!(answer.headers()["location"], "/account?flash=password");
        let now = PageClient::from_response(&answer);
        // The second click, with the cookie of the first, and the form sent again later.
        assert_eq!(redirect_target(before.post(&app, "/account/password", &form)).await, "/sign-in?next=%2Faccount");
        assert_eq!(redirect_target(now.get(&app, "/sign-in?next=%2Faccount")).await, "/account");
        let again = PageClient { csrf_token: before.csrf_token.clone(), ..now };
        let (status, page) = again.post_form(&app, "/account/password", &form).await;
        assert_eq!(status, 403);
        assert!(page.contains("was already sent") && !page.contains("Nothing was changed"), "{page}");
        assert!(page.contains("/account") || page.contains("&#x2f;account"), "{page}");
    }
}
