//! Batches of evaluations.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Asker, EVALUATIONS, expect_refusal, grant, question, token_question};
use crate::mfs::{create_token, hub_owner};

on_both_databases! {
    async fn each_semantic_ends_at_its_decision(app: TestApp) {
        let [ada, grace, eve] = ["ada", "grace", "eve"].map(|name| app.user(&format!("{name}@example.org")));
        grant(&app, &ada, &grace, &app.bundle("Sleep", 6));
        let asker = Asker::new(&app);
        let yes = || json!({ "resource": { "type": "user", "id": grace.uri() } });
        let no = || json!({ "resource": { "type": "user", "id": eve.uri() } });
        let invalid = || json!({ "resource": { "type": "user" } });
        let of = async |semantic: &str, items: Vec<Value>| {
            let mut batch = question(ada.email(), "read", eve.email());
            batch["evaluations"] = json!(items);
            batch["options"] = json!({ "evaluations_semantic": semantic, "another_option": "value" });
            asker.decisions(batch).await
        };
        assert_eq!(of("execute_all", vec![yes(), no(), invalid(), yes()]).await, [true, false, false, true]);
        assert_eq!(of("deny_on_first_deny", vec![yes(), yes(), no(), yes()]).await, [true, true, false]);
        assert_eq!(of("deny_on_first_deny", vec![yes(), invalid(), yes()]).await, [true, false]);
        assert_eq!(of("deny_on_first_deny", vec![yes(), yes()]).await, [true, true]);
        assert_eq!(of("permit_on_first_permit", vec![no(), invalid(), yes(), no()]).await, [false, false, true]);
        assert_eq!(of("permit_on_first_permit", vec![no(), no()]).await, [false, false]);
        let mut batch = question(ada.email(), "read", grace.email());
        batch["evaluations"] = json!([{}]);
        for options in [
            json!({ "evaluations_semantic": "first" }), json!({ "evaluations_semantic": "EXECUTE_ALL" }),
            json!({ "evaluations_semantic": "" }), json!({ "evaluations_semantic": 1 }), json!([]), json!("execute_all"),
        ] {
            batch["options"] = options;
            expect_refusal(asker.post(EVALUATIONS).json(&batch), 400).await;
        }
        for options in [Value::Null, json!({}), json!({ "evaluations_semantic": null })] {
            batch["options"] = options;
            assert_eq!(asker.decisions(batch.clone()).await, [true]);
        }
    }

    async fn at_most_256_evaluations_are_decided(app: TestApp) {
        let ada = hub_owner(&app);
        let (token, _) = create_token(&app, &ada, "n", 2).await;
        let asker = Asker::new(&app);
        let item = |node: usize| json!({ "resource": { "type": "node", "id": format!("file{node}"),
            "properties": { "hub_id": "hub", "ancestors": if node.is_multiple_of(2) { vec!["n".to_owned(); 63] } else { vec!["m".repeat(255); 8] } } } });
        let mut batch = token_question(&token, "read", "n");
        batch["evaluations"] = (0..256).map(item).collect();
        assert!(batch.to_string().len() > 256 * 1_024, "the body may be larger than elsewhere");
        let expected: Vec<bool> = (0..256).map(|node| node % 2 == 0).collect();
        assert_eq!(asker.decisions(batch.clone()).await, expected);
        batch["evaluations"] = (0..257).map(item).collect();
        let before = app.rows();
        assert!(expect_refusal(asker.post(EVALUATIONS).json(&batch), 400).await.contains("256"));
        assert_eq!(app.rows(), before);
    }

    async fn evaluations_of_both_kinds_are_mixed(app: TestApp) {
        let (ada, grace) = (hub_owner(&app), app.user("grace@example.org"));
        grant(&app, &grace, &ada, &app.bundle("Sleep", 2));
        let (token, _) = create_token(&app, &ada, "n", 2).await;
        let asker = Asker::new(&app);
        let of_user = |right: &str| question(grace.email(), right, &ada.id().to_string());
        let batch = json!({ "evaluations": [
            token_question(&token, "read", "n"), of_user("read"), of_user("write"), token_question(&token, "write", "n"),
            question("ada@example.org", "read", "grace@example.org"), of_user("read"), token_question(&token, "read", "n"),
        ] });
        assert_eq!(asker.decisions(batch).await, [true, true, false, false, false, true, true]);
    }

    async fn an_error_at_the_top_level_refuses_the_whole_batch(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        grant(&app, &ada, &grace, &app.bundle("Sleep", 6));
        let asker = Asker::new(&app);
        let whole = question(ada.email(), "read", grace.email());
        for (member, value) in [
            ("subject", json!("ada")), ("subject", json!({ "type": "user" })), ("resource", json!(7)),
            ("resource", json!({ "id": "7" })), ("action", json!({})), ("action", json!({ "name": 7 })),
            ("context", json!("x")), ("evaluations", json!({})), ("evaluations", json!("x")), ("evaluations", json!([7])),
            ("evaluations", json!([{}, null])), ("evaluations", json!([[]])),
        ] {
            let mut batch = json!({ "evaluations": [whole] });
            batch[member] = value;
            expect_refusal(asker.post(EVALUATIONS).json(&batch), 400).await;
        }
        let batch = json!({ "evaluations": [whole], "subject": null, "context": null, "options": null });
        assert_eq!(asker.decisions(batch).await, [true]);
        for invalid in [
            json!({ "subject": 7 }), json!({ "action": {} }), json!({ "resource": { "type": "user", "id": 7 } }),
            json!({ "context": [] }), json!({ "subject": { "type": "user", "id": "x", "properties": [] } }),
        ] {
            let mut batch = whole.clone();
            batch["evaluations"] = json!([{}, invalid]);
            let answer = asker.answer(EVALUATIONS, batch).await;
            assert_eq!(answer["evaluations"][0], json!({ "decision": true }));
            assert_eq!((&answer["evaluations"][1]["decision"], &answer["evaluations"][1]["context"]["error"]["status"]),
                (&json!(false), &json!(400)), "{invalid}: {answer}");
        }
    }

    async fn a_batch_is_one_lookup(app: TestApp) {
        let (ada, grace) = (hub_owner(&app), app.user("grace@example.org"));
        grant(&app, &grace, &ada, &app.bundle("Sleep", 2));
        let tokens = (0..64).map(|_| app.export(&ada).1.expose());
        let asker = Asker::new(&app);
        let mut batch: Vec<Value> = tokens.map(|token| token_question(&token, "read", "n")).collect();
        batch.extend((0..192).map(|_| question(grace.email(), "read", ada.email())));
        // The registry admits 512 lookups, and these are 4,096 evaluations.
        let ask = || asker.decisions(json!({ "evaluations": batch }));
        let answers = join_all((0..16).map(|_| ask())).await;
        assert!(answers.iter().all(|decisions| *decisions == [true; 256]));
    }
}
