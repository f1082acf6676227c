//! `/account`: the signed-in user's password, sessions and mails.

use std::iter;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::{Value, context};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::context::PageContext;
use super::cookies::set_cookie;
use super::error::PageError;
use super::form::{CsrfForm, FieldError, Form};
use super::mail_settings;
use super::password::validate_new_password;
use super::responses::{FormErrors, HtmlErrors, SignedInPage};
use super::templates;
use super::url::see_other;
use super::user_agent::UserAgent;
use crate::auth::error::AuthError;
use crate::auth::password;
use crate::domain::token::SessionId;
use crate::http::error::ApiError;
use crate::http::extract::client_ip;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::accounts::{self, ChangePasswordError};
use crate::services::mail_settings as settings;
use crate::services::sessions::{self, SignedIn};
use crate::store::sessions::Session;

const PATH: &str = "/account";
/// Sessions on the page.
const MAX_SESSIONS_SHOWN: i64 = 30;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, change_password, end_other_sessions, end_session]
}

/// Shows the signed-in user's account.
#[utoipa::path(
    get,
    path = "/account",
    operation_id = "account_page",
    security(()),
    params(("flash" = Option<String>, Query, nullable = false, description = "The result of the last action.")),
    responses(SignedInPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    render(&state, &ctx, None).await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = page::ChangePassword)]
struct ChangePasswordForm {
    #[serde(rename = "csrf")]
    _csrf: String,
    /// The current password.
    #[schema(format = Password)]
    current: String,
    /// The new password, of 8 to 1024 bytes.
    #[schema(format = Password)]
    new: String,
    /// The new password again.
    #[schema(format = Password)]
    confirm: String,
}

/// Changes the signed-in user's password.
///
/// All sessions end, and the browser gets a new one. A wrong current password counts as a
/// failed sign-in.
#[utoipa::path(
    post,
    path = "/account/password",
    operation_id = "change_password",
    security(()),
    request_body(content = ChangePasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Changed. Redirects to the account page, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 429>,
    ),
)]
async fn change_password(
    state: Data<AppState>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let SignedIn { session: current, user } = form.require_user(PATH)?;
    let Form { ctx, fields } = &form;
    let form: ChangePasswordForm = fields.to()?;
    if let Err(field_error) = validate_new_password(user, &form.new, &form.confirm) {
        return render(&state, ctx, Some(field_error)).await;
    }
    if password::is_same(&form.new, &form.current) {
        return render(&state, ctx, Some(FieldError::new("new", "password-same"))).await;
    }
    if let Err(error) = state.meter_password_change(user).await {
        let ApiError::RateLimited(limit) = error else { return Err(error.into()) };
        let field_error = FieldError::rate_limited("current", "sign-in-rate-limited", limit);
        let response = render(&state, ctx, Some(field_error)).await?;
        return Ok(ApiError::from(limit).with_headers(response));
    }
    let wrong_password = async || {
        let field_error = FieldError::forbidden("current", "account-wrong-password");
        let mut response = render(&state, ctx, Some(field_error)).await?;
        response_delay::quantize(&mut response);
        Ok(response)
    };
    let ip = client_ip::of_request(&request);
    let current_hash = match state.authenticator.sign_in(user.email.as_str(), &form.current, ip).await {
        Ok((_, hash)) => hash,
        Err(AuthError::Unauthenticated) => return wrong_password().await,
        Err(AuthError::RateLimited(limit)) => {
            let field_error = FieldError::rate_limited("current", "sign-in-rate-limited", limit);
            let response = render(&state, ctx, Some(field_error)).await?;
            return Ok(ApiError::from(limit).with_headers(response));
        }
        Err(error) => return Err(error.into()),
    };
    let new_hash = state.authenticator.hash_password(&form.new).await?;
    let changed = accounts::change_password(
        &state.store,
        ctx.audit.clone(),
        current.id,
        user.id,
        current_hash,
        new_hash,
        templates::accept_language(&request),
    );
    let token = match changed.await? {
        Ok(token) => token,
        Err(ChangePasswordError::SessionEnded) => {
            return Err(PageError::SignInRequired { next: PATH.to_owned() });
        }
        Err(ChangePasswordError::PasswordChanged) => {
            state.authenticator.invalidate(user.id);
            return wrong_password().await;
        }
    };
    state.authenticator.invalidate(user.id);
    state.mailer.notify();
    let mut response = see_other("/account?flash=password");
    set_cookie(&mut response, &ctx.cookies.session_cookie(&token));
    Ok(response)
}

/// Ends a session of the signed-in user.
#[utoipa::path(
    post,
    path = "/account/sessions/{id}/end",
    operation_id = "end_session",
    security(()),
    params(("id" = String, Path, description = "The session's id.")),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the account page, or to the sign-in page."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn end_session(state: Data<AppState>, id: Path<String>, form: Form) -> Result<HttpResponse, PageError> {
    let SignedIn { session: current, user } = form.require_user(PATH)?;
    let id = id.parse::<Uuid>().map(SessionId).map_err(|_| ApiError::NotFound)?;
    if !sessions::close(&state.store, form.ctx.audit.clone(), user.id, id).await? {
        return Err(ApiError::NotFound.into());
    }
    if id != current.id {
        return Ok(see_other("/account?flash=session"));
    }
    let mut response = see_other("/sign-in");
    set_cookie(&mut response, &form.ctx.cookies.expired_session_cookie());
    Ok(response)
}

/// Ends all sessions of the signed-in user except this one.
#[utoipa::path(
    post,
    path = "/account/sessions/end",
    operation_id = "end_other_sessions",
    security(()),
    request_body(content = CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the account page, or to the sign-in page."),
        FormErrors,
    ),
)]
async fn end_other_sessions(state: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let SignedIn { session: current, user } = form.require_user(PATH)?;
    sessions::close_others(&state.store, form.ctx.audit.clone(), user.id, current.id).await?;
    Ok(see_other("/account?flash=sessions"))
}

/// A session in a list.
pub(super) fn session_row(session: &Session, ctx: &PageContext) -> Value {
    context! {
        id => session.id.to_string(),
        since => session.created_at.micros(),
        address => session.ip.as_deref(),
        client => UserAgent(session.user_agent.as_deref().unwrap_or_default()).describe(ctx.language),
    }
}

/// The page, with an error of the password form.
async fn render(
    state: &AppState,
    ctx: &PageContext,
    field_error: Option<FieldError>,
) -> Result<HttpResponse, PageError> {
    let SignedIn { session: current, user } = ctx.require_user()?;
    let others = sessions::list_others(&state.store, user.id, current.id, MAX_SESSIONS_SHOWN - 1).await?;
    let muted = settings::muted(&state.store, user.id).await?;
    let more = (others.total - (MAX_SESSIONS_SHOWN - 1)).max(0);
    let sessions: Vec<_> = iter::once(current)
        .chain(&others.rows)
        .map(|session| context! { is_this => session.id == current.id, ..session_row(session, ctx) })
        .collect();
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    let context = context! {
        name => user.display_name(),
        email => user.email.as_str(),
        flash => ctx.flash("account-flash", &["password", "session", "sessions", "mails"]),
        field_error => FieldError::to_context(field_error, ctx.language),
        sessions,
        others => others.total > 0,
        more,
        mail_kinds => mail_settings::checkboxes(muted.complement()),
    };
    Ok(ctx.render(status, "account", context))
}
