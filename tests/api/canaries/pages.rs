//! The pages, driven with secrets.

use reqwest::Method;

use super::{ADAS_NEXT_PASSWORD, ADAS_PASSWORD, Cage, GRACES_PASSWORD, SERVER_SECRET, WRONG_PASSWORD};
use crate::helpers::PASSWORD;
use crate::visitor::Visitor;

impl Cage {
    /// Who looks at this page; the status. It may show these secrets.
    async fn sees(&mut self, visitor: &Visitor, path: &str, meant: &[&str]) -> u16 {
        let look = visitor.asks(&self.app, Method::GET, &format!("{}{path}", self.server.url));
        self.send(look, meant).await
    }

    /// Who sends this form; the status. The answer may hold these secrets.
    async fn sends(&mut self, visitor: &Visitor, path: &str, form: &[(&str, &str)], meant: &[&str]) -> u16 {
        let form = visitor.post(&self.app, &format!("{}{path}", self.server.url), form);
        self.send(form, meant).await
    }
}

/// Signs somebody in by the form, at the second try.
pub async fn sign_in(cage: &mut Cage, who: &str, password: &str) -> Visitor {
    let email = format!("{who}@example.org");
    let visitor = cage.app.visitor().of_server(SERVER_SECRET);
    assert_eq!(cage.sees(&visitor, "/sign-in", &[]).await, 200);
    let form = [("email", email.as_str()), ("password", WRONG_PASSWORD)];
    assert_eq!(cage.sends(&visitor, "/sign-in", &form, &[]).await, 403);
    let form = [("email", WRONG_PASSWORD), ("password", password)];
    assert_eq!(cage.sends(&visitor, "/sign-in", &form, &["wrong password"]).await, 403);
    let form = [("email", email.as_str()), ("password", password)];
    let form = visitor.post(&cage.app, &format!("{}/sign-in", cage.server.url), &form);
    let token = cage.reveals(form, &format!("{who}'s session"), "css_").await;
    Visitor::with_session(&token).of_server(SERVER_SECRET)
}

/// Every page, with secrets where they belong and where they do not.
pub async fn use_them(cage: &mut Cage, export: &str) {
    let url = cage.server.url.clone();
    let at = |path: &str| format!("{url}{path}");

    // A forgotten password.
    let guest = cage.app.visitor().of_server(SERVER_SECRET);
    for email in [WRONG_PASSWORD, export, "nobody@example.org", "ada@example.org"] {
        assert_eq!(cage.sends(&guest, "/forgot-password", &[("email", email)], &[]).await, 200);
    }
    let link = cage.mailed("password link", "csp_");
    let page = format!("/set-password?token={link}");
    assert_eq!(cage.sees(&guest, &page, &["password link"]).await, 200);
    for path in ["/redeem", "/"] {
        cage.sees(&guest, &page.replace("/set-password", path), &["password link"]).await;
    }
    let form = |new, again| [("token", link.as_str()), ("new", new), ("again", again)];
    let form =
        [form("short", "short"), form(ADAS_PASSWORD, WRONG_PASSWORD), form(WRONG_PASSWORD, WRONG_PASSWORD)];
    for wrong in &form[..2] {
        assert_eq!(cage.sends(&guest, "/set-password", wrong, &["password link"]).await, 400);
    }
    let set = guest.post(&cage.app, &at("/set-password"), &form[2]);
    cage.reveals(set, "session by the link", "css_").await;
    assert_eq!(cage.sends(&guest, "/set-password", &form[2], &[]).await, 404);
    assert_eq!(cage.sees(&guest, &page, &[]).await, 404);
    cage.operator(&["user", "passwd", "ada@example.org", "--password-stdin"], ADAS_PASSWORD);

    // What is one's own.
    let ada = sign_in(cage, "ada", ADAS_PASSWORD).await;
    for (current, new, again) in [
        (WRONG_PASSWORD, ADAS_NEXT_PASSWORD, ADAS_NEXT_PASSWORD),
        (ADAS_PASSWORD, ADAS_NEXT_PASSWORD, WRONG_PASSWORD),
    ] {
        let form = [("current", current), ("new", new), ("again", again)];
        assert!([400, 403].contains(&cage.sends(&ada, "/account/password", &form, &[]).await));
    }
    let form = [("current", ADAS_PASSWORD), ("new", ADAS_NEXT_PASSWORD), ("again", ADAS_NEXT_PASSWORD)];
    let form = ada.post(&cage.app, &at("/account/password"), &form);
    let token = cage.reveals(form, "session by the new password", "css_").await;
    let ada = Visitor::with_session(&token).of_server(SERVER_SECRET);
    let new = [("hub", "observatory"), ("node", "dome"), ("right", "read"), ("hours", "24")];
    cage.reveals(ada.post(&cage.app, &at("/tokens/new"), &new), "export token of the page", "cse_").await;
    let new = [("label", "laptop"), ("scope", "all")];
    cage.reveals(ada.post(&cage.app, &at("/keys/new"), &new), "key of the page", "csk_").await;
    for (path, form) in [
        ("/tokens/new", [("hub", export), ("node", "dome"), ("right", "read"), ("hours", export)].as_slice()),
        ("/keys/new", &[("label", "laptop"), ("scope", export)]),
        ("/ask", &[("email", export), ("bundle", export), ("days", WRONG_PASSWORD)]),
        ("/keys/1/revoke", &[("key", export)]),
        ("/blocks/1/lift", &[("token", export)]),
        ("/requests/1/block", &[("token", export)]),
        ("/requests/1/resend", &[("password", WRONG_PASSWORD)]),
        ("/requests/1/end", &[("password", WRONG_PASSWORD)]),
        ("/access/1/revoke", &[("password", WRONG_PASSWORD)]),
    ] {
        assert_ne!(cage.sends(&ada, path, form, &["export token", "wrong password"]).await, 500, "{path}");
    }
    let grace = sign_in(cage, "grace", GRACES_PASSWORD).await;
    for visitor in [&ada, &grace] {
        for path in [
            "/",
            "/requests",
            "/requests/1",
            "/requests/3",
            "/ask",
            "/access",
            "/tokens",
            "/tokens/new",
            "/keys",
            "/keys/new",
            "/account",
            "/account/activity",
            "/staff",
            "/mailbox",
        ] {
            assert_ne!(cage.sees(visitor, path, &[]).await, 500, "{path}");
        }
    }
    // A wanderer's query goes along to the sign-in, and back.
    assert_eq!(cage.sees(&guest, &format!("/tokens?from={export}"), &["export token"]).await, 303);
    assert_eq!(cage.sends(&grace, "/account/sessions/end", &[], &[]).await, 303);
    assert_eq!(cage.sends(&grace, "/sign-out", &[], &[]).await, 303);

    // What is the staff's.
    let root = sign_in(cage, "root", PASSWORD).await;
    let new = [("email", "newer@example.org"), ("first_name", ""), ("last_name", "")];
    assert_eq!(cage.sends(&root, "/staff/users", &new, &[]).await, 303);
    cage.mailed("first password link", "csp_");
    for (path, form) in [
        ("/staff/users", [("email", WRONG_PASSWORD), ("first_name", "x"), ("last_name", "y")].as_slice()),
        ("/staff/hubs", &[("id", "new"), ("name", "New"), ("owner", WRONG_PASSWORD)]),
        ("/staff/hub/give", &[("hub", "observatory"), ("email", WRONG_PASSWORD), ("role", export)]),
        ("/staff/hub/take", &[("hub", "observatory"), ("email", WRONG_PASSWORD)]),
        ("/staff/bundles", &[("name", ""), ("description", WRONG_PASSWORD), ("right", export)]),
        ("/staff/bundles/1", &[("name", ""), ("description", WRONG_PASSWORD), ("right", export)]),
        ("/staff/mail/1/retry", &[("password", WRONG_PASSWORD)]),
    ] {
        let status = cage.sends(&root, path, form, &["export token", "wrong password"]).await;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    for path in ["", "/users", "/hubs", "/hub?id=observatory", "/bundles", "/bundles/1", "/mail", "/audit"] {
        assert_eq!(cage.sees(&root, &format!("/staff{path}"), &[]).await, 200, "{path}");
    }
    for path in ["/staff/audit?subject=", "/staff/mail?state="] {
        cage.sees(&root, &format!("{path}{export}"), &["export token"]).await;
    }
}
