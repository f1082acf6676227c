//! Totals of lists, which are stored counters.

use countersign::domain::permission_request::RequestId;
use countersign::domain::user::Authority;
use countersign::store::ledger::{CloseRequest, Decide, GrantPermission, RevokePermission};
use countersign::store::{bundles, purge, requests};

use crate::helpers::{ByUser, TestApp, TestUser};
use crate::hexo::{HexoFixture, REQUESTS, expect_response};

const PERMISSIONS: &str = "/api/bundle_permission/";

/// The total that a list reports.
async fn total_count(app: &TestApp, path: &str, who: &TestUser) -> i64 {
    expect_response(app.get(path).by_user(who), 200).await["meta"]["total_count"].as_i64().unwrap()
}

fn expire_requests(app: &TestApp) -> usize {
    app.store
        .write(|conn| {
            let now = conn.now()?;
            requests::expire_batch(conn, now)
        })
        .unwrap()
}

on_both_databases! {
    async fn a_total_follows_every_operation(app: TestApp) {
        let scene = HexoFixture::new(&app);
        let HexoFixture { ada, grace, eve, .. } = &scene;
        let totals = async |path: &str| {
            app.assert_user_counters();
            (total_count(&app, path, ada).await, total_count(&app, path, grace).await, total_count(&app, path, eve).await)
        };
        assert_eq!(totals(REQUESTS).await, (0, 0, 0));
        let all: Vec<_> = (0..6).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let asked: Vec<_> = all.iter().map(|bundle| app.create_request(ada, grace, bundle)).collect();
        let other = app.create_request(eve, ada, &all[0]);
        assert_eq!(totals(REQUESTS).await, (7, 6, 1));
        // A repeated request replaces the older one.
        let again = app.create_request(ada, grace, &all[0]);
        assert_eq!(totals(REQUESTS).await, (7, 6, 1));
        let redeem = |id| Decide::as_asked(id, grace.user.id, None);
        app.commit(redeem(again.redeem_id)).unwrap();
        app.commit(redeem(asked[1].redeem_id)).unwrap();
        assert!(app.commit(redeem(asked[1].redeem_id)).is_err());
        assert_eq!((totals(REQUESTS).await, totals(PERMISSIONS).await), ((5, 4, 1), (2, 2, 0)));
        let end = |id: RequestId, by| CloseRequest { id, by: Authority::User(by) };
        app.commit(end(asked[2].id, grace.user.id)).unwrap();
        app.commit(end(asked[3].id, ada.user.id)).unwrap();
        let (grant, _) = app.commit(GrantPermission::without_end(asked[4].terms, asked[4].asked.permission)).unwrap();
        app.commit(redeem(asked[4].redeem_id)).unwrap();
        assert_eq!((totals(REQUESTS).await, totals(PERMISSIONS).await), ((2, 1, 1), (3, 3, 0)));
        app.commit(RevokePermission { id: grant.id, by: Authority::User(ada.user.id) });
        assert_eq!(totals(PERMISSIONS).await, (2, 2, 0));
        // Expired, before and after it is closed.
        app.advance(3_600);
        assert_eq!((totals(REQUESTS).await, expire_requests(&app)), ((0, 0, 0), 2));
        assert_eq!((totals(REQUESTS).await, expire_requests(&app)), ((0, 0, 0), 0));
        assert_eq!(app.get(&HexoFixture::token_path(&app.redeem_token(&other))).by_user(ada).send().await.unwrap().status(), 404);
        app.advance(1);
        app.store.write(|conn| {
            let now = conn.now()?;
            bundles::delete(conn, all[5].id, now)?.unwrap();
            purge::purge_batch(conn, now, 100)
        }).unwrap();
        assert_eq!((totals(REQUESTS).await, totals(PERMISSIONS).await), ((0, 0, 0), (2, 2, 0)));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests"), 2, "active permissions are kept");
    }

    async fn counter_deltas_are_compacted(app: TestApp) {
        let scene = HexoFixture::new(&app);
        for nth in 0..100 {
            app.create_request(&scene.ada, &scene.grace, &app.bundle(&format!("Bundle {nth}"), 6));
        }
        for _ in 0..2 {
            assert_eq!(total_count(&app, REQUESTS, &scene.grace).await, 100);
            assert_eq!(app.count(&format!(
                "SELECT count(*) AS n FROM user_counters WHERE user_id = {}", scene.grace.id()
            )), 1);
            app.assert_user_counters();
        }
    }
}
