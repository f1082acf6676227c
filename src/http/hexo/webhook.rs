//! `webhook`: the URLs to which the caller has events sent. Only their owner can see and change them.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind, deleted};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::new_webhook::{NewWebhookBody, WebhookUpdateBody, check_scope, reject_changes};
use super::path::IdParam;
use super::query::ListQuery;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::FieldSchema;
use super::view::ViewContext;
use super::webhook_delivery;
use crate::domain::webhook::{Webhook, WebhookId};
use crate::http::error::ApiError;
use crate::http::extract::authenticated::{Authenticated, Caller};
use crate::http::extract::body::Body;
use crate::http::openapi::error_responses::{AuthErrors, BodyErrors, Errors};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::webhooks;
use crate::store::webhooks::{NewWebhook, WebhookChange};
use crate::webhook::AddressPolicy;

const KIND: ResourceKind = ResourceKind::Webhook;

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::webhook)]
struct WebhookView<'a> {
    /// Whether events are sent.
    active: bool,
    /// When it was created (RFC 3339).
    #[schema(format = DateTime)]
    created_at: String,
    description: &'a str,
    /// Why no events are sent: `owner` (turned off), `gone` (the receiver responded 410) or `failing`; null if
    /// `active`.
    disabled_reason: Option<&'static str>,
    /// Audit actions, or prefixes such as `request.*`.
    events: Vec<String>,
    /// Failed attempts since the last success.
    failures: i32,
    id: i64,
    resource_uri: String,
    /// `own`: the events of the caller's audit log. `all`: the events of all users, while the caller is staff.
    scope: &'static str,
    /// The secret that signs the deliveries. Only in the response to POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    url: &'a str,
}

impl<'a> WebhookView<'a> {
    fn new(webhook: &'a Webhook, prefix: ApiPrefix) -> Self {
        Self {
            active: webhook.is_active(),
            created_at: webhook.created_at.rfc3339(),
            description: webhook.description.as_str(),
            disabled_reason: webhook.disabled.map(|(_, reason)| reason.name()),
            events: webhook.events.entries().collect(),
            failures: webhook.failures,
            id: webhook.id.0,
            resource_uri: prefix.detail_uri(KIND, webhook.id),
            scope: webhook.scope.name(),
            secret: None,
            url: webhook.url.as_str(),
        }
    }
}

struct Webhooks;

impl Resource for Webhooks {
    const KIND: ResourceKind = KIND;
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::boolean("active").optional(),
        FieldSchema::datetime("created_at").readonly(),
        FieldSchema::text("description").optional(),
        FieldSchema::text("disabled_reason").nullable().readonly(),
        FieldSchema::list("events"),
        FieldSchema::integer("failures").readonly(),
        FieldSchema::integer("id").readonly(),
        FieldSchema::uri(),
        FieldSchema::text("scope").optional(),
        FieldSchema::text("url"),
    ];
    const LIST: OperationDoc =
        OperationDoc::new("list_webhooks", "Lists the caller's webhooks, oldest first.");
    const SCHEMA_ID: &'static str = "get_webhook_schema";

    type Id = i64;
    type Rows = Vec<Webhook>;
    type View<'a> = WebhookView<'a>;

    async fn list(
        caller: &Caller,
        query: &ListQuery,
        state: &AppState,
    ) -> Result<(i64, Self::Rows), HexoError> {
        let listed = state.store.read(webhooks::of_user(caller.id(), query.page())).await?;
        Ok((listed.total, listed.rows))
    }

    fn views<'a>(
        webhooks: &'a Self::Rows,
        ViewContext { prefix, .. }: ViewContext<'a>,
    ) -> impl Iterator<Item = (i64, WebhookView<'a>)> {
        webhooks.iter().map(move |webhook| (webhook.id.0, WebhookView::new(webhook, prefix)))
    }
}

impl ById for Webhooks {
    const SET: OperationDoc = OperationDoc::new("get_webhooks", "Returns several webhooks.");
    const DETAIL: Option<OperationDoc> =
        Some(OperationDoc::new("get_webhook", "Returns a webhook of the caller."));

    async fn by_ids(caller: &Caller, ids: Vec<i64>, state: &AppState) -> Result<Self::Rows, HexoError> {
        let ids = ids.into_iter().map(WebhookId).collect();
        Ok(state.store.read(webhooks::by_ids(caller.id(), ids)).await?)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut own = endpoints![create, patch, delete, rotate_secret];
    own.extend(webhook_delivery::endpoints());
    resource::endpoints::<Webhooks>(own)
}

/// A new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::WebhookSecret)]
struct SecretView<'a> {
    /// `whsec_` and base64.
    secret: &'a str,
}

/// Creates a webhook.
///
/// The response has the `secret` that signs the deliveries; it is not shown again. A user can have 20 webhooks.
#[utoipa::path(
    post,
    path = "/api/webhook/",
    operation_id = "create_webhook",
    request_body = NewWebhookBody,
    responses(
        (status = 201, description = "The webhook, with its secret.", body = WebhookView,
            headers(("Location" = String, description = "The URI of the webhook."))),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 409>,
    ),
)]
async fn create(
    Authenticated(caller, fields): Authenticated<JsonFields>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let body = NewWebhookBody::parse(&fields, &AddressPolicy::new(&state.config.webhooks))?;
    let scope = body.scope.unwrap_or_default();
    check_scope(scope, &caller)?;
    state.meter_write(&caller.user).await?;
    let new = NewWebhook {
        owner: caller.id(),
        url: body.url,
        events: body.events,
        scope,
        description: body.description.unwrap_or_default(),
        active: body.active.unwrap_or(true),
    };
    let keyring = state.keyring.clone();
    let (webhook, secret) = state.store.write(webhooks::add(new, keyring, caller.audit_context)).await??;
    let secret: SecretString = secret.text();
    let view = WebhookView { secret: Some(secret.expose_secret()), ..WebhookView::new(&webhook, prefix) };
    Ok(HttpResponse::Created().insert_header((LOCATION, view.resource_uri.clone())).json(view))
}

/// Changes a webhook.
///
/// `"active": true` also enables a webhook that the server has disabled, and forgets its failures. A different value
/// for a field that cannot be changed is an error (400).
#[utoipa::path(
    patch,
    path = "/api/webhook/{id}/",
    operation_id = "patch_webhook",
    params(IdParam<i64>),
    request_body = WebhookUpdateBody,
    responses(
        (status = 202, description = "The webhook.", body = WebhookView),
        AuthErrors<HexoApi>,
        BodyErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn patch(
    Authenticated(caller, (IdParam(id), fields)): Authenticated<(IdParam<i64>, JsonFields)>,
    prefix: ApiPrefix,
    state: Data<AppState>,
) -> HandlerResult {
    let (id, owner) = (WebhookId(id), caller.id());
    let current = state.store.read(webhooks::by_ids(owner, vec![id])).await?.pop();
    let current = current.ok_or(ApiError::NotFound)?;
    reject_changes(&fields, &current)?;
    let body = WebhookUpdateBody::parse(&fields, &AddressPolicy::new(&state.config.webhooks))?;
    if let Some(scope) = body.scope.filter(|scope| *scope != current.scope) {
        check_scope(scope, &caller)?;
    }
    state.meter_write(&caller.user).await?;
    let change = WebhookChange {
        url: body.url,
        events: body.events,
        scope: body.scope,
        description: body.description,
        active: body.active,
    };
    let changed = state.store.write(webhooks::update(id, owner, change, caller.audit_context)).await?;
    let webhook = changed.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Accepted().json(WebhookView::new(&webhook, prefix)))
}

/// Deletes a webhook. Deliveries that have not been made are dropped.
#[utoipa::path(
    delete,
    path = "/api/webhook/{id}/",
    operation_id = "delete_webhook",
    params(IdParam<i64>),
    responses(
        (status = 204, description = "Deleted."),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn delete(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam<i64>, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    state.meter_write(&caller.user).await?;
    let owner = Some(caller.id());
    deleted(state.store.write(webhooks::delete(WebhookId(id), owner, caller.audit_context)).await?)
}

/// Replaces the secret of a webhook.
///
/// The response has the new secret; it is not shown again. For 24 hours, deliveries have two signatures: by the new
/// secret and by the one before.
#[utoipa::path(
    post,
    path = "/api/webhook/{id}/secret/",
    operation_id = "rotate_webhook_secret",
    params(IdParam<i64>),
    responses(
        (status = 200, description = "The new secret.", body = SecretView),
        AuthErrors<HexoApi>,
        Errors<HexoApi, 404>,
    ),
)]
async fn rotate_secret(
    Authenticated(caller, (IdParam(id), _)): Authenticated<(IdParam<i64>, Body)>,
    state: Data<AppState>,
) -> HandlerResult {
    state.meter_write(&caller.user).await?;
    let keyring = state.keyring.clone();
    let rotated = webhooks::rotate_secret(WebhookId(id), caller.id(), keyring, caller.audit_context);
    let secret = state.store.write(rotated).await?.ok_or(ApiError::NotFound)?.text();
    Ok(HttpResponse::Ok().json(SecretView { secret: secret.expose_secret() }))
}
