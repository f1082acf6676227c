//! The demo's steps, each a request that is also printed as a `curl`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Method, Request};

use super::{DemoError, HUB, Person, mail};

/// How long to wait for a mail.
const MAIL: Duration = Duration::from_secs(10);
const MAIL_STEP: &str = "The mail to Grace";

/// One request, and what is to come of it.
struct Step<'a> {
    title: &'static str,
    method: Method,
    path: &'a str,
    by: Option<&'a Person>,
    headers: &'a [(&'static str, &'a str)],
    body: Option<Value>,
    expected: u16,
}

/// Walks both loops. Fails at the first step that does not go as it should.
pub fn walk(url: &str, outbox: &Path, ada: &Person, grace: &Person, bundle: i64) -> Result<(), DemoError> {
    let agent = agent();
    let step = |step: Step<'_>| step.take(&agent, url);

    heading("1. An export token: create, use, list, revoke");
    let made = step(Step {
        title: "Ada creates a token: anyone who has it can read one folder of her hub for two hours",
        method: Method::POST,
        path: "/-/svc/mfs_api.create_token",
        by: Some(ada),
        headers: &[],
        body: Some(json!({ "hub_id": HUB, "nid": "photos", "expiry_hours": 2, "permission": 2 })),
        expected: 200,
    })?;
    let token = text(&made, "/data/token")?;
    let question = "/authz?hub_id=observatory&nid=2030.jpg&nid=photos&right=read";
    let bearer = [("X-Param-Mfs-Token", token)];
    let asked = |title, path, expected| Step {
        title,
        method: Method::GET,
        path,
        by: None,
        headers: &bearer,
        body: None,
        expected,
    };
    step(asked("A file server asks: does the token allow reading a picture in that folder?", question, 204))?;
    let more = "/authz?hub_id=observatory&nid=2030.jpg&nid=photos&right=write";
    step(asked("A file server asks: does it allow writing to it?", more, 403))?;
    step(Step {
        title: "Ada lists her tokens; the secret is not shown again",
        method: Method::GET,
        path: "/-/svc/mfs_api.list",
        by: Some(ada),
        headers: &[],
        body: None,
        expected: 200,
    })?;
    step(Step {
        title: "Ada revokes the token",
        method: Method::POST,
        path: "/-/svc/mfs_api.revoke",
        by: Some(ada),
        headers: &[],
        body: Some(json!({ "token": text(&made, "/data/id")? })),
        expected: 200,
    })?;
    step(asked("The token no longer works", question, 401))?;

    heading("2. A consent request: create, mail, view, approve once");
    let ask = |title, expected| Step {
        title,
        method: Method::POST,
        path: "/api/bundle_permission_request/",
        by: Some(ada),
        headers: &[],
        body: Some(terms(ada, grace, bundle)),
        expected,
    };
    step(ask("Ada asks Grace for permission to see her “Sleep” data", 201))?;
    let token = link_token(&show_mail(outbox, 1)?)?;
    let path = format!("/api/bundle_permission_request/{token}/");
    let on_token = |title, method, by, expected| Step {
        title,
        method,
        path: &path,
        by: Some(by),
        headers: &[],
        body: None,
        expected,
    };
    step(on_token("Grace views the request; this changes nothing", Method::GET, grace, 200))?;
    step(on_token("Only Grace can use the token: Ada gets 404", Method::PUT, ada, 404))?;
    step(on_token("Grace approves the request", Method::PUT, grace, 200))?;
    step(on_token("The token works only once", Method::PUT, grace, 404))?;
    step(Step {
        title: "Ada now has a permission",
        method: Method::GET,
        path: "/api/bundle_permission/",
        by: Some(ada),
        headers: &[],
        body: None,
        expected: 200,
    })?;
    Ok(())
}

/// What to do with a demo that stays up, and a request to do it with.
pub fn farewell(
    url: &str,
    outbox: &Path,
    ada: &Person,
    grace: &Person,
    bundle: i64,
) -> Result<(), DemoError> {
    heading("Try it yourself");
    let ask = Step {
        title: "Another request, for you to approve or decline",
        method: Method::POST,
        path: "/api/bundle_permission_request/",
        by: Some(ada),
        headers: &[],
        body: Some(terms(ada, grace, bundle)),
        expected: 201,
    };
    ask.take(&agent(), url)?;
    let token = link_token(&std::fs::read_to_string(wait_for_mail(outbox, 2)?)?)?;
    println!("\nOpen this link in a browser and sign in as Grace:\n\n  {url}/redeem?token={token}\n");
    for person in [ada, grace] {
        println!("  {:<20} password: {}", person.email, person.password);
    }
    println!("\nTo read all mails, open {url}/mailbox or the files in {}.", outbox.display());
    println!("Press Ctrl-C to stop the server and delete its data.");
    Ok(())
}

/// That Ada asks Grace for a bundle.
fn terms(ada: &Person, grace: &Person, bundle: i64) -> Value {
    json!({
        "user_allowed": format!("/api/user/{}/", ada.id),
        "user_target": grace.email,
        "bundle": format!("/api/bundle/{bundle}/"),
    })
}

fn agent() -> Agent {
    Agent::new_with_config(Agent::config_builder().http_status_as_error(false).proxy(None).build())
}

impl Step<'_> {
    /// Prints the step, takes it, and prints the answer.
    fn take(self, agent: &Agent, url: &str) -> Result<Value, DemoError> {
        println!("\n# {}\n$ {}", self.title, self.curl(url));
        let wrong = |reason: String| DemoError::Step { step: self.title, reason };
        let mut request = Request::builder().method(self.method.clone()).uri(format!("{url}{}", self.path));
        if let Some(person) = self.by {
            let pair = STANDARD.encode(format!("{}:{}", person.email, person.password));
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
        let request = request.body(body).map_err(|error| wrong(error.to_string()))?;
        let mut answer = agent.run(request).map_err(|error| wrong(error.to_string()))?;
        println!("HTTP {}", answer.status());
        let text = answer.body_mut().read_to_string().map_err(|error| wrong(error.to_string()))?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if !body.is_null() {
            println!("{body:#}");
        }
        if answer.status().as_u16() != self.expected {
            return Err(wrong(format!("expected status {}, got {}", self.expected, answer.status())));
        }
        Ok(body)
    }

    /// The same request as a command line.
    fn curl(&self, url: &str) -> String {
        let mut words = vec!["curl -i".to_owned()];
        if self.method != Method::GET && !(self.method == Method::POST && self.body.is_some()) {
            words.push(format!("-X {}", self.method));
        }
        if let Some(person) = self.by {
            words.push(format!("-u '{}:{}'", person.email, person.password));
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

/// Waits for a mail and prints it, as far as people read it.
fn show_mail(outbox: &Path, wanted: usize) -> Result<String, DemoError> {
    println!("\n# {MAIL_STEP}");
    let path = wait_for_mail(outbox, wanted)?;
    println!("$ cat {}", path.display());
    let text = std::fs::read_to_string(&path)?;
    // Headers and the plain text; the HTML part says the same.
    let html = text.find("Content-Type: text/html").unwrap_or(text.len());
    println!("{}…", text.get(..html).unwrap_or(&text).replace('\r', ""));
    Ok(text)
}

/// The newest mail, once there are as many.
fn wait_for_mail(outbox: &Path, wanted: usize) -> Result<PathBuf, DemoError> {
    let started = Instant::now();
    loop {
        if let Some(path) = mail(outbox, wanted) {
            return Ok(path);
        }
        if started.elapsed() > MAIL {
            return Err(DemoError::Step {
                step: MAIL_STEP,
                reason: "no mail arrived within 10 seconds".to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The token in a mail's link.
fn link_token(mail: &str) -> Result<String, DemoError> {
    let token = mail.split_once("?token=").map(|(_, rest)| {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
    });
    token.ok_or(DemoError::Step { step: "The link in the mail", reason: "the mail has no link".to_owned() })
}

fn text<'a>(answer: &'a Value, pointer: &str) -> Result<&'a str, DemoError> {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .ok_or(DemoError::Step { step: "Reading a response", reason: format!("{pointer} is missing") })
}

fn heading(words: &str) {
    println!("\n{words}\n{}", "=".repeat(words.chars().count()));
}
