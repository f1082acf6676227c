//! Passwords that are set with mailed links.

use countersign::domain::audit::AuditContext;
use countersign::domain::rights::Role;
use countersign::domain::user::{Email, PersonName};
use countersign::mail::transport::{SendError, SentMail};
use countersign::store::users::{self, NewUser};
use serde_json::json;

use crate::helpers::{ByUser, PASSWORD, TestApp, TestUser, send_concurrently};
use crate::mailer::wait_for_count;
use crate::page_client::PageClient;
use crate::rate_limits::limits_toml;

const NEW_PASSWORD: &str = "nine purple llamas rowing";
const DEFERRED: &str =
    "SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL AND last_error IS NOT NULL";

/// The path of the link in a mail, in any transfer encoding.
pub fn link_in(mail: &SentMail) -> String {
    let text = mail.text.replace("=\r\n", "").replace("=3D", "=");
    let (_, rest) = text.split_once("https://countersign.test/set-password?token=csp_").expect("a link");
    let token: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("/set-password?token=csp_{token}")
}

fn token_of(path: &str) -> &str {
    path.split_once("token=").unwrap().1
}

/// Submits the form for a forgotten password and returns the page.
async fn request_reset(app: &TestApp, visitor: &PageClient, email: &str) -> (u16, String) {
    visitor.post_form(app, "/forgot-password", &[("email", email)]).await
}

/// Requests the nth mail for this user and returns its link.
async fn mailed_link(app: &TestApp, user: &TestUser, nth: usize) -> String {
    assert_eq!(request_reset(app, &app.signed_out(), user.email()).await.0, 200);
    let mail = app.mails(nth).await.remove(nth - 1);
    assert_eq!(mail.to, [user.email()]);
    link_in(&mail)
}

/// Sets a password with a link and returns the status and the page.
async fn set_password(app: &TestApp, visitor: &PageClient, path: &str, new: &str) -> (u16, String) {
    visitor
        .post_form(app, "/set-password", &[("token", token_of(path)), ("new", new), ("confirm", new)])
        .await
}

async fn sign_in_status(app: &TestApp, user: &TestUser, password: &str) -> u16 {
    app.signed_out().post_form(app, "/sign-in", &[("email", user.email()), ("password", password)]).await.0
}

on_both_databases! {
    async fn a_reset_revokes_keys_and_export_tokens_by_default(app: TestApp) {
        for (nth, revoke) in [true, false].into_iter().enumerate() {
            let grace = app.user(&format!("grace{nth}@example.org"));
            app.grant_role("hub", &grace, Role::Owner);
            let (_, token) = app.export(&grace);
            let path = format!("/set-password?token={}", app.password_token(&app.password_link(&grace)));
            let sent = app.mails(2 * nth + 1).await.len();
            let (_, page) = app.signed_out().get_page(&app, &path).await;
            assert!(page.contains("name=\"revoke\" type=\"checkbox\" value=\"yes\" checked"), "{page}");
            let mut form = vec![("token", token_of(&path)), ("new", "nine purple llamas rowing"), ("confirm", "nine purple llamas rowing")];
            form.extend(revoke.then_some(("revoke", "yes")));
            assert_eq!(app.signed_out().post_form(&app, "/set-password", &form).await.0, 303);
            let authz = app.get("/authz?hub_id=hub&nid=n&right=read").bearer_auth(token.expose());
            assert_eq!(authz.send().await.unwrap().status(), if revoke { 401 } else { 204 });
            let key = app.get("/api/account/").bearer_auth(&grace.key);
            assert_eq!(key.send().await.unwrap().status(), if revoke { 401 } else { 200 });
            let mail = app.mails(sent + 1).await.remove(sent);
            assert_eq!(mail.to, [grace.email()]);
            let text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains("Your password was changed") && text.contains("API keys and export tokens were revoked") == revoke, "{text}");
        }
    }

    async fn a_forgotten_password_is_replaced_by_a_mailed_link_once(app: TestApp) {
        let grace = app.user("grace@example.org");
        let elsewhere = app.signed_in(&grace);
        let path = mailed_link(&app, &grace, 1).await;
        assert!(app.mailbox.sent()[0].text.contains("a request to reset the password"));
        let visitor = app.signed_out();
        let before = app.rows();
        for _ in 0..20 {
            let (status, page) = visitor.get_page(&app, &path).await;
            assert_eq!(status, 200);
            assert!(page.contains(grace.email()), "{page}");
        }
        assert_eq!(app.rows(), before);
        let form = [("token", token_of(&path)), ("new", NEW_PASSWORD), ("confirm", NEW_PASSWORD)];
        let answer = visitor.post(&app, "/set-password", &form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/account?flash=password".parse().unwrap()));
        let (status, page) = PageClient::from_response(&answer).get_page(&app, "/account?flash=password").await;
        assert_eq!(status, 200);
        assert!(page.contains("Your password was changed"), "{page}");
        assert_eq!(elsewhere.get_page(&app, "/").await.0, 303, "all other sessions have ended");
        assert_eq!(sign_in_status(&app, &grace, PASSWORD).await, 403);
        assert_eq!(sign_in_status(&app, &grace, NEW_PASSWORD).await, 303);
        let before = app.rows();
        assert_eq!(set_password(&app, &visitor, &path, "yet another").await.0, 404);
        assert_eq!(visitor.get_page(&app, &path).await.0, 404);
        assert_eq!(app.rows(), before);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action IN ('user.password_link_sent', 'user.password_set')"), 2);
    }

    async fn of_sixteen_concurrent_uses_of_a_link_one_sets_the_password(mut app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = mailed_link(&app, &grace, 1).await;
        let other = app.spawn_replica();
        let racers = (0..16).map(|nth| {
            let new = format!("seven quiet lighthouses {nth}");
            let at = if nth % 2 == 0 { "/set-password".to_owned() } else { format!("{other}/set-password") };
            app.signed_out().post(&app, &at, &[("token", token_of(&path)), ("new", &new), ("confirm", &new)])
        });
        let statuses = send_concurrently(racers.collect::<Vec<_>>()).await;
        // On a busy machine, one response may be late, and its retry fails.
        assert!(statuses.iter().filter(|status| **status == 303).count() <= 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [303, 404].contains(status)), "{statuses:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM sessions"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'user.password_set'"), 1);
    }

    async fn every_inactive_link_gets_the_same_response(app: TestApp) {
        let [grace, gone, late] = ["grace", "gone", "late"].map(|name| app.user(&format!("{name}@example.org")));
        let visitor = app.signed_out();
        let replaced = mailed_link(&app, &grace, 1).await;
        let live = mailed_link(&app, &grace, 2).await;
        let disabled = mailed_link(&app, &gone, 3).await;
        app.disable(&gone);
        let forged = format!("{}{}", &live[..live.len() - 1], if live.ends_with('A') { "E" } else { "A" });
        assert_eq!(visitor.get_page(&app, &live).await.0, 200);
        let mut dead = vec![replaced, disabled, forged, "/set-password?token=nonsense".to_owned()];
        let changed = mailed_link(&app, &late, 4).await;
        let hash = countersign::auth::password::hash(NEW_PASSWORD).unwrap();
        assert!(app.store.write(|conn| users::set_password(conn, late.user.id, &hash, &AuditContext::OPERATOR)).unwrap());
        dead.push(changed);
        let expired = mailed_link(&app, &late, 5).await;
        app.advance(86_399);
        assert_eq!(visitor.get_page(&app, &expired).await.0, 200);
        app.advance(1);
        dead.push(expired);
        let (status, page) = visitor.get_page(&app, "/set-password").await;
        assert_eq!(status, 404);
        assert!(page.contains("This link is not valid") && page.contains("/forgot-password"), "{page}");
        let before = app.rows();
        for path in dead {
            assert_eq!(visitor.get_page(&app, &path).await, (404, page.clone()), "{path}");
            assert_eq!(set_password(&app, &visitor, &path, NEW_PASSWORD).await, (404, page.clone()), "{path}");
        }
        assert_eq!(app.rows(), before);
        assert_eq!(app.mailbox.sent().len(), 5);
    }

    async fn a_reset_request_does_not_reveal_accounts(app: TestApp) {
        let grace = app.user("grace@example.org");
        app.disable(&app.user("gone@example.org"));
        let visitor = app.signed_out();
        let before = app.rows();
        let (status, page) = request_reset(&app, &visitor, "nobody@example.org").await;
        assert_eq!(status, 200);
        for email in ["gone@example.org", "no address", "", "a@b", "grace@example.org.example"] {
            assert_eq!(request_reset(&app, &visitor, email).await, (200, page.clone()), "{email}");
        }
        assert_eq!(app.rows(), before);
        assert_eq!(request_reset(&app, &visitor, "Grace@Example.org").await, (200, page));
        assert_eq!(app.mails(1).await[0].to, [grace.email()]);
    }

    async fn reset_mails_are_limited_per_account_and_per_ip(mut app: TestApp) {
        let grace = app.user("grace@example.org");
        let all = [("password_mails_per_account", "2/h"), ("password_mails_per_address", "6/h")];
        app.url = app.spawn_replica_with(&limits_toml(&all));
        let visitor = app.signed_out();
        let (_, page) = request_reset(&app, &visitor, "nobody@example.org").await;
        for _ in 0..4 {
            assert_eq!(request_reset(&app, &visitor, grace.email()).await, (200, page.clone()));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 2, "the limit of the account");
        assert_eq!(request_reset(&app, &visitor, "somebody@example.org").await, (200, page));
        let before = app.rows();
        for email in ["nobody@example.org", grace.email()] {
            let answer = visitor.post(&app, "/forgot-password", &[("email", email)]).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"600".parse().unwrap()));
            assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        }
        assert_eq!(app.rows(), before);
        app.advance(1_800);
        assert_eq!(request_reset(&app, &visitor, grace.email()).await.0, 200);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 3);
    }

    async fn a_reset_leads_back_to_the_page_that_needed_it(app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let token = app.redeem_token(&app.create_request(&ada, &grace, &app.bundle("Sleep", 6)));
        let back = format!("/redeem?token={token}");
        let visitor = app.signed_out();
        // The link of the sign-in form, on the redeem page.
        let (_, page) = visitor.get_page(&app, &back).await;
        let (_, rest) = page.split_once("href=\"/forgot-password?next=").expect("the way back");
        let path = format!("/forgot-password?next={}", rest.split('"').next().unwrap());
        let (_, page) = visitor.get_page(&app, &path).await;
        assert!(page.contains(&format!("name=\"next\" value=\"{}\"", back.replace('/', "&#x2f;"))), "{page}");
        let sent = app.mails(1).await.len();
        let answer = visitor.post(&app, "/forgot-password", &[("email", grace.email()), ("next", &back)]).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        for wanted in ["__Host-countersign_return=", "; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/", "; Max-Age=86400"] {
            assert!(cookie.contains(wanted), "{cookie}");
        }
        let link = link_in(&app.mails(sent + 1).await.remove(sent));
        let kept = PageClient { cookie: format!("{}; {}", visitor.cookie, cookie.split(';').next().unwrap()), ..visitor.clone() };
        let form = [("token", token_of(&link)), ("new", NEW_PASSWORD), ("confirm", NEW_PASSWORD)];
        let answer = kept.post(&app, "/set-password", &form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (303, back.as_str()));
        let cookies: Vec<&str> = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
        assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-countersign_return=;") && cookie.contains("Max-Age=0")), "{cookies:?}");
        let session = cookies.iter().find_map(|cookie| cookie.strip_prefix("__Host-countersign_session=")).unwrap();
        let grace_again = PageClient::with_session(session.split(';').next().unwrap());
        assert_eq!(grace_again.get_page(&app, &back).await.0, 200, "the request is there to be decided");
        // A page of another site is never the way back, and neither is a very long path.
        for next in ["//evil.example", "https://evil.example", "/", "", &format!("/{}", "x".repeat(1_000))] {
            let answer = visitor.post(&app, "/forgot-password", &[("email", "x@example.org"), ("next", next)]).send().await.unwrap();
            assert!(answer.status() == 200 && !answer.headers().contains_key("set-cookie"), "{next}");
        }
        for planted in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%FF", ""] {
            let link = format!("/set-password?token={}", app.password_token(&app.password_link(&ada)));
            let kept = PageClient { cookie: format!("{}; __Host-countersign_return={planted}", visitor.cookie), ..visitor.clone() };
            let new = format!("{NEW_PASSWORD} {planted}");
            let form = [("token", token_of(&link)), ("new", &new), ("confirm", &new)];
            let answer = kept.post(&app, "/set-password", &form).send().await.unwrap();
            assert_eq!(answer.headers()["location"], "/account?flash=password", "{planted}");
        }
    }

    async fn a_user_added_by_staff_gets_a_link_valid_for_a_week(app: TestApp) {
        let root = app.staff("root@example.org");
        let body = json!({ "email": "new@example.org", "first_name": "Nova" });
        assert_eq!(app.post("/api/user/").by_user(&root).json(&body).send().await.unwrap().status(), 201);
        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.to, ["new@example.org"]);
        assert!(mail.text.contains("Subject: Set up your account") && mail.text.contains("Hello Nova,"), "{}", mail.text);
        let path = link_in(&mail);
        app.advance(7 * 86_400 - 1);
        assert_eq!(app.signed_out().get_page(&app, &path).await.0, 200);
        // A reset link also sets a first password.
        assert_eq!(request_reset(&app, &app.signed_out(), "new@example.org").await.0, 200);
        let mail = app.mails(2).await.remove(1);
        assert!(mail.text.contains("choose a password"), "{}", mail.text);
        assert_eq!(app.signed_out().get_page(&app, &path).await.0, 404);
        assert_eq!(set_password(&app, &app.signed_out(), &link_in(&mail), NEW_PASSWORD).await.0, 303);
        let form = [("email", "new@example.org"), ("password", NEW_PASSWORD)];
        assert_eq!(app.signed_out().post_form(&app, "/sign-in", &form).await.0, 303);
    }

    async fn an_invalid_password_is_a_field_error_and_keeps_the_link_active(app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = mailed_link(&app, &grace, 1).await;
        let visitor = app.signed_out();
        let before = app.rows();
        let long = "x".repeat(1_025);
        for (new, again, words) in [
            ("sh0rt", "sh0rt", "too short"),
            (long.as_str(), long.as_str(), "too long"),
            ("two\nlines of it", "two\nlines of it", "not allowed"),
            (NEW_PASSWORD, "a new passwort", "do not match"),
        ] {
            let form = [("token", token_of(&path)), ("new", new), ("confirm", again)];
            let (status, page) = visitor.post_form(&app, "/set-password", &form).await;
            assert_eq!(status, 400, "{words}");
            assert!(page.contains(words) && page.contains("aria-invalid=\"true\""), "{page}");
            assert!(!page.contains(new), "no password is shown");
        }
        for form in [vec![], vec![("token", token_of(&path))], vec![("token", "a\0b"), ("new", NEW_PASSWORD), ("confirm", NEW_PASSWORD)]] {
            assert_eq!(visitor.post_form(&app, "/set-password", &form).await.0, 400, "{form:?}");
        }
        assert_eq!(visitor.post_form(&app, "/forgot-password", &[]).await.0, 400);
        assert_eq!(app.rows(), before);
        assert_eq!(set_password(&app, &visitor, &path, NEW_PASSWORD).await.0, 303);
    }

    async fn a_link_replaced_before_delivery_is_not_mailed(app: TestApp) {
        let grace = app.user("grace@example.org");
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1);
        assert_eq!(request_reset(&app, &app.signed_out(), grace.email()).await.0, 200);
        wait_for_count(&app, DEFERRED, 1).await;
        let path = mailed_link(&app, &grace, 1).await;
        app.advance(60);
        wait_for_count(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'cancelled'", 1).await;
        assert_eq!(app.mailbox.sent().len(), 1);
        assert_eq!(app.signed_out().get_page(&app, &path).await.0, 200);
    }

    async fn a_deferred_mail_carries_the_same_link_later(app: TestApp) {
        let grace = app.user("grace@example.org");
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1);
        let issued = app.password_link(&grace);
        wait_for_count(&app, DEFERRED, 1).await;
        app.advance(60);
        let mail = app.mails(1).await.remove(0);
        assert_eq!(token_of(&link_in(&mail)), app.password_token(&issued));
        let id = mail.message_id.trim_start_matches('<').split('@').next().unwrap().to_owned();
        let mails = app.store.read(|conn| countersign::store::outbox::newest(conn, 10)).unwrap();
        assert_eq!(mails[0].id.to_string(), id);
    }

    async fn mail_uses_the_language_of_its_recipient(mut app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.bundle("Schlaf", 6);
        let sign_in = async |accepted: &str| {
            let form = [("email", grace.email()), ("password", PASSWORD)];
            let request = app.signed_out().post(&app, "/sign-in", &form).header("accept-language", accepted);
            assert_eq!(request.send().await.unwrap().status(), 303);
        };
        app.create_request(&ada, &grace, &bundle);
        assert!(app.mails(1).await[0].text.contains("Hello grace Test,"), "English by default");
        sign_in("de-AT, en;q=0.5").await;
        app.create_request(&ada, &grace, &bundle);
        let mail = app.mails(2).await.remove(1);
        assert!(mail.text.contains("Guten Tag grace Test,") && mail.text.contains("Schlaf"), "{}", mail.text);
        let path = mailed_link(&app, &grace, 3).await;
        assert!(app.mailbox.sent()[2].text.contains("Subject: Neues Passwort festlegen"));
        assert_eq!(app.signed_out().get_page(&app, &path).await.0, 200);
        sign_in("en").await;
        mailed_link(&app, &grace, 4).await;
        assert!(app.mailbox.sent()[3].text.contains("Subject: Reset your password"));
        // Ada has no language: the configured default applies.
        app.stop();
        app.url = app.spawn_replica_with("language = 'de'");
        mailed_link(&app, &ada, 5).await;
        assert!(app.mailbox.sent()[4].text.contains("Subject: Neues Passwort festlegen"));
        mailed_link(&app, &grace, 6).await;
        assert!(app.mailbox.sent()[5].text.contains("Subject: Reset your password"));
    }

    async fn two_concurrent_links_leave_one_active(app: TestApp) {
        let new = NewUser {
            email: Email::new("new@example.org").unwrap(),
            first_name: PersonName::default(),
            last_name: PersonName::default(),
            staff: false,
            password: None,
        };
        let user = app.store.write(|conn| { let now = conn.now()?; users::insert(conn, &new, now) }).unwrap().unwrap();
        let visitor = app.signed_out();
        let wishes = (0..12).map(|_| visitor.post(&app, "/forgot-password", &[("email", user.email.as_str())]));
        let statuses = send_concurrently(wishes.collect::<Vec<_>>()).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        assert!(app.count("SELECT count(*) AS n FROM password_links") >= 12);
        assert_eq!(app.count("SELECT count(*) AS n FROM password_links WHERE replaced_at IS NULL AND used_at IS NULL"), 1);
    }
}
