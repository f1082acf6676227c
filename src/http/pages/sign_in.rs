//! `/sign-in` and `/sign-out`.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::HtmlErrors;
use super::context::{PageContext, safe_redirect, set_cookie};
use super::error::{PageError, see_other};
use super::form::{AnonymousForm, Form};
use super::session;
use super::templates::accept_language;
use crate::auth::error::AuthError;
use crate::domain::user::Email;
use crate::http::client_ip;
use crate::http::error::ApiError;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::state::AppState;
use crate::store::users;

#[derive(OpenApi)]
#[openapi(paths(show, sign_in, sign_out))]
pub(super) struct Document;

/// Where somebody wants to go who has to sign in first.
#[derive(Deserialize)]
pub(super) struct NextParam {
    next: Option<String>,
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::SignIn)]
#[expect(dead_code, reason = "parsed by `sign_in`; declared for the OpenAPI schema")]
struct SignInForm {
    /// What shows that the form was ours.
    csrf: String,
    email: String,
    #[schema(format = Password)]
    password: String,
    /// The path to go to then.
    #[schema(nullable = false)]
    next: Option<String>,
}

/// The form that signs somebody in.
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
pub(super) async fn show(ctx: PageContext, query: Option<Query<NextParam>>) -> HttpResponse {
    let next = query.and_then(|query| query.into_inner().next);
    let next = safe_redirect(next.as_deref());
    match &ctx.signed_in {
        Some(_) => see_other(next),
        None => render_form(&ctx, StatusCode::OK, next, "", None),
    }
}

/// Signs somebody in, and leads them on.
#[utoipa::path(
    post,
    path = "/sign-in",
    operation_id = "sign_in",
    security(()),
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed in. Redirects to the given path."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 429>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn sign_in(
    services: Data<AppState>,
    request: HttpRequest,
    AnonymousForm(Form { ctx, fields }): AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let (email, password) = (fields.required("email")?, fields.required("password")?);
    let next = safe_redirect(fields.optional("next"));
    // In another window, since the form was shown.
    let me = ctx.signed_in.as_ref().map(|signed_in| &signed_in.user.email);
    if me.is_some() && me == Email::new(email).ok().as_ref() {
        return Ok(see_other(next));
    }
    let render_again = |status, key| render_form(&ctx, status, next, email, Some(key));
    let sign_in_failed = || {
        let mut answer = render_again(StatusCode::FORBIDDEN, "sign-in-failed");
        response_delay::quantize(&mut answer);
        Ok(answer)
    };
    let checked = services.authenticator.sign_in(email, password, client_ip::of_request(&request)).await;
    let (user, hash) = match checked {
        Ok((user, hash)) => (user.id, hash),
        Err(AuthError::Unauthenticated) => return sign_in_failed(),
        Err(AuthError::RateLimited(exceeded)) => {
            let problem = ApiError::from(exceeded);
            return Ok(problem.with_headers(render_again(problem.status(), "sign-in-rate-limited")));
        }
        Err(error) => return Err(error.into()),
    };
    let mut audit = ctx.audit.clone();
    audit.actor = Some(user);
    let language = accept_language(&request);
    let opened = services.store.write(move |conn| {
        // It may have been changed since it was looked at, here or elsewhere.
        if !users::lock_with_password(conn, user, &hash)? {
            return Ok(None);
        }
        session::open(conn, user, &audit, language).map(Some)
    });
    let Some(token) = opened.await? else {
        services.authenticator.invalidate(user);
        return sign_in_failed();
    };
    let mut answer = see_other(next);
    set_cookie(&mut answer, &ctx.cookies.session_cookie(&token));
    Ok(answer)
}

/// Ends the session.
#[utoipa::path(
    post,
    path = "/sign-out",
    operation_id = "sign_out",
    security(()),
    request_body(content = super::form::CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn sign_out(
    services: Data<AppState>,
    Form { ctx, .. }: Form,
) -> Result<HttpResponse, PageError> {
    if let Some(signed_in) = ctx.signed_in {
        let (id, user, audit) = (signed_in.session.id, signed_in.user.id, ctx.audit);
        services.store.write(move |conn| session::close(conn, id, user, &audit)).await?;
    }
    let mut answer = see_other("/sign-in");
    set_cookie(&mut answer, &ctx.cookies.expired_session_cookie());
    Ok(answer)
}

/// The form, with what went wrong the last time.
fn render_form(
    ctx: &PageContext,
    status: StatusCode,
    next: &str,
    email: &str,
    error: Option<&str>,
) -> HttpResponse {
    ctx.render(status, "sign-in", context! { next, email, error, intro => None::<()> })
}
