//! The scenarios of the specification's certification (openid/authzen, "Authorization API 1.0 -
//! Certification Scenario"): Basic, Batch, Search and Discovery, with users and bundles instead of
//! its fixture. Its sub-levels with properties need the policy of that fixture.

use serde_json::{Value, json};

use super::{ACTIONS, ALL, Asker, EVALUATION, EVALUATIONS, RESOURCES, SUBJECTS, expect_refusal, grant, send};
use crate::helpers::TestApp;

fn user(name: &str) -> Value {
    json!({ "type": "user", "id": format!("{name}@example.org") })
}

fn action(name: &str) -> Value {
    json!({ "name": name })
}

/// Alice may read and write the record, Bob may only read it. There are no permissions for a second record.
fn fixture(app: &TestApp) -> Asker<'_> {
    let [alice, bob, record, _] =
        ["alice", "bob", "record-1", "record-2"].map(|name| app.user(&format!("{name}@example.org")));
    grant(app, &alice, &record, &app.bundle("Edit", 10));
    grant(app, &bob, &record, &app.bundle("View", 2));
    Asker::new(app)
}

on_both_databases! {
    async fn a_single_evaluation_conforms(app: TestApp) {
        let asker = fixture(&app);
        for (who, what, permitted) in
            [("alice", "read", true), ("alice", "write", true), ("bob", "read", true), ("bob", "write", false)]
        {
            let body = json!({ "subject": user(who), "action": action(what), "resource": user("record-1") });
            for _ in 0..3 {
                assert_eq!(asker.answer(EVALUATION, body.clone()).await, json!({ "decision": permitted }), "{body}");
            }
        }
        let mut body = json!({ "subject": user("alice"), "action": action("read"), "resource": user("record-1") });
        body["context"] = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
        assert!(asker.decision(body.clone()).await, "a context makes no difference");
        body["subject"]["properties"] = json!({ "department": "Sales", "role": "manager" });
        body["action"]["properties"] = json!({ "method": "GET" });
        body["resource"]["properties"] = json!({ "status": "active", "owner": "bob" });
        assert!(asker.decision(body.clone()).await, "other properties make no difference");
        body["foo"] = json!("bar");
        body["futureField"] = json!({ "nested": true });
        assert!(asker.decision(body).await, "unknown members make no difference");
    }

    async fn invalid_evaluations_are_refused_as_required(app: TestApp) {
        let asker = fixture(&app);
        let valid = json!({ "subject": user("alice"), "action": action("read"), "resource": user("record-1") });
        let without = |members: [&str; 2]| {
            let mut body = valid.clone();
            let [outer, inner] = members;
            match inner {
                "" => body.as_object_mut().unwrap().remove(outer),
                _ => body[outer].as_object_mut().unwrap().remove(inner),
            };
            body
        };
        for members in [
            ["subject", ""], ["action", ""], ["resource", ""], ["subject", "type"], ["subject", "id"],
            ["action", "name"], ["resource", "type"], ["resource", "id"],
        ] {
            let message = expect_refusal(asker.post(EVALUATION).json(&without(members)), 400).await;
            assert!(message.contains(members.join(".").trim_end_matches('.')), "{members:?}: {message}");
        }
        for (member, value) in [("subject", json!("alice")), ("action", json!({ "name": 123 })), ("resource", json!([]))] {
            let mut body = valid.clone();
            body[member] = value;
            expect_refusal(asker.post(EVALUATION).json(&body), 400).await;
        }
        let json = asker.post(EVALUATION).header("content-type", "application/json");
        expect_refusal(json.try_clone().unwrap().body("{\"subject\": "), 400).await;
        expect_refusal(json, 400).await;
        // The certification asks for 400 here; everywhere else in this server it is 415.
        expect_refusal(asker.post(EVALUATION).header("content-type", "text/plain").body(valid.to_string()), 415).await;
    }

    async fn the_request_id_is_echoed_as_it_is(app: TestApp) {
        let asker = fixture(&app);
        let body = json!({ "subject": user("alice"), "action": action("read"), "resource": user("record-1") });
        for id in ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any string: \"it's\" arbitrary/1"] {
            for path in ALL {
                let response = asker.post(path).header("x-request-id", id).json(&body).send().await.unwrap();
                assert_eq!((response.status().as_u16(), &response.headers()["x-request-id"]), (200, &id.parse().unwrap()));
            }
            for path in [EVALUATION, "/access/v1/unknown"] {
                let refused = app.get(path).header("x-request-id", id).send().await.unwrap();
                assert_eq!(refused.headers()["x-request-id"], id);
            }
        }
        assert!(asker.post(EVALUATION).json(&body).send().await.unwrap().headers().contains_key("x-request-id"));
    }

    async fn a_batch_conforms(app: TestApp) {
        let asker = fixture(&app);
        let first = json!({ "subject": user("alice"), "action": action("read"), "resource": user("record-1") });
        let last = json!({ "subject": user("bob"), "action": action("write"), "resource": user("record-1") });
        for (body, expected) in [
            (
                json!({ "subject": user("alice"), "action": action("read"),
                    "evaluations": [{ "resource": user("record-1") }, { "resource": user("record-2") }] }),
                vec![true, false],
            ),
            (
                json!({ "subject": user("bob"), "resource": user("record-1"),
                    "evaluations": [{ "action": action("read") }, { "action": action("write") }] }),
                vec![true, false],
            ),
            (json!({ "evaluations": [first, last] }), vec![true, false]),
            (
                json!({ "subject": user("alice"), "action": action("read"), "context": { "time": "2025-06-27T18:03-07:00" },
                    "evaluations": [
                        { "resource": user("record-1") },
                        { "resource": user("record-1"), "context": { "source": "batch-override" } },
                    ] }),
                vec![true, true],
            ),
            (
                json!({ "subject": user("alice"), "action": action("write"), "resource": user("record-1"),
                    "evaluations": [{}, { "subject": user("bob") }, { "resource": user("record-2") }] }),
                vec![true, false, false],
            ),
        ] {
            let answer = asker.answer(EVALUATIONS, body.clone()).await;
            assert_eq!(answer.get("decision"), None);
            assert_eq!(asker.decisions(body).await, expected);
        }
    }

    async fn an_invalid_evaluation_of_a_batch_is_denied_alone(app: TestApp) {
        let asker = fixture(&app);
        let body = json!({ "subject": user("alice"), "action": action("read"),
            "options": { "evaluations_semantic": "execute_all" },
            "evaluations": [{ "resource": user("record-1") }, {}] });
        let message = "`resource` is required.";
        let expected = json!({ "evaluations": [
            { "decision": true },
            { "decision": false, "context": { "error": { "status": 400, "message": message } } },
        ] });
        assert_eq!(asker.answer(EVALUATIONS, body).await, expected);
    }

    async fn without_evaluations_a_batch_is_a_single_one(app: TestApp) {
        let asker = fixture(&app);
        let mut body = json!({ "subject": user("alice"), "action": action("read"), "resource": user("record-1") });
        assert_eq!(asker.answer(EVALUATIONS, body.clone()).await, json!({ "decision": true }));
        body["evaluations"] = json!([]);
        assert_eq!(asker.answer(EVALUATIONS, body.clone()).await, json!({ "decision": true }));
        body["subject"] = user("bob");
        body["action"] = action("write");
        assert_eq!(asker.answer(EVALUATIONS, body).await, json!({ "decision": false }));
        expect_refusal(asker.post(EVALUATIONS).json(&json!({ "evaluations": [] })), 400).await;
        expect_refusal(asker.post(EVALUATIONS).json(&json!({})), 400).await;
    }

    async fn searches_conform(app: TestApp) {
        let asker = fixture(&app);
        let uris: Vec<String> = (1..=3).map(|id| format!("/api/user/{id}/")).collect();
        let context = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
        let mut subjects = json!({ "subject": { "type": "user" }, "action": action("read"), "resource": user("record-1") });
        assert_eq!(asker.found(SUBJECTS, subjects.clone()).await, uris[..2]);
        subjects["context"] = context.clone();
        assert_eq!(asker.found(SUBJECTS, subjects.clone()).await, uris[..2]);
        subjects["subject"] = user("alice");
        assert_eq!(asker.found(SUBJECTS, subjects.clone()).await, uris[..2], "the id is ignored");
        let mut resources = json!({ "subject": user("alice"), "action": action("read"), "resource": { "type": "user" } });
        assert_eq!(asker.found(RESOURCES, resources.clone()).await, uris[2..]);
        resources["context"] = context.clone();
        resources["resource"]["id"] = json!(5);
        assert_eq!(asker.found(RESOURCES, resources.clone()).await, uris[2..], "the id is ignored");
        let mut actions = json!({ "subject": user("alice"), "resource": user("record-1"), "context": context });
        assert_eq!(asker.found(ACTIONS, actions.clone()).await, ["read", "write"]);

        subjects["subject"] = json!({ "type": "spaceship" });
        resources["resource"] = json!({ "type": "spaceship" });
        actions["subject"] = user("nonexistent-user");
        for (path, body) in [(SUBJECTS, &subjects), (RESOURCES, &resources), (ACTIONS, &actions)] {
            assert!(asker.found(path, body.clone()).await.is_empty(), "{path}");
        }
        subjects["subject"] = user("alice");
        for (path, body, member) in [(SUBJECTS, &subjects, "resource"), (RESOURCES, &resources, "subject"), (ACTIONS, &actions, "resource")] {
            let mut unknown = body.clone();
            unknown[member] = user("nonexistent");
            assert!(asker.found(path, unknown.clone()).await.is_empty(), "{path}");
            unknown[member]["type"] = json!("spaceship");
            assert!(asker.found(path, unknown).await.is_empty(), "{path}");
        }
        let half = json!({ "subject": { "type": "user" }, "action": action("read"), "resource": { "type": "user" } });
        for (path, missing) in [
            (SUBJECTS, json!({ "subject": { "type": "user" }, "resource": user("record-1") })),
            (RESOURCES, json!({ "action": action("read"), "resource": { "type": "user" } })),
            (ACTIONS, json!({ "subject": user("alice") })),
            (SUBJECTS, half.clone()),
            (RESOURCES, half),
            (ACTIONS, json!({ "subject": { "type": "user" }, "resource": user("record-1") })),
        ] {
            expect_refusal(asker.post(path).json(&missing), 400).await;
        }
    }

    async fn pages_of_a_search_conform(app: TestApp) {
        let asker = fixture(&app);
        let mut body = json!({ "subject": { "type": "user" }, "action": action("read"), "resource": user("record-1"),
            "page": { "limit": 1 } });
        let first = asker.answer(SUBJECTS, body.clone()).await;
        let token = first["page"]["next_token"].as_str().unwrap();
        assert!(!token.is_empty());
        assert_eq!((&first["page"]["count"], super::results(&first)), (&json!(1), vec!["/api/user/1/".to_owned()]));
        body["page"] = json!({ "token": token });
        let second = asker.answer(SUBJECTS, body).await;
        assert_eq!(second["page"], json!({ "next_token": "", "count": 1 }));
        assert_eq!(super::results(&second), ["/api/user/2/"]);
    }

    async fn the_configuration_conforms(app: TestApp) {
        let (status, metadata) = send(app.get("/.well-known/authzen-configuration")).await;
        assert_eq!(status, 200);
        let base = metadata["policy_decision_point"].as_str().unwrap();
        let members = ["access_evaluation", "access_evaluations", "search_subject", "search_resource", "search_action"];
        for (member, path) in members.into_iter().zip(ALL) {
            assert_eq!(metadata[format!("{member}_endpoint")], format!("{base}{path}"));
        }
        assert_eq!(metadata.as_object().unwrap().len(), 6);
        expect_refusal(app.post("/.well-known/authzen-configuration"), 405).await;
    }
}
