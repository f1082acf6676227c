//! The deliveries of a webhook: what was sent, what will be, and why it failed.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::path::{DeliveryParam, IdParam};
use super::query::{ListQuery, ListResponse, PageParams};
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::{WebhookId, event_type};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::Authenticated;
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::webhooks::{self, Replayed};
use crate::store::webhook_deliveries::{
    DeliveryFilter, DeliveryId, DeliveryStatus, ReplayRange, WebhookDelivery,
};

/// An event for a webhook, and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::webhook_delivery)]
struct DeliveryView {
    /// How often it was tried to send the event; a replay starts at 0.
    attempts: i32,
    /// When the event was queued (RFC 3339).
    #[schema(format = DateTime)]
    created_at: String,
    /// How long the last attempt took, in milliseconds.
    duration_ms: Option<i32>,
    /// The type of the event: an audit action, or `webhook.test`.
    event: String,
    /// The id of the event, which the header `webhook-id` has in each attempt.
    event_id: String,
    /// The status code of the receiver in the last attempt; null if it did not respond.
    http_status: Option<i32>,
    id: String,
    /// When the next attempt is due (RFC 3339); null unless the status is `waiting`.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// Why the last attempt failed: `url_refused`, `name_not_found`, `connection_failed`, `certificate_invalid`,
    /// `tls_failed`, `proxy_failed`, `timeout`, `response_invalid`, `redirected`, `error_status`, `body_invalid`,
    /// `secret_unreadable`.
    reason: Option<String>,
    /// `waiting`, `sending`, `delivered`, `failed` (no attempt is left) or `cancelled` (the webhook was disabled, or
    /// the caller can no longer see the event).
    status: &'static str,
}

impl DeliveryView {
    fn new(delivery: WebhookDelivery) -> Self {
        Self {
            attempts: delivery.attempts,
            created_at: delivery.created_at.rfc3339(),
            duration_ms: delivery.duration_ms,
            event: delivery.event_type,
            event_id: delivery.event_id.to_string(),
            http_status: delivery.http_status,
            id: delivery.id.0.to_string(),
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            reason: delivery.reason,
            status: delivery.status.name(),
        }
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![list, replay, replay_since, test]
}

/// Lists the deliveries of a webhook, newest first.
///
/// The list counts and pages through at most 10,000 deliveries. Deliveries are deleted after 30 days.
#[utoipa::path(
    get,
    path = "/api/webhook/{id}/delivery/",
    operation_id = "list_webhook_deliveries",
    params(
        IdParam<i64>,
        PageParams,
        ("status" = Option<String>, Query, nullable = false, description = "`waiting`, `sending`, `delivered`, `failed` or `cancelled`."),
        ("event" = Option<String>, Query, nullable = false, description = "The type of the event: an audit action, or `webhook.test`."),
    ),
    responses(
        (status = 200, description = "One page.", body = ListResponse<DeliveryView>),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 400>,
        Errors<HexoApi, 404>,
    ),
)]
async fn list(
    Authenticated(caller, (IdParam(id), query)): Authenticated<(IdParam<i64>, ListQuery)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let status = |name| DeliveryStatus::from_name(name).ok_or(HexoError::InvalidFilter);
    let event = |name| event_type(name).ok_or(HexoError::InvalidFilter);
    let filter = DeliveryFilter {
        status: query.single_value("status")?.map(status).transpose()?,
        event: query.single_value("event")?.map(event).transpose()?,
    };
    let found =
        state.store.read(webhooks::deliveries(WebhookId(id), caller.id(), filter, query.page())).await?;
    let page = found.ok_or(ApiError::NotFound)?;
    let objects = page.rows.into_iter().map(DeliveryView::new).collect();
    let uri = format!("{}delivery/", prefix.detail_uri(ResourceKind::Webhook, id));
    Ok(query.to_response(&uri, page.total, objects))
}

/// Sends an event again, with the same `webhook-id`.
///
/// The delivery is due at once, and its attempts start again. One that is being sent stays as it is.
#[utoipa::path(
    post,
    path = "/api/webhook/{id}/delivery/{delivery}/replay/",
    operation_id = "replay_webhook_delivery",
    params(DeliveryParam),
    responses(
        (status = 202, description = "The delivery.", body = DeliveryView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 409>,
    ),
)]
async fn replay(
    Authenticated(caller, (DeliveryParam { webhook, delivery }, _)): Authenticated<(DeliveryParam, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    state.meter_write(&caller.user).await?;
    let replayed = webhooks::replay(WebhookId(webhook), Some(caller.id()), DeliveryId(delivery));
    let delivery = state.store.write(replayed).await??;
    state.webhooks.notify();
    Ok(HttpResponse::Accepted().json(DeliveryView::new(delivery)))
}

/// Which deliveries are sent again.
#[derive(ToSchema)]
#[schema(as = hexo::WebhookReplay)]
struct ReplayBody {
    /// Deliveries whose events were queued at this time or later (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// `failed` (the default): those that failed or were cancelled. `all`: also those that were delivered.
    #[schema(value_type = Option<String>)]
    status: ReplayStatus,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ReplayStatus {
    #[default]
    Failed,
    All,
}

/// A text is no [`ReplayStatus`].
#[derive(Debug, thiserror::Error)]
#[error("must be `failed` or `all`")]
struct InvalidReplayStatus;

impl ReplayBody {
    /// Reads the fields.
    fn parse(fields: &JsonFields) -> Result<Self, HexoError> {
        let status = |name: &str| match name {
            "failed" => Ok(ReplayStatus::Failed),
            "all" => Ok(ReplayStatus::All),
            _ => Err(InvalidReplayStatus),
        };
        let since = fields.timestamp(ResourceKind::Webhook, "since")?;
        Ok(Self {
            since: since.ok_or(HexoError::MissingField("since"))?,
            status: fields.text(ResourceKind::Webhook, "status", status)?.unwrap_or_default(),
        })
    }
}

/// What a replay has queued.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::WebhookReplayed)]
struct ReplayedView {
    /// Whether some are left. Repeat the request.
    more: bool,
    /// The number of deliveries that were queued.
    queued: usize,
}

/// Sends the events again that were queued since a time, oldest first, with their `webhook-id`s.
///
/// Each delivery is due at once, and its attempts start again. Those that wait or are being sent stay as they are. One
/// request queues about 10,000; if some are left, `more` is true.
#[utoipa::path(
    post,
    path = "/api/webhook/{id}/replay/",
    operation_id = "replay_webhook_deliveries",
    params(IdParam<i64>),
    request_body = ReplayBody,
    responses(
        (status = 202, description = "The deliveries are queued.", body = ReplayedView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 409>,
    ),
)]
async fn replay_since(
    Authenticated(caller, (IdParam(id), fields)): Authenticated<(IdParam<i64>, JsonFields)>,
    state: Data<AppState>,
) -> HandlerResult {
    let (id, owner) = (WebhookId(id), caller.id());
    state.store.read(webhooks::by_ids(owner, vec![id])).await?.pop().ok_or(ApiError::NotFound)?;
    let body = ReplayBody::parse(&fields)?;
    state.meter_write(&caller.user).await?;
    let range = ReplayRange::new(body.since, body.status == ReplayStatus::All);
    let Replayed { queued, more } = webhooks::replay_range(&state.store, id, owner, range).await??;
    state.webhooks.notify();
    Ok(HttpResponse::Accepted().json(ReplayedView { more, queued }))
}

/// Queues an event of the type `webhook.test` for a webhook, whatever its `events` are.
///
/// If the server has disabled the webhook, there is one attempt, which enables it again if it succeeds. A webhook that
/// its owner has turned off is not tested.
#[utoipa::path(
    post,
    path = "/api/webhook/{id}/test/",
    operation_id = "test_webhook",
    params(IdParam<i64>),
    responses(
        (status = 202, description = "The delivery.", body = DeliveryView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
        Errors<HexoApi, 409>,
    ),
)]
async fn test(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam<i64>, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    state.meter_write(&caller.user).await?;
    let delivery = state.store.write(webhooks::test(WebhookId(id), Some(caller.id()))).await??;
    state.webhooks.notify();
    Ok(HttpResponse::Accepted().json(DeliveryView::new(delivery)))
}
