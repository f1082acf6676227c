//! `/account`: one's own password, and where one is signed in.

use std::iter;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::HtmlErrors;
use super::context::{PageContext, set_cookie};
use super::error::{PageError, see_other};
use super::form::Form;
use super::pager::flash;
use super::password::{PasswordFieldError, field_error_context, validate_new_password};
use super::session::{self, SignedIn};
use super::templates::{self, resource};
use super::user_agent::UserAgent;
use crate::auth::error::AuthError;
use crate::domain::token::SessionId;
use crate::http::client_ip;
use crate::http::error::ApiError;
use crate::http::middleware::response_delay;
use crate::http::openapi::error_responses::{BodyErrors, Errors};
use crate::http::routing::get;
use crate::http::state::AppState;
use crate::store::{sessions, users};

/// Where a form of the page leads back to.
const PATH: &str = "/account";
/// Sessions that are shown at the most.
const MAX_SESSIONS_SHOWN: i64 = 30;

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(resource("/account", "GET, HEAD").route(get().to(show)))
        .service(resource("/account/password", "POST").route(web::post().to(change_password)))
        .service(resource("/account/sessions/end", "POST").route(web::post().to(end_other_sessions)))
        .service(resource("/account/sessions/{id}/end", "POST").route(web::post().to(end_session)));
}

#[derive(OpenApi)]
#[openapi(paths(show, change_password, end_other_sessions, end_session))]
pub(super) struct Document;

/// Whoever is signed in, and where.
#[utoipa::path(
    get,
    path = "/account",
    operation_id = "account_page",
    security(()),
    params(("flash" = Option<String>, Query, nullable = false, description = "The result of the last action.")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 503>,
    ),
)]
async fn show(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    render(&services, &ctx, StatusCode::OK, None).await
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::ChangePassword)]
#[expect(dead_code, reason = "parsed by `change_password`; declared for the OpenAPI schema")]
struct ChangePasswordForm {
    /// What shows that the form was ours.
    csrf: String,
    /// The password until now.
    #[schema(format = Password)]
    current: String,
    /// The new one, of 8 to 1024 bytes.
    #[schema(format = Password)]
    new: String,
    /// Once more.
    #[schema(format = Password)]
    confirm: String,
}

/// What has ended while somebody was changing their password.
enum ChangeAborted {
    /// The one that they gave for theirs.
    PasswordChanged,
    /// Their session.
    SessionEnded,
}

/// Changes one's own password.
///
/// All sessions end, and this one is begun anew. A wrong password counts as a sign-in that
/// failed.
#[utoipa::path(
    post,
    path = "/account/password",
    operation_id = "change_password",
    security(()),
    request_body(content = ChangePasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Changed. Redirects to the account page, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 429>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn change_password(
    services: Data<AppState>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let SignedIn { session: this, user } = form.require_user(PATH)?;
    let Form { ctx, fields } = &form;
    let (current, new, confirm) =
        (fields.required("current")?, fields.required("new")?, fields.required("confirm")?);
    if let Err(field_error) = validate_new_password(new, confirm) {
        return render(&services, ctx, StatusCode::BAD_REQUEST, Some(field_error)).await;
    }
    let refuse = async || {
        let field_error = Some(("current", "account-wrong-password"));
        let mut answer = render(&services, ctx, StatusCode::FORBIDDEN, field_error).await?;
        response_delay::quantize(&mut answer);
        Ok(answer)
    };
    let from = client_ip::of_request(&request);
    let checked = match services.authenticator.sign_in(user.email.as_str(), current, from).await {
        Ok((_, hash)) => hash,
        Err(AuthError::Unauthenticated) => return refuse().await,
        Err(AuthError::RateLimited(exceeded)) => {
            let problem = ApiError::from(exceeded);
            let field_error = Some(("current", "sign-in-rate-limited"));
            return Ok(problem.with_headers(render(&services, ctx, problem.status(), field_error).await?));
        }
        Err(error) => return Err(error.into()),
    };
    let hash = services.authenticator.hash_password(new).await?;
    let (this, user, audit) = (this.id, user.id, ctx.audit.clone());
    let language = templates::accept_language(&request);
    let opened = services.store.write(move |conn| {
        // It may have been changed since it was looked at, and this session have ended.
        if !users::lock_with_password(conn, user, &checked)? {
            return Ok(Err(ChangeAborted::PasswordChanged));
        }
        let now = conn.now()?;
        if sessions::active_by_id(conn, this, now)?.is_none() {
            return Ok(Err(ChangeAborted::SessionEnded));
        }
        users::set_password(conn, user, &hash, &audit)?;
        session::open(conn, user, &audit, language).map(Ok)
    });
    let session = match opened.await? {
        Ok(session) => session,
        Err(ChangeAborted::SessionEnded) => return Err(PageError::SignInRequired { next: PATH.to_owned() }),
        Err(ChangeAborted::PasswordChanged) => {
            services.authenticator.invalidate(user);
            return refuse().await;
        }
    };
    services.authenticator.invalidate(user);
    let mut answer = see_other("/account?flash=password");
    set_cookie(&mut answer, &ctx.cookies.session_cookie(&session));
    Ok(answer)
}

/// Signs oneself out elsewhere: ends a session of one's own.
#[utoipa::path(
    post,
    path = "/account/sessions/{id}/end",
    operation_id = "end_session",
    security(()),
    params(("id" = String, Path, description = "The session's id.")),
    request_body(content = super::form::CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the account page, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 404>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn end_session(
    services: Data<AppState>,
    id: Path<String>,
    post: Form,
) -> Result<HttpResponse, PageError> {
    let SignedIn { session, user } = post.require_user(PATH)?;
    let id = id.parse::<Uuid>().map(SessionId).map_err(|_| ApiError::NotFound)?;
    let (user, audit) = (user.id, post.ctx.audit.clone());
    if !services.store.write(move |conn| session::close(conn, id, user, &audit)).await? {
        return Err(ApiError::NotFound.into());
    }
    if id != session.id {
        return Ok(see_other("/account?flash=session"));
    }
    let mut answer = see_other("/sign-in");
    set_cookie(&mut answer, &post.ctx.cookies.expired_session_cookie());
    Ok(answer)
}

/// Signs oneself out everywhere else: ends all sessions of one's own but this one.
#[utoipa::path(
    post,
    path = "/account/sessions/end",
    operation_id = "end_other_sessions",
    security(()),
    request_body(content = super::form::CsrfForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed out. Redirects to the account page, or to the sign-in page."),
        BodyErrors<HtmlErrors>,
        Errors<HtmlErrors, 403>,
        Errors<HtmlErrors, 503>,
    ),
)]
async fn end_other_sessions(services: Data<AppState>, form: Form) -> Result<HttpResponse, PageError> {
    let SignedIn { session, user } = form.require_user(PATH)?;
    let (this, user, audit) = (session.id, user.id, form.ctx.audit.clone());
    let ended = services.store.write(move |conn| {
        let now = conn.now()?;
        sessions::close_others(conn, user, this, &audit, now)
    });
    ended.await?;
    Ok(see_other("/account?flash=sessions"))
}

/// The page, with what went wrong.
async fn render(
    services: &AppState,
    ctx: &PageContext,
    status: StatusCode,
    field_error: Option<PasswordFieldError>,
) -> Result<HttpResponse, PageError> {
    let SignedIn { session: this, user } = ctx.require_user()?;
    let (id, owner) = (this.id, user.id);
    let others = services.store.read(move |conn| {
        let now = conn.now()?;
        sessions::others(conn, owner, id, now, MAX_SESSIONS_SHOWN - 1)
    });
    let others = others.await?;
    let more = (others.total - (MAX_SESSIONS_SHOWN - 1)).max(0);
    let sessions: Vec<_> = iter::once(this)
        .chain(&others.rows)
        .map(|session| {
            context! {
                id => session.id.to_string(),
                since => session.created_at.micros(),
                address => session.ip.as_deref(),
                client => UserAgent(session.user_agent.as_deref().unwrap_or_default()).describe(ctx.language),
                is_this => session.id == this.id,
            }
        })
        .collect();
    let context = context! {
        name => user.display_name(),
        email => user.email.as_str(),
        flash => flash(ctx, "account-flash", &["password", "session", "sessions"]),
        field_error => field_error_context(field_error),
        sessions,
        others => others.total > 0,
        more,
    };
    Ok(ctx.render(status, "account", context))
}
