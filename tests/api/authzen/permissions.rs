//! Decisions on the permissions that users give each other.

use serde_json::{Value, json};

use super::{ACTIONS, Asker, EVALUATION, EVALUATIONS, expect_refusal, grant, grant_part, question, send};
use crate::helpers::ByUser;

on_both_databases! {
    async fn a_permission_gives_its_rights_over_its_target(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let asker = Asker::new(&app);
        assert!(!asker.may(&ada, "read", &grace).await);
        grant(&app, &ada, &grace, &app.bundle("Sleep", 6));
        for (right, permitted) in
            [("anyone", false), ("read", true), ("get", true), ("write", false), ("admin", false), ("owner", false)]
        {
            assert_eq!(asker.may(&ada, right, &grace).await, permitted, "{right}");
        }
        for right in ["", "2", "6", "Read", "read get", "delete"] {
            assert!(!asker.may(&ada, right, &grace).await, "{right} is not the name of a right");
        }
        assert!(!asker.may(&grace, "read", &ada).await, "it gives nothing in the other direction");
        assert!(!asker.may(&ada, "read", &ada).await);
        assert!(!asker.may(&eve, "read", &grace).await && !asker.may(&ada, "read", &eve).await);
    }

    async fn rights_of_several_bundles_add_up(app: TestApp) {
        let [ada, grace] = ["ada", "grace"].map(|name| app.user(&format!("{name}@example.org")));
        let (sleep, heart) = (app.bundle("Sleep", 2), app.bundle("Heart", 12));
        let namesake = app.bundle("Heart", 1);
        grant(&app, &ada, &grace, &sleep);
        grant(&app, &ada, &grace, &heart);
        let asker = Asker::new(&app);
        let rights = async |resource: Value| {
            asker.found(ACTIONS, json!({ "subject": { "type": "user", "id": ada.uri() }, "resource": resource })).await
        };
        let over = |properties: Value| json!({ "type": "user", "id": grace.uri(), "properties": properties });
        assert_eq!(rights(over(Value::Null)).await, ["read", "get", "write"]);
        let sleep_uri = format!("/api/v1/bundle/{}/", sleep.id);
        for bundle in [json!(sleep.id.0), json!(sleep.id.to_string()), json!(sleep_uri), json!("Sleep")] {
            assert_eq!(rights(over(json!({ "bundle": bundle }))).await, ["read"], "{bundle}");
        }
        assert_eq!(rights(over(json!({ "bundle": "Heart" }))).await, ["get", "write"], "two bundles have this name");
        assert!(rights(over(json!({ "bundle": namesake.id.0 }))).await.is_empty());
        for bundle in ["sleep", "Steps", "", "999", "-1", "/api/user/1/", "https://elsewhere.example/api/bundle/1/"] {
            assert!(rights(over(json!({ "bundle": bundle }))).await.is_empty(), "{bundle}");
        }
        let bundle = |id: &str, target: Value| json!({ "type": "bundle", "id": id, "properties": { "user_target": target } });
        for target in [json!(grace.id()), json!(grace.uri()), json!(grace.email())] {
            assert_eq!(rights(bundle("Sleep", target.clone())).await, ["read"], "{target}");
            assert_eq!(rights(bundle(&heart.id.to_string(), target)).await, ["get", "write"]);
        }
        assert!(rights(bundle("Sleep", json!(ada.id()))).await.is_empty());
        for properties in [json!({}), json!({ "user_target": [] }), json!({ "user_target": null }), json!({ "user_target": 1.5 })] {
            let mut body = question(ada.email(), "read", "Sleep");
            body["resource"]["type"] = json!("bundle");
            body["resource"]["properties"] = properties;
            expect_refusal(asker.post(EVALUATION).json(&body), 400).await;
        }
        let mut body = question(ada.email(), "read", grace.email());
        body["resource"]["properties"] = json!({ "bundle": ["Sleep"] });
        expect_refusal(asker.post(EVALUATION).json(&body), 400).await;
    }

    async fn a_user_is_named_by_email_uri_or_number(app: TestApp) {
        let [ada, grace] = ["ada", "grace"].map(|name| app.user(&format!("{name}@example.org")));
        grant(&app, &ada, &grace, &app.bundle("Sleep", 2));
        let asker = Asker::new(&app);
        let configuration = send(app.get("/.well-known/authzen-configuration")).await.1;
        let base = configuration["policy_decision_point"].as_str().unwrap();
        let names = |id: i64, email: &str| {
            vec![
                id.to_string(), email.to_owned(), email.to_uppercase(), format!("/api/user/{id}/"), format!("/api/user/{id}"),
                format!("/api/v1/user/{id}/"), format!("{base}/api/user/{id}/"),
            ]
        };
        for subject in names(ada.id(), ada.email()) {
            for target in names(grace.id(), grace.email()) {
                assert!(asker.decision(question(&subject, "read", &target)).await, "{subject} {target}");
            }
        }
        for unknown in [
            "", "0", "999", "-1", "1 ", "ada", "ada@example.com", "/api/bundle/1/", "/api/user/999/", "/api/user/ada@example.org/",
            "https://elsewhere.example/api/user/1/", "99999999999999999999", "☃",
        ] {
            assert!(!asker.decision(question(unknown, "read", grace.email())).await, "{unknown}");
            assert!(!asker.decision(question(ada.email(), "read", unknown)).await, "{unknown}");
        }
    }

    async fn an_ended_permission_is_denied_at_once_on_every_replica(mut app: TestApp) {
        let [ada, grace] = ["ada", "grace"].map(|name| app.user(&format!("{name}@example.org")));
        let other = app.spawn_replica();
        let bundle = app.bundle("Sleep", 2);
        let asker = Asker::new(&app);
        let on_other = async || {
            let asked = asker.post(&format!("{other}{EVALUATION}")).json(&question(ada.email(), "read", grace.email()));
            send(asked).await.1["decision"].as_bool().unwrap()
        };
        for round in 0..4 {
            assert!(!on_other().await);
            let permission = grant(&app, &ada, &grace, &bundle);
            assert!(on_other().await);
            let by = if round % 2 == 0 { &ada } else { &grace };
            let ended = app.delete(&format!("/api/bundle_permission/{permission}/")).by_user(by).send().await.unwrap();
            assert_eq!(ended.status(), 204);
        }
        assert!(!on_other().await);
    }

    async fn only_the_granted_rights_count_and_only_until_they_end(app: TestApp) {
        let [ada, grace] = ["ada", "grace"].map(|name| app.user(&format!("{name}@example.org")));
        let (sleep, heart) = (app.bundle("Sleep", 14), app.bundle("Heart", 14));
        grant_part(&app, &ada, &grace, &sleep, 2, Some(60));
        grant_part(&app, &ada, &grace, &heart, 6, Some(90));
        let asker = Asker::new(&app);
        let rights = async || {
            let users = json!({ "subject": { "type": "user", "id": ada.uri() }, "resource": { "type": "user", "id": grace.uri() } });
            asker.found(ACTIONS, users).await
        };
        assert_eq!(rights().await, ["read", "get"]);
        app.advance(59);
        let mut of_sleep = question(ada.email(), "read", grace.email());
        of_sleep["resource"]["properties"] = json!({ "bundle": sleep.id.0 });
        assert!(asker.decision(of_sleep.clone()).await);
        app.advance(1);
        assert!(!asker.decision(of_sleep).await, "it ends at the second of its end");
        assert_eq!(rights().await, ["read", "get"], "the other bundle is still active");
        app.advance(30);
        assert!(rights().await.is_empty());
        assert!(!asker.may(&ada, "read", &grace).await);
    }

    async fn only_an_approved_request_gives_rights(app: TestApp) {
        let [ada, grace] = ["ada", "grace"].map(|name| app.user(&format!("{name}@example.org")));
        let asker = Asker::new(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 2));
        assert!(!asker.may(&ada, "read", &grace).await);
        let path = format!("/api/bundle_permission_request/{}/", app.redeem_token(&request));
        assert_eq!(app.put(&path).by_user(&grace).send().await.unwrap().status(), 200);
        assert!(asker.may(&ada, "read", &grace).await);
        let declined = app.create_request(&ada, &grace, &app.bundle("Heart", 4));
        let path = format!("/api/bundle_permission_request/{}/", app.redeem_token(&declined));
        assert_eq!(app.delete(&path).by_user(&grace).send().await.unwrap().status(), 204);
        assert!(!asker.may(&ada, "get", &grace).await);
    }

    async fn a_disabled_user_has_no_rights_and_gives_none(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        let bundle = app.bundle("Sleep", 2);
        grant(&app, &ada, &grace, &bundle);
        grant(&app, &eve, &ada, &bundle);
        let asker = Asker::new(&app);
        assert!(asker.may(&ada, "read", &grace).await && asker.may(&eve, "read", &ada).await);
        app.disable(&ada);
        assert!(!asker.may(&ada, "read", &grace).await && !asker.may(&eve, "read", &ada).await);
        let by_id = question(&ada.id().to_string(), "read", &grace.id().to_string());
        assert_eq!(asker.decisions(json!({ "evaluations": [by_id] })).await, [false]);
    }

    async fn questions_change_nothing(app: TestApp) {
        let [ada, grace] = ["ada", "grace"].map(|name| app.user(&format!("{name}@example.org")));
        grant(&app, &ada, &grace, &app.bundle("Sleep", 2));
        let asker = Asker::new(&app);
        let before = app.rows();
        assert!(asker.may(&ada, "read", &grace).await);
        for id in 0..300 {
            assert!(!asker.decision(question(&format!("unknown{id}@example.org"), "read", &id.to_string())).await);
        }
        let items: Vec<Value> = (0..256).map(|id| question(&id.to_string(), "read", grace.email())).collect();
        let decisions = asker.decisions(json!({ "evaluations": items })).await;
        assert_eq!(decisions.iter().filter(|permitted| **permitted).count(), 1);
        expect_refusal(asker.post(EVALUATIONS).json(&json!({ "evaluations": 1 })), 400).await;
        assert_eq!(app.rows(), before, "unknown users count against no limit of a service");
    }
}
