//! The account page.

use crate::helpers::{PASSWORD, TestApp, TestUser, send_concurrently};
use crate::page_client::PageClient;
use crate::rate_limits::limits_toml;

const NEW_PASSWORD: &str = "nine purple llamas rowing";
const COUNT_SESSIONS: &str = "SELECT count(*) AS n FROM sessions";

/// Signs a user in with the form, with this User-Agent.
async fn sign_in(app: &TestApp, user: &TestUser, password: &str, agent: &str) -> Option<PageClient> {
    let form = [("email", user.email()), ("password", password)];
    let answer =
        app.signed_out().post(app, "/sign-in", &form).header("user-agent", agent).send().await.unwrap();
    (answer.status() == 303).then(|| PageClient::from_response(&answer))
}

/// The form that changes a password.
fn password_form<'a>(current: &'a str, new: &'a str, again: &'a str) -> [(&'a str, &'a str); 3] {
    [("current", current), ("new", new), ("confirm", again)]
}

on_both_databases! {
    async fn changing_the_password_ends_all_other_sessions(app: TestApp) {
        let grace = app.user("grace@example.org");
        let (here, elsewhere) = (app.signed_in(&grace), app.signed_in(&grace));
        let basic = async |password: &str| {
            app.get("/api/account/").basic_auth(grace.email(), Some(password)).send().await.unwrap().status().as_u16()
        };
        assert_eq!(basic(PASSWORD).await, 200);
        let answer = here.post(&app, "/account/password", &password_form(PASSWORD, NEW_PASSWORD, NEW_PASSWORD)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/account?flash=password".parse().unwrap()));
        let renewed = PageClient::from_response(&answer);
        let (status, page) = renewed.get_page(&app, "/account?flash=password").await;
        assert_eq!(status, 200);
        assert!(page.contains("Your password was changed"), "{page}");
        for (site, told) in [("same-origin", true), ("none", false), ("cross-site", false), ("same-site", false)] {
            let look = renewed.get(&app, "/account?flash=sessions").header("sec-fetch-site", site);
            let page = look.send().await.unwrap().text().await.unwrap();
            assert_eq!(page.contains("You are signed out on all other devices.</p>"), told, "{site}");
        }
        for (referer, told) in [(app.url.as_str(), true), ("http://other.test/x", false)] {
            let look = renewed.get(&app, "/account?flash=sessions").header("referer", referer);
            let page = look.send().await.unwrap().text().await.unwrap();
            assert_eq!(page.contains("You are signed out on all other devices.</p>"), told, "{referer}");
        }
        for other in [&here, &elsewhere] {
            assert_eq!(other.get_page(&app, "/account").await.0, 303);
        }
        assert_eq!(app.count(COUNT_SESSIONS), 1);
        assert_eq!((basic(PASSWORD).await, basic(NEW_PASSWORD).await), (401, 200), "immediately on this replica");
        assert!(sign_in(&app, &grace, PASSWORD, "x").await.is_none());
        assert!(sign_in(&app, &grace, NEW_PASSWORD, "x").await.is_some());
    }

    async fn a_wrong_current_password_changes_nothing_and_counts_as_a_sign_in(mut app: TestApp) {
        let grace = app.user("grace@example.org");
        app.url = app.spawn_replica_with(&limits_toml(&[("failed_sign_ins_per_account", "2/h")]));
        let visitor = app.signed_in(&grace);
        // The user is mailed about failed sign-ins.
        let before = app.rows_except("outbox");
        for _ in 0..2 {
            let (status, page) = visitor.post_form(&app, "/account/password", &password_form("an unrelated password", NEW_PASSWORD, NEW_PASSWORD)).await;
            assert_eq!(status, 403);
            assert!(page.contains("The current password is wrong") && page.contains("aria-invalid"), "{page}");
            assert!(!page.contains("an unrelated password") && !page.contains(NEW_PASSWORD));
        }
        for current in ["an unrelated password", PASSWORD] {
            let answer = visitor.post(&app, "/account/password", &password_form(current, NEW_PASSWORD, NEW_PASSWORD)).send().await.unwrap();
            assert_eq!(answer.status(), 429);
            assert!(answer.headers().contains_key("retry-after"));
        }
        let sign_in = [("email", grace.email()), ("password", PASSWORD)];
        assert_eq!(app.signed_out().post_form(&app, "/sign-in", &sign_in).await.0, 429, "the new password equals the old one");
        assert_eq!(app.rows_except("outbox"), before);
        assert_eq!(visitor.get_page(&app, "/account").await.0, 200);
    }

    async fn a_concurrent_change_and_reset_set_one_password(app: TestApp) {
        for round in 1..=4 {
            let grace = app.user(&format!("grace{round}@example.org"));
            let token = app.password_token(&app.password_link(&grace));
            let by_link = [("token", token.as_str()), ("new", "seven quiet lighthouse keepers"), ("confirm", "seven quiet lighthouse keepers")];
            send_concurrently([
                app.signed_in(&grace).post(&app, "/account/password", &password_form(PASSWORD, NEW_PASSWORD, NEW_PASSWORD)),
                app.signed_out().post(&app, "/set-password", &by_link),
            ])
            .await;
            assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'user.password_set'"), round);
            assert_eq!(app.count(&format!("{COUNT_SESSIONS} WHERE user_id = {}", grace.id())), 1);
        }
    }

    async fn an_invalid_new_password_is_reported(app: TestApp) {
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        let before = app.rows();
        for (new, again, words) in
            [("short", "short", "too short"), ("password", "password", "easy to guess"), ("grace@example.org", "grace@example.org", "easy to guess"), ("        ", "        ", "easy to guess"), (PASSWORD, PASSWORD, "already your password"), (NEW_PASSWORD, "another one", "do not match")]
        {
            let (status, page) = visitor.post_form(&app, "/account/password", &password_form(PASSWORD, new, again)).await;
            assert_eq!(status, 400);
            assert!(page.contains(words), "{page}");
        }
        assert_eq!(visitor.post_form(&app, "/account/password", &[("current", PASSWORD)]).await.0, 400);
        assert_eq!(app.signed_out().post_form(&app, "/account/password", &password_form(PASSWORD, NEW_PASSWORD, NEW_PASSWORD)).await.0, 303);
        assert_eq!(app.rows(), before);
    }

    async fn a_user_sees_and_ends_their_sessions(app: TestApp) {
        let (grace, eve) = (app.user("grace@example.org"), app.user("eve@example.org"));
        let agents = ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "<b>own</b>", "third"];
        let mut visitors = Vec::new();
        for agent in agents {
            visitors.push(sign_in(&app, &grace, PASSWORD, agent).await.unwrap());
            app.advance(60);
        }
        let (here, second) = (&visitors[0], visitors[1].session.unwrap());
        let (status, page) = here.get_page(&app, "/account").await;
        assert_eq!(status, 200);
        for words in ["Firefox on Linux", "&lt;b&gt;own", "1 January 2030, 00:01 UTC", "127.0.0.1", "Sign out on all other devices"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(page.find("Firefox").unwrap() < page.find("third").unwrap(), "the current session is first");
        assert_eq!(page.matches("/end\"").count(), 3, "one button per other session and one for all");
        let before = app.rows();
        let at = format!("/account/sessions/{second}/end");
        assert_eq!(app.signed_in(&eve).post_form(&app, &at, &[]).await.0, 404, "another user's");
        assert_eq!(here.post_form(&app, "/account/sessions/nonsense/end", &[]).await.0, 404);
        app.execute_raw(&format!("DELETE FROM sessions WHERE user_id = {}", eve.id()));
        assert_eq!(app.rows(), before);
        let answer = here.post(&app, &at, &[]).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/account?flash=session".parse().unwrap()));
        assert_eq!(visitors[1].get_page(&app, "/account").await.0, 303);
        assert_eq!(here.post_form(&app, &at, &[]).await.0, 404, "it has ended");
        assert_eq!(here.post_form(&app, "/account/sessions/end", &[]).await.0, 303);
        assert_eq!(visitors[2].get_page(&app, "/account").await.0, 303);
        let (_, page) = here.get_page(&app, "/account?flash=sessions").await;
        assert!(page.contains("You are signed out on all other devices.") && !page.contains("Sign out on all other devices"), "{page}");
        let this = format!("/account/sessions/{}/end", here.session.unwrap());
        let answer = here.post(&app, &this, &[]).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/sign-in".parse().unwrap()));
        assert_eq!(app.count(COUNT_SESSIONS), 0);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'session.closed'"), 3);
    }

    async fn the_newest_hundred_sessions_are_kept_and_thirty_shown(app: TestApp) {
        let (grace, eve) = (app.user("grace@example.org"), app.user("eve@example.org"));
        let watcher = app.signed_in(&eve);
        let mut visitors = Vec::new();
        for _ in 0..103 {
            visitors.push(app.signed_in(&grace));
            app.advance(1);
        }
        assert_eq!(app.count(&format!("{COUNT_SESSIONS} WHERE user_id = {}", grace.id())), 100);
        for (nth, status) in [(0, 303), (2, 303), (3, 200), (102, 200)] {
            assert_eq!(visitors[nth].get_page(&app, "/").await.0, status, "{nth}");
        }
        let here = &visitors[3];
        let (_, page) = here.get_page(&app, "/account").await;
        assert_eq!((page.matches("<li class=\"card\">").count(), page.matches("/end\"").count()), (30, 30));
        assert!(page.contains("And 70 more") && page.matches("badge good").count() == 1, "{page}");
        assert_eq!(here.post_form(&app, "/account/sessions/end", &[]).await.0, 303);
        assert_eq!(app.count("SELECT count(DISTINCT subject) AS n FROM audit_log WHERE action = 'session.closed'"), 99);
        assert_eq!(app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE actor = {}", grace.id())), 99);
        assert_eq!((here.get_page(&app, "/account").await.0, watcher.get_page(&app, "/account").await.0), (200, 200));
        assert_eq!(app.count(COUNT_SESSIONS), 2);
    }

    async fn a_flash_message_comes_from_a_fixed_list(app: TestApp) {
        let visitor = app.signed_in(&app.user("grace@example.org"));
        for query in ["", "?flash=", "?flash=nonsense", "?flash=%00", "?flash=<script>"] {
            let (status, page) = visitor.get_page(&app, &format!("/account{query}")).await;
            assert_eq!(status, 200, "{query}");
            assert!(!page.contains("class=\"notice\"") && !page.contains("nonsense") && !page.contains("<script>"));
        }
    }
}
