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
}

const fn place(name: &'static str, path: &'static str, who: Who) -> Place {
    Place { name, path, who }
}

/// All of them, by who sees them.
pub const PLACES: &[Place] = &[
    place("sign-in", "/sign-in", Who::Nobody),
    place("redeem-sign-in", "/redeem?token={token}", Who::Nobody),
    place("not-found", "/sign-in/nothing", Who::Nobody),
    place("forgot-password", "/forgot-password", Who::Nobody),
    place("set-password-over", "/set-password?token=cst_none", Who::Nobody),
    place("mailbox", "/mailbox", Who::Nobody),
    place("letter", "/mailbox/{letter}", Who::Nobody),
    place("home", "/", Who::Asked),
    place("redeem", "/redeem?token={token}", Who::Asked),
    place("redeem-over", "/redeem?token=csr_none", Who::Asked),
    place("account", "/account", Who::Asked),
    place("activity", "/account/activity", Who::Asked),
    place("timeline", "/requests/{request}", Who::Asked),
    place("access", "/access", Who::Asked),
    place("tokens-none", "/tokens", Who::Asked),
    place("keys", "/keys", Who::Asked),
    place("requests-none", "/requests", Who::Asked),
    place("redeem-other", "/redeem?token={token}", Who::Asks),
    place("timeline-asks", "/requests/{request}", Who::Asks),
    place("requests", "/requests", Who::Asks),
    place("ask", "/ask", Who::Asks),
    place("access-asks", "/access", Who::Asks),
    place("tokens", "/tokens", Who::Asks),
    place("tokens-new", "/tokens/new", Who::Asks),
    place("keys-new", "/keys/new", Who::Asks),
    place("staff", "/staff", Who::Staff),
    place("staff-users", "/staff/users", Who::Staff),
    place("staff-users-none", "/staff/users?q=nobody", Who::Staff),
    place("staff-hubs", "/staff/hubs", Who::Staff),
    place("staff-hub", "/staff/hub?id=sleeplab", Who::Staff),
    place("staff-bundles", "/staff/bundles", Who::Staff),
    place("staff-bundle", "/staff/bundles/{bundle}", Who::Staff),
    place("staff-mail", "/staff/mail", Who::Staff),
    place("staff-audit", "/staff/audit", Who::Staff),
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
        look(place).await;
    }
}
