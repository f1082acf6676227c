//! An application that asks its user for consent, sends them to countersign, gets them back and reads
//! the decision.
//!
//! The server must list the origin of the application: `requests.return_origins`.
//!
//! ```sh
//! export COUNTERSIGN_URL=http://127.0.0.1:8080 API_KEY=<API key of ada@example.org>
//! cargo run --example consent_application ada@example.org 1
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Server;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, error, get, post};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// The browser's own value: a link with the state of another browser is refused.
const STATE_COOKIE: &str = "state";

/// The application.
pub struct Application {
    /// The URL of the countersign server.
    countersign: String,
    /// An API key of the requester.
    api_key: String,
    /// The email of the requester, for whom the application asks.
    requester: String,
    /// The bundle that it asks for.
    bundle: i64,
    /// Where users come back.
    return_url: String,
    /// The URLs of the requests, by their states.
    requests: Mutex<HashMap<String, Url>>,
}

#[derive(Deserialize)]
struct AskForm {
    /// The user's email.
    email: String,
}

#[derive(Deserialize)]
struct ReturnQuery {
    state: String,
}

#[get("/")]
async fn home() -> HttpResponse {
    page(
        "<form method='post' action='/ask'><label>Your email <input name='email' type='email'></label> \
         <button>Share my data</button></form>",
    )
}

/// Creates a request, and sends the user to its page. They also get a mail with a link.
#[post("/ask")]
async fn ask(application: Data<Application>, form: Form<AskForm>) -> actix_web::Result<HttpResponse> {
    let state = Uuid::new_v4().to_string();
    let asked = application.ask(&form.email, &state).await.map_err(error::ErrorBadGateway)?;
    let number = asked.get("id").and_then(Value::as_i64).unwrap_or_default();
    let page = format!("{}/requests/{number}", application.countersign);
    let cookie = Cookie::build(STATE_COOKIE, state).path("/").http_only(true).same_site(SameSite::Lax);
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, page)).cookie(cookie.finish()).finish())
}

/// Reads the decision. The address bar is no proof of it: anybody can type `status=approved`.
#[get("/back")]
async fn back(
    application: Data<Application>,
    request: HttpRequest,
    query: Query<ReturnQuery>,
) -> actix_web::Result<HttpResponse> {
    if request.cookie(STATE_COOKIE).is_none_or(|cookie| cookie.value() != query.state) {
        return Err(error::ErrorBadRequest("This is not the browser that started the request."));
    }
    let asked = application.read(&query.state).await.map_err(error::ErrorBadGateway)?;
    let text = |pointer: &str| asked.pointer(pointer).and_then(Value::as_str).unwrap_or("never").to_owned();
    let rights = asked.pointer("/decision/rights").and_then(Value::as_array).cloned().unwrap_or_default();
    let rights: Vec<&str> = rights.iter().filter_map(Value::as_str).collect();
    Ok(match text("/status").as_str() {
        "approved" => page(&format!(
            "<p id='decision'>You share: {}. Ends: {}.</p>",
            rights.join(", "),
            text("/decision/expires_at")
        )),
        status => page(&format!("<p id='decision'>You share nothing: the request is {status}.</p>")),
    })
}

fn page(content: &str) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(format!(
        "<!DOCTYPE html><html lang='en'><title>Sleep study</title><h1>Sleep study</h1>{content}</html>"
    ))
}

impl Application {
    /// An application at `origin`, for the requester with this API key.
    pub fn new(countersign: &str, api_key: &str, requester: &str, bundle: i64, origin: &str) -> Self {
        Self {
            countersign: countersign.trim_end_matches('/').to_owned(),
            api_key: api_key.to_owned(),
            requester: requester.to_owned(),
            bundle,
            return_url: format!("{origin}/back"),
            requests: Mutex::default(),
        }
    }

    async fn ask(&self, target: &str, state: &str) -> Result<Value, reqwest::Error> {
        let body = json!({
            "user_allowed": self.requester, "user_target": target, "bundle": self.bundle,
            "purpose": "We compare how people sleep.", "minimum": ["read"], "permission_ttl": 90 * 86_400,
            "return_url": self.return_url, "state": state,
        });
        let url = format!("{}/api/bundle_permission_request/", self.countersign);
        let sent = Client::new().post(url).bearer_auth(&self.api_key).json(&body).send().await?;
        let response = sent.error_for_status()?;
        let base = response.url().clone();
        let asked: Value = response.json().await?;
        let uri = asked.get("resource_uri").and_then(Value::as_str).unwrap_or_default();
        if let Ok(url) = base.join(uri) {
            self.requests.lock().unwrap_or_else(PoisonError::into_inner).insert(state.to_owned(), url);
        }
        Ok(asked)
    }

    async fn read(&self, state: &str) -> Result<Value, Box<dyn Error>> {
        let url = self.requests.lock().unwrap_or_else(PoisonError::into_inner).get(state).cloned();
        let url = url.ok_or("this request was not made here")?;
        let response = Client::new().get(url).bearer_auth(&self.api_key).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }

    /// Serves the application.
    pub fn serve(self, listener: TcpListener) -> std::io::Result<Server> {
        let application = Data::new(self);
        let server = HttpServer::new(move || {
            App::new().app_data(application.clone()).service(home).service(ask).service(back)
        });
        Ok(server.workers(1).disable_signals().listen(listener)?.run())
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("COUNTERSIGN_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [requester, bundle] = arguments.as_slice() else {
        return Err("usage: consent_application REQUESTER BUNDLE".into());
    };
    let (api_key, origin) = (std::env::var("API_KEY")?, "http://127.0.0.1:9000");
    let application = Application::new(&url, &api_key, requester, bundle.parse()?, origin);
    println!("The application listens on {origin}.");
    Ok(application.serve(TcpListener::bind("127.0.0.1:9000")?)?.await?)
}
