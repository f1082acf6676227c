//! Passwords that are set by mailed links.

use countersign::domain::event::Origin;
use countersign::domain::user::{Email, PersonName};
use countersign::mail::transport::{SendError, Sent};
use countersign::store::users::{self, NewUser};
use serde_json::json;

use crate::helpers::{By, PASSWORD, TestApp, TestUser, all_at_once};
use crate::limits::limits;
use crate::mailer::until;
use crate::visitor::Visitor;

const NEW: &str = "a new password";
const DEFERRED: &str =
    "SELECT count(*) AS n FROM outbox WHERE finished_at IS NULL AND last_error IS NOT NULL";

/// The path of the link in a mail, however the mail is encoded.
fn link_in(mail: &Sent) -> String {
    let text = mail.text.replace("=\r\n", "").replace("=3D", "=");
    let (_, rest) = text.split_once("https://countersign.test/set-password?token=csp_").expect("a link");
    let token: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("/set-password?token=csp_{token}")
}

fn token_of(path: &str) -> &str {
    path.split_once("token=").unwrap().1
}

/// What is said to whoever has forgotten the password of this account.
async fn forgets(app: &TestApp, visitor: &Visitor, email: &str) -> (u16, String) {
    visitor.sends(app, "/forgot-password", &[("email", email)]).await
}

/// The link that this user gets, who is the nth to get a mail.
async fn link(app: &TestApp, user: &TestUser, nth: usize) -> String {
    assert_eq!(forgets(app, &app.visitor(), user.email()).await.0, 200);
    let mail = app.mails(nth).await.remove(nth - 1);
    assert_eq!(mail.to, [user.email()]);
    link_in(&mail)
}

/// What comes of setting a password by a link.
async fn sets(app: &TestApp, visitor: &Visitor, path: &str, new: &str) -> (u16, String) {
    visitor.sends(app, "/set-password", &[("token", token_of(path)), ("new", new), ("again", new)]).await
}

async fn signs_in(app: &TestApp, user: &TestUser, password: &str) -> u16 {
    app.visitor().sends(app, "/sign-in", &[("email", user.email()), ("password", password)]).await.0
}

on_both_databases! {
    async fn a_forgotten_password_is_replaced_by_a_mailed_link_once(app: TestApp) {
        let grace = app.user("grace@example.org");
        let elsewhere = app.signed_in(&grace);
        let path = link(&app, &grace, 1).await;
        assert!(app.mailbox.sent()[0].text.contains("a request to reset the password"));
        let visitor = app.visitor();
        let before = app.rows();
        for _ in 0..20 {
            let (status, page) = visitor.sees(&app, &path).await;
            assert_eq!(status, 200);
            assert!(page.contains(grace.email()), "{page}");
        }
        assert_eq!(app.rows(), before);
        let form = [("token", token_of(&path)), ("new", NEW), ("again", NEW)];
        let answer = visitor.post(&app, "/set-password", &form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/account?done=password".parse().unwrap()));
        let (status, page) = Visitor::of(&answer).sees(&app, "/account?done=password").await;
        assert_eq!(status, 200);
        assert!(page.contains("Your password was changed"), "{page}");
        assert_eq!(elsewhere.sees(&app, "/").await.0, 303, "all other sessions have ended");
        assert_eq!(signs_in(&app, &grace, PASSWORD).await, 403);
        assert_eq!(signs_in(&app, &grace, NEW).await, 303);
        let before = app.rows();
        assert_eq!(sets(&app, &visitor, &path, "yet another").await.0, 404);
        assert_eq!(visitor.sees(&app, &path).await.0, 404);
        assert_eq!(app.rows(), before);
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action IN ('user.password_linked', 'user.password_set')"), 2);
    }

    async fn of_sixteen_who_use_a_link_at_once_one_sets_the_password(mut app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = link(&app, &grace, 1).await;
        let other = app.replica();
        let racers = (0..16).map(|nth| {
            let new = format!("password number {nth}");
            let at = if nth % 2 == 0 { "/set-password".to_owned() } else { format!("{other}/set-password") };
            app.visitor().post(&app, &at, &[("token", token_of(&path)), ("new", &new), ("again", &new)])
        });
        let statuses = all_at_once(racers.collect::<Vec<_>>()).await;
        // On a busy machine the answer of the one may be late, and it tries again in vain.
        assert!(statuses.iter().filter(|status| **status == 303).count() <= 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [303, 404].contains(status)), "{statuses:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM sessions"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'user.password_set'"), 1);
    }

    async fn a_link_that_sets_nothing_is_answered_alike_for_all_reasons(app: TestApp) {
        let [grace, gone, late] = ["grace", "gone", "late"].map(|name| app.user(&format!("{name}@example.org")));
        let visitor = app.visitor();
        let replaced = link(&app, &grace, 1).await;
        let live = link(&app, &grace, 2).await;
        let disabled = link(&app, &gone, 3).await;
        app.disable(&gone);
        let forged = format!("{}{}", &live[..live.len() - 1], if live.ends_with('A') { "E" } else { "A" });
        assert_eq!(visitor.sees(&app, &live).await.0, 200);
        let mut dead = vec![replaced, disabled, forged, "/set-password?token=nonsense".to_owned()];
        let changed = link(&app, &late, 4).await;
        let hash = countersign::password::hash(NEW).unwrap();
        assert!(app.store.write(|conn| users::set_password(conn, late.user.id, &hash, &Origin::OPERATOR)).unwrap());
        dead.push(changed);
        let expired = link(&app, &late, 5).await;
        app.advance(86_399);
        assert_eq!(visitor.sees(&app, &expired).await.0, 200);
        app.advance(1);
        dead.push(expired);
        let (status, page) = visitor.sees(&app, "/set-password").await;
        assert_eq!(status, 404);
        assert!(page.contains("This link is not valid") && page.contains("/forgot-password"), "{page}");
        let before = app.rows();
        for path in dead {
            assert_eq!(visitor.sees(&app, &path).await, (404, page.clone()), "{path}");
            assert_eq!(sets(&app, &visitor, &path, NEW).await, (404, page.clone()), "{path}");
        }
        assert_eq!(app.rows(), before);
        assert_eq!(app.mailbox.sent().len(), 5);
    }

    async fn whether_there_is_an_account_is_not_told(app: TestApp) {
        let grace = app.user("grace@example.org");
        app.disable(&app.user("gone@example.org"));
        let visitor = app.visitor();
        let before = app.rows();
        let (status, page) = forgets(&app, &visitor, "nobody@example.org").await;
        assert_eq!(status, 200);
        for email in ["gone@example.org", "no address", "", "a@b", "grace@example.org.example"] {
            assert_eq!(forgets(&app, &visitor, email).await, (200, page.clone()), "{email}");
        }
        assert_eq!(app.rows(), before);
        assert_eq!(forgets(&app, &visitor, "Grace@Example.org").await, (200, page));
        assert_eq!(app.mails(1).await[0].to, [grace.email()]);
    }

    async fn an_account_gets_so_many_mails_and_an_address_asks_for_so_many(mut app: TestApp) {
        let grace = app.user("grace@example.org");
        let all = [("password_mails_per_account", "2/h"), ("password_mails_per_address", "6/h")];
        app.url = app.replica_with(&limits(&all));
        let visitor = app.visitor();
        let (_, page) = forgets(&app, &visitor, "nobody@example.org").await;
        for _ in 0..4 {
            assert_eq!(forgets(&app, &visitor, grace.email()).await, (200, page.clone()));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 2, "no more than the account may get");
        assert_eq!(forgets(&app, &visitor, "somebody@example.org").await, (200, page));
        let before = app.rows();
        for email in ["nobody@example.org", grace.email()] {
            let answer = visitor.post(&app, "/forgot-password", &[("email", email)]).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"600".parse().unwrap()));
            assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        }
        assert_eq!(app.rows(), before);
        app.advance(1_800);
        assert_eq!(forgets(&app, &visitor, grace.email()).await.0, 200);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 3);
    }

    async fn whom_staff_adds_gets_a_link_for_a_first_password_good_for_a_week(app: TestApp) {
        let root = app.staff("root@example.org");
        let body = json!({ "email": "new@example.org", "first_name": "Nova" });
        assert_eq!(app.post("/api/user/").by(&root).json(&body).send().await.unwrap().status(), 201);
        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.to, ["new@example.org"]);
        assert!(mail.text.contains("Subject: Set up your account") && mail.text.contains("Hello Nova,"), "{}", mail.text);
        let path = link_in(&mail);
        app.advance(7 * 86_400 - 1);
        assert_eq!(app.visitor().sees(&app, &path).await.0, 200);
        // One that is asked for is for a first password too, as long as there is none.
        assert_eq!(forgets(&app, &app.visitor(), "new@example.org").await.0, 200);
        let mail = app.mails(2).await.remove(1);
        assert!(mail.text.contains("choose a password"), "{}", mail.text);
        assert_eq!(app.visitor().sees(&app, &path).await.0, 404);
        assert_eq!(sets(&app, &app.visitor(), &link_in(&mail), NEW).await.0, 303);
        let form = [("email", "new@example.org"), ("password", NEW)];
        assert_eq!(app.visitor().sends(&app, "/sign-in", &form).await.0, 303);
    }

    async fn a_password_that_will_not_do_is_told_so_beside_its_field_and_the_link_lives_on(app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = link(&app, &grace, 1).await;
        let visitor = app.visitor();
        let before = app.rows();
        let long = "x".repeat(1_025);
        for (new, again, words) in [
            ("sh0rt", "sh0rt", "too short"),
            (long.as_str(), long.as_str(), "too long"),
            ("two\nlines of it", "two\nlines of it", "not allowed"),
            (NEW, "a new passwort", "do not match"),
        ] {
            let form = [("token", token_of(&path)), ("new", new), ("again", again)];
            let (status, page) = visitor.sends(&app, "/set-password", &form).await;
            assert_eq!(status, 400, "{words}");
            assert!(page.contains(words) && page.contains("aria-invalid=\"true\""), "{page}");
            assert!(!page.contains(new), "no password is shown");
        }
        for form in [vec![], vec![("token", token_of(&path))], vec![("token", "a\0b"), ("new", NEW), ("again", NEW)]] {
            assert_eq!(visitor.sends(&app, "/set-password", &form).await.0, 400, "{form:?}");
        }
        assert_eq!(visitor.sends(&app, "/forgot-password", &[]).await.0, 400);
        assert_eq!(app.rows(), before);
        assert_eq!(sets(&app, &visitor, &path, NEW).await.0, 303);
    }

    async fn a_link_that_was_replaced_before_its_mail_left_is_not_mailed(app: TestApp) {
        let grace = app.user("grace@example.org");
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1);
        assert_eq!(forgets(&app, &app.visitor(), grace.email()).await.0, 200);
        until(&app, DEFERRED, 1).await;
        let path = link(&app, &grace, 1).await;
        app.advance(60);
        until(&app, "SELECT count(*) AS n FROM outbox WHERE result = 'cancelled'", 1).await;
        assert_eq!(app.mailbox.sent().len(), 1);
        assert_eq!(app.visitor().sees(&app, &path).await.0, 200);
    }

    async fn a_mail_with_a_link_that_is_put_off_carries_the_same_link_later(app: TestApp) {
        let grace = app.user("grace@example.org");
        app.mailbox.refuse(grace.email(), SendError::transient("451 try again"), 1);
        let issued = app.password_link(&grace);
        until(&app, DEFERRED, 1).await;
        app.advance(60);
        let mail = app.mails(1).await.remove(0);
        assert_eq!(token_of(&link_in(&mail)), app.password_token(&issued));
        let id = mail.message_id.trim_start_matches('<').split('@').next().unwrap().to_owned();
        let mails = app.store.read(|conn| countersign::store::outbox::newest(conn, 10)).unwrap();
        assert_eq!(mails[0].id.to_string(), id);
    }

    async fn mail_speaks_the_language_of_whom_it_is_for(mut app: TestApp) {
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let bundle = app.bundle("Schlaf", 6);
        let sign_in = async |accepted: &str| {
            let form = [("email", grace.email()), ("password", PASSWORD)];
            let request = app.visitor().post(&app, "/sign-in", &form).header("accept-language", accepted);
            assert_eq!(request.send().await.unwrap().status(), 303);
        };
        app.ask(&ada, &grace, &bundle);
        assert!(app.mails(1).await[0].text.contains("Hello grace Test,"), "English, unless it is known better");
        sign_in("de-AT, en;q=0.5").await;
        app.ask(&ada, &grace, &bundle);
        let mail = app.mails(2).await.remove(1);
        assert!(mail.text.contains("Guten Tag grace Test,") && mail.text.contains("Schlaf"), "{}", mail.text);
        let path = link(&app, &grace, 3).await;
        assert!(app.mailbox.sent()[2].text.contains("Subject: Neues Passwort festlegen"));
        assert_eq!(app.visitor().sees(&app, &path).await.0, 200);
        sign_in("en").await;
        link(&app, &grace, 4).await;
        assert!(app.mailbox.sent()[3].text.contains("Subject: Reset your password"));
        // Of Ada nothing is known: there the operator decides.
        app.stop();
        app.url = app.replica_with("language = 'de'");
        link(&app, &ada, 5).await;
        assert!(app.mailbox.sent()[4].text.contains("Subject: Neues Passwort festlegen"));
        link(&app, &grace, 6).await;
        assert!(app.mailbox.sent()[5].text.contains("Subject: Reset your password"));
    }

    async fn two_links_at_once_leave_one_that_lives(app: TestApp) {
        let new = NewUser {
            email: Email::new("new@example.org").unwrap(),
            first_name: PersonName::default(),
            last_name: PersonName::default(),
            staff: false,
            password: None,
        };
        let user = app.store.write(|conn| { let now = conn.now()?; users::insert(conn, &new, now) }).unwrap().unwrap();
        let visitor = app.visitor();
        let wishes = (0..12).map(|_| visitor.post(&app, "/forgot-password", &[("email", user.email.as_str())]));
        let statuses = all_at_once(wishes.collect::<Vec<_>>()).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        assert!(app.count("SELECT count(*) AS n FROM password_links") >= 12);
        assert_eq!(app.count("SELECT count(*) AS n FROM password_links WHERE replaced_at IS NULL AND used_at IS NULL"), 1);
    }
}
