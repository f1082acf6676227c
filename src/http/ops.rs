//! The operator's probes.

use actix_web::web::{Data, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde::Serialize;
use serde_json::json;

use super::Services;
use super::routing::{get, resource};
use crate::store::probe::Found;

/// Puts the probes in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/healthz", "GET, HEAD").route(get().to(health)))
        .service(resource("/readyz", "GET, HEAD").route(get().to(readiness)));
}

/// `GET /healthz`: the process answers.
async fn health() -> impl Responder {
    Json(json!({ "status": "ok" }))
}

/// What has to be in order before requests are sent here, and how mail does.
#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    /// The database answers, takes writes, and has all migrations.
    database: bool,
    /// The registry lives.
    registry: bool,
    /// The mailer lives.
    mailer: bool,
    mail: Option<MailState>,
}

#[derive(Serialize)]
struct MailState {
    /// For how many seconds the oldest mail has been owed; 0 when none is. A mail
    /// server that is away makes this grow, and makes no replica unready.
    oldest_unsent_seconds: i64,
    /// Mails that the mail server refused for good.
    dead: i64,
}

impl From<Found> for MailState {
    fn from(found: Found) -> Self {
        Self { oldest_unsent_seconds: found.oldest_unsent_seconds, dead: found.dead_mails }
    }
}

/// `GET /readyz`: 200 when requests can be served, else 503.
async fn readiness(services: Data<Services>) -> HttpResponse {
    let found = services.directory.probe().await;
    let (registry, mailer) = (services.registry.is_alive(), services.mailer.is_alive());
    let ready = found.is_some() && registry && mailer;
    let (status, mut answer) = match ready {
        true => ("ready", HttpResponse::Ok()),
        false => ("unready", HttpResponse::ServiceUnavailable()),
    };
    let mail = found.map(MailState::from);
    answer.json(Readiness { status, database: found.is_some(), registry, mailer, mail })
}
