//! The staff page of a user: API keys and sessions.

use countersign::domain::token::{Token, TokenKind};
use countersign::store::api_keys::Scope;

use super::redirect_target;
use crate::helpers::ByUser;

on_both_databases! {
    async fn staff_see_and_end_the_keys_and_sessions_of_a_user(app: TestApp) {
        let (me, grace, ada) = (app.staff("root@example.org"), app.user("grace@example.org"), app.user("ada@example.org"));
        let root = app.signed_in(&me);
        let phone = app.signed_in(&grace);
        app.signed_in(&grace);
        app.signed_in(&grace);
        app.key(&grace.user, Scope::Introspect);
        let path = format!("/staff/users/{}", grace.id());
        assert!(root.get_page(&app, "/staff/users").await.1.contains(&format!("href=\"{path}\"")));
        let (status, page) = root.get_page(&app, &path).await;
        assert_eq!(status, 200);
        assert!(page.contains("Check export tokens only") && page.contains("Full access"), "the scopes: {page}");
        assert_eq!((page.matches("/revoke\"").count(), page.matches("/end\"").count()), (2, 4), "{page}");
        assert!(!page.contains(&grace.key));

        let key = Token::parse(TokenKind::ApiKey, &grace.key).unwrap().id();
        assert_eq!(app.get("/api/account/").by_user(&grace).send().await.unwrap().status(), 200);
        for _ in 0..2 {
            let there = redirect_target(root.post(&app, &format!("{path}/keys/{key}/revoke"), &[])).await;
            assert_eq!(there, format!("{path}?flash=key-revoked"));
            assert!(root.get_page(&app, &there).await.1.contains("API key revoked"));
        }
        assert_eq!(app.get("/api/account/").by_user(&grace).send().await.unwrap().status(), 401, "at once");

        let end = format!("{path}/sessions/{}/end", phone.session.unwrap());
        assert_eq!(redirect_target(root.post(&app, &end, &[])).await, format!("{path}?flash=session-ended"));
        assert_eq!(root.post_form(&app, &end, &[]).await.0, 404);
        assert!(redirect_target(phone.get(&app, "/account")).await.starts_with("/sign-in"));
        for _ in 0..2 {
            let there = redirect_target(root.post(&app, &format!("{path}/sessions/end"), &[])).await;
            assert!(root.get_page(&app, &there).await.1.contains("This user is not signed in"));
        }
        // Every action has an entry, which the user sees too.
        let entries = |action: &str| app.count(&format!(
            "SELECT count(*) AS n FROM audit_log WHERE action = '{action}' AND actor = {} AND ip IS NOT NULL \
             AND affected_user_1 = {}", me.id(), grace.id()
        ));
        assert_eq!((entries("key.revoked"), entries("session.closed")), (1, 3));

        // A key or session that is not this user's does not exist here.
        let others = app.signed_in(&ada).session.unwrap();
        let before = app.rows();
        let adas_key = Token::parse(TokenKind::ApiKey, &ada.key).unwrap().id();
        for target in [
            format!("{path}/keys/{adas_key}/revoke"),
            format!("{path}/keys/x/revoke"),
            format!("{path}/sessions/{others}/end"),
            format!("{path}/sessions/x/end"),
            "/staff/users/999999/sessions/end".to_owned(),
        ] {
            assert_eq!(root.post_form(&app, &target, &[]).await.0, 404, "{target}");
        }
        assert_eq!(root.get_page(&app, "/staff/users/999999").await.0, 404);
        assert_eq!(app.rows(), before);
    }
}
