//! A service that shows the data of a user to another user, if countersign has a consent for it
//! (OpenID AuthZEN).
//!
//! ```sh
//! COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_KEY=csk_… cargo run --example policy_enforcement
//! curl -H 'X-User: ada@example.org' http://127.0.0.1:8091/sleep/grace@example.org
//! ```

use std::error::Error;

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::Client;
use serde_json::{Value, json};

/// The bundle that this service's data is about.
const BUNDLE: &str = "Sleep";

/// Asks countersign for decisions.
pub struct DecisionPoint {
    url: String,
    /// An API key with the scope `check`.
    key: String,
    client: Client,
}

impl DecisionPoint {
    /// A client of the countersign server with this URL.
    pub fn new(url: &str, key: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, key: key.to_owned(), client: Client::new() }
    }

    /// Whether a user may read the data of another one. An error is not a decision.
    async fn may_read(&self, user: &str, target: &str) -> Result<bool, reqwest::Error> {
        let question = json!({
            "subject": { "type": "user", "id": user },
            "action": { "name": "read" },
            "resource": { "type": "user", "id": target, "properties": { "bundle": BUNDLE } },
        });
        let ask = self.client.post(format!("{}/access/v1/evaluation", self.url)).bearer_auth(&self.key);
        let answer: Value = ask.json(&question).send().await?.error_for_status()?.json().await?;
        Ok(answer.get("decision").and_then(Value::as_bool) == Some(true))
    }
}

async fn read_sleep(
    request: HttpRequest,
    target: Path<String>,
    decision_point: Data<DecisionPoint>,
) -> HttpResponse {
    // A real service authenticates its user.
    let Some(user) = request.headers().get("x-user").and_then(|user| user.to_str().ok()) else {
        return HttpResponse::Unauthorized().finish();
    };
    match decision_point.may_read(user, &target).await {
        Ok(true) => HttpResponse::Ok().body(format!("The sleep of {target}.\n")),
        Ok(false) => HttpResponse::Forbidden().finish(),
        // If countersign does not answer, nothing is shown.
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// The routes of the service.
pub fn routes(app: &mut ServiceConfig) {
    app.route("/sleep/{target}", web::get().to(read_sleep));
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("COUNTERSIGN_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let decision_point = Data::new(DecisionPoint::new(&url, &std::env::var("COUNTERSIGN_KEY")?));
    let server = HttpServer::new(move || App::new().app_data(decision_point.clone()).configure(routes));
    Ok(server.bind("127.0.0.1:8091")?.run().await?)
}
