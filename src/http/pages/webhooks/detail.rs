//! `/webhooks/<number>`: one webhook, and what its owner can do with it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use minijinja::context;
use secrecy::ExposeSecret;
use utoipa::ToSchema;

use super::deliveries::{DeliverySearch, REPLAYED_FLASHES};
use super::edit_form::{KEPT, WebhookInput};
use super::{find, page_of, row, webhook_id, webhook_url};
use crate::domain::webhook::Webhook;
use crate::entropy;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{CsrfForm, FieldError, Form, FormFields};
use crate::http::pages::responses::{FormErrors, HtmlErrors, SignedInPage};
use crate::http::pages::url::see_other;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::webhooks::{self, QueueError};
use crate::store::webhooks::WebhookChange;
use crate::webhook::AddressPolicy;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, change, test, rotate_secret, delete]
}

/// Shows a webhook of the signed-in user, and its deliveries.
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    operation_id = "webhook_page",
    security(()),
    params(
        ("id" = String, Path, description = "The webhook's number."),
        ("status" = Option<String>, Query, nullable = false, description = "Only deliveries with this status."),
        ("event" = Option<String>, Query, nullable = false, description = "Only deliveries of this type of event."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of deliveries to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(SignedInPage, Errors<HtmlErrors, 404>),
)]
async fn show(
    state: Data<AppState>,
    segment: Path<String>,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let webhook = find(&state, webhook_id(&segment)?, me).await?;
    let filled_in = kept_fields(&ctx).as_ref().map(WebhookInput::from_fields);
    let input = filled_in.unwrap_or_else(|| WebhookInput::of_webhook(&webhook));
    render(&state, &ctx, &webhook, &input, None).await
}

/// The fields of the form that changes the webhook, if they were kept during sign-in. The query has the filter of the
/// deliveries otherwise.
pub(super) fn kept_fields(ctx: &PageContext) -> Option<FormFields> {
    FormFields::of_link(ctx, &["url"])
}

/// The page of a webhook. `input` is in the form that changes it, which is open if a field has an error.
pub(super) async fn render(
    state: &AppState,
    ctx: &PageContext,
    webhook: &Webhook,
    input: &WebhookInput,
    field_error: Option<FieldError>,
) -> Result<HttpResponse, PageError> {
    let ids = vec![webhook.id];
    let delivered = state.store.read(webhooks::last_delivered(ids)).await?.get(&webhook.id).copied();
    let search = DeliverySearch::new(ctx, webhook);
    let deliveries = search.load(state, ctx).await?;
    let flashes = ["changed", "tested", "rotated-before", "is-off"];
    let context = context! {
        webhook => row(webhook, delivered),
        flash => ctx.flash("flash-webhook", &[flashes.as_slice(), &REPLAYED_FLASHES].concat()),
        count => ctx.query_param("count").and_then(|count| count.parse::<u32>().ok()).unwrap_or_default(),
        input => input.to_context(ctx),
        is_filled_in => kept_fields(ctx).is_some(),
        since => ctx.query_param("since").unwrap_or_default(),
        deliveries,
        field_error => FieldError::to_context(field_error, ctx.language),
        test_form_id => entropy::uuid().to_string(),
    };
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    Ok(ctx.render(status, "webhook", context))
}

/// The fields of the form, for the OpenAPI document.
#[derive(ToSchema)]
#[schema(as = page::Webhook)]
#[expect(dead_code, reason = "only described")]
struct WebhookForm {
    csrf: String,
    /// `https` on port 443 of a public address, unless the operator allows other networks.
    #[schema(max_length = 2048)]
    url: String,
    /// Audit actions, or prefixes such as `request.*`, one field each.
    event: Vec<String>,
    #[schema(nullable = false, max_length = 1000)]
    description: Option<String>,
    /// `own` (the default) or `all`, which only staff can use.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// `yes`: events are sent.
    #[schema(nullable = false)]
    active: Option<String>,
    /// `yes`: the webhook was active when the form was shown.
    #[schema(nullable = false)]
    was_active: Option<String>,
}

/// Changes a webhook of the signed-in user.
///
/// It is turned on or off only if the box was changed: the server may have disabled it since the form was shown.
#[utoipa::path(
    post,
    path = "/webhooks/{id}",
    operation_id = "change_webhook_form",
    security(()),
    params(("id" = String, Path, description = "The webhook's number.")),
    request_body(content = WebhookForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Changed. Redirects to the webhook, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn change(state: Data<AppState>, segment: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user_or_keep(&page_of(&segment), KEPT)?.user.id;
    let ctx = &form.ctx;
    let webhook = find(&state, webhook_id(&segment)?, me).await?;
    let input = WebhookInput::from_fields(&form.fields);
    let policy = AddressPolicy::new(&state.config.webhooks);
    let fields = match input.parse(ctx, &policy, webhook.scope) {
        Ok(fields) => fields,
        Err(field_error) => return render(&state, ctx, &webhook, &input, Some(field_error)).await,
    };
    let was_active = form.fields.optional("was_active") == Some("yes");
    let change = WebhookChange {
        url: Some(fields.url),
        events: Some(fields.events),
        scope: Some(fields.scope),
        description: Some(fields.description),
        active: (input.active != was_active).then_some(input.active),
    };
    let changed = state.store.write(webhooks::update(webhook.id, me, change, ctx.audit.clone())).await?;
    changed.ok_or(ApiError::NotFound)?;
    Ok(see_other(&format!("{}?flash=changed", webhook_url(webhook.id))))
}

/// Queues an event to test a webhook. A test that is delivered enables a webhook that the server has disabled.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    operation_id = "test_webhook_form",
    security(()),
    params(("id" = String, Path, description = "The webhook's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Queued. Redirects to the webhook, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn test(state: Data<AppState>, segment: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user(&page_of(&segment))?.user.id;
    let id = webhook_id(&segment)?;
    let test = async { Ok(state.store.write(webhooks::test(id, Some(me))).await?) };
    let flash = match form.create_once(&state, me, test).await? {
        Some(Err(QueueError::NotFound)) => return Err(ApiError::NotFound.into()),
        Some(Err(QueueError::Disabled)) => "is-off",
        Some(Ok(_)) | None => "tested",
    };
    state.webhooks.notify();
    Ok(see_other(&format!("{}?flash={flash}", webhook_url(id))))
}

/// Replaces the secret of a webhook, and shows the new one once.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/secret",
    operation_id = "rotate_webhook_secret_form",
    security(()),
    params(("id" = String, Path, description = "The webhook's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The new secret. It is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn rotate_secret(
    state: Data<AppState>,
    segment: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let me = form.require_user(&page_of(&segment))?.user.id;
    let webhook = find(&state, webhook_id(&segment)?, me).await?;
    let audit = form.ctx.audit.clone();
    let rotated = webhooks::rotate_secret(webhook.id, me, state.keyring.clone(), audit);
    let rotate = async { Ok(state.store.write(rotated).await?.ok_or(ApiError::NotFound)) };
    match form.create_once(&state, me, rotate).await? {
        Some(Ok(secret)) => {
            let secret = secret.text();
            let context = context! { webhook => row(&webhook, None), secret => secret.expose_secret() };
            Ok(form.ctx.render_ok("webhook-secret", context))
        }
        Some(Err(error)) => Err(error.into()),
        None => Ok(see_other(&format!("{}?flash=rotated-before", webhook_url(webhook.id)))),
    }
}

/// Deletes a webhook of the signed-in user. What waits for it is dropped.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/delete",
    operation_id = "delete_webhook_form",
    security(()),
    params(("id" = String, Path, description = "The webhook's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Deleted. Redirects to the list, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn delete(state: Data<AppState>, segment: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user(&page_of(&segment))?.user.id;
    let deleted = webhooks::delete(webhook_id(&segment)?, Some(me), form.ctx.audit);
    if !state.store.write(deleted).await? {
        return Err(ApiError::NotFound.into());
    }
    Ok(see_other("/webhooks?flash=webhook-deleted"))
}
