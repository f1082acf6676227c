//! The operator's endpoints: liveness, readiness and metrics.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::extract::client_ip;
use super::metrics::CONTENT_TYPE;
use super::openapi::error_responses::Errors;
use super::plain_error::PlainApi;
use super::routing::{Endpoints, endpoints};
use super::state::AppState;
use crate::actors::delivery_stats::{DeliveryStats, LastRefusal};
use crate::config::ProxyNet;
use crate::store::readiness::ReadinessReport;

/// The paths of the endpoints.
pub const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Health checks and metrics.
pub fn endpoints() -> Endpoints {
    Endpoints::new::<PlainApi>("Operations", endpoints![health, readiness, metrics])
}

/// The process is alive.
#[derive(Serialize, ToSchema)]
struct HealthResponse {
    /// `ok`
    status: &'static str,
}

/// Liveness: the process responds.
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

/// The state of the components that a request needs, and of mail delivery.
#[derive(Serialize, ToSchema)]
struct ReadinessResponse {
    /// `ready`, `unready`, or `stopping` while the server drains.
    status: &'static str,
    /// The database responds, accepts writes, and has all migrations.
    database: bool,
    /// The registry is running.
    registry: bool,
    /// The mailer is running.
    mailer: bool,
    /// The state of mail delivery; null while the database is unavailable.
    mail: Option<MailHealth>,
    /// Seconds by which the mails about decisions, the events of webhooks and the audit stream are behind the audit
    /// log. It does not affect readiness; null while the database is unavailable.
    audit_lag_seconds: Option<i64>,
}

/// The state of mail delivery. It does not affect readiness.
#[derive(Serialize, ToSchema)]
struct MailHealth {
    /// The age of the oldest unsent mail in seconds; 0 if there is none. It grows while the mail
    /// server is unavailable.
    oldest_unsent_seconds: i64,
    /// Mails whose recipient's address does not exist, and those that were given up.
    failed: i64,
    /// The last refusal of this server by the mail server; null after a sent mail, and if there was none.
    refusal: Option<MailRefusal>,
}

/// A refusal by the mail server that is not about a recipient: the operator has to correct something. The log has the
/// text of the reply.
#[derive(Serialize, ToSchema)]
struct MailRefusal {
    /// The rejected command, such as `RCPT TO`; `session` for what precedes the mail.
    command: &'static str,
    /// The reply's code.
    code: u16,
    /// Seconds since then.
    age_seconds: u64,
}

impl MailHealth {
    fn new(report: ReadinessReport, stats: &DeliveryStats) -> Self {
        let refusal = stats.last_refusal().map(|LastRefusal { command, code, at }| MailRefusal {
            command,
            code,
            age_seconds: at.elapsed().as_secs(),
        });
        Self { oldest_unsent_seconds: report.oldest_unsent_seconds, failed: report.failed_mails, refusal }
    }
}

/// Readiness: the server can handle requests.
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
    let report = state.store.check_readiness().await;
    let (registry, mailer) = (state.registry.is_alive(), state.mailer.is_alive());
    let is_ready = report.is_some() && registry && mailer;
    let (status, mut response) = match (state.shutdown.is_draining(), is_ready) {
        (true, _) => ("stopping", HttpResponse::ServiceUnavailable()),
        (false, true) => ("ready", HttpResponse::Ok()),
        (false, false) => ("unready", HttpResponse::ServiceUnavailable()),
    };
    let database = report.is_some();
    response.json(ReadinessResponse {
        status,
        database,
        registry,
        mailer,
        audit_lag_seconds: report.and_then(|report| report.audit_lag_seconds.into_iter().flatten().max()),
        mail: report.map(|report| MailHealth::new(report, state.mailer.stats())),
    })
}

/// Whether a client is listed, or is on this machine and not a proxy there.
fn can_read_metrics(request: &HttpRequest, allowed: &[ProxyNet]) -> bool {
    let Some(client) = client_ip::of_request(request) else { return false };
    let is_forwarded = client_ip::is_forwarded(request);
    allowed.iter().any(|net| net.contains(client)) || (client.is_loopback() && !is_forwarded)
}

/// Metrics for Prometheus.
///
/// Available only on the same machine, and to the addresses in `metrics.allow`.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "get_metrics",
    security(()),
    responses(
        (status = 200, description = "OpenMetrics.", body = String, content_type = CONTENT_TYPE),
        Errors<PlainApi, 404>,
        Errors<PlainApi, 503>,
    ),
)]
async fn metrics(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    if !can_read_metrics(&request, &state.config.metrics_allow) {
        return ApiError::NotFound.to_response(&request);
    }
    match state.metrics.render(&state).await {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => {
            tracing::error!(%error, "rendering metrics failed");
            ApiError::Unavailable.to_response(&request)
        }
    }
}
