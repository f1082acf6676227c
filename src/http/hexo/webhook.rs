//! `webhook`: the URLs to which the caller has events sent. Only their owner can see and change them.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{ApiPrefix, ResourceKind};
use super::error::{HandlerResult, HexoApi, HexoError};
use super::fields::JsonFields;
use super::path::IdParam;
use super::query::ListQuery;
use super::resource::{self, ById, OperationDoc, Resource};
use super::schema::FieldSchema;
use super::view::ViewContext;
use super::webhook_delivery;
use crate::domain::bundle::Description;
use crate::domain::webhook::{DisabledReason, EventFilter, Webhook, WebhookId, WebhookUrl};
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
            scope: webhook.scope_name(),
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

/// A new webhook.
#[derive(ToSchema)]
#[schema(as = hexo::NewWebhook)]
struct NewWebhookBody {
    /// `https` on port 443 of a public address, unless the operator allows other networks.
    #[schema(value_type = String, max_length = 2048)]
    url: WebhookUrl,
    /// Audit actions, or prefixes such as `request.*`.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 50)]
    events: EventFilter,
    /// The default is true.
    #[schema(value_type = Option<bool>)]
    active: Option<bool>,
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Option<Description>,
    /// `own` (the default) or `all`, which only staff can use.
    #[schema(value_type = Option<String>)]
    scope: Option<EventScope>,
}

/// Changes to a webhook. A field that is absent or null stays as it is.
#[derive(ToSchema)]
#[schema(as = hexo::WebhookUpdate)]
struct WebhookUpdateBody {
    /// `https` on port 443 of a public address, unless the operator allows other networks.
    #[schema(value_type = Option<String>, max_length = 2048)]
    url: Option<WebhookUrl>,
    /// Audit actions, or prefixes such as `request.*`.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 50)]
    events: Option<EventFilter>,
    /// True also forgets the failures.
    active: Option<bool>,
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Option<Description>,
    /// `own` or `all`, which only staff can use.
    #[schema(value_type = Option<String>)]
    scope: Option<EventScope>,
}

/// Whose events a webhook receives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EventScope {
    Own,
    All,
}

/// A text is not a scope.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be `own` or `all`")]
struct InvalidScope;

/// A new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::WebhookSecret)]
struct SecretView<'a> {
    /// `whsec_` and base64.
    secret: &'a str,
}

impl NewWebhookBody {
    fn parse(fields: &JsonFields, policy: &AddressPolicy) -> Result<Self, HexoError> {
        reject_secret(fields)?;
        fields.required("url")?;
        fields.required("events")?;
        let WebhookUpdateBody { url, events, active, description, scope } =
            WebhookUpdateBody::parse(fields, policy)?;
        Ok(Self {
            url: url.ok_or(HexoError::MissingField("url"))?,
            events: events.ok_or(HexoError::MissingField("events"))?,
            active,
            description,
            scope,
        })
    }
}

impl WebhookUpdateBody {
    fn parse(fields: &JsonFields, policy: &AddressPolicy) -> Result<Self, HexoError> {
        let events = fields.texts(KIND, "events")?.map(EventFilter::new).transpose();
        let invalid = |error| HexoError::invalid_field(KIND, "events", format!("This field {error}."));
        Ok(Self {
            url: fields.text(KIND, "url", |text| policy.parse_url(text))?,
            events: events.map_err(invalid)?,
            active: fields.boolean(KIND, "active")?,
            description: fields.text(KIND, "description", Description::new)?,
            scope: fields.text(KIND, "scope", EventScope::parse)?,
        })
    }
}

impl EventScope {
    fn parse(text: &str) -> Result<Self, InvalidScope> {
        match text {
            "own" => Ok(Self::Own),
            "all" => Ok(Self::All),
            _ => Err(InvalidScope),
        }
    }

    /// 400 for `all`, unless the caller is staff.
    fn check(self, caller: &Caller) -> Result<(), HexoError> {
        if self == Self::Own || caller.user.staff {
            return Ok(());
        }
        Err(HexoError::invalid_field(KIND, "scope", "Only staff can receive the events of all users."))
    }
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
    let scope = body.scope.unwrap_or(EventScope::Own);
    scope.check(&caller)?;
    state.meter_write(&caller.user).await?;
    let new = NewWebhook {
        owner: caller.id(),
        url: body.url,
        events: body.events,
        all_users: scope == EventScope::All,
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
    let all_users = body.scope.map(|scope| scope == EventScope::All);
    if let Some(scope) = body.scope.filter(|_| all_users != Some(current.all_users)) {
        scope.check(&caller)?;
    }
    state.meter_write(&caller.user).await?;
    let change = WebhookChange {
        url: body.url,
        events: body.events,
        all_users,
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
    match state.store.write(webhooks::delete(WebhookId(id), owner, caller.audit_context)).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::NotFound.into()),
    }
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

/// 400 for a secret: only the server chooses one.
fn reject_secret(fields: &JsonFields) -> Result<(), HexoError> {
    fields.reject_changed(KIND, "secret", |_| false)
}

/// 400 for a field that cannot be changed, if its value differs from the current one.
fn reject_changes(fields: &JsonFields, webhook: &Webhook) -> Result<(), HexoError> {
    reject_secret(fields)?;
    fields.reject_changed_number(KIND, "id", webhook.id.0)?;
    fields.reject_changed_uri(KIND, webhook.id.0)?;
    fields.reject_changed_number(KIND, "failures", webhook.failures.into())?;
    fields.reject_changed(KIND, "created_at", |value| *value == webhook.created_at.rfc3339())?;
    let reason = webhook.disabled.map(|(_, reason)| DisabledReason::name(reason));
    fields.reject_changed(KIND, "disabled_reason", |value| value.as_str() == reason)
}
