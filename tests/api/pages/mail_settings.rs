//! The mails that a user gets: the form on the account page, and the link that turns mails off.

use countersign::domain::mail_kinds::{MailKind, MailKinds, Unsubscription};
use countersign::domain::token::Keyring;

use crate::helpers::{SECRET, TestApp, TestUser};
use crate::page_client::send_for_text;

/// The link in mails of these kinds to this user.
pub fn unsubscribe_path(user: &TestUser, kinds: &[MailKind]) -> String {
    let link = Unsubscription { user: user.user.id, kinds: kinds.iter().copied().collect() };
    let token = Keyring::new(SECRET.as_bytes(), None).unwrap().unsubscribe_token(link);
    format!("/unsubscribe?token={}", token.expose())
}

fn muted(app: &TestApp, user: &TestUser) -> Vec<MailKind> {
    let bits = app.count(&format!("SELECT CAST(muted AS bigint) AS n FROM users WHERE id = {}", user.id()));
    MailKinds::from_bits(bits as i16).iter().collect()
}

on_both_databases! {
    async fn a_user_chooses_which_mails_to_get(app: TestApp) {
        let (grace, eve) = (app.user("grace@example.org"), app.user("eve@example.org"));
        let visitor = app.signed_in(&grace);
        let (_, page) = visitor.get_page(&app, "/account").await;
        assert_eq!(page.matches("name=\"mails\"").count(), 4);
        assert_eq!(page.matches("\" checked>").count(), 4, "all are on at first: {page}");
        let chosen = [("mails", "decisions"), ("mails", "endings")];
        let saved = visitor.post(&app, "/account/mails", &chosen).send().await.unwrap();
        assert_eq!((saved.status().as_u16(), &saved.headers()["location"]), (303, &"/account?flash=mails".parse().unwrap()));
        assert_eq!(muted(&app, &grace), [MailKind::Expired, MailKind::Reminders]);
        assert_eq!(muted(&app, &eve), []);
        let (_, page) = visitor.get_page(&app, "/account?flash=mails").await;
        assert!(page.contains("Your choice of emails was saved."), "{page}");
        assert!(page.contains("value=\"endings\" checked") && !page.contains("value=\"expired\" checked"), "{page}");
        assert_eq!(visitor.post_form(&app, "/account/mails", &[("mails", "requests")]).await.0, 400);
        assert_eq!(app.signed_out().post_form(&app, "/account/mails", &[]).await.0, 303);
        assert_eq!(muted(&app, &grace), [MailKind::Expired, MailKind::Reminders]);
        assert_eq!(visitor.post_form(&app, "/account/mails", &[]).await.0, 303);
        assert_eq!(muted(&app, &grace), MailKind::ALL);
    }

    async fn a_link_turns_off_its_kinds_after_a_click(app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = unsubscribe_path(&grace, &[MailKind::Reminders, MailKind::Endings]);
        let before = app.rows();
        let (status, page) = app.signed_out().get_page(&app, &path).await;
        assert_eq!(status, 200);
        assert!(page.contains("still waits for my decision") && page.contains("ends soon"), "{page}");
        assert!(!page.contains("my request expires") && !page.contains(grace.email()), "{page}");
        assert!(page.contains(&format!("<form method=\"post\" action=\"{path}\">")), "{page}");
        assert_eq!(app.rows(), before, "the page itself changes nothing");
        for _ in 0..2 {
            let click = app.signed_out().post(&app, &path, &[("List-Unsubscribe", "One-Click")]);
            let (status, page) = send_for_text(click.header("accept-language", "de")).await;
            assert_eq!(status, 200);
            assert!(page.contains("E-Mails abbestellt") && page.contains("bald endet"), "{page}");
            assert_eq!(muted(&app, &grace), [MailKind::Reminders, MailKind::Endings]);
        }
        // Other kinds stay off.
        let other = unsubscribe_path(&grace, &[MailKind::Decisions]);
        assert_eq!(app.signed_out().post_form(&app, &other, &[]).await.0, 200);
        assert_eq!(muted(&app, &grace), [MailKind::Decisions, MailKind::Reminders, MailKind::Endings]);
    }

    /// RFC 8058, 3.1 and 3.2: no cookie, no redirect, either type of form, and from anywhere.
    async fn a_mail_provider_turns_off_mails_with_one_request(app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = unsubscribe_path(&grace, &[MailKind::Expired]);
        let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
        for (content_type, body) in
            [("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"), ("multipart/form-data; boundary=x", multipart)]
        {
            for (name, value) in [("user-agent", "a provider"), ("origin", "https://mail.example"), ("sec-fetch-site", "cross-site")] {
                app.execute_raw("UPDATE users SET muted = 0");
                let request = app.post(&path).header("content-type", content_type).header(name, value).body(body);
                assert_eq!(request.send().await.unwrap().status(), 200, "{name} {content_type}");
                assert_eq!(muted(&app, &grace), [MailKind::Expired]);
            }
        }
    }

    async fn an_invalid_link_changes_nothing(app: TestApp) {
        let grace = app.user("grace@example.org");
        let path = unsubscribe_path(&grace, &[MailKind::Endings]);
        let mut nobody = grace.clone();
        nobody.user.id.0 = 77;
        let redeem = path.replace("csu_", "csr_");
        let before = app.rows();
        let mut pages = Vec::new();
        for path in ["/unsubscribe", "/unsubscribe?token=", "/unsubscribe?token=csu_x", &path[..path.len() - 1], &redeem] {
            for request in [app.get(path), app.post(path).body("List-Unsubscribe=One-Click")] {
                let (status, page) = send_for_text(request.header("cookie", "x=y")).await;
                assert_eq!(status, 404, "{path}");
                pages.push(page);
            }
        }
        pages.dedup();
        assert_eq!(pages.len(), 1, "{pages:?}");
        // A user who was deleted.
        let gone = unsubscribe_path(&nobody, &[MailKind::Endings]);
        assert_eq!(app.signed_out().post_form(&app, &gone, &[]).await.0, 200);
        assert_eq!(app.rows(), before);
    }
}
