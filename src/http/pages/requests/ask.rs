//! `/ask`: a form that asks somebody for a permission, as the API does.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use minijinja::{Value, context};
use utoipa::ToSchema;

use super::super::Html;
use super::super::error::{PageError, see_other};
use super::super::listing::{Wrong, number};
use super::super::post::{Fields, Post};
use super::super::visit::Visit;
use crate::domain::bundle::BundleId;
use crate::domain::grant::Terms;
use crate::domain::request::NewRequest;
use crate::domain::text::IdempotencyKey;
use crate::domain::user::{Email, User};
use crate::entropy;
use crate::http::Services;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::store::ledger::AskRefusal;
use crate::store::lookup::{Question, UserName};
use crate::store::{Page, bundles};

/// Seconds in a day.
const DAY: i64 = 86_400;
/// The most bundles to choose from.
const BUNDLES: i64 = 500;

/// The form, filled in so far.
#[derive(Debug, Default)]
struct Draft {
    email: String,
    bundle: String,
    days: String,
}

impl Draft {
    fn of(fields: &Fields) -> Result<Self, Problem> {
        let (email, bundle) = (fields.one("email")?, fields.one("bundle")?);
        let days = fields.optional("days").unwrap_or_default();
        Ok(Self { email: email.trim().to_owned(), bundle: bundle.to_owned(), days: days.trim().to_owned() })
    }

    /// Seconds that the request is to live.
    fn lifetime(&self, services: &Services) -> Result<i64, Wrong> {
        let wrong = Wrong::new("days", "ask-wrong-days");
        let asked = match self.days.as_str() {
            "" => None,
            days => {
                let days = number(days).map_err(|_| wrong)?;
                Some(days.checked_mul(DAY).ok_or(wrong)?)
            }
        };
        services.config.requests.lifetime(asked).ok_or(wrong)
    }

    fn told(&self) -> Value {
        context! { email => &self.email, bundle => &self.bundle, days => &self.days }
    }
}

/// The form that asks somebody.
#[utoipa::path(
    get,
    path = "/ask",
    operation_id = "ask_page",
    security(()),
    params(
        ("email" = Option<String>, Query, nullable = false, description = "The user to ask."),
        ("bundle" = Option<String>, Query, nullable = false, description = "The bundle to ask for."),
    ),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
pub(super) async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    visit.user()?;
    let known = |name| visit.parameter(name).unwrap_or_default();
    let draft = Draft { email: known("email"), bundle: known("bundle"), days: String::new() };
    form(&services, &visit, &draft, None).await
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::Ask)]
#[expect(dead_code, reason = "read by `ask`; this is what it looks like")]
struct AskForm {
    /// What shows that the form was ours.
    csrf: String,
    /// Who is asked.
    email: String,
    /// A bundle's number.
    bundle: i64,
    /// Days that the request is to live.
    #[schema(nullable = false)]
    days: Option<i64>,
    /// What makes a form that is sent twice count once.
    #[schema(nullable = false)]
    once: Option<String>,
}

/// Asks somebody for a permission, and mails them.
///
/// Within the API's limits, and saying no more of people who are not there.
#[utoipa::path(
    post,
    path = "/ask",
    operation_id = "ask_by_page",
    security(()),
    request_body(content = AskForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Created. Redirects to the list, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 429>,
        May<Html, 503>,
    ),
)]
pub(super) async fn ask(services: Data<Services>, post: Post) -> Result<HttpResponse, PageError> {
    let me = &post.user("/ask")?.user;
    let (visit, fields) = (&post.visit, &post.fields);
    let draft = Draft::of(fields)?;
    let new = match order(&services, visit, me, &draft).await? {
        Ok(new) => NewRequest {
            once: fields.optional("once").and_then(|once| IdempotencyKey::new(once).ok()),
            ..new
        },
        Err(wrong) => return form(&services, visit, &draft, Some(wrong)).await,
    };
    let limits = services.config.limits.asking.of(me);
    let wrong = match services.registry.ask(new, limits, visit.origin.clone()).await? {
        Ok(_) => {
            services.mailer.hint();
            return Ok(see_other("/requests?done=asked"));
        }
        Err(AskRefusal::Granted) => Wrong::new("bundle", "ask-granted"),
        Err(AskRefusal::Blocked) => Wrong::forbidden("email", "ask-blocked"),
        Err(AskRefusal::AnotherUnderThisKey) => return Err(PageError::Stale),
        Err(AskRefusal::TooOften(exceeded)) => return Err(exceeded.into()),
    };
    form(&services, visit, &draft, Some(wrong)).await
}

/// Who is asked for what, for how long. What is wrong is told in the order of the API.
async fn order(
    services: &Services,
    visit: &Visit,
    me: &User,
    draft: &Draft,
) -> Result<Result<NewRequest, Wrong>, PageError> {
    let lifetime = match draft.lifetime(services) {
        Ok(lifetime) => lifetime,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let name = Email::new(&draft.email).ok().map(UserName::Email);
    let id = number(&draft.bundle).ok().map(BundleId);
    let found = services.registry.look_up(Question::Names(name.iter().cloned().collect(), id)).await?;
    let target = name.and_then(|name| found.user(&name)).filter(|user| user.active);
    let bundle = id.and_then(|id| found.bundle(id));
    let terms = match (target, bundle) {
        (None, _) => Err(Wrong::new("email", "ask-unknown")),
        (Some(_), None) => Err(Wrong::new("bundle", "ask-wrong-bundle")),
        (Some(target), Some(bundle)) => {
            Terms::between(target.id, me.id, bundle.id).map_err(|_| Wrong::new("email", "ask-self"))
        }
    };
    if terms.is_err() {
        services.count_reference(me, target.is_none(), &visit.origin).await?;
    }
    Ok(terms.map(|terms| NewRequest { terms, asked_by: me.id, lifetime, redeem_page: None, once: None }))
}

/// The form, with what was wrong the last time.
async fn form(
    services: &Services,
    visit: &Visit,
    draft: &Draft,
    wrong: Option<Wrong>,
) -> Result<HttpResponse, PageError> {
    let all = Page { limit: BUNDLES, offset: 0 };
    let listed = services.directory.read(move |conn| bundles::list(conn, all)).await?;
    let bundles: Vec<Value> = listed
        .rows
        .iter()
        .map(|bundle| {
            let id = bundle.id.0.to_string();
            let chosen = id == draft.bundle;
            context! { id, chosen, name => bundle.display_name(), rights => bundle.permission.bits() }
        })
        .collect();
    let requests = &services.config.requests;
    let days = requests.max_ttl / DAY;
    let context = context! {
        bundles,
        draft => draft.told(),
        wrong => Wrong::told(wrong),
        once => entropy::uuid().to_string(),
        usual => visit.language.span(requests.default_ttl),
        // Who decides within less than a day is not asked for days.
        days,
        most => (days > 0).then(|| visit.language.span(days * DAY)),
    };
    let status = wrong.map_or(StatusCode::OK, |wrong| wrong.status);
    Ok(visit.page(status, "ask", context))
}
