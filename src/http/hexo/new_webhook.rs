//! The bodies that create and change webhooks.

use utoipa::ToSchema;

use super::common::ResourceKind;
use super::error::HexoError;
use super::fields::JsonFields;
use crate::domain::bundle::Description;
use crate::domain::webhook::{EventFilter, EventScope, Webhook, WebhookUrl};
use crate::http::extract::authenticated::Caller;
use crate::webhook::AddressPolicy;

const KIND: ResourceKind = ResourceKind::Webhook;

/// A new webhook.
#[derive(ToSchema)]
#[schema(as = hexo::NewWebhook)]
pub(super) struct NewWebhookBody {
    /// `https` on port 443 of a public address, unless the operator allows other networks.
    #[schema(value_type = String, max_length = 2048)]
    pub(super) url: WebhookUrl,
    /// Audit actions, or prefixes such as `request.*`.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 50)]
    pub(super) events: EventFilter,
    /// The default is true.
    #[schema(value_type = Option<bool>)]
    pub(super) active: Option<bool>,
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub(super) description: Option<Description>,
    /// `own` (the default) or `all`, which only staff can use.
    #[schema(value_type = Option<String>)]
    pub(super) scope: Option<EventScope>,
}

/// Changes to a webhook. A field that is absent or null stays as it is.
#[derive(ToSchema)]
#[schema(as = hexo::WebhookUpdate)]
pub(super) struct WebhookUpdateBody {
    /// `https` on port 443 of a public address, unless the operator allows other networks.
    #[schema(value_type = Option<String>, max_length = 2048)]
    pub(super) url: Option<WebhookUrl>,
    /// Audit actions, or prefixes such as `request.*`.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 50)]
    pub(super) events: Option<EventFilter>,
    /// True also forgets the failures.
    pub(super) active: Option<bool>,
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub(super) description: Option<Description>,
    /// `own` or `all`, which only staff can use.
    #[schema(value_type = Option<String>)]
    pub(super) scope: Option<EventScope>,
}

impl NewWebhookBody {
    /// Reads the fields.
    pub(super) fn parse(fields: &JsonFields, policy: &AddressPolicy) -> Result<Self, HexoError> {
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
    /// Reads the fields.
    pub(super) fn parse(fields: &JsonFields, policy: &AddressPolicy) -> Result<Self, HexoError> {
        let events = fields.texts(KIND, "events")?.map(EventFilter::new).transpose();
        let invalid = |error| HexoError::invalid_field(KIND, "events", format!("This field {error}."));
        Ok(Self {
            url: fields.text(KIND, "url", |text| policy.parse_url(text))?,
            events: events.map_err(invalid)?,
            active: fields.boolean(KIND, "active")?,
            description: fields.text(KIND, "description", Description::new)?,
            scope: fields.text(KIND, "scope", EventScope::from_name)?,
        })
    }
}

/// 400 for the events of all users, unless the caller is staff.
pub(super) fn check_scope(scope: EventScope, caller: &Caller) -> Result<(), HexoError> {
    if scope == EventScope::Own || caller.user.staff {
        return Ok(());
    }
    Err(HexoError::invalid_field(KIND, "scope", "Only staff can receive the events of all users."))
}

/// 400 for a secret: only the server chooses one.
fn reject_secret(fields: &JsonFields) -> Result<(), HexoError> {
    fields.reject_changed(KIND, "secret", |_| false)
}

/// 400 for a field that cannot be changed, if its value differs from the current one.
pub(super) fn reject_changes(fields: &JsonFields, webhook: &Webhook) -> Result<(), HexoError> {
    reject_secret(fields)?;
    fields.reject_changed_number(KIND, "id", webhook.id.0)?;
    fields.reject_changed_uri(KIND, webhook.id.0)?;
    fields.reject_changed_number(KIND, "failures", webhook.failures.into())?;
    fields.reject_changed(KIND, "created_at", |value| *value == webhook.created_at.rfc3339())?;
    let reason = webhook.disabled.map(|(_, reason)| reason.name());
    fields.reject_changed(KIND, "disabled_reason", |value| value.as_str() == reason)
}
