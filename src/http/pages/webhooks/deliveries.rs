//! The deliveries on the page of a webhook, and sending them again.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::detail::{kept_fields, render};
use super::edit_form::WebhookInput;
use super::{find, page_of, webhook_id, webhook_url};
use crate::domain::audit::AuditAction;
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::{TEST_EVENT, Webhook, event_type};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::audit_log::action_label;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{CsrfForm, FieldError, Form};
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::{FormErrors, HtmlErrors};
use crate::http::pages::url::see_other;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::services::webhooks::{self, QueueError, Replayed};
use crate::store::webhook_deliveries::{
    DeliveryFilter, DeliveryId, DeliveryStatus, ReplayRange, WebhookDelivery,
};

/// What the page can say about a replay.
pub(super) const REPLAYED_FLASHES: [&str; 3] = ["replayed", "replayed-all", "replayed-some"];

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![replay_since, replay]
}

/// Which deliveries of a webhook are shown.
pub(super) struct DeliverySearch<'a> {
    webhook: &'a Webhook,
    filter: DeliveryFilter,
    /// The URL of the page, which is not that of a form.
    page_url: String,
}

impl<'a> DeliverySearch<'a> {
    /// The deliveries that the visitor asks for. An unknown status or event selects all.
    pub(super) fn new(ctx: &PageContext, webhook: &'a Webhook) -> Self {
        let url = webhook_url(webhook.id);
        let is_page = ctx.current_url.split('?').next() == Some(url.as_str()) && kept_fields(ctx).is_none();
        let param = |name| ctx.query_param(name).filter(|_| is_page);
        let filter = DeliveryFilter {
            status: param("status").and_then(|name| DeliveryStatus::from_name(&name)),
            event: param("event").and_then(|name| event_type(&name)),
        };
        Self { webhook, filter, page_url: if is_page { ctx.current_url.clone() } else { url } }
    }

    /// The deliveries for the template.
    pub(super) async fn load(&self, state: &AppState, ctx: &PageContext) -> Result<Value, PageError> {
        let pager = Pager::from_url(&self.page_url, "offset");
        let Webhook { id, owner, .. } = *self.webhook;
        let listed = state.store.read(webhooks::deliveries(id, owner, self.filter, pager.page()));
        let listed = listed.await?.ok_or(ApiError::NotFound)?;
        let rows: Vec<Value> = listed.rows.iter().map(|delivery| row(delivery, ctx.language)).collect();
        let events = [TEST_EVENT].into_iter().chain(
            AuditAction::ALL
                .iter()
                .filter(|action| self.webhook.events.matches(**action))
                .map(|action| action.name()),
        );
        let event = |name: &str| {
            let selected = self.filter.event == Some(name);
            context! { name, selected, label => event_label(ctx.language, name) }
        };
        let status = |status: &DeliveryStatus| {
            context! { name => status.name(), selected => self.filter.status == Some(*status) }
        };
        Ok(context! {
            rows,
            pagination => pager.links(listed.total),
            events => events.map(event).collect::<Vec<_>>(),
            statuses => DeliveryStatus::ALL.iter().map(status).collect::<Vec<_>>(),
            is_filtered => self.filter.status.is_some() || self.filter.event.is_some(),
        })
    }
}

/// The name of a type of events in a language.
fn event_label(language: Language, name: &str) -> String {
    if name == TEST_EVENT { language.t("webhook-event-test") } else { action_label(language, name) }
}

fn row(delivery: &WebhookDelivery, language: Language) -> Value {
    let reason = delivery.reason.as_ref().map(|reason| {
        let key = format!("webhook-reason-{}", reason.replace('_', "-"));
        if language.contains(&key) { language.t(&key) } else { reason.clone() }
    });
    context! {
        id => delivery.id.0.to_string(),
        event_id => delivery.event_id.to_string(),
        label => event_label(language, &delivery.event_type),
        created => delivery.created_at.micros(),
        status => delivery.status.name(),
        // Those that wait or are being sent are not queued again.
        has_ended => !matches!(delivery.status, DeliveryStatus::Waiting | DeliveryStatus::Sending),
        attempts => delivery.attempts,
        next => delivery.next_attempt_at.map(Timestamp::micros),
        http_status => delivery.http_status,
        duration => delivery.duration_ms,
        reason,
    }
}

/// Sends an event again, with the same id.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/deliveries/{delivery}/replay",
    operation_id = "replay_webhook_delivery_form",
    security(()),
    params(
        ("id" = String, Path, description = "The webhook's number."),
        ("delivery" = String, Path, description = "The delivery's id."),
    ),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Queued. Redirects to the webhook, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn replay(
    state: Data<AppState>,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let (webhook, delivery) = path.into_inner();
    let me = form.require_user(&page_of(&webhook))?.user.id;
    let id = webhook_id(&webhook)?;
    let delivery = DeliveryId(Uuid::try_parse(&delivery).map_err(|_| ApiError::NotFound)?);
    let flash = match state.store.write(webhooks::replay(id, Some(me), delivery)).await? {
        Ok(_) => "replayed",
        Err(QueueError::Disabled) => "is-off",
        Err(QueueError::NotFound) => return Err(ApiError::NotFound.into()),
    };
    state.webhooks.notify();
    Ok(see_other(&format!("{}?flash={flash}", webhook_url(id))))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = page::ReplayDeliveries)]
struct ReplayForm {
    #[serde(rename = "csrf")]
    _csrf: String,
    /// The first day, in UTC, for example `2030-01-31`.
    #[schema(format = Date)]
    since: String,
    /// `yes`: also those that were delivered.
    #[schema(nullable = false)]
    delivered: Option<String>,
}

/// Sends the events again that were queued since a day and were not delivered.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/replay",
    operation_id = "replay_webhook_deliveries_form",
    security(()),
    params(("id" = String, Path, description = "The webhook's number.")),
    request_body(content = ReplayForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Queued. Redirects to the webhook, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn replay_since(
    state: Data<AppState>,
    segment: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = form.require_user_or_keep(&page_of(&segment), &["since"])?.user.id;
    let webhook = find(&state, webhook_id(&segment)?, me).await?;
    let ReplayForm { since, delivered, .. } = form.fields.to()?;
    let Some(since) = Timestamp::from_rfc3339(&format!("{}T00:00:00Z", since.trim())) else {
        let input = WebhookInput::of_webhook(&webhook);
        let field_error = FieldError::new("since", "webhook-error-since");
        return render(&state, &form.ctx, &webhook, &input, Some(field_error)).await;
    };
    let range = ReplayRange::new(since, delivered.as_deref() == Some("yes"));
    let (flash, count) = match webhooks::replay_range(&state.store, webhook.id, me, range).await? {
        Ok(Replayed { queued, more: false }) => ("replayed-all", queued),
        Ok(Replayed { queued, more: true }) => ("replayed-some", queued),
        Err(QueueError::Disabled) => ("is-off", 0),
        Err(QueueError::NotFound) => return Err(ApiError::NotFound.into()),
    };
    state.webhooks.notify();
    Ok(see_other(&format!("{}?flash={flash}&count={count}", webhook_url(webhook.id))))
}
