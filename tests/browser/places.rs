//! Where one can go: what is looked at for barriers, and photographed. A new page is a line
//! here.

use serde_json::json;

use crate::browser::Browser;
use crate::helpers::TestApp;
use crate::scene::Scene;

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody who is not signed in.
    Nobody,
    /// Who is asked for permissions: Jonas of [`crate::scene::Scene`].
    Asked,
    /// Who asks for them: Mara.
    Asks,
    /// Who administers the server: Inês.
    Staff,
}

/// A page as somebody sees it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What its pictures are called.
    pub name: &'static str,
    /// Its path, with names of [`crate::scene::Scene::path`] in braces.
    pub path: &'static str,
    /// Who sees it.
    pub who: Who,
    /// What they send by a form of that page to see it, if they do.
    form: Form,
}

/// A label of more than a hundred characters.
const LONG: &str =
    "The watch that I wear at night, and by day as well, whenever I have not left it somewhere or another.";

/// Fields, buttons among them, and what is filled in.
type Form = &'static [(&'static str, &'static str)];

const fn place(name: &'static str, path: &'static str, who: Who) -> Place {
    answer(name, path, who, &[])
}

/// What is answered to a form.
const fn answer(name: &'static str, path: &'static str, who: Who, form: Form) -> Place {
    Place { name, path, who, form }
}

impl Place {
    /// That the browser is there, once it has sent the form: at the form again, which says
    /// what is wrong, or at another page.
    async fn is_where(&self, browser: &Browser) {
        browser.reads("h1").await;
        if self.name.ends_with("-wrong") {
            let errors = browser.counts("main [aria-invalid=true], main .error").await;
            assert!(errors > 0, "{}: nothing is said to be wrong", self.name);
        } else {
            let field = format!("main [name={}]", self.form[0].0);
            assert_eq!(browser.counts(&field).await, 0, "{}: the form is still there", self.name);
        }
    }
}

/// All of them, by who sees them.
pub const PLACES: &[Place] = &[
    place("sign-in", "/sign-in", Who::Nobody),
    answer(
        "sign-in-wrong",
        "/sign-in",
        Who::Nobody,
        &[("email", "mara@mail.example"), ("password", "guessed")],
    ),
    place("redeem-sign-in", "/redeem?token={token}", Who::Nobody),
    place("not-found", "/sign-in/nothing", Who::Nobody),
    place("forgot-password", "/forgot-password", Who::Nobody),
    answer("forgot-sent", "/forgot-password", Who::Nobody, &[("email", "nobody@mail.example")]),
    place("set-password", "/set-password?token={link}", Who::Nobody),
    answer(
        "set-password-wrong",
        "/set-password?token={link}",
        Who::Nobody,
        &[("new", "short"), ("again", "other")],
    ),
    place("set-password-over", "/set-password?token=csp_none", Who::Nobody),
    place("mailbox", "/mailbox", Who::Nobody),
    place("letter", "/mailbox/{letter}", Who::Nobody),
    place("home", "/", Who::Asked),
    place("requests", "/requests", Who::Asked),
    place("ask", "/ask", Who::Asked),
    answer("ask-wrong", "/ask", Who::Asked, &[("email", "nobody@mail.example")]),
    place("access", "/access", Who::Asked),
    place("tokens", "/tokens", Who::Asked),
    place("token-form", "/tokens/new", Who::Asked),
    answer("token-wrong", "/tokens/new", Who::Asked, &[("node", "")]),
    answer("token", "/tokens/new", Who::Asked, &[("node", "watch-3"), ("right", "read"), ("hours", "24")]),
    place("keys", "/keys", Who::Asked),
    place("key-form", "/keys/new", Who::Asked),
    answer("key-wrong", "/keys/new", Who::Asked, &[("label", LONG)]),
    answer("key", "/keys/new", Who::Asked, &[("label", "watch")]),
    place("redeem", "/redeem?token={token}", Who::Asked),
    place("redeem-over", "/redeem?token=csr_none", Who::Asked),
    place("account", "/account", Who::Asked),
    answer(
        "account-wrong",
        "/account",
        Who::Asked,
        &[("current", "guessed"), ("new", "short"), ("again", "other")],
    ),
    place("activity", "/account/activity", Who::Asked),
    place("timeline", "/requests/{request}", Who::Asked),
    place("redeem-other", "/redeem?token={token}", Who::Asks),
    place("home-asks", "/", Who::Asks),
    place("requests-asks", "/requests", Who::Asks),
    place("access-asks", "/access", Who::Asks),
    place("timeline-asks", "/requests/{request}", Who::Asks),
    place("home-none", "/", Who::Staff),
    place("requests-none", "/requests", Who::Staff),
    place("access-none", "/access", Who::Staff),
    place("tokens-none", "/tokens", Who::Staff),
    place("staff", "/staff", Who::Staff),
    place("staff-users", "/staff/users", Who::Staff),
    answer("staff-users-wrong", "/staff/users", Who::Staff, &[("email", "no address")]),
    place("staff-users-none", "/staff/users?q=nobody", Who::Staff),
    place("staff-hubs", "/staff/hubs", Who::Staff),
    answer("staff-hubs-wrong", "/staff/hubs", Who::Staff, &[("id", "a b"), ("owner", "nobody@mail.example")]),
    place("staff-hub", "/staff/hub?id=sleeplab", Who::Staff),
    answer("staff-hub-wrong", "/staff/hub?id=sleeplab", Who::Staff, &[("email", "nobody@mail.example")]),
    place("staff-bundles", "/staff/bundles", Who::Staff),
    answer("staff-bundles-wrong", "/staff/bundles", Who::Staff, &[("name", "")]),
    place("staff-bundle", "/staff/bundles/{bundle}", Who::Staff),
    place("staff-mail", "/staff/mail", Who::Staff),
    place("staff-audit", "/staff/audit", Who::Staff),
    answer("approved", "/redeem?token={token}", Who::Asked, &[("decision", "approve")]),
];

/// Has a browser go to each of them as who sees it, in the time zone of Berlin.
pub async fn tour(app: &TestApp, browser: &Browser, mut look: impl AsyncFnMut(&Place)) {
    let scene = Scene::set(app, browser.mails()).await;
    let zone = json!({ "timezoneId": "Europe/Berlin" });
    browser.driver().cdp().send_raw("Emulation.setTimezoneOverride", zone).await.unwrap();
    let mut who = Who::Nobody;
    for place in PLACES {
        if place.who != who {
            browser.driver().delete_all_cookies().await.unwrap();
            who = place.who;
            if let Some(user) = scene.user(who) {
                browser.signs_in_at_home(user).await;
            }
        }
        browser.goes_to(&scene.path(place.path)).await;
        if !place.form.is_empty() {
            browser.sends(place.form).await;
            place.is_where(browser).await;
        }
        look(place).await;
    }
}
