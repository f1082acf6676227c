//! `/webhooks`: the signed-in user's webhooks. Those of others do not exist for a user, nor for staff.

mod deliveries;
mod detail;
mod edit_form;
mod new_webhook;

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::{Value, context};

use super::context::PageContext;
use super::error::PageError;
use super::pager::Pager;
use super::responses::SignedInPage;
use super::url::parse_number;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::domain::webhook::{EventScope, Webhook, WebhookId};
use crate::http::error::ApiError;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::webhooks;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut own = endpoints![show, new_webhook::show_form, new_webhook::create];
    own.extend(detail::endpoints());
    own.extend(deliveries::endpoints());
    own
}

/// Lists the signed-in user's webhooks.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "webhooks_page",
    security(()),
    params(
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(SignedInPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let pager = Pager::new(&ctx, "offset");
    let listed = state.store.read(webhooks::of_user(me, pager.page())).await?;
    let ids = listed.rows.iter().map(|webhook| webhook.id).collect();
    let delivered = state.store.read(webhooks::last_delivered(ids)).await?;
    let row = |webhook: &Webhook| row(webhook, delivered.get(&webhook.id).copied());
    let context = context! {
        flash => ctx.flash("flash", &["webhook-deleted", "webhook-created-before"]),
        webhooks => listed.rows.iter().map(row).collect::<Vec<Value>>(),
        pagination => pager.links(listed.total),
    };
    Ok(ctx.render_ok("webhooks", context))
}

/// A webhook as templates show it.
fn row(webhook: &Webhook, last_delivered: Option<Timestamp>) -> Value {
    context! {
        id => webhook.id.0,
        url => webhook.url.as_str(),
        description => webhook.description.as_str(),
        events => webhook.events.entries().collect::<Vec<_>>(),
        all => webhook.scope == EventScope::All,
        created => webhook.created_at.micros(),
        failures => webhook.failures,
        failing_since => webhook.failing_since.map(Timestamp::micros),
        disabled => webhook.disabled.map(|(at, _)| at.micros()),
        reason => webhook.disabled.map(|(_, reason)| reason.name()),
        last_delivered => last_delivered.map(Timestamp::micros),
    }
}

/// The URL of a webhook's page.
fn webhook_url(id: WebhookId) -> String {
    format!("/webhooks/{id}")
}

/// The page of the webhook with this number in a path, to which the visitor returns after signing in.
fn page_of(segment: &str) -> String {
    webhook_id(segment).map_or_else(|_| "/webhooks".to_owned(), webhook_url)
}

/// The number in a path.
fn webhook_id(segment: &str) -> Result<WebhookId, ApiError> {
    parse_number(segment).map(WebhookId)
}

/// A webhook of this user.
async fn find(state: &AppState, id: WebhookId, owner: UserId) -> Result<Webhook, PageError> {
    let mut found = state.store.read(webhooks::by_ids(owner, vec![id])).await?;
    Ok(found.pop().ok_or(ApiError::NotFound)?)
}
