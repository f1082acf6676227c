//! Decisions on export tokens, which are those of `/authz`.

use std::time::{Duration, Instant};

use countersign::domain::rights::Role;
use serde_json::{Value, json};

use super::{Asker, EVALUATION, EVALUATIONS, expect_refusal, send, token_question};
use crate::helpers::{ByUser, TestApp};
use crate::mfs::{REVOKE, create_token, hub_owner, send_for_data};

/// The decision of `/authz`.
async fn authz(app: &TestApp, token: &str, hub: &str, nodes: &[&str], right: &str) -> bool {
    let mut query: Vec<(&str, &str)> = nodes.iter().map(|node| ("nid", *node)).collect();
    query.extend([("hub_id", hub), ("right", right)]);
    let asked = app.get("/authz").query(&query).header("x-param-mfs-token", token);
    asked.send().await.unwrap().status() == 204
}

on_both_databases! {
    async fn a_decision_is_that_of_authz(app: TestApp) {
        let (ada, grace) = (hub_owner(&app), app.user("grace@example.org"));
        app.grant_role("hub", &grace, Role::Admin);
        let asker = Asker::new(&app);
        let (live, id) = create_token(&app, &ada, "n", 6).await;
        let (suspended, _) = create_token(&app, &grace, "n", 6).await;
        app.remove_role("hub", &grace);
        let (revoked, revoked_id) = create_token(&app, &ada, "n", 6).await;
        assert_eq!(send_for_data(app.post(REVOKE).by_user(&ada).json(&json!({ "token": revoked_id }))).await.0, 200);
        let redeem = app.redeem_token(&app.create_request(&grace, &ada, &app.bundle("Sleep", 2)));
        let forged = format!("{}{}", &live[..44], if live.ends_with("AAAA") { "BBBB" } else { "AAAA" });
        let tokens = [&live, &suspended, &revoked, &redeem, &ada.key, &id, &forged, "nonsense", ""];
        let long = "x".repeat(256);
        let places: [(&str, &str, &[&str]); 8] = [
            ("hub", "n", &[]), ("hub", "file", &["folder", "n"]), ("hub", "file", &["", &long, "n"]), ("hub", "file", &[]),
            ("other", "n", &[]), ("", "n", &[]), ("hub", "", &[]), (&long, "n", &[]),
        ];
        let (mut batch, mut expected) = (Vec::new(), Vec::new());
        for token in tokens {
            for (hub, node, ancestors) in places {
                for right in ["read", "get", "write"] {
                    let nodes: Vec<&str> = std::iter::once(node).chain(ancestors.iter().copied()).collect();
                    expected.push(authz(&app, token, hub, &nodes, right).await);
                    let mut question = token_question(token, right, node);
                    question["resource"]["properties"] = json!({ "hub_id": hub, "ancestors": ancestors });
                    batch.push(question);
                }
            }
        }
        assert_eq!((expected.len(), expected.iter().filter(|permitted| **permitted).count()), (216, 6));
        assert_eq!(asker.decisions(json!({ "evaluations": batch })).await, expected);
        for (question, expected) in batch.into_iter().zip(expected).take(12) {
            assert_eq!(asker.decision(question).await, expected);
        }
        for right in ["2", "6", "Read", "", "can_read"] {
            assert!(!asker.decision(token_question(&live, right, "n")).await, "{right} is not the name of a right");
        }
        for (subject, resource) in [("export_token", "user"), ("user", "node"), ("export_token", "NODE"), ("token", "node")] {
            let mut question = token_question(&live, "read", "n");
            question["subject"]["type"] = json!(subject);
            question["resource"]["type"] = json!(resource);
            assert!(!asker.decision(question).await, "{subject} {resource}");
        }
    }

    async fn rights_follow_the_creators_role_and_the_clock(app: TestApp) {
        let ada = hub_owner(&app);
        let asker = Asker::new(&app);
        let (token, _) = create_token(&app, &ada, "n", 14).await;
        let may = async |right: &str| asker.decision(token_question(&token, right, "n")).await;
        assert!(may("write").await);
        app.grant_role("hub", &ada, Role::Designer);
        assert_eq!((may("write").await, may("get").await), (false, true));
        app.advance(86_399);
        assert!(may("get").await);
        app.advance(1);
        assert!(!may("get").await);
    }

    async fn a_permitted_use_is_counted_and_no_other(mut app: TestApp) {
        let ada = hub_owner(&app);
        let (token, _) = create_token(&app, &ada, "n", 2).await;
        let asker = Asker::new(&app);
        assert!(asker.decision(token_question(&token, "read", "n")).await);
        assert!(!asker.decision(token_question(&token, "write", "n")).await);
        assert!(!asker.decision(token_question(&token, "read", "m")).await);
        let item = |node: &str| json!({ "resource": { "type": "node", "id": node, "properties": { "hub_id": "hub" } } });
        let mut batch = token_question(&token, "read", "n");
        batch["evaluations"] = json!([item("n"), item("m"), item("n")]);
        assert_eq!(asker.decisions(batch.clone()).await, [true, false, true]);
        batch["options"] = json!({ "evaluations_semantic": "deny_on_first_deny" });
        assert_eq!(asker.decisions(batch.clone()).await, [true, false]);
        batch["options"] = json!({ "evaluations_semantic": "permit_on_first_permit" });
        assert_eq!(asker.decisions(batch).await, [true]);
        app.restart();
        assert_eq!(app.count("SELECT CAST(sum(uses) AS bigint) AS n FROM export_uses"), 1 + 2 + 1 + 1);
    }

    async fn a_node_needs_a_hub(app: TestApp) {
        let ada = hub_owner(&app);
        let (token, _) = create_token(&app, &ada, "n", 2).await;
        let asker = Asker::new(&app);
        let many = vec!["x"; 64];
        for properties in [
            Value::Null, json!({}), json!({ "hub_id": null }), json!({ "hub_id": 7 }), json!({ "hub_id": ["hub"] }),
            json!({ "hub_id": "hub", "ancestors": "n" }), json!({ "hub_id": "hub", "ancestors": [7] }),
            json!({ "hub_id": "hub", "ancestors": {} }), json!({ "hub_id": "hub", "ancestors": many }),
        ] {
            let mut question = token_question(&token, "read", "n");
            question["resource"]["properties"] = properties.clone();
            let message = expect_refusal(asker.post(super::EVALUATION).json(&question), 400).await;
            assert!(message.contains("resource.properties."), "{properties}: {message}");
            let (status, answer) = send(asker.post(EVALUATIONS).json(&json!({ "evaluations": [question] }))).await;
            assert_eq!((status, &answer["evaluations"][0]["decision"]), (200, &json!(false)));
            assert_eq!(answer["evaluations"][0]["context"]["error"]["message"], message);
        }
        let mut question = token_question(&token, "read", "n");
        question["resource"]["properties"] = json!({ "hub_id": "hub", "ancestors": null });
        assert!(asker.decision(question.clone()).await);
        question["resource"]["properties"]["ancestors"] = json!(vec!["x"; 63]);
        assert!(asker.decision(question).await);
    }

    async fn a_token_revoked_on_one_replica_is_denied_on_every_other(mut app: TestApp) {
        let ada = hub_owner(&app);
        let other = app.spawn_replica();
        let asker = Asker::new(&app);
        for _ in 0..5 {
            let (token, id) = create_token(&app, &ada, "n", 2).await;
            let question = token_question(&token, "read", "n");
            let on_other = async || {
                let asked = asker.post(&format!("{other}{}", super::EVALUATION)).json(&question);
                send(asked).await.1["decision"].as_bool().unwrap()
            };
            assert!(on_other().await);
            assert_eq!(send_for_data(app.post(REVOKE).by_user(&ada).json(&json!({ "token": id }))).await.0, 200);
            assert!(!on_other().await);
        }
    }

    async fn the_denial_of_a_token_is_delayed(mut app: TestApp) {
        // A server without limits does not delay responses.
        let url = app.spawn_replica_with("[limits]");
        let ada = hub_owner(&app);
        let asker = Asker::new(&app);
        let (live, _) = create_token(&app, &ada, "n", 6).await;
        let nobody = json!({ "type": "user", "id": "999999" });
        let batch = |token: &str| json!({ "evaluations": [token_question(&live, "read", "n"), token_question(token, "read", "n")] });
        for (path, question) in [
            (EVALUATION, token_question("nonsense", "read", "n")),
            (EVALUATION, token_question(&live, "read", "other")),
            (EVALUATIONS, batch("nonsense")),
        ] {
            let started = Instant::now();
            asker.answer(&format!("{url}{path}"), question).await;
            assert!(started.elapsed() >= Duration::from_millis(100), "{path}");
        }
        // The others may take as long by chance, but not each time.
        for (path, question) in [
            (EVALUATION, token_question(&live, "read", "n")),
            (EVALUATION, json!({ "subject": nobody, "action": { "name": "read" }, "resource": nobody })),
            (EVALUATIONS, batch(&live)),
        ] {
            let mut is_immediate = false;
            for _ in 0..100 {
                let started = Instant::now();
                asker.answer(&format!("{url}{path}"), question.clone()).await;
                is_immediate = is_immediate || started.elapsed() < Duration::from_millis(100);
            }
            assert!(is_immediate, "{path} {question}");
        }
    }
}
