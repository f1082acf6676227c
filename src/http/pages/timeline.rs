//! `/requests/<number>`: what became of a request, for its parties and for staff.
//!
//! Where its target was when they looked or decided is for nobody here: who asked them is
//! told that the link was fetched, how often, and what came of it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::Html;
use super::error::PageError;
use super::visit::Visit;
use crate::domain::bundle::Bundle;
use crate::domain::clock::Timestamp;
use crate::domain::event::Action;
use crate::domain::request::{Outcome, PermissionRequest, RequestId};
use crate::domain::user::{User, UserId};
use crate::http::Services;
use crate::http::openapi::refusals::May;
use crate::http::problem::Problem;
use crate::store::outbox::{self, Mail};
use crate::store::trail::{self, Entry, TrailFilter};
use crate::store::views::{self, Viewed};
use crate::store::{Conn, QueryResult, bundles, grants, requests, users};
use crate::words::Language;

/// The most entries of the trail that are told of one request.
const MOST: usize = 100;

#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Document;

/// What became of a request, for either party and for staff.
#[utoipa::path(
    get,
    path = "/requests/{id}",
    operation_id = "request_page",
    security(()),
    params(("id" = String, Path, description = "Its number.")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
pub(super) async fn show(
    visit: Visit,
    id: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, PageError> {
    let me = &visit.user()?.user;
    let id = RequestId(id.parse().map_err(|_| Problem::NotFound)?);
    let told = services.directory.read(move |conn| Told::of(conn, id)).await?;
    let told =
        told.filter(|told| me.staff || told.request.terms.has_party(me.id)).ok_or(Problem::NotFound)?;
    let Told { request, target, allowed, bundle, .. } = &told;
    Ok(visit.show(
        "timeline",
        context! {
            number => request.id.0,
            given => told.is_given(),
            target => target.display_name(),
            target_email => target.email.as_str(),
            allowed => allowed.display_name(),
            allowed_email => allowed.email.as_str(),
            bundle => bundle.display_name(),
            description => bundle.display_description(),
            steps => told.steps(visit.language, me),
        },
    ))
}

/// Why a mail was refused or put off the last time, if it was. What the mail server said is
/// for staff alone; others are told what it comes to.
pub(super) fn why(mail: &Mail, language: Language, me: &User) -> Option<String> {
    let error = mail.last_error.as_deref()?;
    Some(match (me.staff, error.starts_with("RCPT TO")) {
        (true, _) => error.to_owned(),
        (false, true) => language.say("timeline-why-mailbox"),
        (false, false) => language.say("timeline-why-server"),
    })
}

/// All that is known of a request.
struct Told {
    request: PermissionRequest,
    target: User,
    allowed: User,
    bundle: Bundle,
    mails: Vec<Mail>,
    views: Option<Viewed>,
    /// What the trail has of it and of its permission, the oldest first.
    trail: Vec<Entry>,
    /// Whether a permission of its terms stands, on this request or by other means.
    stands: bool,
    now: Timestamp,
}

/// Something that happened to a request: a message, with who did it and how often.
struct Step {
    at: Option<Timestamp>,
    key: &'static str,
    who: String,
    count: i64,
    more: Option<String>,
}

impl Step {
    fn new(at: impl Into<Option<Timestamp>>, key: &'static str) -> Self {
        Self { at: at.into(), key, who: String::new(), count: 0, more: None }
    }

    fn by(self, who: String) -> Self {
        Self { who, ..self }
    }

    fn told(self) -> Value {
        let Self { at, key, who, count, more } = self;
        context! { at => at.map(Timestamp::micros), key, who, count, more }
    }
}

impl Told {
    fn of(conn: &mut Conn, id: RequestId) -> QueryResult<Option<Self>> {
        let Some(request) = requests::by_ids(conn, &[id])?.pop() else { return Ok(None) };
        let terms = request.terms;
        let people = users::by_ids(conn, &[terms.target, terms.allowed])?;
        let person = |id: UserId| people.iter().find(|user| user.id == id).cloned();
        let bundle = bundles::by_ids(conn, &[terms.bundle])?.pop();
        let (Some(target), Some(allowed), Some(bundle)) =
            (person(terms.target), person(terms.allowed), bundle)
        else {
            return Ok(None);
        };
        let mut trail = Vec::new();
        for subject in [format!("request:{id}"), format!("grant:{id}")] {
            let filter = TrailFilter { subject: Some(subject), ..TrailFilter::default() };
            trail.extend(trail::latest(conn, &filter, MOST)?);
        }
        trail.sort_by_key(|entry| entry.id);
        Ok(Some(Self {
            mails: outbox::of_request(conn, id)?,
            views: views::of(conn, request.redeem_id)?,
            stands: !grants::of_terms(conn, &[terms])?.is_empty(),
            now: conn.now()?,
            request,
            target,
            allowed,
            bundle,
            trail,
        }))
    }

    /// Whether nobody asked for it.
    fn is_given(&self) -> bool {
        self.request.closed.as_ref().is_some_and(|closed| closed.outcome == Outcome::Given)
    }

    /// What happened, in its order.
    fn steps(&self, language: Language, me: &User) -> Vec<Value> {
        let mut steps = vec![self.beginning(language)];
        steps.extend(self.mails.iter().flat_map(|mail| self.mail(mail, language, me)));
        steps.extend(self.seen(language));
        steps.extend(self.end(language));
        steps.extend(self.taken_back(language));
        // What has no moment, or has yet to come, is told last.
        steps.sort_by_key(|step| step.at.map_or(i64::MAX, Timestamp::micros));
        steps.into_iter().map(Step::told).collect()
    }

    /// Somebody's name, or who they are to the parties.
    fn name(&self, user: Option<UserId>, language: Language) -> String {
        match user {
            Some(id) if id == self.target.id => self.target.display_name(),
            Some(id) if id == self.allowed.id => self.allowed.display_name(),
            Some(_) => language.say("timeline-staff"),
            None => language.say("timeline-operator"),
        }
    }

    /// Who did this last, by the trail, and when.
    fn who(&self, action: Action) -> Option<&Entry> {
        self.trail.iter().rev().find(|entry| entry.action == action.name())
    }

    fn beginning(&self, language: Language) -> Step {
        let PermissionRequest { asked_by, created_at, .. } = &self.request;
        let given = self.is_given();
        let by = match self.who(Action::GrantCreated) {
            Some(entry) if given => entry.actor,
            _ => Some(*asked_by),
        };
        let key = if given { "timeline-given" } else { "timeline-asked" };
        Step::new(*created_at, key).by(self.name(by, language))
    }

    /// What became of a mail.
    fn mail(&self, mail: &Mail, language: Language, me: &User) -> Vec<Step> {
        let queued = Step::new(mail.created_at, "timeline-queued");
        let why = why(mail, language, me);
        let (at, key) = match mail.result.as_deref() {
            Some("sent") => (mail.finished_at, "timeline-sent"),
            Some("dead") => (mail.finished_at, "timeline-dead"),
            Some(_) => (mail.finished_at, "timeline-cancelled"),
            None if why.is_some() && !mail.leased => (Some(mail.due_at), "timeline-deferred"),
            None => return vec![queued],
        };
        let more = why.filter(|_| !matches!(mail.result.as_deref(), Some("sent" | "cancelled")));
        let tries = language.say_count("timeline-tries", mail.attempts.into());
        let more = match (more, key) {
            (Some(why), "timeline-deferred") => Some(format!("{why} {tries}")),
            (more, _) => more,
        };
        vec![queued, Step { more, ..Step::new(at, key) }]
    }

    fn seen(&self, language: Language) -> Vec<Step> {
        let Some(views) = &self.views else { return Vec::new() };
        let fetched = Step {
            count: views.fetches,
            more: Some(language.say("timeline-fetched-by")),
            ..Step::new(views.last_fetched_at, "timeline-fetched")
        };
        let looked = views.last_looked_at.map(|at| {
            let looked = Step::new(at, "timeline-looked").by(self.target.display_name());
            Step { count: views.looks, ..looked }
        });
        std::iter::once(fetched).chain(looked).collect()
    }

    fn end(&self, language: Language) -> Option<Step> {
        let (target, expires) = (self.target.display_name(), self.request.expires_at);
        let Some(closed) = &self.request.closed else {
            let key = if expires <= self.now { "timeline-expired" } else { "timeline-waits" };
            return Some(Step::new(expires, key).by(target));
        };
        let key = match closed.outcome {
            Outcome::Given => return None,
            Outcome::Redeemed => "timeline-redeemed",
            Outcome::Declined => "timeline-declined",
            Outcome::Expired => "timeline-expired",
            Outcome::Replaced => "timeline-replaced",
            Outcome::Withdrawn => {
                let by =
                    self.who(Action::RequestWithdrawn).map_or(Some(self.allowed.id), |entry| entry.actor);
                return Some(Step::new(closed.at, "timeline-withdrawn").by(self.name(by, language)));
            }
        };
        Some(Step::new(closed.at, key).by(target))
    }

    /// That its permission stands no more, or still does by other means. The trail alone
    /// knows who ended it and when.
    fn taken_back(&self, language: Language) -> Option<Step> {
        let closed = self.request.closed.as_ref()?;
        if closed.stands || !matches!(closed.outcome, Outcome::Redeemed | Outcome::Given) {
            return None;
        }
        Some(match self.who(Action::GrantDeleted) {
            Some(entry) => {
                let key = if entry.actor == Some(self.allowed.id) {
                    "timeline-returned"
                } else {
                    "timeline-taken-back"
                };
                Step::new(entry.at, key).by(self.name(entry.actor, language))
            }
            None if self.stands => Step::new(None, "timeline-stands"),
            None => Step::new(None, "timeline-over"),
        })
    }
}
