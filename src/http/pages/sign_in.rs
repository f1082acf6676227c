//! `/sign-in` and `/sign-out`.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use serde::Deserialize;
use utoipa::ToSchema;

use super::context::PageContext;
use super::cookies::set_cookie;
use super::error::{PageError, wait_text};
use super::form::{AnonymousForm, Form};
use super::responses::{FormErrors, HtmlErrors};
use super::templates::accept_language;
use super::url::{query_encode, safe_redirect, see_other};
use crate::auth::error::AuthError;
use crate::domain::audit::AuditContext;
use crate::domain::user::Email;
use crate::http::error::ApiError;
use crate::http::extract::client_ip;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::sessions;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show, sign_in, sign_out]
}

#[derive(Deserialize)]
struct NextParam {
    next: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = page::SignIn)]
struct SignInForm {
    #[serde(rename = "csrf")]
    _csrf: String,
    email: String,
    #[schema(format = Password)]
    password: String,
    /// The path to redirect to after sign-in.
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Shows the sign-in form.
#[utoipa::path(
    get,
    path = "/sign-in",
    operation_id = "sign_in_page",
    security(()),
    params(("next" = Option<String>, Query, nullable = false, description = "The path to redirect to after sign-in.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Already signed in. Redirects to the given path."),
    ),
)]
async fn show(ctx: PageContext, query: Option<Query<NextParam>>) -> HttpResponse {
    let next = query.and_then(|query| query.into_inner().next);
    let next = safe_redirect(next.as_deref());
    match &ctx.signed_in {
        Some(_) => see_other(next),
        None => render_form(&ctx, StatusCode::OK, next, "", None),
    }
}

/// Signs a user in, and redirects to `next`.
#[utoipa::path(
    post,
    path = "/sign-in",
    operation_id = "sign_in",
    security(()),
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed in. Redirects to the given path."),
        FormErrors,
        Errors<HtmlErrors, 429>,
    ),
)]
async fn sign_in(
    state: Data<AppState>,
    request: HttpRequest,
    AnonymousForm { form: Form { ctx, fields }, is_current }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let SignInForm { email, password, next, .. } = fields.to()?;
    let next = safe_redirect(next.as_deref());
    // The user may have signed in in another window since the form was shown.
    let me = ctx.signed_in.as_ref().map(|signed_in| &signed_in.user.email);
    if me.is_some() && me == Email::new(&email).ok().as_ref() {
        return Ok(see_other(next));
    }
    let render_again = |status, error| render_form(&ctx, status, next, &email, Some(error));
    if !is_current {
        return Ok(render_again(StatusCode::FORBIDDEN, ctx.language.t("error-form-again")));
    }
    let sign_in_failed = || {
        let mut response = render_again(StatusCode::FORBIDDEN, ctx.language.t("sign-in-failed"));
        response_delay::quantize(&mut response);
        Ok(response)
    };
    let verified = state.authenticator.sign_in(&email, &password, client_ip::of_request(&request)).await;
    let (user, hash) = match verified {
        Ok((user, hash)) => (user.id, hash),
        Err(AuthError::Unauthenticated) => return sign_in_failed(),
        Err(AuthError::RateLimited(limit)) => {
            let text = wait_text("sign-in-rate-limited", limit, ctx.language);
            let error = ApiError::from(limit);
            return Ok(error.with_headers(render_again(error.status(), text)));
        }
        Err(error) => return Err(error.into()),
    };
    let audit = AuditContext { actor: Some(user), ..ctx.audit.clone() };
    let replaced = ctx.signed_in.as_ref().map(|signed_in| signed_in.session.clone());
    let language = accept_language(&request);
    let opened = sessions::sign_in(&state.store, audit, user, hash, replaced, language);
    let Some(token) = opened.await? else {
        state.authenticator.invalidate(user);
        return sign_in_failed();
    };
    let mut response = see_other(next);
    set_cookie(&mut response, &ctx.cookies.session_cookie(&token));
    Ok(response)
}

/// Signs the user out.
#[utoipa::path(
    post,
    path = "/sign-out",
    operation_id = "sign_out",
    security(()),
    request_body(content = super::form::CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the sign-in page."),
        FormErrors,
    ),
)]
async fn sign_out(state: Data<AppState>, Form { ctx, fields }: Form) -> Result<HttpResponse, PageError> {
    if let Some(signed_in) = ctx.signed_in {
        sessions::close(&state.store, ctx.audit, signed_in.user.id, signed_in.session.id).await?;
    }
    let mut response = match safe_redirect(fields.optional("next")) {
        "/" => see_other("/sign-in"),
        next => see_other(&format!("/sign-in?next={}", query_encode(next))),
    };
    set_cookie(&mut response, &ctx.cookies.expired_session_cookie());
    Ok(response)
}

/// The form with the previous input, and why sign-in failed.
fn render_form(
    ctx: &PageContext,
    status: StatusCode,
    next: &str,
    email: &str,
    error: Option<String>,
) -> HttpResponse {
    ctx.render(status, "sign-in", context! { next, email, error, intro => None::<()> })
}
