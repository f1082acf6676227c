//! Sign-in and sign-out on the pages.

use std::collections::BTreeMap;

use countersign::domain::audit::AuditContext;
use countersign::store::users;

use crate::helpers::{PASSWORD, TestUser};
use crate::page_client::{PageClient, cookie_from};

const COUNT_SESSIONS: &str = "SELECT count(*) AS n FROM sessions";

on_both_databases! {
    async fn a_user_signs_in_and_out(app: TestApp) {
        let grace = app.user("grace@example.org");
        let page = app.get("/sign-in?next=/redeem").send().await.unwrap();
        let cookie = cookie_from(&page).unwrap();
        let page = page.text().await.unwrap();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let visitor = PageClient { cookie, csrf_token: csrf.to_owned(), ..app.signed_out() };
        let form = [("email", "Grace@Example.org"), ("password", PASSWORD), ("next", "/redeem?token=x")];
        let answer = visitor.post(&app, "/sign-in", &form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/redeem?token=x".parse().unwrap()));
        let attributes = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        for wanted in ["__Host-countersign_session=css_", "; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/", "; Max-Age=1209600"] {
            assert!(attributes.contains(wanted), "{attributes}");
        }
        let visitor = PageClient::from_response(&answer);
        let (status, page) = visitor.get_page(&app, "/").await;
        assert_eq!(status, 200);
        assert!(page.contains(grace.email()));
        assert_eq!(app.count(COUNT_SESSIONS), 1);
        let answer = visitor.post(&app, "/sign-out", &[]).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        assert!(answer.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(app.count(COUNT_SESSIONS), 0);
        assert_eq!(visitor.get_page(&app, "/").await.0, 303, "the cookie is invalid");
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action IN ('session.opened', 'session.closed')"), 2);
    }

    async fn a_session_ends_on_expiry_disabling_or_password_change(app: TestApp) {
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        app.advance(86_399);
        assert_eq!(visitor.get_page(&app, "/").await.0, 200);
        app.advance(1);
        assert_eq!(visitor.get_page(&app, "/").await.0, 303);
        let visitor = app.signed_in(&grace);
        let hash = countersign::auth::password::hash("another password").unwrap();
        let set = app.store.write(|conn| users::set_password(conn, grace.user.id, &hash, &AuditContext::OPERATOR));
        assert!(set.unwrap());
        assert_eq!(visitor.get_page(&app, "/").await.0, 303);
        let visitor = app.signed_in(&grace);
        app.disable(&grace);
        assert_eq!(visitor.get_page(&app, "/").await.0, 303);
    }

    async fn an_old_password_creates_no_session_on_another_replica(mut app: TestApp) {
        let grace = app.user("grace@example.org");
        let elsewhere = format!("{}/sign-in", app.spawn_replica());
        let signs_in = async |password: &str| {
            let form = [("email", grace.email()), ("password", password)];
            app.signed_out().post_form(&app, &elsewhere, &form).await
        };
        assert_eq!(signs_in(PASSWORD).await.0, 303);
        let form = [("current", PASSWORD), ("new", "nine purple llamas rowing"), ("confirm", "nine purple llamas rowing")];
        assert_eq!(app.signed_in(&grace).post_form(&app, "/account/password", &form).await.0, 303);
        let (status, page) = signs_in(PASSWORD).await;
        assert_eq!(status, 403);
        assert!(page.contains("Wrong email or password"), "{page}");
        assert_eq!(app.count(COUNT_SESSIONS), 1, "the session with the new password");
        assert_eq!(signs_in("nine purple llamas rowing").await.0, 303);
        app.disable(&grace);
        assert_eq!(signs_in("nine purple llamas rowing").await.0, 403);
        assert_eq!(app.count(COUNT_SESSIONS), 2);
    }

    async fn the_apis_reject_sessions_and_the_pages_reject_keys(app: TestApp) {
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        assert_eq!(visitor.get(&app, "/api/account/").send().await.unwrap().status(), 401);
        let token = visitor.cookie.split_once('=').unwrap().1;
        assert_eq!(app.get("/api/account/").bearer_auth(token).send().await.unwrap().status(), 401);
        assert_eq!(app.get("/").bearer_auth(&grace.key).send().await.unwrap().status(), 303);
        let posing = format!("__Host-countersign_session={}", grace.key);
        assert_eq!(app.get("/").header("cookie", posing).send().await.unwrap().status(), 303);
    }

    async fn every_failed_sign_in_gets_the_same_response(app: TestApp) {
        app.user("grace@example.org");
        app.disable(&app.user("gone@example.org"));
        let before = app.rows();
        let visitor = app.signed_out();
        let mut pages = BTreeMap::new();
        for email in ["grace@example.org", "gone@example.org", "nobody@example.org", "no address"] {
            let password = if email.starts_with("gone") { PASSWORD } else { "a wrong password" };
            let form = [("email", email), ("password", password)];
            let (status, page) = visitor.post_form(&app, "/sign-in", &form).await;
            assert_eq!(status, 403);
            pages.insert(page.replace(email, "…"), email);
        }
        assert_eq!(pages.len(), 1, "{pages:?}");
        assert_eq!(app.rows(), before);
    }

    async fn a_csrf_token_of_another_browser_is_rejected(app: TestApp) {
        let grace = app.user("grace@example.org");
        let (visitor, other) = (app.signed_out(), app.signed_out());
        let before = app.rows();
        let posing = PageClient { cookie: visitor.cookie.clone(), ..other };
        let form = [("email", grace.email()), ("password", PASSWORD)];
        assert_eq!(posing.post_form(&app, "/sign-in", &form).await.0, 403);
        let nowhere = PageClient { cookie: String::new(), ..visitor };
        assert_eq!(nowhere.post_form(&app, "/sign-in", &form).await.0, 403);
        assert_eq!(app.rows(), before);
    }

    async fn two_tabs_of_a_first_visit_both_work(app: TestApp) {
        let grace = app.user("grace@example.org");
        let sent_by = async |site: Option<(&str, &str)>| {
            let (first, second) = (app.signed_out(), app.signed_out());
            let first = PageClient { cookie: second.cookie.clone(), ..first };
            let mut statuses = Vec::new();
            for tab in [&first, &second] {
                for (path, form) in [
                    ("/forgot-password", vec![("email", "nobody@example.org")]),
                    ("/sign-in", vec![("email", grace.email()), ("password", PASSWORD)]),
                ] {
                    let request = tab.post(&app, path, &form);
                    let request = match site {
                        Some((name, value)) => request.header(name, value),
                        None => request,
                    };
                    statuses.push(request.send().await.unwrap().status().as_u16());
                }
            }
            statuses
        };
        assert_eq!(sent_by(Some(("sec-fetch-site", "same-origin"))).await, [200, 303, 200, 303]);
        assert_eq!(sent_by(Some(("origin", "https://countersign.test"))).await, [200, 303, 200, 303]);
        assert_eq!(sent_by(None).await, [403, 403, 200, 303], "an old browser");
        for (name, value) in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.test")] {
            assert_eq!(sent_by(Some((name, value))).await, [403; 4], "{value}");
        }
        // A form without a token is never one of a page.
        let visitor = app.signed_out();
        let form = [("email", grace.email()), ("password", PASSWORD), ("csrf", "x")];
        let forged = visitor.request(&app, reqwest::Method::POST, "/sign-in").form(&form);
        assert_eq!(forged.header("sec-fetch-site", "same-origin").send().await.unwrap().status(), 403);
    }

    async fn the_form_of_another_tab_is_shown_again_with_what_was_typed(app: TestApp) {
        let grace = app.user("grace@example.org");
        let (first, second) = (app.signed_out(), app.signed_out());
        // The second tab of a first visit has replaced the cookie of the first one's form.
        let first = PageClient { cookie: second.cookie.clone(), ..first };
        let before = app.rows();
        let form = [("email", grace.email()), ("password", PASSWORD), ("next", "/redeem?token=x")];
        let (status, page) = first.post_form(&app, "/sign-in", &form).await;
        assert_eq!(status, 403);
        for words in ["Send it again.", "value=\"grace@example.org\"", "token=x", &second.csrf_token] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains(PASSWORD));
        let (status, page) = first.post_form(&app, "/forgot-password", &[("email", grace.email())]).await;
        assert!(status == 403 && page.contains("value=\"grace@example.org\""), "{page}");
        let token = app.password_token(&app.password_link(&grace));
        let before_reset = app.rows_except("outbox");
        let set = [("token", token.as_str()), ("new", "nine purple llamas rowing"), ("confirm", "nine purple llamas rowing")];
        let (status, page) = first.post_form(&app, "/set-password", &set).await;
        assert!(status == 403 && page.contains("Send it again.") && page.contains(&token), "{page}");
        assert_eq!(app.rows_except("outbox"), before_reset);
        assert_eq!(before["sessions"], app.rows()["sessions"]);
        assert_eq!(second.post_form(&app, "/sign-in", &form).await.0, 303);
    }

    async fn a_form_sent_after_its_session_leads_to_sign_in_and_back(app: TestApp) {
        let grace = app.user("grace@example.org");
        let visitor = app.signed_in(&grace);
        app.execute_raw("DELETE FROM sessions");
        let before = app.rows();
        let bundle = app.bundle("Sleep", 6).id.to_string();
        let ask = [
            ("email", "ada@example.org"), ("bundle", bundle.as_str()), ("right", "get"), ("right", "read"), ("needed", "read"),
            ("purpose", "Sleep & more"), ("permission_days", "30"), ("days", "3"),
        ];
        let filled_in = "days=3&permission_days=30&purpose=Sleep+%26+more&right=get&right=read&needed=read";
        for (path, form, back) in [
            ("/requests/new", ask.as_slice(), format!("/requests/new?email=ada%40example.org&bundle={bundle}&{filled_in}")),
            ("/keys/new", &[("label", ""), ("scope", "all")], "/keys/new?scope=all".to_owned()),
            ("/redeem", &[("token", "x"), ("decision", "approve")], "/redeem?token=x".to_owned()),
            ("/account/password", &[], "/account".to_owned()),
        ] {
            let answer = visitor.post(&app, path, form).send().await.unwrap();
            let next: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
            assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (303, format!("/sign-in?next={next}").as_str()), "{path}");
        }
        let mut rows = app.rows();
        rows.remove("bundles");
        assert!(rows.iter().all(|(table, content)| before[table] == *content));
        // A form of an earlier session of the same browser has a way on.
        let now = app.signed_in(&grace);
        let stale = PageClient { csrf_token: visitor.csrf_token.clone(), ..now };
        let (status, page) = stale.post_form(&app, "/keys/new", &[("label", ""), ("scope", "all")]).await;
        assert_eq!(status, 403);
        assert!(page.contains("href=\"/keys/new\"") || page.contains("href=\"&#x2f;keys&#x2f;new\""), "{page}");
        assert!(!page.contains("Nothing was changed"), "{page}");
    }

    async fn signing_in_with_another_account_leads_back_to_the_link(app: TestApp) {
        let (ada, grace, eve) = (app.user("ada@example.org"), app.user("grace@example.org"), app.user("eve@example.org"));
        let token = app.redeem_token(&app.create_request(&ada, &grace, &app.bundle("Sleep", 6)));
        let back = format!("/redeem?token={token}");
        let visitor = app.signed_in(&eve);
        let (_, page) = visitor.get_page(&app, &back).await;
        assert!(page.contains("Sign in with another account"), "{page}");
        let answer = visitor.post(&app, "/sign-out", &[("next", &back)]).send().await.unwrap();
        let next: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
        let there = answer.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(there, format!("/sign-in?next={next}"));
        let visitor = app.signed_out();
        let (_, page) = visitor.get_page(&app, &there).await;
        assert!(page.contains(&format!("name=\"next\" value=\"{}\"", back.replace('/', "&#x2f;"))), "{page}");
        let form = [("email", grace.email()), ("password", PASSWORD), ("next", back.as_str())];
        assert_eq!(visitor.post(&app, "/sign-in", &form).send().await.unwrap().headers()["location"], back.as_str());
        let answer = app.signed_in(&eve).post(&app, "/sign-out", &[("next", "https://evil.example")]).send().await.unwrap();
        assert_eq!(answer.headers()["location"], "/sign-in");
    }

    async fn a_form_loaded_before_signing_in_elsewhere_is_accepted(app: TestApp) {
        let (grace, ada) = (app.user("grace@example.org"), app.user("ada@example.org"));
        let (before, session) = (app.signed_out(), app.signed_in(&grace));
        let cookie = format!("{}; {}", before.cookie, session.cookie);
        let visitor = PageClient { cookie, ..before.clone() };
        let sends = async |who: &TestUser| {
            let form = [("email", who.email()), ("password", PASSWORD), ("next", "/redeem?token=x")];
            visitor.post(&app, "/sign-in", &form).send().await.unwrap()
        };
        let answer = sends(&grace).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/redeem?token=x".parse().unwrap()));
        assert_eq!((app.count(COUNT_SESSIONS), cookie_from(&answer)), (1, None), "already signed in");
        assert_eq!(PageClient::from_response(&sends(&ada).await).get_page(&app, "/").await.0, 200);
        assert_eq!(session.get_page(&app, "/").await.0, 303, "ends the session that it replaces");
        assert_eq!(app.count(COUNT_SESSIONS), 1);
        let session = app.signed_in(&grace);
        let visitor = PageClient { cookie: format!("{}; {}", before.cookie, session.cookie), ..before };
        assert_eq!(visitor.post_form(&app, "/forgot-password", &[("email", "x")]).await.0, 200);
        let token = app.password_token(&app.password_link(&ada));
        let set = [("token", token.as_str()), ("new", "nine purple llamas rowing"), ("confirm", "nine purple llamas rowing")];
        // All other forms are bound to the session.
        assert_eq!(visitor.post_form(&app, "/account/sessions/end", &[]).await.0, 403);
        let alone = PageClient { cookie: session.cookie.clone(), ..visitor.clone() };
        assert_eq!(alone.post_form(&app, "/set-password", &set).await.0, 403);
        assert_eq!(visitor.post_form(&app, "/set-password", &set).await.0, 303);
    }

    async fn a_browser_cookie_equal_to_a_session_id_cannot_forge_its_csrf_token(app: TestApp) {
        let grace = app.signed_in(&app.user("grace@example.org"));
        let id = grace.session.unwrap().to_string();
        let page = app.get("/sign-in").header("cookie", format!("__Host-countersign_browser={id}"));
        let page = page.send().await.unwrap().text().await.unwrap();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_ne!(csrf, grace.csrf_token);
        let posing = PageClient { csrf_token: csrf.to_owned(), ..grace.clone() };
        assert_eq!(posing.post_form(&app, "/account/sessions/end", &[]).await.0, 403);
        assert_eq!(grace.post_form(&app, "/account/sessions/end", &[]).await.0, 303);
    }

    async fn redirects_stay_on_this_site(app: TestApp) {
        let grace = app.user("grace@example.org");
        for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
            let form = [("email", grace.email()), ("password", PASSWORD), ("next", next)];
            let answer = app.signed_out().post(&app, "/sign-in", &form).send().await.unwrap();
            assert_eq!(answer.headers()["location"], "/", "{next}");
        }
    }

    async fn pages_use_the_language_of_the_browser(app: TestApp) {
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
