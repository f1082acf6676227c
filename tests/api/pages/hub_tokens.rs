//! The page of a hub's export tokens.

use countersign::domain::rights::Role;

use super::redirect_target;

on_both_databases! {
    async fn admins_and_staff_see_and_revoke_the_tokens_of_others(app: TestApp) {
        let [carol, dan, eve, mel] =
            ["carol", "dan", "eve", "mel"].map(|name| app.user(&format!("{name}@example.org")));
        let root = app.staff("root@example.org");
        app.grant_role("hub", &carol, Role::Owner);
        app.grant_role("hub", &dan, Role::Admin);
        app.grant_role("hub", &mel, Role::Manager);
        app.grant_role("other", &eve, Role::Owner);
        let page = "/hub/tokens?id=hub";
        assert!(app.signed_in(&dan).get_page(&app, page).await.1.contains("This hub has no export tokens"));
        for by in [&carol, &dan, &root] {
            let (export, secret) = app.export(&carol);
            let id = export.id.to_string();
            let visitor = app.signed_in(by);
            let (_, text) = visitor.get_page(&app, page).await;
            assert!(text.contains("carol@example.org") && text.contains(&id), "{text}");
            assert!(!text.contains(&secret.expose()));
            // Others see nothing, and a hub of their own gives them no right to this one's tokens.
            let before = app.rows_except("sessions");
            for (other, hub) in [(&eve, "hub"), (&mel, "hub"), (&eve, "other"), (&eve, ""), (&eve, "nowhere")] {
                let visitor = app.signed_in(other);
                assert_eq!(visitor.get_page(&app, page).await.0, 404);
                let form = [("hub", hub), ("token", id.as_str())];
                assert_eq!(visitor.post_form(&app, "/hub/tokens/revoke", &form).await.0, 404, "{hub}");
            }
            let form = [("hub", "hub"), ("token", secret.expose().as_str())].map(|(name, value)| (name, value.to_owned()));
            let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(visitor.post_form(&app, "/hub/tokens/revoke", &form).await.0, 404, "only by its id");
            assert_eq!(app.rows_except("sessions"), before);
            let form = [("hub", "hub"), ("token", id.as_str())];
            for _ in 0..2 {
                let there = redirect_target(visitor.post(&app, "/hub/tokens/revoke", &form)).await;
                assert_eq!(there, "/hub/tokens?id=hub&flash=token-revoked");
            }
            let revoked = format!(
                "SELECT count(*) AS n FROM audit_log WHERE action = 'export.revoked' AND actor = {} \
                 AND subject = 'export:{id}'", by.id()
            );
            assert_eq!(app.count(&revoked), 1);
        }
        // The creator sees who did it, and admins find the page.
        let activity = app.signed_in(&carol).get_page(&app, "/account/activity").await.1;
        assert_eq!(activity.matches("<bdi>An administrator</bdi>").count(), 2, "{activity}");
        assert!(app.signed_in(&dan).get_page(&app, "/tokens").await.1.contains("id=hub\""));
        assert!(!app.signed_in(&mel).get_page(&app, "/tokens").await.1.contains("tokens?id="));
        assert!(app.signed_in(&root).get_page(&app, "/staff/hub?id=hub").await.1.contains("tokens?id=hub"));
    }
}
