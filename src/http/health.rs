//! The operator's probes.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, ServiceConfig};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::error::ApiError;
use super::metrics::CONTENT_TYPE;
use super::openapi::error_responses::{ErrorSchemas, Errors};
use super::routing::{get, resource};
use super::state::AppState;
use crate::store::readiness::ReadinessReport;

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
    super::openapi::section::<PlainApi>("Operations", Document::openapi())
}

/// What of the server speaks no dialect: its errors are plain.
pub enum PlainApi {}

impl ErrorSchemas for PlainApi {
    const API_NAME: &'static str = "plain";
    type Body = PlainErrorBody;
    type BadRequestBody = PlainErrorBody;
}

/// An error.
#[derive(Serialize, ToSchema)]
#[schema(as = plain::Error)]
pub struct PlainErrorBody {
    error: String,
}

/// A problem where no dialect is spoken.
pub fn render_error(error: &ApiError) -> HttpResponse {
    HttpResponse::build(error.status()).json(PlainErrorBody { error: error.to_string() })
}

/// The process lives.
#[derive(Serialize, ToSchema)]
struct HealthResponse {
    /// `ok`
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "get_health",
    security(()),
    responses((status = 200, description = "OK.", body = HealthResponse)),
)]
async fn health() -> Json<HealthResponse> {
    Json(HealthResponse { status: "ok" })
}

/// What has to be in order before requests are sent here, and how mail does.
#[derive(Serialize, ToSchema)]
struct ReadinessResponse {
    /// `ready` or `unready`
    status: &'static str,
    /// The database answers, takes writes, and has all migrations.
    database: bool,
    /// The registry lives.
    registry: bool,
    /// The mailer lives.
    mailer: bool,
    /// How mail does; null while the database is away.
    mail: Option<MailHealth>,
}

/// How mail does.
#[derive(Serialize, ToSchema)]
struct MailHealth {
    /// For how many seconds the oldest mail has been owed; 0 when none is. A mail
    /// server that is away makes this grow, and makes no replica unready.
    oldest_unsent_seconds: i64,
    /// Mails that the mail server refused for good.
    failed: i64,
}

impl From<ReadinessReport> for MailHealth {
    fn from(found: ReadinessReport) -> Self {
        Self { oldest_unsent_seconds: found.oldest_unsent_seconds, failed: found.failed_mails }
    }
}

/// Whether requests can be served.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "get_readiness",
    security(()),
    responses(
        (status = 200, description = "Ready.", body = ReadinessResponse),
        (status = 503, description = "Not ready.", body = ReadinessResponse),
    ),
)]
async fn readiness(state: Data<AppState>) -> HttpResponse {
    let found = state.store.check_readiness().await;
    let (registry, mailer) = (state.registry.is_alive(), state.mailer.is_alive());
    let able = found.is_some() && registry && mailer;
    let (status, mut response) = match (state.shutdown.is_draining(), able) {
        (true, _) => ("stopping", HttpResponse::ServiceUnavailable()),
        (false, true) => ("ready", HttpResponse::Ok()),
        (false, false) => ("unready", HttpResponse::ServiceUnavailable()),
    };
    let mail = found.map(MailHealth::from);
    response.json(ReadinessResponse { status, database: found.is_some(), registry, mailer, mail })
}

/// What has been served, and how things are, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "get_metrics",
    security(()),
    responses(
        (status = 200, description = "OpenMetrics.", body = String, content_type = CONTENT_TYPE),
        Errors<PlainApi, 503>,
    ),
)]
async fn metrics(state: Data<AppState>) -> HttpResponse {
    match state.metrics.render(&state).await {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => {
            tracing::error!(%error, "writing metrics failed");
            render_error(&ApiError::Unavailable)
        }
    }
}
