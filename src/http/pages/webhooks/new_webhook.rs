//! `/webhooks/new`: the form that creates a webhook.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use minijinja::context;
use secrecy::ExposeSecret;
use utoipa::ToSchema;

use super::edit_form::{KEPT, WebhookInput};
use super::row;
use crate::domain::webhook::EventScope;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{FieldError, Form, FormFields};
use crate::http::pages::responses::{FormErrors, SignedInPage};
use crate::http::pages::url::see_other;
use crate::http::state::AppState;
use crate::services::webhooks;
use crate::store::webhooks::NewWebhook;
use crate::webhook::AddressPolicy;

/// The fields of the form, for the OpenAPI document.
#[derive(ToSchema)]
#[schema(as = page::NewWebhook)]
#[expect(dead_code, reason = "only described")]
struct NewWebhookForm {
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
    /// Identifies the form, so that sending it twice creates one webhook.
    #[schema(nullable = false)]
    form_id: Option<String>,
}

/// Shows the form that creates a webhook.
#[utoipa::path(
    get,
    path = "/webhooks/new",
    operation_id = "new_webhook_page",
    security(()),
    params(
        ("url" = Option<String>, Query, nullable = false, description = "The URL of the receiver."),
        ("event" = Option<Vec<String>>, Query, nullable = false, description = "The events to send."),
        ("description" = Option<String>, Query, nullable = false, description = "A note about the receiver."),
        ("scope" = Option<String>, Query, nullable = false, description = "Whose events are sent."),
    ),
    responses(SignedInPage),
)]
pub(super) async fn show_form(ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_user()?;
    let fields = FormFields::of_link(&ctx, KEPT);
    let input = fields.as_ref().map(WebhookInput::from_fields).unwrap_or_default();
    Ok(render_form(&ctx, &input, None))
}

/// Creates a webhook, and shows its secret once.
#[utoipa::path(
    post,
    path = "/webhooks/new",
    operation_id = "create_webhook_form",
    security(()),
    request_body(content = NewWebhookForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The webhook with its secret, which is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        FormErrors,
    ),
)]
pub(super) async fn create(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let me = form.require_user_or_keep("/webhooks/new", KEPT)?.user.id;
    let ctx = &form.ctx;
    let input = WebhookInput::from_fields(&form.fields);
    let create = async {
        let fields =
            match input.parse(ctx, &AddressPolicy::new(&state.config.webhooks), EventScope::default()) {
                Ok(fields) => fields,
                Err(field_error) => return Ok(Err(field_error)),
            };
        let new = NewWebhook {
            owner: me,
            url: fields.url,
            events: fields.events,
            scope: fields.scope,
            description: fields.description,
            active: true,
        };
        let added = state.store.write(webhooks::add(new, state.keyring.clone(), ctx.audit.clone())).await?;
        Ok(added.map_err(|_| FieldError::new("url", "webhook-error-too-many")))
    };
    match form.create_once(&state, me, create).await? {
        Some(Ok((webhook, secret))) => {
            let secret = secret.text();
            let context = context! { webhook => row(&webhook, None), secret => secret.expose_secret() };
            Ok(ctx.render_ok("webhook-created", context))
        }
        Some(Err(field_error)) => Ok(render_form(ctx, &input, Some(field_error))),
        None => Ok(see_other("/webhooks?flash=webhook-created-before")),
    }
}

fn render_form(ctx: &PageContext, input: &WebhookInput, field_error: Option<FieldError>) -> HttpResponse {
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    let context = context! {
        input => input.to_context(ctx),
        field_error => FieldError::to_context(field_error, ctx.language),
    };
    ctx.render(status, "webhook-form", context)
}
