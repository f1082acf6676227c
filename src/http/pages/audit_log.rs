//! The audit log: `/account/activity` shows users what they did and what others did that
//! affects them; `/staff/audit` shows administrators all entries.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use form_urlencoded::Serializer;
use minijinja::{Value, context};
use utoipa::IntoParams;
use uuid::Uuid;

use super::context::PageContext;
use super::error::PageError;
use super::responses::{HtmlErrors, SignedInPage};
use super::user_agent::UserAgent;
use crate::domain::audit::{AuditAction, AuditSubjectRef};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, User, UserId};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::services::audit_log::{self, AuditLogPage};
use crate::store::audit_log::{AuditEntry, AuditLogFilter};
use crate::store::lookup::UserRef;

/// Entries on a page.
const PAGE_SIZE: usize = 50;
const SECONDS_PER_DAY: i64 = 86_400;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![own_activity, all_entries]
}

/// Shows what the signed-in user did, and what others did that affects them.
#[utoipa::path(
    get,
    path = "/account/activity",
    operation_id = "activity_page",
    security(()),
    params(AuditSearch),
    responses(SignedInPage, Errors<HtmlErrors, 400>),
)]
async fn own_activity(
    ctx: PageContext,
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    show(&ctx, &request, &state, Some(me)).await
}

/// Shows the actions of all users, for staff.
#[utoipa::path(
    get,
    path = "/staff/audit",
    operation_id = "audit_page",
    security(()),
    params(AuditSearch),
    responses(SignedInPage, Errors<HtmlErrors, 400>, Errors<HtmlErrors, 404>),
)]
async fn all_entries(
    ctx: PageContext,
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    show(&ctx, &request, &state, None).await
}

async fn show(
    ctx: &PageContext,
    request: &HttpRequest,
    state: &AppState,
    viewer: Option<UserId>,
) -> Result<HttpResponse, PageError> {
    let search = AuditSearch::parse(request.query_string())?;
    let (mut filter, mut invalid_fields) = search.filter(viewer);
    if viewer.is_none() && !search.person.is_empty() {
        let actor = match search.actor() {
            Some(actor) => audit_log::find_actor(&state.store, actor).await?,
            None => None,
        };
        match actor {
            Some(user) => filter.actors = Some(vec![user.id]),
            None => invalid_fields.push("person"),
        }
    }
    let AuditLogPage { mut entries, actors } = match invalid_fields.is_empty() {
        true => audit_log::search(&state.store, filter, PAGE_SIZE + 1).await?,
        false => AuditLogPage::default(),
    };
    let more = entries.len() > PAGE_SIZE;
    entries.truncate(PAGE_SIZE);
    let path = if viewer.is_some() { "/account/activity" } else { "/staff/audit" };
    let older = entries.last().filter(|_| more).map(|last| search.next_page_url(path, last.id));
    let renderer = EntryRenderer { language: ctx.language, viewer, actors };
    let status = if invalid_fields.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Ok(ctx.render(
        status,
        "audit-log",
        context! {
            all => viewer.is_none(),
            search => search.to_context(),
            searched => invalid_fields.is_empty(),
            errors => renderer.field_errors(&invalid_fields),
            actions => renderer.actions(),
            entries => entries.iter().map(|entry| renderer.entry_context(entry)).collect::<Vec<_>>(),
            older,
            is_first => search.before.is_none(),
        },
    ))
}

/// The search form. Texts are trimmed; an empty text selects everything.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditSearch {
    /// The name of an action.
    #[param(value_type = Option<String>, nullable = false)]
    action: String,
    /// The email address or number of the user who acted. Only for staff.
    #[param(value_type = Option<String>, nullable = false)]
    person: String,
    /// The subject, for example `request:12`.
    #[param(value_type = Option<String>, nullable = false)]
    subject: String,
    /// The first day, in UTC, for example `2030-01-31`.
    #[param(value_type = Option<String>, nullable = false)]
    from: String,
    /// The last day, in UTC.
    #[param(value_type = Option<String>, nullable = false)]
    to: String,
    /// Only entries older than the entry with this ID.
    #[param(value_type = Option<String>, nullable = false)]
    before: Option<Uuid>,
}

impl AuditSearch {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut search = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim().to_owned();
            if value.contains('\0') {
                return Err(ApiError::BadRequest(
                    "A field contains a character that is not allowed.".to_owned(),
                ));
            }
            match name.as_ref() {
                "action" => search.action = value,
                "person" => search.person = value,
                "subject" => search.subject = value,
                "from" => search.from = value,
                "to" => search.to = value,
                "before" if value.is_empty() => {}
                "before" => {
                    let invalid_id =
                        |_| ApiError::BadRequest("`before` must be the id of an entry.".to_owned());
                    search.before = Some(value.parse().map_err(invalid_id)?);
                }
                _ => {}
            }
        }
        Ok(search)
    }

    /// The filter, without the actor; and the fields that are not valid.
    fn filter(&self, viewer: Option<UserId>) -> (AuditLogFilter, Vec<&'static str>) {
        let mut invalid_fields = Vec::new();
        let action = AuditAction::from_name(&self.action);
        if action.is_none() && !self.action.is_empty() {
            invalid_fields.push("action");
        }
        let mut day = |field: &'static str, text: &str| {
            let day = Timestamp::from_rfc3339(&format!("{text}T00:00:00Z"));
            if day.is_none() && !text.is_empty() {
                invalid_fields.push(field);
            }
            day
        };
        let (from, to) = (day("from", &self.from), day("to", &self.to));
        let filter = AuditLogFilter {
            viewer,
            actions: action.map(|action| vec![action]),
            subject: Some(self.subject.clone()).filter(|subject| !subject.is_empty()),
            actors: None,
            from,
            until: to.map(|to| to.plus_seconds(SECONDS_PER_DAY)),
            before: self.before,
        };
        (filter, invalid_fields)
    }

    /// The user in `person`. `None` if it is neither a number nor an email address.
    fn actor(&self) -> Option<UserRef> {
        match self.person.parse() {
            Ok(number) => Some(UserRef::Id(UserId(number))),
            Err(_) => Email::new(&self.person).ok().map(UserRef::Email),
        }
    }

    /// The fields, to show them again.
    fn to_context(&self) -> Value {
        let Self { action, person, subject, from, to, .. } = self;
        context! { action, person, subject, from, to }
    }

    /// The URL of the page after this entry.
    fn next_page_url(&self, path: &str, before: Uuid) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [
            ("action", &self.action),
            ("person", &self.person),
            ("subject", &self.subject),
            ("from", &self.from),
            ("to", &self.to),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("{path}?{}", query.append_pair("before", &before.to_string()).finish())
    }
}

/// The label of an action, or its name if a later version of the server added it.
pub(super) fn action_label(language: Language, action: &str) -> String {
    let key = format!("audit-action-{}", action.replace(['.', '_'], "-"));
    if language.contains(&key) { language.t(&key) } else { action.to_owned() }
}

/// Whether the server records an action by itself, without an actor and an address.
fn is_automatic(action: &str) -> bool {
    let of_server = [AuditAction::WebhookDisabled, AuditAction::WebhookEnabled, AuditAction::ExportFirstUsed];
    action.ends_with(".expired") || of_server.iter().any(|other| other.name() == action)
}

/// Renders entries for a viewer.
struct EntryRenderer {
    language: Language,
    /// `None`: an administrator, who sees everything.
    viewer: Option<UserId>,
    /// The users who acted.
    actors: Vec<User>,
}

impl EntryRenderer {
    /// The errors of the fields, by name.
    fn field_errors(&self, invalid_fields: &[&str]) -> Value {
        let error_of = |field: &str| {
            invalid_fields.contains(&field).then(|| self.language.t(&format!("audit-error-{field}")))
        };
        context! { action => error_of("action"), person => error_of("person"), from => error_of("from"), to => error_of("to") }
    }

    /// All actions, by name and label.
    fn actions(&self) -> Vec<Value> {
        let action = |action: &AuditAction| context! { name => action.name(), label => action_label(self.language, action.name()) };
        AuditAction::ALL.iter().map(action).collect()
    }

    /// The actor. Users see the name of the other party of a request; every other user is "an
    /// administrator".
    fn actor_label(&self, entry: &AuditEntry) -> String {
        let Some(actor) = entry.actor else {
            let key = match entry.ip {
                Some(_) => "audit-anonymous",
                None if is_automatic(&entry.action) => "audit-automatic",
                None => "timeline-operator",
            };
            return self.language.t(key);
        };
        if self.viewer == Some(actor) {
            return self.language.t("audit-you");
        }
        let shared = matches!(
            AuditSubjectRef::parse(&entry.subject),
            AuditSubjectRef::Request(_) | AuditSubjectRef::BundlePermission(_)
        );
        let party = shared && entry.affected_users.iter().flatten().count() == 1;
        let user = self.actors.iter().find(|user| user.id == actor);
        match user {
            Some(user) if self.viewer.is_none() => {
                format!("{} ({})", user.display_name(), user.email.as_str())
            }
            Some(user) if party => user.display_name(),
            _ => self.language.t("timeline-staff"),
        }
    }

    fn entry_context(&self, entry: &AuditEntry) -> Value {
        let show_client = self.viewer.is_none() || self.viewer == entry.actor;
        let link = match AuditSubjectRef::parse(&entry.subject) {
            AuditSubjectRef::Request(id) => Some(format!("/requests/{id}")),
            AuditSubjectRef::BundlePermission(id) => Some(format!("/requests/{}", id.0)),
            _ => None,
        };
        context! {
            at => entry.at.micros(),
            label => action_label(self.language, &entry.action),
            actor => self.actor_label(entry),
            subject => entry.subject.as_str(),
            link,
            address => entry.ip.as_deref().filter(|_| show_client),
            client => entry.user_agent.as_deref().filter(|_| show_client).map(|name| UserAgent(name).describe(self.language)),
        }
    }
}
