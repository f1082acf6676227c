//! `/staff/users`: who there is.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use minijinja::value::Serde;
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};

use super::form::{self, Field};
use super::{Done, Look, id, perform, staff_in};
use crate::domain::user::{Email, PersonName, User, UserId};
use crate::http::Services;
use crate::http::openapi::refusals::May;
use crate::http::pages::Html;
use crate::http::pages::error::{PageError, encoded, see_other};
use crate::http::pages::listing::{Part, done};
use crate::http::pages::post::{Csrf, Fields, Post};
use crate::http::pages::visit::Visit;
use crate::http::problem::Problem;
use crate::store::users::NewUser;
use crate::store::{staff, users};

const ROOM: &str = "/staff/users";
/// The most characters of a search, and words in it.
const SEARCH: (usize, usize) = (Email::MOST, 4);

#[derive(OpenApi)]
#[openapi(paths(list, add, disable, enable))]
pub(super) struct Document;

/// Lists the users, for staff.
#[utoipa::path(
    get,
    path = "/staff/users",
    operation_id = "staff_users_page",
    security(()),
    params(
        ("q" = Option<String>, Query, nullable = false, description = "Text to search for in emails and names."),
        ("from" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
    ),
    responses(Look),
)]
pub(super) async fn list(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    visit.staff()?;
    show(&services, &visit, StatusCode::OK, &Form::new()).await
}

/// The page, with the form as it stands.
async fn show(
    services: &Services,
    visit: &Visit,
    status: StatusCode,
    form: &Form,
) -> Result<HttpResponse, PageError> {
    let me = visit.staff()?.user.id;
    let q = visit.parameter("q").unwrap_or_default();
    let q = q.trim();
    let part = Part::of(visit, "from");
    let page = part.page_and_one();
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    let mut found = match q.chars().count() <= SEARCH.0 && words.len() <= SEARCH.1 {
        true => services.directory.read(move |conn| users::search(conn, &words, page)).await?,
        false => Vec::new(),
    };
    let part = part.cut(&mut found);
    let users: Vec<Value> = found.iter().map(|user| row(user, me)).collect();
    let context = context! {
        q,
        users,
        part,
        done => done(visit, "staff-users", &["added", "disabled", "enabled", "not-yourself"]),
        form => Serde(form),
        open => status != StatusCode::OK,
    };
    Ok(visit.page(status, "staff-users", context))
}

fn row(user: &User, me: UserId) -> Value {
    context! {
        id => user.id.0,
        email => user.email.as_str(),
        name => user.shown_names(),
        active => user.active,
        staff => user.staff,
        me => user.id == me,
    }
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewUser)]
#[expect(dead_code, reason = "read by `add`; this is what it looks like")]
struct NewUserForm {
    /// What shows that the form was ours.
    csrf: String,
    email: String,
    #[schema(max_length = 150)]
    first_name: String,
    #[schema(max_length = 150)]
    last_name: String,
    /// `yes`, if the user is to administer the server.
    #[schema(nullable = false)]
    staff: Option<String>,
}

/// The form that adds a user.
#[derive(serde::Serialize)]
struct Form {
    email: Field,
    first_name: Field,
    last_name: Field,
    staff: bool,
}

impl Form {
    fn new() -> Self {
        Self {
            email: Field::new("email", "email", "email").required(),
            first_name: Field::new("first_name", "text", "staff-first-name"),
            last_name: Field::new("last_name", "text", "staff-last-name"),
            staff: false,
        }
    }

    /// Whom somebody filled in, if that can be read.
    fn read(&mut self, fields: &Fields) -> Result<Option<NewUser>, PageError> {
        let email = self.email.read(fields, Email::new, "staff-error-email")?;
        let first_name = self.first_name.read(fields, PersonName::new, "staff-error-person-name")?;
        let last_name = self.last_name.read(fields, PersonName::new, "staff-error-person-name")?;
        self.staff = fields.optional("staff") == Some("yes");
        let (Some(email), Some(first_name), Some(last_name)) = (email, first_name, last_name) else {
            return Ok(None);
        };
        Ok(Some(NewUser { email, first_name, last_name, staff: self.staff, password: None }))
    }
}

/// Adds a user, who has no password yet, for staff.
#[utoipa::path(
    post,
    path = "/staff/users",
    operation_id = "add_user_by_page",
    security(()),
    request_body(content = NewUserForm, content_type = "application/x-www-form-urlencoded"),
    responses(Done, May<Html, 409>),
)]
pub(super) async fn add(
    services: Data<Services>,
    Post { visit, fields }: Post,
) -> Result<HttpResponse, PageError> {
    staff_in(&visit, ROOM)?;
    let mut form = Form::new();
    let again = async |form: &Form, status| show(&services, &visit, status, form).await;
    let Some(new) = form.read(&fields)? else { return again(&form, form::UNREADABLE).await };
    let email = new.email.clone();
    let added = perform(&services, &visit, move |conn, origin, now| staff::add_user(conn, &new, origin, now));
    if added.await?.is_none() {
        form.email.refuse("staff-error-email-taken");
        return again(&form, form::IN_THE_WAY).await;
    }
    services.mailer.hint();
    Ok(see_other(&format!("{ROOM}?done=added&q={}", encoded(email.as_str()))))
}

/// Disables a user, for staff: their sessions, keys and export tokens stop working.
///
/// Nobody disables themself: who did so by mistake could not undo it.
#[utoipa::path(
    post,
    path = "/staff/users/{id}/disable",
    operation_id = "disable_user_by_page",
    security(()),
    params(("id" = String, Path, description = "The user's number.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(Done),
)]
pub(super) async fn disable(
    services: Data<Services>,
    segment: Path<String>,
    post: Post,
) -> Result<HttpResponse, PageError> {
    set_active(&services, &segment, post, false).await
}

/// Enables a user who was disabled, for staff.
#[utoipa::path(
    post,
    path = "/staff/users/{id}/enable",
    operation_id = "enable_user_by_page",
    security(()),
    params(("id" = String, Path, description = "The user's number.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(Done),
)]
pub(super) async fn enable(
    services: Data<Services>,
    segment: Path<String>,
    post: Post,
) -> Result<HttpResponse, PageError> {
    set_active(&services, &segment, post, true).await
}

async fn set_active(
    services: &Services,
    segment: &str,
    Post { visit, .. }: Post,
    active: bool,
) -> Result<HttpResponse, PageError> {
    let me = staff_in(&visit, ROOM)?.user.id;
    let id = UserId(id(segment)?);
    if id == me && !active {
        return Ok(see_other(&format!("{ROOM}?done=not-yourself")));
    }
    let set =
        perform(services, &visit, move |conn, origin, now| staff::set_active(conn, id, active, origin, now));
    let user = set.await?.ok_or(Problem::NotFound)?;
    services.authenticator.forget(id);
    let done = if active { "enabled" } else { "disabled" };
    Ok(see_other(&format!("{ROOM}?done={done}&q={}", encoded(user.email.as_str()))))
}
