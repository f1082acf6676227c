//! `/forgot-password` and `/set-password`: setting a first password, or replacing a forgotten
//! one, with a mailed link.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use serde::Deserialize;
use utoipa::ToSchema;

use super::context::PageContext;
use super::cookies::set_cookie;
use super::error::PageError;
use super::form::{AnonymousForm, FieldError, Form};
use super::responses::{FormErrors, HtmlErrors};
use super::templates;
use super::url::{query_token, safe_redirect, see_other};
use crate::auth::password::{self, PasswordError};
use crate::domain::audit::AuditContext;
use crate::domain::password_link::{LinkReason, PasswordLink};
use crate::domain::rate_limit::rate_limit_prefix;
use crate::domain::user::{Email, User};
use crate::http::extract::client_ip;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::credentials::KeysOnReset;
use crate::services::password_links::{self, PasswordReset};

/// The longest path that is kept in a cookie.
const MAX_RETURN_PATH_LENGTH: usize = 1_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show_forgot_password, forgot_password, show_set_password, set_password]
}

/// Shows the form that requests a password link.
#[utoipa::path(
    get,
    path = "/forgot-password",
    operation_id = "forgot_password_page",
    security(()),
    params(("next" = Option<String>, Query, nullable = false, description = "The path to redirect to after the password is set.")),
    responses((status = 200, description = "The form.", body = String, content_type = "text/html")),
)]
async fn show_forgot_password(ctx: PageContext) -> HttpResponse {
    let next = ctx.query_param("next");
    let next = safe_redirect(next.as_deref());
    ctx.render_ok("forgot-password", context! { email => "", next, error => None::<()> })
}

#[derive(Deserialize, ToSchema)]
#[schema(as = page::ForgotPassword)]
struct ForgotPasswordForm {
    #[serde(rename = "csrf")]
    _csrf: String,
    email: String,
    /// The path to redirect to after the password is set, in the same browser.
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Queues a mail with a link that sets a password.
///
/// The response is the same whether or not the account exists.
#[utoipa::path(
    post,
    path = "/forgot-password",
    operation_id = "forgot_password",
    security(()),
    request_body(content = ForgotPasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "If the account exists, a mail is queued.", body = String,
            content_type = "text/html"),
        FormErrors,
        Errors<HtmlErrors, 429>,
    ),
)]
async fn forgot_password(
    state: Data<AppState>,
    request: HttpRequest,
    AnonymousForm { form: Form { ctx, fields }, is_current }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let ForgotPasswordForm { email, next, .. } = fields.to()?;
    let next = safe_redirect(next.as_deref());
    if !is_current {
        let context = context! { email, next, error => ctx.language.t("error-form-again") };
        return Ok(ctx.render(StatusCode::FORBIDDEN, "forgot-password", context));
    }
    let email = Email::new(email.trim()).ok();
    let ip_prefix = client_ip::of_request(&request).map(rate_limit_prefix);
    let limits = state.config.limits.password_reset;
    let may_send = password_links::consume_limits(&state.store, limits, email.clone(), ip_prefix).await??;
    if may_send && let Some(email) = email {
        // No actor: in the activity of a signed-in user, the entry would reveal that the account
        // exists.
        let audit = AuditContext { actor: None, ..ctx.audit.clone() };
        if password_links::send(&state.store, audit, email).await? {
            state.mailer.notify();
        }
    }
    let mut response = ctx.render_message(StatusCode::OK, "forgot-sent");
    // In the browser and not in the mail, whose recipient has perhaps not asked for it.
    if next != "/" && next.len() <= MAX_RETURN_PATH_LENGTH {
        set_cookie(&mut response, &ctx.cookies.return_cookie(Some(next)));
    }
    response_delay::quantize(&mut response);
    Ok(response)
}

/// Shows the form of a mailed link.
///
/// If the token is used, expired, replaced or unknown, the response is 404.
#[utoipa::path(
    get,
    path = "/set-password",
    operation_id = "set_password_page",
    security(()),
    params(("token" = Option<String>, Query, nullable = false, description = "The link's token.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show_set_password(
    state: Data<AppState>,
    request: HttpRequest,
    ctx: PageContext,
) -> Result<HttpResponse, PageError> {
    let token = query_token(&request);
    match password_links::find(&state.store, &state.keyring, token.as_deref()).await? {
        Some((link, user)) => {
            Ok(render_form(&ctx, token.as_deref().unwrap_or_default(), &link, &user, true, None))
        }
        None => Ok(link_inactive_page(&ctx)),
    }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = page::SetPassword)]
struct SetPasswordForm {
    #[serde(rename = "csrf")]
    _csrf: String,
    /// The link's token.
    token: String,
    /// The password, of 8 to 1024 bytes.
    #[schema(format = Password)]
    new: String,
    /// The same password again.
    #[schema(format = Password)]
    confirm: String,
    /// `yes` revokes all API keys and export tokens.
    #[schema(nullable = false)]
    revoke: Option<String>,
}

/// Sets a password with a mailed link, and signs the user in. Redirects to the page for which the
/// user had to sign in, or to the account page.
///
/// The link works once. All other sessions of the user end. With `revoke`, their API keys and export
/// tokens end too. A user who had a password gets a mail.
#[utoipa::path(
    post,
    path = "/set-password",
    operation_id = "set_password",
    security(()),
    request_body(content = SetPasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "The password is set and the user is signed in."),
        FormErrors,
        Errors<HtmlErrors, 404>,
    ),
)]
async fn set_password(
    state: Data<AppState>,
    request: HttpRequest,
    AnonymousForm { form: Form { ctx, fields }, is_current }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let SetPasswordForm { token, new, confirm, revoke, .. } = fields.to()?;
    let revokes_keys = revoke.as_deref() == Some("yes");
    let found = password_links::find(&state.store, &state.keyring, Some(&token)).await?;
    let Some((link, user)) = found else { return Ok(link_inactive_page(&ctx)) };
    if !is_current {
        let field_error = FieldError::forbidden("new", "error-form-again");
        return Ok(render_form(&ctx, &token, &link, &user, revokes_keys, Some(field_error)));
    }
    if let Err(field_error) = validate_new_password(&user, &new, &confirm) {
        return Ok(render_form(&ctx, &token, &link, &user, revokes_keys, Some(field_error)));
    }
    if state.authenticator.is_current_password(user.id, &new).await? {
        let field_error = FieldError::new("new", "password-same");
        return Ok(render_form(&ctx, &token, &link, &user, revokes_keys, Some(field_error)));
    }
    let hash = state.authenticator.hash_password(&new).await?;
    let audit = AuditContext { actor: Some(user.id), ..ctx.audit.clone() };
    let language = templates::accept_language(&request);
    let keys = if revokes_keys { KeysOnReset::Revoke } else { KeysOnReset::Keep };
    let replaced = ctx.signed_in.as_ref().map(|signed_in| signed_in.session.clone());
    let reset = PasswordReset { user: user.id, link: link.id, new_hash: hash, keys, replaced, language };
    let opened = password_links::set_password(&state.store, audit, reset);
    let Some(session) = opened.await? else { return Ok(link_inactive_page(&ctx)) };
    state.mailer.notify();
    state.authenticator.invalidate(user.id);
    let return_path = ctx.cookies.return_path(&request);
    let mut response = match safe_redirect(return_path.as_deref()) {
        "/" => see_other("/account?flash=password"),
        next => see_other(next),
    };
    if return_path.is_some() {
        set_cookie(&mut response, &ctx.cookies.return_cookie(None));
    }
    set_cookie(&mut response, &ctx.cookies.session_cookie(&session));
    Ok(response)
}

/// Validates the fields `new` and `confirm` of a user.
pub(super) fn validate_new_password(user: &User, new: &str, confirm: &str) -> Result<(), FieldError> {
    let known = [user.email.as_str(), user.first_name.as_str(), user.last_name.as_str()];
    match password::validate(new) {
        Err(PasswordError::TooShort) => Err(FieldError::new("new", "password-too-short")),
        Err(PasswordError::TooLong) => Err(FieldError::new("new", "password-too-long")),
        Err(PasswordError::ControlCharacter | PasswordError::HashFailed(_)) => {
            Err(FieldError::new("new", "password-unusable"))
        }
        Ok(()) if !password::is_same(new, confirm) => Err(FieldError::new("confirm", "password-mismatch")),
        Ok(()) if password::check_strength(new, &known).is_err() => {
            Err(FieldError::new("new", "password-weak"))
        }
        Ok(()) => Ok(()),
    }
}

/// The form of a link.
fn render_form(
    ctx: &PageContext,
    token: &str,
    link: &PasswordLink,
    user: &User,
    revokes_keys: bool,
    field_error: Option<FieldError>,
) -> HttpResponse {
    let status = field_error.map_or(StatusCode::OK, |field_error| field_error.status);
    let field_error = FieldError::to_context(field_error, ctx.language);
    let context = context! {
        token,
        email => user.email.as_str(),
        // A new account has nothing to revoke.
        offers_revocation => link.reason == LinkReason::ForgottenPassword,
        revokes_keys,
        field_error,
    };
    ctx.render(status, "set-password", context)
}

/// The page of a link that is not valid. It is the same for every reason.
fn link_inactive_page(ctx: &PageContext) -> HttpResponse {
    let mut response = ctx.render(StatusCode::NOT_FOUND, "set-password-link-inactive", context! {});
    response_delay::quantize(&mut response);
    response
}
