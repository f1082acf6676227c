//! The steps of the demo. Each is a request that is also printed as a `curl` command.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Method, Request};

use super::{DemoError, DemoUser, HUB_ID, newest_mail};

const MAIL_TIMEOUT: Duration = Duration::from_secs(10);
const MAIL_STEP: &str = "The mail to Grace";

/// A request and the status of its expected response.
struct DemoStep<'a> {
    title: &'static str,
    method: Method,
    path: &'a str,
    user: Option<&'a DemoUser>,
    headers: &'a [(&'static str, &'a str)],
    body: Option<Value>,
    expected: u16,
}

/// Runs the steps of both loops. Fails at the first step with an unexpected response.
pub fn run(url: &str, outbox: &Path, ada: &DemoUser, grace: &DemoUser, bundle: i64) -> Result<(), DemoError> {
    let agent = agent();
    let step = |step: DemoStep<'_>| step.run(&agent, url);

    heading("1. An export token: create, use, list, revoke");
    let created = step(DemoStep {
        title: "Ada creates a token: anyone who has it can read one folder of her hub for two hours",
        method: Method::POST,
        path: "/-/svc/mfs_api.create_token",
        user: Some(ada),
        headers: &[],
        body: Some(json!({ "hub_id": HUB_ID, "nid": "photos", "expiry_hours": 2, "permission": 2 })),
        expected: 200,
    })?;
    let token = string_at(&created, "/data/token")?;
    let read_query = "/authz?hub_id=observatory&nid=2030.jpg&nid=photos&right=read";
    let bearer = [("X-Param-Mfs-Token", token)];
    let authz = |title, path, expected| DemoStep {
        title,
        method: Method::GET,
        path,
        user: None,
        headers: &bearer,
        body: None,
        expected,
    };
    step(authz(
        "A file server asks: does the token allow reading a picture in that folder?",
        read_query,
        204,
    ))?;
    let write_query = "/authz?hub_id=observatory&nid=2030.jpg&nid=photos&right=write";
    step(authz("A file server asks: does it allow writing to it?", write_query, 403))?;
    step(DemoStep {
        title: "Ada lists her tokens; the secret is not shown again",
        method: Method::GET,
        path: "/-/svc/mfs_api.list",
        user: Some(ada),
        headers: &[],
        body: None,
        expected: 200,
    })?;
    step(DemoStep {
        title: "Ada revokes the token",
        method: Method::POST,
        path: "/-/svc/mfs_api.revoke",
        user: Some(ada),
        headers: &[],
        body: Some(json!({ "token": string_at(&created, "/data/id")? })),
        expected: 200,
    })?;
    step(authz("The token no longer works", read_query, 401))?;

    heading("2. A consent request: create, mail, view, approve once");
    let create_request = |title, expected| DemoStep {
        title,
        method: Method::POST,
        path: "/api/bundle_permission_request/",
        user: Some(ada),
        headers: &[],
        body: Some(request_body(ada, grace, bundle)),
        expected,
    };
    step(create_request("Ada asks Grace for permission to see her “Sleep” data", 201))?;
    let token = link_token(&show_mail(outbox, 1)?)?;
    let path = format!("/api/bundle_permission_request/{token}/");
    let on_token = |title, method, by, expected| DemoStep {
        title,
        method,
        path: &path,
        user: Some(by),
        headers: &[],
        body: None,
        expected,
    };
    step(on_token("Grace views the request; this changes nothing", Method::GET, grace, 200))?;
    step(on_token("Only Grace can use the token: Ada gets 404", Method::PUT, ada, 404))?;
    step(on_token("Grace approves the request", Method::PUT, grace, 200))?;
    step(on_token("The token works only once", Method::PUT, grace, 404))?;
    step(DemoStep {
        title: "Ada now has a permission",
        method: Method::GET,
        path: "/api/bundle_permission/",
        user: Some(ada),
        headers: &[],
        body: None,
        expected: 200,
    })?;
    Ok(())
}

/// Prints that the demo uses another port than usual.
pub fn print_port(usual: u16, port: u16) {
    println!("Port {usual} is in use, so the demo listens on port {port}. Choose another one with --bind.");
}

/// Creates another request and prints how to approve it in a browser.
pub fn print_next_steps(
    url: &str,
    outbox: &Path,
    mailbox: &str,
    ada: &DemoUser,
    grace: &DemoUser,
    bundle: i64,
) -> Result<(), DemoError> {
    heading("Try it yourself");
    let create_request = DemoStep {
        title: "Another request, for you to approve or decline",
        method: Method::POST,
        path: "/api/bundle_permission_request/",
        user: Some(ada),
        headers: &[],
        body: Some(request_body(ada, grace, bundle)),
        expected: 201,
    };
    create_request.run(&agent(), url)?;
    let token = link_token(&std::fs::read_to_string(wait_for_mail(outbox, 2)?)?)?;
    println!("\nOpen this link in a browser and sign in as Grace:\n\n  {url}/redeem?token={token}\n");
    for user in [ada, grace] {
        println!("  {:<20} password: {}", user.email, user.password);
    }
    println!("\nTo read all mails, open {mailbox} or the files in {}.", outbox.display());
    println!("Press Ctrl-C to stop the server and delete its data.");
    Ok(())
}

/// The body of Ada's request to Grace.
fn request_body(ada: &DemoUser, grace: &DemoUser, bundle: i64) -> Value {
    json!({
        "user_allowed": format!("/api/user/{}/", ada.id),
        "user_target": grace.email,
        "bundle": format!("/api/bundle/{bundle}/"),
    })
}

fn agent() -> Agent {
    Agent::new_with_config(Agent::config_builder().http_status_as_error(false).proxy(None).build())
}

impl DemoStep<'_> {
    /// Prints the step, sends the request and prints the response.
    fn run(self, agent: &Agent, url: &str) -> Result<Value, DemoError> {
        println!("\n# {}\n$ {}", self.title, self.curl(url));
        let failed = |reason: String| DemoError::Step { step: self.title, reason };
        let mut request = Request::builder().method(self.method.clone()).uri(format!("{url}{}", self.path));
        if let Some(user) = self.user {
            let pair = STANDARD.encode(format!("{}:{}", user.email, user.password));
            request = request.header("Authorization", format!("Basic {pair}"));
        }
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let body = match &self.body {
            Some(body) => {
                request = request.header("Content-Type", "application/json");
                body.to_string()
            }
            None => String::new(),
        };
        let request = request.body(body).map_err(|error| failed(error.to_string()))?;
        let mut response = agent.run(request).map_err(|error| failed(error.to_string()))?;
        println!("HTTP {}", response.status());
        let text = response.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if !body.is_null() {
            println!("{body:#}");
        }
        if response.status().as_u16() != self.expected {
            return Err(failed(format!("expected status {}, got {}", self.expected, response.status())));
        }
        Ok(body)
    }

    /// The request as a `curl` command.
    fn curl(&self, url: &str) -> String {
        let mut words = vec!["curl -i".to_owned()];
        if self.method != Method::GET && !(self.method == Method::POST && self.body.is_some()) {
            words.push(format!("-X {}", self.method));
        }
        if let Some(user) = self.user {
            words.push(format!("-u '{}:{}'", user.email, user.password));
        }
        for (name, value) in self.headers {
            words.push(format!("-H '{name}: {value}'"));
        }
        if let Some(body) = &self.body {
            words.push(format!("--json '{body}'"));
        }
        words.push(format!("'{url}{}'", self.path));
        words.join(" ")
    }
}

/// Waits for a mail and prints its headers and plain text.
fn show_mail(outbox: &Path, min_count: usize) -> Result<String, DemoError> {
    println!("\n# {MAIL_STEP}");
    let path = wait_for_mail(outbox, min_count)?;
    println!("$ cat {}", path.display());
    let text = std::fs::read_to_string(&path)?;
    // The HTML part has the same text.
    let html = text.find("Content-Type: text/html").unwrap_or(text.len());
    println!("{}…", text.get(..html).unwrap_or(&text).replace('\r', ""));
    Ok(text)
}

/// Waits until the outbox has `min_count` mails and returns the newest.
fn wait_for_mail(outbox: &Path, min_count: usize) -> Result<PathBuf, DemoError> {
    let started = Instant::now();
    loop {
        if let Some(path) = newest_mail(outbox, min_count) {
            return Ok(path);
        }
        if started.elapsed() > MAIL_TIMEOUT {
            return Err(DemoError::Step {
                step: MAIL_STEP,
                reason: "no mail arrived within 10 seconds".to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The token in the link of a mail.
fn link_token(mail: &str) -> Result<String, DemoError> {
    let token = mail.split_once("?token=").map(|(_, rest)| {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
    });
    token.ok_or(DemoError::Step { step: "The link in the mail", reason: "the mail has no link".to_owned() })
}

fn string_at<'a>(body: &'a Value, pointer: &str) -> Result<&'a str, DemoError> {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .ok_or(DemoError::Step { step: "Reading a response", reason: format!("{pointer} is missing") })
}

fn heading(title: &str) {
    println!("\n{title}\n{}", "=".repeat(title.chars().count()));
}
