//! The permissions that somebody has given and has.

use countersign::domain::grant::Terms;
use countersign::store::ledger::{Deed, Verdict};

use super::led_to;
use crate::helpers::{TestApp, TestUser};

const GRANTS: &str = "SELECT count(*) AS n FROM bundle_permissions";

/// What Ada has of Grace: the permission's number.
fn given(app: &TestApp, ada: &TestUser, grace: &TestUser, name: &str) -> i64 {
    let terms = Terms { target: grace.user.id, allowed: ada.user.id, bundle: app.bundle(name, 6).id };
    match app.commit(Deed::Give(terms)) {
        Verdict::Given(Some(grant)) => grant.id.0,
        verdict => panic!("not given: {verdict:?}"),
    }
}

on_both_databases! {
    async fn each_party_finds_a_permission_and_ends_it_and_nobody_else_does(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let root = app.staff("root@example.org");
        for (party, led, words) in [
            (&grace, "/access?done=taken-back", "Permission revoked."),
            (&ada, "/access?done=given-up", "You gave up this permission."),
        ] {
            let id = given(&app, &ada, &grace, "Sleep & heart");
            for (one, side) in [(&grace, "Revoke: ada Test, Sleep &amp; heart"), (&ada, "Give up: grace Test, Sleep &amp; heart")] {
                let (status, page) = app.signed_in(one).sees(&app, "/access").await;
                assert!(status == 200 && page.contains(side), "{page}");
            }
            let path = format!("/access/{id}/revoke");
            for other in [&eve, &root] {
                let other = app.signed_in(other);
                assert!(!other.sees(&app, "/access").await.1.contains("Sleep"));
                assert_eq!(other.sends(&app, &path, &[]).await.0, 404);
            }
            assert_eq!(app.count(GRANTS), 1);
            let visitor = app.signed_in(party);
            assert_eq!(led_to(visitor.post(&app, &path, &[])).await, led);
            assert_eq!(app.count(GRANTS), 0);
            let (_, page) = visitor.sees(&app, led).await;
            assert!(page.contains(words) && !page.contains("Sleep"), "{page}");
            assert_eq!(visitor.sends(&app, &path, &[]).await.0, 404);
        }
        app.assert_tallies();
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'grant.deleted'"), 2);
    }

    async fn what_was_just_approved_is_taken_back_by_one_click(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let token = app.redeem_token(&app.ask(&ada, &grace, &app.bundle("Sleep", 6)));
        let visitor = app.signed_in(&grace);
        let (_, page) = visitor.sends(&app, "/redeem", &[("token", &token), ("decision", "approve")]).await;
        let action = page.split("action=\"/access/").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(led_to(visitor.post(&app, &format!("/access/{action}"), &[])).await, "/access?done=taken-back");
        assert_eq!(app.count(GRANTS), 0);
    }

    async fn a_live_request_is_no_permission(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let visitor = app.signed_in(&grace);
        let before = app.rows();
        for id in [request.id.to_string(), "0".to_owned(), "x".to_owned(), "-1".to_owned(), "9223372036854775808".to_owned()] {
            assert_eq!(visitor.sends(&app, &format!("/access/{id}/revoke"), &[]).await.0, 404, "{id}");
        }
        assert_eq!(app.rows(), before);
    }

    async fn both_lists_come_twenty_at_a_time_or_say_kindly_that_they_are_empty(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let visitor = app.signed_in(&grace);
        let (_, page) = visitor.sees(&app, "/access").await;
        assert!(page.contains("You have not given any permissions") && page.contains("You have no permissions yet"), "{page}");
        for nth in 1..=21 {
            given(&app, &ada, &grace, &format!("Given {nth:02}"));
            given(&app, &grace, &ada, &format!("Received {nth:02}"));
        }
        let rows = |page: &str| page.matches("/revoke\"").count();
        let (_, page) = visitor.sees(&app, "/access").await;
        assert_eq!(rows(&page), 40);
        assert!(page.contains("?given=20") && page.contains("?received=20"), "{page}");
        let (_, page) = visitor.sees(&app, "/access?given=20").await;
        assert!(rows(&page) == 21 && page.contains("Given 21") && page.contains("Received 01"), "{page}");
    }
}
