//! The audit trail: `/account/activity`, for everybody what they did and what concerns
//! them; `/staff/audit`, for staff all of it.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use form_urlencoded::Serializer;
use minijinja::{Value, context};
use utoipa::{IntoParams, OpenApi};
use uuid::Uuid;

use super::HtmlErrors;
use super::context::PageContext;
use super::error::PageError;
use super::user_agent::UserAgent;
use crate::domain::audit::{AuditAction, AuditSubjectRef};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, User, UserId};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::state::AppState;
use crate::i18n::Language;
use crate::store::audit_log::{self, AuditEntry, AuditLogFilter};
use crate::store::users;

/// The entries of a page.
const PAGE_SIZE: usize = 50;
/// Seconds in a day.
const SECONDS_PER_DAY: i64 = 86_400;

#[derive(OpenApi)]
#[openapi(paths(own_activity, all_entries))]
pub(super) struct Document;

/// Which entries to show, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "parsed by `AuditSearch`; declared for the OpenAPI schema")]
pub(super) struct AuditSearchParams {
    /// What was done, by its name.
    #[param(nullable = false)]
    action: Option<String>,
    /// Who did it, by their address or number; for staff.
    #[param(nullable = false)]
    person: Option<String>,
    /// To what: `request:12` and the like.
    #[param(nullable = false)]
    subject: Option<String>,
    /// The first day, in UTC: `2030-01-31`.
    #[param(nullable = false)]
    from: Option<String>,
    /// The last day, in UTC.
    #[param(nullable = false)]
    to: Option<String>,
    /// Older than this entry.
    #[param(nullable = false)]
    before: Option<String>,
}

/// What whoever is signed in did, and what others did that concerns them.
#[utoipa::path(
    get,
    path = "/account/activity",
    operation_id = "activity_page",
    security(()),
    params(AuditSearchParams),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 400>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn own_activity(
    ctx: PageContext,
    request: HttpRequest,
    services: Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    show(&ctx, &request, &services, Some(me)).await
}

/// What anybody did, for staff.
#[utoipa::path(
    get,
    path = "/staff/audit",
    operation_id = "audit_page",
    security(()),
    params(AuditSearchParams),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 400>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn all_entries(
    ctx: PageContext,
    request: HttpRequest,
    services: Data<AppState>,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    show(&ctx, &request, &services, None).await
}

async fn show(
    ctx: &PageContext,
    request: &HttpRequest,
    services: &AppState,
    viewer: Option<UserId>,
) -> Result<HttpResponse, PageError> {
    let search = AuditSearch::parse(request.query_string())?;
    let (filter, mut invalid_fields) = search.filter(viewer);
    let person = search.person.parse().ok().map(UserId);
    let email = Email::new(&search.person).ok();
    let named = viewer.is_none() && !search.person.is_empty();
    let is_valid = invalid_fields.is_empty();
    let found = services.store.read(move |conn| {
        let mut filter = filter.clone();
        if named {
            let found = match (&email, person) {
                (_, Some(id)) => users::by_ids(conn, &[id])?.pop(),
                (Some(email), None) => users::by_email(conn, email)?,
                (None, None) => None,
            };
            let Some(user) = found else { return Ok(None) };
            filter.actors = Some(vec![user.id]);
        }
        if !is_valid {
            return Ok(Some((Vec::new(), Vec::new())));
        }
        let entries = audit_log::list_newest(conn, &filter, PAGE_SIZE + 1)?;
        let mut actors: Vec<UserId> = entries.iter().filter_map(|entry| entry.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let people = users::by_ids(conn, &actors)?;
        Ok(Some((entries, people)))
    });
    let (mut entries, people) = match found.await? {
        Some(found) => found,
        None => {
            invalid_fields.push("person");
            (Vec::new(), Vec::new())
        }
    };
    let more = entries.len() > PAGE_SIZE;
    entries.truncate(PAGE_SIZE);
    let path = if viewer.is_some() { "/account/activity" } else { "/staff/audit" };
    let older = entries.last().filter(|_| more).map(|last| search.next_page_url(path, last.id));
    let renderer = EntryRenderer { language: ctx.language, viewer, people };
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

/// What the form asks for, as it came.
#[derive(Debug, Default)]
struct AuditSearch {
    action: String,
    person: String,
    subject: String,
    from: String,
    to: String,
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
                    let no_entry =
                        |_| ApiError::BadRequest("`before` must be the id of an entry.".to_owned());
                    search.before = Some(value.parse().map_err(no_entry)?);
                }
                _ => {}
            }
        }
        Ok(search)
    }

    /// What to look for, but for the person; and which fields cannot be read.
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

    /// The fields, for the form to show again.
    fn to_context(&self) -> Value {
        let Self { action, person, subject, from, to, .. } = self;
        context! { action, person, subject, from, to }
    }

    /// Where the page is that comes after this entry.
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

/// Who reads the trail, and who they are that it names.
struct EntryRenderer {
    language: Language,
    /// `None` is staff, who see all of it.
    viewer: Option<UserId>,
    people: Vec<User>,
}

impl EntryRenderer {
    /// What is wrong with each field, if anything is.
    fn field_errors(&self, invalid_fields: &[&str]) -> Value {
        let error_of = |field: &str| {
            invalid_fields.contains(&field).then(|| self.language.t(&format!("audit-error-{field}")))
        };
        context! { action => error_of("action"), person => error_of("person"), from => error_of("from"), to => error_of("to") }
    }

    /// What can be done, by name and in words.
    fn actions(&self) -> Vec<Value> {
        let action = |action: &AuditAction| context! { name => action.name(), label => self.action_label(action.name()) };
        AuditAction::ALL.iter().map(action).collect()
    }

    /// What was done, in words; by its name, if there are none.
    fn action_label(&self, action: &str) -> String {
        let key = format!("audit-action-{}", action.replace(['.', '_'], "-"));
        if self.language.contains(&key) { self.language.t(&key) } else { action.to_owned() }
    }

    /// Who did it. Others than staff are told the name of the other party alone.
    fn actor_label(&self, entry: &AuditEntry) -> String {
        let Some(actor) = entry.actor else {
            let key = if entry.ip.is_some() { "audit-anonymous" } else { "timeline-operator" };
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
        let user = self.people.iter().find(|user| user.id == actor);
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
            label => self.action_label(&entry.action),
            actor => self.actor_label(entry),
            subject => entry.subject.as_str(),
            link,
            address => entry.ip.as_deref().filter(|_| show_client),
            client => entry.user_agent.as_deref().filter(|_| show_client).map(|name| UserAgent(name).describe(self.language)),
        }
    }
}
