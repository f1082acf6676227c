//! The operator's probes.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, ServiceConfig};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::Services;
use super::metrics::CONTENT_TYPE;
use super::openapi::refusals::{May, Refusals};
use super::problem::Problem;
use super::routing::{get, resource};
use crate::store::probe::Found;

/// Puts the probes in place.
pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/healthz", "GET, HEAD").route(get().to(health)))
        .service(resource("/readyz", "GET, HEAD").route(get().to(readiness)))
        .service(resource("/metrics", "GET, HEAD").route(get().to(metrics)));
}

#[derive(OpenApi)]
#[openapi(paths(health, readiness, metrics))]
struct Document;

/// What is told of the probes.
pub fn document() -> utoipa::openapi::OpenApi {
    super::openapi::part::<Plain>("Operators", Document::openapi())
}

/// What of the server speaks no dialect: its errors are plain.
pub enum Plain {}

impl Refusals for Plain {
    const DIALECT: &'static str = "plain";
    type Body = Error;
    type Invalid = Error;
}

/// An error.
#[derive(Serialize, ToSchema)]
#[schema(as = plain::Error)]
pub struct Error {
    error: String,
}

/// A problem where no dialect is spoken.
pub fn problem(problem: &Problem) -> HttpResponse {
    HttpResponse::build(problem.status()).json(Error { error: problem.to_string() })
}

/// The process lives.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    security(()),
    responses((status = 200, description = "OK.", body = Health)),
)]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// What has to be in order before requests are sent here, and how mail does.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// `ready` or `unready`
    status: &'static str,
    /// The database answers, takes writes, and has all migrations.
    database: bool,
    /// The registry lives.
    registry: bool,
    /// The mailer lives.
    mailer: bool,
    /// How mail does; null while the database is away.
    mail: Option<MailState>,
}

/// How mail does.
#[derive(Serialize, ToSchema)]
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

/// Whether requests can be served.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    security(()),
    responses(
        (status = 200, description = "Ready.", body = Readiness),
        (status = 503, description = "Not ready.", body = Readiness),
    ),
)]
async fn readiness(services: Data<Services>) -> HttpResponse {
    let found = services.directory.probe().await;
    let (registry, mailer) = (services.registry.is_alive(), services.mailer.is_alive());
    let able = found.is_some() && registry && mailer;
    let (status, mut answer) = match (services.farewell.is_said(), able) {
        (true, _) => ("stopping", HttpResponse::ServiceUnavailable()),
        (false, true) => ("ready", HttpResponse::Ok()),
        (false, false) => ("unready", HttpResponse::ServiceUnavailable()),
    };
    let mail = found.map(MailState::from);
    answer.json(Readiness { status, database: found.is_some(), registry, mailer, mail })
}

/// What has been served, and how things are, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    security(()),
    responses(
        (status = 200, description = "OpenMetrics.", body = String, content_type = CONTENT_TYPE),
        May<Plain, 503>,
    ),
)]
async fn metrics(services: Data<Services>) -> HttpResponse {
    match services.metrics.write(&services).await {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => {
            tracing::error!(%error, "writing metrics failed");
            problem(&Problem::NotDone)
        }
    }
}
