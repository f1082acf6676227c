//! A browser with the actions and observations of a user.

use std::net::TcpListener;
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
use crate::nginx_process::Nginx;

/// The number of concurrent browsers: each needs about 300 MB and most of a core.
static BROWSER_SLOTS: Semaphore = Semaphore::const_new(2);
/// A name of this machine that is not a loopback name: over plain HTTP, browsers send it no
/// `Sec-Fetch-Site`.
pub const NAME: &str = "name.test";
/// The timeout for expected changes, with a margin for busy machines.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The browser and the server of a test.
#[derive(Clone, Copy)]
pub struct BrowserOptions {
    /// The language that the browser requests.
    pub language: &'static str,
    /// Whether scripts run.
    pub scripts: bool,
    pub backend: Backend,
    /// The server's `countersign.toml`.
    pub toml: &'static str,
    /// The reverse proxy, if the public URL has a path.
    pub proxy: Option<Proxy>,
    /// The server's name in the browser: its address, or [`NAME`].
    pub name: &'static str,
}

/// An nginx that serves the path `/consent/`.
#[derive(Clone, Copy)]
pub enum Proxy {
    /// The server gets the paths that the browser requests.
    KeepsPath,
    /// The server gets paths without `/consent`.
    RemovesPath,
}

impl Proxy {
    async fn start(self, upstream: &str) -> Nginx {
        let slash = match self {
            Self::KeepsPath => "",
            Self::RemovesPath => "/",
        };
        Nginx::start_proxy("/consent/", &format!("proxy_pass {upstream}{slash};")).await
    }
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self {
            language: "en-GB",
            scripts: true,
            backend: Backend::Sqlite,
            toml: "",
            proxy: None,
            name: "127.0.0.1",
        }
    }
}

/// Runs a test with its own browser and server. Finally asserts that no page reported an error.
pub async fn with_browser(options: BrowserOptions, test: impl AsyncFnOnce(&TestApp, &Browser)) {
    let Some(chromedriver) = Chromedriver::get() else { return };
    let _seat = BROWSER_SLOTS.acquire().await.unwrap();
    // The test mailbox is in memory, but the server displays these files on the development pages.
    let mails = tempfile::tempdir_in(chromedriver.directory()).unwrap().keep();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let nginx = match options.proxy {
        Some(proxy) => Some(proxy.start(&address).await),
        None => None,
    };
    let url = nginx.as_ref().map_or(address, |nginx| format!("{}/consent", nginx.url));
    let url = url.replace("127.0.0.1", options.name);
    let toml = format!("public_url = '{url}'\nmail_directory = '{}'\n{}", mails.display(), options.toml);
    let app = TestApp::spawn_on(listener, options.backend, &toml);
    let browser = Browser::open(chromedriver, options, &url, mails).await;
    test(&app, &browser).await;
    browser.close().await;
}

/// The link in a mail.
pub fn link_in(mail: &SentMail) -> String {
    let link = mail.text.split_whitespace().find(|word| word.contains("?token="));
    link.expect("a mail with a link").to_owned()
}

pub struct Browser {
    driver: WebDriver,
    base_url: String,
    mails: PathBuf,
    // Dropped after the browser.
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
            // The sandbox requires privileges that root and containers lack. The browser loads
            // only our pages.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            // No requests to other hosts.
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-quic",
            "--disable-sync",
            "--no-proxy-server",
            &format!("--host-resolver-rules=MAP {NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
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

    /// Closes the browser. Asserts that there were no script errors, no violations of the content
    /// security policy, and no failed loads. A page itself may have an error status.
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

    /// The WebDriver, for actions that a user cannot perform.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// The directory of mails that the server displays.
    pub fn mails(&self) -> &Path {
        &self.mails
    }

    /// The public URL of the server.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Opens a path of the server, or a full URL.
    pub async fn go_to(&self, place: &str) {
        let url = if place.starts_with('/') { format!("{}{place}", self.base_url) } else { place.to_owned() };
        self.driver.goto(url).await.unwrap();
    }

    /// The current URL, of any server.
    pub async fn current_url(&self) -> String {
        self.driver.current_url().await.unwrap().into()
    }

    /// The current path and query.
    pub async fn current_path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        url.as_str().strip_prefix(&self.base_url).expect("a page of the server").to_owned()
    }

    async fn find(&self, css: &str) -> WebElement {
        let found =
            self.driver.query(By::Css(css)).wait(WAIT_TIMEOUT, Duration::from_millis(20)).and_displayed();
        match found.first().await {
            Ok(element) => element,
            Err(error) => panic!("{css}: {error}\n{}", self.describe_page().await),
        }
    }

    /// The current path and the text of the page.
    async fn describe_page(&self) -> String {
        format!("{}\n{}", self.current_path().await, self.driver.source().await.unwrap())
    }

    /// Fills in the field with this name.
    pub async fn fill_in(&self, name: &str, text: &str) {
        let field = self.find(&format!("[name={name}]")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks a button or link and waits until the page is unloaded.
    pub async fn click_and_navigate(&self, css: &str) {
        let page = self.find("html").await;
        self.find(css).await.click().await.unwrap();
        let going = page.wait_until().wait(WAIT_TIMEOUT, Duration::from_millis(20)).stale();
        going.await.unwrap_or_else(|error| panic!("{css} leads nowhere: {error}"));
    }

    /// Fills in fields of a form and submits it with the button in the same form, without the
    /// browser's validation.
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

    /// Clicks an element that does not navigate.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Ticks a checkbox if it is not ticked.
    pub async fn tick(&self, css: &str) {
        let found = self.find(css).await;
        if !found.is_selected().await.unwrap() {
            found.click().await.unwrap();
        }
    }

    /// The text of an element.
    pub async fn text_of(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Waits for a page with this title.
    pub async fn wait_for_title(&self, title: &str) {
        let heading = By::XPath(format!("//h1[normalize-space()='{title}']"));
        let found = self.driver.query(heading).wait(WAIT_TIMEOUT, Duration::from_millis(20));
        if let Err(error) = found.first().await {
            panic!("not at {title:?}: {error}\n{}", self.describe_page().await);
        }
    }

    /// The number of matching elements.
    pub async fn count(&self, css: &str) -> usize {
        self.driver.find_all(By::Css(css)).await.unwrap().len()
    }

    /// Fills in and submits the sign-in form on the current page.
    pub async fn sign_in(&self, user: &TestUser) {
        self.fill_in("email", user.email()).await;
        self.fill_in("password", PASSWORD).await;
        self.click_and_navigate("main button.primary").await;
    }

    pub async fn type_keys(&self, text: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(text).perform().await.unwrap();
    }

    /// Presses the tab key until the element has the focus. Fails after this number of steps.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..30 {
            self.type_keys(Key::Tab).await;
            let there = format!("return document.activeElement.matches({css:?})");
            if self.driver.execute(there, []).await.unwrap().json() == true {
                return;
            }
        }
        panic!("the tab key does not reach {css}:\n{}", self.describe_page().await);
    }

    /// Signs in and waits for the home page.
    pub async fn sign_in_at_home(&self, user: &TestUser) {
        self.go_to("/sign-in").await;
        self.sign_in(user).await;
        self.find(".current-user").await;
    }
}
