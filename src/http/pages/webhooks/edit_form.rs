//! The fields of a webhook, in the form that creates it and in the one that changes it.

use minijinja::{Value, context};

use crate::domain::audit::AuditAction;
use crate::domain::bundle::Description;
use crate::domain::webhook::{EventFilter, EventScope, Webhook, WebhookUrl};
use crate::http::pages::audit_log::action_label;
use crate::http::pages::context::PageContext;
use crate::http::pages::form::{FieldError, FormFields};
use crate::webhook::AddressPolicy;

/// The fields that are kept during sign-in.
pub(super) const KEPT: &[&str] = &["active", "scope", "url", "event", "description"];

/// The groups of events that any user can see. Staff see all.
const GROUPS_OF_USERS: [&str; 9] =
    ["request", "permission", "export", "key", "block", "session", "user", "hub", "webhook"];

/// The fields as they were entered, because invalid ones are shown again.
#[derive(Debug, Default)]
pub(super) struct WebhookInput {
    url: String,
    /// Names of actions, and prefixes such as `request.*`.
    events: Vec<String>,
    description: String,
    scope: EventScope,
    /// Whether events are sent. A new webhook is always active.
    pub active: bool,
}

/// Valid fields.
#[derive(Clone, Debug)]
pub(super) struct WebhookFields {
    pub url: WebhookUrl,
    pub events: EventFilter,
    pub description: Description,
    pub scope: EventScope,
}

impl WebhookInput {
    /// Reads the fields. Those that are absent are empty.
    pub(super) fn from_fields(fields: &FormFields) -> Self {
        let text = |name| fields.optional(name).unwrap_or_default().trim().to_owned();
        Self {
            url: text("url"),
            events: fields.get_all("event").map(str::to_owned).collect(),
            description: text("description"),
            scope: EventScope::from_name(&text("scope")).unwrap_or_default(),
            active: text("active") == "yes",
        }
    }

    pub(super) fn of_webhook(webhook: &Webhook) -> Self {
        Self {
            url: webhook.url.as_str().to_owned(),
            events: webhook.events.entries().collect(),
            description: webhook.description.as_str().to_owned(),
            scope: webhook.scope,
            active: webhook.is_active(),
        }
    }

    /// Checks the fields. `before` is the scope that the webhook has.
    pub(super) fn parse(
        &self,
        ctx: &PageContext,
        policy: &AddressPolicy,
        before: EventScope,
    ) -> Result<WebhookFields, FieldError> {
        let url = policy.parse_url(&self.url).map_err(|_| FieldError::new("url", "webhook-error-url"))?;
        let events = EventFilter::new(self.events.iter().map(String::as_str));
        let events = events.map_err(|_| FieldError::new("event", "webhook-error-events"))?;
        let description = Description::new(&self.description);
        let description =
            description.map_err(|_| FieldError::new("description", "webhook-error-description"))?;
        if self.scope == EventScope::All && before != EventScope::All && !is_staff(ctx) {
            return Err(FieldError::forbidden("scope", "webhook-error-scope"));
        }
        Ok(WebhookFields { url, events, description, scope: self.scope })
    }

    /// The fields for the template.
    pub(super) fn to_context(&self, ctx: &PageContext) -> Value {
        let is_staff = is_staff(ctx);
        let mut groups: Vec<(&str, Vec<AuditAction>)> = Vec::new();
        // It is never sent.
        for action in AuditAction::ALL.iter().filter(|action| **action != AuditAction::OperationAbandoned) {
            let (name, _) = action.name().split_once('.').unwrap_or_default();
            match groups.iter_mut().find(|(other, _)| *other == name) {
                Some((_, actions)) => actions.push(*action),
                None => groups.push((name, vec![*action])),
            }
        }
        // The groups of all users come first.
        groups.sort_by_key(|(name, _)| GROUPS_OF_USERS.iter().position(|group| group == name).unwrap_or(99));
        let groups = groups.into_iter().filter_map(|(name, actions)| {
            let prefix = format!("{name}.*");
            let has_all = self.events.contains(&prefix);
            let is_chosen = |action: &AuditAction| self.events.iter().any(|event| event == action.name());
            let has_some = actions.iter().any(is_chosen);
            if !is_staff && !has_all && !has_some && !GROUPS_OF_USERS.contains(&name) {
                return None;
            }
            let actions = actions.iter().map(|action| {
                let label = action_label(ctx.language, action.name());
                context! { name => action.name(), label, chosen => is_chosen(action) }
            });
            Some(context! { name, prefix, has_all, has_some, actions => actions.collect::<Vec<_>>() })
        });
        context! {
            url => &self.url,
            groups => groups.collect::<Vec<_>>(),
            description => &self.description,
            active => self.active,
            scope => self.scope.name(),
            shows_scope => is_staff || self.scope == EventScope::All,
        }
    }
}

fn is_staff(ctx: &PageContext) -> bool {
    ctx.signed_in.as_ref().is_some_and(|signed_in| signed_in.user.staff)
}
