//! `/staff/users`: adding, disabling and enabling users.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::form_field::{self, FormField};
use crate::domain::user::{Email, PersonName, User, UserId};
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::form::{CsrfForm, Form, FormFields};
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::{HtmlErrors, StaffForm, StaffPage};
use crate::http::pages::url::{parse_id, query_encode, see_other};
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::admin::users::{self, DisableError};
use crate::services::credentials::EndedCredentials;
use crate::store::users::NewUser;

pub(super) const PATH: &str = "/staff/users";
/// The fields of a new user that are kept during sign-in.
const KEPT: &[&str] = &["email", "first_name", "last_name", "staff"];
/// Characters of a search.
const MAX_SEARCH_LENGTH: usize = Email::MAX_LENGTH;
/// Words of a search.
const MAX_SEARCH_WORDS: usize = 4;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![list, add, disable, enable]
}

/// Lists the users, for staff.
#[utoipa::path(
    get,
    path = "/staff/users",
    operation_id = "staff_users_page",
    security(()),
    params(
        ("q" = Option<String>, Query, nullable = false, description = "Text to search for in emails and names."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("email" = Option<String>, Query, nullable = false, description = "The address of a new user."),
        ("first_name" = Option<String>, Query, nullable = false, description = "The first name of a new user."),
        ("last_name" = Option<String>, Query, nullable = false, description = "The last name of a new user."),
        ("staff" = Option<String>, Query, nullable = false, description = "Whether a new user is an administrator."),
    ),
    responses(StaffPage),
)]
async fn list(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    render_list(&state, &ctx, StatusCode::OK, &UserFormState::of_link(&ctx)).await
}

/// The list, with the form for a new user.
async fn render_list(
    state: &AppState,
    ctx: &PageContext,
    status: StatusCode,
    form: &UserFormState,
) -> Result<HttpResponse, PageError> {
    let me = ctx.require_staff()?.user.id;
    let q = ctx.query_param("q").unwrap_or_default();
    let q = q.trim();
    let pagination = Pager::new(ctx, "offset");
    let page = pagination.limit_plus_one();
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    let mut found = match q.chars().count() <= MAX_SEARCH_LENGTH && words.len() <= MAX_SEARCH_WORDS {
        true => state.store.read(users::search(words, page)).await?,
        false => Vec::new(),
    };
    let pagination = pagination.finish(&mut found);
    let users: Vec<Value> = found.iter().map(|user| row(user, me)).collect();
    let context = context! {
        q,
        users,
        pagination,
        flash => ctx.flash("staff-users", &["added", "disabled", "enabled", "not-yourself", "last-staff"]),
        ended => ended_context(ctx),
        form => Serde(form),
        open => status != StatusCode::OK || FormFields::of_link(ctx, KEPT).is_some(),
    };
    Ok(ctx.render(status, "staff-users", context))
}

/// What was ended with a user who was disabled just now.
fn ended_context(ctx: &PageContext) -> Option<Value> {
    ctx.flash("staff-users", &["disabled"])?;
    let count = |name| ctx.query_param(name)?.parse::<u32>().ok();
    Some(context! {
        sessions => count("sessions")?,
        keys => count("keys")?,
        links => count("links")?,
        tokens => count("tokens")?,
    })
}

fn row(user: &User, me: UserId) -> Value {
    context! {
        id => user.id.0,
        email => user.email.as_str(),
        name => user.full_name(),
        active => user.active,
        staff => user.staff,
        me => user.id == me,
    }
}

/// The fields of the form.
#[derive(Deserialize, ToSchema)]
#[schema(as = page::NewUser)]
struct NewUserForm {
    /// The CSRF token of the page.
    #[serde(rename = "csrf")]
    _csrf: String,
    email: String,
    #[schema(max_length = 150)]
    first_name: String,
    #[schema(max_length = 150)]
    last_name: String,
    /// `yes` makes the user an administrator of the server.
    #[schema(nullable = false)]
    staff: Option<String>,
    /// Identifies the form, so that sending it twice creates one user.
    #[serde(rename = "form_id")]
    #[schema(nullable = false)]
    _form_id: Option<String>,
}

/// The form that adds a user, as the template shows it.
#[derive(Serialize)]
struct UserFormState {
    email: FormField,
    first_name: FormField,
    last_name: FormField,
    staff: bool,
}

impl UserFormState {
    fn new() -> Self {
        Self {
            email: FormField::new("email", "email", "email").required(),
            first_name: FormField::new("first_name", "text", "staff-first-name"),
            last_name: FormField::new("last_name", "text", "staff-last-name"),
            staff: false,
        }
    }

    /// The form as a link to it fills it in.
    fn of_link(ctx: &PageContext) -> Self {
        let value = |name| ctx.query_param(name).unwrap_or_default();
        let Self { email, first_name, last_name, .. } = Self::new();
        Self {
            email: email.with_value(&value("email")),
            first_name: first_name.with_value(&value("first_name")),
            last_name: last_name.with_value(&value("last_name")),
            staff: value("staff") == "yes",
        }
    }

    /// Parses the submitted fields. `None` if one is invalid; the form then shows the errors.
    fn parse(&mut self, form: &NewUserForm) -> Option<NewUser> {
        let email = self.email.parse(&form.email, Email::new, "staff-error-email");
        let first_name = self.first_name.parse(&form.first_name, PersonName::new, "staff-error-person-name");
        let last_name = self.last_name.parse(&form.last_name, PersonName::new, "staff-error-person-name");
        self.staff = form.staff.as_deref() == Some("yes");
        Some(NewUser {
            email: email?,
            first_name: first_name?,
            last_name: last_name?,
            staff: self.staff,
            password: None,
        })
    }
}

/// Adds a user without a password, for staff. The user gets a mail with a link to set one.
#[utoipa::path(
    post,
    path = "/staff/users",
    operation_id = "add_user_form",
    security(()),
    request_body(content = NewUserForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm, Errors<HtmlErrors, 409>),
)]
async fn add(state: Data<AppState>, sent: Form) -> Result<HttpResponse, PageError> {
    let Form { ctx, fields } = &sent;
    let me = sent.require_staff_or_keep(PATH, KEPT)?.user.id;
    let mut form = UserFormState::new();
    let render_again = async |form: &UserFormState, status| render_list(&state, ctx, status, form).await;
    let Some(new) = form.parse(&fields.to()?) else { return render_again(&form, form_field::INVALID).await };
    let email = new.email.clone();
    let add = async { Ok(state.store.write(users::add(new, ctx.audit.clone())).await?.ok_or(())) };
    // A form that was sent before has added the user already.
    if let Some(Err(())) = sent.create_once(&state, me, add).await? {
        form.email.set_error("staff-error-email-taken");
        return render_again(&form, form_field::CONFLICT).await;
    }
    state.mailer.notify();
    Ok(see_other(&format!("{PATH}?flash=added&q={}", query_encode(email.as_str()))))
}

/// The form that disables a user, for the OpenAPI document.
#[derive(Deserialize, ToSchema)]
#[schema(as = page::DisableUser)]
struct DisableForm {
    /// The CSRF token of the page.
    #[serde(rename = "csrf")]
    _csrf: String,
    /// `yes` revokes the user's export tokens. Otherwise they come back with the account.
    #[schema(nullable = false)]
    revoke_tokens: Option<String>,
}

/// Disables a user, for staff: their sessions, keys and password links end for good, and their
/// export tokens stop working.
///
/// Users cannot disable themselves: they could not undo a mistake. The user gets a mail.
#[utoipa::path(
    post,
    path = "/staff/users/{id}/disable",
    operation_id = "disable_user_form",
    security(()),
    params(("id" = String, Path, description = "The user's number.")),
    request_body(content = DisableForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn disable(
    state: Data<AppState>,
    segment: Path<String>,
    Form { ctx, fields }: Form,
) -> Result<HttpResponse, PageError> {
    let me = ctx.require_staff_or_return_to(PATH)?.user.id;
    let id = UserId(parse_id(&segment)?);
    if id == me {
        return Ok(see_other(&format!("{PATH}?flash=not-yourself")));
    }
    let revokes_tokens = fields.to::<DisableForm>()?.revoke_tokens.as_deref() == Some("yes");
    let disabled = state.store.write(users::disable(id, revokes_tokens, ctx.audit.clone()));
    let (user, ended) = match disabled.await? {
        Ok(disabled) => disabled,
        Err(DisableError::UnknownUser) => return Err(ApiError::NotFound.into()),
        Err(DisableError::LastStaff) => return Ok(see_other(&format!("{PATH}?flash=last-staff"))),
    };
    state.authenticator.invalidate(id);
    state.mailer.notify();
    let EndedCredentials { sessions, api_keys, password_links, export_tokens } = ended;
    Ok(see_other(&format!(
        "{PATH}?flash=disabled&sessions={sessions}&keys={api_keys}&links={password_links}\
         &tokens={export_tokens}&q={}",
        query_encode(user.email.as_str())
    )))
}

/// Enables a disabled user, for staff.
#[utoipa::path(
    post,
    path = "/staff/users/{id}/enable",
    operation_id = "enable_user_form",
    security(()),
    params(("id" = String, Path, description = "The user's number.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(StaffForm),
)]
async fn enable(
    state: Data<AppState>,
    segment: Path<String>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    ctx.require_staff_or_return_to(PATH)?;
    let id = UserId(parse_id(&segment)?);
    let enabled = state.store.write(users::enable(id, ctx.audit.clone()));
    let user = enabled.await?.ok_or(ApiError::NotFound)?;
    state.authenticator.invalidate(id);
    Ok(see_other(&format!("{PATH}?flash=enabled&q={}", query_encode(user.email.as_str()))))
}
