//! Signing in at the pages, and out.

use std::collections::BTreeMap;

use countersign::domain::event::Origin;
use countersign::store::users;

use crate::helpers::{PASSWORD, TestUser};
use crate::visitor::{Visitor, set_cookie};

const SESSIONS: &str = "SELECT count(*) AS n FROM sessions";

on_both_databases! {
    async fn somebody_signs_in_by_a_form_and_out_again(app: TestApp) {
        let grace = app.user("grace@example.org");
        let page = app.get("/sign-in?next=/redeem").send().await.unwrap();
        let cookie = set_cookie(&page).unwrap();
        let page = page.text().await.unwrap();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let visitor = Visitor { cookie, csrf: csrf.to_owned(), ..app.visitor() };
        let form = [("email", "Grace@Example.org"), ("password", PASSWORD), ("next", "/redeem?token=x")];
        let answer = visitor.post(&app, "/sign-in", &form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/redeem?token=x".parse().unwrap()));
        let attributes = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        for wanted in ["__Host-countersign_session=css_", "; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/", "; Max-Age=1209600"] {
            assert!(attributes.contains(wanted), "{attributes}");
        }
        let visitor = Visitor::of(&answer);
        let (status, page) = visitor.sees(&app, "/").await;
        assert_eq!(status, 200);
        assert!(page.contains(grace.email()));
        assert_eq!(app.count(SESSIONS), 1);
        let answer = visitor.post(&app, "/sign-out", &[]).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        assert!(answer.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(app.count(SESSIONS), 0);
        assert_eq!(visitor.sees(&app, "/").await.0, 303, "the cookie is worth nothing");
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action IN ('session.opened', 'session.closed')"), 2);
    }

    async fn a_session_ends_when_it_is_over_and_when_its_user_or_password_does(app: TestApp) {
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        app.advance(86_399);
        assert_eq!(visitor.sees(&app, "/").await.0, 200);
        app.advance(1);
        assert_eq!(visitor.sees(&app, "/").await.0, 303);
        let visitor = app.signed_in(&grace);
        let hash = countersign::password::hash("another password").unwrap();
        let set = app.store.write(|conn| users::set_password(conn, grace.user.id, &hash, &Origin::OPERATOR));
        assert!(set.unwrap());
        assert_eq!(visitor.sees(&app, "/").await.0, 303);
        let visitor = app.signed_in(&grace);
        app.disable(&grace);
        assert_eq!(visitor.sees(&app, "/").await.0, 303);
    }

    async fn a_password_that_was_changed_elsewhere_opens_no_session(mut app: TestApp) {
        let grace = app.user("grace@example.org");
        let elsewhere = format!("{}/sign-in", app.replica());
        let signs_in = async |password: &str| {
            let form = [("email", grace.email()), ("password", password)];
            app.visitor().sends(&app, &elsewhere, &form).await
        };
        assert_eq!(signs_in(PASSWORD).await.0, 303);
        let form = [("current", PASSWORD), ("new", "a new password"), ("again", "a new password")];
        assert_eq!(app.signed_in(&grace).sends(&app, "/account/password", &form).await.0, 303);
        let (status, page) = signs_in(PASSWORD).await;
        assert_eq!(status, 403);
        assert!(page.contains("Wrong email or password"), "{page}");
        assert_eq!(app.count(SESSIONS), 1, "that of the new password");
        assert_eq!(signs_in("a new password").await.0, 303);
        app.disable(&grace);
        assert_eq!(signs_in("a new password").await.0, 403);
        assert_eq!(app.count(SESSIONS), 2);
    }

    async fn a_session_is_worth_nothing_at_the_apis_and_a_key_nothing_at_the_pages(app: TestApp) {
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        assert_eq!(visitor.get(&app, "/api/account/").send().await.unwrap().status(), 401);
        let token = visitor.cookie.split_once('=').unwrap().1;
        assert_eq!(app.get("/api/account/").bearer_auth(token).send().await.unwrap().status(), 401);
        assert_eq!(app.get("/").bearer_auth(&grace.key).send().await.unwrap().status(), 303);
        let posing = format!("__Host-countersign_session={}", grace.key);
        assert_eq!(app.get("/").header("cookie", posing).send().await.unwrap().status(), 303);
    }

    async fn who_cannot_sign_in_hears_the_same_whoever_they_are(app: TestApp) {
        app.user("grace@example.org");
        app.disable(&app.user("gone@example.org"));
        let before = app.rows();
        let visitor = app.visitor();
        let mut pages = BTreeMap::new();
        for email in ["grace@example.org", "gone@example.org", "nobody@example.org", "no address"] {
            let password = if email.starts_with("gone") { PASSWORD } else { "a wrong password" };
            let form = [("email", email), ("password", password)];
            let (status, page) = visitor.sends(&app, "/sign-in", &form).await;
            assert_eq!(status, 403);
            pages.insert(page.replace(email, "…"), email);
        }
        assert_eq!(pages.len(), 1, "{pages:?}");
        assert_eq!(app.rows(), before);
    }

    async fn a_form_of_another_browser_is_refused(app: TestApp) {
        let grace = app.user("grace@example.org");
        let (visitor, other) = (app.visitor(), app.visitor());
        let before = app.rows();
        let posing = Visitor { cookie: visitor.cookie.clone(), ..other };
        let form = [("email", grace.email()), ("password", PASSWORD)];
        assert_eq!(posing.sends(&app, "/sign-in", &form).await.0, 403);
        let nowhere = Visitor { cookie: String::new(), ..visitor };
        assert_eq!(nowhere.sends(&app, "/sign-in", &form).await.0, 403);
        assert_eq!(app.rows(), before);
    }

    async fn a_form_that_was_shown_before_its_visitor_signed_in_elsewhere_still_counts(app: TestApp) {
        let (grace, ada) = (app.user("grace@example.org"), app.user("ada@example.org"));
        let (before, session) = (app.visitor(), app.signed_in(&grace));
        let cookie = format!("{}; {}", before.cookie, session.cookie);
        let visitor = Visitor { cookie, ..before };
        let sends = async |who: &TestUser| {
            let form = [("email", who.email()), ("password", PASSWORD), ("next", "/redeem?token=x")];
            visitor.post(&app, "/sign-in", &form).send().await.unwrap()
        };
        let answer = sends(&grace).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/redeem?token=x".parse().unwrap()));
        assert_eq!((app.count(SESSIONS), set_cookie(&answer)), (1, None), "they are signed in already");
        assert_eq!(Visitor::of(&sends(&ada).await).sees(&app, "/").await.0, 200);
        assert_eq!(visitor.sends(&app, "/forgot-password", &[("email", "x")]).await.0, 200);
        let token = app.password_token(&app.password_link(&ada));
        let set = [("token", token.as_str()), ("new", "a new password"), ("again", "a new password")];
        // All else is the session's.
        assert_eq!(visitor.sends(&app, "/account/sessions/end", &[]).await.0, 403);
        let alone = Visitor { cookie: session.cookie.clone(), ..visitor.clone() };
        assert_eq!(alone.sends(&app, "/set-password", &set).await.0, 403);
        assert_eq!(visitor.sends(&app, "/set-password", &set).await.0, 303);
    }

    async fn who_calls_their_browser_what_a_session_is_called_gets_none_of_its_forms(app: TestApp) {
        let grace = app.signed_in(&app.user("grace@example.org"));
        let id = grace.session.unwrap().to_string();
        let page = app.get("/sign-in").header("cookie", format!("__Host-countersign_browser={id}"));
        let page = page.send().await.unwrap().text().await.unwrap();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_ne!(csrf, grace.csrf);
        let posing = Visitor { csrf: csrf.to_owned(), ..grace.clone() };
        assert_eq!(posing.sends(&app, "/account/sessions/end", &[]).await.0, 403);
        assert_eq!(grace.sends(&app, "/account/sessions/end", &[]).await.0, 303);
    }

    async fn nobody_is_led_to_another_site(app: TestApp) {
        let grace = app.user("grace@example.org");
        for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
            let form = [("email", grace.email()), ("password", PASSWORD), ("next", next)];
            let answer = app.visitor().post(&app, "/sign-in", &form).send().await.unwrap();
            assert_eq!(answer.headers()["location"], "/", "{next}");
        }
    }

    async fn pages_speak_the_language_of_who_reads_them(app: TestApp) {
        for (accepted, title) in [("de-CH, en;q=0.5", "<html lang=\"de\">"), ("fr", "<html lang=\"en\">")] {
            for path in ["/sign-in", "/redeem", "/redeem?token=x"] {
                let page = app.get(path).header("accept-language", accepted).send().await.unwrap();
                assert!(page.headers()["vary"].to_str().unwrap().contains("Accept-Language"));
                assert!(page.text().await.unwrap().contains(title), "{path}");
            }
        }
        let refused = app.post("/sign-in").header("accept-language", "de").form(&[("email", "x")]);
        assert!(refused.send().await.unwrap().text().await.unwrap().contains("Es wurde nichts geändert"));
    }
}
