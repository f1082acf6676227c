//! Calls the pages with secrets.

use reqwest::Method;

use super::{
    ADAS_NEXT_PASSWORD, ADAS_PASSWORD, GRACES_PASSWORD, LeakFixture, SERVER_SECRET, WRONG_PASSWORD,
    webhook_secret,
};
use crate::helpers::PASSWORD;
use crate::page_client::PageClient;

impl LeakFixture {
    /// Gets a page and returns the status. The page may contain these secrets.
    async fn get_page(&mut self, visitor: &PageClient, path: &str, permitted: &[&str]) -> u16 {
        let look = visitor.request(&self.app, Method::GET, &format!("{}{path}", self.server.url));
        self.send(look, permitted).await
    }

    /// Submits a form and returns the status. The response may contain these secrets.
    async fn post_form(
        &mut self,
        visitor: &PageClient,
        path: &str,
        form: &[(&str, &str)],
        permitted: &[&str],
    ) -> u16 {
        let form = visitor.post(&self.app, &format!("{}{path}", self.server.url), form);
        self.send(form, permitted).await
    }
}

/// Signs a user in with the form. The first attempt fails.
pub async fn sign_in(fixture: &mut LeakFixture, who: &str, password: &str) -> PageClient {
    let email = format!("{who}@example.org");
    let visitor = fixture.app.signed_out().with_server_secret(SERVER_SECRET);
    assert_eq!(fixture.get_page(&visitor, "/sign-in", &[]).await, 200);
    let form = [("email", email.as_str()), ("password", WRONG_PASSWORD)];
    assert_eq!(fixture.post_form(&visitor, "/sign-in", &form, &[]).await, 403);
    let form = [("email", WRONG_PASSWORD), ("password", password)];
    assert_eq!(fixture.post_form(&visitor, "/sign-in", &form, &["wrong password"]).await, 403);
    let form = [("email", email.as_str()), ("password", password)];
    let form = visitor.post(&fixture.app, &format!("{}/sign-in", fixture.server.url), &form);
    let token = fixture.send_for_secret(form, &format!("{who}'s session"), "css_").await;
    PageClient::with_session(&token).with_server_secret(SERVER_SECRET)
}

/// Opens and sends the link that turns off mails, and wrong ones.
pub async fn unsubscribe(fixture: &mut LeakFixture, token: &str) {
    let guest = fixture.app.signed_out().with_server_secret(SERVER_SECRET);
    let page = format!("/unsubscribe?token={token}");
    assert_eq!(fixture.get_page(&guest, &page, &["unsubscribe token"]).await, 200);
    assert_eq!(fixture.post_form(&guest, &page, &[("List-Unsubscribe", "One-Click")], &[]).await, 200);
    for path in [page.replace("/unsubscribe", "/redeem"), format!("{page}x")] {
        fixture.get_page(&guest, &path, &["unsubscribe token"]).await;
        fixture.post_form(&guest, &path, &[], &[]).await;
    }
}

/// Calls every page, with secrets in the right and in the wrong places.
pub async fn exercise_pages(fixture: &mut LeakFixture, export: &str) {
    let url = fixture.server.url.clone();
    let at = |path: &str| format!("{url}{path}");

    // Forgotten passwords.
    let guest = fixture.app.signed_out().with_server_secret(SERVER_SECRET);
    for email in [WRONG_PASSWORD, export, "nobody@example.org", "ada@example.org"] {
        assert_eq!(fixture.post_form(&guest, "/forgot-password", &[("email", email)], &[]).await, 200);
    }
    let link = fixture.next_mailed_secret("password link", "csp_");
    let page = format!("/set-password?token={link}");
    assert_eq!(fixture.get_page(&guest, &page, &["password link"]).await, 200);
    for path in ["/redeem", "/"] {
        fixture.get_page(&guest, &page.replace("/set-password", path), &["password link"]).await;
    }
    let form = |new, again| [("token", link.as_str()), ("new", new), ("confirm", again)];
    let form =
        [form("short", "short"), form(ADAS_PASSWORD, WRONG_PASSWORD), form(WRONG_PASSWORD, WRONG_PASSWORD)];
    for wrong in &form[..2] {
        assert_eq!(fixture.post_form(&guest, "/set-password", wrong, &["password link"]).await, 400);
    }
    let set = guest.post(&fixture.app, &at("/set-password"), &form[2]);
    fixture.send_for_secret(set, "session by the link", "css_").await;
    assert_eq!(fixture.post_form(&guest, "/set-password", &form[2], &[]).await, 404);
    assert_eq!(fixture.get_page(&guest, &page, &[]).await, 404);
    fixture.run_command(&["user", "passwd", "ada@example.org", "--password-stdin"], ADAS_PASSWORD);

    // Pages of a user.
    let ada = sign_in(fixture, "ada", ADAS_PASSWORD).await;
    for (current, new, again) in [
        (WRONG_PASSWORD, ADAS_NEXT_PASSWORD, ADAS_NEXT_PASSWORD),
        (ADAS_PASSWORD, ADAS_NEXT_PASSWORD, WRONG_PASSWORD),
    ] {
        let form = [("current", current), ("new", new), ("confirm", again)];
        assert!([400, 403].contains(&fixture.post_form(&ada, "/account/password", &form, &[]).await));
    }
    let form = [("current", ADAS_PASSWORD), ("new", ADAS_NEXT_PASSWORD), ("confirm", ADAS_NEXT_PASSWORD)];
    let form = ada.post(&fixture.app, &at("/account/password"), &form);
    let token = fixture.send_for_secret(form, "session by the new password", "css_").await;
    let ada = PageClient::with_session(&token).with_server_secret(SERVER_SECRET);
    let new = [("hub", "observatory"), ("node", "dome"), ("right", "read"), ("hours", "24")];
    fixture
        .send_for_secret(ada.post(&fixture.app, &at("/tokens/new"), &new), "export token of the page", "cse_")
        .await;
    let new = [("label", "laptop"), ("scope", "all")];
    fixture.send_for_secret(ada.post(&fixture.app, &at("/keys/new"), &new), "key of the page", "csk_").await;
    let new = [("url", "https://hooks.example.org/page"), ("event", "user.*")];
    let new = ada.post(&fixture.app, &at("/webhooks/new"), &new);
    webhook_secret(fixture, "webhook secret of the page", new).await;
    let rotate = ada.post(&fixture.app, &at("/webhooks/1/secret"), &[]);
    webhook_secret(fixture, "next webhook secret of the page", rotate).await;
    for (path, form) in [
        ("/tokens/new", [("hub", export), ("node", "dome"), ("right", "read"), ("hours", export)].as_slice()),
        ("/keys/new", &[("label", "laptop"), ("scope", export)]),
        ("/requests/new", &[("email", export), ("bundle", export), ("days", WRONG_PASSWORD)]),
        ("/webhooks/new", &[("url", export), ("event", export), ("description", WRONG_PASSWORD)]),
        ("/webhooks/1", &[("url", export), ("event", export)]),
        ("/webhooks/1/replay", &[("since", export)]),
        ("/keys/1/revoke", &[("key", export)]),
        ("/blocks/1/delete", &[("token", export)]),
        ("/requests/1/block", &[("token", export)]),
        ("/requests/1/resend", &[("password", WRONG_PASSWORD)]),
        ("/requests/1/close", &[("password", WRONG_PASSWORD)]),
        ("/access/1/revoke", &[("password", WRONG_PASSWORD)]),
    ] {
        assert_ne!(
            fixture.post_form(&ada, path, form, &["export token", "wrong password"]).await,
            500,
            "{path}"
        );
    }
    let grace = sign_in(fixture, "grace", GRACES_PASSWORD).await;
    for visitor in [&ada, &grace] {
        for path in [
            "/",
            "/requests",
            "/requests/1",
            "/requests/3",
            "/requests/new",
            "/access",
            "/access/1/receipt",
            "/tokens",
            "/tokens/new",
            "/keys",
            "/keys/new",
            "/webhooks",
            "/webhooks/new",
            "/webhooks/1",
            "/account",
            "/account/activity",
            "/staff",
            "/mailbox",
        ] {
            assert_ne!(fixture.get_page(visitor, path, &[]).await, 500, "{path}");
        }
    }
    // The query of a page is kept during sign-in.
    assert_eq!(fixture.get_page(&guest, &format!("/tokens?from={export}"), &["export token"]).await, 303);
    assert_eq!(fixture.post_form(&grace, "/account/sessions/end", &[], &[]).await, 303);
    assert_eq!(fixture.post_form(&grace, "/sign-out", &[], &[]).await, 303);

    // Pages of staff.
    let root = sign_in(fixture, "root", PASSWORD).await;
    let new = [("email", "newer@example.org"), ("first_name", ""), ("last_name", "")];
    assert_eq!(fixture.post_form(&root, "/staff/users", &new, &[]).await, 303);
    fixture.next_mailed_secret("first password link", "csp_");
    for (path, form) in [
        ("/staff/users", [("email", WRONG_PASSWORD), ("first_name", "x"), ("last_name", "y")].as_slice()),
        ("/staff/hubs", &[("id", "new"), ("name", "New"), ("owner", WRONG_PASSWORD)]),
        ("/staff/hub/members/grant", &[("hub", "observatory"), ("email", WRONG_PASSWORD), ("role", export)]),
        ("/staff/hub/members/revoke", &[("hub", "observatory"), ("email", WRONG_PASSWORD)]),
        ("/staff/bundles", &[("name", ""), ("description", WRONG_PASSWORD), ("right", export)]),
        ("/staff/bundles/1", &[("name", ""), ("description", WRONG_PASSWORD), ("right", export)]),
        ("/staff/mail/1/retry", &[("password", WRONG_PASSWORD)]),
    ] {
        let status = fixture.post_form(&root, path, form, &["export token", "wrong password"]).await;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    for path in ["", "/users", "/hubs", "/hub?id=observatory", "/bundles", "/bundles/1", "/mail", "/audit"] {
        assert_eq!(fixture.get_page(&root, &format!("/staff{path}"), &[]).await, 200, "{path}");
    }
    for path in ["/staff/audit?subject=", "/staff/mail?state="] {
        fixture.get_page(&root, &format!("{path}{export}"), &["export token"]).await;
    }
}
