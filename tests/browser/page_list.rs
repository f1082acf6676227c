//! The pages for the accessibility checks and the screenshots. A new page needs a line here.

use serde_json::json;

use crate::browser::Browser;
use crate::fixtures::Fixtures;
use crate::helpers::TestApp;

/// The viewer of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageViewer {
    /// A visitor without a session.
    SignedOut,
    /// The target of requests: Jonas of [`crate::fixtures::Fixtures`].
    Target,
    /// The requester: Mara.
    Requester,
    /// A staff user: Inês.
    Staff,
}

/// A page and its viewer.
#[derive(Clone, Copy, Debug)]
pub struct TestPage {
    /// The name of its screenshots.
    pub name: &'static str,
    /// Its path, with the placeholders of [`crate::fixtures::Fixtures::path`] in braces.
    pub path: &'static str,
    pub viewer: PageViewer,
    /// The form that the viewer submits on this page, if there is one.
    form: FormFields,
}

/// A label of more than a hundred characters.
const LONG_LABEL: &str =
    "The watch that I wear at night, and by day as well, whenever I have not left it somewhere or another.";

/// Fields and buttons with the entered text.
type FormFields = &'static [(&'static str, &'static str)];

const fn page(name: &'static str, path: &'static str, who: PageViewer) -> TestPage {
    form_response(name, path, who, &[])
}

/// The page in response to a form.
const fn form_response(
    name: &'static str,
    path: &'static str,
    who: PageViewer,
    form: FormFields,
) -> TestPage {
    TestPage { name, path, viewer: who, form }
}

impl TestPage {
    /// Asserts the result of the form: the form again with an error, or another page.
    async fn assert_form_result(&self, browser: &Browser) {
        browser.text_of("h1").await;
        if self.name.ends_with("-wrong") {
            let errors = browser.count("main [aria-invalid=true], main .error").await;
            assert!(errors > 0, "{}: nothing is said to be wrong", self.name);
        } else {
            let field = format!("main [name={}]", self.form[0].0);
            assert_eq!(browser.count(&field).await, 0, "{}: the form is still there", self.name);
        }
    }
}

/// All pages, grouped by viewer.
pub const PAGES: &[TestPage] = &[
    page("sign-in", "/sign-in", PageViewer::SignedOut),
    form_response(
        "sign-in-wrong",
        "/sign-in",
        PageViewer::SignedOut,
        &[("email", "mara@mail.example"), ("password", "guessed")],
    ),
    page("redeem-sign-in", "/redeem?token={token}", PageViewer::SignedOut),
    page("not-found", "/sign-in/nothing", PageViewer::SignedOut),
    page("forgot-password", "/forgot-password", PageViewer::SignedOut),
    form_response(
        "forgot-sent",
        "/forgot-password",
        PageViewer::SignedOut,
        &[("email", "nobody@mail.example")],
    ),
    page("set-password", "/set-password?token={link}", PageViewer::SignedOut),
    form_response(
        "set-password-wrong",
        "/set-password?token={link}",
        PageViewer::SignedOut,
        &[("new", "short"), ("confirm", "other")],
    ),
    page("set-password-over", "/set-password?token=csp_none", PageViewer::SignedOut),
    page("unsubscribe", "/unsubscribe?token={unsubscribe}", PageViewer::SignedOut),
    page("unsubscribe-over", "/unsubscribe?token=csu_none", PageViewer::SignedOut),
    form_response(
        "unsubscribed",
        "/unsubscribe?token={unsubscribe}",
        PageViewer::SignedOut,
        &[("List-Unsubscribe", "One-Click")],
    ),
    page("mailbox", "/mailbox?token={mailbox}", PageViewer::SignedOut),
    page("letter", "/mailbox/{letter}?token={mailbox}", PageViewer::SignedOut),
    page("home", "/", PageViewer::Target),
    page("requests", "/requests", PageViewer::Target),
    page("ask", "/requests/new", PageViewer::Target),
    form_response(
        "ask-wrong",
        "/requests/new",
        PageViewer::Target,
        &[("email", "nobody@mail.example"), ("right", "read")],
    ),
    page("access", "/access", PageViewer::Target),
    page("tokens", "/tokens", PageViewer::Target),
    page("token-form", "/tokens/new", PageViewer::Target),
    form_response("token-wrong", "/tokens/new", PageViewer::Target, &[("node", "")]),
    form_response(
        "token",
        "/tokens/new",
        PageViewer::Target,
        &[("node", "watch-3"), ("right", "read"), ("hours", "24")],
    ),
    page("keys", "/keys", PageViewer::Target),
    page("key-form", "/keys/new", PageViewer::Target),
    form_response("key-wrong", "/keys/new", PageViewer::Target, &[("label", LONG_LABEL)]),
    form_response("key", "/keys/new", PageViewer::Target, &[("label", "watch")]),
    page("webhooks", "/webhooks", PageViewer::Target),
    page("webhook-form", "/webhooks/new", PageViewer::Target),
    form_response("webhook-form-wrong", "/webhooks/new", PageViewer::Target, &[("url", "http://10.0.0.1/")]),
    form_response(
        "webhook-created",
        "/webhooks/new",
        PageViewer::Target,
        &[("url", "https://hooks.sleeplab.example/countersign"), ("event", "key.*")],
    ),
    page("webhook", "/webhooks/{webhook}", PageViewer::Target),
    page("webhook-disabled", "/webhooks/{disabled}", PageViewer::Target),
    form_response("webhook-wrong", "/webhooks/{webhook}", PageViewer::Target, &[("url", "http://10.0.0.1/")]),
    page("redeem", "/redeem?token={token}", PageViewer::Target),
    page("redeem-over", "/redeem?token=csr_none", PageViewer::Target),
    page("account", "/account", PageViewer::Target),
    form_response(
        "account-wrong",
        "/account",
        PageViewer::Target,
        &[("current", "guessed"), ("new", "short"), ("confirm", "other")],
    ),
    page("activity", "/account/activity", PageViewer::Target),
    page("timeline", "/requests/{request}", PageViewer::Target),
    page("redeem-other", "/redeem?token={token}", PageViewer::Requester),
    page("home-asks", "/", PageViewer::Requester),
    page("requests-asks", "/requests", PageViewer::Requester),
    page("access-asks", "/access", PageViewer::Requester),
    page("timeline-asks", "/requests/{request}", PageViewer::Requester),
    page("home-none", "/", PageViewer::Staff),
    page("requests-none", "/requests", PageViewer::Staff),
    page("access-none", "/access", PageViewer::Staff),
    page("tokens-none", "/tokens", PageViewer::Staff),
    page("webhooks-none", "/webhooks", PageViewer::Staff),
    page("webhook-form-staff", "/webhooks/new", PageViewer::Staff),
    page("staff", "/staff", PageViewer::Staff),
    page("staff-users", "/staff/users", PageViewer::Staff),
    form_response("staff-users-wrong", "/staff/users", PageViewer::Staff, &[("email", "no address")]),
    page("staff-user", "/staff/users/{user}", PageViewer::Staff),
    page("staff-users-none", "/staff/users?q=nobody", PageViewer::Staff),
    page("staff-hubs", "/staff/hubs", PageViewer::Staff),
    form_response(
        "staff-hubs-wrong",
        "/staff/hubs",
        PageViewer::Staff,
        &[("id", "a b"), ("owner", "nobody@mail.example")],
    ),
    page("staff-hub", "/staff/hub?id=sleeplab", PageViewer::Staff),
    form_response(
        "staff-hub-wrong",
        "/staff/hub?id=sleeplab",
        PageViewer::Staff,
        &[("email", "nobody@mail.example")],
    ),
    page("hub-tokens", "/hub/tokens?id=sleeplab", PageViewer::Staff),
    page("staff-bundles", "/staff/bundles", PageViewer::Staff),
    form_response("staff-bundles-wrong", "/staff/bundles", PageViewer::Staff, &[("name", "")]),
    page("staff-bundle", "/staff/bundles/{bundle}", PageViewer::Staff),
    page("staff-mail", "/staff/mail", PageViewer::Staff),
    page("staff-permissions", "/staff/permissions", PageViewer::Staff),
    page("staff-audit", "/staff/audit", PageViewer::Staff),
    form_response("approved", "/redeem?token={token}", PageViewer::Target, &[("decision", "approve")]),
];

/// Opens each page as its viewer, in the time zone of Berlin.
pub async fn visit_all(app: &TestApp, browser: &Browser, mut look: impl AsyncFnMut(&TestPage)) {
    let fixtures = Fixtures::create(app, browser.mails()).await;
    let zone = json!({ "timezoneId": "Europe/Berlin" });
    browser.driver().cdp().send_raw("Emulation.setTimezoneOverride", zone).await.unwrap();
    let mut who = PageViewer::SignedOut;
    for page in PAGES {
        if page.viewer != who {
            browser.driver().delete_all_cookies().await.unwrap();
            who = page.viewer;
            if let Some(user) = fixtures.user(who) {
                browser.sign_in_at_home(user).await;
            }
        }
        browser.go_to(&fixtures.path(page.path)).await;
        if !page.form.is_empty() {
            browser.submit_form(page.form).await;
            page.assert_form_result(browser).await;
        }
        look(page).await;
    }
}
