//! The page that a mail's link opens.

use crate::helpers::{PASSWORD, TestApp, TestUser};

/// Sends the form.
async fn submit(app: &TestApp, token: &str, email: &str, password: &str, decision: &str) -> (u16, String) {
    submit_once(app, token, email, password, decision, "").await
}

async fn submit_once(
    app: &TestApp,
    token: &str,
    email: &str,
    password: &str,
    decision: &str,
    once: &str,
) -> (u16, String) {
    let form =
        [("token", token), ("email", email), ("password", password), ("decision", decision), ("once", once)];
    let answer = app.post("/redeem").form(&form).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Two people and a live request's token.
fn asked(app: &TestApp) -> (TestUser, TestUser, String) {
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let request = app.ask(&ada, &grace, &app.bundle("Sleep & heart <rate>", 6));
    (ada, grace, app.redeem_token(&request))
}

on_both_databases! {
    async fn looking_at_the_page_changes_nothing(app: TestApp) {
        let (_, grace, token) = asked(&app);
        let before = app.rows();
        for _ in 0..50 {
            let page = app.get(&format!("/redeem?token={token}")).send().await.unwrap();
            assert_eq!(page.status(), 200);
            let head = app.request(reqwest::Method::HEAD, &format!("/redeem?token={token}")).send().await.unwrap();
            assert_eq!(head.status(), 200);
        }
        assert_eq!(app.rows(), before);
        assert_eq!(submit(&app, &token, grace.email(), PASSWORD, "approve").await.0, 200);
    }

    async fn the_page_keeps_the_token_to_itself(app: TestApp) {
        let (_, _, token) = asked(&app);
        let page = app.get(&format!("/redeem?token={token}")).send().await.unwrap();
        let headers = page.headers().clone();
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cache-control"], "no-store");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!page.text().await.unwrap().contains("Sleep"), "the link alone tells nothing");
    }

    async fn the_target_looks_and_approves(app: TestApp) {
        let (_, grace, token) = asked(&app);
        let (status, page) = submit(&app, &token, grace.email(), PASSWORD, "look").await;
        assert_eq!(status, 200);
        assert!(page.contains("Sleep &amp; heart &lt;rate&gt;") && page.contains("ada@example.org"), "{page}");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
        let (status, page) = submit(&app, &token, grace.email(), PASSWORD, "approve").await;
        assert_eq!(status, 200);
        assert!(page.contains("Approved"));
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
        assert_eq!(submit(&app, &token, grace.email(), PASSWORD, "approve").await.0, 404);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn a_form_sent_twice_counts_once_and_says_the_same(app: TestApp) {
        let (_, grace, token) = asked(&app);
        for _ in 0..2 {
            let (status, page) =
                submit_once(&app, &token, grace.email(), PASSWORD, "approve", "one-form").await;
            assert_eq!(status, 200);
            assert!(page.contains("Approved"));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn the_target_declines(app: TestApp) {
        let (_, grace, token) = asked(&app);
        let (status, page) = submit(&app, &token, grace.email(), PASSWORD, "decline").await;
        assert_eq!(status, 200);
        assert!(page.contains("declined"));
        assert_eq!(submit(&app, &token, grace.email(), PASSWORD, "approve").await.0, 404);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
    }

    async fn nobody_else_decides(app: TestApp) {
        let (ada, grace, token) = asked(&app);
        let boss = app.staff("boss@example.org");
        let before = app.rows();
        for decision in ["look", "approve", "decline"] {
            for other in [&ada, &boss] {
                let (status, page) = submit(&app, &token, other.email(), PASSWORD, decision).await;
                assert_eq!(status, 404);
                assert!(!page.contains(grace.email()));
            }
            assert_eq!(submit(&app, &token, grace.email(), "a wrong password", decision).await.0, 403);
            assert_eq!(submit(&app, &token, "nobody@example.org", PASSWORD, decision).await.0, 403);
        }
        assert_eq!(app.rows(), before);
    }

    async fn a_dead_a_forged_and_an_unknown_token_make_the_same_page(app: TestApp) {
        let (_, grace, token) = asked(&app);
        let forged = format!("{}{}", &token[..47], if token.ends_with('A') { "E" } else { "A" });
        let (status, for_forged) = submit(&app, &forged, grace.email(), PASSWORD, "approve").await;
        assert_eq!(status, 404);
        let (_, for_nonsense) = submit(&app, "nonsense", grace.email(), PASSWORD, "approve").await;
        app.advance(3_600);
        let (_, for_expired) = submit(&app, &token, grace.email(), PASSWORD, "approve").await;
        assert_eq!(for_forged, for_nonsense);
        assert_eq!(for_forged, for_expired);
    }

    async fn a_form_from_another_site_is_refused(app: TestApp) {
        let (_, grace, token) = asked(&app);
        let form = [("token", token.as_str()), ("email", grace.email()), ("password", PASSWORD), ("decision", "approve")];
        let before = app.rows();
        for site in ["cross-site", "same-site"] {
            let answer = app.post("/redeem").header("sec-fetch-site", site).form(&form).send().await.unwrap();
            assert_eq!(answer.status(), 403);
        }
        assert_eq!(app.rows(), before);
    }

    async fn a_broken_form_is_told_so_as_a_page(app: TestApp) {
        let before = app.rows();
        let incomplete = app.post("/redeem").form(&[("token", "x")]).send().await.unwrap();
        assert_eq!(incomplete.status(), 400);
        assert_eq!(incomplete.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(app.post("/redeem").body("x").send().await.unwrap().status(), 415);
        let large = app.post("/redeem").body("x".repeat(70_000)).send().await.unwrap();
        assert_eq!(large.status(), 413);
        assert_eq!(app.get("/redeem").send().await.unwrap().status(), 404);
        assert_eq!(app.put("/redeem").send().await.unwrap().status(), 405);
        assert_eq!(app.rows(), before);
    }
}
