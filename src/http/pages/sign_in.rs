//! `/sign-in` and `/sign-out`.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Html;
use super::error::{PageError, see_other};
use super::post::{OpenPost, Post};
use super::session;
use super::view::told_language;
use super::visit::{Visit, local, set_cookie};
use crate::domain::user::Email;
use crate::http::auth::AuthError;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::{Services, client, pace};
use crate::store::users;

#[derive(OpenApi)]
#[openapi(paths(show, sign_in, sign_out))]
pub(super) struct Document;

/// Where somebody wants to go who has to sign in first.
#[derive(Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::SignIn)]
#[expect(dead_code, reason = "read by `sign_in`; this is what it looks like")]
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
pub(super) async fn show(visit: Visit, query: Option<Query<Next>>) -> HttpResponse {
    let next = query.and_then(|query| query.into_inner().next);
    let next = local(next.as_deref());
    match &visit.signed_in {
        Some(_) => see_other(next),
        None => form(&visit, StatusCode::OK, next, "", None),
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
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 429>,
        May<Html, 503>,
    ),
)]
pub(super) async fn sign_in(
    services: Data<Services>,
    request: HttpRequest,
    OpenPost(Post { visit, fields }): OpenPost,
) -> Result<HttpResponse, PageError> {
    let (email, password) = (fields.one("email")?, fields.one("password")?);
    let next = local(fields.optional("next"));
    // In another window, since the form was shown.
    let me = visit.signed_in.as_ref().map(|signed_in| &signed_in.user.email);
    if me.is_some() && me == Email::new(email).ok().as_ref() {
        return Ok(see_other(next));
    }
    let again = |status, key| form(&visit, status, next, email, Some(key));
    let wrong = || {
        let mut answer = again(StatusCode::FORBIDDEN, "sign-in-wrong");
        pace::set(&mut answer);
        Ok(answer)
    };
    let checked = services.authenticator.sign_in(email, password, client::address(&request)).await;
    let (user, hash) = match checked {
        Ok((user, hash)) => (user.id, hash),
        Err(AuthError::Unauthenticated) => return wrong(),
        Err(AuthError::TooOften(exceeded)) => {
            let problem = Problem::from(exceeded);
            return Ok(problem.dress(again(problem.status(), "sign-in-too-often")));
        }
        Err(error) => return Err(error.into()),
    };
    let mut origin = visit.origin.clone();
    origin.actor = Some(user);
    let language = told_language(&request);
    let opened = services.directory.write(move |conn| {
        // It may have been changed since it was looked at, here or elsewhere.
        if !users::lock_with_password(conn, user, &hash)? {
            return Ok(None);
        }
        session::open(conn, user, &origin, language).map(Some)
    });
    let Some(token) = opened.await? else {
        services.authenticator.forget(user);
        return wrong();
    };
    let mut answer = see_other(next);
    set_cookie(&mut answer, &visit.jar.keep_session(&token));
    Ok(answer)
}

/// Ends the session.
#[utoipa::path(
    post,
    path = "/sign-out",
    operation_id = "sign_out",
    security(()),
    request_body(content = super::post::Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 503>,
    ),
)]
pub(super) async fn sign_out(
    services: Data<Services>,
    Post { visit, .. }: Post,
) -> Result<HttpResponse, PageError> {
    if let Some(signed_in) = visit.signed_in {
        let (id, user, origin) = (signed_in.session.id, signed_in.user.id, visit.origin);
        services.directory.write(move |conn| session::close(conn, id, user, &origin)).await?;
    }
    let mut answer = see_other("/sign-in");
    set_cookie(&mut answer, &visit.jar.drop_session());
    Ok(answer)
}

/// The form, with what went wrong the last time.
fn form(visit: &Visit, status: StatusCode, next: &str, email: &str, wrong: Option<&str>) -> HttpResponse {
    visit.page(status, "sign-in", context! { next, email, wrong, intro => None::<()> })
}
