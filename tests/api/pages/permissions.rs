//! The page of granted and received permissions.

use countersign::domain::terms::Terms;
use countersign::store::ledger::GrantPermission;

use super::redirect_target;
use crate::helpers::{TestApp, TestUser};

const COUNT_PERMISSIONS: &str = "SELECT count(*) AS n FROM bundle_permissions";

/// Creates a permission of Ada for Grace's data and returns its id.
fn new_permission(app: &TestApp, ada: &TestUser, grace: &TestUser, name: &str) -> i64 {
    let bundle = app.bundle(name, 6);
    let terms = Terms { target: grace.user.id, grantee: ada.user.id, bundle: bundle.id };
    match app.commit(GrantPermission::without_end(terms, bundle.permission)) {
        Ok((grant, _)) => grant.id.0,
        Err(error) => panic!("not granted: {error}"),
    }
}

on_both_databases! {
    async fn only_the_parties_see_and_revoke_a_permission(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let root = app.staff("root@example.org");
        for (party, led, words) in [
            (&grace, "/access?flash=revoked", "Permission revoked."),
            (&ada, "/access?flash=given-up", "You gave up this permission."),
        ] {
            let id = new_permission(&app, &ada, &grace, "Sleep & heart");
            for (one, side) in [(&grace, "Revoke: ada Test, Sleep &amp; heart"), (&ada, "Give up: grace Test, Sleep &amp; heart")] {
                let (status, page) = app.signed_in(one).get_page(&app, "/access").await;
                assert!(status == 200 && page.contains(side), "{page}");
            }
            let path = format!("/access/{id}/revoke");
            for other in [&eve, &root] {
                let other = app.signed_in(other);
                assert!(!other.get_page(&app, "/access").await.1.contains("Sleep"));
                assert_eq!(other.post_form(&app, &path, &[]).await.0, 404);
            }
            assert_eq!(app.count(COUNT_PERMISSIONS), 1);
            let visitor = app.signed_in(party);
            assert_eq!(redirect_target(visitor.post(&app, &path, &[])).await, led);
            assert_eq!(app.count(COUNT_PERMISSIONS), 0);
            let (_, page) = visitor.get_page(&app, led).await;
            assert!(page.contains(words) && !page.contains("Sleep"), "{page}");
            assert_eq!(redirect_target(visitor.post(&app, &path, &[])).await, led, "a repetition shows what is so");
        }
        app.assert_user_counters();
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'permission.revoked'"), 2);
    }

    async fn a_new_permission_is_revoked_with_one_click(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let token = app.redeem_token(&app.create_request(&ada, &grace, &app.bundle("Sleep", 6)));
        let visitor = app.signed_in(&grace);
        let (_, page) = visitor.post_form(&app, "/redeem", &[("token", &token), ("decision", "approve"), ("right", "read"), ("right", "get")]).await;
        let action = page.split("action=\"/access/").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(redirect_target(visitor.post(&app, &format!("/access/{action}"), &[])).await, "/access?flash=revoked");
        assert_eq!(app.count(COUNT_PERMISSIONS), 0);
    }

    async fn an_open_request_is_not_a_permission(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let visitor = app.signed_in(&grace);
        let before = app.rows();
        for id in [request.id.to_string(), "0".to_owned(), "x".to_owned(), "-1".to_owned(), "9223372036854775808".to_owned()] {
            assert_eq!(visitor.post_form(&app, &format!("/access/{id}/revoke"), &[]).await.0, 404, "{id}");
        }
        assert_eq!(app.rows(), before);
    }

    async fn both_lists_have_pages_of_twenty_and_an_empty_state(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let visitor = app.signed_in(&grace);
        let (_, page) = visitor.get_page(&app, "/access").await;
        assert!(page.contains("You have not given any permissions") && page.contains("You have no permissions yet"), "{page}");
        for nth in 1..=21 {
            new_permission(&app, &ada, &grace, &format!("Given {nth:02}"));
            new_permission(&app, &grace, &ada, &format!("Received {nth:02}"));
        }
        let rows = |page: &str| page.matches("/revoke\"").count();
        let (_, page) = visitor.get_page(&app, "/access").await;
        assert_eq!(rows(&page), 40);
        assert!(page.contains("?granted=20") && page.contains("?received=20"), "{page}");
        let (_, page) = visitor.get_page(&app, "/access?granted=20").await;
        assert!(rows(&page) == 21 && page.contains("Given 21") && page.contains("Received 01"), "{page}");
    }
}
