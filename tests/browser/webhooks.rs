//! A webhook from its creation to its end, with a receiver of the test's own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use countersign::domain::timestamp::Timestamp;
use countersign::domain::webhook::{WebhookSecret, signature_header};
use secrecy::SecretSlice;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::browser::{Browser, BrowserOptions, with_browser};
use crate::helpers::TestApp;
use crate::receiver::{Received, read_request};

const TOML: &str = "[webhooks]\nallow = ['127.0.0.0/8']";

/// A receiver that keeps what it has received. Its response can change.
struct Hook {
    address: SocketAddr,
    response: Arc<Mutex<&'static str>>,
    received: Arc<Mutex<Vec<Received>>>,
    task: actix_web::rt::task::JoinHandle<()>,
}

impl Hook {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (response, received) = (Arc::new(Mutex::new("204 OK")), Arc::<Mutex<Vec<Received>>>::default());
        let (status, requests) = (Arc::clone(&response), Arc::clone(&received));
        let task = actix_web::rt::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read_request(&mut stream).await else { continue };
                requests.lock().unwrap().push(request);
                let answer = format!("HTTP/1.1 {}\r\nContent-Length: 0\r\n\r\n", *status.lock().unwrap());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, response, received, task }
    }

    fn respond(&self, status: &'static str) {
        *self.response.lock().unwrap() = status;
    }

    /// Waits for the next delivery of this event, and asserts that these secrets have signed it, in this order.
    async fn next(&self, event: &str, secrets: &[&str]) {
        let next = async {
            loop {
                if let Some(next) = self.received.lock().unwrap().pop() {
                    return next;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let received = tokio::time::timeout(Duration::from_secs(30), next).await.expect(event);
        assert!(received.body.contains(&format!("\"type\":\"{event}\"")), "{}", received.body);
        let secrets: Vec<WebhookSecret> = secrets.iter().map(|secret| parse(secret)).collect();
        let seconds: i64 = received.header("webhook-timestamp").parse().unwrap();
        let at = Timestamp::from_micros(seconds * 1_000_000);
        let id = received.header("webhook-id").parse().unwrap();
        let signature = signature_header(&secrets, id, at, received.body.as_bytes());
        assert_eq!(received.header("webhook-signature"), signature);
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The secret as a page shows it.
fn parse(text: &str) -> WebhookSecret {
    let bytes = BASE64_STANDARD.decode(text.strip_prefix("whsec_").unwrap()).unwrap();
    WebhookSecret::from_bytes(SecretSlice::from(bytes)).unwrap()
}

/// Reloads the page until it contains this element.
async fn reload_until(browser: &Browser, css: &str) {
    let seen = async {
        while browser.count(css).await == 0 {
            let path = browser.current_path().await;
            browser.go_to(path.split('?').next().unwrap()).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap_or_else(|_| panic!("no {css}"));
}

async fn use_webhook(app: &TestApp, browser: &Browser) {
    let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
    let hook = Hook::start().await;
    browser.sign_in_at_home(&ada).await;
    browser.click_and_navigate("header a[href='/webhooks']").await;
    browser.click_and_navigate("main a[href='/webhooks/new']").await;
    browser.fill_in("url", &format!("http://{}/hook", hook.address)).await;
    browser.fill_in("description", "Our receiver").await;
    browser.tick("[name=event][value='request.*']").await;
    browser.click_and_navigate("main button.primary").await;
    browser.wait_for_title("Webhook created").await;
    let secret = browser.text_of("#secret").await;
    browser.click_and_navigate("main > p > a").await;
    assert!(!browser.driver().source().await.unwrap().contains(&secret[10..]), "the secret is shown once");

    // A test, whose result appears on the page.
    browser.click_and_navigate("form[action$='/test'] button").await;
    hook.next("webhook.test", &[&secret]).await;
    reload_until(browser, "td .badge.good").await;

    // The receiver wants no more events, then recovers: a test enables the webhook.
    hook.respond("410 Gone");
    app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
    hook.next("request.created", &[&secret]).await;
    reload_until(browser, "main > .error").await;
    assert!(browser.text_of("main > .error").await.contains("send a test"));
    assert_eq!(browser.count("form[action$='/replay']").await, 0, "nothing is sent to a disabled webhook");
    hook.respond("204 OK");
    browser.click_and_navigate("form[action$='/test'] button").await;
    hook.next("webhook.test", &[&secret]).await;
    reload_until(browser, "dd .badge.good").await;

    // What failed is found with the filter and sent again: all since a day, or one.
    browser.submit_form(&[("status", "failed")]).await;
    assert_eq!(browser.count("tbody tr").await, 1);
    browser.submit_form(&[("since", "2030-01-01")]).await;
    assert!(browser.text_of("[role=status]").await.starts_with("One event"));
    hook.next("request.created", &[&secret]).await;
    browser
        .go_to(&format!("{}?event=request.created", browser.current_path().await.split('?').next().unwrap()))
        .await;
    let path = browser.current_path().await;
    while browser.count("td.row-actions button").await == 0 {
        browser.go_to(&path).await;
    }
    browser.click_and_navigate("td.row-actions button").await;
    hook.next("request.created", &[&secret]).await;

    // A new secret: for a day, both sign.
    browser.click(".confirm:first-of-type summary").await;
    browser.click_and_navigate("form[action$='/secret'] button").await;
    browser.wait_for_title("New secret").await;
    let next = browser.text_of("#secret").await;
    assert!(next != secret && browser.text_of("main .card").await.contains("24 hours"));
    browser.click_and_navigate("main > p > a").await;
    browser.click_and_navigate("form[action$='/test'] button").await;
    hook.next("webhook.test", &[&next, &secret]).await;

    // It is turned off, then deleted.
    browser.click("main > details:has([name=url]) > summary").await;
    browser.click("[name=active]").await;
    browser.click_and_navigate("form:has([name=url]) button.primary").await;
    assert!(browser.text_of("main > .error").await.contains("You turned this webhook off"));
    browser.click(".confirm:last-of-type summary").await;
    browser.click_and_navigate("form[action$='/delete'] button").await;
    assert_eq!(browser.text_of("[role=status]").await, "Webhook deleted. Nothing more is sent to it.");
    assert_eq!(app.count("SELECT count(*) AS n FROM webhooks"), 0);
}

#[actix_web::test]
async fn a_webhook_is_used_until_it_is_deleted() {
    with_browser(BrowserOptions { toml: TOML, ..BrowserOptions::default() }, use_webhook).await;
}

#[actix_web::test]
async fn a_webhook_is_used_without_scripts() {
    with_browser(BrowserOptions { toml: TOML, scripts: false, ..BrowserOptions::default() }, use_webhook)
        .await;
}
