//! The health endpoints.

on_both_databases! {
    async fn healthz_and_readyz_return_200(app: TestApp) {
        let health = app.get("/healthz").send().await.unwrap();
        assert_eq!(health.status(), 200);
        let ready: serde_json::Value = app.get("/readyz").send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["status"], "ready");
        assert_eq!(ready["mail"]["oldest_unsent_seconds"], 0);
    }

    async fn an_unknown_path_returns_a_json_404(app: TestApp) {
        let missing = app.get("/nowhere").send().await.unwrap();
        assert_eq!(missing.status(), 404);
        assert_eq!(missing.json::<serde_json::Value>().await.unwrap()["error"], "Not found.");
    }

    async fn an_unsupported_method_is_rejected_with_an_allow_header(app: TestApp) {
        let refused = app.post("/healthz").send().await.unwrap();
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
    }

    async fn a_request_id_is_echoed_or_generated(app: TestApp) {
        let echoed = app.get("/healthz").header("x-request-id", "mine-1").send().await.unwrap();
        assert_eq!(echoed.headers()["x-request-id"], "mine-1");
        let made = app.get("/healthz").header("x-request-id", "not one\tof ours").send().await.unwrap();
        assert_eq!(made.headers()["x-request-id"].len(), 32);
    }

    async fn requests_are_counted_by_route_pattern(app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = "/api/user/424242/?email=canary%40example.org";
        for _ in 0..3 {
            assert_eq!(app.get(path).bearer_auth(&grace.key).send().await.unwrap().status(), 404);
        }
        let made_up = reqwest::Method::from_bytes(b"CANARY").unwrap();
        assert_eq!(app.request(made_up, "/canary").send().await.unwrap().status(), 404);
        let answer = app.get("/metrics").send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let text = answer.text().await.unwrap();
        let labels = r#"method="GET",route="/api/user/{id}",status="404""#;
        assert!(text.contains(&format!("countersign_http_request_duration_seconds_count{{{labels}}} 3\n")), "{text}");
        assert!(text.contains(r#"method="other",route="unmatched",status="404""#), "{text}");
        for line in ["countersign_database_ready 1", "countersign_registry_alive 1", "countersign_mail_oldest_unsent_seconds 0"] {
            assert!(text.contains(&format!("{line}\n")), "{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert!(!text.contains("424242") && !text.to_lowercase().contains("canary"), "{text}");
    }
}
