//! The operator's probes.

on_both_databases! {
    async fn a_server_says_that_it_lives_and_is_ready(app: TestApp) {
        let health = app.get("/healthz").send().await.unwrap();
        assert_eq!(health.status(), 200);
        let ready: serde_json::Value = app.get("/readyz").send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["status"], "ready");
        assert_eq!(ready["mail"]["oldest_unsent_seconds"], 0);
    }

    async fn what_is_not_there_is_said_so_in_json(app: TestApp) {
        let missing = app.get("/nowhere").send().await.unwrap();
        assert_eq!(missing.status(), 404);
        assert_eq!(missing.json::<serde_json::Value>().await.unwrap()["error"], "Not found.");
    }

    async fn another_method_is_refused_with_those_that_are_served(app: TestApp) {
        let refused = app.post("/healthz").send().await.unwrap();
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
    }

    async fn a_request_id_is_echoed_or_made(app: TestApp) {
        let echoed = app.get("/healthz").header("x-request-id", "mine-1").send().await.unwrap();
        assert_eq!(echoed.headers()["x-request-id"], "mine-1");
        let made = app.get("/healthz").header("x-request-id", "not one\tof ours").send().await.unwrap();
        assert_eq!(made.headers()["x-request-id"].len(), 32);
    }
}
