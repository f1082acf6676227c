//! The API key page.

use countersign::domain::token::{Token, TokenKind};

use serde_json::json;

use super::{find_secret, ids, redirect_target};
use crate::helpers::TestApp;

const COUNT_ACTIVE_KEYS: &str = "SELECT count(*) AS n FROM api_keys WHERE revoked_at IS NULL";
const EVENTS: &str = "SELECT count(*) AS n FROM audit_log WHERE action IN ('key.created', 'key.revoked') AND actor IS NOT NULL";

/// The status of a request with this key.
async fn status(app: &TestApp, key: &str, path: &str) -> u16 {
    app.get(path).bearer_auth(key).send().await.unwrap().status().as_u16()
}

on_both_databases! {
    async fn an_api_key_is_created_shown_once_and_revoked_immediately(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let visitor = app.signed_in(&ada);
        assert_eq!(visitor.get_page(&app, "/keys/new").await.0, 200);
        let form = [("label", " My <laptop> "), ("scope", "all")];
        let (made, page) = visitor.post_form(&app, "/keys/new", &form).await;
        assert_eq!(made, 200);
        let key = find_secret(&page, "csk_").expect("the key is shown");
        assert_eq!(page.matches(&key).count(), 1, "{page}");
        assert!(page.contains("My &lt;laptop&gt;"), "{page}");
        assert_eq!(status(&app, &key, "/api/account/").await, 200);
        let (_, page) = visitor.get_page(&app, "/keys").await;
        assert!(page.contains("My &lt;laptop&gt;") && find_secret(&page, "csk_").is_none(), "{page}");
        assert_eq!(ids(&page, "keys").len(), 2, "including the key of the test user");
        let id = Token::parse(TokenKind::ApiKey, &key).unwrap().id().to_string();
        assert!(ids(&page, "keys").contains(&id));
        let path = format!("/keys/{id}/revoke");
        let other = app.signed_in(&grace);
        assert!(!other.get_page(&app, "/keys").await.1.contains("laptop"));
        assert_eq!(other.post_form(&app, &path, &[]).await.0, 404);
        assert_eq!(status(&app, &key, "/api/account/").await, 200);
        for _ in 0..2 {
            assert_eq!(redirect_target(visitor.post(&app, &path, &[])).await, "/keys?flash=key-revoked");
            assert_eq!(status(&app, &key, "/api/account/").await, 401, "immediately on this replica");
        }
        assert_eq!(status(&app, &ada.key, "/api/account/").await, 200);
        assert_eq!(app.count(EVENTS), 2);
        let (_, page) = visitor.get_page(&app, "/keys?flash=key-revoked").await;
        assert!(page.contains("stops working within 5 seconds") && page.contains(">Revoked<"), "{page}");
        assert_eq!(ids(&page, "keys").len(), 1);
        for id in ["x", "%00", "00000000-0000-0000-0000-000000000000"] {
            assert_eq!(visitor.post_form(&app, &format!("/keys/{id}/revoke"), &[]).await.0, 404, "{id}");
        }
    }

    async fn a_new_api_key_is_mailed_to_its_user(app: TestApp) {
        let ada = app.user("ada@example.org");
        let form = [("label", "laptop"), ("scope", "all")];
        let (_, page) = app.signed_in(&ada).post_form(&app, "/keys/new", &form).await;
        let key = find_secret(&page, "csk_").expect("the key is shown");
        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.to, [ada.email()]);
        assert!(mail.text.contains("A new API key was created for the account ada@example.org"), "{}", mail.text);
        assert!(mail.text.contains("https://countersign.test/keys") && !mail.text.contains(&key[4..]), "{}", mail.text);
        assert!(!mail.text.contains("List-Unsubscribe"), "it cannot be turned off");
    }

    async fn only_staff_can_create_a_key_with_a_scope(app: TestApp) {
        let visitor = app.signed_in(&app.user("ada@example.org"));
        let (_, page) = visitor.get_page(&app, "/keys/new").await;
        let before = app.rows();
        for scope in ["introspect", "check"] {
            assert!(!page.contains(&format!("value=\"{scope}\"")), "{page}");
            let (status, page) = visitor.post_form(&app, "/keys/new", &[("label", "x"), ("scope", scope)]).await;
            assert_eq!(status, 403);
            assert!(page.contains("Only administrators") && find_secret(&page, "csk_").is_none(), "{page}");
        }
        assert_eq!(app.rows(), before);
    }

    async fn a_form_with_an_error_can_be_sent_again(app: TestApp) {
        let visitor = app.signed_in(&app.user("ada@example.org"));
        let (_, page) = visitor.get_page(&app, "/keys/new").await;
        let (_, rest) = page.split_once("name=\"form_id\" value=\"").unwrap();
        let form_id = rest.split('"').next().unwrap();
        let long = "x".repeat(101);
        let invalid = [("label", long.as_str()), ("scope", "all"), ("form_id", form_id)];
        assert_eq!(visitor.post_form(&app, "/keys/new", &invalid).await.0, 400);
        let form = [("label", "x"), ("scope", "all"), ("form_id", form_id)];
        let (status, page) = visitor.post_form(&app, "/keys/new", &form).await;
        assert!(status == 200 && find_secret(&page, "csk_").is_some(), "{page}");
        let answer = visitor.post(&app, "/keys/new", &form).send().await.unwrap();
        assert_eq!(answer.headers()["location"], "/keys?flash=key-created-before");
        assert_eq!(app.count("SELECT count(*) AS n FROM api_keys WHERE label = 'x'"), 1);
    }

    async fn an_api_key_can_be_limited_to_introspection(app: TestApp) {
        let visitor = app.signed_in(&app.staff("ada@example.org"));
        let (_, page) = visitor.post_form(&app, "/keys/new", &[("label", ""), ("scope", "introspect")]).await;
        let key = find_secret(&page, "csk_").unwrap();
        assert_eq!(status(&app, &key, "/api/account/").await, 403);
        let asked = app.post("/oauth2/introspect").bearer_auth(&key).form(&[("token", "x")]);
        assert_eq!(asked.send().await.unwrap().status(), 200);
        let (_, page) = visitor.get_page(&app, "/keys").await;
        assert!(page.contains("Unnamed") && page.contains("Check export tokens only"), "{page}");
    }

    async fn an_api_key_can_be_limited_to_access_decisions(app: TestApp) {
        let visitor = app.signed_in(&app.staff("ada@example.org"));
        let (_, page) = visitor.post_form(&app, "/keys/new", &[("label", ""), ("scope", "check")]).await;
        let key = find_secret(&page, "csk_").unwrap();
        assert_eq!(status(&app, &key, "/api/account/").await, 403);
        let question = json!({
            "subject": { "type": "user", "id": "1" }, "action": { "name": "read" }, "resource": { "type": "user", "id": "2" },
        });
        let asked = app.post("/access/v1/evaluation").bearer_auth(&key).json(&question);
        assert_eq!(asked.send().await.unwrap().status(), 200);
        let (_, page) = visitor.get_page(&app, "/keys").await;
        assert!(page.contains("Access decisions only"), "{page}");
    }

    async fn an_api_key_with_an_invalid_form_is_rejected(app: TestApp) {
        let visitor = app.signed_in(&app.user("ada@example.org"));
        let before = app.rows();
        let long = "x".repeat(101);
        for form in [
            vec![("label", long.as_str()), ("scope", "all")],
            vec![("label", "two\nlines"), ("scope", "all")],
        ] {
            let (status, page) = visitor.post_form(&app, "/keys/new", &form).await;
            assert!(status == 400 && page.contains("id=\"label-error\""), "{page}");
        }
        for form in [vec![], vec![("label", "x")], vec![("label", "x"), ("scope", "staff")], vec![("label", "\0"), ("scope", "all")]] {
            assert_eq!(visitor.post_form(&app, "/keys/new", &form).await.0, 400, "{form:?}");
        }
        assert_eq!(app.rows(), before);
    }

    async fn api_keys_have_pages_of_twenty_and_an_empty_state(app: TestApp) {
        let ada = app.user("ada@example.org");
        let visitor = app.signed_in(&ada);
        (0..20).for_each(|_| drop(app.key(&ada.user, countersign::store::api_keys::Scope::All)));
        assert_eq!(app.count(COUNT_ACTIVE_KEYS), 21);
        let first = ids(&visitor.get_page(&app, "/keys").await.1, "keys");
        let second = ids(&visitor.get_page(&app, "/keys?keys=20").await.1, "keys");
        assert_eq!((first.len(), second.len()), (20, 1));
        app.execute_raw("DELETE FROM api_keys");
        assert!(visitor.get_page(&app, "/keys").await.1.contains("No API keys yet"));
    }
}
