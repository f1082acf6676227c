//! A client that asks a user for consent and waits for the answer.
//!
//! ```sh
//! export COUNTERSIGN_URL=http://127.0.0.1:8080 API_KEY=<API key of ada@example.org>
//! cargo run --example consent_client ada@example.org grace@example.org 1
//! ```

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::{Value, json};

/// A user's account on a countersign server.
pub struct ConsentClient {
    url: String,
    /// An API key of the requester.
    api_key: String,
    client: Client,
}

impl ConsentClient {
    /// A client that acts for the user with this API key.
    pub fn new(url: &str, api_key: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, api_key: api_key.to_owned(), client: Client::new() }
    }

    /// Asks `target` for the rights of a bundle. Returns the URL of the request.
    ///
    /// With the same `key`, a call that is repeated after a lost response creates no second request
    /// and sends no second mail.
    pub async fn ask(
        &self,
        requester: &str,
        target: &str,
        bundle: i64,
        key: &str,
    ) -> Result<Url, Box<dyn Error>> {
        let body = json!({ "user_allowed": requester, "user_target": target, "bundle": bundle });
        let url = format!("{}/api/bundle_permission_request/", self.url);
        let request =
            self.client.post(url).bearer_auth(&self.api_key).header("Idempotency-Key", key).json(&body);
        let response = request.send().await?.error_for_status()?;
        let asked = response.url().clone();
        let created: Value = response.json().await?;
        // A path that starts at the root of the host, even if the URL of the server has a path.
        Ok(asked.join(created.get("resource_uri").and_then(Value::as_str).unwrap_or_default())?)
    }

    /// Waits until the request is closed, and returns it. Its `status` is `approved`, `declined`,
    /// `withdrawn`, `expired` or `replaced`; `decision` has the rights that the target granted.
    pub async fn wait(&self, request: &Url) -> Result<Value, reqwest::Error> {
        loop {
            let response = self.client.get(request.clone()).bearer_auth(&self.api_key).send().await?;
            let seen: Value = response.error_for_status()?.json().await?;
            if seen.get("status").and_then(Value::as_str) != Some("pending") {
                return Ok(seen);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("COUNTERSIGN_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let client = ConsentClient::new(&url, &std::env::var("API_KEY")?);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [requester, target, bundle] = arguments.as_slice() else {
        return Err("usage: consent_client REQUESTER TARGET BUNDLE".into());
    };
    let bundle = bundle.parse()?;
    let request = client.ask(requester, target, bundle, &format!("consent-{target}-{bundle}")).await?;
    println!("{target} has got a mail with a link. Waiting for the answer.");
    let closed = client.wait(&request).await?;
    println!("{}", closed.get("status").and_then(Value::as_str).unwrap_or_default());
    if let Some(decision) = closed.get("decision") {
        println!("{decision:#}");
    }
    Ok(())
}
