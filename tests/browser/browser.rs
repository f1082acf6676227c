//! Somebody at a browser: what they do, and what they see.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign::mail::transport::SentMail;
use serde_json::json;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};
use tokio::sync::Semaphore;

use crate::chromedriver::Chromedriver;
use crate::helpers::{Backend, PASSWORD, TestApp, TestUser};

/// How many browsers there are at a time: each takes some 300 MB, and most of a core.
static BROWSER_SLOTS: Semaphore = Semaphore::const_new(2);
/// For how long something is waited for that is to come: longer than a busy machine takes.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// What kind of browser a test wants, and at what server.
#[derive(Clone, Copy)]
pub struct BrowserOptions {
    /// The language that its pages are asked for in.
    pub language: &'static str,
    /// Whether scripts run.
    pub scripts: bool,
    /// The server's database.
    pub backend: Backend,
    /// The server's `countersign.toml`.
    pub toml: &'static str,
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self { language: "en-GB", scripts: true, backend: Backend::Sqlite, toml: "" }
    }
}

/// Does something in a browser of its own at a server of its own, and sees to it in the end
/// that no page has had anything to complain of.
pub async fn with_browser(options: BrowserOptions, test: impl AsyncFnOnce(&TestApp, &Browser)) {
    let Some(chromedriver) = Chromedriver::get() else { return };
    let _seat = BROWSER_SLOTS.acquire().await.unwrap();
    // What is mailed is in memory; but the server shows these files to who tries it out.
    let mails = tempfile::tempdir_in(chromedriver.directory()).unwrap().keep();
    let toml = format!("mail_directory = '{}'\n{}", mails.display(), options.toml);
    let app = TestApp::spawn_for_browser(options.backend, &toml);
    let browser = Browser::open(chromedriver, options, &app.url, mails).await;
    test(&app, &browser).await;
    browser.close().await;
}

/// The link in a mail, as it stands there.
pub fn link_in(mail: &SentMail) -> String {
    let link = mail.text.split_whitespace().find(|word| word.contains("?token="));
    link.expect("a mail with a link").to_owned()
}

/// A browser.
pub struct Browser {
    driver: WebDriver,
    base_url: String,
    mails: PathBuf,
    // After its browser.
    _chromedriver: Arc<Chromedriver>,
}

impl Browser {
    async fn open(
        chromedriver: Arc<Chromedriver>,
        options: BrowserOptions,
        home: &str,
        mails: PathBuf,
    ) -> Self {
        let profile = tempfile::tempdir_in(chromedriver.directory()).unwrap().keep();
        let mut wanted = DesiredCapabilities::chrome();
        for switch in [
            "--headless",
            // Its sandbox wants what root and containers have not; it sees our pages alone.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            // Nothing is asked of other hosts.
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-quic",
            "--disable-sync",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--window-size=1280,900",
            "--hide-scrollbars",
            &format!("--lang={}", options.language),
            &format!("--accept-lang={}", options.language),
            &format!("--user-data-dir={}", profile.display()),
        ] {
            wanted.add_arg(switch).unwrap();
        }
        let scripts = if options.scripts { 1 } else { 2 };
        wanted
            .add_experimental_option(
                "prefs",
                json!({
                    "profile.managed_default_content_settings.javascript": scripts,
                    "credentials_enable_service": false,
                    "profile.password_manager_leak_detection": false,
                }),
            )
            .unwrap();
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        let connecting = WebDriver::builder(&chromedriver.url, wanted).request_timeout(2 * WAIT_TIMEOUT);
        let driver = connecting.await.unwrap_or_else(|error| panic!("no browser: {error}"));
        Self { driver, base_url: home.to_owned(), mails, _chromedriver: chromedriver }
    }

    /// Closes it. No page may have been told by its policy what it may not do, nor have had
    /// an error, nor may anything be missing that it loads; a page itself may be refused.
    async fn close(self) {
        let log = self.driver.browser_log().await.unwrap();
        self.driver.quit().await.unwrap();
        let refusal = "Failed to load resource: the server responded with a status of 4";
        let complaints: Vec<_> = log
            .into_iter()
            .filter(|entry| entry.message.contains("/assets/") || !entry.message.contains(refusal))
            .map(|entry| entry.message)
            .collect();
        assert_eq!(complaints, [""; 0]);
    }

    /// What is not done by people.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Where the server looks for mails that it shows.
    pub fn mails(&self) -> &Path {
        &self.mails
    }

    /// Goes to a path of the server, or to a whole URL.
    pub async fn go_to(&self, place: &str) {
        let url = if place.starts_with('/') { format!("{}{place}", self.base_url) } else { place.to_owned() };
        self.driver.goto(url).await.unwrap();
    }

    /// Where it is: the path and the query.
    pub async fn current_path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        url.as_str().strip_prefix(&self.base_url).expect("a page of ours").to_owned()
    }

    async fn find(&self, css: &str) -> WebElement {
        let found =
            self.driver.query(By::Css(css)).wait(WAIT_TIMEOUT, Duration::from_millis(20)).and_displayed();
        match found.first().await {
            Ok(element) => element,
            Err(error) => panic!("{css}: {error}\n{}", self.describe_page().await),
        }
    }

    /// Where it is, and what is there.
    async fn describe_page(&self) -> String {
        format!("{}\n{}", self.current_path().await, self.driver.source().await.unwrap())
    }

    /// Fills a field in, by its name.
    pub async fn fill_in(&self, name: &str, text: &str) {
        let field = self.find(&format!("[name={name}]")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses a button or follows a link, and waits until the page has gone.
    pub async fn click_and_navigate(&self, css: &str) {
        let page = self.find("html").await;
        self.find(css).await.click().await.unwrap();
        let going = page.wait_until().wait(WAIT_TIMEOUT, Duration::from_millis(20)).stale();
        going.await.unwrap_or_else(|error| panic!("{css} leads nowhere: {error}"));
    }

    /// Fills in fields of one form and sends it, whatever the browser thinks of them, by the
    /// button that is among them.
    pub async fn submit_form(&self, fields: &[(&str, &str)]) {
        let page = self.find("html").await;
        let script = "let form, button;
            for (const [name, value] of arguments[0]) {
                const all = [...document.querySelectorAll(`main [name=${name}]:not([type=hidden])`)];
                const choice = all.find((field) => ['checkbox', 'radio', 'submit'].includes(field.type) && field.value === value);
                const field = choice ?? all[0];
                form = field.form;
                if (field.type === 'submit') button = field;
                else if (choice) field.checked = true;
                else field.value = value;
            }
            form.noValidate = true;
            form.requestSubmit(button);";
        self.driver.execute(script, vec![json!(fields)]).await.unwrap();
        let going = page.wait_until().wait(WAIT_TIMEOUT, Duration::from_millis(20)).stale();
        going.await.unwrap_or_else(|error| panic!("{fields:?} leads nowhere: {error}"));
    }

    /// Clicks on something that leads nowhere.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Ticks a box, if it is not ticked.
    pub async fn tick(&self, css: &str) {
        let found = self.find(css).await;
        if !found.is_selected().await.unwrap() {
            found.click().await.unwrap();
        }
    }

    /// What a part of the page says.
    pub async fn text_of(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Waits for the page with this title.
    pub async fn wait_for_title(&self, title: &str) {
        let heading = By::XPath(format!("//h1[normalize-space()='{title}']"));
        let found = self.driver.query(heading).wait(WAIT_TIMEOUT, Duration::from_millis(20));
        if let Err(error) = found.first().await {
            panic!("not at {title:?}: {error}\n{}", self.describe_page().await);
        }
    }

    /// How many of these there are on the page.
    pub async fn count(&self, css: &str) -> usize {
        self.driver.find_all(By::Css(css)).await.unwrap().len()
    }

    /// Fills in the form to sign in by, on the page where it is.
    pub async fn sign_in(&self, user: &TestUser) {
        self.fill_in("email", user.email()).await;
        self.fill_in("password", PASSWORD).await;
        self.click_and_navigate("main button.primary").await;
    }

    /// Presses a key.
    pub async fn type_keys(&self, text: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(text).perform().await.unwrap();
    }

    /// Goes from one thing to the next by the keyboard until it is at this one, which it
    /// finds within so many steps.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..30 {
            self.type_keys(Key::Tab).await;
            let there = format!("return document.activeElement.matches({css:?})");
            if self.driver.execute(there, []).await.unwrap().json() == true {
                return;
            }
        }
        panic!("the keyboard does not come to {css}:\n{}", self.describe_page().await);
    }

    /// Signs in, and waits to be at the first page.
    pub async fn sign_in_at_home(&self, user: &TestUser) {
        self.go_to("/sign-in").await;
        self.sign_in(user).await;
        self.find(".current-user").await;
    }
}
