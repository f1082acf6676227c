//! The operator's probes.

use actix_web::web::{Data, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde::Serialize;
use serde_json::json;

use super::Services;
use super::routing::{get, resource};
use crate::store::outbox;

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
    /// The database answers and has all migrations.
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

/// `GET /readyz`: 200 when requests can be served, else 503.
async fn readiness(services: Data<Services>) -> HttpResponse {
    let database = services.directory.is_ready().await;
    let mail = if database {
        let state = services.directory.read(|conn| {
            let (now, oldest) = (conn.now()?, outbox::oldest_unsent(conn)?);
            let oldest_unsent_seconds = oldest.map_or(0, |since| since.seconds_until(now));
            Ok(MailState { oldest_unsent_seconds, dead: outbox::dead(conn)? })
        });
        state.await.ok()
    } else {
        None
    };
    let (registry, mailer) = (services.registry.is_alive(), services.mailer.is_alive());
    let stays = !services.farewell.is_said();
    if stays && database && registry && mailer {
        HttpResponse::Ok().json(Readiness { status: "ready", database, registry, mailer, mail })
    } else {
        HttpResponse::ServiceUnavailable().json(Readiness {
            status: if stays { "unready" } else { "stopping" },
            database,
            registry,
            mailer,
            mail,
        })
    }
}
