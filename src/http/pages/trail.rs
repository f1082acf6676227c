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

use super::Html;
use super::agent::Agent;
use super::error::PageError;
use super::visit::Visit;
use crate::domain::clock::Timestamp;
use crate::domain::event::{Action, Subject};
use crate::domain::user::{Email, User, UserId};
use crate::http::Services;
use crate::http::openapi::refusals::May;
use crate::http::problem::Problem;
use crate::store::trail::{self, Entry, TrailFilter};
use crate::store::users;
use crate::words::Language;

/// The entries of a page.
const PAGE: usize = 50;
/// Seconds in a day.
const DAY: i64 = 86_400;

#[derive(OpenApi)]
#[openapi(paths(own, all))]
pub(super) struct Document;

/// Which entries to show, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `Search`; this is what it looks like")]
pub(super) struct SearchForm {
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
    params(SearchForm),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 400>,
        May<Html, 503>,
    ),
)]
pub(super) async fn own(
    visit: Visit,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, PageError> {
    let me = visit.user()?.user.id;
    show(&visit, &request, &services, Some(me)).await
}

/// What anybody did, for staff.
#[utoipa::path(
    get,
    path = "/staff/audit",
    operation_id = "audit_page",
    security(()),
    params(SearchForm),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 400>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn all(
    visit: Visit,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    show(&visit, &request, &services, None).await
}

async fn show(
    visit: &Visit,
    request: &HttpRequest,
    services: &Services,
    viewer: Option<UserId>,
) -> Result<HttpResponse, PageError> {
    let search = Search::read(request.query_string())?;
    let (filter, mut wrong) = search.filter(viewer);
    let person = search.person.parse().ok().map(UserId);
    let email = Email::new(&search.person).ok();
    let named = viewer.is_none() && !search.person.is_empty();
    let looks = wrong.is_empty();
    let found = services.directory.read(move |conn| {
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
        if !looks {
            return Ok(Some((Vec::new(), Vec::new())));
        }
        let entries = trail::latest(conn, &filter, PAGE + 1)?;
        let mut actors: Vec<UserId> = entries.iter().filter_map(|entry| entry.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let people = users::by_ids(conn, &actors)?;
        Ok(Some((entries, people)))
    });
    let (mut entries, people) = match found.await? {
        Some(found) => found,
        None => {
            wrong.push("person");
            (Vec::new(), Vec::new())
        }
    };
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let path = if viewer.is_some() { "/account/activity" } else { "/staff/audit" };
    let older = entries.last().filter(|_| more).map(|last| search.turned(path, last.id));
    let reader = Reader { language: visit.language, viewer, people };
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Ok(visit.page(
        status,
        "trail",
        context! {
            all => viewer.is_none(),
            search => search.told(),
            looked => wrong.is_empty(),
            wrong => reader.flaws(&wrong),
            actions => reader.actions(),
            entries => entries.iter().map(|entry| reader.entry(entry)).collect::<Vec<_>>(),
            older,
            is_first => search.before.is_none(),
        },
    ))
}

/// What the form asks for, as it came.
#[derive(Debug, Default)]
struct Search {
    action: String,
    person: String,
    subject: String,
    from: String,
    to: String,
    before: Option<Uuid>,
}

impl Search {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut search = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim().to_owned();
            if value.contains('\0') {
                return Err(Problem::BadRequest(
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
                    let no_entry = |_| Problem::BadRequest("`before` must be the id of an entry.".to_owned());
                    search.before = Some(value.parse().map_err(no_entry)?);
                }
                _ => {}
            }
        }
        Ok(search)
    }

    /// What to look for, but for the person; and which fields cannot be read.
    fn filter(&self, viewer: Option<UserId>) -> (TrailFilter, Vec<&'static str>) {
        let mut wrong = Vec::new();
        let action = Action::of_name(&self.action);
        if action.is_none() && !self.action.is_empty() {
            wrong.push("action");
        }
        let mut day = |field: &'static str, text: &str| {
            let day = Timestamp::from_rfc3339(&format!("{text}T00:00:00Z"));
            if day.is_none() && !text.is_empty() {
                wrong.push(field);
            }
            day
        };
        let (from, to) = (day("from", &self.from), day("to", &self.to));
        let filter = TrailFilter {
            viewer,
            actions: action.map(|action| vec![action]),
            subject: Some(self.subject.clone()).filter(|subject| !subject.is_empty()),
            actors: None,
            from,
            until: to.map(|to| to.plus_seconds(DAY)),
            before: self.before,
        };
        (filter, wrong)
    }

    /// The fields, for the form to show again.
    fn told(&self) -> Value {
        let Self { action, person, subject, from, to, .. } = self;
        context! { action, person, subject, from, to }
    }

    /// Where the page is that comes after this entry.
    fn turned(&self, path: &str, before: Uuid) -> String {
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
struct Reader {
    language: Language,
    /// `None` is staff, who see all of it.
    viewer: Option<UserId>,
    people: Vec<User>,
}

impl Reader {
    /// What is wrong with each field, if anything is.
    fn flaws(&self, wrong: &[&str]) -> Value {
        let flaw =
            |field: &str| wrong.contains(&field).then(|| self.language.say(&format!("trail-wrong-{field}")));
        context! { action => flaw("action"), person => flaw("person"), from => flaw("from"), to => flaw("to") }
    }

    /// What can be done, by name and in words.
    fn actions(&self) -> Vec<Value> {
        let action = |action: &Action| context! { name => action.name(), words => self.words(action.name()) };
        Action::ALL.iter().map(action).collect()
    }

    /// What was done, in words; by its name, if there are none.
    fn words(&self, action: &str) -> String {
        let key = format!("did-{}", action.replace(['.', '_'], "-"));
        if self.language.has(&key) { self.language.say(&key) } else { action.to_owned() }
    }

    /// Who did it. Others than staff are told the name of the other party alone.
    fn who(&self, entry: &Entry) -> String {
        let Some(actor) = entry.actor else {
            let key = if entry.address.is_some() { "trail-stranger" } else { "timeline-operator" };
            return self.language.say(key);
        };
        if self.viewer == Some(actor) {
            return self.language.say("trail-you");
        }
        let shared = matches!(Subject::of(&entry.subject), Subject::Request(_) | Subject::Grant(_));
        let party = shared && entry.concerns.iter().flatten().count() == 1;
        let user = self.people.iter().find(|user| user.id == actor);
        match user {
            Some(user) if self.viewer.is_none() => {
                format!("{} ({})", user.display_name(), user.email.as_str())
            }
            Some(user) if party => user.display_name(),
            _ => self.language.say("timeline-staff"),
        }
    }

    fn entry(&self, entry: &Entry) -> Value {
        let whence = self.viewer.is_none() || self.viewer == entry.actor;
        let link = match Subject::of(&entry.subject) {
            Subject::Request(id) => Some(format!("/requests/{id}")),
            Subject::Grant(id) => Some(format!("/requests/{}", id.0)),
            _ => None,
        };
        context! {
            at => entry.at.micros(),
            words => self.words(&entry.action),
            who => self.who(entry),
            subject => entry.subject.as_str(),
            link,
            address => entry.address.as_deref().filter(|_| whence),
            client => entry.client.as_deref().filter(|_| whence).map(|name| Agent(name).in_words(self.language)),
        }
    }
}
