//! Searches for users and rights.

use serde_json::{Value, json};

use super::{ACTIONS, Asker, RESOURCES, SUBJECTS, expect_refusal, grant, grant_part, results};
use crate::helpers::{TestApp, TestUser};

fn subjects(right: &str, target: &TestUser) -> Value {
    json!({ "subject": { "type": "user" }, "action": { "name": right }, "resource": { "type": "user", "id": target.uri() } })
}

fn resources(subject: &TestUser, right: &str) -> Value {
    json!({ "subject": { "type": "user", "id": subject.uri() }, "action": { "name": right }, "resource": { "type": "user" } })
}

/// The results of all pages.
async fn all_pages(asker: &Asker<'_>, path: &str, mut body: Value, limit: i64) -> Vec<Vec<String>> {
    body["page"] = json!({ "limit": limit });
    let mut pages = Vec::new();
    loop {
        let answer = asker.answer(path, body.clone()).await;
        pages.push(results(&answer));
        assert_eq!(answer["page"]["count"], pages[pages.len() - 1].len());
        match answer["page"]["next_token"].as_str().unwrap() {
            "" => return pages,
            token => body["page"] = json!({ "token": token }),
        }
    }
}

on_both_databases! {
    async fn each_user_is_found_once(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundles = [app.bundle("Sleep", 2), app.bundle("Heart", 6), app.bundle("Steps", 8)];
        let others: Vec<TestUser> = (0..7).map(|nth| app.user(&format!("user{nth}@example.org"))).collect();
        for bundle in &bundles {
            for (nth, other) in others.iter().enumerate() {
                grant(&app, &ada, other, bundle);
                if nth % 2 == 0 {
                    grant(&app, other, &grace, bundle);
                }
            }
        }
        app.disable(&others[2]);
        let asker = Asker::new(&app);
        let uris = |wanted: &[usize]| wanted.iter().map(|nth| others[*nth].uri()).collect::<Vec<_>>();
        let targets = uris(&[0, 1, 3, 4, 5, 6]);
        for right in ["read", "get", "write"] {
            assert_eq!(asker.found(RESOURCES, resources(&ada, right)).await, targets, "{right}");
            assert_eq!(asker.found(SUBJECTS, subjects(right, &grace)).await, uris(&[0, 4, 6]), "{right}");
        }
        for limit in 1..=7 {
            let pages = all_pages(&asker, RESOURCES, resources(&ada, "read"), limit).await;
            assert_eq!(pages.concat(), targets);
            assert_eq!(pages.len(), targets.len().div_ceil(limit as usize));
        }
        for right in ["admin", "2", "unknown"] {
            assert!(asker.found(RESOURCES, resources(&ada, right)).await.is_empty());
            assert!(asker.found(SUBJECTS, subjects(right, &grace)).await.is_empty());
        }
        let gone = &others[2];
        assert!(asker.found(RESOURCES, resources(gone, "read")).await.is_empty());
        assert!(asker.found(SUBJECTS, subjects("read", gone)).await.is_empty());
        for answer in &targets {
            let found = json!({ "type": "user", "id": answer });
            let question = json!({ "subject": { "type": "user", "id": ada.uri() }, "action": { "name": "read" }, "resource": found });
            assert!(asker.decision(question).await, "a result is permitted");
        }
    }

    async fn a_bundle_restricts_a_search(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let (sleep, heart) = (app.bundle("Sleep", 2), app.bundle("Heart", 2));
        grant(&app, &ada, &grace, &sleep);
        grant(&app, &ada, &eve, &heart);
        grant(&app, &ada, &grace, &heart);
        let asker = Asker::new(&app);
        for (bundle, targets) in [
            (json!(sleep.id.0), vec![&grace]), (json!("Heart"), vec![&eve, &grace]), (json!("Steps"), vec![]), (Value::Null, vec![&grace, &eve]),
        ] {
            let mut search = resources(&ada, "read");
            search["resource"]["properties"] = json!({ "bundle": bundle });
            let targets: Vec<String> = targets.into_iter().map(TestUser::uri).collect();
            assert_eq!(asker.found(RESOURCES, search).await, targets, "{bundle}");
            let mut search = subjects("read", &eve);
            search["resource"]["properties"] = json!({ "bundle": bundle });
            let has_heart = bundle.is_null() || bundle == "Heart";
            assert_eq!(asker.found(SUBJECTS, search).await.len(), usize::from(has_heart), "{bundle}");
        }
        let mut search = subjects("read", &eve);
        search["resource"] = json!({ "type": "bundle", "id": "Heart", "properties": { "user_target": eve.id() } });
        assert_eq!(asker.found(SUBJECTS, search.clone()).await, [ada.uri()]);
        search["resource"]["properties"] = json!({});
        expect_refusal(asker.post(SUBJECTS).json(&search), 400).await;
        let mut search = resources(&ada, "read");
        search["resource"] = json!({ "type": "bundle" });
        assert!(asker.found(RESOURCES, search).await.is_empty());
    }

    async fn an_ended_or_narrower_permission_is_not_found(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 6));
        grant_part(&app, &ada, &grace, &sleep, 2, Some(60));
        grant_part(&app, &ada, &grace, &heart, 4, Some(90));
        grant_part(&app, &ada, &eve, &sleep, 2, None);
        let asker = Asker::new(&app);
        let found = async |right: &str| {
            let targets = asker.found(RESOURCES, resources(&ada, right)).await;
            assert_eq!(asker.found(SUBJECTS, subjects(right, &grace)).await.len(), usize::from(targets.contains(&grace.uri())));
            targets
        };
        assert_eq!((found("read").await, found("get").await), (vec![grace.uri(), eve.uri()], vec![grace.uri()]));
        app.advance(60);
        assert_eq!((found("read").await, found("get").await), (vec![eve.uri()], vec![grace.uri()]));
        app.advance(30);
        assert_eq!((found("read").await, found("get").await), (vec![eve.uri()], vec![]));
    }

    async fn a_page_token_belongs_to_its_search(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.bundle("Sleep", 6);
        for nth in 0..3 {
            let other = app.user(&format!("user{nth}@example.org"));
            grant(&app, &ada, &other, &bundle);
            grant(&app, &other, &grace, &bundle);
        }
        let asker = Asker::new(&app);
        let mut search = resources(&ada, "read");
        search["page"] = json!({ "limit": 2 });
        let first = asker.answer(RESOURCES, search.clone()).await;
        let token = first["page"]["next_token"].as_str().unwrap().to_owned();
        let with = |page: Value| {
            let mut body = search.clone();
            body["page"] = page;
            body
        };
        for page in [json!({ "token": token }), json!({ "token": token, "limit": 2 }), json!({ "token": token, "properties": {} })] {
            assert_eq!(asker.found(RESOURCES, with(page)).await.len(), 1);
        }
        let mut another_order = json!({ "page": { "token": token } });
        for member in ["resource", "action", "subject"] {
            another_order[member] = search[member].clone();
        }
        another_order["unknown"] = json!(true);
        assert_eq!(asker.found(RESOURCES, another_order).await.len(), 1);
        let mut others = vec![with(json!({ "token": token, "limit": 3 }))];
        for (member, value) in [
            ("subject", json!({ "type": "user", "id": ada.email() })), ("action", json!({ "name": "get" })), ("context", json!({ "x": 1 })),
            ("resource", json!({ "type": "user", "properties": { "bundle": "Sleep" } })),
        ] {
            let mut changed = with(json!({ "token": token }));
            changed[member] = value;
            others.push(changed);
        }
        for token in ["x", "cse_", "csr_x", &token[1..], &token.to_lowercase(), &format!("{token}A"), &format!("A{}", &token[1..token.len() - 1])] {
            others.push(with(json!({ "token": token })));
        }
        for changed in others {
            let message = expect_refusal(asker.post(RESOURCES).json(&changed), 400).await;
            assert!(message.contains("page.token"), "{changed}: {message}");
        }
        let mut of_subjects = subjects("read", &grace);
        of_subjects["page"] = json!({ "token": token });
        expect_refusal(asker.post(SUBJECTS).json(&of_subjects), 400).await;
        assert_eq!(asker.found(RESOURCES, with(json!({ "token": "" }))).await.len(), 3, "no token is the first page");
    }

    async fn the_size_of_a_page_is_limited(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        grant(&app, &ada, &grace, &app.bundle("Sleep", 63));
        let many = "INSERT INTO users (id, email, first_name, last_name, active, staff, created_at) \
            OVERRIDING SYSTEM VALUE SELECT 1000 + i, 'many' || i || '@example.org', '', '', active, staff, created_at \
            FROM users, generate_series(1, 1100) AS i WHERE id = 1";
        let many_on_sqlite = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) \
            INSERT INTO users (id, email, first_name, last_name, active, staff, created_at) \
            SELECT 1000 + i, 'many' || i || '@example.org', '', '', active, staff, created_at FROM users, n WHERE id = 1";
        app.execute_raw(if app.database_url.starts_with("sqlite") { many_on_sqlite } else { many });
        app.execute_raw(&copies_for(&app));
        let asker = Asker::new(&app);
        for (page, expected) in [
            (Value::Null, 100), (json!({}), 100), (json!({ "limit": null }), 100), (json!({ "limit": 1000 }), 1_000),
            (json!({ "limit": 1001 }), 1_000), (json!({ "limit": 9_223_372_036_854_775_807_i64 }), 1_000), (json!({ "limit": 0 }), 1_000),
        ] {
            let mut search = resources(&ada, "read");
            search["page"] = page.clone();
            let answer = asker.answer(RESOURCES, search).await;
            assert_eq!(results(&answer).len(), expected, "{page}");
            assert_ne!(answer["page"]["next_token"], "");
        }
        assert_eq!(all_pages(&asker, RESOURCES, resources(&ada, "owner"), 500).await.concat().len(), 1_101);
        for page in [
            json!({ "limit": -1 }), json!({ "limit": "10" }), json!({ "limit": 1.5 }), json!({ "limit": [] }), json!({ "token": 7 }),
            json!({ "token": [] }), json!([]), json!("x"), json!({ "properties": 7 }), json!({ "limit": 18_446_744_073_709_551_615_u64 }),
        ] {
            let mut search = resources(&ada, "read");
            search["page"] = page;
            expect_refusal(asker.post(RESOURCES).json(&search), 400).await;
        }
    }

    async fn actions_have_pages_too(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        grant(&app, &ada, &grace, &app.bundle("Sleep", 63));
        let asker = Asker::new(&app);
        let search = json!({ "subject": { "type": "user", "id": ada.uri() }, "resource": { "type": "user", "id": grace.uri() } });
        let names = ["anyone", "read", "get", "write", "admin", "owner"];
        assert_eq!(asker.found(ACTIONS, search.clone()).await, names);
        let pages = all_pages(&asker, ACTIONS, search, 4).await;
        assert_eq!(pages, [names[..4].to_vec(), names[4..].to_vec()]);
    }
}

/// Copies the only permission for each user whose number is greater than 1000.
fn copies_for(app: &TestApp) -> String {
    let id = if app.database_url.starts_with("sqlite") { "randomblob(16)" } else { "gen_random_uuid()" };
    format!(
        "INSERT INTO permission_requests (redeem_id, user_target, user_allowed, bundle_id, asked_by, permission, created_at, \
         expires_at, closed_at, outcome, granted_permission, active) SELECT {id}, u.id, r.user_allowed, r.bundle_id, r.asked_by, \
         r.permission, r.created_at, r.expires_at, r.closed_at, r.outcome, r.granted_permission, r.active \
         FROM permission_requests AS r, users AS u WHERE u.id > 1000"
    )
}
