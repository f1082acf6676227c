//! What a list says that it has in all, which is kept rather than counted.

use countersign::domain::request::RequestId;
use countersign::domain::user::Authority;
use countersign::store::ledger::{Deed, RequestRef, Verdict};
use countersign::store::{bundles, purge, requests};

use crate::helpers::{By, TestApp, TestUser};
use crate::hexo::{REQUESTS, Scene, answered};

const PERMISSIONS: &str = "/api/bundle_permission/";

/// What a list says that it has in all.
async fn total(app: &TestApp, path: &str, who: &TestUser) -> i64 {
    answered(app.get(path).by(who), 200).await["meta"]["total_count"].as_i64().unwrap()
}

fn expire(app: &TestApp) -> usize {
    app.store
        .write(|conn| {
            let now = conn.now()?;
            requests::expire(conn, now)
        })
        .unwrap()
}

on_both_databases! {
    async fn a_total_follows_everything_that_happens(app: TestApp) {
        let scene = Scene::set(&app);
        let Scene { ada, grace, eve, .. } = &scene;
        let totals = async |path: &str| {
            app.assert_tallies();
            (total(&app, path, ada).await, total(&app, path, grace).await, total(&app, path, eve).await)
        };
        assert_eq!(totals(REQUESTS).await, (0, 0, 0));
        let all: Vec<_> = (0..6).map(|nth| app.bundle(&format!("Bundle {nth}"), 6)).collect();
        let asked: Vec<_> = all.iter().map(|bundle| app.ask(ada, grace, bundle)).collect();
        let other = app.ask(eve, ada, &all[0]);
        assert_eq!(totals(REQUESTS).await, (7, 6, 1));
        // Asked again, the older one makes room.
        let again = app.ask(ada, grace, &all[0]);
        assert_eq!(totals(REQUESTS).await, (7, 6, 1));
        let redeem = |id| Deed::Redeem { id, by: grace.user.id, once: None };
        app.commit(redeem(again.redeem_id));
        app.commit(redeem(asked[1].redeem_id));
        app.commit(redeem(asked[1].redeem_id));
        assert_eq!((totals(REQUESTS).await, totals(PERMISSIONS).await), ((5, 4, 1), (2, 2, 0)));
        let end = |id: RequestId, by| Deed::End { which: RequestRef::Number(id), by: Authority::User(by) };
        app.commit(end(asked[2].id, grace.user.id));
        app.commit(end(asked[3].id, ada.user.id));
        let Verdict::Given(Some(grant)) = app.commit(Deed::Give(asked[4].terms)) else { panic!("not given") };
        app.commit(redeem(asked[4].redeem_id));
        assert_eq!((totals(REQUESTS).await, totals(PERMISSIONS).await), ((2, 1, 1), (3, 3, 0)));
        app.commit(Deed::TakeBack { id: grant.id, by: ada.user.id });
        assert_eq!(totals(PERMISSIONS).await, (2, 2, 0));
        // Dead before anybody has closed it, and after.
        app.advance(3_600);
        assert_eq!((totals(REQUESTS).await, expire(&app)), ((0, 0, 0), 2));
        assert_eq!((totals(REQUESTS).await, expire(&app)), ((0, 0, 0), 0));
        assert_eq!(app.get(&Scene::at(&app.redeem_token(&other))).by(ada).send().await.unwrap().status(), 404);
        app.advance(1);
        app.store.write(|conn| {
            let now = conn.now()?;
            bundles::delete(conn, all[5].id, now)?.unwrap();
            purge::step(conn, now, now, 100)
        }).unwrap();
        assert_eq!((totals(REQUESTS).await, totals(PERMISSIONS).await), ((0, 0, 0), (2, 2, 0)));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests"), 2, "what stands is kept");
    }

    async fn a_total_of_many_rows_is_added_up_once(app: TestApp) {
        let scene = Scene::set(&app);
        for nth in 0..100 {
            app.ask(&scene.ada, &scene.grace, &app.bundle(&format!("Bundle {nth}"), 6));
        }
        for _ in 0..2 {
            assert_eq!(total(&app, REQUESTS, &scene.grace).await, 100);
            assert_eq!(app.count(&format!(
                "SELECT count(*) AS n FROM tallies WHERE user_id = {}", scene.grace.id()
            )), 1);
            app.assert_tallies();
        }
    }
}
